//! Making a push visible: all of it, in one transaction.

use std::sync::Arc;

use fh_api::CommitSummary;
use fh_nix::{NarHash, PathInfo, StorePathHash};
use rusqlite::Connection;
use serde_json::json;

use super::examine::{Available, Target};
use super::open::Pushes;
use crate::database::audit::{self, Actor, Event};
use crate::database::slices::Present;
use crate::database::{logs, nars, pushes, slices};
use crate::error::ApiError;

/// How many of something a message or an event lists.
const LISTED: usize = 100;

impl Pushes {
    /// Adds these paths to the slice, and marks the stored push `row_id`, if there is one, as done.
    ///
    /// # Errors
    /// 409 where a NAR is neither received nor readable: nothing was added then.
    pub(super) async fn commit_paths(
        &self,
        target: Target,
        actor: Actor,
        paths: Vec<PathInfo>,
        row_id: Option<i64>,
    ) -> Result<CommitSummary, ApiError> {
        let paths = Arc::new(paths);
        let committed = {
            let paths = Arc::clone(&paths);
            self.database()
                .write(target.decided, move |transaction| {
                    if let Some(row_id) = row_id
                        && let Some(summary) = pushes::summary(transaction, row_id)?
                    {
                        // Another request was faster.
                        let summary = serde_json::from_str(&summary).map_err(ApiError::internal)?;
                        return Ok(Committed::nothing(summary));
                    }
                    let mut committed = add(transaction, &target, &paths)?;
                    if let Some(row_id) = row_id {
                        committed.summary.logs =
                            logs::commit(transaction, row_id, target.flake_id)?;
                        let summary = serde_json::to_string(&committed.summary)
                            .map_err(ApiError::internal)?;
                        pushes::set_committed(transaction, row_id, &summary)?;
                    }
                    record(transaction, &target, &actor, &committed)?;
                    Ok::<_, ApiError>(committed)
                })
                .await?
        };
        self.lookup().forget(&committed.paths, &committed.nars);
        if committed.replaced > 0 {
            self.lookup().forget_all();
        }
        self.metrics().paths_committed(committed.paths.len() as u64);
        Ok(committed.summary)
    }
}

/// What a commit did.
struct Committed {
    summary: CommitSummary,
    /// The paths that are new to the slice, and their NARs.
    paths: Vec<StorePathHash>,
    nars: Vec<NarHash>,
    /// How many of the paths the slice had with a content that was lost, and of how many bytes.
    replaced: u64,
    lost_size: u64,
    /// Paths that the slice has with another content, which it keeps.
    clashes: Vec<Clash>,
}

impl Committed {
    fn nothing(summary: CommitSummary) -> Self {
        Self {
            summary,
            paths: Vec::new(),
            nars: Vec::new(),
            replaced: 0,
            lost_size: 0,
            clashes: Vec::new(),
        }
    }
}

struct Clash {
    path: String,
    kept: NarHash,
    pushed: NarHash,
}

fn add(
    connection: &Connection,
    target: &Target,
    paths: &[PathInfo],
) -> Result<Committed, ApiError> {
    let hashes: Vec<StorePathHash> = paths.iter().map(|info| info.path.hash()).collect();
    let present = slices::present(connection, target.flake_id, &hashes)?;
    // A path whose content was lost takes what is pushed now, be it another content.
    let (there, missing): (Vec<_>, Vec<_>) = paths.iter().partition(|info| {
        present
            .get(&info.path.hash())
            .is_some_and(|present| !present.damaged)
    });
    let available = Available::of(
        connection,
        target,
        missing.iter().map(|info| &info.nar_hash),
    )?;
    let mut committed = Committed::nothing(CommitSummary {
        paths: paths.len() as u64,
        ..CommitSummary::default()
    });
    committed.clashes = there
        .into_iter()
        .filter_map(|info| clash(info, &present[&info.path.hash()]))
        .collect();
    let mut lacking = Vec::new();
    for info in missing {
        let Some(usable) = available.nar_of(info)? else {
            lacking.push(info.path.to_string());
            continue;
        };
        if let Some(lost) = present.get(&info.path.hash()) {
            slices::replace(connection, target.flake_id, info, usable.nar.id)?;
            committed.replaced += 1;
            committed.lost_size += lost.nar_size;
        } else {
            slices::insert(connection, target.flake_id, info, usable.nar.id)?;
        }
        let summary = &mut committed.summary;
        summary.added += 1;
        if usable.received {
            summary.uploaded += 1;
        } else {
            summary.linked += 1;
        }
        summary.nar_size += usable.nar.nar_size;
        summary.file_size += usable.nar.file_size;
        committed.paths.push(info.path.hash());
        committed.nars.push(info.nar_hash);
    }
    if !lacking.is_empty() {
        return Err(ApiError::Conflict(format!(
            "{} of the push's paths have no content yet, upload it or plan the push again: {}",
            lacking.len(),
            shortened(&lacking)
        )));
    }
    if committed.summary.added > 0 {
        let summary = &committed.summary;
        slices::count_added(
            connection,
            target.flake_id,
            summary.added - committed.replaced,
            nars::signed(summary.nar_size) - nars::signed(committed.lost_size),
        )?;
    }
    Ok(committed)
}

fn clash(info: &PathInfo, present: &Present) -> Option<Clash> {
    (present.nar_hash != info.nar_hash).then(|| Clash {
        path: info.path.to_string(),
        kept: present.nar_hash,
        pushed: info.nar_hash,
    })
}

/// Writes to the audit log what a commit did, if it did anything.
fn record(
    connection: &Connection,
    target: &Target,
    actor: &Actor,
    committed: &Committed,
) -> Result<(), ApiError> {
    let event = |action, detail| Event {
        action,
        actor: Some(actor.clone()),
        flake_id: Some(target.flake_id),
        subject: &target.flake,
        detail,
        ..Event::default()
    };
    if committed.summary.added > 0 || committed.summary.logs > 0 {
        audit::record(connection, &event("push.commit", json!(committed.summary)))?;
    }
    if !committed.clashes.is_empty() {
        let listed: Vec<_> = committed
            .clashes
            .iter()
            .take(LISTED)
            .map(|clash| {
                json!({
                    "path": clash.path,
                    "kept": clash.kept.to_string(),
                    "pushed": clash.pushed.to_string(),
                })
            })
            .collect();
        let detail = json!({ "count": committed.clashes.len(), "paths": listed });
        audit::record(connection, &event("push.clash", detail))?;
    }
    Ok(())
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
