//! Whose word decides what a reader gets: three properties that hold for every history of pushes, grants,
//! memberships and the like.
//!
//! - [`purge`]: what is done in organisations that a reader has nothing to do with changes none of their answers.
//! - [`lower`]: a push that counts for less never changes what a reader is served.
//! - [`secrets`]: what somebody may not read changes none of the answers that they get.
//!
//! Histories are random and follow from their seed, which a failing one prints: with that number in
//! `FH_TEST_SEED` the test runs this history alone. Each history has organisations of its own; many run
//! one after the other on the same servers, so that caches see what others do all the time.

mod lower;
mod purge;
mod secrets;
mod world;

use std::ops::Range;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many histories each property is tried with.
const HISTORIES: u64 = 200;

/// How many by `cargo xtask test --long`.
const MANY_HISTORIES: u64 = 5_000;

/// How many histories a server sees.
const SLOTS: u64 = 10;

/// How many servers, or pairs of servers, are at work at the same time.
const TOGETHER: usize = 3;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(u64::from_str(&text).unwrap_or_else(|error| panic!("{variable}={text:?}: {error}")))
}

/// The seeds of the usual run: the same ones each time, or the one that is asked for.
fn usual_seeds() -> Range<u64> {
    match number("FH_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..HISTORIES,
    }
}

/// As many as `FH_HISTORIES` says, from the seed `FH_SEED` on.
fn many_seeds() -> Range<u64> {
    let first = number("FH_SEED").unwrap_or(1_000);
    first..first + number("FH_HISTORIES").unwrap_or(MANY_HISTORIES)
}

/// Runs histories of these seeds, each server those of [`SLOTS`] seeds at most.
async fn histories<F>(seeds: Range<u64>, run: impl Fn(Vec<u64>) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let seeds: Vec<u64> = seeds.collect();
    let chunks: Vec<Vec<u64>> = seeds
        .chunks(usize::try_from(SLOTS).unwrap())
        .map(<[u64]>::to_vec)
        .collect();
    let run = Arc::new(run);
    let tasks: Vec<_> = (0..TOGETHER)
        .map(|first| {
            let chunks: Vec<_> = chunks
                .iter()
                .skip(first)
                .step_by(TOGETHER)
                .cloned()
                .collect();
            let run = Arc::clone(&run);
            tokio::spawn(async move {
                for chunk in chunks {
                    run(chunk).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// How often something was seen in all histories: a property that never comes to the point holds nothing.
#[derive(Default)]
struct Seen(AtomicU64);

impl Seen {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Panics unless it was seen about so often in each history, where there are enough of them.
    #[track_caller]
    fn at_least(&self, per_history: f64, histories: &Range<u64>, what: &str) {
        let count = self.0.load(Ordering::Relaxed);
        let histories = histories.end - histories.start;
        #[expect(clippy::cast_precision_loss, reason = "they are few")]
        let ratio = count as f64 / histories as f64;
        assert!(
            histories < HISTORIES || ratio >= per_history,
            "{what}: only {count} times in {histories} histories"
        );
    }
}
