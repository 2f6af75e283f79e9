//! How long somebody waited.

#![allow(clippy::print_stdout, reason = "how long somebody waited is told")]

use std::fmt;
use std::time::{Duration, Instant};

/// How often somebody does something.
const ROUNDS: usize = 40;

/// How long they may wait in the worst case: far above what they wait for by themselves, far below any time-out.
const BEARABLE: Duration = Duration::from_secs(2);

/// How long somebody waited, again and again.
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    /// For something that is done again and again.
    pub(crate) fn of(mut step: impl FnMut(usize)) -> Self {
        let wait = |number| {
            let started = Instant::now();
            step(number);
            started.elapsed()
        };
        (0..ROUNDS).map(wait).collect()
    }

    /// How often it was done.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    /// Says how long it was, alone and beside somebody else, and that the second is bearable.
    #[track_caller]
    pub(crate) fn assert_bearable(what: &str, alone: &Self, beside: &Self) {
        println!("{what}: alone {alone}; beside the attacker {beside}");
        assert!(beside.percentile(99) < BEARABLE, "{what}: {beside}");
    }
}

impl FromIterator<Duration> for Waits {
    fn from_iter<T: IntoIterator<Item = Duration>>(waits: T) -> Self {
        let mut waits: Vec<Duration> = waits.into_iter().collect();
        waits.sort_unstable();
        Self(waits)
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most) = (self.percentile(50), self.percentile(99));
        write!(f, "p50 {half:.1?}, p99 {most:.1?}")
    }
}
