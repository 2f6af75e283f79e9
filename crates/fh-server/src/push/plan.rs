//! Answering what a push comes to, and beginning it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fh_api::{CommitSummary, PathAnswer, PathStatus, PushPath, PushPlan, PushRequest, UploadNeed};
use fh_nix::{PathInfo, StorePathHash};
use uuid::Uuid;

use super::examine::{Content, Examined, Target, examine};
use super::open::{Pushes, expected};
use super::parse::{Wanted, parse};
use super::realisations;
use super::stored::StoredPlan;
use crate::database::audit::Actor;
use crate::database::{DatabaseError, nars, now, pushes};
use crate::error::ApiError;
use crate::storage::PartialKey;

impl Pushes {
    /// Plans a push: tells what it comes to, and begins it, or commits it where nothing is to be
    /// uploaded.
    ///
    /// # Errors
    /// 400 where a path or a reference is not acceptable.
    pub(super) async fn plan_for(
        &self,
        target: Target,
        actor: Actor,
        request: PushRequest,
    ) -> Result<PushPlan, ApiError> {
        let (store_dir, largest) = (self.store_dir().clone(), self.limits().nar_size);
        realisations::check_number(&request)?;
        let wanted = tokio::task::spawn_blocking(move || parse(request, &store_dir, largest))
            .await
            .map_err(ApiError::internal)??;
        let wanted = Arc::new(wanted);
        let signed = Arc::new(self.verified(&target, &wanted).await?);
        let examined = {
            let (wanted, target, signed) =
                (Arc::clone(&wanted), target.clone(), Arc::clone(&signed));
            self.database()
                .read(move |connection| Ok(examine(connection, &target, &wanted, &signed)))
                .await??
        };
        let mut plan = PushPlan {
            id: None,
            paths: answers(&wanted, &examined),
            uploads: self.uploads_of(&target, &wanted, &examined).await?,
            limits: self.limits(),
            expires_at: None,
            committed: None,
            logs: examined.logs.iter().map(ToString::to_string).collect(),
        };
        if wanted.dry_run {
            return Ok(plan);
        }
        let kept = content(&wanted, &examined);
        let nothing_new = !examined.statuses.iter().copied().any(is_looked_for)
            && !examined.writes
            && examined.left_out.is_empty();
        if nothing_new {
            plan.committed = Some(CommitSummary {
                paths: kept.paths.len() as u64,
                ..CommitSummary::default()
            });
        } else if plan.uploads.is_empty() {
            let committed = self
                .commit_paths(target.clone(), actor, kept.clone(), signed, None)
                .await?;
            plan.committed = Some(committed);
        } else {
            self.begin(&target, &kept, examined.received, &mut plan)
                .await?;
        }
        if let Some(summary) = &plan.committed
            && !examined.logs.is_empty()
        {
            let id = self.begin_logs(&target, &kept.paths, &examined.logs, summary);
            plan.id = Some(id.await?);
        }
        Ok(plan)
    }

    /// The NARs to send, each once, and how much of each is here already.
    async fn uploads_of(
        &self,
        target: &Target,
        wanted: &Wanted,
        examined: &Examined,
    ) -> Result<Vec<UploadNeed>, ApiError> {
        let mut uploads = Vec::new();
        let mut seen = HashSet::new();
        for (info, status) in wanted.paths.iter().zip(&examined.statuses) {
            if *status != PathStatus::Upload || !seen.insert(info.nar_hash) {
                continue;
            }
            let mut parts_received = 0;
            if info.nar_size > self.limits().batched_nar_size {
                let key = PartialKey {
                    flake_id: target.flake_id,
                    account_id: target.account_id,
                    nar_hash: info.nar_hash,
                    nar_size: info.nar_size,
                };
                let uploads = self.receiving().uploads();
                parts_received = uploads.parts_received(key, &expected(info)).await?;
            }
            uploads.push(UploadNeed {
                nar_hash: info.nar_hash.to_base32(),
                parts_received,
            });
        }
        Ok(uploads)
    }

    /// Stores the plan, so that the push can be gone on with, also after a restart.
    async fn begin(
        &self,
        target: &Target,
        content: &Content,
        received: Vec<i64>,
        plan: &mut PushPlan,
    ) -> Result<(), ApiError> {
        let id = Uuid::now_v7();
        let expires_at = now().plus_seconds(self.upload_lifetime().as_secs());
        let left_out = content.left_out.iter().map(|info| PushPath {
            context: true,
            ..as_text(info)
        });
        let stored = StoredPlan {
            paths: content.paths.iter().map(as_text).chain(left_out).collect(),
            realisations: content
                .realisations
                .iter()
                .map(realisations::as_text)
                .collect(),
        };
        let stored = stored.to_json()?;
        let (flake_id, account_id) = (target.flake_id, target.account_id);
        self.database()
            .write(target.decided, move |transaction| {
                nars::renew_received(transaction, flake_id, account_id, &received)?;
                pushes::insert(transaction, id, flake_id, account_id, &stored, expires_at)?;
                Ok::<_, DatabaseError>(())
            })
            .await?;
        self.remember(id, target, &content.paths, expires_at);
        plan.id = Some(id);
        plan.expires_at = Some(expires_at.to_date_time());
        Ok(())
    }
}

/// What the push puts into the slice.
fn content(wanted: &Wanted, examined: &Examined) -> Content {
    let pushed: HashMap<StorePathHash, &PathInfo> = wanted
        .paths
        .iter()
        .map(|info| (info.path.hash(), info))
        .collect();
    let told = |hash| pushed.get(hash).copied().or(wanted.context.get(hash));
    let kept = wanted.paths.iter().zip(&examined.statuses);
    let kept = kept.filter(|(_, status)| **status != PathStatus::Upstream);
    Content {
        paths: kept.map(|(info, _)| info.clone()).collect(),
        left_out: examined.left_out.iter().filter_map(told).cloned().collect(),
        realisations: wanted.realisations.clone(),
    }
}

/// Whether a path's content had to be looked for beside the slice.
pub(super) fn is_looked_for(status: PathStatus) -> bool {
    !matches!(status, PathStatus::Present | PathStatus::Upstream)
}

fn answers(wanted: &Wanted, examined: &Examined) -> Vec<PathAnswer> {
    wanted
        .paths
        .iter()
        .zip(&examined.statuses)
        .map(|(info, status)| PathAnswer {
            hash: info.path.hash().to_string(),
            status: *status,
        })
        .collect()
}

/// A path info in the words of the API, which are also those of a stored plan.
pub(super) fn as_text(info: &PathInfo) -> PushPath {
    PushPath {
        path: info.path.to_string(),
        nar_hash: info.nar_hash.to_string(),
        nar_size: info.nar_size,
        references: info.references.iter().map(ToString::to_string).collect(),
        deriver: info.deriver.as_ref().map(ToString::to_string),
        signatures: info.signatures.iter().map(ToString::to_string).collect(),
        ca: info.ca.as_ref().map(ToString::to_string),
        context: false,
    }
}
