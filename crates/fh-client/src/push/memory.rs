//! The memory of a push: blocks of one size, of which there is a fixed number.
//!
//! What was compressed and not answered yet lies in these blocks. Who needs some reserves all of
//! them before beginning, first come, first served, and waits while there are too few. Whoever has
//! what they reserved can finish without waiting for more memory, and blocks come back when the
//! server has answered; so the bound holds, and nothing can wait in a circle.
//!
//! What is being compressed lies in a bench, of which there are a few: NARs have to lie in one piece
//! for that, see [`super::compress`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes of a block: large enough that reading and compressing it costs far more than handling it.
pub(super) const BLOCK: usize = 256 * 1024;

/// All blocks of a push. Cloning shares them.
#[derive(Clone)]
pub(super) struct Memory(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Blocks that were used and came back.
    recycled: Vec<Box<[u8]>>,
    /// Blocks that are neither in use nor reserved, whether they exist already or not.
    available: usize,
    /// Who waits, in order of arrival.
    waiting: VecDeque<u64>,
    next_ticket: u64,
    cancelled: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, blocks: usize, data: Option<Box<[u8]>>) {
        let mut state = self.lock();
        state.available += blocks;
        state.recycled.extend(data);
        drop(state);
        self.changed.notify_all();
    }
}

impl Memory {
    /// So many blocks; none is allocated before it is used.
    pub(super) fn new(blocks: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                recycled: Vec::new(),
                available: blocks,
                waiting: VecDeque::new(),
                next_ticket: 0,
                cancelled: false,
            }),
            changed: Condvar::new(),
        }))
    }

    /// Waits until so many blocks are there and sets them aside. None once the push was cancelled.
    ///
    /// Never returns where more are asked for than there are in all: see [`super::threads`], which
    /// sizes the memory by the largest need.
    pub(super) fn reserve(&self, blocks: usize) -> Option<Reservation> {
        let mut state = self.0.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(ticket);
        while !state.cancelled
            && (state.waiting.front() != Some(&ticket) || state.available < blocks)
        {
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.cancelled {
            return None;
        }
        state.waiting.pop_front();
        state.available -= blocks;
        let others_wait = !state.waiting.is_empty();
        drop(state);
        if others_wait {
            self.0.changed.notify_all();
        }
        Some(Reservation {
            shared: Arc::clone(&self.0),
            left: blocks,
            spare: Vec::new(),
        })
    }

    /// Ends all waiting, now and later.
    pub(super) fn cancel(&self) {
        self.0.lock().cancelled = true;
        self.0.changed.notify_all();
    }

    /// Blocks that are neither in use nor reserved.
    #[cfg(test)]
    pub(super) fn available(&self) -> usize {
        self.0.lock().available
    }
}

/// Blocks set aside for one piece of work. What is not taken goes back when this is dropped.
pub(super) struct Reservation {
    shared: Arc<Shared>,
    left: usize,
    /// Those of the blocks left that exist already.
    spare: Vec<Box<[u8]>>,
}

impl Reservation {
    /// One of the blocks, empty; none when all were taken.
    pub(super) fn take(&mut self) -> Option<Block> {
        self.left = self.left.checked_sub(1)?;
        let data = self
            .spare
            .pop()
            .or_else(|| self.shared.lock().recycled.pop())
            .unwrap_or_else(|| vec![0; BLOCK].into_boxed_slice());
        Some(Block {
            shared: Arc::clone(&self.shared),
            data,
            length: 0,
        })
    }

    /// Takes a block back that is not needed any more, to be taken again.
    pub(super) fn put_back(&mut self, mut block: Block) {
        self.spare.push(std::mem::take(&mut block.data));
        self.left += 1;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.available += self.left;
        state.recycled.append(&mut self.spare);
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// A block of memory, filled from its start. Goes back when it is dropped.
pub(super) struct Block {
    shared: Arc<Shared>,
    /// Empty only once it was taken out, by [`Reservation::put_back`].
    data: Box<[u8]>,
    length: usize,
}

impl Block {
    /// What was filled.
    pub(super) fn filled(&self) -> &[u8] {
        &self.data[..self.length]
    }

    /// What is left to fill; say with [`Self::advance`] how much of it was.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.data[self.length..]
    }

    /// Counts the next `bytes` of the room as filled, as far as there are so many.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.length = (self.length + bytes).min(self.data.len());
    }

    /// Copies as much as fits and says how much that was.
    pub(super) fn append(&mut self, bytes: &[u8]) -> usize {
        let room = self.room();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.advance(count);
        count
    }

    /// What was filled, to be shared; the block goes back when the last of it is dropped.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(Frozen(self))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if !self.data.is_empty() {
            let data = std::mem::take(&mut self.data);
            self.shared.give_back(1, Some(data));
        }
    }
}

struct Frozen(Block);

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        self.0.filled()
    }
}

/// Room for compressing a whole part. Cloning shares it.
#[derive(Clone)]
pub(super) struct Benches(Arc<BenchesShared>);

struct BenchesShared {
    state: Mutex<BenchesState>,
    changed: Condvar,
    content: usize,
    frame: usize,
}

struct BenchesState {
    idle: Vec<Tools>,
    /// How many may yet be made.
    unmade: usize,
    cancelled: bool,
}

/// The two pieces of memory of a bench.
#[derive(Default)]
struct Tools {
    content: Box<[u8]>,
    frame: Box<[u8]>,
}

impl Benches {
    /// So many benches with room for so many bytes of content and of what becomes of it; none is
    /// made before it is used.
    pub(super) fn new(count: usize, content: usize, frame: usize) -> Self {
        Self(Arc::new(BenchesShared {
            state: Mutex::new(BenchesState {
                idle: Vec::new(),
                unmade: count,
                cancelled: false,
            }),
            changed: Condvar::new(),
            content,
            frame,
        }))
    }

    /// Waits for a bench. None once the push was cancelled.
    pub(super) fn take(&self) -> Option<Bench> {
        let mut state = self.0.lock();
        loop {
            if state.cancelled {
                return None;
            }
            if let Some(tools) = state.idle.pop() {
                return Some(self.bench(tools));
            }
            if state.unmade > 0 {
                state.unmade -= 1;
                drop(state);
                return Some(self.bench(Tools {
                    content: vec![0; self.0.content].into_boxed_slice(),
                    frame: vec![0; self.0.frame].into_boxed_slice(),
                }));
            }
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn bench(&self, tools: Tools) -> Bench {
        Bench {
            shared: Arc::clone(&self.0),
            content: tools.content,
            frame: tools.frame,
        }
    }

    /// Ends all waiting, now and later.
    pub(super) fn cancel(&self) {
        self.0.lock().cancelled = true;
        self.0.changed.notify_all();
    }
}

impl BenchesShared {
    fn lock(&self) -> MutexGuard<'_, BenchesState> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one part and its frame. Goes back when it is dropped.
pub(super) struct Bench {
    shared: Arc<BenchesShared>,
    /// Where the content is read to.
    pub(super) content: Box<[u8]>,
    /// Where it is compressed to.
    pub(super) frame: Box<[u8]>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let tools = Tools {
            content: std::mem::take(&mut self.content),
            frame: std::mem::take(&mut self.frame),
        };
        self.shared.lock().idle.push(tools);
        self.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn benches_are_lent_to_one_at_a_time() {
        let benches = Benches::new(1, 10, 20);
        let bench = benches.take().unwrap();
        assert_eq!((bench.content.len(), bench.frame.len()), (10, 20));
        let waiting = {
            let benches = benches.clone();
            thread::spawn(move || benches.take().is_some())
        };
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished());
        drop(bench);
        assert!(waiting.join().unwrap());
        let _held = benches.take();
        let waiting = {
            let benches = benches.clone();
            thread::spawn(move || benches.take().is_none())
        };
        benches.cancel();
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn blocks_come_back_from_everywhere() {
        let memory = Memory::new(4);
        let mut reservation = memory.reserve(3).unwrap();
        assert_eq!(memory.available(), 1);
        let mut block = reservation.take().unwrap();
        assert_eq!(block.append(b"abc"), 3);
        let bytes = block.freeze();
        assert_eq!(&bytes[..], b"abc");
        let again = reservation.take().unwrap();
        reservation.put_back(again);
        drop(reservation);
        assert_eq!(memory.available(), 3);
        let slice = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(memory.available(), 3);
        drop(slice);
        assert_eq!(memory.available(), 4);
    }

    #[test]
    fn no_more_is_taken_than_was_reserved() {
        let memory = Memory::new(4);
        let mut reservation = memory.reserve(1).unwrap();
        let block = reservation.take().unwrap();
        assert!(reservation.take().is_none());
        reservation.put_back(block);
        assert!(reservation.take().is_some());
    }

    #[test]
    fn a_large_need_is_not_starved_by_small_ones() {
        let memory = Memory::new(4);
        let held = memory.reserve(2).unwrap();
        let large = {
            let memory = memory.clone();
            thread::spawn(move || memory.reserve(4).is_some())
        };
        while memory.0.lock().waiting.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let small = {
            let memory = memory.clone();
            thread::spawn(move || memory.reserve(1).is_some())
        };
        thread::sleep(Duration::from_millis(20));
        // Two blocks are free, and still the small need waits behind the large one.
        assert!(!small.is_finished());
        drop(held);
        assert!(large.join().unwrap());
        assert!(small.join().unwrap());
        assert_eq!(memory.available(), 4);
    }

    #[test]
    fn cancelling_wakes_who_waits() {
        let memory = Memory::new(1);
        let held = memory.reserve(1).unwrap();
        let waiting = {
            let memory = memory.clone();
            thread::spawn(move || memory.reserve(1).is_none())
        };
        memory.cancel();
        assert!(waiting.join().unwrap());
        drop(held);
        assert!(memory.reserve(1).is_none());
    }
}
