//! Workloads that are let in by an identity that somebody else gives them.
//!
//! ```text
//! JWT ─▶ read, times ─▶ for which organisation ─▶ its policies ─▶ keys (given, or fetched) ─▶ Identity
//!                                                  none: nothing is fetched                   │
//! signed request of AWS ─▶ checked, sent on to AWS ───────────────────────────────────────────┤
//!                                                                                             ▼
//!                                                                each policy's verdict ─▶ Admission
//! ```
//!
//! Invariants:
//! - an identity acts for one organisation ([`Acting`]), and what other organisations' policies say of it
//!   changes nothing there: account, lifetime, permissions, remembered ids and audit are its own;
//! - nothing is fetched for an issuer that no policy of that organisation names, and nothing from an address that the
//!   server's operator has not allowed ([`Reach`]): administrators of organisations choose issuers;
//! - an identity remembers whose keys have verified it, and a policy takes only identities that its own
//!   keys have verified: one organisation's keys open nothing of another's;
//! - who is refused learns nothing of policies; what fails is told to administrators alone;
//! - no identity is logged.

mod acting;
mod admit;
mod aws;
mod fetch;
mod issuers;
mod key_source;
mod nonce;
mod reach;

use std::collections::BTreeSet;
use std::sync::Arc;

use fh_api::{ForgeRoot, Provider, with_causes};
use fh_auth::identity::{IdentityError, KeySet, Unverified};
use fh_auth::policy::AWS_ISSUER;
use fh_persistence::database::audit::{self, Actor, Event};
use fh_persistence::database::trust::{self, TrustPolicy};
use fh_persistence::database::{
    AccessChange, Database, DatabaseError, Decided, organizations, roots,
};
use fh_persistence::identity::Identity;
use fh_sql::Read;
use moka::sync::Cache;
use serde_json::{Map, Value};
use time::OffsetDateTime;

pub use self::acting::{
    Acting, Audiences, MAX_ORGANIZATIONS, Named, Resolved, default_organization,
};
use self::acting::{Resolution, resolve};
pub use self::admit::{Admission, admission, examine};
pub use self::fetch::Unreachable;
pub use self::issuers::{Issuers, Pace};
use self::key_source::{FETCHED, key_source};
pub use self::nonce::LIFETIME as NONCE_LIFETIME;
use self::nonce::Nonces;
pub use self::reach::Reach;
use crate::error::ApiError;
use crate::source::Source;
use fh_settings::{DefaultOrganization, WorkloadSettings};

/// What everybody hears whom no policy lets in, whatever the reason.
const REFUSED: &str = "this server does not trust the workload identity that was shown: its issuer, its \
     signature, its audience or its claims are not what a trust policy asks for. An administrator of the \
     organisation can find out why with `fh trust test`";

/// Parsed key sets of policies that are remembered.
const GIVEN_KEYS: u64 = 1000;

/// How often an admission is tried again after ids were remembered.
const ROUNDS: usize = 3;

/// Why a workload is not let in.
#[derive(Debug)]
pub enum Refusal {
    /// What it shows is out of date or no identity; that tells nothing of policies.
    Identity(IdentityError),
    /// No policy lets it in; the reason is for the log.
    Untrusted(String),
    /// What names the organisation contradicts itself; how, which tells nothing of policies.
    Target(String),
    /// The signed request of AWS is not what it has to be; what is wrong with it, which tells nothing of
    /// policies.
    Request(&'static str),
    /// Its issuer cannot be asked now.
    Unavailable,
    Database(DatabaseError),
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Identity(error) => Self::Unauthorized(error.to_string()),
            Refusal::Untrusted(reason) => {
                tracing::debug!(reason, "a workload is not trusted");
                Self::Unauthorized(REFUSED.to_owned())
            }
            Refusal::Target(sentence) => Self::BadRequest(sentence),
            Refusal::Request(sentence) => Self::Unauthorized(sentence.to_owned()),
            Refusal::Unavailable => Self::Unavailable(
                "the issuer of the identity cannot be reached now, so it cannot be checked; try again"
                    .to_owned(),
            ),
            Refusal::Database(error) => error.into(),
        }
    }
}

/// Verifies identities and asks the policies.
pub struct Workloads {
    database: Database,
    audiences: Audiences,
    default: DefaultOrganization,
    issuers: Issuers,
    given: Cache<String, Option<Arc<KeySet>>>,
    sts_endpoints: Vec<String>,
    nonces: Nonces,
}

impl Workloads {
    /// Nothing is fetched yet.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new(
        database: Database,
        audience: &str,
        public_url: &str,
        settings: &WorkloadSettings,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self {
            database,
            audiences: Audiences::new(audience, public_url),
            default: settings.default_organization.clone(),
            issuers: Issuers::new(Reach::new(&settings.issuers), Pace::default()),
            given: Cache::new(GIVEN_KEYS),
            sts_endpoints: settings.sts_endpoints.clone(),
            nonces: Nonces::new()?,
        })
    }

    /// A nonce for a signed request of AWS.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn nonce(&self, now: OffsetDateTime) -> Result<String, getrandom::Error> {
        self.nonces.make(now)
    }

    /// Verifies a signed request of AWS: who signed it, for whom it acts, the nonce that is used up by it, and
    /// when that ends by itself, in seconds since 1970. AWS is asked only where a policy trusts it.
    pub async fn identify_by_aws(
        &self,
        request: &str,
        named: Named,
        now: OffsetDateTime,
    ) -> Result<(Identity, Resolved, String, i64), Refusal> {
        let checked = aws::check(request, &self.audiences, &self.sts_endpoints, now)
            .map_err(Refusal::Request)?;
        let nonce = checked.nonce.clone();
        let end = self.nonces.end(&nonce, now).ok_or(Refusal::Request(
            "the nonce of the signed request is not one of this server, or is older than five minutes",
        ))?;
        let audience = Value::from(checked.audience.clone());
        let bound: Map<String, Value> =
            [("aud".to_owned(), audience.clone())].into_iter().collect();
        let known = self.resolve(bound, named.clone(), |read, resolved| {
            match resolved {
                Some(resolved) if resolved.is_named => {
                    of_acting(read, AWS_ISSUER, &resolved.acting)
                        .map(|policies| !policies.is_empty())
                }
                // Who it is may tell for whom it acts.
                _ => trust::is_trusted(read, AWS_ISSUER),
            }
        });
        if !known.await? {
            return Err(Refusal::Untrusted("no policy trusts AWS".to_owned()));
        }
        let claims = aws::ask(checked).await.map_err(|error| {
            tracing::warn!(error = %with_causes(&error), "AWS cannot be asked");
            Refusal::Unavailable
        })?;
        let mut claims = claims.ok_or_else(|| Refusal::Untrusted("AWS refuses it".to_owned()))?;
        claims.insert("aud".to_owned(), audience);
        let resolved = self
            .resolve(claims.clone(), named, |_, resolved| Ok(resolved))
            .await?
            .ok_or_else(nobody)?;
        let identity = Identity {
            issuer: AWS_ISSUER.to_owned(),
            keys: [AWS_ISSUER.to_owned()].into(),
            claims,
        };
        Ok((identity, resolved, nonce, end))
    }

    /// Looks for the organisation that an identity acts for, and asks about that in the same reading.
    async fn resolve<T: Send + 'static>(
        &self,
        claims: Map<String, Value>,
        named: Named,
        ask: impl FnOnce(&Read, Option<Resolved>) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (audiences, default) = (self.audiences.clone(), self.default.clone());
        self.database
            .read(move |read| {
                let found = resolve(read, &claims, &named, &audiences, &default)?;
                Ok(match found {
                    Resolution::Contradiction(sentence) => Err(Refusal::Target(sentence)),
                    Resolution::Nobody => Ok(ask(read, None)?),
                    Resolution::For(resolved) => Ok(ask(read, Some(resolved))?),
                })
            })
            .await?
    }

    /// The server's own audiences, which an identity must be for.
    pub fn audiences(&self) -> &Audiences {
        &self.audiences
    }

    /// Which organisation identities act for that name none and whose root nobody owns.
    pub fn default_organization(&self) -> &DefaultOrganization {
        &self.default
    }

    /// Which issuers' keys may be fetched.
    pub fn reach(&self) -> &Reach {
        self.issuers.reach()
    }

    /// Verifies a JWT of an issuer that a policy of the organisation names which it acts for: who it is, and for
    /// whom it acts.
    pub async fn identify(
        &self,
        token: &Unverified,
        named: Named,
        now: OffsetDateTime,
    ) -> Result<(Identity, Resolved), Refusal> {
        token.check_time(now).map_err(Refusal::Identity)?;
        let issuer = token.issuer().to_owned();
        let found = self.resolve(token.claims().clone(), named, move |read, resolved| {
            resolved
                .map(|resolved| {
                    let policies = of_acting(read, &issuer, &resolved.acting)?;
                    Ok((resolved, policies))
                })
                .transpose()
        });
        let (resolved, policies) = found.await?.ok_or_else(nobody)?;
        let identity = self.verify(token, &policies).await?;
        let mut resolved = resolved;
        // What an organisation's own keys have signed, tells nothing of who has a name on the forge.
        resolved.remember = resolved
            .remember
            .filter(|_| identity.keys.contains(FETCHED));
        Ok((identity, resolved))
    }

    /// Verifies the signature with the keys that policies trust.
    pub async fn verify(
        &self,
        token: &Unverified,
        policies: &[TrustPolicy],
    ) -> Result<Identity, Refusal> {
        let (mut keys, mut tried) = (BTreeSet::new(), BTreeSet::new());
        let mut failure = Refusal::Untrusted("no policy names its issuer".to_owned());
        let mut fetches = false;
        for policy in policies.iter().filter(|policy| {
            policy.policy.issuer == token.issuer() && policy.policy.provider != Provider::Aws
        }) {
            let Some(jwks) = &policy.jwks else {
                fetches = true;
                continue;
            };
            let source = key_source(policy);
            if !tried.insert(source.clone()) {
                continue;
            }
            let read = || {
                Some(Arc::new(
                    KeySet::read(&serde_json::from_str(jwks).ok()?).ok()?,
                ))
            };
            let set = self.given.get_with(source.clone(), read);
            match set.map(|set| set.verify(token)) {
                Some(Ok(())) => {
                    keys.insert(source);
                }
                Some(Err(error)) => failure = Refusal::Untrusted(error.to_string()),
                None => {}
            }
            // A hundred keys take milliseconds, and policies may give any number of sets: others go first.
            tokio::task::yield_now().await;
        }
        if fetches {
            match self.verify_fetched(token).await {
                Ok(()) => {
                    keys.insert(FETCHED.to_owned());
                }
                Err(error) => failure = error,
            }
        }
        if keys.is_empty() {
            return Err(failure);
        }
        Ok(Identity {
            issuer: token.issuer().to_owned(),
            keys,
            claims: token.claims().clone(),
        })
    }

    async fn verify_fetched(&self, token: &Unverified) -> Result<(), Refusal> {
        let found = self.issuers.keys(token).await.map_err(|error| {
            tracing::warn!(issuer = token.issuer(), error = %with_causes(&error), "no keys of an issuer");
            Refusal::Unavailable
        })?;
        match found.keys.verify(token) {
            Ok(()) => Ok(()),
            // It may be a key that came after the last time that they could be fetched.
            Err(IdentityError::UnknownKey) if found.outdated => Err(Refusal::Unavailable),
            Err(error) => Err(Refusal::Untrusted(error.to_string())),
        }
    }

    /// What the policies give to a verified identity. Ids that are seen for the first time are
    /// remembered.
    pub async fn admit(
        &self,
        identity: &Identity,
        resolved: &Resolved,
        source: Source,
    ) -> Result<Admission, Refusal> {
        let mut resolved = resolved.clone();
        for _ in 0..ROUNDS {
            let (shown, audiences) = (identity.clone(), self.audiences.clone());
            let acting = resolved.acting.clone();
            let found = self
                .database
                .read(move |read| admission(read, &shown, &audiences, &acting))
                .await?;
            let Some(found) = found else {
                return Err(Refusal::Untrusted("no policy's conditions hold".to_owned()));
            };
            let root = resolved.remember.take();
            if !found.remembers() && root.is_none() {
                return Ok(found);
            }
            let (shown, audiences) = (identity.clone(), self.audiences.clone());
            let acting = resolved.acting.organization;
            let kept = self
                .database
                .change_access(Decided::inside(), move |change| {
                    if let Some((root, id)) = root
                        && !remember_root(change, acting, &root, &id)?
                    {
                        return Ok(false);
                    }
                    for id in found.policy_ids() {
                        remember(change, id, acting, &shown, &audiences, source)?;
                    }
                    Ok::<_, DatabaseError>(true)
                })
                .await?;
            if !kept {
                return Err(Refusal::Untrusted(
                    "the owner of its root changed".to_owned(),
                ));
            }
        }
        Err(Refusal::Untrusted("its ids keep changing".to_owned()))
    }
}

fn nobody() -> Refusal {
    Refusal::Untrusted("it does not act for an organisation on this server".to_owned())
}

/// The policies that trust an issuer, of those for whom an identity speaks.
fn of_acting(
    read: &Read,
    issuer: &str,
    acting: &Acting,
) -> Result<Vec<TrustPolicy>, DatabaseError> {
    let mut policies = Vec::new();
    for organization in acting.all() {
        policies.extend(trust::of_issuer_in(read, issuer, organization)?);
    }
    Ok(policies)
}

/// Remembers the id behind the name of a root: whether it is what stands there now. Whoever came first in the
/// meantime, counts.
fn remember_root(
    change: &AccessChange<'_>,
    organization: i64,
    root: &ForgeRoot,
    id: &str,
) -> Result<bool, DatabaseError> {
    if roots::remember(change, organization, root, id)? {
        let told = root.to_string();
        audit::record(
            change,
            &Event {
                action: "root.pin",
                organization_id: Some(organization),
                subject: &told,
                detail: serde_json::json!({ "owner_id": id }),
                ..Event::default()
            },
        )?;
        return Ok(true);
    }
    let now = roots::owner(change, root)?;
    Ok(now.is_some_and(|owned| {
        owned.organization_id == organization && owned.owner_id.as_deref() == Some(id)
    }))
}

/// Remembers the ids that a policy has not seen before. Whoever came first in the meantime, counts.
fn remember(
    change: &AccessChange<'_>,
    policy_id: i64,
    acting: i64,
    identity: &Identity,
    audiences: &Audiences,
    source: Source,
) -> Result<(), DatabaseError> {
    let Some(mut policy) = trust::get(change, policy_id)? else {
        return Ok(());
    };
    let Some(organization) = organizations::get(change, policy.organization_id)? else {
        return Ok(());
    };
    let names = organizations::names(change, &organization)?;
    let own = audiences.of(&names, &identity.claims);
    let verdict = examine(&policy, identity, &own);
    if verdict.role.is_none() || verdict.first_seen.is_empty() {
        return Ok(());
    }
    let remembered: Map<String, Value> = verdict
        .first_seen
        .iter()
        .map(|(claim, value)| (claim.clone(), Value::from(value.clone())))
        .collect();
    let new = verdict.first_seen.into_iter();
    policy
        .policy
        .pins
        .extend(new.map(|(claim, value)| (claim, Some(value))));
    trust::set_pins(change, policy_id, &policy.policy.pins)?;
    // Who acts for another organisation is told there alone.
    let own = policy.organization_id == acting;
    let told = policy.policy.telling(&identity.claims).to_string();
    audit::record(
        change,
        &Event {
            action: "trust.pin",
            actor: own.then(|| Actor {
                account_id: policy.account_id,
                user: policy.account.to_string(),
                token_uuid: None,
                workload: Some(told.into()),
                acting: Some(acting),
                address: source.address,
                request_id: crate::request_id::request_id(),
            }),
            organization_id: Some(policy.organization_id),
            subject: policy.name.as_str(),
            detail: serde_json::json!({ "policy": policy.uuid, "pins": remembered }),
            ..Event::default()
        },
    )
}
