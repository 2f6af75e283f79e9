//! The memory of a push: blocks of one size, of which there is a fixed number.
//!
//! What was compressed and not answered yet lies in these blocks. Who needs some reserves all of
//! them before beginning, first come, first served, and waits while there are too few. Whoever has
//! what they reserved can finish without waiting for more memory, and blocks come back when the
//! server has answered; so the bound holds, and nothing can wait in a circle.
//!
//! What is being compressed lies in a bench, of which there are a few: NARs have to lie in one piece
//! for that, see [`super::compress`]. Benches come out of a pool as blocks do.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes of a block: large enough that reading and compressing it costs far more than handling it.
pub(super) const BLOCK: usize = 256 * 1024;

/// Pieces of memory of one size, of which there is a fixed number.
struct Pool<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// Those that were used and came back.
    recycled: Vec<T>,
    /// How many are neither in use nor reserved, whether they exist already or not.
    available: usize,
    /// Who waits, in order of arrival.
    waiting: VecDeque<u64>,
    next_ticket: u64,
    cancelled: bool,
}

impl<T> Pool<T> {
    /// So many; none is allocated before it is used.
    fn new(available: usize) -> Self {
        Self {
            state: Mutex::new(State {
                recycled: Vec::new(),
                available,
                waiting: VecDeque::new(),
                next_ticket: 0,
                cancelled: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many are there and sets them aside. None once the push was cancelled.
    fn reserve(&self, count: usize) -> Option<()> {
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(ticket);
        let state = self.changed.wait_while(state, |state| {
            let has_turn = state.waiting.front() == Some(&ticket) && state.available >= count;
            !(state.cancelled || has_turn)
        });
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.cancelled {
            return None;
        }
        state.waiting.pop_front();
        state.available -= count;
        drop(state);
        // The next one in the queue may find enough as well.
        self.changed.notify_all();
        Some(())
    }

    /// One that was used before, if there is one.
    fn recycled(&self) -> Option<T> {
        self.lock().recycled.pop()
    }

    /// Gives so many back, with those of them that exist.
    fn give_back(&self, count: usize, used: impl IntoIterator<Item = T>) {
        let mut state = self.lock();
        state.available += count;
        state.recycled.extend(used);
        drop(state);
        self.changed.notify_all();
    }

    /// Ends all waiting, now and later.
    fn cancel(&self) {
        self.lock().cancelled = true;
        self.changed.notify_all();
    }
}

/// All blocks of a push. Cloning shares them.
#[derive(Clone)]
pub(super) struct Memory(Arc<Pool<Box<[u8]>>>);

impl Memory {
    /// So many blocks; none is allocated before it is used.
    pub(super) fn new(blocks: usize) -> Self {
        Self(Arc::new(Pool::new(blocks)))
    }

    /// Waits until so many blocks are there and sets them aside. None once the push was cancelled.
    ///
    /// Never returns where more are asked for than there are in all: see [`super::threads`], which
    /// sizes the memory by the largest need.
    pub(super) fn reserve(&self, blocks: usize) -> Option<Reservation> {
        self.0.reserve(blocks)?;
        Some(Reservation {
            pool: Arc::clone(&self.0),
            left: blocks,
            spare: Vec::new(),
        })
    }

    /// Ends all waiting, now and later.
    pub(super) fn cancel(&self) {
        self.0.cancel();
    }

    /// Blocks that are neither in use nor reserved.
    #[cfg(test)]
    pub(super) fn available(&self) -> usize {
        self.0.lock().available
    }
}

/// Blocks set aside for one piece of work. What is not taken goes back when this is dropped.
pub(super) struct Reservation {
    pool: Arc<Pool<Box<[u8]>>>,
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
            .or_else(|| self.pool.recycled())
            .unwrap_or_else(|| vec![0; BLOCK].into_boxed_slice());
        Some(Block {
            pool: Arc::clone(&self.pool),
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
        self.pool.give_back(self.left, self.spare.drain(..));
    }
}

/// A block of memory, filled from its start. Goes back when it is dropped.
pub(super) struct Block {
    pool: Arc<Pool<Box<[u8]>>>,
    /// Empty only once it was taken out, by [`Reservation::put_back`].
    data: Box<[u8]>,
    length: usize,
}

impl Block {
    /// The part of it that was filled.
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
            self.pool.give_back(1, [data]);
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
pub(super) struct Benches {
    pool: Arc<Pool<Tools>>,
    content: usize,
    frame: usize,
}

/// The two pieces of memory of a bench.
#[derive(Default)]
pub(super) struct Tools {
    /// Where the content is read to.
    pub(super) content: Box<[u8]>,
    /// Where it is compressed to.
    pub(super) frame: Box<[u8]>,
}

impl Benches {
    /// So many benches with room for so many bytes of content and of what becomes of it; none is
    /// made before it is used.
    pub(super) fn new(count: usize, content: usize, frame: usize) -> Self {
        Self {
            pool: Arc::new(Pool::new(count)),
            content,
            frame,
        }
    }

    /// Waits for a bench. None once the push was cancelled.
    pub(super) fn take(&self) -> Option<Bench> {
        self.pool.reserve(1)?;
        let tools = self.pool.recycled().unwrap_or_else(|| Tools {
            content: vec![0; self.content].into_boxed_slice(),
            frame: vec![0; self.frame].into_boxed_slice(),
        });
        Some(Bench {
            pool: Arc::clone(&self.pool),
            tools,
        })
    }

    /// Ends all waiting, now and later.
    pub(super) fn cancel(&self) {
        self.pool.cancel();
    }
}

/// Room for one part and its frame. Goes back when it is dropped.
pub(super) struct Bench {
    pool: Arc<Pool<Tools>>,
    pub(super) tools: Tools,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.pool.give_back(1, [std::mem::take(&mut self.tools)]);
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
        let tools = &bench.tools;
        assert_eq!((tools.content.len(), tools.frame.len()), (10, 20));
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
