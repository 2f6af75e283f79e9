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
mod report;
mod rows;
mod settings;
#[cfg(test)]
mod tests;

use std::path::Path;

use fh_access::keys::KeyRing;
use fh_persistence::database::{self, DatabaseError};
use fh_persistence::storage::FileStorage;

pub use self::report::{DamagedObject, DataCheckError, DataReport, Depth, Orphans, Progress};
pub use self::settings::{CheckError, Report, check_settings};

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
        database: connection
            .read(fh_sql::problems)
            .map_err(DatabaseError::from)?,
        ..DataReport::default()
    };
    report.database.extend(rows::problems(&mut connection)?);
    if report.database.is_empty()
        && let Err(error) = connection.read(|read| Ok::<_, DatabaseError>(KeyRing::load(read)))?
    {
        let error = fh_api::with_causes(&error);
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
        objects::find_orphans(&mut connection, &storage, &mut report)?;
    }
    Ok(Some(report))
}
