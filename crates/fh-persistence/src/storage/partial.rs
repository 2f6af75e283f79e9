//! The received parts of a large NAR.
//!
//! The parts lie end to end, as they will in the object. The file is its own record: what it holds
//! is found by decoding it, so nothing else has to be written when a part comes in, and nothing can
//! contradict it after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use fh_file as files;
use fh_nix::NarHash;

use super::locked::LockedFile;
use super::reader::FileReader;
use super::{Context as _, StagedFile, StorageError, names};

/// What the name of such a file ends with.
const SUFFIX: &str = ".parts";

/// Whose parts of which NAR: an account must send all of a NAR by itself, to each slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadKey {
    /// The flake that the NAR is pushed to.
    pub flake_id: i64,
    /// The account that pushes it.
    pub account_id: i64,
    /// What the whole shall hash to.
    pub nar_hash: NarHash,
    /// Bytes of the whole, uncompressed. A claim: two pushes may contradict each other.
    pub nar_size: u64,
}

impl UploadKey {
    pub(super) fn file_name(&self) -> String {
        format!(
            "{}-{}-{}-{}{SUFFIX}",
            self.flake_id,
            self.account_id,
            self.nar_hash.to_base32(),
            self.nar_size
        )
    }

    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        let mut fields = name.strip_suffix(SUFFIX)?.split('-');
        let key = Self {
            flake_id: fields.next()?.parse().ok()?,
            account_id: fields.next()?.parse().ok()?,
            nar_hash: NarHash::from_base32(fields.next()?).ok()?,
            nar_size: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(key)
    }
}

/// A file of parts, by name: it is open only while it is used, and need not exist.
#[derive(Debug, Clone)]
pub struct PartialFile {
    path: PathBuf,
}

impl PartialFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its size in bytes; 0 where it does not exist, or is no regular file.
    pub fn length(&self) -> Result<u64, StorageError> {
        let metadata = names::regular(&self.path)?;
        Ok(metadata.map_or(0, |metadata| metadata.len()))
    }

    /// Opens it; what is no regular file gives way to a new one.
    fn open(&self) -> Result<File, StorageError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        files::never_waiting(&mut options);
        let open = || options.open(&self.path).and_then(files::regular);
        open().or_else(|error| {
            let strange = std::fs::metadata(&self.path).is_ok_and(|metadata| !metadata.is_file());
            if !strange {
                return Err(error).context("open", &self.path);
            }
            names::clear(&self.path)?;
            open().context("open", &self.path)
        })
    }

    /// Opens it for reading what is there.
    pub fn open_to_read(&self) -> Result<OpenPartial, StorageError> {
        let file = self.open()?;
        let length = file.metadata().context("examine", &self.path)?.len();
        Ok(OpenPartial {
            path: self.path.clone(),
            file: LockedFile(file),
            length,
        })
    }

    /// Whether another process adds to it.
    pub fn is_taken(&self) -> Result<bool, StorageError> {
        match files::open_regular(&self.path) {
            Ok(file) => Ok(matches!(file.try_lock(), Err(TryLockError::WouldBlock))),
            Err(_) if self.length()? == 0 => Ok(false),
            Err(error) => Err(error).context("open", &self.path),
        }
    }

    /// Cuts it to `length` bytes and opens it for adding to it and for reading. Until that is dropped no other
    /// process does: what it is told can be asked with [`StorageError::is_taken`].
    pub fn open_at(&self, length: u64) -> Result<OpenPartial, StorageError> {
        let file = self.open()?;
        let taken = || io::Error::new(io::ErrorKind::WouldBlock, "another process adds to it");
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken()).context("continue", &self.path),
            Err(TryLockError::Error(error)) => return Err(error).context("lock", &self.path),
        }
        // Another process may have made an object of it before it was locked.
        let opened = file.metadata().context("examine", &self.path)?;
        let is_named = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino()));
        if !is_named {
            return Err(taken()).context("continue", &self.path);
        }
        let present = opened.len();
        if present < length {
            let missing = io::Error::new(io::ErrorKind::UnexpectedEof, "it was cut by somebody");
            return Err(missing).context("continue", &self.path);
        }
        if present > length {
            file.set_len(length).context("cut", &self.path)?;
        }
        Ok(OpenPartial {
            path: self.path.clone(),
            file: LockedFile(file),
            length,
        })
    }

    /// Removes it; one that is not there is no error.
    pub fn remove(&self) -> Result<(), StorageError> {
        names::clear(&self.path)
    }
}

/// A file of parts while it is added to.
#[derive(Debug)]
pub struct OpenPartial {
    path: PathBuf,
    file: LockedFile,
    length: u64,
}

impl OpenPartial {
    /// Its size in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes at its end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.0.write_all(bytes).context("write", &self.path)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Adds what a file holds at its end.
    pub fn append_file(&mut self, file: &StagedFile) -> Result<(), StorageError> {
        let copied = io::copy(&mut file.reader()?, &mut self.file.0);
        self.length += copied.context("write", &self.path)?;
        Ok(())
    }

    /// A reader of its bytes from `offset` on, which does not share its position.
    pub fn reader(&self, offset: u64) -> FileReader<'_> {
        FileReader::new(&self.file.0, offset)
    }

    /// Begins to write it to disk; the answer to a later [`Self::into_staged`] then comes sooner.
    /// The returned handle waits for the disk.
    pub fn flusher(
        &self,
    ) -> Result<impl FnOnce() -> Result<(), StorageError> + use<>, StorageError> {
        let file = self.file.0.try_clone().context("open", &self.path)?;
        let path = self.path.clone();
        Ok(move || file.sync_data().context("flush", &path))
    }

    /// The whole NAR, on disk, ready to be placed.
    pub fn into_staged(self) -> Result<StagedFile, StorageError> {
        self.file.0.sync_all().context("flush", &self.path)?;
        Ok(StagedFile::adopt(self.path, self.length, self.file))
    }
}
