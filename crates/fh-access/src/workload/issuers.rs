//! The keys of issuers: found by discovery, kept for an hour, fetched again when a token names a key
//! that is not among them.
//!
//! Invariants: one fetch at a time for each issuer, and no more than one in half a minute after one that
//! succeeded; whoever waits for it may give up without ending it; the last good copy is used for a day
//! where the issuer cannot be reached.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fh_api::with_causes;
use fh_auth::identity::{KeySet, Unverified};
use moka::sync::Cache;
use reqwest::Client;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::fetch::{self, Unreachable};
use super::reach::Reach;

/// How often issuers are asked.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long keys are good without asking again.
    pub fresh: Duration,
    /// How long keys are used where asking again fails.
    pub usable: Duration,
    /// Time between two fetches.
    pub pause: Duration,
    /// Time after a fetch that failed, where there are no keys to go on with.
    pub pause_without_keys: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(3600),
            usable: Duration::from_secs(24 * 3600),
            pause: Duration::from_secs(30),
            pause_without_keys: Duration::from_secs(5),
        }
    }
}

/// The largest document that is read, in bytes.
const MAX_DOCUMENT: usize = 256 << 10;

/// The most issuers that are remembered.
const MAX_ISSUERS: u64 = 10_000;

/// The keys of every issuer that was asked for.
pub struct Issuers {
    reach: Arc<Reach>,
    pace: Pace,
    client: Arc<std::sync::OnceLock<Client>>,
    issuers: Cache<String, Arc<Issuer>>,
}

/// Keys to verify a token with.
pub struct Found {
    pub keys: Arc<KeySet>,
    /// They could not be fetched when they should have been.
    pub outdated: bool,
}

#[derive(Default)]
struct Issuer {
    copy: RwLock<Option<Copy>>,
    /// When it was asked last, and whether it answered. Held while it is asked.
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

#[derive(Clone)]
struct Copy {
    keys: Arc<KeySet>,
    at: Instant,
}

impl Issuers {
    pub fn new(reach: Reach, pace: Pace) -> Self {
        Self {
            reach: Arc::new(reach),
            pace,
            client: Arc::default(),
            issuers: Cache::new(MAX_ISSUERS),
        }
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The keys of a token's issuer, of which some policy must be known.
    pub async fn keys(&self, token: &Unverified) -> Result<Found, Unreachable> {
        let issuer = self
            .issuers
            .get_with(token.issuer().to_owned(), Arc::default);
        if let Some(copy) = issuer.suitable(token, self.pace.fresh) {
            return Ok(copy.found(false));
        }
        let mut last = Arc::clone(&issuer.last).lock_owned().await;
        // Another request may have fetched them in the meantime.
        if let Some(copy) = issuer.suitable(token, self.pace.fresh) {
            return Ok(copy.found(false));
        }
        let pause = match (*last, issuer.copy()) {
            (Some((_, false)), None) => self.pace.pause_without_keys,
            _ => self.pace.pause,
        };
        if let Some((at, answered)) = *last
            && at.elapsed() < pause
        {
            return issuer
                .last_good(!answered, self.pace.usable)
                .ok_or(Unreachable::TooSoon);
        }
        // A task of its own: who gave up waiting does not end it for the others.
        let fetching = {
            let (issuer, reach) = (Arc::clone(&issuer), Arc::clone(&self.reach));
            let (client, name) = (Arc::clone(&self.client), token.issuer().to_owned());
            tokio::spawn(async move {
                let fetched = fetch(&client, &reach, &name).await;
                *last = Some((Instant::now(), fetched.is_ok()));
                let keys = Arc::new(fetched?);
                issuer.keep(Arc::clone(&keys));
                Ok(keys)
            })
        };
        match fetching.await.unwrap_or(Err(Unreachable::Task)) {
            Ok(keys) => Ok(Found {
                keys,
                outdated: false,
            }),
            Err(error) => match issuer.last_good(true, self.pace.usable) {
                Some(found) => {
                    let error = with_causes(&error);
                    tracing::warn!(
                        issuer = token.issuer(),
                        error,
                        "an issuer's keys cannot be fetched; the previous ones are used"
                    );
                    Ok(found)
                }
                None => Err(error),
            },
        }
    }
}

impl Copy {
    fn found(self, outdated: bool) -> Found {
        Found {
            keys: self.keys,
            outdated,
        }
    }
}

impl Issuer {
    fn copy(&self) -> Option<Copy> {
        self.copy
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, keys: Arc<KeySet>) {
        let mut copy = self.copy.write().unwrap_or_else(PoisonError::into_inner);
        *copy = Some(Copy {
            keys,
            at: Instant::now(),
        });
    }

    /// Keys that are fresh and hold the token's.
    fn suitable(&self, token: &Unverified, fresh: Duration) -> Option<Copy> {
        self.copy()
            .filter(|copy| copy.at.elapsed() < fresh && !copy.keys.lacks_key_of(token))
    }

    /// The last keys that could be fetched, if they are not too old.
    fn last_good(&self, outdated: bool, usable: Duration) -> Option<Found> {
        let copy = self.copy().filter(|copy| copy.at.elapsed() < usable)?;
        Some(copy.found(outdated))
    }
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// Discovery (OpenID Connect Discovery 1.0, section 4), and the keys.
async fn fetch(
    client: &std::sync::OnceLock<Client>,
    reach: &Reach,
    issuer: &str,
) -> Result<KeySet, Unreachable> {
    if !reach.allows(issuer) {
        return Err(Unreachable::Content(
            "this server may not ask that issuer: see the option oidc-issuer",
        ));
    }
    let client = match client.get() {
        Some(client) => client.clone(),
        None => {
            let new = fetch::client()?;
            client.get_or_init(|| new).clone()
        }
    };
    let address = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let document = fetch::answer(client.get(address), MAX_DOCUMENT).await?;
    let configuration: Configuration = serde_json::from_slice(&document)
        .map_err(|_| Unreachable::Content("the configuration is not an OpenID configuration"))?;
    if configuration.issuer != issuer {
        return Err(Unreachable::Content(
            "the configuration is that of another issuer",
        ));
    }
    let keys = Url::parse(&configuration.jwks_uri)
        .map_err(|_| Unreachable::Content("the address of the keys is invalid"))?;
    if !reach.allows_keys(issuer, &keys) {
        return Err(Unreachable::Content(
            "the address of the keys is not one that this issuer may name",
        ));
    }
    let document = fetch::answer(client.get(keys), MAX_DOCUMENT).await?;
    let set = serde_json::from_slice(&document)
        .map_err(|_| Unreachable::Content("the key set is not JSON"))?;
    KeySet::read(&set).map_err(|_| Unreachable::Content("the key set has no usable key"))
}
