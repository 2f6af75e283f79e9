//! What a worker thread does: reading, hashing, compressing.
//!
//! Invariants: the last part of a NAR, and any NAR of a batch, goes on only after the hash of the
//! whole was found right, so what is corrupted here never becomes complete there; parts of a NAR
//! get their memory in order, so the one that the server waits for always can be made.

use std::io::{self, Read};
use std::sync::Arc;

use fh_nix::{Hasher, NarHash, NarReader};
use tokio::sync::mpsc::UnboundedSender;

use super::PushEvent;
use super::batch::{self, Packed};
use super::compress::{self, CompressError, Compressor};
use super::memory::{BLOCK, Block, Reservation};
use super::plan::NarWork;
use super::report::FailureKind;
use super::schedule::{Reading, Task};
use super::threads::{Made, ReadyPart, Shared};

/// Blocks to reserve for making a frame of so many bytes.
pub(super) fn blocks_for(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(BLOCK as u64)).unwrap_or(usize::MAX / BLOCK)
        + compress::EXTRA_BLOCKS
}

/// Why a NAR is not made.
enum Stop {
    /// The push was stopped, or the NAR is not wanted any more.
    Quietly,
    /// It cannot be made.
    Failed(FailureKind, String),
}

impl From<CompressError> for Stop {
    fn from(error: CompressError) -> Self {
        match error {
            CompressError::Stopped => Self::Quietly,
            CompressError::Failed(reason) => Self::Failed(FailureKind::Unreadable, reason),
        }
    }
}

impl From<fh_nix::Error> for Stop {
    fn from(error: fh_nix::Error) -> Self {
        Self::Failed(FailureKind::Unreadable, with_causes(&error))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        // The reader wraps its own errors, which name the file.
        let reason = match error.get_ref() {
            Some(inner) => with_causes(inner),
            None => error.to_string(),
        };
        Self::Failed(FailureKind::Unreadable, reason)
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// One thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    made: UnboundedSender<Made>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, made: UnboundedSender<Made>) -> Self {
        Self { shared, made }
    }

    /// Works until there is nothing left.
    pub(super) fn run(self) {
        let mut compressor = None;
        while let Some(task) = self.shared.schedule.next() {
            match task {
                Task::Small(nar) => {
                    if let Err(stop) = self.small(nar, &mut compressor) {
                        self.fail(nar, stop);
                        self.shared
                            .packer
                            .give_up(|batch| self.send(Made::Batch(batch)));
                    }
                }
                Task::Begin(nar) => match self.begin(nar) {
                    Ok(reading) => self.large(reading, &mut compressor),
                    Err(stop) => {
                        self.shared.schedule.close();
                        self.fail(nar, stop);
                    }
                },
                Task::Continue(reading) => self.large(reading, &mut compressor),
            }
        }
    }

    fn send(&self, made: Made) {
        // The receiver is gone only where the push was stopped.
        let _ = self.made.send(made);
    }

    fn fail(&self, nar: usize, stop: Stop) {
        if let Stop::Failed(kind, reason) = stop {
            self.shared.abandon(nar);
            self.send(Made::Failed { nar, kind, reason });
        }
    }

    /// Reads, hashes, compresses and packs a NAR that travels in a batch.
    fn small(&self, index: usize, compressor: &mut Option<Compressor>) -> Result<(), Stop> {
        let nar = &self.shared.nars[index];
        let mut reservation = self.reserve(blocks_for(nar.size) + batch::EXTRA_BLOCKS)?;
        let mut reader = NarReader::new(&nar.source)?;
        let mut hasher = Hasher::new();
        let content = self.read(index, &mut reader, &mut hasher, nar.size, &mut reservation)?;
        check_whole(nar, &mut reader, hasher)?;
        let frame = self.compress(content, &mut reservation, compressor)?;
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
            .map_err(|too_large| self.too_large(too_large.record))
    }

    fn begin(&self, nar: usize) -> Result<Box<Reading>, Stop> {
        Ok(Box::new(Reading {
            nar,
            reader: NarReader::new(&self.shared.nars[nar].source)?,
            hasher: Hasher::new(),
            part: 0,
        }))
    }

    /// Reads and compresses one part of a large NAR.
    fn large(&self, reading: Box<Reading>, compressor: &mut Option<Compressor>) {
        let index = reading.nar;
        let mut read = match self.read_part(reading) {
            Ok(read) => read,
            Err(stop) => {
                self.shared.schedule.close();
                return self.fail(index, stop);
            }
        };
        let made = self
            .compress(read.content, &mut read.reservation, compressor)
            .and_then(|frame| self.part(index, read.number, frame));
        match made {
            Ok(part) => self.send(Made::Part(part)),
            Err(stop) => self.fail(index, stop),
        }
    }

    /// Reads the next part that the server does not have, and lets others read on.
    fn read_part(&self, mut reading: Box<Reading>) -> Result<ReadPart, Stop> {
        let nar = &self.shared.nars[reading.nar];
        while reading.part < nar.parts_received {
            self.skip_part(&mut reading)?;
        }
        let number = reading.part;
        let length = self.shared.part_length(nar, number);
        let mut reservation = self.reserve(blocks_for(length))?;
        let content = self.read(
            reading.nar,
            &mut reading.reader,
            &mut reading.hasher,
            length,
            &mut reservation,
        )?;
        reading.part += 1;
        if reading.part == nar.parts {
            check_whole(nar, &mut reading.reader, reading.hasher)?;
            self.shared.schedule.close();
        } else {
            self.shared.schedule.release(reading);
        }
        Ok(ReadPart {
            number,
            content,
            reservation,
        })
    }

    /// Reads a part that the server has, for the hash alone.
    fn skip_part(&self, reading: &mut Reading) -> Result<(), Stop> {
        let nar = &self.shared.nars[reading.nar];
        let mut left = self.shared.part_length(nar, reading.part);
        let mut reservation = self.reserve(1)?;
        while left > 0 {
            let piece = left.min(BLOCK as u64);
            let content = self.read(
                reading.nar,
                &mut reading.reader,
                &mut reading.hasher,
                piece,
                &mut reservation,
            )?;
            for block in content {
                reservation.put_back(block);
            }
            left -= piece;
        }
        reading.part += 1;
        Ok(())
    }

    fn reserve(&self, blocks: usize) -> Result<Reservation, Stop> {
        self.shared.memory.reserve(blocks).ok_or(Stop::Quietly)
    }

    /// Reads exactly `length` bytes of a NAR into blocks, hashing them while they are in the cache.
    fn read(
        &self,
        index: usize,
        reader: &mut NarReader,
        hasher: &mut Hasher,
        length: u64,
        reservation: &mut Reservation,
    ) -> Result<Vec<Block>, Stop> {
        let mut blocks = Vec::new();
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        while left > 0 {
            if self.shared.is_stopped() || self.shared.is_abandoned(index) {
                return Err(Stop::Quietly);
            }
            let Some(mut block) = reservation.take() else {
                // Cannot be: `blocks_for` counts them.
                let reason = "more was read than there is memory for".to_owned();
                return Err(Stop::Failed(FailureKind::Unreadable, reason));
            };
            while left > 0 && !block.room().is_empty() {
                let room = block.room();
                let wanted = room.len().min(left);
                let count = reader.read(&mut room[..wanted])?;
                if count == 0 {
                    return Err(wrong_size(&self.shared.nars[index], "fewer"));
                }
                block.advance(count);
                left -= count;
            }
            hasher.update(block.filled());
            self.shared.observer.event(&PushEvent::Read {
                nar_bytes: block.filled().len() as u64,
            });
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn compress(
        &self,
        content: Vec<Block>,
        reservation: &mut Reservation,
        compressor: &mut Option<Compressor>,
    ) -> Result<Vec<Block>, Stop> {
        let nar_bytes = content.iter().map(|b| b.filled().len() as u64).sum();
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(self.shared.level)?),
        };
        let frame = compressor.frame(content, reservation, &|| self.shared.is_stopped())?;
        self.shared.observer.event(&PushEvent::Compressed {
            nar_bytes,
            bytes: frame.iter().map(|b| b.filled().len() as u64).sum(),
        });
        Ok(frame)
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
        Stop::Failed(
            FailureKind::Refused,
            format!(
                "it needs a request of {length} bytes, and the server takes {} at most",
                self.shared.limits.body_size
            ),
        )
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
    content: Vec<Block>,
    reservation: Reservation,
}

/// Compares a NAR of which all expected bytes were read with what Nix has recorded of it.
fn check_whole(nar: &NarWork, reader: &mut NarReader, hasher: Hasher) -> Result<(), Stop> {
    if reader.read(&mut [0])? != 0 {
        return Err(wrong_size(nar, "more"));
    }
    let found: NarHash = hasher.finish();
    if found == nar.hash {
        return Ok(());
    }
    Err(Stop::Failed(
        FailureKind::Corrupted,
        format!(
            "its files are not what Nix recorded: the NAR hash is {found}, recorded is {}",
            nar.hash
        ),
    ))
}

fn wrong_size(nar: &NarWork, word: &str) -> Stop {
    Stop::Failed(
        FailureKind::Corrupted,
        format!(
            "its files are not what Nix recorded: the NAR has {word} than the recorded {} bytes",
            nar.size
        ),
    )
}
