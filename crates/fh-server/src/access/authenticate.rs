//! From a request's headers to a [`Caller`], with as little work as possible for a known token.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fh_auth::{Claims, TokenError, TokenKey, strip_prefix};
use http::HeaderMap;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use super::directory::Directory;
use super::last_used::LastUsed;
use super::principal::{self, Standing};
use super::source::Source;
use super::{Caller, credentials};
use crate::clock;
use crate::database::{Database, DatabaseError, Timestamp};
use crate::error::ApiError;
use crate::keys::Keys;
use crate::limits::Limiter;

/// Verified tokens that are remembered, so that Ed25519 is paid once for each.
const VERIFIED_TOKENS: u64 = 20_000;

/// Principals that are remembered, in units of [`principal::Principal::weight`].
const PRINCIPALS: u64 = 50_000;

/// A principal that did not ask for so long is forgotten.
const IDLE: Duration = Duration::from_secs(600);

type StandingCell = Arc<OnceCell<Standing>>;

/// Authenticates requests.
pub(crate) struct Access {
    database: Database,
    keys: Arc<Keys>,
    limiter: Arc<Limiter>,
    /// By SHA-256 of the token without prefix: the token itself is not kept.
    verified: Cache<[u8; 32], Arc<Claims>>,
    /// By token and generation. A cell lets many requests at once wait for one reading.
    standings: Cache<(Uuid, u64), StandingCell>,
    directory: RwLock<Option<Arc<Directory>>>,
    directory_loading: Mutex<()>,
    last_used: LastUsed,
}

impl Access {
    /// With empty caches.
    pub(crate) fn new(database: Database, keys: Arc<Keys>, limiter: Arc<Limiter>) -> Self {
        let weigh = |_: &(Uuid, u64), cell: &StandingCell| match cell.get() {
            Some(Standing::Good(principal)) => principal.weight(),
            Some(Standing::Refused(_)) | None => 1,
        };
        Self {
            database,
            keys,
            limiter,
            verified: Cache::new(VERIFIED_TOKENS),
            standings: Cache::builder()
                .max_capacity(PRINCIPALS)
                .weigher(weigh)
                .time_to_idle(IDLE)
                .build(),
            directory: RwLock::new(None),
            directory_loading: Mutex::new(()),
            last_used: LastUsed::default(),
        }
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// 401 with what is wrong with the credentials, if there are any; 429 where too many bad ones came
    /// from there.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        source: Source,
    ) -> Result<Caller, ApiError> {
        let token = credentials::token(headers).or_else(|sentence| {
            self.limiter.login(source)?;
            self.limiter.login_failed(source);
            Err(ApiError::Unauthorized(sentence.to_owned()))
        })?;
        let Some(token) = token else {
            return self.anonymous(source).await;
        };
        let now = clock::now();
        let claims = self.verify(&token, now, source)?;
        let principal = match self.standing(&claims).await? {
            Standing::Good(principal) => principal,
            Standing::Refused(sentence) => return Err(ApiError::Unauthorized(sentence)),
        };
        if principal.expires_at <= Timestamp::from(now) {
            let at = principal.expires_at;
            return Err(ApiError::Unauthorized(format!("the token expired at {at}")));
        }
        if !principal.scope.usable_from(source.address) {
            return Err(ApiError::Forbidden(match source.address {
                Some(address) => format!("this token may not be used from {address}"),
                None => {
                    "this token may be used from certain networks only, and your address is not \
                         known"
                        .to_owned()
                }
            }));
        }
        if let Some(token) = &principal.token {
            self.last_used.note(token.id);
        }
        Ok(Caller::new(
            self.directory().await?,
            Some(principal),
            source,
        ))
    }

    /// The caller of a request without credentials.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn anonymous(&self, source: Source) -> Result<Caller, ApiError> {
        Ok(Caller::new(self.directory().await?, None, source))
    }

    /// Writes when tokens were used last.
    ///
    /// # Errors
    /// When the database fails; what was noted is written the next time.
    pub(crate) async fn flush_last_used(&self) -> Result<(), DatabaseError> {
        self.last_used.flush(&self.database).await
    }

    fn verify(
        &self,
        token: &str,
        now: OffsetDateTime,
        source: Source,
    ) -> Result<Arc<Claims>, ApiError> {
        let refused = |error: TokenError| ApiError::Unauthorized(error.to_string());
        let digest: [u8; 32] = Sha256::digest(strip_prefix(token).as_bytes()).into();
        if let Some(claims) = self.verified.get(&digest) {
            claims.check_time(now).map_err(refused)?;
            return Ok(claims);
        }
        self.limiter.login(source)?;
        let key: &TokenKey = self.keys.token();
        let claims = key.verify(token, self.keys.audience(), now);
        let claims = Arc::new(claims.map_err(|error| {
            // What was signed here and is over is no guess: a fleet may go on showing it.
            if !matches!(
                error,
                TokenError::Expired { .. } | TokenError::NotYetValid { .. }
            ) {
                self.limiter.login_failed(source);
            }
            refused(error)
        })?);
        self.verified.insert(digest, Arc::clone(&claims));
        Ok(claims)
    }

    async fn standing(&self, claims: &Claims) -> Result<Standing, DatabaseError> {
        let generation = self.database.generation().access;
        let key = (claims.jti, generation);
        let cell = self.standings.get_with(key, StandingCell::default);
        if let Some(standing) = cell.get() {
            return Ok(standing.clone());
        }
        let (token, account) = (claims.jti, claims.sub);
        let standing = cell
            .get_or_try_init(|| {
                self.database
                    .read(move |connection| principal::load(connection, token, account))
            })
            .await?
            .clone();
        // Once more, now that its weight is known.
        self.standings.insert(key, cell);
        Ok(standing)
    }

    async fn directory(&self) -> Result<Arc<Directory>, DatabaseError> {
        if let Some(directory) = self.current_directory() {
            return Ok(directory);
        }
        let _one_at_a_time = self.directory_loading.lock().await;
        if let Some(directory) = self.current_directory() {
            return Ok(directory);
        }
        let generation = self.database.generation().directory;
        let directory = self
            .database
            .read(move |connection| Directory::load(connection, generation))
            .await?;
        let directory = Arc::new(directory);
        let mut kept = self
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::clone(&directory));
        Ok(directory)
    }

    fn current_directory(&self) -> Option<Arc<Directory>> {
        let generation = self.database.generation().directory;
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .filter(|directory| directory.generation() == generation)
            .map(Arc::clone)
    }
}
