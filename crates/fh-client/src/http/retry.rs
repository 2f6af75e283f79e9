//! When to try again and how long to wait.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Repeat;
use super::failure::Failure;
use crate::error::{Error, Result};

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait of our own.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The longest wait that a server may ask for; more is cut to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Told before a wait.
#[derive(Debug)]
pub struct RetryEvent<'a> {
    /// Why the last attempt failed.
    pub error: &'a Error,
    /// How long the wait is.
    pub wait: Duration,
}

/// Hears of retries.
pub type RetryListener<'a> = dyn Fn(&RetryEvent<'_>) + Send + Sync + 'a;

/// How often to try again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// Attempts after the first.
    pub(crate) retries: u32,
    pub(crate) first_wait: Duration,
}

impl RetryPolicy {
    pub(crate) fn new(retries: u32) -> Self {
        Self {
            retries,
            first_wait: FIRST_WAIT,
        }
    }

    /// Calls `attempt` until it succeeds, fails for good, or the attempts are used up.
    pub(super) async fn run<T, F, A>(
        &self,
        repeat: Repeat,
        listener: &RetryListener<'_>,
        attempt: A,
    ) -> Result<T>
    where
        A: FnMut() -> F,
        F: Future<Output = std::result::Result<T, Failure>>,
    {
        let waits = ExponentialBuilder::new()
            .with_min_delay(self.first_wait)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(self.retries as usize)
            .with_jitter();
        attempt
            .retry(waits)
            .when(|failure: &Failure| failure.may_repeat(repeat))
            // `wait` is none when the attempts are used up: then no header prolongs the matter.
            .adjust(|failure, wait| wait.map(|wait| longer(wait, failure.retry_after)))
            .notify(|failure, wait| {
                tracing::debug!(error = %failure.error, ?wait, "trying again");
                listener(&RetryEvent {
                    error: &failure.error,
                    wait,
                });
            })
            .await
            .map_err(|failure| failure.error)
    }
}

fn longer(wait: Duration, asked: Option<Duration>) -> Duration {
    asked.map_or(wait, |asked| wait.max(asked.min(LONGEST_RETRY_AFTER)))
}

/// `Retry-After` is seconds or a date (RFC 9110, 10.2.3).
pub(super) fn parse_retry_after(value: &str) -> Option<Duration> {
    const HTTP_DATE: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = time::PrimitiveDateTime::parse(value, HTTP_DATE).ok()?;
    let wait = date.assume_utc() - OffsetDateTime::now_utc();
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}
