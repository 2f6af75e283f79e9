//! From verified files to objects with rows.
//!
//! Everything that becomes an object goes through one [`Publisher`], one group after the other. What
//! arrives while a group is being written forms the next one, so that many uploads at once share one
//! flush of the disk and one transaction.
//!
//! ```text
//! verified files ─▶ rename ─▶ flush ─▶ transaction: nar, received_nar ─▶ answer
//! ```
//!
//! Invariants:
//! - a row is written when its object is on disk for good, never before;
//! - an object that has a row is not replaced, unless it is damaged, is not there any more or has
//!   another size;
//! - the collection removes objects only while it holds the [turn](Publisher::turn).
//!
//! A NAR that is stored already is received in full all the same, since whoever sends it may not be
//! told that it is; then the copy is dropped. The answer is the same. It comes sooner by one rename
//! and one flush of a directory, within what a disk varies by itself: the content was flushed (large
//! ones) or shares the flush of its batch (small ones) before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fh_nix::NarHash;
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::database::nars::{self, Nar, Stored};
use crate::database::{Database, DatabaseError, Decided};
use crate::error::{ApiError, chain};
use crate::lookup::Lookup;
use crate::storage::{Checksum, FileStorage, StagedFile, StorageError};
use crate::telemetry::Metrics;

/// A verified NAR, and who has sent it to which slice.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// To which slice.
    pub(crate) flake_id: i64,
    /// Who.
    pub(crate) account_id: i64,
    /// The NAR.
    pub(crate) nar_hash: NarHash,
    /// Bytes, uncompressed.
    pub(crate) nar_size: u64,
    /// Of its compressed bytes.
    pub(crate) checksum: Checksum,
    /// Its compressed bytes.
    pub(crate) file: StagedFile,
}

/// Makes objects; clones share the work.
#[derive(Clone)]
pub(crate) struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    storage: FileStorage,
    database: Database,
    lookup: Lookup,
    metrics: Metrics,
    waiting: Mutex<Vec<Waiting>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Waiting {
    arrivals: Vec<Arrival>,
    done: oneshot::Sender<Result<(), ApiError>>,
}

impl Publisher {
    /// With nothing to do.
    pub(crate) fn new(
        storage: FileStorage,
        database: Database,
        lookup: Lookup,
        metrics: Metrics,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                storage,
                database,
                lookup,
                metrics,
                waiting: Mutex::default(),
                turn: Arc::default(),
            }),
        }
    }

    /// Makes objects of these files, records who sent them, and returns when both are on disk.
    ///
    /// It is finished even if nobody waits for it any more.
    pub(crate) async fn publish(&self, arrivals: Vec<Arrival>) -> Result<(), ApiError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        self.shared.waiting().push(Waiting { arrivals, done });
        let publisher = self.clone();
        tokio::spawn(async move {
            let _turn = publisher.turn().await;
            // Whoever had the turn before may have taken ours along: then this is nothing.
            let group = std::mem::take(&mut *publisher.shared.waiting());
            publisher.publish_group(group).await;
        });
        answer.await.map_err(ApiError::internal)?
    }

    /// Waits until nothing is being published, and holds off what comes next.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.turn).lock_owned().await
    }

    async fn publish_group(&self, group: Vec<Waiting>) {
        if group.is_empty() {
            return;
        }
        let mut arrivals = Vec::new();
        let mut answers = Vec::new();
        for waiting in group {
            arrivals.extend(waiting.arrivals);
            answers.push(waiting.done);
        }
        let result = self.publish_arrivals(arrivals).await;
        if let Err(error) = &result {
            tracing::error!(error = %chain(error), "received NARs could not be stored");
        }
        for answer in answers {
            // Nobody waits where the request was given up.
            let _ = answer.send(result.as_ref().copied().map_err(share));
        }
    }

    async fn publish_arrivals(&self, arrivals: Vec<Arrival>) -> Result<(), ApiError> {
        let hashes: Vec<NarHash> = arrivals.iter().map(|arrival| arrival.nar_hash).collect();
        let stored = self
            .shared
            .database
            .read(move |connection| nars::stored(connection, &hashes))
            .await?;
        let storage = self.shared.storage.clone();
        let placed = tokio::task::spawn_blocking(move || place(&storage, arrivals, &stored))
            .await
            .map_err(ApiError::internal)??;
        let Placed {
            objects,
            replaced,
            senders,
        } = placed;
        for stored in &objects {
            self.shared
                .metrics
                .nar_stored(stored.nar_size, stored.file_size);
        }
        self.shared
            .database
            .write(Decided::later(), move |transaction| {
                for stored in &objects {
                    nars::record(transaction, stored)?;
                }
                for (flake_id, account_id, nar_hash) in senders {
                    nars::record_received(transaction, flake_id, account_id, &nar_hash)?;
                }
                Ok::<_, DatabaseError>(())
            })
            .await?;
        for nar_hash in &replaced {
            tracing::warn!(
                nar_hash = %nar_hash.to_base32(),
                "a damaged NAR was sent again, and is whole"
            );
            self.shared.metrics.nar_healed();
            self.shared.lookup.forget_object(nar_hash);
        }
        Ok(())
    }
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is on disk and is to be recorded.
struct Placed {
    /// New objects.
    objects: Vec<Stored>,
    /// Those of them that had a row.
    replaced: Vec<NarHash>,
    /// Flake, account, NAR.
    senders: Vec<(i64, i64, NarHash)>,
}

/// Places what is not stored yet, each NAR once, and drops the rest.
fn place(
    storage: &FileStorage,
    arrivals: Vec<Arrival>,
    stored: &HashMap<NarHash, Nar>,
) -> Result<Placed, StorageError> {
    let mut placed = Placed {
        objects: Vec::new(),
        replaced: Vec::new(),
        senders: Vec::with_capacity(arrivals.len()),
    };
    let mut files: HashMap<NarHash, StagedFile> = HashMap::new();
    for arrival in arrivals {
        let nar_hash = arrival.nar_hash;
        placed
            .senders
            .push((arrival.flake_id, arrival.account_id, nar_hash));
        let row = stored.get(&nar_hash);
        let sound = match row {
            Some(nar) if nar.damaged => false,
            Some(nar) => storage.object_size(&nar_hash)? == Some(nar.file_size),
            None => false,
        };
        if sound || files.contains_key(&nar_hash) {
            arrival.file.discard()?;
            continue;
        }
        if row.is_some() {
            placed.replaced.push(nar_hash);
        }
        placed.objects.push(Stored {
            nar_hash,
            nar_size: arrival.nar_size,
            file_size: arrival.file.length(),
            checksum: arrival.checksum,
        });
        files.insert(nar_hash, arrival.file);
    }
    storage.place(files)?;
    Ok(placed)
}

/// The same failure for another one who waits. The log has the cause already.
fn share(error: &ApiError) -> ApiError {
    match error {
        ApiError::Unavailable(sentence) => ApiError::Unavailable(sentence.clone()),
        _ => ApiError::internal("received NARs could not be stored"),
    }
}
