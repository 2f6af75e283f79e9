//! One upload's body: the description, where it is too long for a header, and the NAR, read from the
//! store while it is sent.
//!
//! Invariant: the last piece goes out only after the hash of the whole was found right, so a path
//! that is corrupted here never becomes complete there, not even on a server that trusts what it is told.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fh_nix::{NarHash, PathInfo};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::http::{Pieces, StreamSource};
use crate::push::{CheckedNar, PushEvent, PushObserver, Unusable};

/// The header that holds the description.
const INFO: HeaderName = HeaderName::from_static("x-attic-nar-info");

/// Says that the body begins with so many bytes of description.
const PREAMBLE_SIZE: HeaderName = HeaderName::from_static("x-attic-nar-info-preamble-size");

/// A description of so many bytes or more travels in the body: proxies limit headers.
const LONGEST_HEADER: usize = 4096;

/// Read and handed over at a time.
const PIECE: usize = 64 * 1024;

/// What is sent for one path.
pub(super) struct NarUpload {
    description: Bytes,
    /// The description as a header, where it may be one.
    header: Option<HeaderValue>,
    /// Where the files are.
    files: PathBuf,
    /// What Nix has recorded of the NAR.
    hash: NarHash,
    size: u64,
    observer: Arc<dyn PushObserver>,
    /// How much of the NAR the furthest attempt has sent.
    furthest: AtomicU64,
    broken: Mutex<Option<Unusable>>,
}

impl NarUpload {
    pub(super) fn new(
        description: Bytes,
        files: PathBuf,
        info: &PathInfo,
        observer: Arc<dyn PushObserver>,
    ) -> Self {
        let header = (description.len() < LONGEST_HEADER)
            .then(|| HeaderValue::from_maybe_shared(description.clone()).ok())
            .flatten();
        Self {
            description,
            header,
            files,
            hash: info.nar_hash,
            size: info.nar_size,
            observer,
            furthest: AtomicU64::new(0),
            broken: Mutex::default(),
        }
    }

    /// Why the NAR could not be created, where it could not.
    pub(super) fn broken(&self) -> Option<Unusable> {
        self.broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells of what was not sent because the server did not want to have it.
    pub(super) fn finish(&self) {
        self.tell_sent(self.size);
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

    /// Reads the NAR and puts it, its last piece only if all of it is right. A request that is over, and wants no
    /// more of it, has nothing wrong.
    fn read(&self, pieces: &Pieces) -> Result<(), Unusable> {
        let mut nar = CheckedNar::open(&self.files, self.hash, self.size)?;
        let mut left = self.size;
        loop {
            let wanted = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let mut piece = vec![0; wanted];
            nar.fill(&mut piece)?;
            self.observer.event(&PushEvent::Read {
                nar_bytes: wanted as u64,
            });
            left -= wanted as u64;
            if left == 0 {
                nar.check()?;
                let _ = pieces.put(piece.into());
                return Ok(());
            }
            if pieces.put(piece.into()).is_err() {
                return Ok(());
            }
        }
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
        self.preamble().len() as u64 + self.size
    }

    fn make(&self, pieces: &Pieces) {
        let preamble = self.preamble();
        if !preamble.is_empty() && pieces.put(preamble).is_err() {
            return;
        }
        if let Err(broken) = self.read(pieces) {
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
