//! The file among others that Nix reads, keys that are retired, and values that are taken back.

use super::*;

const SYSTEM: &str = "/etc/nix/nix.conf";
const CUSTOM: &str = "/etc/nix/nix.custom.conf";
const USER: &str = "/home/me/.config/nix/nix.conf";

/// A file among others, Nix beginning with `roots`.
fn among(
    text: &str,
    path: &str,
    roots: &[&str],
    others: &[(&str, &str)],
) -> Result<NixConf, Error> {
    let roots: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
    NixConf::parse_among(text.as_bytes(), Path::new(path), &roots, &mut |path| {
        let found = others.iter().find(|(name, _)| Path::new(name) == path);
        match found {
            Some((_, "unreadable")) => Err(io::ErrorKind::PermissionDenied.into()),
            found => Ok(found.map(|(_, text)| text.as_bytes().to_vec())),
        }
    })
}

#[test]
fn what_an_earlier_file_says_is_not_said_again() {
    let system = [(
        SYSTEM,
        "substituters = https://x:443\nnetrc-file = /etc/nix/netrc\ntrusted-public-keys = k:1",
    )];
    let mut conf = among("cores = 3", USER, &[SYSTEM, USER], &system).unwrap();
    assert!(
        conf.add_to_list("extra-substituters", &["https://X/"])
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        conf.set_if_unset("netrc-file", "/mine").unwrap(),
        SetIfUnset::AlreadySet("/etc/nix/netrc".to_owned())
    );
    assert_eq!(
        conf.add_to_list("extra-trusted-public-keys", &["k:1", "k:2"])
            .unwrap(),
        ["k:2"]
    );
    assert_eq!(text(&conf), "cores = 3\nextra-trusted-public-keys = k:2");
    // What the user's own file undoes does not count.
    let mut conf = among("substituters = https://a\n", USER, &[SYSTEM, USER], &system).unwrap();
    assert_eq!(
        conf.add_to_list("extra-substituters", &["https://x"])
            .unwrap(),
        ["https://x"]
    );
    assert_eq!(
        text(&conf),
        "substituters = https://a\nextra-substituters = https://x\n"
    );
}

#[test]
fn roots_that_are_not_there_count_as_empty() {
    let other = [("/secret", "unreadable")];
    let mut conf = among("", USER, &["/none", "/secret", USER], &other).unwrap();
    assert_eq!(
        conf.set_if_unset("netrc-file", "/n").unwrap(),
        SetIfUnset::Set
    );
    assert_eq!(
        conf.unreadable().collect::<Vec<_>>(),
        [Path::new("/secret")]
    );
    assert_eq!(conf.path(), Path::new(USER));
    // A file to which no root leads is the last.
    let conf = among("cores = 1", USER, &[SYSTEM], &[(SYSTEM, "cores = 2")]).unwrap();
    assert_eq!(conf.effective("cores").as_deref(), Some("1"));
}

#[test]
fn an_error_in_another_file_is_named() {
    match among("", USER, &[SYSTEM, USER], &[(SYSTEM, "# x\ncores 3")]) {
        Err(Error::NixConfSyntax {
            path,
            line: 2,
            column: 7,
            ..
        }) => {
            assert_eq!(path, Path::new(SYSTEM));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_included_file_is_edited_where_the_other_is_not_ours() {
    // As Determinate Nix has it; the file that is included need not exist.
    let system = "!include nix.custom.conf\nextra-substituters = https://a\n";
    let mut conf = among("", CUSTOM, &[SYSTEM], &[(SYSTEM, system)]).unwrap();
    assert_eq!(
        conf.add_to_list("extra-substituters", &["https://x", "https://a"])
            .unwrap(),
        ["https://x"]
    );
    assert_eq!(text(&conf), "extra-substituters = https://x\n");
    assert!(conf.list_contains("substituters", "https://x"));
    // Below it, the other file can undo what is added: then nothing is.
    let system = "!include nix.custom.conf\n\nsubstituters = https://a\n";
    let mut conf = among("cores = 3\n", CUSTOM, &[SYSTEM], &[(SYSTEM, system)]).unwrap();
    match conf.add_to_list("extra-substituters", &["https://x"]) {
        Err(Error::NixConfUndone {
            name,
            path,
            line: 3,
        }) => {
            assert_eq!(
                (name.as_str(), path.as_path()),
                ("substituters", Path::new(SYSTEM))
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(text(&conf), "cores = 3\n");
    // A cycle through it is found.
    assert!(matches!(
        among(
            "include nix.conf",
            CUSTOM,
            &[SYSTEM],
            &[(SYSTEM, "include nix.custom.conf")]
        ),
        Err(Error::IncludeCycle { .. })
    ));
}

#[test]
fn only_addresses_are_compared_as_addresses() {
    // Two keys, although their base64 differs only in case behind what looks like a scheme.
    let mut conf = parse("extra-trusted-public-keys = k://ABC\n");
    assert_eq!(
        conf.add_to_list("extra-trusted-public-keys", &["k://abc"])
            .unwrap(),
        ["k://abc"]
    );
    for (list, added) in [
        ("substituters", 0),
        ("trusted-substituters", 0),
        ("sandbox-paths", 1),
    ] {
        let mut conf = parse(&format!("{list} = HTTP://X:80/a\n"));
        let there = conf
            .add_to_list(&format!("extra-{list}"), &["http://x/a/"])
            .unwrap();
        assert_eq!(there.len(), added, "{list}");
    }
    for other in ["http://x/A", "https://x:80", "http://x:8080", "ssh://x:22"] {
        let mut conf = parse(&format!("substituters = {other}\n"));
        let added = conf
            .add_to_list("extra-substituters", &["http://x/a", "ssh://x"])
            .unwrap();
        assert_eq!(added.len(), 2, "{other}");
    }
}

#[test]
fn retired_keys_come_out_wherever_they_stand() {
    let before = "extra-trusted-public-keys = a-1:AA x-1:XX # ours\ntrusted-public-keys = x-1:XX\r\nextra-trusted-public-keys = x-1:XX\nbinary-cache-public-keys = x-1:other b-1:BB x-1:XX\n# x-1:XX\n";
    let mut conf = parse(before);
    assert_eq!(
        conf.remove_public_keys(&["x-1:XX", "x-2:YY"]).unwrap(),
        ["x-1:XX"]
    );
    // `NAME =` stays: without it, Nix's own key would count again.
    assert_eq!(
        text(&conf),
        "extra-trusted-public-keys = a-1:AA # ours\ntrusted-public-keys =\r\nbinary-cache-public-keys = x-1:other b-1:BB\n# x-1:XX\n"
    );
    assert!(conf.remove_public_keys(&["x-1:XX"]).unwrap().is_empty());
}

#[test]
fn only_what_was_added_is_taken_back() {
    // Above `substituters = …` the person's own value has no effect, and stays.
    let before = "extra-substituters = https://x\nsubstituters = https://b\n";
    let mut conf = parse(before);
    conf.add_to_list("extra-substituters", &["https://x"])
        .unwrap();
    assert!(
        conf.take_from_list("extra-substituters", "https://x")
            .unwrap()
    );
    assert_eq!(text(&conf), before);
    // Exactly this value, once.
    let before = "extra-substituters = https://x https://x https://x/\n";
    let mut conf = parse(before);
    assert!(
        conf.take_from_list("extra-substituters", "https://x")
            .unwrap()
    );
    assert_eq!(text(&conf), "extra-substituters = https://x https://x/\n");
    assert!(
        !conf
            .take_from_list("extra-substituters", "https://X")
            .unwrap()
    );
    assert!(conf.take_from_list("extra-substituters", "a b").is_err());
}

#[test]
fn an_untrusted_user_may_be_allowed_the_cache() {
    let mut conf = parse("trusted-binary-caches = https://a\n");
    assert_eq!(
        conf.add_to_list("extra-trusted-substituters", &["https://a/", "https://x"])
            .unwrap(),
        ["https://x"]
    );
    assert_eq!(
        text(&conf),
        "trusted-binary-caches = https://a\nextra-trusted-substituters = https://x\n"
    );
    assert_eq!(
        conf.effective("trusted-substituters").as_deref(),
        Some("https://a https://x")
    );
}
