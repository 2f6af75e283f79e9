//! Why a file of the storage could not be used.

use std::io;
use std::path::{Path, PathBuf};

/// What the file system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", .path.display())]
pub struct StorageError {
    action: &'static str,
    path: PathBuf,
    pub(super) source: io::Error,
}

impl StorageError {
    /// Whether there is no room left.
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }

    /// Whether another process is at work on it, and it is to be tried again.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::WouldBlock
    }

    /// The same failure for another file that it concerns.
    pub(super) fn again(&self) -> Self {
        let source = match self.source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => self.source.kind().into(),
        };
        Self {
            action: self.action,
            path: self.path.clone(),
            source,
        }
    }
}

/// Adds to an I/O error what was tried, and with what.
pub(super) trait Context<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
