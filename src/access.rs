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
        /// It is in a directory of this user.
        is_among_mine: bool,
    },
    /// A directory of a file system that nobody can write to.
    ReadOnly { path: PathBuf },
    /// A link to something that is not there.
    DeadLink { path: PathBuf, target: PathBuf },
    /// A link that leads back to itself.
    LinkLoop { path: PathBuf },
    /// Something else where a directory is needed.
    NotADirectory { path: PathBuf },
}

/// What this user may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Read a file.
    Reading,
    /// Enter a directory.
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

/// A path as a word of a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,".contains(c);
    if text.chars().all(is_plain) {
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
        if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            return Some(Self::LinkLoop {
                path: path.to_owned(),
            });
        }
        let target = path.parent().unwrap_or(Path::new("")).join(target);
        Some(Self::DeadLink {
            path: path.to_owned(),
            target,
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
        let mut above = path.ancestors().skip(1);
        let is_among_mine = above.any(|above| {
            let metadata = std::fs::metadata(above);
            metadata.is_ok_and(|metadata| is_mine(metadata.uid()))
        });
        Some(Self::Foreign {
            path: path.to_owned(),
            owner,
            denied,
            is_among_mine,
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
                is_among_mine: true,
                ..
            } => Some(format!("sudo chown -R \"$(id -un)\" {}", quoted(path))),
            Self::LinkLoop { path } | Self::DeadLink { path, .. } => {
                Some(format!("rm {}", quoted(path)))
            }
            Self::Foreign { .. } | Self::ReadOnly { .. } | Self::NotADirectory { .. } => None,
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
            Self::Mode { .. }
            | Self::DeadLink { .. }
            | Self::LinkLoop { .. }
            | Self::NotADirectory { .. } => true,
            Self::Foreign { is_among_mine, .. } => *is_among_mine,
            Self::ReadOnly { .. } => false,
        }
    }
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
            Self::LinkLoop { path } => {
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
        let foreign = |owner, is_among_mine| Obstacle::Foreign {
            path: path(),
            owner,
            denied: Denied::Writing,
            is_among_mine,
        };
        let target = PathBuf::from("/nowhere/x");
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
                Obstacle::LinkLoop {
                    path: PathBuf::from("/h/a b"),
                },
                "/h/a b is a link that leads back to itself: `rm '/h/a b'`",
            ),
            (
                foreign(0, true),
                "/h/n belongs to root, and you may not write to it: `sudo chown -R \"$(id -un)\" /h/n`",
            ),
            (
                foreign(7, false),
                "/h/n belongs to another user (7), and you may not write to it.",
            ),
            (
                Obstacle::ReadOnly { path: path() },
                "/h/n is on a file system that is mounted read-only.",
            ),
            (
                Obstacle::LinkLoop { path: path() },
                "/h/n is a link that leads back to itself: `rm /h/n`",
            ),
            (
                Obstacle::DeadLink {
                    path: path(),
                    target,
                },
                "/h/n is a link to /nowhere/x, which is not there. Make what it leads to, or remove the link: `rm /h/n`",
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
