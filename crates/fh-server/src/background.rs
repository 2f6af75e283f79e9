//! What runs beside the requests: tasks that wake up now and then until the server stops.
//!
//! A task is dropped at its next pause, so none of them leaves anything half done between two pauses.

use std::time::Duration;

use fh_api::with_causes;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::collect::{self, Collected};
use crate::state::AppState;

/// How long the tasks have to come to an end.
const STOP: Duration = Duration::from_secs(10);

/// How often the last use of tokens is written to the database.
const LAST_USED: Duration = Duration::from_secs(5);

/// How often refusals are written to the audit log.
const DENIALS: Duration = Duration::from_secs(1);

/// How often the database is asked for damaged NARs that `fh serve --check`, or a person, has marked.
const DAMAGE: Duration = Duration::from_secs(2);

/// How often the reserve of disk space is filled up.
const RESERVE: Duration = Duration::from_secs(5);

/// The tasks of a running server. Dropped, they end.
pub(crate) struct Background {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Background {
    /// Starts all of them.
    pub(crate) fn start(state: &AppState) -> Self {
        let background = Self {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        background.spawn(write_last_used(state.clone()));
        background.spawn(write_denials(state.clone()));
        background.spawn(collect_alone(state.clone()));
        background.spawn(look_for_damage(state.clone()));
        background.spawn(keep_reserve(state.clone()));
        background.tasks.close();
        background
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ = stop.run_until_cancelled_owned(task).await;
        });
    }

    /// Ends all tasks: whether they did in time.
    pub(crate) async fn stop(&self) -> bool {
        self.stop.cancel();
        let ended = tokio::time::timeout(STOP, self.tasks.wait()).await;
        if ended.is_err() {
            tracing::warn!("some background tasks did not end");
        }
        ended.is_ok()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Ticks at once and then in this interval; after a delay, a whole interval later.
fn clock(interval: Duration) -> Interval {
    let mut clock = tokio::time::interval(interval);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock
}

async fn write_last_used(state: AppState) {
    let mut clock = clock(LAST_USED);
    loop {
        clock.tick().await;
        if let Err(error) = state.access().flush_last_used().await {
            tracing::warn!(error = %with_causes(&error), "cannot note when tokens were used last");
        }
    }
}

async fn write_denials(state: AppState) {
    let mut clock = clock(DENIALS);
    loop {
        clock.tick().await;
        if let Err(error) = state.denials().flush(false).await {
            tracing::warn!(error = %with_causes(&error), "cannot write to the audit log what was refused");
        }
    }
}

/// Collects at the start and then in the settings' interval, from when no other process uses the data
/// directory.
async fn collect_alone(state: AppState) {
    let tenure = state.tenure();
    tenure.others_gone().await;
    if let Err(error) = state.notice_others().await {
        tracing::warn!(error = %with_causes(&error), "cannot see what the previous server wrote last");
    }
    tenure.is_alone();
    let storage = state.storage().clone();
    let removed = tenure.spawn_blocking(move || storage.remove_leftovers());
    // A panic in there was logged.
    if let Ok(Err(error)) = removed.await {
        tracing::warn!(error = %with_causes(&error), "cannot remove what was left half-written");
    }
    let mut clock = clock(state.settings().collect_interval);
    loop {
        clock.tick().await;
        match collect::collect(state.stock(), collect::ORPHAN_AGE).await {
            Ok(collected) if collected == Collected::default() => {}
            Ok(collected) => tracing::info!(?collected, "collected"),
            Err(error) => tracing::warn!(error = %with_causes(&error), "the collection broke off"),
        }
    }
}

async fn look_for_damage(state: AppState) {
    let mut clock = clock(DAMAGE);
    loop {
        clock.tick().await;
        let looked = async {
            state.notice_others().await?;
            state.integrity().look_for_marks().await
        };
        if let Err(error) = looked.await {
            tracing::warn!(error = %with_causes(&error), "cannot look for damaged NARs");
        }
    }
}

async fn keep_reserve(state: AppState) {
    let mut clock = clock(RESERVE);
    let mut was_kept = true;
    loop {
        clock.tick().await;
        let room = state.database().room().clone();
        let kept = match tokio::task::spawn_blocking(move || room.keep()).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) => {
                if was_kept {
                    tracing::error!(error = %with_causes(&error), "cannot keep room for taking access away");
                }
                false
            }
            Err(_) => false,
        };
        if was_kept && !kept {
            tracing::error!(
                "there is no space on the disk for a reserve: only what removes access is written"
            );
        }
        was_kept = kept;
    }
}
