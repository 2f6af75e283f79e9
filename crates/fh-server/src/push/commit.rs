//! Making a push visible: all of it, in one transaction.

use std::sync::Arc;

use fh_access::ApiError;
use fh_api::CommitSummary;
use fh_nix::{NarHash, StorePathHash};
use fh_persistence::database::audit::{self, Actor, Event};
use fh_persistence::database::contests::{self, NewlyContested};
use fh_persistence::database::{logs, pushes, slices, upstream};
use fh_sql::Tx;
use serde_json::json;

use super::clash::{Clash, detail};
use super::decision::{Facts, How, RowChange, decide};
use super::parts::Parts;
use super::realisations;
use super::request::Content;
use super::signed::Signed;
use super::target::Target;

/// Adds these paths to the slice, whose signatures were [verified](super::signed::verify), and marks the stored push `row_id`, if there is one, as done.
///
/// # Errors
/// 409 where a NAR is neither received nor readable: nothing was added then.
pub(super) async fn commit(
    parts: &Parts,
    target: Target,
    actor: Actor,
    content: Content,
    signed: Arc<Signed>,
    row_id: Option<i64>,
) -> Result<CommitSummary, ApiError> {
    let committing = parts.database.write(target.decided, move |tx| {
        if let Some(row_id) = row_id {
            // It may have expired, or been given up, since it was looked for.
            let there = pushes::summary(tx, row_id)?;
            if let Some(summary) = there.ok_or(ApiError::NotFound)? {
                // Another request was faster.
                let summary = serde_json::from_str(&summary).map_err(ApiError::internal)?;
                return Ok(Committed {
                    summary,
                    ..Committed::default()
                });
            }
        }
        let mut committed = add(tx, &target, &content, &signed)?;
        if let Some(row_id) = row_id {
            committed.summary.logs = logs::commit(tx, row_id, target.flake_id, target.builder)?;
            let summary = serde_json::to_string(&committed.summary).map_err(ApiError::internal)?;
            pushes::set_committed(tx, row_id, &summary)?;
        }
        record(tx, &target, &actor, &committed)?;
        Ok::<_, ApiError>(committed)
    });
    let committed = committing.await?;
    let contested = &committed.contested;
    parts.lookup.forget(
        committed
            .paths
            .iter()
            .chain(&committed.left_out)
            .chain(&contested.paths),
        committed.nars.iter().chain(&contested.nars),
    );
    if committed.changed_rows {
        parts.lookup.forget_all();
    }
    parts.metrics.paths_contested(contested.paths.len() as u64);
    parts.metrics.paths_committed(committed.paths.len() as u64);
    Ok(committed.summary)
}

/// What a commit did.
#[derive(Default)]
struct Committed {
    summary: CommitSummary,
    /// The paths that are new to the slice or of which it says something else since.
    paths: Vec<StorePathHash>,
    /// The NARs that are new to it.
    nars: Vec<NarHash>,
    /// Of which the slice has got a fingerprint.
    left_out: Vec<StorePathHash>,
    /// Whether rows that the slice had have changed or gone.
    changed_rows: bool,
    /// Paths that the slice, or another one of the same organisation, has with another content.
    clashes: Vec<Clash>,
    realisations: realisations::Added,
    /// About which slices disagree since.
    contested: NewlyContested,
}

/// Adds what a push brings to its slice.
fn add(
    tx: &Tx<'_>,
    target: &Target,
    content: &Content,
    signed: &Signed,
) -> Result<Committed, ApiError> {
    let flake_id = target.flake_id;
    let hashes: Vec<StorePathHash> = content.paths.iter().map(|info| info.path.hash()).collect();
    let present = slices::present(tx, flake_id, &hashes)?;
    let facts = Facts::load(tx, target, signed, &content.paths, &present)?;
    let decision = decide(target, signed, facts)?;
    for change in &decision.changes {
        write(tx, flake_id, change)?;
    }
    let changes = decision.changes.iter();
    let paths: Vec<StorePathHash> = changes.map(|change| change.info.path.hash()).collect();
    // Mostly none, and then this is all that it costs that others may have something to say.
    let known = contests::known_elsewhere(tx, flake_id, &paths)?;
    upstream::end(tx, flake_id, &known, target.builder)?;
    let left_out = upstream::note(tx, flake_id, &content.left_out, target.pusher())?;
    let contested = contests::note(tx, flake_id, &known, &left_out)?;
    let elsewhere = contests::clashes(tx, flake_id, &known)?;
    let realisations = realisations::add(tx, target, &content.realisations, signed)?;
    if decision.summary.added > 0 {
        slices::count_added(tx, flake_id, decision.new_paths, decision.growth)?;
    }
    let mut clashes = decision.clashes;
    clashes.extend(elsewhere.into_iter().map(|found| Clash {
        subject: found.path.to_string(),
        flake: found.flake.to_string(),
        there: found.there.to_string(),
        pushed: found.pushed.to_string(),
        kept: false,
    }));
    Ok(Committed {
        summary: CommitSummary {
            realisations: realisations.count,
            ..decision.summary
        },
        paths,
        nars: decision.nars,
        left_out,
        changed_rows: decision.changes.iter().any(|change| change.how != How::Add),
        clashes,
        realisations,
        contested,
    })
}

fn write(tx: &Tx<'_>, flake_id: i64, change: &RowChange<'_>) -> Result<(), ApiError> {
    let RowChange {
        info,
        nar_id,
        origin,
        how,
    } = change;
    match how {
        How::Update => return Ok(slices::add_to(tx, flake_id, info, origin.proven)?),
        How::Replace => slices::remove(tx, flake_id, &info.path.hash())?,
        How::Add => {}
    }
    slices::insert(tx, flake_id, info, *nar_id, *origin)?;
    Ok(())
}

/// Writes to the audit log what a commit did, if it did anything.
fn record(
    tx: &Tx<'_>,
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
    let summary = &committed.summary;
    if summary.added > 0 || summary.logs > 0 || summary.realisations > 0 {
        audit::record(tx, &event("push.commit", json!(summary)))?;
    }
    for (clashes, subjects, subject) in [
        (&committed.clashes, "paths", "path"),
        (
            &committed.realisations.clashes,
            "realisations",
            "realisation",
        ),
    ] {
        if !clashes.is_empty() {
            let detail = detail(clashes, subjects, subject);
            audit::record(tx, &event("push.clash", detail))?;
        }
    }
    Ok(())
}
