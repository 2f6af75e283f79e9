//! What the worker threads and the uploads of a push share, and what the threads hand over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use fh_api::PushLimits;

use super::batch::{Packer, ReadyBatch};
use super::memory::{Benches, Memory};
use super::nar::Unusable;
use super::observer::PushObserver;
use super::plan::NarWork;
use super::schedule::Schedule;

/// What the threads hand to the uploads.
pub(super) enum Made {
    /// A batch to send.
    Batch(ReadyBatch),
    /// A part to send.
    Part(ReadyPart),
    /// A NAR that cannot be sent.
    Failed {
        /// Which of the push it is.
        nar: usize,
        why: Unusable,
    },
}

/// A part that is to be sent.
pub(super) struct ReadyPart {
    pub(super) nar: usize,
    pub(super) number: u64,
    pub(super) pieces: Vec<Bytes>,
    /// Bytes of the NAR that it stands for.
    pub(super) nar_bytes: u64,
}

/// What the threads and the uploads share.
pub(super) struct Shared {
    pub(super) nars: Vec<NarWork>,
    pub(super) limits: PushLimits,
    pub(super) level: i32,
    pub(super) schedule: Schedule,
    pub(super) memory: Memory,
    pub(super) benches: Benches,
    pub(super) packer: Packer,
    pub(super) observer: Arc<dyn PushObserver>,
    pub(super) stopped: AtomicBool,
    /// NARs of which nothing more is wanted, by index.
    pub(super) abandoned: Vec<AtomicBool>,
}

impl Shared {
    /// Nothing more of this NAR is wanted: the server has it, or will not take it.
    pub(super) fn abandon(&self, nar: usize) {
        if let Some(flag) = self.abandoned.get(nar) {
            flag.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn is_abandoned(&self, nar: usize) -> bool {
        self.abandoned
            .get(nar)
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.schedule.stop();
        self.memory.cancel();
        self.benches.cancel();
    }

    pub(super) fn part_length(&self, nar: &NarWork, part: u64) -> u64 {
        let start = part * self.limits.part_size;
        self.limits.part_size.min(nar.size.saturating_sub(start))
    }
}
