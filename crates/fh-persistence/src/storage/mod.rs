//! Where the bytes are: finished objects, and NARs that are still being received.
//!
//! ```text
//! <data>/objects/nar/<first 2 characters>/<52 of base32>.nar.zst   an object: the compressed NAR, as it is served
//! <data>/objects/nar/<first 2 characters>/<52 of base32>.ls.zst    its listing, where somebody has asked for it
//! <data>/objects/placing                                           held by whoever places objects beside another process
//! <data>/objects/staging/<process>-<number>.tmp                    a NAR on its way to be an object
//! <data>/objects/staging/<flake>-<account>-<nar hash>-<size>.parts a large NAR as far as its parts were received
//! ```
//!
//! Invariants:
//! - a file counts as an object only where a row of the table `nar` says so: whatever lies in the
//!   object directories without a row is nobody's, may be torn, is replaced by the next one that is
//!   placed there, and is removed by the collection;
//! - [`FileStorage::place`] returns only when the objects survive a power cut, so that the row may be
//!   written then;
//! - only regular files are read, and opening one never waits: a pipe or a directory under an object's name is as
//!   good as no object, and gives way to the next one that is placed there;
//! - all functions block: they are called on blocking threads. The only names that go into paths are
//!   made here, from hashes and numbers.

mod buffers;
mod error;
mod listing;
mod locked;
mod names;
mod object;
mod partial;
mod placed;
mod reader;
mod staged;
#[cfg(test)]
mod tests;
mod walk;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fh_nix::NarHash;

use fh_file::{self as files, NotRegular};

pub use self::buffers::{BUFFER, Buffer, Buffers};
use self::error::Context;
pub use self::error::StorageError;
pub use self::object::{FileIdentity, NoObject, OpenObject};
pub use self::partial::{OpenPartial, PartialFile, UploadKey};
pub use self::placed::PlacedFile;
pub use self::staged::StagedFile;
pub use crate::checksum::{Checksum, RunningChecksum};

/// What the name of an object ends with.
const OBJECT_SUFFIX: &str = ".nar.zst";

/// What the name of a file that is nobody's after a restart ends with.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// How long an answer of [`FileStorage::probe`] holds.
const PROBE_LIFETIME: Duration = Duration::from_secs(5);

/// Bytes that are written to see whether data is taken: more than what some file systems keep beside a file's name.
const PROBE: usize = 64 << 10;

/// The files below the data directory; clones share them.
#[derive(Clone, Debug)]
pub struct FileStorage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    objects: PathBuf,
    staging: PathBuf,
    /// Open since the start, so that the kernel tells it about every write that failed meanwhile.
    root: File,
    /// What the names of this process's temporary files begin with: another process may make some too.
    prefix: String,
    next_name: AtomicU64,
    probed: Mutex<Option<Instant>>,
    buffers: Buffers,
}

impl FileStorage {
    /// Opens or makes the directories.
    pub fn open(data_dir: &Path) -> Result<Self, StorageError> {
        let root = data_dir.join("objects");
        let objects = root.join("nar");
        let staging = root.join("staging");
        for directory in [&objects, &staging] {
            fs::create_dir_all(directory).context("make", directory)?;
        }
        let storage = Self::of(data_dir)?;
        storage.shared.root.sync_all().context("flush", &root)?;
        names::sync_directory(data_dir)?;
        Ok(storage)
    }

    /// Removes what former processes left half-written. No other process may be at work.
    pub fn remove_leftovers(&self) -> Result<(), StorageError> {
        let staging = &self.shared.staging;
        for entry in fs::read_dir(staging).context("list", staging)? {
            let path = entry.context("list", staging)?.path();
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let is_ours = name.starts_with(self.shared.prefix.as_bytes());
            if name.ends_with(TEMPORARY_SUFFIX.as_bytes()) && !is_ours {
                names::clear(&path)?;
            }
        }
        Ok(())
    }

    /// Waits until no other process places objects, and holds the others off until the file is dropped.
    pub fn hold_others_off(&self) -> Result<File, StorageError> {
        let path = self.shared.objects.with_file_name("placing");
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = files::never_waiting(&mut options)
            .open(&path)
            .and_then(files::regular)
            .context("open", &path)?;
        file.lock().context("lock", &path)?;
        Ok(file)
    }

    /// The storage of a data directory for one who only looks at objects; `None` where there is none.
    pub fn existing(data_dir: &Path) -> Result<Option<Self>, StorageError> {
        match Self::of(data_dir) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some),
        }
    }

    fn of(data_dir: &Path) -> Result<Self, StorageError> {
        let root = data_dir.join("objects");
        let shared = Shared {
            root: File::open(&root).context("open", &root)?,
            objects: root.join("nar"),
            staging: root.join("staging"),
            prefix: format!("{}-", uuid::Uuid::new_v4().simple()),
            next_name: AtomicU64::new(0),
            probed: Mutex::new(None),
            buffers: Buffers::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Buffers to read objects into.
    pub fn buffers(&self) -> &Buffers {
        &self.shared.buffers
    }

    /// A new, empty file on its way to be an object.
    pub fn stage(&self) -> Result<StagedFile, StorageError> {
        StagedFile::create(self.temporary_path())
    }

    /// The file that holds the received parts of a NAR. It need not exist yet.
    pub fn partial(&self, key: &UploadKey) -> PartialFile {
        PartialFile::new(self.shared.staging.join(key.file_name()))
    }

    /// The received parts that nobody has added to for so long.
    pub fn stale_partials(&self, age: Duration) -> Result<Vec<UploadKey>, StorageError> {
        let key = |name: &OsStr| name.to_str().and_then(UploadKey::from_file_name);
        let stale = names::older_than(&self.shared.staging, age, key)?;
        Ok(stale.into_iter().map(|(_, _, key)| key).collect())
    }

    /// Opens an object for reading.
    pub fn object(&self, nar_hash: &NarHash) -> Result<Result<OpenObject, NoObject>, StorageError> {
        let path = self.object_path(nar_hash);
        match files::open_regular(&path) {
            Ok(file) => OpenObject::new(file).context("examine", &path).map(Ok),
            Err(error) if names::is_absence(&error) => Ok(Err(NoObject::Missing)),
            Err(error) => match NotRegular::of(&error) {
                Some(NotRegular(what)) => Ok(Err(NoObject::Strange(what))),
                None => Err(error).context("open", &path),
            },
        }
    }

    /// Whether what is there under an object's name is still that file; with `None`, still no regular file.
    pub fn is_still(
        &self,
        nar_hash: &NarHash,
        object: Option<&OpenObject>,
    ) -> Result<bool, StorageError> {
        let metadata = names::regular(&self.object_path(nar_hash))?;
        Ok(match (metadata, object) {
            (Some(metadata), Some(object)) => object.is_same_file(&metadata),
            (metadata, object) => metadata.is_none() && object.is_none(),
        })
    }

    /// The size of an object in bytes; `None` where there is none.
    pub fn object_size(&self, nar_hash: &NarHash) -> Result<Option<u64>, StorageError> {
        let metadata = names::regular(&self.object_path(nar_hash))?;
        Ok(metadata.map(|metadata| metadata.len()))
    }

    /// Takes an object and its listing out of the object directories; what is not there is no error. What is
    /// returned is removed when it is dropped: freeing the room of large files takes a while, and nobody who
    /// holds a lock should wait for that.
    pub fn set_aside(&self, nar_hash: &NarHash) -> Result<Vec<StagedFile>, StorageError> {
        let mut aside = Vec::new();
        for path in [self.object_path(nar_hash), self.listing_path(nar_hash)] {
            // Where it lies now, the next start would remove it.
            let temporary = self.temporary_path();
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => names::clear(&path)?,
                Ok(_) => match fs::rename(&path, &temporary) {
                    Ok(()) => aside.push(StagedFile::doomed(temporary)),
                    Err(error) if names::is_absence(&error) => {}
                    Err(error) => return Err(error).context("move aside", &path),
                },
                Err(error) if names::is_absence(&error) => {}
                Err(error) => return Err(error).context("examine", &path),
            }
        }
        Ok(aside)
    }

    /// Whether the storage takes data: writes a file, waits until it is on disk, and removes it.
    ///
    /// A success is remembered for some seconds, so that asking often costs nothing. Whoever asks while another
    /// one does, waits for that one's answer: not to be asked by many at a time.
    pub fn probe(&self) -> Result<(), StorageError> {
        let mut probed = self
            .shared
            .probed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if probed.is_some_and(|at| at.elapsed() < PROBE_LIFETIME) {
            return Ok(());
        }
        *probed = None;
        let mut file = self.stage()?;
        file.append(&[b'p'; PROBE])?;
        file.flush()?;
        drop(file);
        *probed = Some(Instant::now());
        Ok(())
    }

    fn object_path(&self, nar_hash: &NarHash) -> PathBuf {
        self.path_of(nar_hash, OBJECT_SUFFIX)
    }

    /// Where something of a NAR lies.
    fn path_of(&self, nar_hash: &NarHash, suffix: &str) -> PathBuf {
        let name = nar_hash.to_base32();
        let mut path = self.shared.objects.join(&name[..2]);
        path.push(name + suffix);
        path
    }

    fn temporary_path(&self) -> PathBuf {
        let number = self.shared.next_name.fetch_add(1, Ordering::Relaxed);
        self.shared
            .staging
            .join(format!("{}{number}{TEMPORARY_SUFFIX}", self.shared.prefix))
    }
}
