//! Why a database did not do what it was asked.

use std::borrow::Cow;
use std::path::PathBuf;

/// Why a database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The file cannot be made, or its mode cannot be set.
    #[error("cannot use {}", .path.display())]
    File {
        /// The database file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A newer version of fh has changed the schema.
    #[error(
        "the database is of schema version {found}, and this version of fh knows up to {known}: \
         use the version that created it, or a newer one"
    )]
    Newer {
        /// The version found in the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// An older version of fh has made it, and this one was never started on it.
    #[error(
        "the database is of schema version {found}, and only a start of the server brings it to {known}"
    )]
    Older {
        /// The version found in the file.
        found: i64,
        /// The version that this program works with.
        known: i64,
    },
    /// What the engine said.
    #[error("the database refused")]
    Refused {
        /// What callers tell apart.
        refusal: Refusal,
        /// The engine's own words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A query that always has a row has none.
    #[error("the database has no row where there is always one")]
    NoRow,
    /// A stored value is not what the column may hold.
    #[error("the database holds an invalid {what}")]
    Invalid {
        /// Which value: the name of its column, if it stands in one.
        what: Cow<'static, str>,
        /// Why it is none.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column is of another type than the one that is asked for.
    #[error("the column {column} holds {found} where {wanted} is expected")]
    Type {
        /// Its name, or its position from 0.
        column: String,
        /// What it holds.
        found: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// SQLite does not do what everything here counts on.
    #[error("SQLite does not use {what} for {}: it reports {found:?}", .path.display())]
    Mode {
        /// What was asked for.
        what: &'static str,
        /// The database file.
        path: PathBuf,
        /// What it does instead.
        found: String,
    },
}

/// What the refusals of an engine have in common for those who go on after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Somebody else has it locked: trying again may help.
    Busy,
    /// There is no space left on the disk.
    Full,
    /// The disk failed: what was to be written may be on it after all, and be found there by the next start. A disk
    /// that fails while it makes sure of a commit does not tell.
    Disk,
    /// A value that must be unique is there already.
    Unique,
    /// Anything else.
    Other,
}

impl SqlError {
    /// What the engine refused for; none where it is not the engine that failed.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(*refusal),
            _ => None,
        }
    }
}

/// Of the driver. No `From`, so that its type is not part of this crate's surface.
pub(crate) fn refused(error: rusqlite::Error) -> SqlError {
    SqlError::Refused {
        refusal: refusal(&error),
        source: error.into(),
    }
}

fn refusal(error: &rusqlite::Error) -> Refusal {
    use rusqlite::ErrorCode;
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return Refusal::Other;
    };
    // Extended codes of https://sqlite.org/rescode.html: SQLITE_IOERR_SHMSIZE, where the file beside the write-ahead
    // log cannot grow; SQLITE_CONSTRAINT_UNIQUE and _PRIMARYKEY.
    match (failure.code, failure.extended_code) {
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Refusal::Busy,
        (ErrorCode::DiskFull, _) | (_, 4874) => Refusal::Full,
        (ErrorCode::SystemIoFailure, _) => Refusal::Disk,
        (_, 2067 | 1555) => Refusal::Unique,
        _ => Refusal::Other,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn refusals_are_told_apart_by_the_codes_of_sqlite() {
        for (code, expected) in [
            (ffi::SQLITE_BUSY, Refusal::Busy),
            (ffi::SQLITE_LOCKED, Refusal::Busy),
            (ffi::SQLITE_FULL, Refusal::Full),
            (ffi::SQLITE_IOERR_SHMSIZE, Refusal::Full),
            (ffi::SQLITE_IOERR, Refusal::Disk),
            (ffi::SQLITE_IOERR_FSYNC, Refusal::Disk),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Refusal::Unique),
            (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, Refusal::Unique),
            (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, Refusal::Other),
        ] {
            let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(refused(failure).refusal(), Some(expected), "{code}");
        }
    }
}
