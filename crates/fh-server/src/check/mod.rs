//! `fh serve --check`: whether the data directory is whole.
//!
//! ```text
//! database   SQLite's own checks, foreign keys ─▶ each value of each row ─▶ the signing keys
//! objects    each row has its file ─▶ of its size ─▶ with its checksum, or at least its NAR
//! files      each file has a row; else it is told
//! ```
//!
//! Invariants:
//! - it may run beside the server: it takes no lock for longer than one row takes, and what changes
//!   while it looks is not taken for damage. A running server hears of new marks within seconds;
//! - it removes and moves nothing. It writes to rows alone: a mark where an object is damaged, none where a
//!   marked one turns out to be good, and the checksum of an object that has none;
//! - what counts in the end is the NAR hash: where the checksum is wrong and the NAR is right, the checksum
//!   is corrected.

mod objects;
mod rows;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;

use crate::database::{self, DatabaseError};
use crate::keys::KeyRing;
use crate::storage::{FileStorage, StorageError};

/// How many of something a report lists.
const LISTED: usize = 1000;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All of the database, and that files are there with their sizes.
    Files,
    /// All bytes too.
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
    /// Objects looked at.
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
    /// In base 32.
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
    /// How many.
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

/// Checks a data directory; `None` where there is no database in it. Blocks until all is read.
///
/// # Errors
/// When something cannot be looked at. What is found to be wrong is no error, but in the report.
pub fn check_data(
    data_dir: &Path,
    depth: Depth,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<DataReport>, DataCheckError> {
    let Some(mut connection) = database::open_existing(data_dir)? else {
        return Ok(None);
    };
    let mut report = DataReport {
        database: database::problems(&connection)?,
        ..DataReport::default()
    };
    report.database.extend(rows::problems(&connection)?);
    if report.database.is_empty()
        && let Err(error) = KeyRing::load(&connection)
    {
        let error = crate::cause::chain(&error);
        report
            .database
            .push(format!("the signing keys cannot be used: {error}"));
    }
    if !report.database.is_empty() {
        // What a broken database says of the objects is not worth believing.
        return Ok(Some(report));
    }
    if let Some(storage) = FileStorage::existing(data_dir)? {
        objects::check(&mut connection, &storage, depth, &mut report, progress)?;
        objects::find_orphans(&connection, &storage, &mut report)?;
    }
    Ok(Some(report))
}
