//! Trying again: which failures are worth another attempt, how often, and after what wait.
//!
//! This is the only place that decides it, for every kind of request and of server. Tried again are
//! connections that are refused, reset or do not come about, time-outs, and the statuses 408, 429,
//! 502, 503 and 504; nothing else, but for a 401 where another token can be had, once and at once, and for a
//! 401 or 404 to what was there a moment ago ([`Repeat::Known`]), once. Waits double, with as much again
//! added by chance, and are never shorter than what a server asks for by `Retry-After`, up to two minutes.
//!
//! The default patience ([`DEFAULT_RETRIES`]) is longer than the time in which a server ends its running
//! requests (`stop-timeout` of `fh serve`): who comes while it stops, and its port is closed, still finds the
//! one that is started after it.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use http::StatusCode;
use http::header::{self, HeaderMap};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::error::{Error, Result, UnreachableCause};

/// Attempts after the first, where nothing else is said: enough for a server that restarts, and that lets
/// what is running come to its end before.
pub const DEFAULT_RETRIES: u32 = 10;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait of our own.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The longest wait that a server may ask for; more is cut to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Retries after time-outs, of one request: each has cost minutes before it was one.
const MOST_TIMEOUTS: u32 = 2;

/// Retries after answers that say that there is nothing, or that nobody asked: a proxy that lost the header
/// with the token once does not lose it each time.
const MOST_DENIALS: u32 = 1;

/// Whether a request may be sent again when it is not known what became of the first try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Sending it twice does what sending it once does.
    Safe,
    /// As [`Self::Safe`]; and the same caller has been answered a moment ago about what it names. That there
    /// is no such thing, or that no token came, may then be due to a header that was lost on the way.
    Known,
    /// Only where the first try surely was not carried out.
    IfUnsent,
}

/// Whether the server can have carried out a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It surely did not.
    No,
    /// It is not known.
    Perhaps,
}

/// A failed attempt, and what that means for another one.
#[derive(Debug)]
pub struct Failure {
    /// What it is to whoever asked, if it is the last one.
    pub error: Error,
    /// None where another attempt would fail as well.
    transient: Option<Sent>,
    /// What the server asked to wait.
    retry_after: Option<Duration>,
}

impl Failure {
    /// A failure that another attempt would not mend.
    #[must_use]
    pub fn end(error: Error) -> Self {
        Self {
            error,
            transient: None,
            retry_after: None,
        }
    }

    /// A request to which no answer came.
    #[must_use]
    pub fn unreachable(url: &str, cause: UnreachableCause, sent: Sent) -> Self {
        // A certificate does not become trusted by asking again, and a name seldom appears; but a
        // resolver that is being restarted is as transient as a server that is.
        let transient = !matches!(cause, UnreachableCause::Certificate { .. });
        Self {
            error: Error::Unreachable {
                url: url.to_owned(),
                cause,
            },
            transient: transient.then_some(sent),
            retry_after: None,
        }
    }

    /// An answer with this status, which is no success, and these headers.
    #[must_use]
    pub fn from_status(error: Error, status: StatusCode, headers: &HeaderMap) -> Self {
        let retry_after = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(parse_retry_after);
        Self {
            error,
            transient: transient_status(status),
            retry_after,
        }
    }

    /// Whether another attempt is worth it and safe.
    #[must_use]
    pub fn may_repeat(&self, repeat: Repeat) -> bool {
        match self.transient {
            None => repeat == Repeat::Known && self.is_denial(),
            Some(Sent::No) => true,
            Some(Sent::Perhaps) => repeat != Repeat::IfUnsent,
        }
    }

    /// What the server says to whom it does not know.
    fn is_denial(&self) -> bool {
        matches!(self.error.status(), Some(401 | 404))
    }

    /// Whether the same request may succeed at once with another token, where there is one.
    #[must_use]
    pub fn wants_another_token(&self) -> bool {
        matches!(self.error, Error::Unauthorized { .. })
    }

    fn is_timeout(&self) -> bool {
        matches!(
            self.error,
            Error::Unreachable {
                cause: UnreachableCause::TimedOut,
                ..
            }
        )
    }
}

/// Whether a status passes by, and then whether the request can have been carried out.
fn transient_status(status: StatusCode) -> Option<Sent> {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(Sent::No),
        StatusCode::REQUEST_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Some(Sent::Perhaps)
        }
        _ => None,
    }
}

/// Told before a wait.
#[derive(Debug)]
pub struct RetryEvent<'a> {
    /// Why the last attempt failed.
    pub error: &'a Error,
    /// How long the wait is.
    pub wait: Duration,
    /// What the server asked to wait, where it did; it may be more than is waited.
    pub asked: Option<Duration>,
}

/// What hears of each retry, before its wait.
pub type RetryListener<'a> = dyn Fn(&RetryEvent<'_>) + Send + Sync + 'a;

/// How often to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first; after time-outs, two at most.
    pub retries: u32,
    /// The wait before the first of them, without what chance adds.
    pub first_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new(DEFAULT_RETRIES)
    }
}

impl RetryPolicy {
    /// So many attempts after the first, with the usual waits.
    #[must_use]
    pub fn new(retries: u32) -> Self {
        Self {
            retries,
            first_wait: FIRST_WAIT,
        }
    }

    /// For how long a server may be away at least, in which each attempt is refused at once, so that a request
    /// still finds it: the waits, without what chance adds.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let waits =
            std::iter::successors(Some(self.first_wait), |wait| Some(wait.saturating_mul(2)));
        waits
            .map(|wait| wait.min(LONGEST_WAIT))
            .take(self.retries as usize)
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    fn waits(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_min_delay(self.first_wait)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(self.retries as usize)
            .with_jitter()
    }

    /// Calls `attempt` until it succeeds, fails for good, or the attempts are used up; `listener`
    /// hears of each wait before it begins.
    ///
    /// # Errors
    ///
    /// That of the last attempt.
    pub async fn run<T, F, A>(
        &self,
        repeat: Repeat,
        listener: &RetryListener<'_>,
        attempt: A,
    ) -> Result<T>
    where
        A: FnMut() -> F,
        F: Future<Output = Result<T, Failure>>,
    {
        let (mut timeouts, mut denials) = (0, 0);
        attempt
            .retry(self.waits())
            .when(|failure: &Failure| {
                timeouts += u32::from(failure.is_timeout());
                denials += u32::from(failure.is_denial());
                failure.may_repeat(repeat) && timeouts <= MOST_TIMEOUTS && denials <= MOST_DENIALS
            })
            // `wait` is none when the attempts are used up: then no header prolongs the matter.
            .adjust(|failure, wait| wait.map(|wait| longer(wait, failure.retry_after)))
            .notify(|failure, wait| {
                tracing::debug!(error = %failure.error, ?wait, "trying again");
                listener(&RetryEvent {
                    error: &failure.error,
                    wait,
                    asked: failure.retry_after,
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
fn parse_retry_after(value: &str) -> Option<Duration> {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use backon::BackoffBuilder as _;

    use super::*;

    fn answered(status: u16, retry_after: Option<&str>) -> Failure {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        }
        let error = Error::Status {
            url: String::new(),
            status,
            excerpt: String::new(),
        };
        Failure::from_status(error, StatusCode::from_u16(status).unwrap(), &headers)
    }

    fn unreachable(cause: UnreachableCause) -> Failure {
        Failure::unreachable("", cause, Sent::Perhaps)
    }

    #[test]
    fn what_is_tried_again() {
        let transient: Vec<u16> = (100..600)
            .filter(|&status| answered(status, None).may_repeat(Repeat::Safe))
            .collect();
        assert_eq!(transient, [408, 429, 502, 503, 504]);
        let unsent: Vec<u16> = transient
            .into_iter()
            .filter(|&status| answered(status, None).may_repeat(Repeat::IfUnsent))
            .collect();
        assert_eq!(unsent, [429, 503]);
        for cause in [
            UnreachableCause::Refused,
            UnreachableCause::Closed,
            UnreachableCause::TimedOut,
        ] {
            assert!(unreachable(cause.clone()).may_repeat(Repeat::Safe));
            assert!(!unreachable(cause).may_repeat(Repeat::IfUnsent));
        }
        let known: Vec<u16> = (100..600)
            .filter(|&status| answered(status, None).may_repeat(Repeat::Known))
            .collect();
        assert_eq!(known, [401, 404, 408, 429, 502, 503, 504]);
        let refused = Failure::unreachable("", UnreachableCause::Refused, Sent::No);
        assert!(refused.may_repeat(Repeat::IfUnsent));
        let reason = String::new();
        assert!(
            !unreachable(UnreachableCause::Certificate {
                reason,
                is_unknown: true
            })
            .may_repeat(Repeat::Safe)
        );
    }

    #[test]
    fn waits_double_and_chance_adds_to_them() {
        let waits: Vec<Duration> = RetryPolicy::new(9).waits().build().collect();
        let milliseconds = [250, 500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000];
        assert_eq!(waits.len(), milliseconds.len());
        for (wait, base) in waits.into_iter().zip(milliseconds) {
            let base = Duration::from_millis(base);
            assert!((base..=base * 2).contains(&wait), "{wait:?} for {base:?}");
        }
    }

    #[test]
    fn the_patience_is_what_the_shortest_waits_come_to() {
        for retries in [0, 1, 2, 5, 8, 10, 100] {
            let policy = RetryPolicy::new(retries);
            let shortest: Duration = ExponentialBuilder::new()
                .with_min_delay(policy.first_wait)
                .with_max_delay(LONGEST_WAIT)
                .with_max_times(retries as usize)
                .build()
                .sum();
            assert_eq!(policy.patience(), shortest, "{retries}");
        }
        assert!(RetryPolicy::default().patience() > Duration::from_secs(90));
    }

    #[tokio::test]
    async fn what_was_there_a_moment_ago_is_asked_for_once_more() {
        let policy = RetryPolicy {
            retries: 4,
            first_wait: Duration::from_millis(1),
        };
        for (repeat, status, attempts) in [
            (Repeat::Known, 404, 2),
            (Repeat::Known, 401, 2),
            (Repeat::Known, 403, 1),
            (Repeat::Safe, 404, 1),
        ] {
            let made = AtomicU32::new(0);
            let attempt = || async {
                made.fetch_add(1, Ordering::Relaxed);
                Err::<(), _>(answered(status, None))
            };
            policy.run(repeat, &|_| {}, attempt).await.unwrap_err();
            assert_eq!(made.into_inner(), attempts, "{repeat:?} {status}");
        }
    }

    #[tokio::test]
    async fn it_is_told_what_a_server_asks_for_and_what_is_waited() {
        let policy = RetryPolicy {
            retries: 1,
            first_wait: Duration::from_millis(1),
        };
        let heard = std::sync::Mutex::new(Vec::new());
        let listener = |event: &RetryEvent<'_>| {
            heard.lock().unwrap().push((event.wait, event.asked));
        };
        let attempt = || async { Err::<(), _>(answered(429, Some("1"))) };
        policy
            .run(Repeat::Safe, &listener, attempt)
            .await
            .unwrap_err();
        let second = Duration::from_secs(1);
        assert_eq!(heard.into_inner().unwrap(), [(second, Some(second))]);
        // Told is what was asked for, waited is what is reasonable.
        let hours = answered(429, Some("7200"));
        assert_eq!(hours.retry_after, Some(Duration::from_secs(7200)));
        assert_eq!(longer(second, hours.retry_after), LONGEST_RETRY_AFTER);
    }

    #[test]
    fn a_server_can_ask_for_a_longer_wait_within_reason() {
        let wait = |asked| longer(FIRST_WAIT, answered(429, Some(asked)).retry_after);
        assert_eq!(wait("7"), Duration::from_secs(7));
        assert_eq!(wait("86400"), LONGEST_RETRY_AFTER);
        assert_eq!(wait("Fri, 31 Dec 2100 23:59:59 GMT"), LONGEST_RETRY_AFTER);
        for asked in ["0", "soon", "-3", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(wait(asked), FIRST_WAIT, "{asked}");
        }
    }

    #[tokio::test]
    async fn what_costs_minutes_is_tried_again_twice() {
        let policy = RetryPolicy {
            retries: 4,
            first_wait: Duration::from_millis(1),
        };
        for (cause, retries) in [
            (UnreachableCause::TimedOut, 2),
            (UnreachableCause::Closed, 4),
        ] {
            let heard = AtomicU32::new(0);
            let listener = |_: &RetryEvent<'_>| {
                heard.fetch_add(1, Ordering::Relaxed);
            };
            let attempt = || async { Err::<(), _>(unreachable(cause.clone())) };
            let result = policy.run(Repeat::Safe, &listener, attempt).await;
            result.unwrap_err();
            assert_eq!(heard.into_inner(), retries, "{cause}");
        }
    }
}
