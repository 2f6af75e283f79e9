//! What a client shows to its server: nothing, one token, or tokens that are renewed in time.
//!
//! Invariants: a renewal is asked for once, however many requests need it; a token that is still good
//! stays in use while its successor cannot be had; a fixed token costs what a header costs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fh_auth::UnverifiedTimes;
use futures_util::future::BoxFuture;
use http::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::token::checked_token;

/// A token is renewed when less than this of its life is left, …
const LEFT: u32 = 5;

/// … or less than this, …
const LEFT_AT_LEAST: Duration = Duration::from_secs(60);

/// … but not before so much of its life has passed: a life of seconds is used too.
const LEFT_AT_MOST: u32 = 3;

/// The shortest rest after a renewal that failed, while the old token is still good.
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// A token from a [`TokenSource`].
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// What is sent as `Authorization: Bearer`.
    pub token: SecretString,
    /// For how long it is good from now on; none where that is not known. Zero for what is so cheap
    /// to get that it is asked for each time.
    pub good_for: Option<Duration>,
}

impl IssuedToken {
    /// A JWT that was made just now, as far as is known: Google's metadata server gives out what it
    /// made before while that is good. By a clock that is far ahead it has ended already, and then its
    /// life is what counts.
    #[must_use]
    pub fn fresh(token: SecretString) -> Self {
        let times = UnverifiedTimes::read(token.expose_secret());
        let life = times.and_then(|times| times.exp?.checked_sub(times.iat?));
        let life = life
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs);
        let left = left_of(&token).filter(|left| !left.is_zero());
        let good_for = match (life, left) {
            (Some(life), Some(left)) => Some(life.min(left)),
            (one, other) => one.or(other),
        };
        Self { token, good_for }
    }

    /// A JWT that may be old already.
    #[must_use]
    pub fn found(token: SecretString) -> Self {
        Self {
            good_for: left_of(&token),
            token,
        }
    }
}

/// How long a JWT is still good by the clock of this machine, as it says; none where it does not say.
#[must_use]
pub fn left_of(token: &SecretString) -> Option<Duration> {
    let end = UnverifiedTimes::read(token.expose_secret())?.exp?;
    let left = end.saturating_sub(OffsetDateTime::now_utc().unix_timestamp());
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

/// When a token of this life is to be renewed, from its beginning.
fn renew_after(life: Duration) -> Duration {
    let left = (life / LEFT).max(LEFT_AT_LEAST).min(life / LEFT_AT_MOST);
    life.saturating_sub(left)
}

/// Where tokens come from that do not live long.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// A token that is good now. What is worth another attempt has been tried again by then.
    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken>>;
}

/// What goes into the header of a request.
#[derive(Debug, Clone, Default)]
pub(crate) enum Authorization {
    /// Requests carry no such header.
    #[default]
    None,
    /// Always the same; marked sensitive, so that Debug does not show it.
    Fixed(HeaderValue),
    /// What a source gives.
    Renewing(Arc<Renewing>),
}

/// The header of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) header: HeaderValue,
    /// Whether it is older than this attempt.
    cached: bool,
}

impl Authorization {
    pub(crate) fn fixed(token: &SecretString) -> Result<Self> {
        Ok(Self::Fixed(header(token)?))
    }

    pub(crate) fn renewing(source: Arc<dyn TokenSource>) -> Self {
        Self::Renewing(Arc::new(Renewing {
            source,
            held: Mutex::new(None),
            fetching: AsyncMutex::new(()),
        }))
    }

    pub(crate) fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The header for an attempt that begins now.
    pub(crate) async fn show(&self) -> Result<Option<Shown>> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(header) => Ok(Some(Shown {
                header: header.clone(),
                cached: false,
            })),
            Self::Renewing(renewing) => renewing.show().await.map(Some),
        }
    }

    /// After the server refused what was shown: another header, where there is reason to think that it
    /// had become bad since it was got.
    pub(crate) async fn instead_of(&self, refused: &Shown) -> Option<Shown> {
        match self {
            Self::Renewing(renewing) if refused.cached => renewing.instead_of(refused).await,
            _ => None,
        }
    }
}

/// The header for a token.
fn header(token: &SecretString) -> Result<HeaderValue> {
    let mut value =
        HeaderValue::try_from(format!("Bearer {}", checked_token(token)?)).map_err(|_| {
            Error::InvalidToken {
                reason: "it cannot be sent in a header".into(),
            }
        })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Keeps a token of a source until shortly before its end.
#[derive(Debug)]
pub(crate) struct Renewing {
    source: Arc<dyn TokenSource>,
    held: Mutex<Option<Held>>,
    /// Held by the one who asks the source.
    fetching: AsyncMutex<()>,
}

#[derive(Debug, Clone)]
struct Held {
    header: HeaderValue,
    /// When its successor is to be asked for; none where it is good until it is refused.
    due: Option<Instant>,
    /// When it is of no use any more.
    over: Option<Instant>,
}

impl Held {
    fn is_over(&self) -> bool {
        self.over.is_some_and(|over| over <= Instant::now())
    }

    fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    fn shown(self) -> Shown {
        Shown {
            header: self.header,
            cached: true,
        }
    }
}

impl Renewing {
    fn held(&self) -> Option<Held> {
        self.locked().clone().filter(|held| !held.is_over())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn show(&self) -> Result<Shown> {
        let Some(held) = self.held() else {
            let _alone = self.fetching.lock().await;
            // Somebody else may have got one while this one waited.
            return match self.held() {
                Some(held) => Ok(held.shown()),
                None => self.fetch().await,
            };
        };
        if !held.is_due() {
            return Ok(held.shown());
        }
        // One asks for the next; for the others, and where it fails, this one is still good.
        let Ok(_alone) = self.fetching.try_lock() else {
            return Ok(held.shown());
        };
        match self.held() {
            Some(renewed) if !renewed.is_due() => return Ok(renewed.shown()),
            _ => {}
        }
        match self.fetch().await {
            Ok(shown) => Ok(shown),
            Err(error) if held.is_over() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot renew the token yet");
                self.postpone();
                Ok(held.shown())
            }
        }
    }

    async fn instead_of(&self, refused: &Shown) -> Option<Shown> {
        let _alone = self.fetching.lock().await;
        if let Some(held) = self.held()
            && held.header != refused.header
        {
            return Some(held.shown());
        }
        match self.fetch().await {
            Ok(shown) => Some(shown).filter(|shown| shown.header != refused.header),
            Err(error) => {
                tracing::warn!(%error, "cannot get another token");
                None
            }
        }
    }

    /// Asks the source. Whoever calls this holds `fetching`.
    async fn fetch(&self) -> Result<Shown> {
        let asked = Instant::now();
        let issued = self.source.fetch().await?;
        let header = header(&issued.token)?;
        let end = |after: Duration| asked.checked_add(after);
        *self.locked() = Some(Held {
            header: header.clone(),
            due: issued.good_for.and_then(|life| end(renew_after(life))),
            over: issued.good_for.and_then(end),
        });
        Ok(Shown {
            header,
            cached: false,
        })
    }

    /// Lets the token that is held rest a while before its successor is asked for again.
    fn postpone(&self) {
        if let Some(held) = &mut *self.locked() {
            let now = Instant::now();
            let left = held.over.map(|over| over.saturating_duration_since(now));
            let rest = (left.unwrap_or_default() / 4).max(SHORTEST_REST);
            held.due = now.checked_add(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_in_time_whatever_its_life() {
        for (life, after) in [
            (3, 2),
            (60, 40),
            (300, 240),
            (600, 480),
            (3600, 2880),
            (0, 0),
        ] {
            let seconds = Duration::from_secs;
            assert_eq!(renew_after(seconds(life)), seconds(after), "{life}");
        }
    }

    #[test]
    fn the_life_of_a_jwt_is_judged_by_what_it_says_and_by_the_clock() {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let good_for = |claims: String| {
            let payload = data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes());
            let token = SecretString::from(format!("eyJh.{payload}.c2ln"));
            let seconds = IssuedToken::fresh(token)
                .good_for
                .map(|life| life.as_secs());
            // The clock may have gone on.
            seconds.map(|seconds| seconds.next_multiple_of(10))
        };
        let claims =
            |made: i64, end: i64| format!(r#"{{"iat":{},"exp":{}}}"#, now + made, now + end);
        assert_eq!(good_for(claims(0, 300)), Some(300));
        assert_eq!(good_for(claims(-3000, 600)), Some(600), "made before");
        assert_eq!(
            good_for(claims(5000, 5300)),
            Some(300),
            "our clock is behind"
        );
        assert_eq!(
            good_for(claims(-5000, -4700)),
            Some(300),
            "our clock is ahead"
        );
        assert_eq!(good_for(format!(r#"{{"exp":{}}}"#, now + 300)), Some(300));
        assert_eq!(good_for("{}".to_owned()), None);
        // Numbers that no clock reaches.
        let (least, most) = (i64::MIN, i64::MAX);
        assert!(good_for(format!(r#"{{"iat":{least},"exp":{most}}}"#)).is_some());
        assert_eq!(good_for(format!(r#"{{"iat":{most},"exp":{least}}}"#)), None);
    }

    #[test]
    fn what_is_shown_is_not_printed() {
        let fixed = Authorization::fixed(&SecretString::from("fh1_secret")).unwrap();
        assert!(!format!("{fixed:?}").contains("secret"));
    }
}
