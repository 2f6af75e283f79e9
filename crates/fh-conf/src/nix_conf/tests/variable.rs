//! The variable NIX_CONFIG, which counts after all files.

use super::super::VARIABLE;
use super::*;

fn variable(text: &str) -> Result<NixConf, Error> {
    NixConf::parse_variable(text.as_bytes(), &mut |path| {
        let found = path == Path::new("/abs/more.conf");
        Ok(found.then(|| b"netrc-file = /more\nextra-substituters = https://m".to_vec()))
    })
}

#[test]
fn what_the_variable_says_counts_last() {
    let file = "netrc-file = /file\nsubstituters = https://a\n";
    let (of_file, of_variable) = (Some(("/etc/nix/nix.conf", 2)), Some((VARIABLE, 1)));
    for (text, substituters, netrc, set_by) in [
        ("", "https://a", "/file", of_file),
        (
            "extra-substituters = https://x",
            "https://a https://x",
            "/file",
            of_file,
        ),
        (
            "substituters = https://x",
            "https://x",
            "/file",
            of_variable,
        ),
        ("binary-caches =\textra", "extra", "/file", of_variable),
        ("substituters =", "", "/file", of_variable),
        (
            "substituters = https://x\nextra-binary-caches = https://y # z\r\nnetrc-file = /b",
            "https://x https://y",
            "/b",
            of_variable,
        ),
        (
            "cores = 1\n!include /abs/more.conf",
            "https://a https://m",
            "/more",
            of_file,
        ),
        // As in a file, `\\n` is no end of a line.
        (
            "netrc-file = /b\\ncores",
            "https://a",
            "/b\\ncores",
            of_file,
        ),
    ] {
        let conf = parse(file).followed_by(&variable(text).unwrap());
        assert_eq!(
            conf.effective("substituters").as_deref(),
            Some(substituters),
            "{text}"
        );
        assert_eq!(
            conf.effective("netrc-file").as_deref(),
            Some(netrc),
            "{text}"
        );
        let set_by = set_by.map(|(path, line)| (Path::new(path), line));
        assert_eq!(conf.set_by("extra-substituters"), set_by, "{text}");
        assert_eq!(super::text(&conf), file);
    }
}

#[test]
fn an_edit_that_the_variable_undoes_is_refused() {
    let undoes = variable("cores = 1\nsubstituters = https://v").unwrap();
    let mut conf = parse("").followed_by(&undoes);
    let error = conf
        .add_to_list("extra-substituters", &["https://x"])
        .unwrap_err();
    let Error::NixConfUndone { name, path, line } = error else {
        panic!("{error}");
    };
    assert_eq!(
        (name.as_str(), path.as_path(), line),
        ("substituters", Path::new(VARIABLE), 2)
    );
    // What it has already is not added, what it only adds to is, and both stay so after the edit.
    assert!(
        conf.add_to_list("extra-substituters", &["https://v/"])
            .unwrap()
            .is_empty()
    );
    let adds = variable("extra-substituters = https://v").unwrap();
    let mut conf = parse("").followed_by(&adds);
    conf.add_to_list("extra-substituters", &["https://x"])
        .unwrap();
    assert_eq!(text(&conf), "extra-substituters = https://x\n");
    assert_eq!(
        conf.effective("substituters").as_deref(),
        Some("https://x https://v")
    );
}

#[test]
fn what_nix_refuses_in_the_variable_is_refused_and_not_shown() {
    for text in [
        "access-tokens SECRET",
        "include SECRET",
        "!include SECRET",
        "SECRET",
    ] {
        let error = variable(text).unwrap_err().to_string();
        assert!(
            error.starts_with("NIX_CONFIG is invalid at line 1"),
            "{error}"
        );
        assert!(!error.contains("SECRET"), "{error}");
    }
    let error = variable("include /nowhere").unwrap_err();
    assert!(
        matches!(error, Error::IncludeMissing { line: 1, .. }),
        "{error}"
    );
}
