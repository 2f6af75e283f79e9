//! Receiving NARs: from bytes of somebody to verified objects.
//!
//! ```text
//! batch  body ─ pieces ─▶ BatchParser ─ records ─▶ verify ─▶ StagedFile ┐
//!                                                                       ├▶ Publisher ─▶ object + rows
//! part   body ─ pieces ─▶ PartialFile ─ whole part ─▶ verify ─▶ … last ─┘
//! ```
//!
//! A body is taken from the network piece by piece on the async side. What costs processor time or
//! touches a file happens in short steps on blocking threads, each with bytes that are there already:
//! no thread ever waits for a network, and a slow client holds one piece of memory and nothing else.
//!
//! Invariants:
//! - nothing becomes an object before its NAR hash, size and structure are those announced;
//! - what one upload holds in memory is bounded ([`body::PIECE`] and one small record), the working
//!   memory of decompression is bounded by the number of verifications at a time
//!   ([`Verifiers`]), and neither depends on a number that a client wrote;
//! - a request that is given up, at whatever point, leaves the staging area as if it had not been
//!   made, or as if it had been finished.

mod batch;
mod blocking;
mod body;
mod early;
mod frames;
mod log;
mod open_push;
mod parser;
mod partial;
mod publish;
mod uploads;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use fh_access::ApiError;
use fh_api::{BatchAnswer, PartAnswer};
use fh_persistence::database::Database;
use fh_persistence::room::Level;
use fh_persistence::storage::{FileStorage, PartialKey};
use fh_persistence::tenure::Tenure;
use fh_settings::Settings;
use fh_shares::{Holders, Share, Shares};

pub(crate) use self::body::BodyReader;
pub(crate) use self::frames::{FrameDecoder, FrameFault, Step};
pub(crate) use self::log::LOG_SIZE;
pub(crate) use self::open_push::{OpenPush, derivers};
pub(crate) use self::publish::{Publisher, Turn};
pub(crate) use self::uploads::Uploads;
use self::verify::Verifiers;
pub(crate) use self::verify::{Expected, NarFault, verify};
use crate::lookup::Lookup;
use crate::telemetry::Metrics;

/// Bodies that are read at the same time. Each holds at most two pieces; more of them wait unread.
const BODIES: u64 = 128;

/// Bodies that may wait unread for one account or address: of each the connection may hold some megabytes.
const WAITING: u64 = BODIES;

/// The intake of NARs; clones share it.
#[derive(Clone)]
pub(crate) struct Receiving {
    storage: FileStorage,
    database: Database,
    verifiers: Verifiers,
    publisher: Publisher,
    uploads: Uploads,
    bodies: Shares,
    metrics: Metrics,
    batched_nar_size: u64,
    stall: Duration,
}

impl Receiving {
    /// With nothing under way.
    pub(crate) fn new(
        settings: &Settings,
        storage: FileStorage,
        database: Database,
        lookup: Lookup,
        metrics: Metrics,
        tenure: Tenure,
    ) -> Self {
        let verifiers = Verifiers::new(settings.limits.verifications);
        let publisher = Publisher::new(
            storage.clone(),
            database.clone(),
            lookup,
            metrics.clone(),
            tenure,
        );
        let uploads = Uploads::new(
            storage.clone(),
            database.clone(),
            verifiers.clone(),
            publisher.clone(),
            metrics.clone(),
            settings.limits.part_size,
            settings.timeouts.stall,
        );
        Self {
            storage,
            database,
            verifiers,
            publisher,
            uploads,
            bodies: Shares::of_parts(BODIES, WAITING),
            metrics,
            batched_nar_size: settings.limits.batched_nar_size,
            stall: settings.timeouts.stall,
        }
    }

    /// What makes objects.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// A turn at the processors, for verifying signatures: it counts as the verification of a NAR does.
    pub(crate) async fn processor(&self) -> Result<Share, ApiError> {
        self.verifiers.place().await
    }

    /// The uploads in parts.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Receives a batch for a push, publishes what is good of it, and tells what became of each
    /// record.
    ///
    /// # Errors
    /// Where the body is no batch, breaks off, is too large, or this machine fails. What was whole
    /// and good before that is published nevertheless.
    pub(crate) async fn batch(
        &self,
        push: Arc<OpenPush>,
        holders: Holders,
        body: &mut BodyReader,
    ) -> Result<BatchAnswer, ApiError> {
        let _place = self.place(holders).await?;
        let _counted = self.metrics.upload_started();
        let receiver = batch::Receiver::new(
            push,
            self.batched_nar_size,
            &self.storage,
            &self.metrics,
            body,
        );
        receiver
            .receive(body, &self.verifiers, &self.publisher, &self.database)
            .await
    }

    /// Receives part `number` of a NAR of a push.
    ///
    /// # Errors
    /// See [`Uploads::receive_part`].
    pub(crate) async fn part(
        &self,
        push: &OpenPush,
        expected: &Expected,
        number: u64,
        holders: Holders,
        body: &mut BodyReader,
    ) -> Result<PartAnswer, ApiError> {
        let key = PartialKey {
            flake_id: push.flake_id,
            account_id: push.account_id,
            nar_hash: expected.nar_hash,
            nar_size: expected.nar_size,
        };
        self.uploads
            .receive_part(key, expected, number, holders, body, async || {
                Ok((self.place(holders).await?, self.metrics.upload_started()))
            })
            .await
    }

    /// Waits until a body may be read.
    async fn place(&self, holders: Holders) -> Result<Share, ApiError> {
        if self.database.room().level().await != Level::Enough {
            return Err(ApiError::NoRoom);
        }
        let place = tokio::time::timeout(self.stall, self.bodies.take(holders, 1)).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            ApiError::Unavailable(
                "too many uploads of this account or address are under way, try again".to_owned(),
            )
        })
    }
}
