//! Nix's own word: what it says its settings are, before and after an edit.
//!
//! Without an installed Nix, each test says that it is skipped, and passes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use fh_conf::nix_conf::{NixConf, SetIfUnset, read_include};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

use crate::files::{INCLUDED, file};

/// A directory with a nix.conf that Nix reads as its only one.
struct Place {
    directory: TempDir,
}

type Settings = BTreeMap<String, String>;

impl Place {
    /// `None` if Nix is not installed.
    fn new() -> Option<Self> {
        if Command::new("nix")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_err()
        {
            fh_testkit::skipped("nix.conf as Nix reads it: there is no `nix` in PATH");
            return None;
        }
        Some(Self {
            directory: tempfile::tempdir().expect("a directory"),
        })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: &[u8]) {
        std::fs::write(self.path().join(name), text).expect("written");
    }

    fn parse(&self, text: &[u8]) -> Result<NixConf, fh_conf::Error> {
        NixConf::parse(text, &self.path().join("nix.conf"), &mut read_include)
    }

    /// All settings as Nix sees them, or its error.
    fn ask(&self, conf: &[u8]) -> Result<Settings, String> {
        self.write("nix.conf", conf);
        let mut command = Command::new("nix");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", self.path())
            .env("NIX_CONF_DIR", self.path())
            .env("NIX_USER_CONF_FILES", "");
        command.args([
            "--extra-experimental-features",
            "nix-command",
            "show-config",
        ]);
        let output = command.stdin(Stdio::null()).output().expect("nix starts");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter_map(|line| {
            line.split_once(" = ")
                .or_else(|| Some((line.strip_suffix(" =")?, "")))
        });
        Ok(lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

fn words(settings: &Settings, name: &str) -> Vec<String> {
    settings[name]
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// As a set: for some lists, Nix keeps a value once.
fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words.dedup();
    words
}

/// Logs in and out on this file, with Nix looking on.
fn judge(place: &Place, before: &[u8]) {
    let shown = String::from_utf8_lossy(before).into_owned();
    let old = place.ask(before).expect("Nix accepts it");
    let original = place.parse(before).expect("we accept it");
    let mut conf = original.clone();
    let keys = [
        "new-1:1KNyrbC1oEDWV+BmbvGdhvZNnaE3mEeEfbHpVxJ5cDo=",
        "new-2:2KNyrbC1oEDWV+BmbvGdhvZNnaE3mEeEfbHpVxJ5cDo=",
    ];
    conf.add_to_list("extra-substituters", &["https://new.example"])
        .expect("added");
    conf.add_to_list("extra-trusted-public-keys", &keys)
        .expect("added");
    let set = conf
        .set_if_unset("netrc-file", "/new/some where/netrc")
        .expect("set");
    let new = place
        .ask(conf.as_bytes())
        .expect("Nix accepts what we write");

    let mut expected = old.clone();
    if set == SetIfUnset::Set {
        expected.insert("netrc-file".to_owned(), "/new/some where/netrc".to_owned());
    }
    let mut meant = BTreeMap::new();
    for (name, more) in [
        ("substituters", &["https://new.example"][..]),
        ("trusted-public-keys", &keys),
    ] {
        let all = words(&old, name)
            .into_iter()
            .chain(more.iter().map(|&word| word.to_owned()));
        meant.insert(name, sorted(all.collect()));
        assert_eq!(sorted(words(&new, name)), meant[name], "{name} in {shown}");
        expected.insert(name.to_owned(), new[name].clone());
    }
    assert_eq!(new, expected, "only what was meant changed in {shown}");

    // What we say is in effect is what Nix says, where the file says it all.
    for name in [
        "substituters",
        "trusted-substituters",
        "trusted-public-keys",
        "cores",
        "netrc-file",
        "sandbox",
    ] {
        if replaces(&conf, name) {
            assert_eq!(
                sorted(words(&new, name)),
                sorted(conf.effective_list(name)),
                "{name} in {shown}"
            );
        }
    }

    conf.remove_from_list("extra-substituters", &["https://new.example"])
        .expect("removed");
    conf.remove_from_list("extra-trusted-public-keys", &keys)
        .expect("removed");
    if set == SetIfUnset::Set {
        assert!(
            conf.unset("netrc-file", "/new/some where/netrc")
                .expect("unset")
        );
    }
    assert_eq!(conf.as_bytes(), before);
}

/// Whether the value of a setting is whole in the file: `extra-NAME` alone adds to a default that
/// only Nix knows.
fn replaces(conf: &NixConf, name: &str) -> bool {
    let text = String::from_utf8_lossy(conf.as_bytes()).into_owned();
    let alias = match name {
        "substituters" => "binary-caches",
        "trusted-public-keys" => "binary-cache-public-keys",
        other => other,
    };
    let mut first_words = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    first_words.any(|word| word == name || word == alias)
}

#[test]
fn awkward_files_keep_their_meaning() {
    let Some(place) = Place::new() else { return };
    place.write(
        INCLUDED,
        b"substituters = https://included.example\ncores = 7 # seven\n!include sub/deeper.conf",
    );
    std::fs::create_dir(place.path().join("sub")).expect("a directory");
    place.write(
        "sub/deeper.conf",
        b"extra-substituters = https://deeper.example\ninclude ../last.conf\n",
    );
    place.write("last.conf", b"trusted-users = root alice");
    for before in [
        "",
        "cores = 3",
        "cores = 3\r\nsubstituters = https://a.example\r\n",
        "extra-substituters = https://a.example# glued\n",
        "extra-substituters = https://a.example\nsubstituters = https://b.example\n",
        "extra-substituters = https://a.example\ninclude included.conf",
        "include included.conf\nextra-substituters = https://a.example # x",
        "include\tincluded.conf # twice\n!include ./sub/../included.conf\n!include nowhere.conf\n",
        "binary-caches = https://a.example\nextra-binary-caches = https://b.example\nextra-binary-cache-public-keys = a-1:AAAA\n",
        "netrc-file = /a/netrc\nnetrc-file =   /b/netrc\t# the last\n",
        "  trusted-public-keys =\n\textra-trusted-public-keys = a-1:AAAA \n\n\n# end",
        "# caf\u{e9} \u{1f600}\nunknown-setting = \u{e9}\ncores = 3\r",
        "extra-experimental-features = flakes\nexperimental-features = nix-command\naccess-tokens = github.com=x\n",
    ] {
        judge(&place, before.as_bytes());
    }
}

#[test]
fn random_files_keep_their_meaning() {
    let Some(place) = Place::new() else { return };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    for _ in 0..40 {
        let included = file(false).new_tree(&mut runner).expect("a file").current();
        let before = file(true).new_tree(&mut runner).expect("a file").current();
        place.write(INCLUDED, included.as_bytes());
        judge(&place, before.as_bytes());
    }
}

#[test]
fn what_we_refuse_nix_refuses() {
    let Some(place) = Place::new() else { return };
    place.write("bad.conf", b"cores = 1\noops");
    let refused = [
        "cores",
        "cores=3\n",
        "substituters = https://a.example\n  https://b.example\n",
        "include\n",
        "include a b\n",
        "include missing.conf\n",
        "include bad.conf\n",
        "cores # = 3\n",
        "cores == 3\n",
        "cores\u{b}= 3",
        "a\0 b",
    ];
    for text in refused {
        assert!(place.parse(text.as_bytes()).is_err(), "{text:?}");
        assert!(place.ask(text.as_bytes()).is_err(), "{text:?}");
    }
    place.write("directory.conf", b"");
    for text in [
        "= = x\n",
        "unknown\u{b}x = 3\n",
        "\u{feff}unknown = 3\n",
        "unknown =\n",
        "include /\n",
        "!include . # x",
        "cores = 1\0\n# \0",
    ] {
        assert!(place.parse(text.as_bytes()).is_ok(), "{text:?}");
        let answer = place.ask(text.as_bytes());
        // The value may be wrong for the setting; the line is right.
        assert!(
            answer
                .as_ref()
                .err()
                .is_none_or(|error| error.contains("invalid value")),
            "{text:?} {answer:?}"
        );
    }
}
