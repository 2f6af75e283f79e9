//! Each row and its file, and each file and its row.

use std::time::Duration;

use fh_nix::NarHash;
use fh_persistence::database::DatabaseError;
use fh_persistence::database::nars::{self, Nar};
use fh_persistence::database::slices;
use fh_persistence::storage::{Checksum, FileStorage, NoObject, OpenObject};
use fh_sql::Connection;

use super::report::{DamagedObject, DataCheckError, DataReport, Depth, LISTED, Progress};
use crate::integrity::{Damage, examine, examine_content};

/// Rows that are read at once.
const ROWS: u32 = 1000;

/// Store paths that are told of a damaged object.
const PATHS: u32 = 3;

/// How many orphans are told by name.
const ORPHANS: usize = 20;

/// Files that are younger may be about to get their row.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// Looks at every row.
pub(super) fn check(
    connection: &mut Connection,
    storage: &FileStorage,
    depth: Depth,
    report: &mut DataReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), DataCheckError> {
    let (of_objects, of_bytes) = connection.read(nars::totals)?;
    let mut done = Progress {
        of_objects,
        of_bytes,
        ..Progress::default()
    };
    progress(done);
    let mut last = 0;
    loop {
        let rows = connection.read(|read| nars::after(read, last, ROWS))?;
        let Some(row) = rows.last() else {
            return Ok(());
        };
        last = row.id;
        for nar in rows {
            let before = done.bytes;
            let object = storage.object(&nar.nar_hash)?;
            let found = look(
                &nar,
                object.as_ref().map_err(|&nothing| nothing),
                depth,
                |bytes| {
                    report.bytes_read += bytes;
                    done.bytes += bytes;
                    progress(done);
                },
            );
            settle(
                connection,
                storage,
                &nar,
                object.as_ref().ok(),
                found,
                report,
            )?;
            report.objects += 1;
            done.objects += 1;
            done.bytes = before + nar.file_size;
            progress(done);
        }
    }
}

/// What an object turned out to be.
enum Found {
    /// As its row says, as far as was looked, and there is nothing to write.
    Good,
    /// The right NAR, of so many bytes with this checksum, and the row says something else.
    GoodWith(u64, Checksum),
    Damaged(Damage),
    /// Marked as damaged before, and not read now.
    Marked,
}

fn look(
    nar: &Nar,
    object: Result<&OpenObject, NoObject>,
    depth: Depth,
    progress: impl FnMut(u64),
) -> Found {
    let object = match object {
        Ok(object) => object,
        Err(nothing) => return Found::Damaged(nothing.into()),
    };
    let damage = if object.size() != nar.file_size {
        Damage::Size {
            found: object.size(),
            stored: nar.file_size,
        }
    } else if depth == Depth::Files {
        return if nar.damaged {
            Found::Marked
        } else {
            Found::Good
        };
    } else {
        match examine(nar, object, progress) {
            Ok(_) if nar.checksum.is_some() && !nar.damaged => return Found::Good,
            Ok(checksum) => return Found::GoodWith(object.size(), checksum),
            Err(damage) => damage,
        }
    };
    if depth == Depth::Files {
        return Found::Damaged(damage);
    }
    // Perhaps the row is wrong, or somebody has brought the NAR back in another compression.
    match examine_content(nar, object) {
        Ok(checksum) => Found::GoodWith(object.size(), checksum),
        Err(_) => Found::Damaged(damage),
    }
}

/// Writes to the row what was found, and to the report.
fn settle(
    connection: &mut Connection,
    storage: &FileStorage,
    nar: &Nar,
    object: Option<&OpenObject>,
    found: Found,
    report: &mut DataReport,
) -> Result<(), DataCheckError> {
    let problem = match found {
        Found::Good => return Ok(()),
        Found::GoodWith(size, checksum) => {
            return restore(connection, nar, size, checksum, report);
        }
        Found::Damaged(damage) => damage.to_string(),
        Found::Marked => {
            "it was found to be damaged before; a check of the contents shows more".to_owned()
        }
    };
    let mut new = false;
    if !nar.damaged {
        let transaction = connection.write().map_err(DatabaseError::from)?;
        // Within the transaction: whoever replaces the object writes to its row after that.
        new = storage.is_still(&nar.nar_hash, object)? && nars::mark_damaged(&transaction, nar)?;
        transaction.commit().map_err(DatabaseError::from)?;
        if !new {
            // It was replaced or removed while it was looked at.
            return Ok(());
        }
    }
    report.damaged_count += 1;
    if report.damaged.len() < LISTED {
        report.damaged.push(DamagedObject {
            nar_hash: nar.nar_hash.to_base32(),
            file: storage.object_name(&nar.nar_hash),
            problem,
            paths: connection.read(|read| slices::some_paths_of_nar(read, nar.id, PATHS))?,
            new,
        });
    }
    Ok(())
}

/// Notes that an object is good.
fn restore(
    connection: &mut Connection,
    nar: &Nar,
    file_size: u64,
    checksum: Checksum,
    report: &mut DataReport,
) -> Result<(), DataCheckError> {
    let transaction = connection.write().map_err(DatabaseError::from)?;
    let noted = nars::mark_good(&transaction, nar, file_size, checksum)?;
    transaction.commit().map_err(DatabaseError::from)?;
    if noted {
        if nar.checksum.is_none() && !nar.damaged {
            report.sums_added += 1;
        } else {
            report.restored += 1;
        }
    }
    Ok(())
}

/// Looks for files without a row.
pub(super) fn find_orphans(
    connection: &mut Connection,
    storage: &FileStorage,
    report: &mut DataReport,
) -> Result<(), DataCheckError> {
    for directory in storage.object_directories()? {
        let files = storage.files_older_than(&directory, ORPHAN_AGE)?;
        let named: Vec<NarHash> = files.iter().filter_map(|file| file.nar_hash).collect();
        let stored = connection.read(|read| nars::stored(read, &named))?;
        for file in files {
            if file.nar_hash.is_some_and(|hash| stored.contains_key(&hash)) {
                continue;
            }
            let orphans = &mut report.orphans;
            orphans.count += 1;
            orphans.bytes += file.size;
            if orphans.files.len() < ORPHANS {
                orphans.files.push(storage.below_data(&file.path));
            }
        }
    }
    Ok(())
}
