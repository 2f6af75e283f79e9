//! Tests of the atomic writer, on the real file system.

mod exact;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::{
    Access, EditOptions, Edited, Outcome, edit_file, read_private, remove_file, write_private,
};
use crate::{Error, Result};

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    fn file(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Options with a store of our own.
    fn options(&self) -> EditOptions {
        EditOptions {
            store: self.path("store"),
            ..EditOptions::shared()
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn put(path: &Path, options: &EditOptions, content: &str) -> Result<Edited> {
    edit_file(path, options, |_| Ok(Some(content.as_bytes().to_vec())))
}

#[track_caller]
fn assert_content(path: &Path, content: &str) {
    assert_eq!(fs::read_to_string(path).unwrap(), content);
}

#[test]
fn a_file_is_made_with_its_mode_and_directories() {
    let place = Place::new();
    let path = place.path("a/b/netrc");
    let edited = put(&path, &EditOptions::private(), "x").unwrap();
    assert_eq!(
        edited,
        Edited {
            outcome: Outcome::Created,
            tightened_from: None,
            path: path.clone()
        }
    );
    assert_content(&path, "x");
    assert_eq!(
        (
            mode(&path),
            mode(&place.path("a/b")),
            mode(&place.path("a"))
        ),
        (0o600, 0o700, 0o700)
    );
    let path = place.path("nix.conf");
    assert_eq!(
        put(&path, &EditOptions::shared(), "x").unwrap().outcome,
        Outcome::Created
    );
    assert_eq!(mode(&path), 0o644);
    assert_eq!(
        place.names(),
        ["a", "nix.conf"],
        "no lock and no temporary file is left"
    );
}

#[test]
fn a_file_is_replaced_and_keeps_its_mode() {
    let place = Place::new();
    let path = place.file("nix.conf", "old", 0o664);
    let edited = edit_file(&path, &EditOptions::shared(), |content| {
        assert_eq!(content, Some(&b"old"[..]));
        Ok::<_, Error>(Some(b"new".to_vec()))
    });
    assert_eq!(
        edited.unwrap(),
        Edited {
            outcome: Outcome::Replaced,
            tightened_from: None,
            path: path.clone()
        }
    );
    assert_content(&path, "new");
    assert_eq!(mode(&path), 0o664);
    assert_eq!(place.names(), ["nix.conf"]);
}

#[test]
fn nothing_is_touched_when_nothing_changes() {
    let place = Place::new();
    let path = place.file("nix.conf", "same", 0o644);
    let earlier = SystemTime::now() - Duration::from_secs(1000);
    for touched in [&path, place.directory.path()] {
        fs::File::open(touched)
            .unwrap()
            .set_modified(earlier)
            .unwrap();
    }
    let inode = fs::metadata(&path).unwrap().ino();
    for content in [Some(b"same".to_vec()), None] {
        let edited = edit_file(&path, &EditOptions::shared(), |_| {
            Ok::<_, Error>(content.clone())
        })
        .unwrap();
        assert_eq!(edited.outcome, Outcome::Unchanged);
    }
    let private = edit_file(
        &place.path("none/netrc"),
        &EditOptions::private(),
        |content| {
            assert_eq!(content, None);
            Ok::<_, Error>(None)
        },
    );
    assert_eq!(private.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    for untouched in [&path, place.directory.path()] {
        assert_eq!(
            fs::metadata(untouched).unwrap().modified().unwrap(),
            earlier
        );
    }
    assert_eq!(place.names(), ["nix.conf"]);
}

#[test]
fn a_file_that_everybody_can_read_is_tightened() {
    let place = Place::new();
    let private = EditOptions::private();
    for (before, after) in [
        (0o644, 0o600),
        (0o666, 0o600),
        (0o604, 0o600),
        (0o640, 0o640),
        (0o600, 0o600),
        (0o400, 0o400),
    ] {
        let tightened = (before != after).then_some(before);
        let path = place.file("netrc", "old", before);
        let same = put(&path, &private, "old").unwrap();
        assert_eq!(
            same,
            Edited {
                outcome: Outcome::Unchanged,
                tightened_from: tightened,
                path: path.clone()
            }
        );
        assert_eq!(mode(&path), after);
        fs::remove_file(&path).unwrap();
        let path = place.file("netrc", "old", before);
        let new = put(&path, &private, "new").unwrap();
        assert_eq!(
            new,
            Edited {
                outcome: Outcome::Replaced,
                tightened_from: tightened,
                path: path.clone()
            }
        );
        assert_eq!(mode(&path), after);
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(Access::OwnerOnly.apply(0o640), 0o600);
    assert_eq!(Access::Keep.apply(0o100_644), 0o644);
    assert_eq!(Access::Exactly(0o640).apply(0o600), 0o640);
    assert_eq!(Access::Exactly(0o400).apply(0o644), 0o400);
}

#[test]
fn tightening_leaves_content_and_times() {
    let place = Place::new();
    let path = place.file("netrc", "same", 0o644);
    let earlier = SystemTime::now() - Duration::from_secs(1000);
    fs::File::open(&path)
        .unwrap()
        .set_modified(earlier)
        .unwrap();
    let edited = put(&path, &EditOptions::private(), "same").unwrap();
    assert_eq!(edited.tightened_from, Some(0o644));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), earlier);
    assert_eq!(
        put(&path, &EditOptions::private(), "same")
            .unwrap()
            .tightened_from,
        None
    );
}

#[test]
fn links_are_followed_to_the_file() {
    let place = Place::new();
    let real = place.file("real", "old", 0o640);
    fs::create_dir(place.path("links")).unwrap();
    symlink("../real", place.path("links/one")).unwrap();
    symlink(place.path("links/one"), place.path("two")).unwrap();
    symlink("links", place.path("dir")).unwrap();
    for (link, content) in [("two", "a"), ("links/one", "b"), ("dir/one", "c")] {
        let edited = put(&place.path(link), &place.options(), content).unwrap();
        assert_eq!(
            (edited.path.as_path(), edited.outcome),
            (real.as_path(), Outcome::Replaced)
        );
        assert_content(&real, content);
    }
    assert!(place.path("two").is_symlink() && place.path("links/one").is_symlink());
    assert_eq!(mode(&real), 0o640);
    // A link to nothing is a file to be made.
    symlink("nowhere/file", place.path("dangling")).unwrap();
    let edited = put(&place.path("dangling"), &place.options(), "d").unwrap();
    assert_eq!(
        (edited.path, edited.outcome),
        (place.path("nowhere/file"), Outcome::Created)
    );
    assert_content(&place.path("nowhere/file"), "d");
    assert!(place.path("dangling").is_symlink());
}

#[test]
fn links_in_a_circle_end() {
    let place = Place::new();
    symlink("b", place.path("a")).unwrap();
    symlink("a", place.path("b")).unwrap();
    symlink("self", place.path("self")).unwrap();
    for name in ["a", "self", "self/file", "a/b/file"] {
        let refused = put(&place.path(name), &place.options(), "x");
        assert!(
            matches!(refused, Err(Error::LinkLoop { .. })),
            "{name} {refused:?}"
        );
    }
}

#[test]
fn the_store_is_never_written() {
    let place = Place::new();
    fs::create_dir_all(place.path("store/x-etc/nix")).unwrap();
    place.file("store/x-etc/nix/nix.conf", "same", 0o444);
    symlink(place.path("store/x-etc"), place.path("static")).unwrap();
    symlink("static/nix/nix.conf", place.path("nix.conf")).unwrap();
    symlink("static/nix/none", place.path("dangling")).unwrap();
    symlink("static/gone/none", place.path("collected")).unwrap();
    for name in [
        "nix.conf",
        "static/nix/nix.conf",
        "static/nix/new",
        "dangling",
        "collected",
        "store/x-etc/nix/nix.conf",
    ] {
        match put(&place.path(name), &place.options(), "new") {
            Err(Error::InStore { path, target }) => {
                assert_eq!(path, place.path(name));
                assert!(target.starts_with(place.path("store")));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(!place.path("store/x-etc/gone").exists());
    assert!(matches!(
        remove_file(&place.path("nix.conf"), &place.options()),
        Err(Error::InStore { .. })
    ));
    // What needs no change is no error.
    assert_eq!(
        put(&place.path("nix.conf"), &place.options(), "same")
            .unwrap()
            .outcome,
        Outcome::Unchanged
    );
    // A store that is a link itself, and a name that only looks like it.
    symlink("store", place.path("alias")).unwrap();
    let options = EditOptions {
        store: place.path("alias"),
        ..place.options()
    };
    assert!(matches!(
        put(&place.path("nix.conf"), &options, "new"),
        Err(Error::InStore { .. })
    ));
    put(&place.path("store-not"), &place.options(), "new").unwrap();
    assert!(matches!(
        put(
            Path::new("/nix/store/00000000000000000000000000000000-none"),
            &EditOptions::shared(),
            "x"
        ),
        Err(Error::InStore { .. })
    ));
}

#[test]
fn only_regular_files_are_edited() {
    let place = Place::new();
    fs::create_dir(place.path("directory")).unwrap();
    symlink("/dev/null", place.path("null")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(place.path("socket")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    for name in ["directory", "null", "socket", "pipe", ".."] {
        let path = place.path(name);
        let refused = put(&path, &place.options(), "x");
        assert!(
            matches!(refused, Err(Error::NotRegular { .. })),
            "{name} {refused:?}"
        );
        assert!(
            matches!(read_private(&path), Err(Error::NotRegular { .. })),
            "{name}"
        );
        assert!(remove_file(&path, &place.options()).is_err(), "{name}");
    }
    assert!(matches!(
        put(&place.path("pipe/x"), &place.options(), "x"),
        Err(Error::Io { .. })
    ));
    assert!(matches!(
        put(Path::new("/"), &place.options(), "x"),
        Err(Error::NotRegular { .. })
    ));
}

#[test]
fn an_error_of_the_edit_leaves_everything() {
    #[derive(Debug)]
    enum Own {
        Mine,
        Theirs,
    }
    impl From<Error> for Own {
        fn from(_: Error) -> Self {
            Self::Theirs
        }
    }
    let place = Place::new();
    let path = place.file("nix.conf", "old", 0o644);
    let refused = edit_file(&path, &EditOptions::shared(), |_| Err(Own::Mine));
    assert!(matches!(refused, Err(Own::Mine)));
    assert_content(&path, "old");
    // Also at the second look, under the lock.
    let mut calls = 0;
    let refused = edit_file(&path, &EditOptions::shared(), |_| {
        calls += 1;
        if calls == 2 {
            Err(Own::Mine)
        } else {
            Ok(Some(b"new".to_vec()))
        }
    });
    assert!(matches!(refused, Err(Own::Mine)));
    assert_content(&path, "old");
    assert_eq!(place.names(), ["nix.conf"]);
}

#[test]
fn a_change_by_a_program_without_lock_is_kept() {
    let place = Place::new();
    let path = place.file("nix.conf", "old", 0o644);
    let mut calls = 0;
    let refused = edit_file(&path, &EditOptions::shared(), |_| {
        calls += 1;
        if calls == 2 {
            fs::write(&path, "theirs!").unwrap();
        }
        Ok::<_, Error>(Some(b"ours".to_vec()))
    });
    assert!(matches!(refused, Err(Error::ChangedMeanwhile { .. })));
    assert_content(&path, "theirs!");
    let refused = edit_file(&place.path("new"), &EditOptions::shared(), |_| {
        fs::write(place.path("new"), "theirs").unwrap();
        Ok::<_, Error>(Some(b"ours".to_vec()))
    });
    // Made before the lock was taken: the edit saw it the second time, and wrote it again
    // underneath.
    assert!(
        matches!(refused, Err(Error::ChangedMeanwhile { .. })),
        "{refused:?}"
    );
    assert_content(&place.path("new"), "theirs");
    assert_eq!(place.names(), ["new", "nix.conf"]);
}

#[test]
fn a_lock_that_is_held_is_an_error_in_time() {
    let place = Place::new();
    let path = place.file("netrc", "old", 0o600);
    let lock = super::lock::Lock::take(&path, Duration::ZERO).unwrap();
    let options = EditOptions {
        lock_timeout: Duration::from_millis(50),
        ..EditOptions::private()
    };
    match put(&path, &options, "new") {
        Err(Error::Locked { path, waited }) => {
            assert_eq!(path, place.path(".netrc.fh-lock"));
            assert!(waited >= Duration::from_millis(50));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        remove_file(&path, &options),
        Err(Error::Locked { .. })
    ));
    // What needs no change needs no lock.
    assert_eq!(
        put(&path, &options, "old").unwrap().outcome,
        Outcome::Unchanged
    );
    drop(lock);
    assert_eq!(
        put(&path, &options, "new").unwrap().outcome,
        Outcome::Replaced
    );
    assert_eq!(place.names(), ["netrc"]);
}

#[test]
fn leftovers_of_killed_processes_are_removed() {
    let place = Place::new();
    let path = place.file("netrc", "old", 0o600);
    place.file(".netrc.fh-lock", "", 0o600);
    place.file(".netrc.abcdefghijkl.fh-tmp", "secret", 0o600);
    for kept in [
        ".netrc.abcdefghijk.fh-tmp",
        ".netrc.abcdefgh/jkl.fh-tm",
        ".other.abcdefghijkl.fh-tmp",
        ".netrc.swp",
    ] {
        place.file(&kept.replace('/', "-"), "", 0o600);
    }
    put(&path, &EditOptions::private(), "new").unwrap();
    assert_eq!(
        place.names(),
        [
            ".netrc.abcdefgh-jkl.fh-tm",
            ".netrc.abcdefghijk.fh-tmp",
            ".netrc.swp",
            ".other.abcdefghijkl.fh-tmp",
            "netrc"
        ]
    );
}

#[test]
fn a_lock_file_that_is_a_link_is_not_followed() {
    let place = Place::new();
    let path = place.file("netrc", "old", 0o600);
    symlink(place.path("elsewhere"), place.path(".netrc.fh-lock")).unwrap();
    assert!(matches!(
        put(&path, &EditOptions::private(), "new"),
        Err(Error::Io { action: "lock", .. })
    ));
    assert!(!place.path("elsewhere").exists());
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let place = Place::new();
    let path = place.path("netrc");
    fs::File::create(&path)
        .unwrap()
        .set_len(super::LARGEST_FILE + 1)
        .unwrap();
    assert!(matches!(
        put(&path, &EditOptions::private(), "new"),
        Err(Error::TooLarge { .. })
    ));
    assert!(matches!(read_private(&path), Err(Error::TooLarge { .. })));
}

#[test]
fn private_files_are_private() {
    let place = Place::new();
    let path = place.path("flakehub/auth");
    assert_eq!(read_private(&path).unwrap(), None);
    assert_eq!(
        write_private(&path, b"token").unwrap().outcome,
        Outcome::Created
    );
    assert_eq!((mode(&path), mode(&place.path("flakehub"))), (0o600, 0o700));
    let read = read_private(&path).unwrap().unwrap();
    assert_eq!(
        (read.content.as_slice(), read.exposed),
        (&b"token"[..], false)
    );
    assert!(!format!("{read:?}").contains("token") && !format!("{read:?}").contains("116"));
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(read_private(&path).unwrap().unwrap().exposed);
    let again = write_private(&path, b"token").unwrap();
    assert_eq!(
        (again.outcome, again.tightened_from),
        (Outcome::Unchanged, Some(0o640))
    );
    assert_eq!(mode(&path), 0o600);
    assert!(remove_file(&path, &EditOptions::private()).unwrap());
    assert!(!remove_file(&path, &EditOptions::private()).unwrap());
    assert!(!remove_file(&place.path("none/at/all"), &EditOptions::private()).unwrap());
    assert_eq!(fs::read_dir(place.path("flakehub")).unwrap().count(), 0);
}

#[test]
fn owner_and_attributes_are_kept() {
    let place = Place::new();
    let path = place.file("netrc", "old", 0o640);
    let attribute = rustix::fs::setxattr(
        &path,
        "user.fh-test",
        b"value",
        rustix::fs::XattrFlags::empty(),
    );
    if std::os::unix::fs::chown(&path, Some(12), Some(34)).is_err() {
        fh_testkit::skipped("only root can give a file away");
        return;
    }
    put(&path, &EditOptions::private(), "new").unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777),
        (12, 34, 0o640)
    );
    if attribute.is_ok() {
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(&path, "user.fh-test", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"value");
    }
}
