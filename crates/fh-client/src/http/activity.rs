//! Whether an exchange gets on.
//!
//! What counts is a step (the answer's head is here, the body is handed over as a whole) or a good many bytes
//! since the last that counted. So a body that drips is ended as one that rests is, and a slow line, on which
//! that many bytes move in the time allowed, is not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes that count as getting on: with a minute allowed, 273 a second.
const ENOUGH: usize = 16 * 1024;

/// How an exchange gets on, in either direction. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// When it last got on.
    at: Instant,
    /// Bytes that have moved since then.
    moved: usize,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            at: Instant::now(),
            moved: 0,
        })))
    }

    /// Something that happens once has happened.
    pub(super) fn step(&self) {
        *self.state() = State {
            at: Instant::now(),
            moved: 0,
        };
    }

    /// So many bytes have moved, in either direction.
    pub(super) fn moved(&self, bytes: usize) {
        let enough = {
            let mut state = self.state();
            state.moved = state.moved.saturating_add(bytes);
            state.moved >= ENOUGH
        };
        if enough {
            self.step();
        }
    }

    fn last(&self) -> Instant {
        self.state().at
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `exchange` until it has not got on for `limit`; none when it was given up.
pub(super) async fn unless_stalled<F: Future>(
    exchange: F,
    activity: &Activity,
    limit: Duration,
) -> Option<F::Output> {
    tokio::pin!(exchange);
    loop {
        let deadline = activity.last() + limit;
        tokio::select! {
            biased;
            output = &mut exchange => return Some(output),
            () = tokio::time::sleep_until(deadline) => {
                if activity.last() + limit <= Instant::now() {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(800);

    /// Moves so many bytes again and again, for that long: whether it was left to its end.
    async fn moving(bytes: usize, time: Duration) -> bool {
        let activity = Activity::new();
        let begin = Instant::now();
        let exchange = async {
            while begin.elapsed() < time {
                tokio::time::sleep(Duration::from_millis(10)).await;
                activity.moved(bytes);
            }
        };
        unless_stalled(exchange, &activity, LIMIT).await.is_some()
    }

    #[tokio::test]
    async fn what_drips_is_ended_and_what_is_slow_is_not() {
        let (slow, short, drip, rest) = tokio::join!(
            moving(ENOUGH / 8, LIMIT * 3),
            moving(1, LIMIT / 4),
            moving(1, LIMIT * 100),
            moving(0, LIMIT * 100),
        );
        assert!(slow);
        assert!(short, "whatever its pace");
        assert!(!drip && !rest);
    }

    #[tokio::test]
    async fn a_step_counts_whatever_has_moved() {
        let activity = Activity::new();
        let exchange = async {
            for _ in 0..10 {
                tokio::time::sleep(LIMIT / 4).await;
                activity.step();
            }
        };
        assert!(unless_stalled(exchange, &activity, LIMIT).await.is_some());
    }
}
