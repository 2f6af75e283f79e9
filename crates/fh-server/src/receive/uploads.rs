//! Uploads in parts, and whose turn it is.
//!
//! An upload belongs to one account, one slice and one NAR. Its parts are taken one after the other:
//! whoever brings a part that is early waits, unread, until its predecessors have come, so that a
//! client may have several under way and the server mostly needs no room for what is not in order. Two
//! pushes of the same NAR by the same account are one upload: a part that the one has brought, the
//! other is told of without its being taken twice.

mod upload;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fh_access::ApiError;
use fh_api::{PartAnswer, with_causes};
use fh_persistence::database::nars;
use fh_persistence::storage::{OpenPartial, StagedFile, StorageError, UploadKey};
use fh_shares::Holders;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};

use self::upload::{Progress, State, Upload};
use super::backend::Backend;
use super::blocking::blocking;
use super::body::BodyReader;
use super::frames::largest_for;
use super::partial::{PartFault, PartialNar, content_of};
use super::publish::{Arrival, Publisher};
use super::verify::{Expected, Verifiers};
use super::waiting_room::WaitingRoom;

/// How often is looked whether another process has received parts.
const LOOK: Duration = Duration::from_millis(500);

/// All uploads in parts; clones share them.
#[derive(Clone)]
pub(crate) struct Uploads {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Backend,
    verifiers: Verifiers,
    publisher: Publisher,
    part_size: u64,
    /// How long parts wait for an upload in which nothing happens. Somewhat longer than a body may
    /// stall, so that the one who is given up is the one who stalls.
    patience: Duration,
    waiting: WaitingRoom,
    uploads: Mutex<HashMap<UploadKey, Arc<Upload>>>,
    /// Uploads whose files are being removed: nobody looks for one of these before that is done. Nobody is in
    /// [`Self::uploads`] when they come in here.
    removing: watch::Sender<HashSet<UploadKey>>,
}

/// What waiting for one's turn comes to.
enum Turn {
    /// The part is the next one.
    Mine(OwnedMutexGuard<State>),
    /// The part was received before.
    Past(Progress),
}

impl Uploads {
    /// None yet; what is in the staging area is found when it is asked for.
    pub(super) fn new(
        backend: Backend,
        verifiers: Verifiers,
        publisher: Publisher,
        part_size: u64,
        stall: Duration,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                patience: stall + stall / 10,
                waiting: WaitingRoom::new(backend.storage.clone(), stall / 60),
                backend,
                verifiers,
                publisher,
                part_size,
                uploads: Mutex::default(),
                removing: watch::Sender::default(),
            }),
        }
    }

    /// How many parts of a NAR are here already.
    pub(crate) async fn parts_received(
        &self,
        key: UploadKey,
        expected: &Expected,
    ) -> Result<u64, ApiError> {
        let known = self.shared.uploads.lock().contains_key(&key);
        let partial = self.shared.backend.storage.partial(&key);
        if !known && blocking(move || partial.length()).await? == 0 {
            return Ok(0);
        }
        let upload = self.upload(key, expected);
        let progress = *upload.progress.borrow();
        if progress.known {
            return Ok(progress.parts);
        }
        let mut state = Arc::clone(&upload.state).lock_owned().await;
        self.read(&upload, &mut state).await?;
        let progress = *upload.progress.borrow();
        Ok(progress.parts)
    }

    /// Receives part `number` of a NAR, once its predecessors have come. `place` is waited for
    /// before the body is read, and only then: who waits for a turn takes up none.
    ///
    /// # Errors
    /// Where the part is not what it must be or breaks off, where the whole turns out to be another
    /// NAR, where the predecessors do not come, and where this machine fails.
    pub(crate) async fn receive_part<P>(
        &self,
        key: UploadKey,
        expected: &Expected,
        number: u64,
        holders: Holders,
        body: &mut BodyReader,
        place: impl AsyncFnOnce() -> Result<P, ApiError>,
    ) -> Result<PartAnswer, ApiError> {
        let count = fh_api::part_count(expected.nar_size, self.shared.part_size);
        if number >= count {
            return Err(ApiError::BadRequest(format!(
                "the NAR of {} has {count} parts, so there is no part {number}",
                expected.path
            )));
        }
        let content = content_of(number, expected.nar_size, self.shared.part_size);
        let most = largest_for(content);
        body.bound(
            most,
            format!(
                "part {number} of the NAR of {} was refused: it has more than {most} bytes, and this part must have \
                 {content} when it is decompressed",
                expected.path
            ),
        );
        let upload = self.upload(key, expected);
        let turn = self.turn(&upload, number);
        let (turn, early) = self.shared.waiting.wait(turn, holders, body).await?;
        match turn {
            Turn::Past(progress) => Ok(PartAnswer {
                parts_received: if progress.complete {
                    count
                } else {
                    progress.parts
                },
                complete: progress.complete,
            }),
            Turn::Mine(mut state) => {
                let waiting_for_place = upload.step();
                let _place = place().await?;
                drop(waiting_for_place);
                let result = self.receive(&upload, &mut state, number, early, body).await;
                if state.partial.is_none() {
                    // Something failed half-way: the next one has to read the file again.
                    upload
                        .progress
                        .send_modify(|progress| progress.known = progress.complete);
                }
                result
            }
        }
    }

    /// Forgets uploads that nobody has worked on for so long. Their files stay.
    pub(crate) fn forget_idle(&self, age: Duration) {
        self.shared.uploads.lock().retain(|_, upload| {
            Arc::strong_count(upload) > 1 || upload.active_at().elapsed() < age
        });
    }

    /// Removes the parts of an upload that nobody works on: whether that is so.
    ///
    /// Blocks as long as the file system needs to free the room, and nobody else does meanwhile: who wants to go on
    /// with that very upload waits for it without a thread.
    pub(crate) fn discard(&self, key: &UploadKey) -> Result<bool, StorageError> {
        self.discard_by(key, || self.shared.backend.storage.partial(key).remove())
    }

    /// The same, removed by `remove`, which nobody else waits for.
    fn discard_by(
        &self,
        key: &UploadKey,
        remove: impl FnOnce() -> Result<(), StorageError>,
    ) -> Result<bool, StorageError> {
        {
            let uploads = self.shared.uploads.lock();
            if uploads.contains_key(key) {
                return Ok(false);
            }
            self.shared.removing.send_modify(|removing| {
                removing.insert(*key);
            });
        }
        let removed = remove();
        self.shared.removing.send_modify(|removing| {
            removing.remove(key);
        });
        removed.map(|()| true)
    }

    fn upload(&self, key: UploadKey, expected: &Expected) -> Arc<Upload> {
        let mut uploads = self.shared.uploads.lock();
        let upload = uploads
            .entry(key)
            .or_insert_with(|| Arc::new(Upload::new(key, expected.clone())));
        Arc::clone(upload)
    }

    /// Waits until part `number` is the next one.
    async fn turn(&self, upload: &Arc<Upload>, number: u64) -> Result<Turn, ApiError> {
        let mut changes = upload.progress.subscribe();
        let attempt = changes.borrow().attempt;
        upload.touch();
        loop {
            let progress = *changes.borrow_and_update();
            if progress.attempt != attempt {
                return Err(ApiError::Conflict(format!(
                    "earlier parts of {} were refused: plan the push again",
                    upload.expected.path
                )));
            }
            if progress.complete || progress.parts > number {
                return Ok(Turn::Past(progress));
            }
            let may_be_next = !progress.known || progress.parts == number;
            tokio::select! {
                // With an order, since a change makes the other two moot.
                biased;
                changed = changes.changed() => changed.map_err(ApiError::internal)?,
                mut state = Arc::clone(&upload.state).lock_owned(), if may_be_next => {
                    self.read(upload, &mut state).await?;
                    let now = *upload.progress.borrow();
                    let mine = now.attempt == attempt && !now.complete && now.parts == number;
                    if mine {
                        return Ok(Turn::Mine(state));
                    }
                }
                // The parts before may be on their way to another process.
                () = tokio::time::sleep(LOOK), if self.shared.backend.tenure.is_shared() => {
                    if let Ok(mut state) = Arc::clone(&upload.state).try_lock_owned() {
                        self.read(upload, &mut state).await?;
                    }
                }
                () = upload.idle(self.shared.patience) => {
                    return Err(ApiError::Conflict(format!(
                        "part {number} of {} waited too long: the server has {} parts, but not the next one; \
                         plan the push again",
                        upload.expected.path, progress.parts
                    )));
                }
            }
        }
    }

    /// Asks the database and the staging area how far the upload had come before.
    async fn read(&self, upload: &Upload, state: &mut State) -> Result<(), ApiError> {
        if upload.progress.borrow().complete {
            return Ok(());
        }
        if let Some(partial) = state.partial.take() {
            // Another process may have gone on with it.
            let (current, partial) = blocking(move || Ok((partial.is_current()?, partial))).await?;
            if current {
                state.partial = Some(partial);
                return Ok(());
            }
        }
        let _step = upload.step();
        let key = upload.key;
        let mut removing = self.shared.removing.subscribe();
        removing
            .wait_for(|removing| !removing.contains(&key))
            .await
            .map_err(ApiError::internal)?;
        let received = self
            .shared
            .backend
            .database
            .read(move |read| nars::received(read, key.flake_id, key.account_id, [&key.nar_hash]))
            .await?;
        let complete = received
            .get(&key.nar_hash)
            .is_some_and(|nar| nar.nar_size == key.nar_size && !nar.damaged);
        let (storage, expected) = (self.shared.backend.storage.clone(), upload.expected.clone());
        let part_size = self.shared.part_size;
        let partial = self
            .shared
            .verifiers
            .run(move |decoder| PartialNar::resume(&storage, &key, expected, part_size, decoder))
            .await??;
        let parts = partial.parts();
        state.partial = Some(partial);
        upload.progress.send_modify(|progress| {
            progress.known = true;
            progress.parts = parts;
            progress.complete = complete;
        });
        Ok(())
    }

    /// Takes the next part, `early` and the rest of its body, checks it and counts it.
    async fn receive(
        &self,
        upload: &Arc<Upload>,
        state: &mut State,
        number: u64,
        early: Option<StagedFile>,
        body: &mut BodyReader,
    ) -> Result<PartAnswer, ApiError> {
        let unknown = || ApiError::internal("an upload was not read before its turn");
        let partial = state.partial.take().ok_or_else(unknown)?;
        let opening = upload.step();
        let (mut open, partial) = blocking(move || {
            let mut open = partial.open()?;
            if let Some(early) = early {
                open.append_file(&early)?;
            }
            Ok((open, partial))
        })
        .await?;
        drop(opening);
        let fed = loop {
            let pieces = match body.gather_noting(|| upload.touch()).await {
                Ok(pieces) if pieces.is_empty() => break Ok(open),
                Ok(pieces) => pieces,
                Err(error) => break Err((error, Some(open))),
            };
            let _step = upload.step();
            let appended = blocking(move || {
                pieces.iter().try_for_each(|piece| open.append(piece))?;
                Ok(open)
            });
            open = match appended.await {
                Ok(open) => open,
                Err(error) => break Err((error, None)),
            };
        };
        let _step = upload.step();
        let open = match fed {
            Ok(open) => open,
            Err((error, open)) => {
                // It has the file locked.
                drop(open);
                let partial = cut_off(partial).await?;
                self.put_back(upload, state, partial);
                return Err(error);
            }
        };
        let (result, open, partial) = self
            .shared
            .verifiers
            .run(move |decoder| {
                let mut partial = partial;
                let result = partial.accept(&open, decoder);
                (result, open, partial)
            })
            .await?;
        let whole = partial.parts() == partial.part_count();
        if let Err(fault) = result {
            self.shared
                .backend
                .metrics
                .nar_verified(partial.verifying(), false);
            drop(open);
            if number > 0 && fault.is_of_the_whole() {
                // Who knows which of them is to blame: the next one begins with none.
                self.reset(upload, state, partial).await?;
            } else {
                let partial = cut_off(partial).await?;
                self.put_back(upload, state, partial);
            }
            return Err(refusal(fault, &upload.expected, Some(number)));
        }
        if !whole {
            flush_ahead(state, &open).await?;
            let parts_received = partial.parts();
            self.put_back(upload, state, partial);
            return Ok(PartAnswer {
                parts_received,
                complete: false,
            });
        }
        self.complete(upload, state, partial, open).await
    }

    /// Throws all parts away; who waits with a later one is told to plan again.
    async fn reset(
        &self,
        upload: &Upload,
        state: &mut State,
        mut partial: PartialNar,
    ) -> Result<(), ApiError> {
        let partial = blocking(move || {
            partial.reset()?;
            Ok(partial)
        })
        .await?;
        upload
            .progress
            .send_modify(|progress| progress.attempt += 1);
        self.put_back(upload, state, partial);
        Ok(())
    }

    /// Checks the whole, and makes it an object.
    async fn complete(
        &self,
        upload: &Arc<Upload>,
        state: &mut State,
        partial: PartialNar,
        open: OpenPartial,
    ) -> Result<PartAnswer, ApiError> {
        let parts_received = partial.part_count();
        let checked = partial.check_whole();
        self.shared
            .backend
            .metrics
            .nar_verified(partial.verifying(), checked.is_ok());
        let checksum = match checked {
            Ok(checksum) => checksum,
            Err(fault) => {
                self.reset(upload, state, partial).await?;
                return Err(refusal(fault.into(), &upload.expected, None));
            }
        };
        if let Some(flushing) = state.flushing.take() {
            flushing.await.map_err(ApiError::internal)??;
        }
        let file = blocking(move || open.into_staged()).await?;
        let arrival = Arrival {
            key: upload.key,
            checksum,
            file,
        };
        let published = self.shared.publisher.publish(vec![arrival]).await?;
        published.into_iter().collect::<Result<(), _>>()?;
        upload.progress.send_modify(|progress| {
            progress.known = true;
            progress.parts = parts_received;
            progress.complete = true;
        });
        self.shared.uploads.lock().remove(&upload.key);
        Ok(PartAnswer {
            parts_received,
            complete: true,
        })
    }

    /// Gives the state back, and tells those who wait how far it has come.
    fn put_back(&self, upload: &Upload, state: &mut State, partial: PartialNar) {
        let parts = partial.parts();
        state.partial = Some(partial);
        upload.progress.send_modify(|progress| {
            progress.known = true;
            progress.parts = parts;
        });
    }
}

/// Begins to write to disk what was accepted, unless that is going on already. What such writing
/// has found wrong counts: the kernel tells it only once.
async fn flush_ahead(state: &mut State, open: &OpenPartial) -> Result<(), ApiError> {
    if let Some(flushing) = state.flushing.take_if(|flushing| flushing.is_finished()) {
        flushing.await.map_err(ApiError::internal)??;
    }
    if state.flushing.is_none() {
        let flush = open.flusher()?;
        state.flushing = Some(tokio::task::spawn_blocking(flush));
    }
    Ok(())
}

/// A fault of the sender as an answer with a sentence; one of this machine as an internal error.
fn refusal(fault: PartFault, expected: &Expected, part: Option<u64>) -> ApiError {
    match fault {
        PartFault::Storage(error) => error.into(),
        fault if !fault.is_senders() => ApiError::internal(fault),
        fault => ApiError::InvalidContent(match part {
            Some(part) => format!(
                "part {part} of the NAR of {} was refused: {fault}",
                expected.path
            ),
            None => format!("the NAR of {} was refused: {fault}", expected.path),
        }),
    }
}

/// Removes from an upload's file what was added and not counted. That it cannot be removed now is told
/// in the log alone: the next part removes it.
async fn cut_off(partial: PartialNar) -> Result<PartialNar, ApiError> {
    blocking(move || {
        if let Err(error) = partial.cut_off() {
            tracing::warn!(error = %with_causes(&error), "a refused part takes up room");
        }
        Ok(partial)
    })
    .await
}

#[cfg(test)]
mod tests;
