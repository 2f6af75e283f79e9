//! The build logs that a push may bring.

use std::collections::HashSet;

use fh_access::ApiError;
use fh_api::{CommitSummary, PathStatus};
use fh_nix::{PathInfo, StorePath, StorePathHash};
use fh_persistence::database::{logs, now, pushes};
use fh_sql::Read;
use uuid::Uuid;

use super::parts::Parts;
use super::request::ParsedRequest;
use super::stored::StoredPlan;
use super::target::Target;
use crate::receive::derivers;

/// Those of the logs offered that are of paths which the slice has or gets, and that the slice lacks: a builder's
/// is wanted too where it has a person's.
pub(super) fn lacking(
    read: &Read,
    target: &Target,
    request: &ParsedRequest,
    statuses: &[PathStatus],
) -> Result<Vec<StorePath>, ApiError> {
    if request.logs.is_empty() {
        return Ok(Vec::new());
    }
    let kept = request
        .paths
        .iter()
        .zip(statuses)
        .filter(|(_, status)| **status != PathStatus::Upstream)
        .map(|(info, _)| info);
    let derivers = derivers(kept);
    let is_deriver = |log: &&StorePath| derivers.get(&log.hash()) == Some(*log);
    let offered: Vec<&StorePath> = request.logs.iter().filter(is_deriver).collect();
    let offered_hashes = offered.iter().copied();
    let present = logs::present(read, target.flake_id, target.builder, offered_hashes)?;
    Ok(offered
        .into_iter()
        .filter(|log| !present.contains(&log.hash()))
        .cloned()
        .collect())
}

/// Notes a push of which everything is in the slice but these logs: its id.
pub(super) async fn begin(
    parts: &Parts,
    target: &Target,
    paths: &[PathInfo],
    wanted: &[StorePath],
    summary: &CommitSummary,
) -> Result<Uuid, ApiError> {
    let wanted: HashSet<StorePathHash> = wanted.iter().map(StorePath::hash).collect();
    let of_wanted = |info: &&PathInfo| {
        let deriver = info.deriver.as_ref();
        deriver.is_some_and(|deriver| wanted.contains(&deriver.hash()))
    };
    let plan = StoredPlan {
        paths: paths.iter().filter(of_wanted).map(Into::into).collect(),
        realisations: Vec::new(),
    };
    let plan = plan.to_json()?;
    let summary = serde_json::to_string(summary).map_err(ApiError::internal)?;
    let id = Uuid::now_v7();
    let expires_at = now().plus_seconds(parts.upload_lifetime.as_secs());
    let flake_id = target.flake_id;
    let pusher = target.pusher();
    parts
        .database
        .write(target.decided, move |tx| {
            pushes::insert_committed(tx, id, flake_id, pusher, &plan, &summary, expires_at)
        })
        .await?;
    Ok(id)
}
