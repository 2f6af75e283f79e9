//! The listings of stored NARs: `<path hash>.ls`, made when somebody first asks for one, and then kept.
//!
//! ```text
//! request ─▶ kept? ─▶ yes: served
//!              └────▶ no: stored NAR ─ zstd ─▶ decode, hash ─▶ JSON ─▶ zstd ─▶ kept beside the NAR
//! ```
//!
//! Hardly anybody asks for a listing, and then for those of a few paths. Making them while NARs come in
//! would cost every push a second file for each path, flushed to the disk, to save a reader one
//! decompression. So a push knows nothing of them.
//!
//! Invariants:
//! - a listing is kept only if it was made of all of a NAR whose hash and size were right: what is
//!   damaged gives an error, never half a listing;
//! - a listing depends on the NAR's content alone, so it holds for everybody who may read a path with
//!   that NAR, however the NAR is compressed now or will be;
//! - each is made once at a time, however many ask; few are made at once; none is begun for who went away; memory
//!   does not depend on the NAR;
//! - a kept listing can be removed at any time: it is made again.

mod make;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use fh_access::ApiError;
use fh_api::with_causes;
use fh_nix::NarHash;
use fh_persistence::database::nars::Nar;
use fh_persistence::storage::FileStorage;
use fh_shares::{self as shares, Shares, counted_for};
use parking_lot::Mutex;
use tokio::sync::watch;

use self::make::Fault;
pub(crate) use self::stored::Listing;
use crate::integrity::Integrity;
use crate::telemetry::Metrics;

/// The listings; clones share them.
#[derive(Clone)]
pub(crate) struct Listings {
    shared: Arc<Shared>,
}

struct Shared {
    storage: FileStorage,
    metrics: Metrics,
    integrity: Integrity,
    places: Shares,
    /// Those that are being made, and how it went.
    making: Mutex<HashMap<NarHash, watch::Receiver<Option<Outcome>>>>,
}

/// How the making of a listing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Kept,
    /// There is no such NAR, or not all of it.
    NoNar,
    /// There is no room to make it in.
    NoRoom,
    /// The reason is in the log.
    Failed,
}

impl Outcome {
    /// What a failure comes to.
    fn of(fault: &Fault) -> Self {
        match fault {
            Fault::NoNar => Self::NoNar,
            fault if fault.is_full() => Self::NoRoom,
            _ => Self::Failed,
        }
    }
}

impl Listings {
    /// With so many made at a time.
    pub(crate) fn new(
        storage: FileStorage,
        metrics: Metrics,
        integrity: Integrity,
        places: usize,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                storage,
                metrics,
                integrity,
                places: Shares::of_turns(places.max(1) as u64),
                making: Mutex::default(),
            }),
        }
    }

    /// The listing of a NAR that the caller may read; `None` where the NAR is not there.
    ///
    /// # Errors
    /// Where the NAR is damaged, or this machine fails.
    pub(crate) async fn of(&self, nar: Nar) -> Result<Option<Listing>, ApiError> {
        if let Some(listing) = self.kept(nar.nar_hash).await? {
            return Ok(Some(listing));
        }
        match self.made(nar).await? {
            Outcome::Kept => self.kept(nar.nar_hash).await,
            Outcome::NoNar => Ok(None),
            Outcome::NoRoom => Err(ApiError::NoRoom),
            Outcome::Failed => Err(ApiError::internal("a listing could not be created")),
        }
    }

    async fn kept(&self, nar_hash: NarHash) -> Result<Option<Listing>, ApiError> {
        let storage = self.shared.storage.clone();
        tokio::task::spawn_blocking(move || make::open(&storage, &nar_hash))
            .await
            .map_err(ApiError::internal)?
            .map_err(ApiError::from)
    }

    /// Waits until the listing was made, by whoever asked first.
    async fn made(&self, nar: Nar) -> Result<Outcome, ApiError> {
        let mut outcome = {
            let mut making = self.shared.making.lock();
            match making.get(&nar.nar_hash) {
                Some(outcome) => outcome.clone(),
                None => {
                    let (done, outcome) = watch::channel(None);
                    making.insert(nar.nar_hash, outcome.clone());
                    // Once begun it is made to its end, even if nobody waits for it any more.
                    let making = make_one(Arc::clone(&self.shared), nar, done);
                    tokio::spawn(counted_for(shares::current(), making));
                    outcome
                }
            }
        };
        let ended = outcome.wait_for(Option::is_some).await;
        Ok(ended
            .map_err(ApiError::internal)?
            .unwrap_or(Outcome::Failed))
    }
}

async fn make_one(shared: Arc<Shared>, nar: Nar, done: watch::Sender<Option<Outcome>>) {
    let outcome = {
        let _place = shared.places.take(shares::current(), 1).await;
        {
            let mut making = shared.making.lock();
            // The map has one receiver itself, and gives it to others under this lock alone.
            if done.receiver_count() <= 1 {
                making.remove(&nar.nar_hash);
                return;
            }
        }
        let storage = shared.storage.clone();
        let made = tokio::task::spawn_blocking(move || {
            // Whoever made it may have ended between our looking for it and our entry in the map.
            if make::open(&storage, &nar.nar_hash)?.is_some() {
                return Ok(false);
            }
            make::make(&storage, &nar).map(|()| true)
        });
        let made = made.await;
        match made.map_err(|error| Fault::Broke(error.into())).flatten() {
            Ok(is_new) => {
                if is_new {
                    shared.metrics.listing_made();
                }
                Outcome::Kept
            }
            Err(Fault::NoNar) => {
                shared.integrity.suspect(nar).await;
                Outcome::NoNar
            }
            Err(fault) => {
                tracing::error!(
                    nar_hash = %nar.nar_hash.to_base32(),
                    error = %with_causes(&fault),
                    "the listing of a NAR cannot be created"
                );
                if fault.is_of_the_nar() {
                    shared.integrity.suspect(nar).await;
                }
                Outcome::of(&fault)
            }
        }
    };
    // First forgotten, so that whoever comes now finds it kept, or tries again.
    shared.making.lock().remove(&nar.nar_hash);
    let _ = done.send(Some(outcome));
}
