//! From a request's headers to a [`Caller`], with as little work as possible for a known token.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fh_api::TOKEN_PREFIX;
use fh_auth::identity::{IdentityError, Unverified};
use fh_auth::{Claims, TokenError, TokenKey, strip_prefix};
use fh_persistence::clock;
use fh_persistence::database::{Database, DatabaseError, Timestamp, tokens, trust};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Caller;
use super::directory::Directory;
use super::last_used::LastUsed;
use super::principal::{self, Principal, Standing};
use crate::error::ApiError;
use crate::keys::Keys;
use crate::limits::Limiter;
use crate::source::Source;
use crate::workload::{Named, Refusal, Workloads};

/// The token that a request shows, if it shows one; or what is wrong with how it does, a sentence for a person that
/// repeats nothing of it.
pub type Shown = Result<Option<Zeroizing<String>>, &'static str>;

/// Verified tokens that are remembered, so that Ed25519 is paid once for each.
const VERIFIED_TOKENS: u64 = 20_000;

/// Principals that are remembered, in units of [`principal::Principal::weight`].
const PRINCIPALS: u64 = 50_000;

/// After so long an identity is verified again, however late it ends: its issuer may have withdrawn the
/// key.
const VERIFIED_FOR: Duration = Duration::from_secs(3600);

/// A principal that did not ask for so long is forgotten.
const IDLE: Duration = Duration::from_secs(600);

type StandingCell = Arc<OnceCell<Standing>>;

type WorkloadCell = Arc<OnceCell<Arc<Principal>>>;

/// Of which state a copy of a principal has to be at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    /// The generation of access.
    generation: u64,
    /// How often something was renamed: see [`Access::principal_and_names`].
    renames: u64,
}

/// What tells the principals of identities apart: SHA-256 of the identity, state, address.
type WorkloadKey = ([u8; 32], State, Address);

/// What an address says of the organisation that an identity acts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Address {
    Nothing,
    /// It is one of this organisation, internal id.
    Organization(i64),
    /// It is one of an organisation that does not exist.
    Unknown,
}

impl From<Address> for Named {
    fn from(address: Address) -> Self {
        match address {
            Address::Nothing => Self::Nothing,
            Address::Organization(id) => Self::Address(id),
            Address::Unknown => Self::Unknown,
        }
    }
}

pub struct Access {
    database: Database,
    keys: Arc<Keys>,
    limiter: Arc<Limiter>,
    /// By SHA-256 of the token without prefix: the token itself is not kept.
    verified: Cache<[u8; 32], Arc<Claims>>,
    /// By token and state. A cell lets many requests at once wait for one reading.
    standings: Cache<(Uuid, State), StandingCell>,
    /// The last generation of access that something was remembered of.
    remembered: AtomicU64,
    workloads: Arc<Workloads>,
    /// Of those alone that were let in.
    admitted: Cache<WorkloadKey, WorkloadCell>,
    directory: RwLock<Option<Arc<Directory>>>,
    directory_loading: Mutex<()>,
    last_used: LastUsed,
    policies_last_used: LastUsed,
}

impl Access {
    pub fn new(
        database: Database,
        keys: Arc<Keys>,
        limiter: Arc<Limiter>,
        workloads: Arc<Workloads>,
    ) -> Self {
        let weigh = |_: &(Uuid, State), cell: &StandingCell| match cell.get() {
            Some(Standing::Good(principal)) => principal.weight(),
            Some(Standing::Refused(_)) | None => 1,
        };
        let weigh_workload = |_: &WorkloadKey, cell: &WorkloadCell| {
            cell.get().map_or(1, |principal| principal.weight())
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
            remembered: AtomicU64::new(0),
            workloads,
            admitted: Cache::builder()
                .max_capacity(PRINCIPALS)
                .weigher(weigh_workload)
                .time_to_live(VERIFIED_FOR)
                .time_to_idle(IDLE)
                .build(),
            directory: RwLock::new(None),
            directory_loading: Mutex::new(()),
            last_used: LastUsed::default(),
            policies_last_used: LastUsed::default(),
        }
    }

    /// How many copies of principals are kept.
    pub fn kept_principals(&self) -> u64 {
        self.standings.run_pending_tasks();
        self.standings.entry_count()
    }

    /// Who sent a request that shows this, to an address that names no organisation.
    ///
    /// # Errors
    /// As [`Self::authenticate_at`].
    pub async fn authenticate(&self, shown: Shown, source: Source) -> Result<Caller, ApiError> {
        self.authenticate_at(shown, None, source).await
    }

    /// Who sent a request that shows this, to an address of the organisation of that name: a workload that
    /// shows its own identity acts for that one.
    ///
    /// # Errors
    /// 401 with what is wrong with the credentials, if there are any; 429 where too many bad ones came
    /// from there.
    pub async fn authenticate_at(
        &self,
        shown: Shown,
        organization: Option<&str>,
        source: Source,
    ) -> Result<Caller, ApiError> {
        let generation = self.database.generation();
        let token = shown.or_else(|sentence| {
            self.limiter.login_failed(source)?;
            Err(ApiError::Unauthorized(sentence.to_owned()))
        })?;
        let Some(token) = token else {
            return self.anonymous(source).await;
        };
        let now = clock::now();
        let (principal, directory) = self
            .principal_and_names(&token, organization, now, source)
            .await?;
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
        for policy in principal
            .workload
            .iter()
            .flat_map(|workload| &workload.policies)
        {
            self.policies_last_used.note(*policy);
        }
        Ok(Caller::new(generation, directory, Some(principal), source))
    }

    /// Whose token it is, and the names of the same state.
    ///
    /// Tokens and policies name flakes by text, which a rename writes anew. It moves the generation on after its commit; in
    /// between a copy of before may meet one of after, and the token would reach nothing, under no name. So whichever
    /// is older is read again.
    async fn principal_and_names(
        &self,
        token: &str,
        organization: Option<&str>,
        now: OffsetDateTime,
        source: Source,
    ) -> Result<(Arc<Principal>, Arc<Directory>), ApiError> {
        let mut renames = 0;
        loop {
            let state = State {
                generation: self.generation(),
                renames,
            };
            let principal = self.principal(token, organization, now, source, state);
            let principal = principal.await?;
            let directory = self.directory_since(principal.renames).await?;
            // The principal is of the older state: each further turn is for one more rename.
            renames = directory.renames();
            if renames == principal.renames {
                return Ok((principal, directory));
            }
        }
    }

    /// The present generation of access. With a new one, what was remembered of the former ones goes at once: it
    /// is never asked for again, and each change of access would leave a copy of every principal.
    fn generation(&self) -> u64 {
        let generation = self.database.generation().access;
        if self.remembered.load(Ordering::Relaxed) < generation
            && self.remembered.fetch_max(generation, Ordering::Relaxed) < generation
        {
            self.standings.invalidate_all();
            self.admitted.invalidate_all();
            self.standings.run_pending_tasks();
            self.admitted.run_pending_tasks();
        }
        generation
    }

    /// The caller of a request without credentials.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn anonymous(&self, source: Source) -> Result<Caller, ApiError> {
        let generation = self.database.generation();
        let directory = self.directory().await?;
        Ok(Caller::new(generation, directory, None, source))
    }

    /// Writes when tokens were used last.
    ///
    /// # Errors
    /// When the database fails; what was noted is written the next time.
    pub async fn flush_last_used(&self) -> Result<(), DatabaseError> {
        self.last_used.flush(&self.database, tokens::touch).await?;
        self.policies_last_used
            .flush(&self.database, trust::touch)
            .await
    }

    /// Whose token it is: one of ours, or the identity of a workload.
    async fn principal(
        &self,
        token: &str,
        organization: Option<&str>,
        now: OffsetDateTime,
        source: Source,
        state: State,
    ) -> Result<Arc<Principal>, ApiError> {
        let refused = |error: TokenError| ApiError::Unauthorized(error.to_string());
        let digest: [u8; 32] = Sha256::digest(strip_prefix(token).as_bytes()).into();
        if let Some(claims) = self.verified.get(&digest) {
            claims.check_time(now).map_err(refused)?;
            return self.holder(&claims, state).await;
        }
        let key = (digest, state, self.address(organization).await?);
        let cell = self.admitted.get(&key);
        if let Some(principal) = cell.as_ref().and_then(|cell| cell.get()) {
            return Ok(Arc::clone(principal));
        }
        let own: &TokenKey = self.keys.token();
        let error = match own.verify(token, self.keys.audience(), now) {
            Ok(claims) => {
                let claims = Arc::new(claims);
                self.verified.insert(digest, Arc::clone(&claims));
                return self.holder(&claims, state).await;
            }
            Err(error) => error,
        };
        // An old token of ours has the form of an identity too; it is asked about first.
        if !token.starts_with(TOKEN_PREFIX) && !self.keys.is_own_token(token) {
            match Unverified::read(token) {
                Ok(identity) => {
                    let _turn = self.limiter.examination(source).await;
                    let admitted = Box::pin(self.workload(key, &identity, now, source)).await;
                    if let Err(Refusal::Untrusted(_)) = &admitted {
                        self.limiter.login_failed(source)?;
                    }
                    return Ok(admitted?);
                }
                Err(error @ IdentityError::TooLong(_)) => {
                    return Err(ApiError::Unauthorized(error.to_string()));
                }
                Err(_) => {}
            }
        }
        // What was signed here and is over is no guess: a fleet may go on showing it.
        if !matches!(
            error,
            TokenError::Expired { .. } | TokenError::NotYetValid { .. }
        ) {
            self.limiter.login_failed(source)?;
        }
        Err(refused(error))
    }

    async fn address(&self, organization: Option<&str>) -> Result<Address, DatabaseError> {
        let Some(name) = organization else {
            return Ok(Address::Nothing);
        };
        let directory = self.directory().await?;
        let found = directory.find_organization(name);
        Ok(found.map_or(Address::Unknown, |found| Address::Organization(found.id)))
    }

    /// Who holds a token that was verified.
    async fn holder(&self, claims: &Claims, state: State) -> Result<Arc<Principal>, ApiError> {
        match self.standing(claims, state).await? {
            Standing::Good(principal) => Ok(principal),
            Standing::Refused(sentence) => Err(ApiError::Unauthorized(sentence)),
        }
    }

    async fn workload(
        &self,
        key: WorkloadKey,
        shown: &Unverified,
        now: OffsetDateTime,
        source: Source,
    ) -> Result<Arc<Principal>, Refusal> {
        let cell = self.admitted.get_with(key, WorkloadCell::default);
        let principal = cell.get_or_try_init(|| async {
            let (identity, resolved) = self.workloads.identify(shown, key.2.into(), now).await?;
            let admission = self.workloads.admit(&identity, &resolved, source).await?;
            let end = OffsetDateTime::from_unix_timestamp(shown.expires_at());
            let end = Timestamp::from(end.unwrap_or(now + time::Duration::days(36_500)));
            Ok::<_, Refusal>(Arc::new(Principal::of_workload(&identity, &admission, end)))
        });
        let principal = Arc::clone(principal.await?);
        // Once more, now that its weight is known.
        self.admitted.insert(key, cell);
        Ok(principal)
    }

    async fn standing(&self, claims: &Claims, state: State) -> Result<Standing, DatabaseError> {
        let key = (claims.jti, state);
        let cell = self.standings.get_with(key, StandingCell::default);
        if let Some(standing) = cell.get() {
            return Ok(standing.clone());
        }
        let (token, account) = (claims.jti, claims.sub);
        let workloads = Arc::clone(&self.workloads);
        let standing = cell.get_or_try_init(|| {
            self.database
                .read(move |read| principal::load(read, token, account, workloads.audiences()))
        });
        let standing = Box::pin(standing).await?.clone();
        // Once more, now that its weight is known.
        self.standings.insert(key, cell);
        Ok(standing)
    }

    async fn directory(&self) -> Result<Arc<Directory>, DatabaseError> {
        self.directory_since(0).await
    }

    /// The names as they are now, of after at least so many renames.
    async fn directory_since(&self, renames: u64) -> Result<Arc<Directory>, DatabaseError> {
        if let Some(directory) = self.current_directory(renames) {
            return Ok(directory);
        }
        let _one_at_a_time = self.directory_loading.lock().await;
        if let Some(directory) = self.current_directory(renames) {
            return Ok(directory);
        }
        let generation = self.database.generation().directory;
        let directory = self
            .database
            .read(move |read| Directory::load(read, generation))
            .await?;
        let directory = Arc::new(directory);
        let mut kept = self
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::clone(&directory));
        Ok(directory)
    }

    /// Whether there was an organisation of that name when the names were read last, which nobody waits for here.
    /// Before they were read, any name will do.
    pub fn knows_organization(&self, name: &str) -> bool {
        let directory = self
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let kept = directory.as_ref();
        kept.is_none_or(|kept| kept.find_organization(name).is_some())
    }

    fn current_directory(&self, renames: u64) -> Option<Arc<Directory>> {
        let generation = self.database.generation().directory;
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .filter(|directory| {
                directory.generation() == generation && directory.renames() >= renames
            })
            .map(Arc::clone)
    }
}
