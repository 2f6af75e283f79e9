//! One bucket in one number.
//!
//! The generic cell rate algorithm (ITU-T I.371): a bucket is the time at which it will be full again.
//! Taking moves that time on by the interval between two, and is refused where that would be further
//! away than a whole bucket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How fast buckets fill, and how much they hold. Times are nanoseconds since any fixed moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    interval: u64,
    full: u64,
}

impl Rate {
    /// So many in a period, of which so many may be taken at once. Neither is 0.
    pub(super) fn new(count: u32, period: Duration, at_once: u32) -> Self {
        let interval = nanoseconds(period / count.max(1)).max(1);
        Self {
            interval,
            full: interval.saturating_mul(u64::from(at_once.max(1))),
        }
    }

    /// Takes one, or says when there will be one.
    pub(super) fn take(self, bucket: &AtomicU64, now: Duration) -> Result<(), Duration> {
        let now = nanoseconds(now);
        // Nothing else is ordered by it.
        let taken = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            self.after(full_at, now).ok()
        });
        match taken {
            Ok(_) => Ok(()),
            Err(full_at) => self.after(full_at, now).map(drop),
        }
    }

    /// The number after one more was taken.
    fn after(self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let next = full_at.max(now).saturating_add(self.interval);
        let excess = (next - now).saturating_sub(self.full);
        if excess == 0 {
            Ok(next)
        } else {
            Err(Duration::from_nanos(excess))
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
