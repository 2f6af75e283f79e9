//! Which NAR a worker thread takes next.
//!
//! Large NARs are taken largest first, so that the end is short, and small ones beside them, so
//! that the server and the disks on both sides always have some of both to do. A large NAR is read
//! by one thread at a time, part after part, because its hash is one long chain; while one thread
//! compresses the part that it has read, another reads the next one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::nar::CheckedNar;

/// Small NARs are kept ahead of the large ones by this much (5/4), so that what is left at the end
/// is parts, of which several threads can do one NAR.
const AHEAD: (u128, u128) = (5, 4);

/// A large NAR on its way.
pub(super) struct Reading {
    /// Which NAR of the push it is.
    pub(super) index: usize,
    pub(super) nar: CheckedNar,
    /// The part to be read next.
    pub(super) part: u64,
}

/// What to do next.
pub(super) enum Task {
    /// Read, compress and pack a small NAR.
    Small(usize),
    /// Open a large NAR and read its first part.
    Begin(usize),
    /// Read the next part of a large NAR.
    Continue(Box<Reading>),
}

/// What is left to do, shared by the threads.
pub(super) struct Schedule {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    small: Lane,
    large: Lane,
    /// Large NARs that were begun and that nobody reads right now.
    open: VecDeque<Box<Reading>>,
    /// Threads that are reading a large NAR, which may then be open again.
    reading: usize,
    stopped: bool,
}

/// NARs not begun yet, the next one first.
struct Lane {
    queue: VecDeque<(usize, u64)>,
    total: u64,
    begun: u64,
}

impl Lane {
    /// Of NARs by index and size.
    fn new(mut nars: Vec<(usize, u64)>) -> Self {
        nars.sort_by_key(|&(index, size)| (std::cmp::Reverse(size), index));
        Self {
            total: nars.iter().map(|&(_, size)| size).sum(),
            begun: 0,
            queue: nars.into(),
        }
    }

    fn pop(&mut self) -> Option<usize> {
        let (index, size) = self.queue.pop_front()?;
        self.begun += size;
        Some(index)
    }
}

impl Schedule {
    /// Of NARs by index and the bytes to be read of them.
    pub(super) fn new(small: Vec<(usize, u64)>, large: Vec<(usize, u64)>) -> Self {
        Self {
            state: Mutex::new(State {
                small: Lane::new(small),
                large: Lane::new(large),
                open: VecDeque::new(),
                reading: 0,
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task; waits while there may be one later. None when all is done or stopped.
    pub(super) fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(task) = state.choose() {
                return Some(task);
            }
            if state.reading == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The part was read: another thread may read the next one.
    pub(super) fn release(&self, reading: Box<Reading>) {
        let mut state = self.lock();
        state.reading -= 1;
        // In front: what was begun first is finished first.
        state.open.push_front(reading);
        drop(state);
        self.changed.notify_one();
    }

    /// The NAR was read to its end, or will not be read further.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.reading -= 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Gives out no more tasks.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.open.clear();
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    fn choose(&mut self) -> Option<Task> {
        let large_left = !self.open.is_empty() || !self.large.queue.is_empty();
        if (!large_left || self.small_is_due())
            && let Some(nar) = self.small.pop()
        {
            return Some(Task::Small(nar));
        }
        if let Some(reading) = self.open.pop_front() {
            self.reading += 1;
            return Some(Task::Continue(reading));
        }
        if let Some(nar) = self.large.pop() {
            self.reading += 1;
            return Some(Task::Begin(nar));
        }
        self.small.pop().map(Task::Small)
    }

    /// Whether small NARs are behind their share.
    fn small_is_due(&self) -> bool {
        let (more, than) = AHEAD;
        let part = |done: u64, total: u64| u128::from(done) * u128::from(total.max(1));
        part(self.small.begun, self.large.total) * than
            <= part(self.large.begun, self.small.total) * more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(small: &[u64], large: &[u64]) -> String {
        let numbered = |sizes: &[u64]| sizes.iter().copied().enumerate().collect();
        let schedule = Schedule::new(numbered(small), numbered(large));
        let mut order = String::new();
        while let Some(task) = schedule.next() {
            match task {
                Task::Small(index) => order.push_str(&format!("s{index} ")),
                Task::Begin(index) => {
                    order.push_str(&format!("L{index} "));
                    schedule.close();
                }
                Task::Continue(_) => unreachable!("nothing was released"),
            }
        }
        order.trim_end().to_owned()
    }

    #[test]
    fn large_ones_come_largest_first_with_small_ones_between() {
        assert_eq!(order(&[1, 3, 2], &[]), "s1 s2 s0");
        assert_eq!(order(&[], &[10, 30, 20]), "L1 L2 L0");
        assert_eq!(
            order(&[1, 1, 1, 1], &[100, 100, 100, 100]),
            "s0 L0 s1 L1 s2 L2 s3 L3"
        );
    }

    #[test]
    fn a_thread_waits_for_the_part_that_another_one_is_reading() {
        let schedule = std::sync::Arc::new(Schedule::new(Vec::new(), vec![(0, 100)]));
        assert!(matches!(schedule.next(), Some(Task::Begin(0))));
        let other = {
            let schedule = schedule.clone();
            std::thread::spawn(move || schedule.next().is_none())
        };
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!other.is_finished());
        schedule.close();
        assert!(other.join().unwrap());
    }
}
