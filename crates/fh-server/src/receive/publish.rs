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
//! - what fails is told to those alone whose NAR it is: where one transaction for all fails, each NAR gets its own;
//! - what has become an object and surely gets no row does not stay one: the parts of a large NAR go back to where
//!   they lay, so that only the last of them has to be sent again;
//! - the collection removes objects only while it holds the [turn](Publisher::turn);
//! - nobody who holds the turn frees the room of files.
//!
//! A NAR that is stored already is received in full all the same, since whoever sends it may not be
//! told that it is; then the copy is dropped. The answer is the same. It comes sooner by one rename
//! and one flush of a directory, within what a disk varies by itself: the content was flushed (large
//! ones) or shares the flush of its batch (small ones) before.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use fh_access::ApiError;
use fh_api::with_causes;
use fh_nix::NarHash;
use fh_persistence::database::nars::{self, Nar, Stored};
use fh_persistence::database::{DatabaseError, Decided};
use fh_persistence::storage::{
    Checksum, FileStorage, PlacedFile, StagedFile, StorageError, UploadKey,
};
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::backend::Backend;

/// How long is waited before rows are written again that could not be written: what passes by mostly does so in
/// this time, and pushes wait for a place no longer than they would for a slow disk.
const RETRIES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// A NAR that was verified and is to be an object.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Who has sent it to which slice.
    pub(crate) key: UploadKey,
    /// Of its compressed bytes.
    pub(crate) checksum: Checksum,
    pub(crate) file: StagedFile,
}

/// Makes objects; clones share the work.
#[derive(Clone)]
pub(crate) struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Backend,
    waiting: Mutex<Vec<Waiting>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Waiting {
    arrivals: Vec<Arrival>,
    done: oneshot::Sender<Vec<Published>>,
}

/// While it lives, nobody else makes or removes objects.
#[must_use]
pub(crate) struct Turn {
    _others: Option<File>,
    _turn: OwnedMutexGuard<()>,
}

/// What became of an arrival. An error is one of this machine, and passes by.
pub(crate) type Published = Result<(), ApiError>;

impl Publisher {
    /// With nothing to do.
    pub(crate) fn new(backend: Backend) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                waiting: Mutex::default(),
                turn: Arc::default(),
            }),
        }
    }

    /// Makes objects of these files, records who sent them, and returns when both are on disk: for each, in their
    /// order, what became of it.
    ///
    /// It is finished even if nobody waits for it any more.
    pub(crate) async fn publish(&self, arrivals: Vec<Arrival>) -> Result<Vec<Published>, ApiError> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let (done, answer) = oneshot::channel();
        self.shared.waiting.lock().push(Waiting { arrivals, done });
        let publisher = self.clone();
        self.shared.backend.tenure.spawn(async move {
            let turn = publisher.turn().await;
            // Whoever had the turn before may have taken ours along: then this is nothing.
            let group = std::mem::take(&mut *publisher.shared.waiting.lock());
            match turn {
                Ok(turn) => publisher.publish_group(group, turn).await,
                // Nobody is told anything by name: all who wait see that nothing answers.
                Err(error) => tracing::error!(error = %with_causes(&error), "cannot place NARs"),
            }
        });
        answer.await.map_err(ApiError::internal)
    }

    /// Waits until nothing is being published, and holds off what comes next, also in another process.
    ///
    /// # Errors
    /// Where the lock that holds other processes off cannot be had.
    pub(crate) async fn turn(&self) -> Result<Turn, ApiError> {
        let turn = Arc::clone(&self.shared.turn).lock_owned().await;
        let mut others = None;
        if self.shared.backend.tenure.is_shared() {
            let storage = self.shared.backend.storage.clone();
            let held = tokio::task::spawn_blocking(move || storage.hold_others_off()).await;
            others = Some(held.map_err(ApiError::internal)??);
        }
        Ok(Turn {
            _others: others,
            _turn: turn,
        })
    }

    async fn publish_group(&self, group: Vec<Waiting>, turn: Turn) {
        if group.is_empty() {
            return;
        }
        let mut arrivals = Vec::new();
        let mut answers = Vec::new();
        for waiting in group {
            answers.push((waiting.arrivals.len(), waiting.done));
            arrivals.extend(waiting.arrivals);
        }
        let senders: Vec<UploadKey> = arrivals.iter().map(|arrival| arrival.key).collect();
        let (failed, spare) = match self.place(arrivals).await {
            Ok(Placed {
                objects,
                failed,
                spare,
            }) => {
                let mut failed = failed;
                failed.extend(self.record(objects, &senders, &failed).await);
                (failed, spare)
            }
            Err(error) => {
                tracing::error!(error = %with_causes(&error), "received NARs could not be stored");
                let failure = Failure::of_database(&error);
                let all = senders.iter().map(|sender| (sender.nar_hash, failure));
                (all.collect(), Vec::new())
            }
        };
        drop(turn);
        // Of a NAR that failed, what was received in parts stays, to be gone on with.
        let spare = spare.into_iter();
        let spare = spare.filter(|(nar_hash, _)| !failed.contains_key(nar_hash));
        let spare: Vec<StagedFile> = spare.map(|(_, file)| file).collect();
        if !spare.is_empty() {
            let _ = tokio::task::spawn_blocking(move || discard(spare)).await;
        }
        let mut senders = senders.into_iter();
        for (count, answer) in answers {
            let published =
                senders
                    .by_ref()
                    .take(count)
                    .map(|sender| match failed.get(&sender.nar_hash) {
                        None => Ok(()),
                        Some(failure) => Err(failure.told()),
                    });
            // Nobody waits where the request was given up.
            let _ = answer.send(published.collect());
        }
    }

    /// Places what is not stored yet.
    async fn place(&self, arrivals: Vec<Arrival>) -> Result<Placed, DatabaseError> {
        let hashes: Vec<NarHash> = arrivals
            .iter()
            .map(|arrival| arrival.key.nar_hash)
            .collect();
        let stored = self
            .shared
            .backend
            .database
            .read(move |read| nars::stored(read, &hashes))
            .await?;
        let storage = self.shared.backend.storage.clone();
        tokio::task::spawn_blocking(move || place(&storage, arrivals, &stored))
            .await
            .map_err(|_| DatabaseError::Task)
    }

    /// Writes the rows of what was placed and of all who have sent something that is stored: which NARs it failed
    /// for.
    async fn record(
        &self,
        objects: Vec<NewObject>,
        senders: &[UploadKey],
        failed: &HashMap<NarHash, Failure>,
    ) -> HashMap<NarHash, Failure> {
        let rows = Rows {
            objects: objects.iter().map(|object| object.stored).collect(),
            senders: senders
                .iter()
                .filter(|sender| !failed.contains_key(&sender.nar_hash))
                .copied()
                .collect(),
        };
        let failures = self.write_somehow(rows).await;
        let mut lost = Vec::new();
        for object in objects {
            let nar_hash = object.stored.nar_hash;
            match failures.get(&nar_hash) {
                Some(failure) => {
                    // A row that may be there after all must not lose its file.
                    if failure.is_certain {
                        lost.push(object.file);
                    }
                }
                None => self.is_stored(&object),
            }
        }
        if !lost.is_empty() {
            let _ = tokio::task::spawn_blocking(move || take_back(lost)).await;
        }
        failures
    }

    /// Writes rows in one transaction, again where that fails, and then those of each NAR for itself: which NARs it
    /// failed for.
    async fn write_somehow(&self, rows: Rows) -> HashMap<NarHash, Failure> {
        let mut is_certain = true;
        let mut waits = RETRIES.into_iter();
        let error = loop {
            let Err(error) = self.write(&rows).await else {
                return HashMap::new();
            };
            is_certain &= !error.may_have_committed();
            match waits.next() {
                Some(wait) if !error.is_full() => {
                    tracing::warn!(error = %with_causes(&error), "the rows of received NARs are written again");
                    tokio::time::sleep(wait).await;
                }
                _ => break error,
            }
        };
        tracing::error!(error = %with_causes(&error), "the rows of received NARs could not be written");
        let concerns_all = error.is_full() || error.is_busy();
        let mut failures = HashMap::new();
        for (nar_hash, rows) in rows.by_nar() {
            let failure = if concerns_all {
                Failure::of_database(&error)
            } else {
                let Err(error) = self.write(&rows).await else {
                    continue;
                };
                let name = nar_hash.to_base32();
                tracing::error!(nar_hash = name, error = %with_causes(&error), "a NAR could not be stored");
                Failure::of_database(&error)
            };
            let is_certain = is_certain && failure.is_certain;
            failures.insert(
                nar_hash,
                Failure {
                    is_certain,
                    ..failure
                },
            );
        }
        failures
    }

    async fn write(&self, rows: &Rows) -> Result<(), DatabaseError> {
        let Rows { objects, senders } = rows.clone();
        if objects.is_empty() && senders.is_empty() {
            return Ok(());
        }
        self.shared
            .backend
            .database
            .write(Decided::later(), move |tx| {
                for stored in &objects {
                    nars::record(tx, stored)?;
                }
                for sender in &senders {
                    let (flake_id, account_id) = (sender.flake_id, sender.account_id);
                    nars::record_received(tx, flake_id, account_id, &sender.nar_hash)?;
                }
                Ok::<_, DatabaseError>(())
            })
            .await
    }

    /// Tells of an object that has its row.
    fn is_stored(&self, object: &NewObject) {
        let Stored {
            nar_hash,
            nar_size,
            file_size,
            ..
        } = object.stored;
        self.shared.backend.metrics.nar_stored(nar_size, file_size);
        if object.replaced {
            tracing::warn!(
                nar_hash = %nar_hash.to_base32(),
                "a damaged NAR was sent again, and is whole"
            );
            self.shared.backend.metrics.nar_healed();
            self.shared.backend.lookup.forget_object(&nar_hash);
        }
    }
}

/// Why a NAR is not stored.
#[derive(Debug, Clone, Copy)]
struct Failure {
    /// There is no room.
    full: bool,
    /// No row of it was written. Else that is not known before the database was opened again.
    is_certain: bool,
}

impl Failure {
    fn of_storage(error: &StorageError) -> Self {
        Self {
            full: error.is_full(),
            is_certain: true,
        }
    }

    fn of_database(error: &DatabaseError) -> Self {
        Self {
            full: error.is_full(),
            is_certain: !error.may_have_committed(),
        }
    }

    /// To the one who sent the NAR; the log has the cause.
    fn told(self) -> ApiError {
        if self.full {
            return ApiError::NoRoom;
        }
        let sentence = "a NAR that was received could not be stored, try again";
        ApiError::Unavailable(sentence.to_owned())
    }
}

/// What is to be recorded in one transaction.
#[derive(Debug, Clone, Default)]
struct Rows {
    objects: Vec<Stored>,
    senders: Vec<UploadKey>,
}

impl Rows {
    fn by_nar(self) -> HashMap<NarHash, Self> {
        let mut all: HashMap<NarHash, Self> = HashMap::new();
        for stored in self.objects {
            all.entry(stored.nar_hash).or_default().objects.push(stored);
        }
        for sender in self.senders {
            all.entry(sender.nar_hash).or_default().senders.push(sender);
        }
        all
    }
}

/// An object that is on disk and has no row yet.
struct NewObject {
    stored: Stored,
    file: PlacedFile,
    /// There was a row, of an object that was no good.
    replaced: bool,
}

/// What became of files.
struct Placed {
    objects: Vec<NewObject>,
    /// NARs that could not be placed.
    failed: HashMap<NarHash, Failure>,
    /// Copies that nobody needs once the others have their rows.
    spare: Vec<(NarHash, StagedFile)>,
}

/// Places what is not stored yet, each NAR once.
fn place(storage: &FileStorage, arrivals: Vec<Arrival>, stored: &HashMap<NarHash, Nar>) -> Placed {
    let is_sound = |nar_hash: &NarHash| match stored.get(nar_hash) {
        Some(nar) if !nar.damaged => {
            // What cannot be looked at is placed anew.
            let found = storage.object_size(nar_hash).ok().flatten();
            found == Some(nar.file_size)
        }
        _ => false,
    };
    let mut placed = Placed {
        objects: Vec::new(),
        failed: HashMap::new(),
        spare: Vec::new(),
    };
    let mut rows: Vec<Stored> = Vec::new();
    let mut files = Vec::new();
    let mut seen = HashSet::new();
    for Arrival {
        key,
        checksum,
        file,
    } in arrivals
    {
        let nar_hash = key.nar_hash;
        if is_sound(&nar_hash) || !seen.insert(nar_hash) {
            placed.spare.push((nar_hash, file));
            continue;
        }
        rows.push(Stored {
            nar_hash,
            nar_size: key.nar_size,
            file_size: file.length(),
            checksum,
        });
        files.push((nar_hash, file));
    }
    for (row, (nar_hash, result)) in rows.into_iter().zip(storage.place(files)) {
        match result {
            Ok(file) => placed.objects.push(NewObject {
                stored: row,
                file,
                replaced: stored.contains_key(&nar_hash),
            }),
            Err(error) => {
                let name = nar_hash.to_base32();
                tracing::error!(
                    nar_hash = name,
                    error = %with_causes(&error),
                    "a received NAR could not be stored"
                );
                placed.failed.insert(nar_hash, Failure::of_storage(&error));
            }
        }
    }
    placed
}

fn discard(files: Vec<StagedFile>) {
    for file in files {
        if let Err(error) = file.discard() {
            tracing::warn!(error = %with_causes(&error), "a copy of a stored NAR stays behind");
        }
    }
}

fn take_back(files: Vec<PlacedFile>) {
    for file in files {
        if let Err(error) = file.take_back() {
            tracing::warn!(error = %with_causes(&error), "a file without a row stays behind");
        }
    }
}

#[cfg(test)]
mod tests;
