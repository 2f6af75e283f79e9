//! Pushes that were begun: found, gone on with, committed or given up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fh_access::{ApiError, Caller, FlakeRef};
use fh_api::{
    BatchAnswer, CommitSummary, PartAnswer, PushLimits, PushPlan, PushRequest, with_causes,
};
use fh_nix::NarHash;
use fh_persistence::database::pushes::{self, Push};
use fh_persistence::database::{DatabaseError, Decided, Timestamp, nars, now};
use fh_settings::Settings;
use fh_shares::{Holders, Share, Shares};
use uuid::Uuid;

use super::parts::{OpenPushes, Parts};
use super::request::{Content, ParsedRequest};
use super::stored::StoredPlan;
use super::target::{Target, Writer};
use super::{commit, plan, signed};
use crate::receive::{Backend, BodyReader, LOG_SIZE, OpenPush, Receiving};
use crate::timing;

/// Plans that are made at the same time: one of a hundred thousand paths takes some memory.
const PLANS: u64 = 6;

/// A push that is worked on is renewed no more often than so.
const LEAST_RENEWAL: Duration = Duration::from_millis(500);

/// Plans that may wait for one account or address.
const WAITING_PLANS: u64 = 256;

/// Commits that are made at the same time: each has its plan in memory, and all but one wait for the database.
const ENDINGS: u64 = 24;

/// Commits that may wait for one account or address.
const WAITING_ENDINGS: u64 = 1024;

/// The pushes to all flakes; clones share them.
#[derive(Clone)]
pub(crate) struct Pushes {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    planning: Shares,
    ending: Shares,
}

impl Pushes {
    /// With no push in memory yet.
    pub(crate) fn new(settings: &Settings, backend: Backend) -> Self {
        let limits = settings.limits;
        Self {
            shared: Arc::new(Shared {
                parts: Parts {
                    receiving: Receiving::new(settings, backend.clone()),
                    database: backend.database,
                    signatures: backend.lookup.signatures().clone(),
                    lookup: backend.lookup,
                    metrics: backend.metrics,
                    store_dir: settings.store_dir.clone(),
                    limits: PushLimits {
                        part_size: limits.part_size,
                        batched_nar_size: limits.batched_nar_size,
                        body_size: limits.body_size,
                        nar_size: limits.nar_size,
                        log_size: LOG_SIZE,
                    },
                    upload_lifetime: settings.upload_lifetime,
                    open: OpenPushes::new(settings.upload_lifetime),
                },
                planning: Shares::of_parts(PLANS, WAITING_PLANS),
                ending: Shares::of_parts(ENDINGS, WAITING_ENDINGS),
            }),
        }
    }

    /// Waits until there is room for a further plan. Whoever goes away meanwhile leaves nothing to do.
    pub(crate) async fn planning(&self, holders: Holders) -> Result<Share, ApiError> {
        place(&self.shared.planning, holders, "plans").await
    }

    /// The same for what ends a push, which is done to its end also where nobody waits for it any more: so a caller
    /// has no more of it under way than what is held here.
    pub(crate) async fn ending(&self, holders: Holders) -> Result<Share, ApiError> {
        place(&self.shared.ending, holders, "commits").await
    }

    /// What the server takes.
    pub(crate) fn limits(&self) -> PushLimits {
        self.shared.parts.limits
    }

    /// The intake of NARs.
    pub(crate) fn receiving(&self) -> &Receiving {
        &self.shared.parts.receiving
    }

    /// Plans a push of the caller to a flake that they may push to, in a [place](Self::planning) for it.
    ///
    /// # Errors
    /// 400 where a path or a reference is not acceptable.
    pub(crate) async fn plan(
        &self,
        caller: &Caller,
        flake: &FlakeRef,
        request: PushRequest,
        place: Share,
    ) -> Result<PushPlan, ApiError> {
        let actor = caller.actor()?;
        let begun_at = Instant::now();
        let target = self.target(caller, flake)?;
        let plan = plan::plan(&self.shared.parts, target, actor, request).await;
        drop(place);
        let searched = plan.as_ref().map_or(true, |plan| {
            let mut paths = plan.paths.iter();
            paths.any(|answer| plan::is_looked_for(answer.status))
        });
        if searched {
            timing::step(begun_at).await;
        }
        plan
    }

    /// Receives a batch of NARs for a push.
    ///
    /// # Errors
    /// 404 where the push is not there or not the caller's; see [`Receiving::batch`].
    pub(crate) async fn batch(
        &self,
        caller: &Caller,
        flake: &FlakeRef,
        id: Uuid,
        body: &mut BodyReader,
    ) -> Result<BatchAnswer, ApiError> {
        let target = self.target(caller, flake)?;
        let push = self.find_open(&target, id).await?;
        let receiving = self.receiving().batch(push, caller.holders(), body);
        self.keeping_alive(&target, id, receiving).await
    }

    /// Receives a part of a NAR of a push.
    ///
    /// # Errors
    /// 404 where the push is not there or not the caller's; see [`Receiving::part`].
    pub(crate) async fn part(
        &self,
        caller: &Caller,
        flake: &FlakeRef,
        id: Uuid,
        (nar_hash, number): (NarHash, u64),
        body: &mut BodyReader,
    ) -> Result<PartAnswer, ApiError> {
        let target = self.target(caller, flake)?;
        let push = self.find_open(&target, id).await?;
        let expected = push.expected(&nar_hash).ok_or_else(|| {
            ApiError::BadRequest(format!(
                "the NAR {} is not one that the push's plan asks for",
                nar_hash.to_base32()
            ))
        })?;
        let receiving = self
            .receiving()
            .part(&push, &expected, number, caller.holders(), body);
        self.keeping_alive(&target, id, receiving).await
    }

    /// Commits a push. A second time it answers the same.
    ///
    /// # Errors
    /// 404 where the push is not there or not the caller's, 409 where NARs are missing.
    pub(crate) async fn commit(
        &self,
        caller: &Caller,
        flake: &FlakeRef,
        id: Uuid,
    ) -> Result<CommitSummary, ApiError> {
        let actor = caller.actor()?;
        let target = self.target(caller, flake)?;
        let push = self.find(&target, id).await?;
        if let Some(summary) = push.summary {
            return serde_json::from_str(&summary).map_err(ApiError::internal);
        }
        let request = Arc::new(self.stored_plan(push.plan).await?);
        let parts = &self.shared.parts;
        let signed = Arc::new(signed::verify(parts, &target, &request).await?);
        let content = Content::from(Arc::unwrap_or_clone(request));
        let summary = commit::commit(parts, target, actor, content, signed, Some(push.id)).await?;
        parts.open.forget(&id);
        Ok(summary)
    }

    /// Forgets a push. What it has sent stays for a while: the next one of it need not send it again.
    ///
    /// # Errors
    /// 404 where the push is not there or not the caller's.
    pub(crate) async fn forget(
        &self,
        caller: &Caller,
        flake: &FlakeRef,
        id: Uuid,
    ) -> Result<(), ApiError> {
        let push = self.find(&self.target(caller, flake)?, id).await?;
        self.shared
            .parts
            .database
            .write(caller.decided(), move |tx| pushes::delete(tx, push.id))
            .await?;
        self.shared.parts.open.forget(&id);
        Ok(())
    }

    /// The slice of a flake as this caller pushes to it.
    fn target(&self, caller: &Caller, flake: &FlakeRef) -> Result<Target, ApiError> {
        let principal = caller.principal()?;
        Ok(Target {
            writer: Writer {
                flake_id: flake.id,
                flake: flake.name.to_string(),
                account_id: principal.account_id,
                builder: principal.builder && principal.holdings.is_own(flake.organization_id),
                store_dir: self.shared.parts.store_dir.clone(),
            },
            view: caller.view().clone(),
            decided: caller.decided(),
        })
    }

    async fn find(&self, target: &Target, id: Uuid) -> Result<Push, ApiError> {
        let (flake_id, account_id) = (target.flake_id, target.account_id);
        self.shared
            .parts
            .database
            .read(move |read| pushes::find(read, id, flake_id, account_id))
            .await?
            .ok_or(ApiError::NotFound)
    }

    /// A push that uploads may still come for. One that is worked on lasts longer.
    async fn find_open(&self, target: &Target, id: Uuid) -> Result<Arc<OpenPush>, ApiError> {
        let lifetime = self.shared.parts.upload_lifetime.as_secs();
        let late = now().plus_seconds(lifetime / 2);
        if let Some(push) = self.shared.parts.open.get(&id) {
            if push.flake_id != target.flake_id || push.account_id != target.account_id {
                return Err(ApiError::NotFound);
            }
            if push.expires_at > late {
                return Ok(push);
            }
        }
        let push = self.find(target, id).await?;
        if push.summary.is_some() && !push.plan.is_empty() {
            let stored = self.stored_plan(push.plan).await?;
            let push = target
                .open_push(id, &stored.paths, push.expires_at)
                .for_logs(target.decided);
            return Ok(Arc::new(push));
        }
        if push.summary.is_some() {
            return Err(ApiError::Conflict(
                "the push is committed; nothing can be added to it".to_owned(),
            ));
        }
        let mut expires_at = push.expires_at;
        if expires_at <= late {
            expires_at = self.extend(target, push.id).await?;
        }
        let stored = self.stored_plan(push.plan).await?;
        let push = Arc::new(target.open_push(id, &stored.paths, expires_at));
        self.shared.parts.open.insert(Arc::clone(&push));
        Ok(push)
    }

    /// Lets a push and what was sent for it last longer, from now on: until when the push does.
    async fn extend(&self, target: &Target, row_id: i64) -> Result<Timestamp, DatabaseError> {
        let expires_at = now().plus_seconds(self.shared.parts.upload_lifetime.as_secs());
        let (flake_id, account_id) = (target.flake_id, target.account_id);
        self.shared
            .parts
            .database
            .write(Decided::later(), move |tx| {
                nars::renew_all_received(tx, flake_id, account_id)?;
                pushes::extend(tx, row_id, expires_at)?;
                Ok::<_, DatabaseError>(())
            })
            .await?;
        Ok(expires_at)
    }

    /// Does something for a push, which does not end before it is done, however long that takes.
    async fn keeping_alive<T>(
        &self,
        target: &Target,
        id: Uuid,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        tokio::select! {
            biased;
            done = work => done,
            never = self.renew(target, id) => match never {},
        }
    }

    /// Renews a push again and again.
    async fn renew(&self, target: &Target, id: Uuid) -> Infallible {
        let often = (self.shared.parts.upload_lifetime / 4).max(LEAST_RENEWAL);
        loop {
            tokio::time::sleep(often).await;
            let renewed = async {
                let push = self.find(target, id).await?;
                self.extend(target, push.id).await?;
                Ok::<_, ApiError>(())
            };
            // Somebody has given it up, or the database is busy: the next time may be better.
            if let Err(error) = renewed.await {
                tracing::debug!(error = %with_causes(&error), "a push could not be renewed");
            }
        }
    }

    /// A stored plan. It was accepted once, so no limit applies.
    async fn stored_plan(&self, plan: Vec<u8>) -> Result<ParsedRequest, ApiError> {
        let store_dir = self.shared.parts.store_dir.clone();
        tokio::task::spawn_blocking(move || StoredPlan::from_json(&plan)?.parsed(&store_dir))
            .await
            .map_err(ApiError::internal)?
    }
}

async fn place(places: &Shares, holders: Holders, of: &str) -> Result<Share, ApiError> {
    places.take(holders, 1).await.map_err(|_| {
        let waiting = format!("too many {of} of this account or address are waiting, try again");
        ApiError::Unavailable(waiting)
    })
}
