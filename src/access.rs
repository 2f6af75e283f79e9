//! What keeps this user from a file: its mode, its owner, a link that leads nowhere.
//!
//! Invariant: nothing is changed here, and no command is proposed that changes what belongs to others outside of this
//! user's own directories.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::Errno;

/// Something on the way to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    /// This user can take it out of the way without asking anybody what else it is for: it is theirs, or in a
    /// directory of theirs, where links lead.
    pub(crate) is_mine: bool,
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file or a directory of this user, whose mode keeps them out.
    Mode { mode: u32, denied: Denied },
    /// A file or a directory of somebody else.
    Foreign { owner: u32, denied: Denied },
    /// A directory of a file system that nobody can write to.
    ReadOnly,
    /// A link to something that is not there.
    DeadLink { target: PathBuf },
    /// A link that leads back to itself.
    LinkLoop,
    /// Something else where a directory is needed.
    NotADirectory,
}

/// What this user may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Reading a file, which needs `r` on it.
    Reading,
    /// Passing through a directory, which needs `x` on it.
    Entering,
    /// Make or replace a file in a directory.
    Writing,
}

/// Whether an operation failed because this user may not do it.
pub(crate) fn is_denied(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// A path as a word of a shell, which no command takes for an option.
pub(crate) fn quoted(path: &Path) -> String {
    let mut text = path.display().to_string();
    if text.starts_with('-') {
        text.insert_str(0, "./");
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

impl Obstacle {
    fn new(path: &Path, kind: Kind, is_mine: bool) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            is_mine,
        }
    }

    /// What an operation on a file failed of; none where that is no question of access.
    pub(crate) fn behind(path: &Path, error: &io::Error) -> Option<Self> {
        let found = Self::on_the_way_to(path)?;
        let explains = match &found.kind {
            Kind::Mode { .. } | Kind::Foreign { .. } | Kind::ReadOnly => is_denied(error),
            Kind::DeadLink { .. } => is_denied(error) || error.kind() == io::ErrorKind::NotFound,
            Kind::LinkLoop => error.raw_os_error() == Some(Errno::LOOP.raw_os_error()),
            Kind::NotADirectory => error.kind() == io::ErrorKind::NotADirectory,
        };
        explains.then_some(found)
    }

    /// The first thing on the way to a file that keeps this user from reading it, or from making one there.
    pub(crate) fn on_the_way_to(path: &Path) -> Option<Self> {
        let mut way: Vec<&Path> = path
            .ancestors()
            .filter(|part| *part != Path::new(""))
            .collect();
        way.reverse();
        let mut directory = None;
        for part in way {
            let is_last = part == path;
            match std::fs::metadata(part) {
                Ok(metadata) if metadata.is_dir() => {
                    if rustix::fs::access(part, Access::EXEC_OK).is_err() {
                        return Self::denied(part, &metadata, Denied::Entering);
                    }
                    directory = Some((part, metadata));
                }
                Ok(_) if !is_last => return Some(Self::new(part, Kind::NotADirectory, true)),
                Ok(metadata) => {
                    if rustix::fs::access(part, Access::READ_OK).is_err() {
                        return Self::denied(part, &metadata, Denied::Reading);
                    }
                }
                Err(error) => {
                    if let Some(link) = Self::of_link(part, &error) {
                        return Some(link);
                    }
                    break;
                }
            }
        }
        let (directory, metadata) = directory?;
        match rustix::fs::access(directory, Access::WRITE_OK) {
            Ok(()) => None,
            Err(Errno::ROFS) => Some(Self::new(directory, Kind::ReadOnly, false)),
            Err(_) => Self::denied(directory, &metadata, Denied::Writing),
        }
    }

    /// What is wrong with a link that cannot be followed.
    fn of_link(path: &Path, error: &io::Error) -> Option<Self> {
        let target = std::fs::read_link(path).ok()?;
        let me = rustix::process::geteuid().as_raw();
        let is_mine = path.symlink_metadata().is_ok_and(|it| it.uid() == me);
        let kind = if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            Kind::LinkLoop
        } else {
            let target = path.parent().unwrap_or(Path::new("")).join(target);
            Kind::DeadLink { target }
        };
        Some(Self::new(path, kind, is_mine))
    }

    fn denied(path: &Path, metadata: &std::fs::Metadata, denied: Denied) -> Option<Self> {
        let user = rustix::process::geteuid();
        // Nothing but a file system keeps root out.
        if user.is_root() {
            return None;
        }
        let owner = metadata.uid();
        if owner == user.as_raw() {
            let mode = metadata.mode() & 0o777;
            return Some(Self::new(path, Kind::Mode { mode, denied }, true));
        }
        let is_among_mine = is_in_directory_of(path, user.as_raw());
        Some(Self::new(
            path,
            Kind::Foreign { owner, denied },
            is_among_mine,
        ))
    }

    /// The command that takes it out of the way; none where others have to be asked, or a person has to choose.
    pub(crate) fn command(&self) -> Option<String> {
        let path = quoted(&self.path);
        match (&self.kind, self.is_mine) {
            (Kind::Mode { denied, .. }, _) => Some(match denied {
                Denied::Reading => format!("chmod 600 {path}"),
                Denied::Entering | Denied::Writing => format!("chmod u+rwx {path}"),
            }),
            (Kind::Foreign { denied, .. }, true) => {
                let with_all = match denied {
                    Denied::Reading => "",
                    Denied::Entering | Denied::Writing => "-R ",
                };
                Some(format!("sudo chown {with_all}\"$(id -un)\" {path}"))
            }
            (Kind::LinkLoop | Kind::DeadLink { .. }, true) => Some(format!("rm {path}")),
            (Kind::ReadOnly | Kind::NotADirectory, _) | (_, false) => None,
        }
    }

    /// What is in the way and what to do about it, as a sentence.
    pub(crate) fn hint(&self) -> String {
        match (&self.kind, self.command()) {
            (Kind::DeadLink { .. }, Some(command)) => {
                format!("{self}. Make what it leads to, or remove the link: `{command}`")
            }
            (Kind::NotADirectory, _) => {
                let path = quoted(&self.path);
                format!("{self}. Move it away: `mv {path} {path}.old`")
            }
            (_, Some(command)) => format!("{self}: `{command}`"),
            (_, None) => format!("{self}."),
        }
    }
}

/// Whether the directory that has a file, where links lead, belongs to a user. One further up does not count: what
/// others have below it is theirs.
fn is_in_directory_of(path: &Path, user: u32) -> bool {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = real.parent().and_then(|it| std::fs::metadata(it).ok());
    directory.is_some_and(|it| it.uid() == user)
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reading => "read it",
            Self::Entering => "enter it",
            Self::Writing => "write to it",
        })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.path.display())?;
        match &self.kind {
            Kind::Mode { mode, denied } => {
                write!(
                    f,
                    "is yours, and its mode {mode:03o} does not let you {denied}"
                )
            }
            Kind::Foreign { owner: 0, denied } => {
                write!(f, "belongs to root, and you may not {denied}")
            }
            Kind::Foreign { owner, denied } => {
                write!(
                    f,
                    "belongs to another user ({owner}), and you may not {denied}"
                )
            }
            Kind::ReadOnly => f.write_str("is on a file system that is mounted read-only"),
            Kind::DeadLink { target } => {
                write!(f, "is a link to {}, which is not there", target.display())
            }
            Kind::LinkLoop => f.write_str("is a link that leads back to itself"),
            Kind::NotADirectory => f.write_str("is a file, and has to be a directory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> PathBuf {
        PathBuf::from("/h/n")
    }

    #[test]
    fn what_is_mine_is_opened_again_and_what_is_not_is_left_alone() {
        let it = |kind, is_mine| Obstacle::new(&path(), kind, is_mine);
        let mode = |mode, denied| it(Kind::Mode { mode, denied }, true);
        let foreign = |owner, denied, is_mine| it(Kind::Foreign { owner, denied }, is_mine);
        let looping = |path: &str, is_mine| Obstacle::new(Path::new(path), Kind::LinkLoop, is_mine);
        let target = PathBuf::from("/nowhere/x");
        let dead = |is_mine| {
            it(
                Kind::DeadLink {
                    target: target.clone(),
                },
                is_mine,
            )
        };
        for (obstacle, hint) in [
            (
                mode(0, Denied::Reading),
                "/h/n is yours, and its mode 000 does not let you read it: `chmod 600 /h/n`",
            ),
            (
                mode(0o600, Denied::Entering),
                "/h/n is yours, and its mode 600 does not let you enter it: `chmod u+rwx /h/n`",
            ),
            (
                mode(0o500, Denied::Writing),
                "/h/n is yours, and its mode 500 does not let you write to it: `chmod u+rwx /h/n`",
            ),
            (
                looping("/h/a b", true),
                "/h/a b is a link that leads back to itself: `rm '/h/a b'`",
            ),
            (
                foreign(0, Denied::Writing, true),
                "/h/n belongs to root, and you may not write to it: `sudo chown -R \"$(id -un)\" /h/n`",
            ),
            (
                foreign(0, Denied::Reading, true),
                "/h/n belongs to root, and you may not read it: `sudo chown \"$(id -un)\" /h/n`",
            ),
            (
                foreign(7, Denied::Writing, false),
                "/h/n belongs to another user (7), and you may not write to it.",
            ),
            (
                it(Kind::ReadOnly, false),
                "/h/n is on a file system that is mounted read-only.",
            ),
            (
                looping("/h/n", true),
                "/h/n is a link that leads back to itself: `rm /h/n`",
            ),
            (
                looping("/h/n", false),
                "/h/n is a link that leads back to itself.",
            ),
            (
                dead(true),
                "/h/n is a link to /nowhere/x, which is not there. Make what it leads to, or remove the link: `rm /h/n`",
            ),
            (
                dead(false),
                "/h/n is a link to /nowhere/x, which is not there.",
            ),
            (
                it(Kind::NotADirectory, true),
                "/h/n is a file, and has to be a directory. Move it away: `mv /h/n /h/n.old`",
            ),
        ] {
            assert_eq!(obstacle.hint(), hint);
        }
    }

    #[test]
    fn a_path_is_one_word_of_a_shell_and_no_option() {
        for (path, word) in [
            ("/h/n", "/h/n"),
            ("/tmp/x;id.conf", "'/tmp/x;id.conf'"),
            ("/a b/netrc; touch PWN", "'/a b/netrc; touch PWN'"),
            ("it's $(id)", "'it'\\''s $(id)'"),
            ("-rf", "./-rf"),
            ("-a b", "'./-a b'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }

    #[test]
    fn what_others_have_is_among_mine_only_right_in_a_directory_of_mine() {
        use std::os::unix::fs::{chown, symlink};

        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let is_root = rustix::process::geteuid().is_root();
        std::fs::create_dir(path("theirs")).unwrap();
        for file in ["file", "theirs/file"] {
            std::fs::write(path(file), "").unwrap();
        }
        symlink("/etc/passwd", path("link")).unwrap();
        symlink(path("file"), path("theirs/link")).unwrap();
        // Only root can make a directory somebody else's.
        let (me, cases) = if is_root {
            chown(directory.path(), Some(12_345), None).unwrap();
            (12_345, 5)
        } else {
            (rustix::process::geteuid().as_raw(), 4)
        };
        let cases = &[
            ("file", true),
            ("link", false),
            ("absent", true),
            ("theirs/link", true),
            ("theirs/file", false),
        ][..cases];
        for (name, expected) in cases {
            assert_eq!(is_in_directory_of(&path(name), me), *expected, "{name}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_and_files_in_the_way_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let link = |name: &str, target: &Path| {
            std::os::unix::fs::symlink(target, path(name)).unwrap();
        };
        std::fs::write(path("file"), "").unwrap();
        link("loop", Path::new("loop"));
        link("dead", Path::new("/nonexistent/fh/netrc"));
        link("good", &path("file"));
        let not_there = io::Error::from(io::ErrorKind::NotFound);
        let looping = io::Error::from(Errno::LOOP);
        let no_directory = io::Error::from(io::ErrorKind::NotADirectory);
        let name = |found: Option<Obstacle>| found.map(|found| found.to_string());
        for (asked, error, expected) in [
            ("loop", &looping, Some("loop is a link that leads back")),
            (
                "loop/netrc",
                &looping,
                Some("loop is a link that leads back"),
            ),
            (
                "dead",
                &not_there,
                Some("dead is a link to /nonexistent/fh/netrc"),
            ),
            (
                "dead/netrc",
                &not_there,
                Some("dead is a link to /nonexistent/fh/netrc"),
            ),
            ("file/netrc", &no_directory, Some("file is a file")),
            ("good", &not_there, None),
            ("absent/netrc", &not_there, None),
            // Another reason than the one that is there explains nothing.
            ("file/netrc", &not_there, None),
        ] {
            let found = name(Obstacle::behind(&path(asked), error));
            match expected {
                None => assert_eq!(found, None, "{asked}"),
                Some(words) => assert!(
                    found.as_deref().is_some_and(|found| found.contains(words)),
                    "{asked}: {found:?}"
                ),
            }
        }
    }
}
