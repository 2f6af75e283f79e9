//! The worker threads of a push: what they share, and how they start and end.
//!
//! Invariants: threads end by themselves when all is done, and within a block's time when the push
//! is stopped; a thread that panics ends the push and does not hang it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use fh_api::PushLimits;
use tokio::sync::mpsc::UnboundedSender;

use super::PushObserver;
use super::batch::{self, Packer, ReadyBatch, TARGET};
use super::memory::{BLOCK, Memory};
use super::plan::NarWork;
use super::report::FailureKind;
use super::schedule::Schedule;
use super::work::{Worker, blocks_for};
use crate::error::{Error, Result};

/// What the whole client may need, but for what it is itself (about 20 MiB with its runtime).
const MEMORY: usize = 104 * 1024 * 1024;

/// What a thread needs besides blocks: a compression context at the usual levels.
const THREAD_MEMORY: usize = 5 * 1024 * 1024;

/// Blocks there are always so many of, however many threads.
const LEAST_MEMORY: usize = 48 * 1024 * 1024;

/// What the threads hand to the uploads.
pub(super) enum Made {
    /// A batch to send.
    Batch(ReadyBatch),
    /// A part to send.
    Part(ReadyPart),
    /// A NAR that cannot be sent.
    Failed {
        /// Its index.
        nar: usize,
        kind: FailureKind,
        reason: String,
    },
}

/// A part that is to be sent.
pub(super) struct ReadyPart {
    pub(super) nar: usize,
    pub(super) number: u64,
    pub(super) pieces: Vec<Bytes>,
    /// Uncompressed bytes.
    pub(super) nar_bytes: u64,
}

/// What the threads and the uploads share.
pub(super) struct Shared {
    pub(super) nars: Vec<NarWork>,
    pub(super) limits: PushLimits,
    pub(super) level: i32,
    pub(super) schedule: Schedule,
    pub(super) memory: Memory,
    pub(super) packer: Packer,
    pub(super) observer: Arc<dyn PushObserver>,
    stopped: AtomicBool,
    /// NARs of which nothing more is wanted, by index.
    abandoned: Vec<AtomicBool>,
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
    }

    pub(super) fn part_length(&self, nar: &NarWork, part: u64) -> u64 {
        let start = part * self.limits.part_size;
        self.limits.part_size.min(nar.size.saturating_sub(start))
    }
}

/// The threads of a push. Dropping this stops them.
pub(super) struct Workers {
    pub(super) shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads; what they make goes to `made`, which closes when all is made.
    pub(super) fn start(
        nars: Vec<NarWork>,
        limits: PushLimits,
        jobs: usize,
        level: i32,
        observer: Arc<dyn PushObserver>,
        made: &UnboundedSender<Made>,
    ) -> Result<Self> {
        let lane = |batched: bool| {
            let of_lane = nars.iter().enumerate();
            of_lane
                .filter(|(_, nar)| nar.is_batched() == batched)
                .map(|(index, nar)| (index, nar.size))
                .collect::<Vec<_>>()
        };
        let (small, large) = (lane(true), lane(false));
        let parts: u64 = nars.iter().map(|nar| nar.parts.max(1)).sum();
        let jobs = jobs
            .min(usize::try_from(parts).unwrap_or(usize::MAX))
            .max(1);
        let mut workers = Self {
            shared: Arc::new(Shared {
                memory: Memory::new(memory_blocks(&limits, jobs)),
                packer: Packer::new(small.len(), limits.body_size),
                schedule: Schedule::new(small, large),
                abandoned: nars.iter().map(|_| AtomicBool::new(false)).collect(),
                nars,
                limits,
                level,
                observer,
                stopped: AtomicBool::new(false),
            }),
            threads: Vec::with_capacity(jobs),
        };
        for number in 0..jobs {
            let worker = Worker::new(Arc::clone(&workers.shared), made.clone());
            let thread = std::thread::Builder::new()
                .name(format!("fh-push-{number}"))
                .spawn(move || worker.run())
                .map_err(Error::Threads)?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Waits for the threads, which are about to end when what they made has all arrived.
    pub(super) fn join(mut self) -> Result<()> {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                return Err(Error::Threads(io::Error::other("a thread panicked")));
            }
        }
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// How many blocks a push has: the bound, or what it cannot do without.
fn memory_blocks(limits: &PushLimits, jobs: usize) -> usize {
    let bound = MEMORY
        .saturating_sub(jobs * THREAD_MEMORY)
        .max(LEAST_MEMORY);
    // The batch that is being packed holds its blocks while the largest need waits for its own.
    let packing = TARGET + limits.batched_nar_size.min(limits.body_size);
    let needed = blocks_for(limits.part_size.max(limits.batched_nar_size))
        + blocks_for(packing)
        + batch::EXTRA_BLOCKS;
    (bound / BLOCK).max(needed)
}
