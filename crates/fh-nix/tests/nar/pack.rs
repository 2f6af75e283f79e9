//! The packer, against trees that a test has made.

use std::fs;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use fh_nix::{Error, NarReader, nar};
use proptest::prelude::*;

use super::tree::{Tree, any_tree, directory, executable, link, menagerie, regular};

/// Packing is spread over threads.
const _: () = {
    const fn can_be_sent<T: Send + 'static>() {}
    can_be_sent::<NarReader>();
    can_be_sent::<Error>();
};

/// Packs with reads of this size.
fn read_by(path: &Path, size: usize) -> Result<Vec<u8>, io::Error> {
    let mut reader = NarReader::new(path).unwrap();
    let (mut nar, mut buffer) = (Vec::new(), vec![0; size]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(nar),
            Ok(read) => nar.extend(&buffer[..read]),
            Err(error) => {
                // Once failed, always failed: an early end must not look like the end.
                reader.read(&mut buffer).unwrap_err();
                return Err(error);
            }
        }
    }
}

/// Packs at once; with the error that the one of reading holds.
fn pack(path: &Path) -> Result<Vec<u8>, Error> {
    let mut nar = Vec::new();
    match NarReader::new(path)?.read_to_end(&mut nar) {
        Ok(_) => Ok(nar),
        Err(error) => Err(error.downcast().unwrap()),
    }
}

fn packed(path: &Path) -> Vec<u8> {
    pack(path).unwrap()
}

#[test]
fn reads_of_every_size_give_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let tree = menagerie();
    tree.create(&scratch.path().join("x"));
    let expected = tree.nar();
    assert_eq!(packed(&scratch.path().join("x")), expected);
    for size in [1, 2, 7, 8, 9, 63, 4096, 300_000, 300_001, 1 << 20] {
        assert!(
            read_by(&scratch.path().join("x"), size).unwrap() == expected,
            "reads of {size}"
        );
    }
}

#[test]
fn a_read_fills_the_buffer_across_files() {
    let scratch = tempfile::tempdir().unwrap();
    menagerie().create(&scratch.path().join("x"));
    let mut buffer = vec![0; 100_000];
    let mut reader = NarReader::new(&scratch.path().join("x")).unwrap();
    assert_eq!(reader.read(&mut buffer).unwrap(), buffer.len());
    assert_eq!(reader.read(&mut []).unwrap(), 0);
    assert_eq!(reader.read(&mut buffer).unwrap(), buffer.len());
}

#[test]
fn roots_that_are_no_directories() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, tree) in [
        ("regular", regular(b"contents")),
        ("executable", executable(b"contents")),
        ("empty", regular(b"")),
        ("link to a directory", link("/")),
        ("dangling link", link("nowhere")),
        ("empty directory", directory([])),
    ] {
        let path = scratch.path().join(name);
        tree.create(&path);
        assert_eq!(packed(&path), tree.nar(), "{name}");
    }
}

#[test]
fn only_the_owners_executable_bit_counts() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x");
    regular(b"x").create(&path);
    for (mode, tree) in [
        (0o444, regular(b"x")),
        (0o455, regular(b"x")),
        (0o555, executable(b"x")),
        (0o700, executable(b"x")),
        (0o4755, executable(b"x")),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(packed(&path), tree.nar(), "{mode:o}");
    }
}

#[test]
fn more_entries_than_one_system_call_lists() {
    let scratch = tempfile::tempdir().unwrap();
    let entries = (0..3000).map(|number| (format!("entry {number}").into_bytes(), regular(b"x")));
    let tree = Tree::Directory(entries.collect());
    let path = scratch.path().join("x");
    tree.create(&path);
    assert!(packed(&path) == tree.nar());
}

#[test]
fn what_a_nar_cannot_hold_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x");
    fs::create_dir_all(path.join("a/b")).unwrap();
    let _socket = UnixListener::bind(path.join("a/b/socket")).unwrap();
    let error = pack(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Unpackable { path: named, .. } if *named == path.join("a/b/socket"))
    );
    assert!(
        error.to_string().contains("neither a regular file nor"),
        "{error}"
    );

    let error = NarReader::new(&path.join("a/b/socket")).unwrap_err();
    assert!(matches!(error, Error::Unpackable { .. }), "{error}");
    let error = NarReader::new(Path::new("/dev/null")).unwrap_err();
    assert!(matches!(error, Error::Unpackable { .. }), "{error}");
    // Each piece that came before the error is the NAR's.
    for size in [1, 64, 1 << 16] {
        let error = read_by(&path, size).unwrap_err();
        assert!(error.to_string().contains("a/b/socket"), "{error}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("nothing");
    let error = NarReader::new(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Io { path: named, .. } if *named == path),
        "{error}"
    );
    assert!(
        !error.to_string().contains("No such file"),
        "repeats its source: {error}"
    );
}

#[test]
fn what_vanishes_or_changes_its_kind_is_named() {
    for replacement in [None, Some(link("/etc/passwd")), Some(directory([]))] {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x");
        directory([(b"a", regular(&[b'x'; 1000])), (b"b", regular(b"x"))]).create(&path);
        let mut reader = NarReader::new(&path).unwrap();
        reader.read_exact(&mut [0; 300]).unwrap();
        fs::remove_file(path.join("b")).unwrap();
        if let Some(tree) = replacement {
            tree.create(&path.join("b"));
        }
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("x/b"), "{error}");
    }
}

#[test]
fn a_directory_that_becomes_a_link_is_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x");
    directory([(b"a", regular(&[b'x'; 1000])), (b"b", directory([]))]).create(&path);
    let mut reader = NarReader::new(&path).unwrap();
    reader.read_exact(&mut [0; 300]).unwrap();
    fs::remove_dir(path.join("b")).unwrap();
    symlink("/etc", path.join("b")).unwrap();
    reader.read_to_end(&mut Vec::new()).unwrap_err();
}

#[test]
fn a_file_that_grows_or_shrinks_is_an_error() {
    const SIZE: usize = 10_000;
    // Up to, at and beyond what is left of the buffer when the file is reached.
    for first_read in [200, 5000] {
        for buffer in [1, 1000, SIZE - 1, SIZE, SIZE + 1, SIZE + 1000] {
            for new_size in [first_read as u64 - 190, SIZE as u64 - 1, SIZE as u64 + 1] {
                let scratch = tempfile::tempdir().unwrap();
                let path = scratch.path().join("x");
                regular(&[b'x'; SIZE]).create(&path);
                let mut reader = NarReader::new(&path).unwrap();
                reader.read_exact(&mut vec![0; first_read]).unwrap();
                fs::OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .set_len(new_size)
                    .unwrap();
                let mut buffer = vec![0; buffer];
                let error = loop {
                    match reader.read(&mut buffer) {
                        Ok(0) => panic!("not noticed: {new_size} after {first_read}"),
                        Ok(_) => {}
                        Err(error) => break error,
                    }
                };
                assert!(error.to_string().contains("its size changed"), "{error}");
            }
        }
    }
}

#[test]
fn nesting_is_limited() {
    let scratch = tempfile::tempdir().unwrap();
    let mut path = scratch.path().join("x");
    for _ in 0..nar::MAX_DEPTH {
        fs::create_dir(&path).unwrap();
        path.push("d");
    }
    pack(&scratch.path().join("x")).unwrap();
    fs::create_dir(&path).unwrap();
    let error = pack(&scratch.path().join("x")).unwrap_err();
    assert!(
        error.to_string().contains("nested deeper than 256"),
        "{error}"
    );
}

#[test]
fn a_file_of_several_megabytes() {
    let scratch = tempfile::tempdir().unwrap();
    let contents: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let path = scratch.path().join("x");
    fs::File::create(&path)
        .unwrap()
        .write_all(&contents)
        .unwrap();
    assert!(packed(&path) == regular(&contents).nar());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_tree_is_packed_as_the_naive_encoder_does(tree in any_tree(), size in 1..200_usize) {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x");
        tree.create(&path);
        let nar = tree.nar();
        prop_assert_eq!(&packed(&path), &nar);
        prop_assert_eq!(read_by(&path, size).unwrap(), nar);
    }
}
