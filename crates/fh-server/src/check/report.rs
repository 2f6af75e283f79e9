//! What is looked at, how far a check has come, and what it found.

use fh_persistence::database::DatabaseError;
use fh_persistence::storage::StorageError;
use serde::Serialize;

/// How many of something a report lists.
pub(super) const LISTED: usize = 1000;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All of the database, and that files are there with their sizes.
    Files,
    /// The same, and all bytes of the files.
    Contents,
}

/// Why the data directory could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataCheckError {
    /// The database cannot be opened, or is of another version of the schema.
    #[error("the database cannot be checked")]
    Database(#[from] DatabaseError),
    /// A directory or a file cannot be read.
    #[error("the storage cannot be checked")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StorageError> for DataCheckError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error.into())
    }
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many objects were looked at.
    pub objects: u64,
    /// Objects that there are.
    pub of_objects: u64,
    /// Bytes of the objects looked at.
    pub bytes: u64,
    /// Bytes that there are.
    pub of_bytes: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DataReport {
    /// What is wrong with the database: in SQLite's words, and what its rows hold that they cannot.
    pub database: Vec<String>,
    /// Objects that the database tells of.
    pub objects: u64,
    /// Bytes that were read of them.
    pub bytes_read: u64,
    /// How many of them are damaged.
    pub damaged_count: u64,
    /// The first ones of these.
    pub damaged: Vec<DamagedObject>,
    /// Objects that were marked as damaged, or had a wrong checksum, and are good.
    pub restored: u64,
    /// Objects that had no checksum and have one now.
    pub sums_added: u64,
    /// Files in the object directories that no row tells of.
    pub orphans: Orphans,
}

/// An object that is not what was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DamagedObject {
    /// Its NAR hash in base 32.
    pub nar_hash: String,
    /// Where it lies, or should.
    pub file: String,
    /// What is wrong with it, a sentence without its subject.
    pub problem: String,
    /// Some store paths (base names) that have this content.
    pub paths: Vec<String>,
    /// Whether nobody knew before.
    pub new: bool,
}

/// Files that no row tells of. The server removes those that are named like objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Orphans {
    /// How many files there are.
    pub count: u64,
    /// Of how many bytes.
    pub bytes: u64,
    /// The first ones, below the data directory.
    pub files: Vec<String>,
}

impl DataReport {
    /// Whether nothing is wrong. Files that nobody needs are nothing wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.database.is_empty() && self.damaged_count == 0
    }
}
