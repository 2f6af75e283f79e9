//! What a commit does with the paths of its push, decided on what the database was found to say of them.
//!
//! ```text
//! the slice's rows ─▶ fate of each path ─▶ Facts ─▶ decide ─▶ Decision, or why nothing is committed
//! ```

use std::borrow::Cow;
use std::collections::HashMap;

use fh_access::ApiError;
use fh_api::CommitSummary;
use fh_nix::{NarHash, PathInfo, StorePathHash};
use fh_persistence::database::nars;
use fh_persistence::database::slices::{self, Origin, Present};
use fh_sql::Read;

use super::available::Available;
use super::clash::Clash;
use super::signed::Signed;
use super::target::{Target, Writer};

/// What becomes of one path of a push, by the row that the slice has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate<'a> {
    /// The row stays as it is, be it of another content.
    Kept(&'a Present),
    /// The row has the same content, and the push adds to it.
    Merged(&'a Present),
    /// The path gets a row, in place of that one.
    New(Option<&'a Present>),
}

impl<'a> Fate<'a> {
    /// A path whose content was lost takes what is pushed now, be it another content; and so does one whose row counts
    /// for less.
    pub(super) fn of(
        writer: &Writer,
        signed: &Signed,
        info: &PathInfo,
        row: Option<&'a Present>,
    ) -> Self {
        match row {
            Some(there) if !there.damaged && !signed.outdoes(writer, there, info) => {
                Self::Kept(there)
            }
            Some(there) if !there.damaged && !there.disagrees(info) => Self::Merged(there),
            _ => Self::New(row),
        }
    }
}

/// What the database says of the paths of a push.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// The paths, in their order.
    fates: Vec<(&'a PathInfo, Fate<'a>)>,
    /// All that the rows say to which the push adds.
    merged: HashMap<StorePathHash, PathInfo>,
    /// The NARs of the paths that get a row.
    available: Available,
}

impl<'a> Facts<'a> {
    /// Reads what is missing beside the slice's rows.
    pub(super) fn load(
        read: &Read,
        target: &Target,
        signed: &Signed,
        paths: &'a [PathInfo],
        present: &'a HashMap<StorePathHash, Present>,
    ) -> Result<Self, ApiError> {
        let fate = |info: &'a PathInfo| {
            let row = present.get(&info.path.hash());
            (info, Fate::of(target, signed, info, row))
        };
        let fates: Vec<_> = paths.iter().map(fate).collect();
        let new = fates.iter().filter_map(|(info, fate)| match fate {
            Fate::New(_) => Some(&info.nar_hash),
            Fate::Kept(_) | Fate::Merged(_) => None,
        });
        let available = Available::of(read, target, new)?;
        let mut merged = HashMap::new();
        for (info, fate) in &fates {
            let hash = info.path.hash();
            if let Fate::Merged(there) = fate
                && let Some(row) =
                    slices::info_of(read, &hash, target.flake_id, Some(there.nar_id))?
            {
                merged.insert(hash, row);
            }
        }
        Ok(Self {
            fates,
            merged,
            available,
        })
    }
}

/// What is written of one path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RowChange<'a> {
    /// What the row says from now on.
    pub(super) info: Cow<'a, PathInfo>,
    pub(super) nar_id: i64,
    pub(super) origin: Origin,
    pub(super) how: How,
}

/// How a row comes to say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The path had none.
    Add,
    /// It takes the place of another one.
    Replace,
    /// In its place: it stays as old as it is, and whose it is.
    Update,
}

/// What a commit writes of its paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision<'a> {
    /// In the order of the push.
    pub(super) changes: Vec<RowChange<'a>>,
    /// The NARs of the paths that are added.
    pub(super) nars: Vec<NarHash>,
    /// Paths that the slice has with another content.
    pub(super) clashes: Vec<Clash>,
    pub(super) summary: CommitSummary,
    /// By how many paths, and by how many bytes, the slice grows.
    pub(super) new_paths: u64,
    pub(super) growth: i64,
}

/// Decides what a push writes to its slice.
///
/// # Errors
/// 400 where a NAR has another size than its path says, 409 where NARs are neither received nor readable.
pub(super) fn decide<'a>(
    writer: &Writer,
    signed: &Signed,
    facts: Facts<'a>,
) -> Result<Decision<'a>, ApiError> {
    let Facts {
        fates,
        mut merged,
        available,
    } = facts;
    let mut decision = Decision::default();
    let summary = &mut decision.summary;
    summary.paths = fates.len() as u64;
    let (mut lost, mut lacking) = (0, Vec::new());
    for (info, fate) in fates {
        match fate {
            Fate::Kept(there) => {
                if there.disagrees(info) {
                    decision.clashes.push(Clash {
                        subject: info.path.to_string(),
                        flake: writer.flake.clone(),
                        there: there.nar_hash.to_string(),
                        pushed: info.nar_hash.to_string(),
                        kept: true,
                    });
                }
            }
            Fate::Merged(there) => {
                let row = merged.remove(&info.path.hash());
                let change = merged_row(writer, signed, info, there, row);
                decision.changes.push(change);
            }
            Fate::New(row) => {
                let Some(usable) = available.nar_of(info)? else {
                    lacking.push(info.path.to_string());
                    continue;
                };
                summary.added += 1;
                if usable.received {
                    summary.uploaded += 1;
                } else {
                    summary.linked += 1;
                }
                summary.nar_size += usable.nar.nar_size;
                summary.file_size += usable.nar.file_size;
                decision.new_paths += u64::from(row.is_none());
                lost += row.map_or(0, |row| row.nar_size);
                decision.nars.push(info.nar_hash);
                decision.changes.push(RowChange {
                    info: Cow::Borrowed(info),
                    nar_id: usable.nar.id,
                    origin: writer.origin(writer.proves(info)),
                    how: row.map_or(How::Add, |_| How::Replace),
                });
            }
        }
    }
    if !lacking.is_empty() {
        return Err(ApiError::Conflict(format!(
            "{} of the push's paths have no content yet; upload it or plan the push again: {}",
            lacking.len(),
            shortened(&lacking)
        )));
    }
    decision.growth = nars::signed(summary.nar_size) - nars::signed(lost);
    Ok(decision)
}

/// What becomes of a row to which a push adds, of which `row` is all that it says. A builder who raises a person's row
/// gives it their deriver; else nothing that is there is taken away.
fn merged_row<'a>(
    writer: &Writer,
    signed: &Signed,
    info: &'a PathInfo,
    there: &Present,
    row: Option<PathInfo>,
) -> RowChange<'a> {
    let raises = writer.builder && !there.builder;
    let proves = writer.proves(info);
    let (merged, proven) = match row {
        None => (info.clone(), proves),
        Some(row) => {
            let (first, second) = if raises { (info, &row) } else { (&row, info) };
            let ca = match (there.proven, proves) {
                (true, _) => row.ca.clone(),
                (false, true) => info.ca.clone(),
                (false, false) => first.ca.clone().or_else(|| second.ca.clone()),
            };
            let deriver = first.deriver.clone().or_else(|| second.deriver.clone());
            let signatures = signed.merged_signatures(writer, there, info);
            let signatures = signatures.unwrap_or_else(|| row.signatures.clone());
            let merged = PathInfo {
                ca,
                deriver,
                signatures,
                ..row
            };
            (merged, there.proven || proves)
        }
    };
    RowChange {
        info: Cow::Owned(merged),
        nar_id: there.nar_id,
        origin: writer.origin(proven),
        // What counts for more from now on does so with its age: else an early row of somebody who counts for less
        // would make this one the older.
        how: if raises { How::Replace } else { How::Update },
    }
}

/// The first ones of a list, for a message.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
