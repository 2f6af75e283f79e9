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

mod backend;
mod batch;
mod blocking;
mod body;
mod frames;
mod log;
mod open_push;
mod parser;
mod partial;
mod publish;
mod record;
mod uploads;
mod verify;
mod waiting_room;

use std::sync::Arc;
use std::time::Duration;

use fh_access::ApiError;
use fh_api::{BatchAnswer, PartAnswer};
use fh_persistence::room::Level;
use fh_settings::Settings;
use fh_shares::{Holders, Share, Shares};

pub(crate) use self::backend::Backend;
pub(crate) use self::body::BodyReader;
pub(crate) use self::frames::{FrameDecoder, FrameFault, Step};
pub(crate) use self::log::LOG_SIZE;
pub(crate) use self::open_push::{OpenPush, derivers};
pub(crate) use self::publish::{Publisher, Turn};
pub(crate) use self::uploads::Uploads;
use self::verify::Verifiers;
pub(crate) use self::verify::{Expected, NarFault, verify};

/// Bodies that are read at the same time. Each holds at most two pieces; more of them wait unread.
const BODIES: u64 = 128;

/// Bodies that may wait unread for one account or address: of each the connection may hold some megabytes.
const WAITING: u64 = BODIES;

/// The intake of NARs; clones share it.
#[derive(Clone)]
pub(crate) struct Receiving {
    backend: Backend,
    verifiers: Verifiers,
    publisher: Publisher,
    uploads: Uploads,
    bodies: Shares,
    batched_nar_size: u64,
    stall: Duration,
}

impl Receiving {
    /// With nothing under way.
    pub(crate) fn new(settings: &Settings, backend: Backend) -> Self {
        let verifiers = Verifiers::new(settings.limits.verifications);
        let publisher = Publisher::new(backend.clone());
        let uploads = Uploads::new(
            backend.clone(),
            verifiers.clone(),
            publisher.clone(),
            settings.limits.part_size,
            settings.timeouts.stall,
        );
        Self {
            backend,
            verifiers,
            publisher,
            uploads,
            bodies: Shares::of_parts(BODIES, WAITING),
            batched_nar_size: settings.limits.batched_nar_size,
            stall: settings.timeouts.stall,
        }
    }

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
        let _counted = self.backend.metrics.upload_started();
        let receiver = batch::Receiver::new(push, self.batched_nar_size, &self.backend, body);
        let received = receiver.receive(body, &self.verifiers, &self.publisher);
        received.await
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
        let key = push.upload_key(expected);
        self.uploads
            .receive_part(key, expected, number, holders, body, async || {
                let place = self.place(holders).await?;
                Ok((place, self.backend.metrics.upload_started()))
            })
            .await
    }

    /// Waits until a body may be read.
    async fn place(&self, holders: Holders) -> Result<Share, ApiError> {
        if self.backend.database.room().level().await != Level::Enough {
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
