//! The worker threads of a push: how they start and end, and how the memory is divided.
//!
//! Invariants: threads end by themselves when all is done, and within a frame's time when the push
//! is stopped; a thread that panics ends the push and does not hang it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use fh_api::PushLimits;
use tokio::sync::mpsc::UnboundedSender;

use super::batch::{self, Packer, TARGET};
use super::compress;
use super::memory::{BLOCK, Benches, Memory};
use super::observer::PushObserver;
use super::plan::NarWork;
use super::schedule::Schedule;
use super::shared::{Made, Shared};
use super::work::{Worker, blocks_for};
use crate::error::{Error, Result};

/// What a push may need besides what the client is itself, about 15 MiB with its runtime.
const MEMORY: usize = 116 * 1024 * 1024;

/// What a thread needs for itself: a compression context at the usual levels, and its stack.
const THREAD_MEMORY: usize = 3 * 1024 * 1024 / 2;

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
        let division = Division::of(&limits, jobs);
        let mut workers = Self {
            shared: Arc::new(Shared {
                memory: Memory::new(division.blocks),
                benches: Benches::new(division.benches, division.content, division.frame),
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

/// How the memory of a push is divided.
struct Division {
    benches: usize,
    /// Bytes of content of a bench.
    content: usize,
    /// Bytes of a bench for the compressed frame.
    frame: usize,
    blocks: usize,
}

impl Division {
    /// At most four fifths for compressing: the rest is what lies ready while the line is slow. Where
    /// the server's limits are so large that one part does not fit, the bound gives way.
    fn of(limits: &PushLimits, jobs: usize) -> Self {
        let content = usize::try_from(limits.part_size.max(limits.batched_nar_size))
            .unwrap_or(usize::MAX / 4);
        let frame = compress::frame_bound(content);
        let reserved = blocks_for(content as u64);
        let budget = MEMORY.saturating_sub(jobs * THREAD_MEMORY);
        let each = content + frame + reserved * BLOCK;
        let benches = (budget / 5 * 4 / each).clamp(1, jobs);
        // The batch that is being packed holds its blocks while the largest need waits for its own.
        let record = limits.batched_nar_size.min(limits.body_size);
        let packing = blocks_for(TARGET + record) + batch::EXTRA_BLOCKS;
        let left = budget.saturating_sub(benches * (content + frame)) / BLOCK;
        Self {
            benches,
            content,
            frame,
            blocks: left.max(reserved + batch::EXTRA_BLOCKS + packing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn memory_is_bounded_for_any_number_of_threads() {
        let limits = PushLimits {
            part_size: 8 * MIB,
            batched_nar_size: 4 * MIB,
            body_size: 30 * MIB,
            nar_size: u64::MAX,
            log_size: 0,
        };
        for (jobs, benches) in [(1, 1), (2, 2), (4, 3), (16, 3)] {
            let division = Division::of(&limits, jobs);
            assert_eq!(division.benches, benches, "{jobs} jobs");
            let all = division.benches * (division.content + division.frame)
                + division.blocks * BLOCK
                + jobs * THREAD_MEMORY;
            assert!(all <= MEMORY, "{jobs} jobs: {all}");
            // While all benches are in use, some frames can lie ready.
            assert!(
                division.blocks > benches * blocks_for(8 * MIB) + 40,
                "{jobs} jobs"
            );
        }
    }

    #[test]
    fn there_is_memory_for_the_largest_part_that_a_server_may_ask_for() {
        let limits = PushLimits {
            part_size: 64 * MIB,
            batched_nar_size: 64 * MIB,
            body_size: u64::MAX,
            nar_size: u64::MAX,
            log_size: 0,
        };
        let division = Division::of(&limits, 16);
        assert_eq!(division.benches, 1);
        assert!(division.blocks > 2 * blocks_for(64 * MIB));
    }
}
