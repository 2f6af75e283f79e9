//! The build logs that a push may bring.

use std::collections::{HashMap, HashSet};

use fh_api::{CommitSummary, PathStatus};
use fh_nix::{PathInfo, StorePath, StorePathHash};
use rusqlite::Connection;
use uuid::Uuid;

use super::examine::Target;
use super::open::Pushes;
use super::parse::Wanted;
use super::plan::as_text;
use super::stored::StoredPlan;
use crate::database::pushes::{self, Pusher};
use crate::database::{logs, now};
use crate::error::ApiError;

/// Longest log that is taken, in uncompressed bytes: some hundred thousand lines. Whoever has a longer
/// one leaves out its middle.
pub(crate) const LOG_SIZE: u64 = 8 << 20;

/// The derivations that paths were built by, by their hash.
pub(super) fn derivers<'a>(
    paths: impl IntoIterator<Item = &'a PathInfo>,
) -> HashMap<StorePathHash, StorePath> {
    paths
        .into_iter()
        .filter_map(|info| info.deriver.as_ref())
        .filter(|deriver| deriver.is_derivation())
        .map(|deriver| (deriver.hash(), deriver.clone()))
        .collect()
}

/// Those of the logs offered that are of paths which the slice has or gets, and that the slice lacks: a builder's
/// is wanted too where it has a person's.
pub(super) fn lacking(
    connection: &Connection,
    target: &Target,
    wanted: &Wanted,
    statuses: &[PathStatus],
) -> Result<Vec<StorePath>, ApiError> {
    if wanted.logs.is_empty() {
        return Ok(Vec::new());
    }
    let kept = wanted
        .paths
        .iter()
        .zip(statuses)
        .filter(|(_, status)| **status != PathStatus::Upstream)
        .map(|(info, _)| info);
    let derivers = derivers(kept);
    let is_deriver = |log: &&StorePath| derivers.get(&log.hash()) == Some(*log);
    let offered: Vec<&StorePath> = wanted.logs.iter().filter(is_deriver).collect();
    let offered_hashes = offered.iter().copied();
    let present = logs::present(connection, target.flake_id, target.builder, offered_hashes)?;
    Ok(offered
        .into_iter()
        .filter(|log| !present.contains(&log.hash()))
        .cloned()
        .collect())
}

impl Pushes {
    /// Notes a push of which everything is in the slice but these logs: its id.
    pub(super) async fn begin_logs(
        &self,
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
            paths: paths.iter().filter(of_wanted).map(as_text).collect(),
            realisations: Vec::new(),
        };
        let plan = plan.to_json()?;
        let summary = serde_json::to_string(summary).map_err(ApiError::internal)?;
        let id = Uuid::now_v7();
        let expires_at = now().plus_seconds(self.upload_lifetime().as_secs());
        let flake_id = target.flake_id;
        let pusher = Pusher {
            account_id: target.account_id,
            builder: target.builder,
        };
        self.database()
            .write(target.decided, move |transaction| {
                pushes::insert_committed(
                    transaction,
                    id,
                    flake_id,
                    pusher,
                    &plan,
                    &summary,
                    expires_at,
                )
            })
            .await?;
        Ok(id)
    }
}
