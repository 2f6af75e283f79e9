//! What a worker thread does: reading, hashing, compressing.
//!
//! Invariants: the last part of a NAR, and any NAR of a batch, goes on only after the hash of the
//! whole was found right, so what is corrupted here never becomes complete there; parts of a NAR
//! get their memory in order, so the one that the server waits for always can be made.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::batch::{self, Packed};
use super::compress::{self, CompressError, Compressor};
use super::memory::{BLOCK, Bench, Block, Reservation, Tools};
use super::nar::{CheckedNar, Unusable};
use super::observer::PushEvent;
use super::report::FailureKind;
use super::schedule::{Reading, Task};
use super::shared::{Made, ReadyPart, Shared};

/// Blocks to reserve for the frame of so much content.
pub(super) fn blocks_for(content: u64) -> usize {
    let content = usize::try_from(content).unwrap_or(usize::MAX / 2);
    compress::frame_bound(content).div_ceil(BLOCK)
}

/// Why a NAR is not made.
enum Stop {
    /// The push was stopped, or the NAR is not wanted any more.
    Quietly,
    /// It cannot be made.
    Failed(Unusable),
}

impl From<Unusable> for Stop {
    fn from(unusable: Unusable) -> Self {
        Self::Failed(unusable)
    }
}

impl From<CompressError> for Stop {
    fn from(error: CompressError) -> Self {
        Self::unreadable(error.0)
    }
}

impl Stop {
    fn unreadable(reason: String) -> Self {
        let kind = FailureKind::Unreadable;
        Self::Failed(Unusable { kind, reason })
    }
}

/// A thread of a push, and where what it makes goes.
pub(super) struct Worker {
    shared: Arc<Shared>,
    made: UnboundedSender<Made>,
    /// Made when it is first needed.
    compressor: RefCell<Option<Compressor>>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, made: UnboundedSender<Made>) -> Self {
        Self {
            shared,
            made,
            compressor: RefCell::default(),
        }
    }

    /// Works until there is nothing left.
    pub(super) fn run(self) {
        while let Some(task) = self.shared.schedule.next() {
            match task {
                Task::Small(nar) => {
                    if let Err(stop) = self.small(nar) {
                        self.fail(nar, stop);
                        self.shared
                            .packer
                            .give_up(|batch| self.send(Made::Batch(batch)));
                    }
                }
                Task::Begin(nar) => match self.begin(nar) {
                    Ok(reading) => self.large(reading),
                    Err(stop) => {
                        self.shared.schedule.close();
                        self.fail(nar, stop);
                    }
                },
                Task::Continue(reading) => self.large(reading),
            }
        }
    }

    fn send(&self, made: Made) {
        // The receiver is gone only where the push was stopped.
        let _ = self.made.send(made);
    }

    fn fail(&self, nar: usize, stop: Stop) {
        if let Stop::Failed(why) = stop {
            self.shared.abandon(nar);
            self.send(Made::Failed { nar, why });
        }
    }

    /// Reads, hashes, compresses and packs a NAR that travels in a batch.
    fn small(&self, index: usize) -> Result<(), Stop> {
        let nar = &self.shared.nars[index];
        let (frame, mut reservation) = if compress::fits_a_block(nar.size) {
            self.small_in_blocks(index)?
        } else {
            let mut bench = self.bench()?;
            let mut reservation = self.reserve(blocks_for(nar.size) + batch::EXTRA_BLOCKS)?;
            self.read_whole(index, content_of(&mut bench, nar.size))?;
            (
                self.compress(bench, nar.size, &mut reservation)?,
                reservation,
            )
        };
        let packed = Packed {
            index,
            hash: nar.hash,
            size: nar.size,
            frame,
        };
        let send = |batch| self.send(Made::Batch(batch));
        self.shared
            .packer
            .pack(packed, &mut reservation, send)
            .map_err(|record| self.too_large(record))
    }

    /// Most NARs are so small that a block is a bench.
    fn small_in_blocks(&self, index: usize) -> Result<(Vec<Block>, Reservation), Stop> {
        let mut reservation = self.reserve(2 + batch::EXTRA_BLOCKS)?;
        let (mut content, mut frame) = (take(&mut reservation)?, take(&mut reservation)?);
        let size = length(self.shared.nars[index].size);
        self.read_whole(index, &mut content.room()[..size])?;
        content.advance(size);
        let compressed = self.frame(content.filled(), frame.room())?;
        frame.advance(compressed);
        reservation.put_back(content);
        Ok((vec![frame], reservation))
    }

    /// Reads a whole NAR into a buffer of its size, and checks it.
    fn read_whole(&self, index: usize, content: &mut [u8]) -> Result<(), Stop> {
        let mut nar = self.shared.nars[index].open()?;
        self.read(index, &mut nar, content)?;
        Ok(nar.check()?)
    }

    fn begin(&self, index: usize) -> Result<Box<Reading>, Stop> {
        Ok(Box::new(Reading {
            index,
            nar: self.shared.nars[index].open()?,
            part: 0,
        }))
    }

    /// Reads and compresses one part of a large NAR.
    fn large(&self, reading: Box<Reading>) {
        let index = reading.index;
        let read = match self.read_part(reading) {
            Ok(read) => read,
            Err(stop) => {
                self.shared.schedule.close();
                return self.fail(index, stop);
            }
        };
        let number = read.number;
        let mut reservation = read.reservation;
        let made = self
            .compress(read.bench, read.length, &mut reservation)
            .and_then(|frame| self.part(index, number, frame));
        match made {
            Ok(part) => self.send(Made::Part(part)),
            Err(stop) => self.fail(index, stop),
        }
    }

    /// Reads the next part that the server does not have, and lets others read on.
    fn read_part(&self, mut reading: Box<Reading>) -> Result<ReadPart, Stop> {
        let nar = &self.shared.nars[reading.index];
        while reading.part < nar.parts_received {
            self.skip_part(&mut reading)?;
        }
        let number = reading.part;
        let length = self.shared.part_length(nar, number);
        let mut bench = self.bench()?;
        let reservation = self.reserve(blocks_for(length))?;
        let content = content_of(&mut bench, length);
        self.read(reading.index, &mut reading.nar, content)?;
        reading.part += 1;
        if reading.part == nar.parts {
            reading.nar.check()?;
            self.shared.schedule.close();
        } else {
            self.shared.schedule.release(reading);
        }
        Ok(ReadPart {
            number,
            length,
            bench,
            reservation,
        })
    }

    /// Reads a part that the server has, for the hash alone.
    fn skip_part(&self, reading: &mut Reading) -> Result<(), Stop> {
        let nar = &self.shared.nars[reading.index];
        let part = self.shared.part_length(nar, reading.part);
        let mut bench = self.bench()?;
        let content = content_of(&mut bench, part);
        self.read(reading.index, &mut reading.nar, content)?;
        reading.part += 1;
        Ok(())
    }

    fn reserve(&self, blocks: usize) -> Result<Reservation, Stop> {
        self.shared.memory.reserve(blocks).ok_or(Stop::Quietly)
    }

    fn bench(&self) -> Result<Bench, Stop> {
        self.shared.benches.take().ok_or(Stop::Quietly)
    }

    /// Fills the buffer from a NAR, hashing what was read while it is in the cache.
    fn read(&self, index: usize, nar: &mut CheckedNar, content: &mut [u8]) -> Result<(), Stop> {
        for piece in content.chunks_mut(BLOCK) {
            if self.shared.is_stopped() || self.shared.is_abandoned(index) {
                return Err(Stop::Quietly);
            }
            nar.fill(piece)?;
            self.shared.observer.event(&PushEvent::Read {
                nar_bytes: piece.len() as u64,
            });
        }
        Ok(())
    }

    /// Makes one frame of the content, and tells of it.
    fn frame(&self, content: &[u8], room: &mut [u8]) -> Result<usize, Stop> {
        let mut compressor = self.compressor.borrow_mut();
        let compressor = match &mut *compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(self.shared.level)?),
        };
        let bytes = compressor.frame(content, room)?;
        self.shared.observer.event(&PushEvent::Compressed {
            nar_bytes: content.len() as u64,
            bytes: bytes as u64,
        });
        Ok(bytes)
    }

    /// Compresses what was read to a bench, which is then free for another.
    fn compress(
        &self,
        mut bench: Bench,
        size: u64,
        reservation: &mut Reservation,
    ) -> Result<Vec<Block>, Stop> {
        let Tools { content, frame } = &mut bench.tools;
        let compressed = self.frame(&content[..length(size)], frame)?;
        Ok(compress::into_blocks(&frame[..compressed], reservation)?)
    }

    fn part(&self, index: usize, number: u64, frame: Vec<Block>) -> Result<ReadyPart, Stop> {
        let length = frame.iter().map(|b| b.filled().len() as u64).sum();
        if length > self.shared.limits.body_size {
            return Err(self.too_large(length));
        }
        Ok(ReadyPart {
            nar: index,
            number,
            nar_bytes: self.shared.part_length(&self.shared.nars[index], number),
            pieces: frame.into_iter().map(Block::freeze).collect(),
        })
    }

    fn too_large(&self, length: u64) -> Stop {
        Stop::Failed(Unusable {
            kind: FailureKind::Refused,
            reason: format!(
                "it needs a request of {length} bytes, and the server takes {} at most",
                self.shared.limits.body_size
            ),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A thread that panicked would leave the others waiting for what it was reading. Without
        // it the push ends, and says so: not everything was made.
        if std::thread::panicking() {
            self.shared.stop();
        }
    }
}

/// A part that was read, with what is needed to compress it.
struct ReadPart {
    number: u64,
    length: u64,
    bench: Bench,
    reservation: Reservation,
}

/// A size that was found to fit into memory: limits are checked with the plan.
fn length(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// So much of a bench's room for content. A bench has room for every part and every batched NAR.
fn content_of(bench: &mut Bench, size: u64) -> &mut [u8] {
    let content = &mut bench.tools.content;
    let size = length(size).min(content.len());
    &mut content[..size]
}

fn take(reservation: &mut Reservation) -> Result<Block, Stop> {
    // Cannot be: as many as are taken were reserved.
    let none_left = || Stop::unreadable("no memory is left".to_owned());
    reservation.take().ok_or_else(none_left)
}
