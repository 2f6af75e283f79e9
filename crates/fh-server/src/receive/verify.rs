//! Checking that a NAR is what was announced.

use std::io::BufRead;
use std::sync::Arc;

use fh_access::ApiError;
use fh_nix::{Hasher, Limits, NarDecoder, NarHash, PathInfo, StorePath};
use fh_persistence::storage::{Checksum, UploadKey};
use fh_shares::{self as shares, Share, Shares};
use parking_lot::Mutex;

use super::frames::{FrameDecoder, FrameFault, Frames, Step};

/// What a NAR was announced to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// A store path that it is the NAR of, for messages.
    pub(crate) path: StorePath,
    /// The SHA-256 of the whole.
    pub(crate) nar_hash: NarHash,
    /// Bytes of the whole, uncompressed.
    pub(crate) nar_size: u64,
}

impl Expected {
    /// Its upload by this account to this slice.
    pub(crate) fn upload_key(&self, flake_id: i64, account_id: i64) -> UploadKey {
        UploadKey {
            flake_id,
            account_id,
            nar_hash: self.nar_hash,
            nar_size: self.nar_size,
        }
    }
}

impl From<&PathInfo> for Expected {
    /// The NAR of a path.
    fn from(info: &PathInfo) -> Self {
        Self {
            path: info.path.clone(),
            nar_hash: info.nar_hash,
            nar_size: info.nar_size,
        }
    }
}

/// Why a NAR is not what was announced. The messages are for the one who sent it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NarFault {
    /// There is more of it than announced: where this is noticed, nothing further is decompressed.
    #[error("it decompresses to more than the {announced} bytes announced")]
    TooLong { announced: u64 },
    /// There is less of it than announced.
    #[error("it decompresses to {found} bytes, but {announced} were announced")]
    TooShort { announced: u64, found: u64 },
    /// It is another NAR.
    #[error("its hash is {found}, but {announced} was announced")]
    Hash { announced: NarHash, found: NarHash },
    /// It is no NAR.
    #[error(transparent)]
    Structure(#[from] fh_nix::Error),
    /// It is not even zstd, or cannot be read.
    #[error(transparent)]
    Frames(#[from] FrameFault),
}

impl NarFault {
    /// Whether the sender is at fault, and not this machine.
    pub(crate) fn is_senders(&self) -> bool {
        !matches!(self, Self::Frames(FrameFault::Read(_)))
    }

    /// Whether not only the bytes that it showed at may be to blame, but as well those that came before.
    pub(crate) fn is_of_the_whole(&self) -> bool {
        match self {
            Self::TooLong { .. }
            | Self::TooShort { .. }
            | Self::Hash { .. }
            | Self::Structure(_) => true,
            Self::Frames(_) => false,
        }
    }
}

/// The check of one NAR as far as its bytes have come; a clone is a place to go back to.
#[derive(Clone, Debug)]
pub(crate) struct NarCheck {
    hasher: Hasher,
    structure: NarDecoder,
    taken: u64,
    announced: u64,
}

impl NarCheck {
    /// The check of a NAR of which nothing has come yet.
    pub(crate) fn new(announced: u64) -> Self {
        Self {
            hasher: Hasher::new(),
            structure: NarDecoder::new(Limits {
                size: announced,
                ..Limits::default()
            }),
            taken: 0,
            announced,
        }
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes more of the NAR's bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), NarFault> {
        let announced = self.announced;
        self.taken += bytes.len() as u64;
        if self.taken > announced {
            return Err(NarFault::TooLong { announced });
        }
        self.structure.feed(bytes, &mut |_| Ok(()))?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Compares the whole with what was announced.
    pub(crate) fn finish(self, announced: NarHash) -> Result<(), NarFault> {
        if self.taken != self.announced {
            return Err(NarFault::TooShort {
                announced: self.announced,
                found: self.taken,
            });
        }
        let found = self.hasher.finish();
        if found != announced {
            return Err(NarFault::Hash { announced, found });
        }
        Ok(self.structure.finish()?)
    }
}

/// Checks a NAR that is here as a whole, compressed: the checksum of its compressed bytes.
pub(crate) fn verify(
    mut frames: Frames<'_, impl BufRead>,
    nar_hash: NarHash,
    nar_size: u64,
) -> Result<Checksum, NarFault> {
    let mut check = NarCheck::new(nar_size);
    while let Some(step) = frames.next()? {
        if let Step::Data(bytes) = step {
            check.take(bytes)?;
        }
    }
    check.finish(nar_hash)?;
    Ok(frames.sum().value())
}

/// The places where NARs are decompressed and hashed, and signatures verified: as many at a time as there are
/// processors.
#[derive(Clone)]
pub(crate) struct Verifiers {
    shared: Arc<Shared>,
}

struct Shared {
    places: Shares,
    idle: Mutex<Vec<FrameDecoder>>,
}

impl Verifiers {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                places: Shares::of_turns(places.max(1) as u64),
                idle: Mutex::new(Vec::new()),
            }),
        }
    }

    /// Waits for a place, for work that is short: it is taken until it is dropped.
    pub(crate) async fn place(&self) -> Result<Share, ApiError> {
        let place = self.shared.places.take(shares::current(), 1).await;
        place.map_err(|_| ApiError::internal("no turn to verify"))
    }

    /// Waits for a place, and does a short step of work there, on a blocking thread. The step runs to
    /// its end even if nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut FrameDecoder) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.place().await?;
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let idle = shared.idle.lock().pop();
            let mut decoder = idle.or_else(FrameDecoder::new).ok_or_else(|| {
                ApiError::Unavailable("the server is out of memory, try again".to_owned())
            })?;
            let value = step(&mut decoder);
            if !decoder.is_bloated() {
                shared.idle.lock().push(decoder);
            }
            Ok(value)
        })
        .await
        .map_err(ApiError::internal)?
    }
}
