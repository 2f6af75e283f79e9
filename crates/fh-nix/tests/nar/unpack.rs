//! Unpacking into the file system.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use fh_nix::{Error, pack, unpack};
use proptest::prelude::*;

use super::tree::{any_tree, directory, executable, link, menagerie, regular, string, strings};

#[test]
fn one_of_each() {
    let scratch = tempfile::tempdir().unwrap();
    let nar = menagerie().nar();
    let path = scratch.path().join("x");
    assert_eq!(unpack(nar.as_slice(), &path).unwrap(), nar.len() as u64);
    let mut again = Vec::new();
    pack(&path, &mut again).unwrap();
    assert!(again == nar);
}

#[test]
fn roots_that_are_no_directories() {
    for tree in [regular(b"x"), executable(b""), link("/nowhere")] {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x");
        unpack(tree.nar().as_slice(), &path).unwrap();
        let mut nar = Vec::new();
        pack(&path, &mut nar).unwrap();
        assert_eq!(nar, tree.nar());
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let outside = scratch.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    let path = scratch.path().join("x");
    let occupied: [fn(&Path); 4] = [
        |path| fs::write(path, "kept").unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("outside", path).unwrap(),
        |path| symlink("nowhere", path).unwrap(),
    ];
    for occupy in occupied {
        occupy(&path);
        let before = fs::symlink_metadata(&path).unwrap().file_type();
        for tree in [
            regular(b"x"),
            link("y"),
            directory([(b"kept", regular(b"new"))]),
        ] {
            let error = unpack(tree.nar().as_slice(), &path).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
        }
        assert_eq!(fs::symlink_metadata(&path).unwrap().file_type(), before);
        assert!(!scratch.path().join("nowhere").exists());
        assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir(&path))
            .unwrap();
    }
}

#[test]
fn a_link_in_the_nar_is_no_way_out() {
    // A link, then a directory of the same name: refused by the order of names, before anything is written through it.
    let scratch = tempfile::tempdir().unwrap();
    let outside = scratch.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let mut nar = string(b"nix-archive-1");
    nar.extend(strings(&[b"(", b"type", b"directory"]));
    nar.extend(strings(&[b"entry", b"(", b"name", b"a", b"node"]));
    nar.extend(strings(&[
        b"(",
        b"type",
        b"symlink",
        b"target",
        b"../outside",
        b")",
        b")",
    ]));
    nar.extend(strings(&[
        b"entry",
        b"(",
        b"name",
        b"a",
        b"node",
        b"(",
        b"type",
        b"directory",
    ]));
    nar.extend(strings(&[b"entry", b"(", b"name", b"pwned", b"node"]));
    nar.extend(strings(&[
        b"(",
        b"type",
        b"regular",
        b"contents",
        b"x",
        b")",
        b")",
        b")",
        b")",
        b")",
    ]));
    let error = unpack(nar.as_slice(), &scratch.path().join("x")).unwrap_err();
    assert!(error.to_string().contains("appears twice"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(!scratch.path().join("x").exists());
}

#[test]
fn a_failure_leaves_nothing() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    for tree in [menagerie(), regular(&[b'x'; 1000])] {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x");
        let nar = tree.nar();
        let cut = &nar[..nar.len() - 16];
        let error = unpack(cut, &path).unwrap_err();
        assert!(error.to_string().contains("it ends too early"), "{error}");
        let error = unpack(cut.chain(Broken), &path).unwrap_err();
        assert!(
            matches!(error, Error::Stream { action: "read", .. }),
            "{error}"
        );
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}

#[test]
fn modes() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x");
    unpack(
        directory([(b"a", regular(b"")), (b"b", executable(b""))])
            .nar()
            .as_slice(),
        &path,
    )
    .unwrap();
    let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode();
    assert_eq!(mode("a") & 0o111, 0);
    assert_eq!(mode("b") & 0o100, 0o100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_tree_comes_back(tree in any_tree()) {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x");
        let nar = tree.nar();
        unpack(nar.as_slice(), &path).unwrap();
        let mut again = Vec::new();
        pack(&path, &mut again).unwrap();
        prop_assert_eq!(again, nar);
    }
}
