//! That what is served is what was stored.
//!
//! Each object has a checksum of its stored bytes, taken while they were verified. Whoever serves an
//! object compares: a whole one while its bytes go out, whose last ones are held back until the sum is
//! right; a range of one after all of it was read once, which is remembered as long as the file looks
//! the same. What is found to be missing or altered is marked in its row:
//!
//! ```text
//!            good ── missing, cut, altered, unreadable ──▶ damaged
//!             ▲                                               │  404; no narinfo tells of it;
//!             └── the same NAR is sent, or `--check` finds ───┘  plans say "upload"
//!                 the file whole again
//! ```
//!
//! Invariants:
//! - a client that has been given all bytes of an answer has been given what was stored;
//! - a mark is set only where the row tells of the bytes that were looked at and the file that was
//!   looked at is still the one of that name: objects are replaced by renaming, and the row after, so
//!   a mark never lands on what has been healed meanwhile;
//! - damage is logged and counted once, whether this process has found it or another one, such as
//!   `fh serve --check`; what was known when the server started is not counted;
//! - what is damaged stays where it is until it is replaced: nothing is thrown away here.

use std::collections::HashSet;
use std::io::{self, BufReader};
use std::sync::Arc;

use fh_access::ApiError;
use fh_api::with_causes;
use fh_nix::NarHash;
use fh_persistence::database::nars::{self, DamageMarks, Nar};
use fh_persistence::database::{DatabaseError, Decided};
use fh_persistence::storage::{
    Buffers, Checksum, FileIdentity, NoObject, OpenObject, StorageError,
};
use fh_shares::{self as shares, Shares};
use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::receive::{Backend, FrameDecoder, NarFault, verify};

/// Objects of which it is remembered that they were read and found good.
const REMEMBERED: u64 = 100_000;

/// Objects that are read as a whole at the same time before a part of them is served.
const CHECKS: u64 = 2;

/// The buffer of a reader whose content is decompressed.
const BUFFER: usize = 256 << 10;

/// How many damaged objects the log names that another process has marked between two looks.
const NAMED: usize = 100;

/// What is wrong with an object.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    /// There is no file, or something that is none.
    #[error(transparent)]
    NoObject(#[from] NoObject),
    /// The file has another size.
    #[error("its file has {found} bytes, and {stored} were stored")]
    Size {
        /// Bytes of the file.
        found: u64,
        /// Bytes that were stored.
        stored: u64,
    },
    /// The file has other bytes.
    #[error("its file does not hold the bytes that were stored")]
    Altered,
    /// The content is not the NAR; where there is no checksum that would tell it sooner.
    #[error("its file does not hold the NAR: {0}")]
    Content(NarFault),
    /// The disk does not give them.
    #[error("its file cannot be read: {0}")]
    Unreadable(io::Error),
}

/// Watches over the objects; clones share what is remembered.
#[derive(Clone)]
pub(crate) struct Integrity {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Backend,
    good: Cache<NarHash, FileIdentity>,
    places: Shares,
    /// Held while an object is marked, so that whoever looks for marks of others knows ours.
    told: Mutex<Told>,
}

/// Of which damaged objects the log has told.
#[derive(Default)]
struct Told {
    /// What there was when it was last looked for marks; none before the first time.
    seen: Option<DamageMarks>,
    nars: HashSet<NarHash>,
}

impl Integrity {
    /// Nothing was read yet.
    pub(crate) fn new(backend: Backend) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                good: Cache::new(REMEMBERED),
                places: Shares::of_turns(CHECKS),
                told: Mutex::default(),
            }),
        }
    }

    /// Opens the object of a row, if there is one of the right size. Blocks.
    pub(crate) fn open(&self, nar: &Nar) -> Result<Opened, StorageError> {
        let object = match self.shared.backend.storage.object(&nar.nar_hash)? {
            Ok(object) => object,
            Err(nothing) => return Ok(Opened::Damaged(None, nothing.into())),
        };
        if object.size() == nar.file_size {
            return Ok(Opened::Good(object));
        }
        let damage = Damage::Size {
            found: object.size(),
            stored: nar.file_size,
        };
        Ok(Opened::Damaged(Some(object), damage))
    }

    /// Buffers to read objects into.
    pub(crate) fn buffers(&self) -> &Buffers {
        self.shared.backend.storage.buffers()
    }

    /// Whether all of this very file was read and found good.
    pub(crate) fn is_known_good(&self, nar: &Nar, object: &OpenObject) -> bool {
        self.shared.good.get(&nar.nar_hash) == Some(object.identity())
    }

    /// Remembers that all of this file was read and found good, as it was when it was opened.
    pub(crate) fn remember_good(&self, nar: &Nar, object: &OpenObject) {
        if object.identity().is_settled() {
            self.shared.good.insert(nar.nar_hash, object.identity());
        }
    }

    /// Reads all of an object to see whether it is good, unless that is known. Where the row has no
    /// checksum the NAR itself is checked, and the row gets one.
    pub(crate) async fn check(
        &self,
        nar: Nar,
        object: Arc<OpenObject>,
    ) -> Result<Result<(), Damage>, ApiError> {
        let place = self.shared.places.take(shares::current(), 1).await;
        let _place = place.map_err(|_| ApiError::internal("no turn to check"))?;
        if self.is_known_good(&nar, &object) {
            return Ok(Ok(()));
        }
        let read = Arc::clone(&object);
        let found = tokio::task::spawn_blocking(move || examine(&nar, &read, |_| {}))
            .await
            .map_err(ApiError::internal)?;
        let checksum = match found {
            Ok(checksum) => checksum,
            Err(damage) => return Ok(Err(damage)),
        };
        if nar.checksum.is_none() {
            let file_size = nar.file_size;
            self.shared
                .backend
                .database
                .write(Decided::by_server(), move |tx| {
                    nars::mark_good(tx, &nar, file_size, checksum)
                })
                .await?;
            self.shared.backend.lookup.forget([], [&nar.nar_hash]);
        }
        self.remember_good(&nar, &object);
        Ok(Ok(()))
    }

    /// Looks at an object that somebody could not use, and marks it if it is damaged.
    pub(crate) async fn suspect(&self, nar: Nar) {
        let integrity = self.clone();
        let opened = tokio::task::spawn_blocking(move || integrity.open(&nar)).await;
        let (object, damage) = match opened {
            Ok(Ok(Opened::Good(object))) => {
                let object = Arc::new(object);
                match self.check(nar, Arc::clone(&object)).await {
                    Ok(Err(damage)) => (Some(object), damage),
                    Ok(Ok(())) | Err(_) => return,
                }
            }
            Ok(Ok(Opened::Damaged(object, damage))) => (object.map(Arc::new), damage),
            // Whoever could not use it has said why.
            Ok(Err(_)) | Err(_) => return,
        };
        self.report(nar, object, damage).await;
    }

    /// Marks an object as damaged, unless it has been replaced meanwhile. When this returns, nobody is
    /// offered it any more.
    pub(crate) async fn report(&self, nar: Nar, object: Option<Arc<OpenObject>>, damage: Damage) {
        let storage = self.shared.backend.storage.clone();
        let mut told = self.shared.told.lock().await;
        let marked = self
            .shared
            .backend
            .database
            .write(Decided::by_server(), move |tx| {
                // Within the tx: whoever replaces the object writes to its row after that.
                let same = storage
                    .is_still(&nar.nar_hash, object.as_deref())
                    .map_err(ApiError::internal)?;
                Ok::<_, ApiError>(same && nars::mark_damaged(tx, &nar)?)
            });
        let name = nar.nar_hash.to_base32();
        match marked.await {
            Ok(true) => {
                told.nars.insert(nar.nar_hash);
                tracing::error!(
                    nar_hash = name,
                    %damage,
                    "a stored NAR is damaged: it is not offered until it is sent again"
                );
                self.shared.backend.metrics.nar_damaged();
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(
                    nar_hash = name,
                    %damage,
                    error = %with_causes(&error),
                    "a stored NAR is damaged, and cannot be marked"
                );
            }
        }
        drop(told);
        self.shared.backend.lookup.forget_object(&nar.nar_hash);
    }

    /// Looks which objects are marked. Those that another process has marked since the last look are
    /// logged by their names and counted; at the first look one line tells how many there are.
    pub(crate) async fn look_for_marks(&self) -> Result<(), DatabaseError> {
        let mut told = self.shared.told.lock().await;
        let marks = self
            .shared
            .backend
            .database
            .read(nars::damage_marks)
            .await?;
        self.shared.backend.metrics.damaged_now(marks.count);
        if told.seen == Some(marks) {
            return Ok(());
        }
        let damaged = self.shared.backend.database.read(nars::damaged).await?;
        let damaged: HashSet<NarHash> = damaged.into_iter().collect();
        let new: Vec<&NarHash> = damaged.difference(&told.nars).collect();
        if told.seen.is_some() {
            for nar_hash in new.iter().take(NAMED) {
                tracing::error!(
                    nar_hash = nar_hash.to_base32(),
                    "another process found that a stored NAR is damaged: it is not offered until it is sent again"
                );
            }
            if let Some(more) = new.len().checked_sub(NAMED).filter(|&more| more > 0) {
                tracing::error!(
                    more,
                    "more stored NARs are damaged; `fh serve --check` names them"
                );
            }
            for _ in &new {
                self.shared.backend.metrics.nar_damaged();
            }
        } else if !new.is_empty() {
            tracing::error!(
                damaged = new.len(),
                "stored NARs were damaged before the start; `fh serve --check` names them"
            );
        }
        told.seen = Some(marks);
        told.nars = damaged;
        Ok(())
    }
}

/// What there is of an object.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A file of the right size.
    Good(OpenObject),
    /// Something else, or nothing.
    Damaged(Option<OpenObject>, Damage),
}

/// Reads all of an object and compares it with its row: its checksum. Blocks.
pub(crate) fn examine(
    nar: &Nar,
    object: &OpenObject,
    progress: impl FnMut(u64),
) -> Result<Checksum, Damage> {
    let Some(expected) = nar.checksum else {
        return examine_content(nar, object);
    };
    let found = object.checksum(progress).map_err(Damage::Unreadable)?;
    if found == expected {
        Ok(found)
    } else {
        Err(Damage::Altered)
    }
}

/// Decompresses all of an object and checks its NAR hash: the checksum of its bytes. Blocks.
pub(crate) fn examine_content(nar: &Nar, object: &OpenObject) -> Result<Checksum, Damage> {
    let Some(mut decoder) = FrameDecoder::new() else {
        return Err(Damage::Unreadable(io::ErrorKind::OutOfMemory.into()));
    };
    let reader = BufReader::with_capacity(BUFFER, object.reader());
    verify(decoder.frames(reader), nar.nar_hash, nar.nar_size).map_err(Damage::Content)
}
