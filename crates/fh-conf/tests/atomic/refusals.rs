//! Users who may not write, and disks that are full: the file stays as it was, nothing is left
//! beside it, and the error says why.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{BEFORE, names, process};

/// The user `nobody`, who may do nothing in particular.
const NOBODY: u32 = 65_534;

/// A directory in which a user without any rights edits files.
struct Place {
    directory: tempfile::TempDir,
    is_root: bool,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let is_root = fs::metadata(directory.path()).expect("it").uid() == 0;
        let program = directory.path().join("program");
        fs::copy(std::env::current_exe().expect("this program"), program).expect("copied");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("set");
        Self { directory, is_root }
    }

    /// A directory with a netrc, and whose they are where root can say so.
    fn netrc(&self, name: &str, owners: (u32, u32), modes: (u32, u32)) -> PathBuf {
        let directory = self.directory.path().join(name);
        let file = directory.join("netrc");
        fs::create_dir(&directory).expect("a directory");
        fs::write(&file, BEFORE).expect("written");
        for (path, owner, mode) in [(&file, owners.1, modes.1), (&directory, owners.0, modes.0)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
            if self.is_root {
                chown(path, Some(owner), Some(owner)).expect("given");
            }
        }
        file
    }

    /// What an unprivileged process says of its edit of a file.
    fn edit(&self, file: &Path) -> String {
        let mut command = process(&self.directory.path().join("program"), "once", file);
        if self.is_root {
            let mut unprivileged = Command::new("setpriv");
            let id = NOBODY.to_string();
            unprivileged
                .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
                .arg(command.get_program())
                .args(command.get_args());
            for (name, value) in command.get_envs() {
                unprivileged.env(name, value.unwrap_or_default());
            }
            unprivileged.stdin(Stdio::null());
            command = unprivileged;
        }
        let output = command.stdout(Stdio::piped()).output().expect("a process");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find_map(|line| line.strip_prefix("says: "));
        line.unwrap_or_else(|| panic!("it said {said}")).to_owned()
    }
}

fn assert_as_before(file: &Path) {
    assert_eq!(fs::read(file).expect("the file"), BEFORE.as_bytes());
    assert_eq!(names(file.parent().expect("a directory")), ["netrc"]);
}

#[test]
fn a_directory_that_may_not_be_written_keeps_its_file() {
    let place = Place::new();
    let file = place.netrc("home", (NOBODY, NOBODY), (0o555, 0o600));
    let said = place.edit(&file);
    assert_eq!(
        said,
        format!(
            "cannot write {}: Permission denied (os error 13)",
            file.display()
        )
    );
    assert_as_before(&file);
    // Nor is a directory made in it.
    let below = file.with_file_name("nix").join("netrc");
    let said = place.edit(&below);
    let directory = below.parent().expect("a directory").display();
    assert_eq!(
        said,
        format!("cannot create the directory {directory}: Permission denied (os error 13)")
    );
    assert_as_before(&file);
    // The same user, in a directory of theirs.
    let file = place.netrc("own", (NOBODY, NOBODY), (0o700, 0o600));
    assert_eq!(place.edit(&file), "Replaced");
}

#[test]
fn another_users_file_is_not_taken_over() {
    let place = Place::new();
    if !place.is_root {
        fh_testkit::skipped("a file of another user: only root can make one");
        return;
    }
    // In a directory of ours we could put our own file in its place.
    let file = place.netrc("shared", (NOBODY, 0), (0o755, 0o640));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
    let said = place.edit(&file);
    assert_eq!(
        said,
        format!(
            "cannot keep the owner of {} (user 0, group 0): Operation not permitted (os error 1)",
            file.display()
        )
    );
    assert_as_before(&file);
    // One that may not even be read.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let said = place.edit(&file);
    assert_eq!(
        said,
        format!(
            "cannot read {}: Permission denied (os error 13)",
            file.display()
        )
    );
    assert_as_before(&file);
}

/// A small file system; gone on drop.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    /// `None` where it cannot be had, which is told.
    fn new(what: &str, options: &str) -> Option<Self> {
        let disk = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        if disk.mount(&["-t", "tmpfs", "-o", options, "fh-test"]) {
            return Some(disk);
        }
        fh_testkit::skipped(&format!("{what}: no file system can be mounted here"));
        None
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let mut command = Command::new("mount");
        command.args(arguments).arg(self.directory.path());
        let output = command.stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success())
    }

    fn netrc(&self) -> PathBuf {
        let file = self.directory.path().join("netrc");
        fs::write(&file, BEFORE).expect("written");
        file
    }

    fn edit(&self) -> Result<fh_conf::atomic::Edited, fh_conf::Error> {
        super::set_entry(
            &self.directory.path().join("netrc"),
            "once.example",
            "secret",
        )
    }

    /// The edit fails with this, and leaves all as it was.
    fn assert_refused(&self, kind: std::io::ErrorKind) {
        let before = names(self.directory.path());
        match self.edit() {
            Err(fh_conf::Error::Io {
                action: "write",
                path,
                source,
            }) => {
                assert_eq!(
                    (path.file_name(), source.kind()),
                    (Some("netrc".as_ref()), kind)
                );
            }
            other => panic!("{other:?}"),
        }
        let file = self.directory.path().join("netrc");
        assert_eq!(fs::read(file).expect("the file"), BEFORE.as_bytes());
        assert_eq!(names(self.directory.path()), before);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut command = Command::new("umount");
        let _ = command.arg("-l").arg(self.directory.path()).output();
    }
}

#[test]
fn a_full_disk_keeps_the_file() {
    let Some(disk) = Disk::new("an edit on a full disk", "size=64k") else {
        return;
    };
    disk.netrc();
    let filler = disk.directory.path().join("filler");
    let mut file = fs::File::create(&filler).expect("a file");
    while std::io::Write::write_all(&mut file, &[7; 512]).is_ok() {}
    drop(file);
    disk.assert_refused(std::io::ErrorKind::StorageFull);
    // Emptied first: a program that another test starts at this moment may hold it open until it runs.
    fs::write(&filler, "").expect("emptied");
    fs::remove_file(filler).expect("removed");
    disk.edit().expect("there is room again");
    assert_eq!(names(disk.directory.path()), ["netrc"]);
}

#[test]
fn a_disk_without_room_for_another_file_keeps_the_file() {
    let Some(disk) = Disk::new("an edit on a disk without inodes", "size=64k,nr_inodes=3") else {
        return;
    };
    disk.netrc();
    fs::write(disk.directory.path().join("filler"), "x").expect("written");
    disk.assert_refused(std::io::ErrorKind::StorageFull);
}

#[test]
fn a_read_only_disk_keeps_the_file() {
    let Some(disk) = Disk::new("an edit on a read-only disk", "size=64k") else {
        return;
    };
    disk.netrc();
    assert!(disk.mount(&["-o", "remount,ro"]));
    disk.assert_refused(std::io::ErrorKind::ReadOnlyFilesystem);
}
