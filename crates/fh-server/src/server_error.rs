//! Why the server did not start, told to the one who starts it.

use std::path::PathBuf;

use fh_persistence::cause::Cause;
use fh_persistence::database::DatabaseError;
use fh_persistence::tenure::TenureError;

use crate::listen::ListenError;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The settings contradict themselves or name what cannot be.
    #[error("the settings are not usable: {0}")]
    Settings(String),
    /// The data directory, or a file in it, cannot be used.
    #[error("cannot use {}", .path.display())]
    DataDirectory {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another server runs on the same data directory.
    #[error("another server is using the data directory {}", .path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The database cannot be opened or brought up to date.
    #[error("the database cannot be used")]
    Database(#[from] DatabaseError),
    /// The keys cannot be made or read.
    #[error("the server's keys cannot be used")]
    Keys(#[source] Cause),
    /// The store of NARs cannot be opened.
    #[error("the storage cannot be opened")]
    Storage(#[source] Cause),
    /// An address cannot be listened on, or a certificate cannot be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl From<TenureError> for ServerError {
    fn from(error: TenureError) -> Self {
        match error {
            TenureError::Unusable { path, source } => Self::DataDirectory { path, source },
            TenureError::InUse { path } => Self::InUse { path },
        }
    }
}
