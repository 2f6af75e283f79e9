//! A file on its way to be an object.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fh_file as files;

use super::locked::LockedFile;
use super::{Context as _, StorageError, names};

/// A file that is removed when dropped, unless it was [placed](super::FileStorage::place).
///
/// It is kept open only while it is written: a batch may have thousands of them.
#[derive(Debug)]
pub struct StagedFile {
    path: PathBuf,
    file: Option<File>,
    length: u64,
    flushed: bool,
    /// What lies here is not removed.
    keep: bool,
    /// It was adopted: where it can no more be placed, it goes back to its name.
    adopted: bool,
    /// Holds other processes off until it is placed.
    _lock: Option<LockedFile>,
}

impl StagedFile {
    /// Makes an empty file.
    pub(super) fn create(path: PathBuf) -> Result<Self, StorageError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&path);
        let file = file.context("make", &path)?;
        let mut staged = Self::doomed(path);
        staged.file = Some(file);
        Ok(staged)
    }

    /// Takes over a file that is to be removed.
    pub(super) fn doomed(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            length: 0,
            flushed: false,
            keep: false,
            adopted: false,
            _lock: None,
        }
    }

    /// Takes over a file that is whole and on disk, with the handle that has it locked. Dropping it leaves it where
    /// it is.
    pub(super) fn adopt(path: PathBuf, length: u64, lock: LockedFile) -> Self {
        Self {
            path,
            file: None,
            length,
            flushed: true,
            keep: true,
            adopted: true,
            _lock: Some(lock),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether all of it is on disk already.
    pub(super) fn is_flushed(&self) -> bool {
        self.flushed
    }

    /// Adds bytes at its end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().append(true).open(&self.path);
                self.file.insert(file.context("open", &self.path)?)
            }
        };
        self.flushed = false;
        file.write_all(bytes).context("write", &self.path)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Opens it for reading, from the start.
    pub fn reader(&self) -> Result<File, StorageError> {
        files::open_regular(&self.path).context("open", &self.path)
    }

    /// Closes the handle that it is written with.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Waits until all of it is on disk.
    pub fn flush(&mut self) -> Result<(), StorageError> {
        match &self.file {
            Some(file) => file.sync_all(),
            None => files::open_regular(&self.path).and_then(|file| file.sync_all()),
        }
        .context("flush", &self.path)?;
        self.flushed = true;
        Ok(())
    }

    pub(super) fn rename_to(&self, target: &Path) -> Result<(), StorageError> {
        names::put(&self.path, target).map(drop)
    }

    /// Drops it without removing anything: it has another name now. The name that it had, if it was adopted.
    pub(super) fn forget(mut self) -> Option<PathBuf> {
        self.keep = true;
        self.adopted.then(|| std::mem::take(&mut self.path))
    }

    /// Removes it, whatever it was made from.
    pub fn discard(mut self) -> Result<(), StorageError> {
        self.keep = true;
        names::clear(&self.path)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = names::clear(&self.path) {
            // The next start removes it.
            tracing::warn!(error = %fh_api::with_causes(&error), "a temporary file stays behind");
        }
    }
}
