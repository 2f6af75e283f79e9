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
pub(crate) enum Obstacle {
    /// A file or a directory of this user, whose mode keeps them out.
    Mode {
        path: PathBuf,
        mode: u32,
        denied: Denied,
    },
    /// A file or a directory of somebody else.
    Foreign {
        path: PathBuf,
        owner: u32,
        denied: Denied,
        /// The directory that has it, where links lead, is this user's.
        is_among_mine: bool,
    },
    /// A directory of a file system that nobody can write to.
    ReadOnly { path: PathBuf },
    /// A link to something that is not there.
    DeadLink {
        path: PathBuf,
        target: PathBuf,
        /// The link itself is this user's.
        is_mine: bool,
    },
    /// A link that leads back to itself.
    LinkLoop {
        path: PathBuf,
        /// The link itself is this user's.
        is_mine: bool,
    },
    /// Something else where a directory is needed.
    NotADirectory { path: PathBuf },
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
    /// What an operation on a file failed of; none where that is no question of access.
    pub(crate) fn behind(path: &Path, error: &io::Error) -> Option<Self> {
        let found = Self::on_the_way_to(path)?;
        let explains = match &found {
            Self::Mode { .. } | Self::Foreign { .. } | Self::ReadOnly { .. } => is_denied(error),
            Self::DeadLink { .. } => is_denied(error) || error.kind() == io::ErrorKind::NotFound,
            Self::LinkLoop { .. } => error.raw_os_error() == Some(Errno::LOOP.raw_os_error()),
            Self::NotADirectory { .. } => error.kind() == io::ErrorKind::NotADirectory,
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
                Ok(_) if !is_last => {
                    return Some(Self::NotADirectory {
                        path: part.to_owned(),
                    });
                }
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
            Err(Errno::ROFS) => Some(Self::ReadOnly {
                path: directory.to_owned(),
            }),
            Err(_) => Self::denied(directory, &metadata, Denied::Writing),
        }
    }

    /// What is wrong with a link that cannot be followed.
    fn of_link(path: &Path, error: &io::Error) -> Option<Self> {
        let target = std::fs::read_link(path).ok()?;
        let me = rustix::process::geteuid().as_raw();
        let is_mine = path.symlink_metadata().is_ok_and(|it| it.uid() == me);
        let there = path.to_owned();
        if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            return Some(Self::LinkLoop {
                path: there,
                is_mine,
            });
        }
        let target = path.parent().unwrap_or(Path::new("")).join(target);
        Some(Self::DeadLink {
            path: there,
            target,
            is_mine,
        })
    }

    fn denied(path: &Path, metadata: &std::fs::Metadata, denied: Denied) -> Option<Self> {
        let user = rustix::process::geteuid();
        // Nothing but a file system keeps root out.
        if user.is_root() {
            return None;
        }
        let is_mine = |uid: u32| uid == user.as_raw();
        let owner = metadata.uid();
        if is_mine(owner) {
            return Some(Self::Mode {
                path: path.to_owned(),
                mode: metadata.mode() & 0o777,
                denied,
            });
        }
        Some(Self::Foreign {
            path: path.to_owned(),
            owner,
            denied,
            is_among_mine: is_in_directory_of(path, user.as_raw()),
        })
    }

    /// The command that takes it out of the way; none where others have to be asked, or a person has to choose.
    pub(crate) fn command(&self) -> Option<String> {
        match self {
            Self::Mode {
                path,
                denied: Denied::Reading,
                ..
            } => Some(format!("chmod 600 {}", quoted(path))),
            Self::Mode { path, .. } => Some(format!("chmod u+rwx {}", quoted(path))),
            Self::Foreign {
                path,
                denied,
                is_among_mine: true,
                ..
            } => {
                let with_all = match denied {
                    Denied::Reading => "",
                    Denied::Entering | Denied::Writing => "-R ",
                };
                let path = quoted(path);
                Some(format!("sudo chown {with_all}\"$(id -un)\" {path}"))
            }
            Self::LinkLoop {
                path,
                is_mine: true,
            }
            | Self::DeadLink {
                path,
                is_mine: true,
                ..
            } => Some(format!("rm {}", quoted(path))),
            Self::Foreign { .. }
            | Self::DeadLink { .. }
            | Self::LinkLoop { .. }
            | Self::ReadOnly { .. }
            | Self::NotADirectory { .. } => None,
        }
    }

    /// What is in the way and what to do about it, as a sentence.
    pub(crate) fn hint(&self) -> String {
        match (self, self.command()) {
            (Self::DeadLink { .. }, Some(command)) => {
                format!("{self}. Make what it leads to, or remove the link: `{command}`")
            }
            (Self::NotADirectory { path }, _) => {
                let path = quoted(path);
                format!("{self}. Move it away: `mv {path} {path}.old`")
            }
            (_, Some(command)) => format!("{self}: `{command}`"),
            (_, None) => format!("{self}."),
        }
    }

    /// Whether this user can take it out of the way without asking anybody what else it is for.
    pub(crate) fn is_mine(&self) -> bool {
        match self {
            Self::Mode { .. } | Self::NotADirectory { .. } => true,
            Self::DeadLink { is_mine, .. } | Self::LinkLoop { is_mine, .. } => *is_mine,
            Self::Foreign { is_among_mine, .. } => *is_among_mine,
            Self::ReadOnly { .. } => false,
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
        match self {
            Self::Mode { path, mode, denied } => write!(
                f,
                "{} is yours, and its mode {mode:03o} does not let you {denied}",
                path.display()
            ),
            Self::Foreign {
                path,
                owner,
                denied,
                ..
            } => {
                let owner = match owner {
                    0 => "root".to_owned(),
                    owner => format!("another user ({owner})"),
                };
                write!(
                    f,
                    "{} belongs to {owner}, and you may not {denied}",
                    path.display()
                )
            }
            Self::ReadOnly { path } => write!(
                f,
                "{} is on a file system that is mounted read-only",
                path.display()
            ),
            Self::DeadLink { path, target, .. } => write!(
                f,
                "{} is a link to {}, which is not there",
                path.display(),
                target.display()
            ),
            Self::LinkLoop { path, .. } => {
                write!(f, "{} is a link that leads back to itself", path.display())
            }
            Self::NotADirectory { path } => {
                write!(f, "{} is a file, and has to be a directory", path.display())
            }
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
        let mode = |mode, denied| Obstacle::Mode {
            path: path(),
            mode,
            denied,
        };
        let foreign = |owner, denied, is_among_mine| Obstacle::Foreign {
            path: path(),
            owner,
            denied,
            is_among_mine,
        };
        let looping = |path: &str, is_mine| Obstacle::LinkLoop {
            path: path.into(),
            is_mine,
        };
        let dead = |is_mine| Obstacle::DeadLink {
            path: path(),
            target: PathBuf::from("/nowhere/x"),
            is_mine,
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
                Obstacle::ReadOnly { path: path() },
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
                Obstacle::NotADirectory { path: path() },
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
