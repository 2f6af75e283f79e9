//! Pushes that were begun: found, gone on with, committed or given up.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fh_api::{BatchAnswer, CommitSummary, PartAnswer, PushLimits, PushPlan, PushRequest};
use fh_nix::{NarHash, PathInfo, StoreDir, StorePath, StorePathHash};
use moka::sync::Cache;
use uuid::Uuid;

use super::examine::{Content, Target};
use super::logs::{LOG_SIZE, derivers};
use super::parse::Wanted;
use super::plan::is_looked_for;
use super::stored::StoredPlan;
use crate::access::{Caller, FlakeRef};
use crate::config::Settings;
use crate::database::pushes::{self, Push};
use crate::database::{Database, DatabaseError, Decided, Timestamp, nars, now};
use crate::error::{ApiError, chain};
use crate::even;
use crate::lookup::Lookup;
use crate::receive::{BodyReader, Expected, Receiving};
use crate::shares::{Holders, Share, Shares};
use crate::signatures::Signatures;
use crate::storage::FileStorage;
use crate::telemetry::Metrics;
use crate::tenure::Tenure;

/// Memory for open pushes, in NARs, of some 150 bytes each. What does not fit is read again.
const REMEMBERED_NARS: u64 = 100_000;

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
    database: Database,
    lookup: Lookup,
    receiving: Receiving,
    metrics: Metrics,
    signatures: Signatures,
    store_dir: StoreDir,
    limits: PushLimits,
    upload_lifetime: Duration,
    open: Cache<Uuid, Arc<OpenPush>>,
    planning: Shares,
    ending: Shares,
}

/// A push between its plan and its commit, as uploads need it.
#[derive(Debug)]
pub(crate) struct OpenPush {
    /// Its public id.
    pub(crate) id: Uuid,
    /// The slice that it is for.
    pub(crate) flake_id: i64,
    /// Whose it is.
    pub(crate) account_id: i64,
    expires_at: Timestamp,
    /// Of what state it was decided that logs may come for it, which everybody sees at once; none as long as it
    /// is not committed, and nobody sees what comes.
    pub(crate) logs_decided: Option<Decided>,
    /// What it may send: of each NAR its size, and a path for messages.
    nars: HashMap<NarHash, (u64, StorePath)>,
    /// The derivations whose logs may come.
    derivers: HashMap<StorePathHash, StorePath>,
}

impl OpenPush {
    fn new(id: Uuid, target: &Target, paths: &[PathInfo], expires_at: Timestamp) -> Self {
        Self {
            id,
            derivers: derivers(paths),
            flake_id: target.flake_id,
            account_id: target.account_id,
            expires_at,
            logs_decided: None,
            nars: paths
                .iter()
                .map(|info| (info.nar_hash, (info.nar_size, info.path.clone())))
                .collect(),
        }
    }

    /// A push that is committed, as far as logs may still come for it.
    fn for_logs(id: Uuid, target: &Target, paths: &[PathInfo], expires_at: Timestamp) -> Self {
        Self {
            nars: HashMap::new(),
            logs_decided: Some(target.decided),
            ..Self::new(id, target, paths, expires_at)
        }
    }

    /// The derivation of that hash, if it is the deriver of a path of the push.
    pub(crate) fn deriver(&self, hash: &StorePathHash) -> Option<&StorePath> {
        self.derivers.get(hash)
    }

    /// What a NAR must be, if it is one of the push.
    pub(crate) fn expected(&self, nar_hash: &NarHash) -> Option<Expected> {
        let (nar_size, path) = self.nars.get(nar_hash)?;
        Some(Expected {
            path: path.clone(),
            nar_hash: *nar_hash,
            nar_size: *nar_size,
        })
    }
}

/// What the NAR of a path must be.
pub(super) fn expected(info: &PathInfo) -> Expected {
    Expected {
        path: info.path.clone(),
        nar_hash: info.nar_hash,
        nar_size: info.nar_size,
    }
}

impl Pushes {
    /// With none remembered.
    pub(crate) fn new(
        settings: &Settings,
        storage: FileStorage,
        database: Database,
        lookup: Lookup,
        metrics: Metrics,
        tenure: Tenure,
    ) -> Self {
        let limits = settings.limits;
        let receiving = Receiving::new(
            settings,
            storage,
            database.clone(),
            lookup.clone(),
            metrics.clone(),
            tenure,
        );
        Self {
            shared: Arc::new(Shared {
                database,
                signatures: lookup.signatures().clone(),
                lookup,
                receiving,
                metrics,
                store_dir: settings.store_dir.clone(),
                limits: PushLimits {
                    part_size: limits.part_size,
                    batched_nar_size: limits.batched_nar_size,
                    body_size: limits.body_size,
                    nar_size: limits.nar_size,
                    log_size: LOG_SIZE,
                },
                upload_lifetime: settings.upload_lifetime,
                open: Cache::builder()
                    .max_capacity(REMEMBERED_NARS)
                    .weigher(|_, push: &Arc<OpenPush>| {
                        u32::try_from(push.nars.len() + push.derivers.len())
                            .unwrap_or(u32::MAX)
                            .max(1)
                    })
                    .time_to_idle(settings.upload_lifetime)
                    .build(),
                planning: Shares::of_parts(PLANS, WAITING_PLANS),
                ending: Shares::of_parts(ENDINGS, WAITING_ENDINGS),
            }),
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.shared.database
    }

    pub(super) fn lookup(&self) -> &Lookup {
        &self.shared.lookup
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Waits until there is room for a further plan. Whoever goes away meanwhile leaves nothing to do.
    pub(crate) async fn planning(&self, holders: Holders) -> Result<Share, ApiError> {
        self.shared.planning.take(holders, 1).await.map_err(|_| {
            ApiError::Unavailable(
                "too many plans of this account or address are waiting, try again".to_owned(),
            )
        })
    }

    /// The same for what ends a push, which is done to its end also where nobody waits for it any more: so a caller
    /// has no more of it under way than what is held here.
    pub(crate) async fn ending(&self, holders: Holders) -> Result<Share, ApiError> {
        self.shared.ending.take(holders, 1).await.map_err(|_| {
            ApiError::Unavailable(
                "too many commits of this account or address are waiting, try again".to_owned(),
            )
        })
    }

    pub(super) fn signatures(&self) -> &Signatures {
        &self.shared.signatures
    }

    pub(super) fn store_dir(&self) -> &StoreDir {
        &self.shared.store_dir
    }

    pub(super) fn upload_lifetime(&self) -> Duration {
        self.shared.upload_lifetime
    }

    /// What the server takes.
    pub(crate) fn limits(&self) -> PushLimits {
        self.shared.limits
    }

    /// The intake of NARs.
    pub(crate) fn receiving(&self) -> &Receiving {
        &self.shared.receiving
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
        let plan = self
            .plan_for(self.target(caller, flake)?, actor, request)
            .await;
        drop(place);
        let searched = plan.as_ref().map_or(true, |plan| {
            let mut paths = plan.paths.iter();
            paths.any(|answer| is_looked_for(answer.status))
        });
        if searched {
            even::step(begun_at).await;
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
        let wanted = Arc::new(self.stored_plan(push.plan).await?);
        let signed = Arc::new(self.verified(&target, &wanted).await?);
        let content = Content::of_stored(Arc::unwrap_or_clone(wanted));
        let summary = self
            .commit_paths(target, actor, content, signed, Some(push.id))
            .await?;
        self.shared.open.invalidate(&id);
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
        self.database()
            .write(caller.decided(), move |transaction| {
                pushes::delete(transaction, push.id)
            })
            .await?;
        self.shared.open.invalidate(&id);
        Ok(())
    }

    /// Keeps a push that was just begun in memory.
    pub(super) fn remember(
        &self,
        id: Uuid,
        target: &Target,
        paths: &[PathInfo],
        expires_at: Timestamp,
    ) {
        let push = OpenPush::new(id, target, paths, expires_at);
        self.shared.open.insert(id, Arc::new(push));
    }

    /// The slice of a flake as this caller pushes to it.
    fn target(&self, caller: &Caller, flake: &FlakeRef) -> Result<Target, ApiError> {
        let principal = caller.principal()?;
        Ok(Target {
            flake_id: flake.id,
            flake: flake.name.to_string(),
            account_id: principal.account_id,
            builder: principal.builder && principal.holdings.is_own(flake.organization_id),
            store_dir: self.store_dir().clone(),
            view: caller.view().clone(),
            decided: caller.decided(),
        })
    }

    async fn find(&self, target: &Target, id: Uuid) -> Result<Push, ApiError> {
        let (flake_id, account_id) = (target.flake_id, target.account_id);
        self.database()
            .read(move |connection| pushes::find(connection, id, flake_id, account_id))
            .await?
            .ok_or(ApiError::NotFound)
    }

    /// A push that uploads may still come for. One that is worked on lasts longer.
    async fn find_open(&self, target: &Target, id: Uuid) -> Result<Arc<OpenPush>, ApiError> {
        let lifetime = self.upload_lifetime().as_secs();
        let late = now().plus_seconds(lifetime / 2);
        if let Some(push) = self.shared.open.get(&id) {
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
            let push = OpenPush::for_logs(id, target, &stored.paths, push.expires_at);
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
        self.remember(id, target, &stored.paths, expires_at);
        let push = OpenPush::new(id, target, &stored.paths, expires_at);
        Ok(Arc::new(push))
    }

    /// Lets a push and what was sent for it last longer, from now on: until when the push does.
    async fn extend(&self, target: &Target, row_id: i64) -> Result<Timestamp, DatabaseError> {
        let expires_at = now().plus_seconds(self.upload_lifetime().as_secs());
        let (flake_id, account_id) = (target.flake_id, target.account_id);
        self.database()
            .write(Decided::later(), move |transaction| {
                nars::renew_all_received(transaction, flake_id, account_id)?;
                pushes::extend(transaction, row_id, expires_at)?;
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
        let often = (self.upload_lifetime() / 4).max(LEAST_RENEWAL);
        loop {
            tokio::time::sleep(often).await;
            let renewed = async {
                let push = self.find(target, id).await?;
                self.extend(target, push.id).await?;
                Ok::<_, ApiError>(())
            };
            // Somebody has given it up, or the database is busy: the next time may be better.
            if let Err(error) = renewed.await {
                tracing::debug!(error = %chain(&error), "a push could not be renewed");
            }
        }
    }

    /// A stored plan. It was accepted once, so no limit applies.
    async fn stored_plan(&self, plan: Vec<u8>) -> Result<Wanted, ApiError> {
        let store_dir = self.store_dir().clone();
        tokio::task::spawn_blocking(move || StoredPlan::from_json(&plan)?.wanted(&store_dir))
            .await
            .map_err(ApiError::internal)?
    }
}
