//! One upload's body: the description, where it is too long for a header, and the NAR, read from the
//! store while it is sent.
//!
//! Invariant: the last piece goes out only after the hash of the whole was found right, so a path
//! that is corrupted here never becomes complete there, not even on a server that trusts what it is told.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fh_api::with_causes;
use fh_nix::{Hasher, NarHash, NarReader};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::http::{Pieces, StreamSource};
use crate::push::{FailureKind, PushEvent, PushObserver};

/// Holds the description.
const INFO: HeaderName = HeaderName::from_static("x-attic-nar-info");

/// Says that the body begins with so many bytes of description.
const PREAMBLE_SIZE: HeaderName = HeaderName::from_static("x-attic-nar-info-preamble-size");

/// A description of so many bytes or more travels in the body: proxies limit headers.
const LONGEST_HEADER: usize = 4096;

/// Read and handed over at a time.
const PIECE: usize = 64 * 1024;

/// Where the files of a path are, and what Nix recorded of them.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) files: PathBuf,
    pub(super) hash: NarHash,
    pub(super) size: u64,
}

/// Why a NAR was not made.
pub(super) type Broken = (FailureKind, String);

/// What is sent for one path.
pub(super) struct NarUpload {
    description: Bytes,
    /// The description as a header, where it may be one.
    header: Option<HeaderValue>,
    recorded: Recorded,
    observer: Arc<dyn PushObserver>,
    /// How much of the NAR the furthest attempt has sent.
    furthest: AtomicU64,
    broken: Mutex<Option<Broken>>,
}

impl NarUpload {
    pub(super) fn new(
        description: Bytes,
        recorded: Recorded,
        observer: Arc<dyn PushObserver>,
    ) -> Self {
        let header = (description.len() < LONGEST_HEADER)
            .then(|| HeaderValue::from_maybe_shared(description.clone()).ok())
            .flatten();
        Self {
            description,
            header,
            recorded,
            observer,
            furthest: AtomicU64::new(0),
            broken: Mutex::default(),
        }
    }

    /// Why the NAR could not be created, where it could not.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells of what was not sent because the server did not want to have it.
    pub(super) fn finish(&self) {
        self.tell_sent(self.recorded.size);
    }

    fn preamble(&self) -> Bytes {
        match self.header {
            Some(_) => Bytes::new(),
            None => self.description.clone(),
        }
    }

    fn tell_sent(&self, position: u64) {
        let before = self.furthest.fetch_max(position, Ordering::Relaxed);
        if position > before {
            self.observer.event(&PushEvent::Sent {
                bytes: position - before,
                nar_bytes: position - before,
            });
        }
    }

    /// Reads the NAR and puts it, its last piece only if all of it is right.
    fn read(&self, pieces: &Pieces) -> Result<(), Stop> {
        let mut reader = NarReader::new(&self.recorded.files)?;
        let mut hasher = Hasher::new();
        let mut left = self.recorded.size;
        loop {
            let wanted = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let mut piece = vec![0; wanted];
            let mut filled = 0;
            while filled < wanted {
                match reader.read(&mut piece[filled..])? {
                    0 => return Err(self.wrong_size("fewer")),
                    count => filled += count,
                }
            }
            hasher.update(&piece);
            self.observer.event(&PushEvent::Read {
                nar_bytes: wanted as u64,
            });
            left -= wanted as u64;
            let unwanted = |_| Stop::Unwanted;
            if left == 0 {
                self.check(reader, hasher)?;
                return pieces.put(piece.into()).map_err(unwanted);
            }
            pieces.put(piece.into()).map_err(unwanted)?;
        }
    }

    fn check(&self, mut reader: NarReader, hasher: Hasher) -> Result<(), Stop> {
        if reader.read(&mut [0])? != 0 {
            return Err(self.wrong_size("more"));
        }
        let found = hasher.finish();
        if found == self.recorded.hash {
            return Ok(());
        }
        Err(Stop::Broken((
            FailureKind::Corrupted,
            format!(
                "its files are not what Nix recorded: the NAR hash is {found}, recorded is {}",
                self.recorded.hash
            ),
        )))
    }

    fn wrong_size(&self, word: &str) -> Stop {
        Stop::Broken((
            FailureKind::Corrupted,
            format!(
                "its files are not what Nix recorded: the NAR has {word} than the recorded {} bytes",
                self.recorded.size
            ),
        ))
    }
}

impl std::fmt::Debug for NarUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NarUpload")
            .field("recorded", &self.recorded)
            .finish_non_exhaustive()
    }
}

impl StreamSource for NarUpload {
    fn headers(&self) -> HeaderMap {
        let (name, value) = match &self.header {
            Some(value) => (INFO, value.clone()),
            None => (PREAMBLE_SIZE, HeaderValue::from(self.description.len())),
        };
        HeaderMap::from_iter([(name, value)])
    }

    fn length(&self) -> u64 {
        self.preamble().len() as u64 + self.recorded.size
    }

    fn make(&self, pieces: &Pieces) {
        let preamble = self.preamble();
        if !preamble.is_empty() && pieces.put(preamble).is_err() {
            return;
        }
        if let Err(Stop::Broken(broken)) = self.read(pieces) {
            *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(broken);
            pieces.break_off(io::Error::other("the NAR could not be created"));
        }
    }

    fn handed_over(&self, position: u64) {
        self.tell_sent(position.saturating_sub(self.preamble().len() as u64));
    }

    fn is_broken(&self) -> bool {
        self.broken().is_some()
    }
}

/// Why a NAR was not read to its end.
enum Stop {
    /// The request is over.
    Unwanted,
    Broken(Broken),
}

impl From<fh_nix::Error> for Stop {
    fn from(error: fh_nix::Error) -> Self {
        Self::Broken((FailureKind::Unreadable, with_causes(&error)))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        // The reader wraps its own errors, which name the file.
        let reason = match error.get_ref() {
            Some(inner) => with_causes(inner),
            None => error.to_string(),
        };
        Self::Broken((FailureKind::Unreadable, reason))
    }
}
