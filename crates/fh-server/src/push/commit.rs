//! Making a push visible: all of it, in one transaction.

use std::sync::Arc;

use fh_access::ApiError;
use fh_api::CommitSummary;
use fh_nix::{NarHash, PathInfo, Signature, StorePathHash};
use fh_persistence::database::audit::{self, Actor, Event};
use fh_persistence::database::contests::{self, NewlyContested};
use fh_persistence::database::slices::{Origin, Present};
use fh_persistence::database::{logs, nars, pushes, slices, upstream};
use fh_sql::{Read, Tx};
use serde_json::json;

use super::examine::Available;
use super::parts::Parts;
use super::realisations;
use super::signed::Signed;
use super::target::Target;
use super::wanted::Content;

/// How many of something a message or an event lists.
const LISTED: usize = 100;

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
    let committed = {
        parts
            .database
            .write(target.decided, move |tx| {
                if let Some(row_id) = row_id {
                    // It may have expired, or been given up, since it was looked for.
                    let there = pushes::summary(tx, row_id)?;
                    if let Some(summary) = there.ok_or(ApiError::NotFound)? {
                        // Another request was faster.
                        let summary = serde_json::from_str(&summary);
                        return Ok(Committed::nothing(summary.map_err(ApiError::internal)?));
                    }
                }
                let mut committed = add(tx, &target, &content, &signed)?;
                if let Some(row_id) = row_id {
                    committed.summary.logs =
                        logs::commit(tx, row_id, target.flake_id, target.builder)?;
                    let summary =
                        serde_json::to_string(&committed.summary).map_err(ApiError::internal)?;
                    pushes::set_committed(tx, row_id, &summary)?;
                }
                record(tx, &target, &actor, &committed)?;
                Ok::<_, ApiError>(committed)
            })
            .await?
    };
    let contested = &committed.contested;
    parts.lookup.forget(
        committed
            .paths
            .iter()
            .chain(&committed.left_out)
            .chain(&contested.paths),
        committed.nars.iter().chain(&contested.nars),
    );
    if committed.replaced > 0 {
        parts.lookup.forget_all();
    }
    parts.metrics.paths_contested(contested.paths.len() as u64);
    parts.metrics.paths_committed(committed.paths.len() as u64);
    Ok(committed.summary)
}

/// What a commit did.
struct Committed {
    summary: CommitSummary,
    /// The paths that are new to the slice, and their NARs.
    paths: Vec<StorePathHash>,
    nars: Vec<NarHash>,
    /// Of which the slice has got a fingerprint.
    left_out: Vec<StorePathHash>,
    /// How many of the paths the slice had already, with a content that was lost or that counts for less, and of
    /// how many bytes.
    replaced: u64,
    lost_size: u64,
    /// How many of these with the same content.
    raised: u64,
    /// Paths that the slice, or another one of the same organisation, has with another content.
    clashes: Vec<Clash>,
    realisations: realisations::Added,
    /// About which slices disagree since.
    contested: NewlyContested,
}

impl Committed {
    fn nothing(summary: CommitSummary) -> Self {
        Self {
            summary,
            paths: Vec::new(),
            nars: Vec::new(),
            left_out: Vec::new(),
            replaced: 0,
            lost_size: 0,
            raised: 0,
            clashes: Vec::new(),
            realisations: realisations::Added::default(),
            contested: NewlyContested::default(),
        }
    }
}

/// Two contents of one path in slices of one organisation.
struct Clash {
    path: String,
    /// The slice that has the other content.
    flake: String,
    there: NarHash,
    pushed: NarHash,
    /// Whether the slice itself has the other content, and keeps it.
    kept: bool,
}

fn add(
    tx: &Tx<'_>,
    target: &Target,
    content: &Content,
    signed: &Signed,
) -> Result<Committed, ApiError> {
    let paths = &content.paths;
    let hashes: Vec<StorePathHash> = paths.iter().map(|info| info.path.hash()).collect();
    let present = slices::present(tx, target.flake_id, &hashes)?;
    // A path whose content was lost takes what is pushed now, be it another content; and so does one whose row
    // counts for less.
    let (there, missing): (Vec<_>, Vec<_>) = paths.iter().partition(|info| {
        present
            .get(&info.path.hash())
            .is_some_and(|present| !present.damaged && !signed.outdoes(target, present, info))
    });
    let same = |info: &PathInfo| {
        let present = present.get(&info.path.hash());
        present.filter(|present| !present.damaged && !present.disagrees(info))
    };
    let available = Available::of(
        tx,
        target,
        missing
            .iter()
            .filter(|info| same(info).is_none())
            .map(|info| &info.nar_hash),
    )?;
    let mut committed = Committed::nothing(CommitSummary {
        paths: paths.len() as u64,
        ..CommitSummary::default()
    });
    committed.clashes = there
        .into_iter()
        .filter_map(|info| clash(info, &present[&info.path.hash()], target))
        .collect();
    let mut lacking = Vec::new();
    for info in missing {
        let origin = Origin {
            pusher_id: Some(target.account_id),
            builder: target.builder,
            proven: target.proves(info),
        };
        let hash = info.path.hash();
        if let Some(present) = same(info) {
            let signatures = signed.joined_signatures(target, present, info);
            let (info, proven) = joined(tx, target, info, present, signatures)?;
            if target.builder && !present.builder {
                // The same content counts for more from now on, and its age with it: else an early row of
                // somebody who counts for less would make this one the older.
                let origin = Origin { proven, ..origin };
                slices::remove(tx, target.flake_id, &hash)?;
                slices::insert(tx, target.flake_id, &info, present.nar_id, origin)?;
            } else {
                slices::add_to(tx, target.flake_id, &info, proven)?;
            }
            committed.replaced += 1;
            committed.raised += 1;
            committed.paths.push(hash);
            continue;
        }
        let Some(usable) = available.nar_of(info)? else {
            lacking.push(info.path.to_string());
            continue;
        };
        if let Some(lost) = present.get(&hash) {
            slices::remove(tx, target.flake_id, &hash)?;
            committed.replaced += 1;
            committed.lost_size += lost.nar_size;
        }
        slices::insert(tx, target.flake_id, info, usable.nar.id, origin)?;
        let summary = &mut committed.summary;
        summary.added += 1;
        if usable.received {
            summary.uploaded += 1;
        } else {
            summary.linked += 1;
        }
        summary.nar_size += usable.nar.nar_size;
        summary.file_size += usable.nar.file_size;
        committed.paths.push(hash);
        committed.nars.push(info.nar_hash);
    }
    if !lacking.is_empty() {
        return Err(ApiError::Conflict(format!(
            "{} of the push's paths have no content yet; upload it or plan the push again: {}",
            lacking.len(),
            shortened(&lacking)
        )));
    }
    let pusher = upstream::Pusher {
        account_id: target.account_id,
        builder: target.builder,
    };
    // Mostly none, and then this is all that it costs that others may have something to say.
    let known = contests::known_elsewhere(tx, target.flake_id, &committed.paths)?;
    upstream::end(tx, target.flake_id, &known, target.builder)?;
    committed.left_out = upstream::note(tx, target.flake_id, &content.left_out, pusher)?;
    committed.contested = contests::note(tx, target.flake_id, &known, &committed.left_out)?;
    for found in contests::clashes(tx, target.flake_id, &known)? {
        committed.clashes.push(Clash {
            path: found.path.to_string(),
            flake: found.flake.to_string(),
            there: found.there,
            pushed: found.pushed,
            kept: false,
        });
    }
    committed.realisations = realisations::add(tx, target, &content.realisations, signed)?;
    committed.summary.realisations = committed.realisations.count;
    if committed.summary.added > 0 {
        let summary = &committed.summary;
        slices::count_added(
            tx,
            target.flake_id,
            summary.added - (committed.replaced - committed.raised),
            nars::signed(summary.nar_size) - nars::signed(committed.lost_size),
        )?;
    }
    Ok(committed)
}

/// What a slice's row says to which this push adds, and whether its content address is proven; with these signatures, if
/// they change. A builder who raises a person's row gives it their deriver; else nothing that is there is taken away.
fn joined(
    read: &Read,
    target: &Target,
    info: &PathInfo,
    present: &Present,
    signatures: Option<Vec<Signature>>,
) -> Result<(PathInfo, bool), ApiError> {
    let held = Some(present.nar_id);
    let there = slices::info_of(read, &info.path.hash(), target.flake_id, held)?;
    let proves = target.proves(info);
    let Some(there) = there else {
        return Ok((info.clone(), proves));
    };
    let (first, second) = if target.builder && !present.builder {
        (info, &there)
    } else {
        (&there, info)
    };
    let ca = match (present.proven, proves) {
        (true, _) => there.ca.clone(),
        (false, true) => info.ca.clone(),
        (false, false) => first.ca.clone().or_else(|| second.ca.clone()),
    };
    let joined = PathInfo {
        ca,
        signatures: signatures.unwrap_or_else(|| there.signatures.clone()),
        deriver: first.deriver.clone().or_else(|| second.deriver.clone()),
        ..there.clone()
    };
    Ok((joined, present.proven || proves))
}

fn clash(info: &PathInfo, present: &Present, target: &Target) -> Option<Clash> {
    present.disagrees(info).then(|| Clash {
        path: info.path.to_string(),
        flake: target.flake.clone(),
        there: present.nar_hash,
        pushed: info.nar_hash,
        kept: true,
    })
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
    if !committed.clashes.is_empty() {
        let listed: Vec<_> = committed
            .clashes
            .iter()
            .take(LISTED)
            .map(|clash| {
                json!({
                    "path": clash.path,
                    "flake": clash.flake,
                    "there": clash.there.to_string(),
                    "pushed": clash.pushed.to_string(),
                    "kept": clash.kept,
                })
            })
            .collect();
        let detail = json!({ "count": committed.clashes.len(), "paths": listed });
        audit::record(tx, &event("push.clash", detail))?;
    }
    let listed = committed.realisations.listed_clashes(&target.flake);
    if !listed.is_empty() {
        let count = listed.len();
        let listed: Vec<_> = listed.into_iter().take(LISTED).collect();
        let detail = json!({ "count": count, "realisations": listed });
        audit::record(tx, &event("push.clash", detail))?;
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
