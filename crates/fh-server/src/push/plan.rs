//! Answering what a push comes to, and beginning it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fh_access::ApiError;
use fh_api::{CommitSummary, PathAnswer, PathStatus, PushPath, PushPlan, PushRequest, UploadNeed};
use fh_nix::{PathInfo, StorePathHash};
use fh_persistence::database::audit::Actor;
use fh_persistence::database::{DatabaseError, nars, now, pushes};
use uuid::Uuid;

use super::examine::{Examined, examine};
use super::parse::{check_number, parse};
use super::parts::Parts;
use super::request::{Content, ParsedRequest};
use super::stored::StoredPlan;
use super::target::Target;
use super::{commit, logs, signed};
use crate::receive::Expected;

/// Plans a push: tells what it comes to, and begins it, or commits it where nothing is to be
/// uploaded.
///
/// # Errors
/// 400 where a path or a reference is not acceptable.
pub(super) async fn plan(
    parts: &Parts,
    target: Target,
    actor: Actor,
    request: PushRequest,
) -> Result<PushPlan, ApiError> {
    let (store_dir, largest) = (parts.store_dir.clone(), parts.limits.nar_size);
    check_number(&request)?;
    let request = tokio::task::spawn_blocking(move || parse(request, &store_dir, largest))
        .await
        .map_err(ApiError::internal)??;
    let request = Arc::new(request);
    let signed = Arc::new(signed::verify(parts, &target, &request).await?);
    let examined = {
        let (request, target, signed) = (Arc::clone(&request), target.clone(), Arc::clone(&signed));
        parts
            .database
            .read(move |read| Ok(examine(read, &target, &request, &signed)))
            .await??
    };
    let answered = request.paths.iter().zip(&examined.statuses);
    let answered = answered.map(|(info, status)| PathAnswer {
        hash: info.path.hash().to_string(),
        status: *status,
    });
    let mut plan = PushPlan {
        id: None,
        paths: answered.collect(),
        uploads: uploads_of(parts, &target, &request, &examined).await?,
        limits: parts.limits,
        expires_at: None,
        committed: None,
        logs: examined.logs.iter().map(ToString::to_string).collect(),
    };
    if request.dry_run {
        return Ok(plan);
    }
    let kept = content(&request, &examined);
    let nothing_new = !examined.statuses.iter().copied().any(is_looked_for)
        && !examined.writes
        && examined.left_out.is_empty();
    if nothing_new {
        plan.committed = Some(CommitSummary {
            paths: kept.paths.len() as u64,
            ..CommitSummary::default()
        });
    } else if plan.uploads.is_empty() {
        let committed =
            commit::commit(parts, target.clone(), actor, kept.clone(), signed, None).await?;
        plan.committed = Some(committed);
    } else {
        begin(parts, &target, &kept, examined.received, &mut plan).await?;
    }
    if let Some(summary) = &plan.committed
        && !examined.logs.is_empty()
    {
        let id = logs::begin(parts, &target, &kept.paths, &examined.logs, summary);
        plan.id = Some(id.await?);
    }
    Ok(plan)
}

/// The NARs to send, each once, and how much of each is here already.
async fn uploads_of(
    parts: &Parts,
    target: &Target,
    request: &ParsedRequest,
    examined: &Examined,
) -> Result<Vec<UploadNeed>, ApiError> {
    let mut uploads = Vec::new();
    let mut seen = HashSet::new();
    for (info, status) in request.paths.iter().zip(&examined.statuses) {
        if *status != PathStatus::Upload || !seen.insert(info.nar_hash) {
            continue;
        }
        let mut parts_received = 0;
        if info.nar_size > parts.limits.batched_nar_size {
            let expected = Expected::from(info);
            let key = target.upload_key(&expected);
            let uploads = parts.receiving.uploads();
            parts_received = uploads.parts_received(key, &expected).await?;
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
    parts: &Parts,
    target: &Target,
    content: &Content,
    received: Vec<i64>,
    plan: &mut PushPlan,
) -> Result<(), ApiError> {
    let id = Uuid::now_v7();
    let expires_at = now().plus_seconds(parts.upload_lifetime.as_secs());
    let left_out = content.left_out.iter().map(|info| PushPath {
        context: true,
        ..info.into()
    });
    let stored = StoredPlan {
        paths: content
            .paths
            .iter()
            .map(PushPath::from)
            .chain(left_out)
            .collect(),
        realisations: content.realisations.iter().map(Into::into).collect(),
    };
    let stored = stored.to_json()?;
    let (flake_id, account_id) = (target.flake_id, target.account_id);
    parts
        .database
        .write(target.decided, move |tx| {
            nars::renew_received(tx, flake_id, account_id, &received)?;
            pushes::insert(tx, id, flake_id, account_id, &stored, expires_at)?;
            Ok::<_, DatabaseError>(())
        })
        .await?;
    let push = target.open_push(id, &content.paths, expires_at);
    parts.open.insert(Arc::new(push));
    plan.id = Some(id);
    plan.expires_at = Some(expires_at.to_date_time());
    Ok(())
}

/// What the push puts into the slice.
fn content(request: &ParsedRequest, examined: &Examined) -> Content {
    let pushed: HashMap<StorePathHash, &PathInfo> = request
        .paths
        .iter()
        .map(|info| (info.path.hash(), info))
        .collect();
    let told = |hash| pushed.get(hash).copied().or(request.context.get(hash));
    let kept = request.paths.iter().zip(&examined.statuses);
    let kept = kept.filter(|(_, status)| **status != PathStatus::Upstream);
    Content {
        paths: kept.map(|(info, _)| info.clone()).collect(),
        left_out: examined.left_out.iter().filter_map(told).cloned().collect(),
        realisations: request.realisations.clone(),
    }
}

/// Whether a path's content had to be looked for beside the slice.
pub(super) fn is_looked_for(status: PathStatus) -> bool {
    !matches!(status, PathStatus::Present | PathStatus::Upstream)
}
