//! Why the database did not do what it was asked.

use std::path::PathBuf;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
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
    /// What SQLite said.
    #[error("the database refused")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored value is not what the column may hold.
    #[error("the database holds an invalid {what}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// Why it is none.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What decides about access has changed since the decision that was to be carried out. Nothing was
    /// written, and it has to be decided again.
    #[error("the access rules have changed in the meantime")]
    Stale,
    /// The room that is left on the disk is kept for taking access away, and for giving room back.
    #[error("there is no space left on the disk")]
    NoRoom,
    /// The account has had its share of the room that is kept for taking access away.
    #[error("the account has changed as much as one may while the disk is full")]
    ReserveShare,
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
    /// The task that used the database was torn down.
    #[error("a database task did not finish")]
    Task,
}

impl DatabaseError {
    /// Whether trying again may help.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(
            self,
            Self::Sqlite(error) if matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
            )
        )
    }

    /// Whether there is no space left on the disk.
    pub(crate) fn is_full(&self) -> bool {
        // Extended code of https://sqlite.org/rescode.html: SQLITE_IOERR_SHMSIZE, where the file beside
        // the write-ahead log cannot grow.
        match self {
            Self::NoRoom => true,
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => {
                error.code == rusqlite::ErrorCode::DiskFull || error.extended_code == 4874
            }
            _ => false,
        }
    }

    /// Whether what was to be written may be on disk after all, and be found there by the next start: a disk that
    /// fails while it makes sure of a commit does not tell.
    pub(crate) fn may_have_committed(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)
            }
            Self::Task => true,
            _ => false,
        }
    }

    /// Whether a value that must be unique is there already.
    pub(crate) fn is_unique_violation(&self) -> bool {
        // Extended codes of https://sqlite.org/rescode.html: SQLITE_CONSTRAINT_UNIQUE, _PRIMARYKEY.
        matches!(
            self,
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _))
                if matches!(error.extended_code, 2067 | 1555)
        )
    }
}

/// The error of a change, which tells whether the disk is full.
pub(crate) trait TellsFull {
    /// Whether there is no space left on the disk.
    fn is_full(&self) -> bool;
}

impl TellsFull for DatabaseError {
    fn is_full(&self) -> bool {
        // Its own function, and not this one.
        Self::is_full(self)
    }
}
