//! Nix's own word: what each version says its settings are, before and after every kind of edit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fh_conf::Error;
use fh_conf::ledger::Ledger;
use fh_conf::nix_conf::{NixConf, SetIfUnset, VARIABLE, read_include};
use fh_testkit::nix::{Home, Nix, versions};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::files::{INCLUDED, file};

const CACHE: &str = "https://new.example";
const KEYS: [&str; 2] = [
    "new-1:1KNyrbC1oEDWV+BmbvGdhvZNnaE3mEeEfbHpVxJ5cDo=",
    "new-2:2KNyrbC1oEDWV+BmbvGdhvZNnaE3mEeEfbHpVxJ5cDo=",
];
const NETRC: &str = "/new/some where/netrc";
/// A key and a cache that random files have.
const RETIRED: &str = "c-1:CCCC";
const OLD_CACHE: &str = "https://x.example";

type Settings = BTreeMap<String, String>;

/// A machine with a version of Nix that reads two files: the system's and, with the last word, the
/// user's.
struct Machine {
    home: Home,
    nix: &'static Nix,
}

/// Which file is edited.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Edited {
    User,
    /// The system's own, or what it includes.
    System(&'static str),
}

impl Machine {
    fn new(nix: &'static Nix) -> Self {
        let home = Home::new().expect("a home");
        std::fs::create_dir_all(home.config().join("nix/sub")).expect("a directory");
        let machine = Self { home, nix };
        machine.write(&machine.system("nix.conf"), b"");
        machine
    }

    fn user(&self, name: &str) -> PathBuf {
        self.home.config().join("nix").join(name)
    }

    fn system(&self, name: &str) -> PathBuf {
        self.home.system_configuration().join(name)
    }

    fn path(&self, edited: Edited) -> PathBuf {
        match edited {
            Edited::User => self.user("nix.conf"),
            Edited::System(name) => self.system(name),
        }
    }

    fn write(&self, path: &Path, text: &[u8]) {
        std::fs::write(path, text).expect("written");
    }

    fn parse(&self, edited: Edited, text: &[u8]) -> Result<NixConf, Error> {
        let roots = [self.system("nix.conf"), self.user("nix.conf")];
        NixConf::parse_among(text, &self.path(edited), &roots, &mut read_include)
    }

    /// All settings as Nix sees them with this text, or its error.
    fn ask(&self, edited: Edited, text: &[u8]) -> Result<Settings, String> {
        self.ask_with(edited, text, None)
    }

    /// The same with the variable NIX_CONFIG.
    fn ask_with(
        &self,
        edited: Edited,
        text: &[u8],
        variable: Option<&str>,
    ) -> Result<Settings, String> {
        self.write(&self.path(edited), text);
        let mut command = self.nix.command("nix", &self.home);
        // From 2.20 on, the older name is a deprecated alias.
        let arguments: &[&str] = if self.nix.is_at_least(2, 20) {
            &["config", "show"]
        } else {
            &["show-config"]
        };
        command
            .args(["--extra-experimental-features", "nix-command"])
            .args(arguments)
            .envs(variable.map(|text| (VARIABLE, text)));
        let output = command.output().expect("nix starts");
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
            // Where the program itself is, which no file says.
            .filter(|(name, _)| name != "build-hook")
            .collect())
    }

    /// Every kind of edit on this text, with Nix looking on.
    fn judge(&self, edited: Edited, before: &[u8]) {
        let shown = format!(
            "Nix {}, {edited:?}: {}",
            self.nix.version(),
            String::from_utf8_lossy(before)
        );
        let old = self
            .ask(edited, before)
            .unwrap_or_else(|error| panic!("not accepted by {shown}: {error}"));
        let original = self.parse(edited, before).expect("we accept it");
        self.judge_login(edited, &original, &old, &shown);
        self.judge_removal(edited, &original, &old, &shown);
    }

    fn judge_login(&self, edited: Edited, original: &NixConf, old: &Settings, shown: &str) {
        let mut conf = original.clone();
        let mut ledger = Ledger::default();
        let path = original.path();
        let lists = [
            ("extra-substituters", &[CACHE][..]),
            ("extra-trusted-substituters", &[CACHE]),
            ("extra-trusted-public-keys", &KEYS),
        ];
        for (name, values) in lists {
            let added = ledger
                .add_to_list(path, "one", &mut conf, name, values)
                .expect("added");
            assert_eq!(added, values);
        }
        let set = ledger
            .set_if_unset(path, "one", &mut conf, "netrc-file", NETRC)
            .expect("set");
        let new = self.ask(edited, conf.as_bytes());
        let new = new.unwrap_or_else(|error| panic!("what we write of {shown}: {error}"));
        let mut expected = old.clone();
        if set == SetIfUnset::Set {
            expected.insert("netrc-file".to_owned(), NETRC.to_owned());
        }
        for (name, more) in lists {
            let name = name.strip_prefix("extra-").expect("a list");
            let mut all = words(old, name);
            all.extend(more.iter().map(|&word| word.to_owned()));
            assert_eq!(sorted(words(&new, name)), sorted(all), "{name}, {shown}");
            expected.insert(name.to_owned(), new[name].clone());
        }
        assert_same(&new, &expected, shown);
        self.assert_effective(&conf, &new, shown);

        ledger
            .take_back_nix_conf(path, "one", &mut conf)
            .expect("taken back");
        assert_eq!(conf.as_bytes(), original.as_bytes());
    }

    fn judge_removal(&self, edited: Edited, original: &NixConf, old: &Settings, shown: &str) {
        let mut conf = original.clone();
        conf.remove_public_keys(&[RETIRED]).expect("removed");
        for name in ["extra-substituters", "substituters"] {
            conf.remove_from_list(name, &[OLD_CACHE]).expect("removed");
        }
        if conf.as_bytes() == original.as_bytes() {
            return;
        }
        let new = self.ask(edited, conf.as_bytes());
        let new = new.unwrap_or_else(|error| panic!("what we leave of {shown}: {error}"));
        let mut expected = old.clone();
        for (name, gone) in [
            ("trusted-public-keys", RETIRED),
            ("substituters", OLD_CACHE),
        ] {
            // In a file that is not the one to edit it stays, and we know.
            let stays = conf.list_contains(name, gone);
            let is_it = |word: &String| word.trim_end_matches('/') == gone;
            let mut rest = words(old, name);
            rest.retain(|word| stays || !is_it(word));
            let mut now = words(&new, name);
            assert_eq!(now.iter().any(is_it), stays, "{name}, {shown}");
            if stays {
                // Of `x` and `x/`, one may have gone.
                rest.retain(|word| !is_it(word));
                now.retain(|word| !is_it(word));
            }
            assert_eq!(sorted(now), sorted(rest), "{name}, {shown}");
            expected.insert(name.to_owned(), new[name].clone());
        }
        assert_same(&new, &expected, shown);
        self.assert_effective(&conf, &new, shown);
    }

    /// What we say is in effect is what Nix says, where the files say it all.
    fn assert_effective(&self, conf: &NixConf, new: &Settings, shown: &str) {
        for name in [
            "substituters",
            "trusted-substituters",
            "trusted-public-keys",
            "cores",
            "netrc-file",
            "sandbox",
        ] {
            if replaces(conf, name) {
                assert_eq!(
                    sorted(words(new, name)),
                    sorted(conf.effective_list(name)),
                    "{name}, {shown}"
                );
            }
        }
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

/// Only what was meant changed; without printing all of Nix's settings.
fn assert_same(actual: &Settings, expected: &Settings, shown: &str) {
    let names = actual.keys().chain(expected.keys());
    let different: Vec<_> = names
        .map(|name| (name, actual.get(name), expected.get(name)))
        .filter(|(_, actual, expected)| actual != expected)
        .collect();
    assert!(different.is_empty(), "{different:?}, {shown}");
}

/// Each version on a thread of its own.
fn for_each_version(judge: impl Fn(&Machine) + Sync) {
    std::thread::scope(|scope| {
        for nix in versions() {
            let judge = &judge;
            scope.spawn(move || judge(&Machine::new(nix)));
        }
    });
}

#[test]
fn awkward_files_keep_their_meaning() {
    for_each_version(|machine| {
        machine.write(
            &machine.user(INCLUDED),
            b"substituters = https://included.example\ncores = 7 # seven\n!include sub/deeper.conf",
        );
        machine.write(
            &machine.user("sub/deeper.conf"),
            b"extra-substituters = https://deeper.example\ninclude ../last.conf\n",
        );
        machine.write(&machine.user("last.conf"), b"trusted-users = root alice");
        for before in [
            "",
            "cores = 3",
            "cores = 3\r\nsubstituters = https://a.example\r\n",
            "extra-substituters = https://x.example# glued\n",
            "extra-substituters = https://x.example\nsubstituters = https://b.example\n",
            "extra-substituters = https://a.example\ninclude included.conf",
            "include included.conf\nextra-substituters = https://x.example/ # x",
            "include\tincluded.conf # twice\n!include ./sub/../included.conf\n!include nowhere.conf\n",
            "binary-caches = https://a.example\nextra-binary-caches = https://b.example\nextra-binary-cache-public-keys = a-1:AAAA c-1:CCCC\n",
            "netrc-file = /a/netrc\nnetrc-file =   /b/netrc\t# the last\n",
            "  trusted-public-keys = c-1:CCCC\n\textra-trusted-public-keys = a-1:AAAA \n\n\n# end",
            "# caf\u{e9} \u{1f600}\nunknown-setting = \u{e9}\ncores = 3\r",
            "extra-experimental-features = flakes\nexperimental-features = nix-command\naccess-tokens = github.com=x\n",
        ] {
            machine.judge(Edited::User, before.as_bytes());
        }
    });
}

/// Random files of the system and of the user, as many as are asked for.
fn random_files_keep_their_meaning(count: usize, seed: u8) {
    for_each_version(|machine| {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        let mut next = |includes| {
            file(includes)
                .new_tree(&mut runner)
                .expect("a file")
                .current()
        };
        for _ in 0..count {
            machine.write(&machine.user(INCLUDED), next(false).as_bytes());
            machine.write(&machine.system("nix.conf"), next(false).as_bytes());
            machine.judge(Edited::User, next(true).as_bytes());
        }
    });
}

#[test]
fn a_few_random_files_keep_their_meaning() {
    random_files_keep_their_meaning(12, 3);
}

#[test]
#[ignore = "long: hundreds of processes of each Nix"]
fn many_random_files_keep_their_meaning() {
    random_files_keep_their_meaning(300, 4);
}

#[test]
fn the_files_of_the_system_keep_their_meaning() {
    for_each_version(|machine| {
        machine.write(&machine.user("nix.conf"), b"cores = 5\n");
        for system in ["", "max-jobs = 3\nextra-substituters = https://x.example"] {
            machine.judge(Edited::System("nix.conf"), system.as_bytes());
        }
        // As Determinate Nix has it, where nix.custom.conf may be missing.
        for system in [
            "!include nix.custom.conf\nextra-substituters = https://a.example\n",
            "cores = 1\nextra-substituters = https://a.example\n\n!include nix.custom.conf",
        ] {
            machine.write(&machine.system("nix.conf"), system.as_bytes());
            for custom in ["", "extra-trusted-public-keys = c-1:CCCC\ncores = 2"] {
                machine.judge(Edited::System("nix.custom.conf"), custom.as_bytes());
            }
        }
    });
}

/// Where a file around ours undoes what is added, Nix has it so, and we refuse.
#[test]
fn what_would_have_no_effect_has_none() {
    for_each_version(|machine| {
        let edited = Edited::System("nix.custom.conf");
        let system = "!include nix.custom.conf\nsubstituters = https://a.example\n";
        machine.write(&machine.system("nix.conf"), system.as_bytes());
        let mut conf = machine.parse(edited, b"").expect("understood");
        assert!(matches!(
            conf.add_to_list("extra-substituters", &[CACHE]),
            Err(Error::NixConfUndone { line: 2, .. })
        ));
        let line = format!("extra-substituters = {CACHE}\n");
        let settings = machine.ask(edited, line.as_bytes()).expect("accepted");
        assert_eq!(settings["substituters"].trim(), "https://a.example");
    });
}

/// The variable counts after all files, in every version, and what it cannot say Nix does not start with.
#[test]
fn the_variable_has_the_last_word() {
    for_each_version(|machine| {
        let version = machine.nix.version();
        let edited = Edited::User;
        let file = "netrc-file = /file/netrc\nsubstituters = https://a.example\ncores = 1\n";
        machine.write(
            &machine.user("more.conf"),
            b"cores = 5\nextra-substituters = https://m.example\n",
        );
        let include = format!("!include {}", machine.user("more.conf").display());
        for text in [
            "extra-substituters = https://x.example\nnetrc-file = /variable/netrc # here",
            "substituters = https://x.example\thttps://z.example\r\n\n",
            "binary-caches = https://x.example\nextra-substituters = https://y.example",
            "extra-trusted-public-keys = c-1:CCCC\ntrusted-public-keys = a-1:AAAA",
            "substituters =",
            include.as_str(),
        ] {
            let variable = NixConf::parse_variable(text.as_bytes(), &mut read_include);
            let conf = machine.parse(edited, file.as_bytes()).expect("understood");
            let conf = conf.followed_by(&variable.expect("understood"));
            let settings = machine
                .ask_with(edited, file.as_bytes(), Some(text))
                .unwrap_or_else(|error| panic!("{version} {text:?}: {error}"));
            for name in ["substituters", "netrc-file", "cores"] {
                assert_eq!(
                    sorted(words(&settings, name)),
                    sorted(conf.effective_list(name)),
                    "{version} {text:?} {name}"
                );
            }
            if conf.set_by("trusted-public-keys").is_some() {
                assert_eq!(
                    words(&settings, "trusted-public-keys"),
                    ["a-1:AAAA"],
                    "{version}"
                );
                assert_eq!(conf.effective_list("trusted-public-keys"), ["a-1:AAAA"]);
            }
        }
        for text in [
            "cores",
            "cores=3",
            "include more.conf",
            "!include ./more.conf",
            "include /nowhere/nix.conf",
        ] {
            let variable = NixConf::parse_variable(text.as_bytes(), &mut read_include);
            assert!(variable.is_err(), "{text:?}");
            let answer = machine.ask_with(edited, file.as_bytes(), Some(text));
            assert!(answer.is_err(), "{version}: {text:?}");
        }
    });
}

#[test]
fn what_we_refuse_nix_refuses() {
    for_each_version(|machine| {
        let edited = Edited::User;
        machine.write(&machine.user("bad.conf"), b"cores = 1\noops");
        let version = machine.nix.version();
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
            assert!(machine.parse(edited, text.as_bytes()).is_err(), "{text:?}");
            assert!(
                machine.ask(edited, text.as_bytes()).is_err(),
                "{version}: {text:?}"
            );
        }
        machine.write(&machine.user("directory.conf"), b"");
        for text in [
            "= = x\n",
            "unknown\u{b}x = 3\n",
            "\u{feff}unknown = 3\n",
            "unknown =\n",
            "include /\n",
            "!include . # x",
            "cores = 1\0\n# \0",
        ] {
            assert!(machine.parse(edited, text.as_bytes()).is_ok(), "{text:?}");
            let answer = machine.ask(edited, text.as_bytes());
            // The value may be wrong for the setting; the line is right.
            assert!(
                answer
                    .as_ref()
                    .err()
                    .is_none_or(|error| error.contains("invalid value")),
                "{version}: {text:?} {answer:?}"
            );
        }
    });
}
