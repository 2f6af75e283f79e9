//! How fast something goes now: over the last seconds, so that what stops is seen to stop.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back is looked.
const WINDOW: Duration = Duration::from_secs(10);

/// What comes within this time is counted together.
const SLOT: Duration = Duration::from_millis(500);

/// Shorter times make no rate: what the system buffers is gone at once.
const LEAST: Duration = Duration::from_secs(1);

/// Bytes, and when they went.
#[derive(Debug)]
pub(super) struct Rate {
    began: Instant,
    /// When each slot began, and its bytes; none older than the window.
    slots: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// A rate of which nothing has gone yet.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            slots: VecDeque::new(),
        }
    }

    /// So many bytes went.
    pub(super) fn add(&mut self, bytes: u64, now: Instant) {
        let last = self.slots.back_mut();
        match last.filter(|(began, _)| now.saturating_duration_since(*began) < SLOT) {
            Some((_, sum)) => *sum += bytes,
            None => self.slots.push_back((now, bytes)),
        }
        while let Some((began, _)) = self.slots.front()
            && now.saturating_duration_since(*began) >= WINDOW
        {
            self.slots.pop_front();
        }
    }

    /// Bytes a second, over the last while.
    pub(super) fn per_second(&self, now: Instant) -> u64 {
        let counted = self.slots.iter();
        let sum: u64 = counted
            .filter(|(began, _)| now.saturating_duration_since(*began) < WINDOW)
            .map(|(_, bytes)| bytes)
            .sum();
        let time = now.saturating_duration_since(self.began);
        let milliseconds = time.clamp(LEAST, WINDOW).as_millis();
        let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        sum.saturating_mul(1000) / milliseconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let mut rate = Rate::new(begin);
        // 1000 bytes each 100 ms, for 30 s; then nothing.
        for step in 0..300 {
            rate.add(1000, at(step * 100));
        }
        for (time, expected) in [
            (29_900, 9_500..10_500),
            (34_900, 4_500..5_500),
            (39_000, 500..1_500),
            (40_000, 0..1),
            (400_000, 0..1),
        ] {
            let told = rate.per_second(at(time));
            assert!(expected.contains(&told), "{time} ms: {told}");
        }
        // It has gone again, slower.
        rate.add(5000, at(400_000));
        assert_eq!(rate.per_second(at(400_000)), 500);
        // The first moment is no rate of its own.
        let mut rate = Rate::new(begin);
        rate.add(1 << 20, at(1));
        assert_eq!(rate.per_second(at(2)), 1 << 20);
    }
}
