//! Packing small NARs into requests.
//!
//! All threads pack into one batch, which is sent when it is large enough, when the next NAR would
//! not fit, or when no further small NAR will come.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fh_api::NAR_BATCH_RECORD_HEADER;
use fh_nix::NarHash;

use super::compress::record_header;
use super::memory::{Block, Reservation};

/// Compressed bytes from which on a batch is sent: enough that requests are few, and little enough
/// that the server begins to check while the client still compresses.
pub(super) const TARGET: u64 = 2 * 1024 * 1024;

/// Blocks that packing a NAR may take besides those that its own compressed bytes free: one that
/// is begun, and one more where the header crosses its end.
pub(super) const EXTRA_BLOCKS: usize = 2;

/// A batch that is to be sent.
pub(super) struct ReadyBatch {
    pub(super) pieces: Vec<Bytes>,
    /// Indices of the NARs, in the order of their records.
    pub(super) nars: Vec<usize>,
    /// Uncompressed bytes of all its NARs.
    pub(super) nar_bytes: u64,
}

/// What was packed and not sent yet.
pub(super) struct Packer {
    state: Mutex<State>,
    largest_body: u64,
}

struct State {
    pieces: Vec<Bytes>,
    tail: Option<Block>,
    length: u64,
    nars: Vec<usize>,
    nar_bytes: u64,
    /// Small NARs that are neither packed nor given up.
    expected: usize,
}

/// A small NAR, compressed.
pub(super) struct Packed {
    pub(super) index: usize,
    pub(super) hash: NarHash,
    pub(super) size: u64,
    pub(super) frame: Vec<Block>,
}

impl Packer {
    /// For so many small NARs, in bodies of at most `largest_body` bytes.
    pub(super) fn new(expected: usize, largest_body: u64) -> Self {
        Self {
            state: Mutex::new(State {
                pieces: Vec::new(),
                tail: None,
                length: 0,
                nars: Vec::new(),
                nar_bytes: 0,
                expected,
            }),
            largest_body,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Packs a NAR. Its frame is copied, so that memory is used to the last byte whatever the sizes
    /// are; blocks for that come from `reservation`. Batches that became ready go to `send`, in
    /// order. A NAR that is larger than a body may be even by itself is refused: the error is the size of its record.
    pub(super) fn pack(
        &self,
        nar: Packed,
        reservation: &mut Reservation,
        mut send: impl FnMut(ReadyBatch),
    ) -> Result<(), u64> {
        let compressed: u64 = nar.frame.iter().map(|b| b.filled().len() as u64).sum();
        let record = compressed + NAR_BATCH_RECORD_HEADER as u64;
        let mut state = self.lock();
        if record > self.largest_body {
            return Err(record);
        }
        if state.length + record > self.largest_body {
            send(state.take());
        }
        state.append(&record_header(nar.hash, compressed), reservation);
        for block in nar.frame {
            state.append(block.filled(), reservation);
            reservation.put_back(block);
        }
        state.nars.push(nar.index);
        state.nar_bytes += nar.size;
        state.expected -= 1;
        if state.length >= TARGET.min(self.largest_body) || state.expected == 0 {
            send(state.take());
        }
        Ok(())
    }

    /// One of the small NARs will not come.
    pub(super) fn give_up(&self, mut send: impl FnMut(ReadyBatch)) {
        let mut state = self.lock();
        state.expected -= 1;
        if state.expected == 0 && !state.nars.is_empty() {
            send(state.take());
        }
    }
}

impl State {
    fn append(&mut self, mut bytes: &[u8], reservation: &mut Reservation) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.tail.as_mut().is_none_or(|tail| tail.room().is_empty()) {
                self.pieces.extend(self.tail.take().map(Block::freeze));
                self.tail = reservation.take();
            }
            let Some(tail) = &mut self.tail else {
                // Cannot be: see EXTRA_BLOCKS. A piece of its own memory is still right.
                self.pieces.push(Bytes::copy_from_slice(bytes));
                return;
            };
            let count = tail.append(bytes);
            bytes = &bytes[count..];
        }
    }

    fn take(&mut self) -> ReadyBatch {
        self.length = 0;
        self.pieces.extend(self.tail.take().map(Block::freeze));
        ReadyBatch {
            pieces: std::mem::take(&mut self.pieces),
            nars: std::mem::take(&mut self.nars),
            nar_bytes: std::mem::take(&mut self.nar_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::{BLOCK, Memory};
    use super::*;

    fn frame(reservation: &mut Reservation, length: usize) -> Vec<Block> {
        let bytes = vec![7; length];
        let mut blocks = Vec::new();
        for chunk in bytes.chunks(BLOCK) {
            let mut block = reservation.take().unwrap();
            assert_eq!(block.append(chunk), chunk.len());
            blocks.push(block);
        }
        blocks
    }

    /// Packs NARs of these compressed lengths; gives back the bodies' lengths and record counts.
    fn bodies(lengths: &[usize], largest: u64) -> Vec<(usize, usize)> {
        let memory = Memory::new(200);
        let packer = Packer::new(lengths.len(), largest);
        let mut bodies = Vec::new();
        for (index, &length) in lengths.iter().enumerate() {
            let needed = length.div_ceil(BLOCK) + EXTRA_BLOCKS;
            let mut reservation = memory.reserve(needed).unwrap();
            let packed = Packed {
                index,
                hash: NarHash::of(&index.to_le_bytes()),
                size: 1,
                frame: frame(&mut reservation, length),
            };
            let send = |batch: ReadyBatch| {
                let length = batch.pieces.iter().map(Bytes::len).sum();
                bodies.push((length, batch.nars.len()));
            };
            if packer.pack(packed, &mut reservation, send).is_err() {
                packer.give_up(|_| ());
                bodies.push((0, 0));
            }
        }
        assert_eq!(memory.available(), 200);
        bodies
    }

    #[test]
    fn a_batch_ends_at_its_target_at_the_limit_and_at_the_last_nar() {
        let target = TARGET as usize;
        assert_eq!(bodies(&[10, 20, 30], 1 << 20), [(60 + 3 * 40, 3)]);
        assert_eq!(bodies(&[target, 10], 30 << 20), [(target + 40, 1), (50, 1)]);
        assert_eq!(bodies(&[target - 41, 1, 10], 30 << 20).len(), 2);
        // The second does not fit beside the first.
        assert_eq!(bodies(&[600, 600], 1024), [(640, 1), (640, 1)]);
        assert_eq!(bodies(&[984], 1024), [(1024, 1)]);
        assert_eq!(bodies(&[985], 1024), [(0, 0)]);
        // Across block boundaries, nothing is lost.
        assert_eq!(
            bodies(&[BLOCK - 50, 3 * BLOCK, BLOCK + 7], 30 << 20),
            [(5 * BLOCK - 43 + 3 * 40, 3)]
        );
    }
}
