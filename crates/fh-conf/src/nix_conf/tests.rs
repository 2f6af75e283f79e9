//! Tests of the nix.conf editor: files as people and tools write them. Random ones are in
//! tests/nix_conf.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{NixConf, SetIfUnset};
use crate::Error;

mod among;
mod layout;
mod variable;

const KEY: &str = "cache.example-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn read(text: &str, included: &[(&str, &str)]) -> Result<NixConf, Error> {
    let included: BTreeMap<PathBuf, &str> = included
        .iter()
        .map(|(path, text)| (PathBuf::from(path), *text))
        .collect();
    NixConf::parse(
        text.as_bytes(),
        Path::new("/etc/nix/nix.conf"),
        &mut |path| match included.get(path) {
            Some(&"unreadable") => Err(io::ErrorKind::PermissionDenied.into()),
            text => Ok(text.map(|text| text.as_bytes().to_vec())),
        },
    )
}

fn parse(text: &str) -> NixConf {
    read(text, &[]).expect("a nix.conf that is understood")
}

fn text(conf: &NixConf) -> String {
    String::from_utf8_lossy(conf.as_bytes()).into_owned()
}

/// Adds `https://x` to the substituters, compares the whole text, and takes it back.
#[track_caller]
fn assert_added(conf: NixConf, after: &str) {
    let mut conf = conf;
    let before = text(&conf);
    let added = conf
        .add_to_list("extra-substituters", &["https://x"])
        .expect("add");
    assert_eq!(text(&conf), after);
    assert_eq!(added.is_empty(), before == after);
    assert!(conf.list_contains("substituters", "https://x/"));
    assert!(
        conf.add_to_list("extra-substituters", &["https://x/", "https://x"])
            .unwrap()
            .is_empty()
    );
    assert_eq!(text(&conf), after, "a second time");
    // A value that stood there without effect is taken away as well.
    if !added.is_empty() && !before.contains("https://x") {
        assert_eq!(
            conf.remove_from_list("extra-substituters", &["https://x/"])
                .unwrap(),
            ["https://x"]
        );
        assert_eq!(text(&conf), before, "taken back");
    }
}

#[track_caller]
fn assert_refused(text: &str, place: (usize, usize), reason: &str) {
    match read(text, &[]) {
        Err(Error::NixConfSyntax {
            path,
            line,
            column,
            reason: why,
        }) => {
            assert_eq!(
                (path.as_path(), (line, column), why),
                (Path::new("/etc/nix/nix.conf"), place, reason)
            );
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_new_list_goes_to_the_end() {
    let line = "extra-substituters = https://x";
    assert_added(parse(""), &format!("{line}\n"));
    assert_added(parse("cores = 3\n"), &format!("cores = 3\n{line}\n"));
    assert_added(parse("cores = 3"), &format!("cores = 3\n{line}"));
    assert_added(parse("cores = 3\r\n"), &format!("cores = 3\r\n{line}\r\n"));
    assert_added(
        parse("a = 1\r\ncores = 3"),
        &format!("a = 1\r\ncores = 3\r\n{line}"),
    );
    assert_added(parse("# the end\n\n"), &format!("# the end\n\n{line}\n"));
    assert_added(parse("# no line end"), &format!("# no line end\n{line}"));
    assert_added(parse("a = 1\r"), &format!("a = 1\r\n{line}"));
    assert_added(
        parse("substituters = https://a\n"),
        &format!("substituters = https://a\n{line}\n"),
    );
    assert_added(
        parse("extra-substituters =\n"),
        &format!("extra-substituters =\n{line}\n"),
    );
    assert_added(
        parse("extra-trusted-substituters = https://x\n"),
        &format!("extra-trusted-substituters = https://x\n{line}\n"),
    );
}

#[test]
fn an_own_line_is_added_to() {
    assert_added(
        parse("extra-substituters = https://a\ncores = 3\n"),
        "extra-substituters = https://a https://x\ncores = 3\n",
    );
    assert_added(
        parse("extra-substituters = https://a  # mine\n"),
        "extra-substituters = https://a https://x  # mine\n",
    );
    assert_added(
        parse("\textra-substituters\t=\thttps://a \t\r\n"),
        "\textra-substituters\t=\thttps://a https://x \t\r\n",
    );
    assert_added(
        parse("extra-substituters = https://a#b"),
        "extra-substituters = https://a https://x#b",
    );
    assert_added(
        parse("extra-binary-caches = https://a"),
        "extra-binary-caches = https://a https://x",
    );
    // The last of them.
    assert_added(
        parse(
            "extra-substituters = https://a\nextra-substituters = https://b\nextra-substituters =\n",
        ),
        "extra-substituters = https://a\nextra-substituters = https://b https://x\nextra-substituters =\n",
    );
    // A line above that is undone further down has no effect.
    assert_added(
        parse("extra-substituters = https://x\nsubstituters = https://b\n"),
        "extra-substituters = https://x\nsubstituters = https://b\nextra-substituters = https://x\n",
    );
}

#[test]
fn what_has_an_effect_already_is_not_added() {
    for before in [
        "substituters = https://a https://x\n",
        "substituters = https://x/ https://a",
        "extra-substituters = HTTPS://X# glued\n",
        "binary-caches = https://x\r\n",
        "substituters = https://x:443/\n",
        "extra-binary-caches = https://x//",
        "substituters = https://b\nextra-substituters = https://x?priority=10\n",
        "extra-substituters = https://b\nextra-substituters = https://x\n",
    ] {
        assert_added(parse(before), before);
    }
    let included = [(
        "/etc/nix/nix.custom.conf",
        "extra-substituters = https://x\n",
    )];
    for before in [
        "include nix.custom.conf",
        "!include ./nix.custom.conf\ncores = 3\n",
        "include /etc/../etc/nix/nix.custom.conf # x\n",
    ] {
        assert_added(read(before, &included).unwrap(), before);
    }
    // Other paths and other hosts are other caches.
    for other in [
        "https://x/y",
        "https://x.y",
        "http://x",
        "https://x:444",
        "https://me@x",
        "x",
    ] {
        let before = format!("extra-substituters = {other}\n");
        assert_added(
            parse(&before),
            &format!("extra-substituters = {other} https://x\n"),
        );
    }
}

#[test]
fn an_include_can_undo_what_stands_above_it() {
    let included = [("/etc/nix/other", "substituters = https://a\n")];
    assert_added(
        read("extra-substituters = https://x\ninclude other\n", &included).unwrap(),
        "extra-substituters = https://x\ninclude other\nextra-substituters = https://x\n",
    );
    assert_added(
        read(
            "extra-substituters = https://b\ninclude other\nextra-substituters = https://c",
            &included,
        )
        .unwrap(),
        "extra-substituters = https://b\ninclude other\nextra-substituters = https://c https://x",
    );
    // Included files are never edited, nor what they say copied.
    let included = [("/etc/nix/other", "extra-substituters = https://a\n")];
    assert_added(
        read("include other\n", &included).unwrap(),
        "include other\nextra-substituters = https://x\n",
    );
}

#[test]
fn several_values_are_added_once_each() {
    let mut conf = parse("extra-trusted-public-keys = k:1 k:2\n");
    let added = conf
        .add_to_list("extra-trusted-public-keys", &["k:2", KEY, KEY, "l:1"])
        .unwrap();
    assert_eq!(added, [KEY, "l:1"]);
    assert_eq!(
        text(&conf),
        format!("extra-trusted-public-keys = k:1 k:2 {KEY} l:1\n")
    );
    let removed = conf
        .remove_from_list("extra-trusted-public-keys", &["l:1", "k:1", "m:1"])
        .unwrap();
    assert_eq!(removed, ["k:1", "l:1"]);
    assert_eq!(
        text(&conf),
        format!("extra-trusted-public-keys = k:2 {KEY}\n")
    );
}

#[test]
fn removing_takes_values_and_empty_lines_only() {
    let cases = [
        (
            "extra-substituters = https://x https://b\n",
            "extra-substituters = https://b\n",
        ),
        (
            "extra-substituters =\thttps://a\thttps://x\thttps://b\r\n",
            "extra-substituters =\thttps://a\thttps://b\r\n",
        ),
        (
            "extra-substituters = https://x # ours\n",
            "extra-substituters = # ours\n",
        ),
        (
            "a = 1\nextra-substituters = https://x\nb = 2\n",
            "a = 1\nb = 2\n",
        ),
        (
            "a = 1\r\nextra-binary-caches = https://x https://x/ \r\nb = 2",
            "a = 1\r\nb = 2",
        ),
        (
            "a = 1\nextra-substituters = https://x\nextra-substituters = https://x",
            "a = 1",
        ),
        (
            "extra-substituters = https://x\nextra-substituters = https://a https://x\n",
            "extra-substituters = https://a\n",
        ),
        ("extra-substituters = https://x\r\n", ""),
        ("substituters = https://x\n", "substituters = https://x\n"),
        (
            "extra-substituters = https://x?priority=3\n",
            "extra-substituters = https://x?priority=3\n",
        ),
        (
            "# extra-substituters = https://x\n",
            "# extra-substituters = https://x\n",
        ),
    ];
    for (before, after) in cases {
        let mut conf = parse(before);
        let removed = conf
            .remove_from_list("extra-substituters", &["https://x"])
            .unwrap();
        assert_eq!(text(&conf), after, "from {before:?}");
        assert_eq!(removed.is_empty(), before == after);
        assert!(
            conf.remove_from_list("extra-substituters", &["https://x"])
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn a_setting_is_given_only_where_there_is_none() {
    for (before, after) in [
        ("", "netrc-file = /a b/netrc\n"),
        ("cores = 3", "cores = 3\nnetrc-file = /a b/netrc"),
        (
            "# netrc-file = /x\r\n",
            "# netrc-file = /x\r\nnetrc-file = /a b/netrc\r\n",
        ),
    ] {
        let mut conf = parse(before);
        assert_eq!(
            conf.set_if_unset("netrc-file", "/a b/netrc").unwrap(),
            SetIfUnset::Set
        );
        assert_eq!(text(&conf), after);
        assert_eq!(conf.effective("netrc-file").as_deref(), Some("/a b/netrc"));
        let again = conf.set_if_unset("netrc-file", "/a b/netrc").unwrap();
        assert_eq!(again, SetIfUnset::AlreadySet("/a b/netrc".to_owned()));
        assert!(!conf.unset("netrc-file", "/other").unwrap());
        assert!(conf.unset("netrc-file", "/a b/netrc").unwrap());
        assert_eq!(text(&conf), before);
    }
    let included = [("/etc/nix/other", "netrc-file = /of/include # x\n")];
    let mut conf = read("netrc-file =  /own\tnetrc\n include other", &included).unwrap();
    assert_eq!(
        conf.set_if_unset("netrc-file", "/new").unwrap(),
        SetIfUnset::AlreadySet("/of/include".to_owned())
    );
    assert!(conf.unset("netrc-file", "/own netrc").unwrap());
    assert_eq!(text(&conf), " include other");
}

#[test]
fn effective_values_are_those_of_nix() {
    let included = [
        (
            "/etc/nix/one",
            "substituters = https://one\ninclude sub/two\n",
        ),
        (
            "/etc/nix/sub/two",
            "!include missing\nextra-substituters = https://two\ncores = 7 # x\ninclude ../three",
        ),
        ("/etc/nix/three", "trusted-users = root @wheel"),
        ("/etc/nix/secret", "unreadable"),
    ];
    let conf = read(
        "cores = 3\nextra-substituters = https://lost\ninclude one\nextra-binary-caches = https://own\n!include none\ninclude secret\nempty =\nextra-platforms = i686-linux",
        &included,
    )
    .unwrap();
    let effective = |name: &str| conf.effective(name);
    assert_eq!(
        effective("substituters").as_deref(),
        Some("https://one https://two https://own")
    );
    assert_eq!(effective("extra-substituters"), effective("binary-caches"));
    assert_eq!(effective("cores").as_deref(), Some("7"));
    assert_eq!(effective("trusted-users").as_deref(), Some("root @wheel"));
    assert_eq!(effective("extra-platforms").as_deref(), Some("i686-linux"));
    assert_eq!(effective("platforms"), None);
    assert_eq!(effective("empty").as_deref(), Some(""));
    assert_eq!(effective("max-jobs"), None);
    assert_eq!(conf.effective_list("substituters").len(), 3);
    assert!(conf.effective_list("max-jobs").is_empty());
    assert_eq!(
        conf.unreadable().collect::<Vec<_>>(),
        [Path::new("/etc/nix/secret")]
    );
}

#[test]
fn what_nix_refuses_is_refused_with_its_line() {
    assert_refused("cores = 3\n\nhello # world\n", (3, 1), "a word alone");
    assert_refused("cores=3\n", (1, 1), "a word alone");
    assert_refused("# x\r\ncores 3\r\n", (2, 7), "the second word is not '='");
    assert_refused("cores =3\n", (1, 7), "the second word is not '='");
    assert_refused(
        "substituters = https://a\n  https://b",
        (2, 3),
        "a word alone",
    );
    assert_refused("include a b\n", (1, 11), "an include of more than one word");
    assert_refused("include = b\n", (1, 11), "an include of more than one word");
    assert_refused("include # b\n", (1, 1), "a word alone");
    assert_refused("cores\u{b}= 3", (1, 9), "the second word is not '='");
    // An unknown setting is only warned of, here as there.
    parse("hello = world\n\u{feff}cores = 3\n= = =\n");
}

#[test]
fn includes_end() {
    match read("cores = 3\ninclude other\n", &[]) {
        Err(Error::IncludeMissing {
            path,
            line: 2,
            included,
        }) => {
            assert_eq!(
                (path, included),
                ("/etc/nix/nix.conf".into(), "/etc/nix/other".into())
            );
        }
        other => panic!("{other:?}"),
    }
    match read(
        "include a",
        &[
            ("/etc/nix/a", "\ninclude b"),
            ("/etc/nix/b", "include ../nix/a"),
        ],
    ) {
        Err(Error::IncludeCycle {
            path,
            line: 1,
            included,
        }) => {
            assert_eq!((path, included), ("/etc/nix/b".into(), "/etc/nix/a".into()));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        read("include nix.conf", &[]),
        Err(Error::IncludeCycle { line: 1, .. })
    ));
    match read("include a", &[("/etc/nix/a", "cores = 3\noops")]) {
        Err(Error::NixConfSyntax { path, line: 2, .. }) => {
            assert_eq!(path, Path::new("/etc/nix/a"));
        }
        other => panic!("{other:?}"),
    }
    // The same file twice, side by side, is no cycle.
    let twice = read("include a\ninclude a", &[("/etc/nix/a", "extra-x = 1")]).unwrap();
    assert_eq!(twice.effective("x").as_deref(), Some("1 1"));
    // Ever deeper, and ever more.
    let mut load = |path: &Path| Ok(Some(format!("include {}x", path.display()).into_bytes()));
    let deep = NixConf::parse(b"include /a", Path::new("/c"), &mut load);
    assert!(matches!(deep, Err(Error::IncludeLimit { .. })));
    let mut load = |path: &Path| {
        Ok(
            Some(format!("include {0}x\ninclude {0}y", path.display()).into_bytes())
                .filter(|_| path.as_os_str().len() < 20),
        )
    };
    let wide = NixConf::parse(b"!include /a", Path::new("/c"), &mut load);
    assert!(matches!(
        wide,
        Err(Error::IncludeLimit { .. } | Error::IncludeMissing { .. })
    ));
}

#[test]
fn values_that_nix_would_read_otherwise_are_refused() {
    let mut conf = parse("cores = 3\n");
    for bad in [
        "",
        "https://x#y",
        "a b",
        "a\nb",
        "a\r",
        " a",
        "a\tb",
        "\u{85}",
    ] {
        let refused = conf.add_to_list("extra-substituters", &["https://fine", bad]);
        assert!(
            matches!(refused, Err(Error::NixConfValue { .. })),
            "{bad:?}"
        );
        assert!(conf.remove_from_list("extra-substituters", &[bad]).is_err());
    }
    for bad in ["", "/a#b", "/a  b", "/a ", " /a", "/a\nb"] {
        assert!(conf.set_if_unset("netrc-file", bad).is_err(), "{bad:?}");
        assert!(conf.unset("netrc-file", bad).is_err(), "{bad:?}");
    }
    for bad in [
        "substituters",
        "extra-platforms",
        "extra-a b",
        "extra-x =",
        "include",
        "",
        "#",
    ] {
        assert!(conf.add_to_list(bad, &["https://x"]).is_err(), "{bad:?}");
    }
    assert_eq!(text(&conf), "cores = 3\n");
}

#[test]
fn bytes_that_are_no_text_stay() {
    let before = b"# caf\xe9\naccess-tokens = x=\xff\nextra-substituters = \xfe\n";
    let mut conf = NixConf::parse(before, Path::new("/c"), &mut |_| Ok(None)).unwrap();
    conf.add_to_list("extra-substituters", &["https://x"])
        .unwrap();
    conf.set_if_unset("netrc-file", "/n").unwrap();
    assert_eq!(conf.as_bytes(), b"# caf\xe9\naccess-tokens = x=\xff\nextra-substituters = \xfe https://x\nnetrc-file = /n\n");
}

#[test]
fn secrets_are_not_shown() {
    let conf = parse("access-tokens = github.com=verysecret\n");
    assert!(!format!("{conf:?}").contains("verysecret"));
    let error = read("access-tokens= github.com=verysecret\n", &[]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("verysecret"));
}

#[test]
fn the_line_that_gives_a_value_is_found() {
    let text = b"trusted-public-keys = a:1 b:2\n\nextra-trusted-public-keys = c:3 a:1\nbinary-cache-public-keys = d:4\n";
    let conf = NixConf::parse(text, Path::new("/n.conf"), &mut |_| Ok(None)).unwrap();
    for (name, value, line) in [
        ("trusted-public-keys", "b:2", Some(1)),
        ("trusted-public-keys", "a:1", Some(3)),
        ("extra-trusted-public-keys", "c:3", Some(3)),
        ("trusted-public-keys", "d:4", Some(4)),
        ("trusted-public-keys", "d:", None),
        ("substituters", "a:1", None),
    ] {
        let found = conf.given_by(name, value);
        let expected = line.map(|line| (Path::new("/n.conf"), line));
        assert_eq!(found, expected, "{name} {value}");
    }
}
