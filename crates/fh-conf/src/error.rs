//! The crate's one error type.
//!
//! No message repeats its source, and none holds text from a file: a netrc is made of passwords,
//! and nix.conf may carry `access-tokens`.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::regular::Refused;

/// What can go wrong while reading, editing or writing a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A netrc or JSON file that is not understood, or a JSON file that has something else where a list or an object
    /// belongs; it is left alone.
    #[error("invalid {format} at line {line}, column {column}: {reason}")]
    Syntax {
        /// What the file should be: `netrc` or `JSON`.
        format: &'static str,
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1; 0 at the end of the line before.
        column: usize,
        /// What is wrong there, without the file's own text.
        reason: Cow<'static, str>,
    },
    /// A host, login or password that a netrc file cannot carry to every reader.
    #[error("the {what} cannot be written to a netrc file: {reason}")]
    NetrcValue {
        /// `host`, `login` or `password`.
        what: &'static str,
        /// Why not, without the value.
        reason: &'static str,
    },
    /// The edited netrc would be larger than what curl reads: it would lose every entry, not only
    /// the new one.
    #[error("the netrc file would grow to {size} bytes, and curl reads at most {limit}")]
    NetrcTooLarge {
        /// Size in bytes after the edit.
        size: usize,
        /// Largest size in bytes.
        limit: usize,
    },
    /// The edit could not be made so that every reader finds the entry; nothing was changed.
    #[error("the netrc entry of {host} is written in a way that cannot be edited safely")]
    NetrcAmbiguous {
        /// The host whose entry it is.
        host: String,
    },
    /// A line of nix.conf, or of a file included from it, that Nix would not accept either.
    #[error("{} is invalid at line {line}, column {column}: {reason}", path.display())]
    NixConfSyntax {
        /// The file, as it is named in the configuration.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1.
        column: usize,
        /// What is wrong there, without the line's text.
        reason: &'static str,
    },
    /// `include` names a file that does not exist: Nix itself stops there.
    #[error("{} line {line}: the included file {} does not exist", path.display(), included.display())]
    IncludeMissing {
        /// The file with the `include` line.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The file that is not there.
        included: PathBuf,
    },
    /// A file that includes itself, directly or through others.
    #[error("{} line {line}: {} is included from within itself", path.display(), included.display())]
    IncludeCycle {
        /// The file with the `include` line.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The file that is being read already.
        included: PathBuf,
    },
    /// More included files, or deeper ones, than any real configuration has.
    #[error("{} line {line}: too many included files", path.display())]
    IncludeLimit {
        /// The file with the `include` line.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
    },
    /// A setting name or value that nix.conf cannot carry.
    #[error("the value for {name} cannot be written to nix.conf: {reason}")]
    NixConfValue {
        /// The setting that was to get the value.
        name: String,
        /// Why not, without the value.
        reason: &'static str,
    },
    /// What was to be added would have no effect: the setting is set again further on, in a file
    /// that is not the one to edit.
    #[error("what is added to {name} would have no effect: {} sets it at line {line}", path.display())]
    NixConfUndone {
        /// The setting that was to be added to.
        name: String,
        /// The file that sets it again.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
    },
    /// An operation on a file or directory failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The file is, or leads through links to, something in the Nix store, which no one may write.
    #[error("{} belongs to the Nix store ({})", path.display(), target.display())]
    InStore {
        /// The path as given.
        path: PathBuf,
        /// The file in the store that it leads to.
        target: PathBuf,
    },
    /// The path leads to a directory, a device or another thing that is not a regular file.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The path with all links followed.
        path: PathBuf,
    },
    /// Too many symbolic links, or links in a circle.
    #[error("{} leads through too many symbolic links", path.display())]
    LinkLoop {
        /// The path as given.
        path: PathBuf,
    },
    /// The file is larger than any file of its kind.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The path with all links followed.
        path: PathBuf,
        /// Largest size in bytes.
        limit: u64,
    },
    /// Another process held the lock for the whole waiting time.
    #[error("{} has been locked by another process for {} seconds", path.display(), waited.as_secs())]
    Locked {
        /// The lock file, beside the file that was to be edited.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The replacement cannot be given to the file's owner, so the file was left alone.
    #[error("cannot keep the owner of {} (user {uid}, group {gid})", path.display())]
    Owner {
        /// The file that was to be replaced.
        path: PathBuf,
        /// The id of the user that owns it.
        uid: u32,
        /// The id of the group that owns it.
        gid: u32,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A program that does not take our lock changed the file while it was being edited; that
    /// change was kept.
    #[error("{} was changed by another program at the same time", path.display())]
    ChangedMeanwhile {
        /// The file that was to be replaced.
        path: PathBuf,
    },
}

impl Error {
    /// An operation on a file or directory failed, by what the operating system says.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// A file that is not read.
    pub(crate) fn refused(path: &Path, refused: Refused) -> Self {
        let path = path.to_owned();
        match refused {
            Refused::NotRegular => Self::NotRegular { path },
            Refused::TooLong { limit } => Self::TooLarge { path, limit },
        }
    }
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
