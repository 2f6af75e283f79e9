//! Whether a token is renewed, until when the new one lasts, and what the renewals are bound to of a token that it makes
//! for somebody else. How much is decided in [`fh_auth::renewal`], out of the row and the server's settings; whether at
//! all, by those who decide about the token:
//!
//! | whose token | who decides |
//! |---|---|
//! | of a service account of an organisation | that organisation |
//! | of anybody else | the server (`renewal`) |
//! | and also, where it reaches only flakes of certain organisations | each of these, unless it says nobody |

use fh_access::ApiError;
use fh_api::duration::in_words;
use fh_api::{FlakePattern, Name, RenewalRule, UserKind};
use fh_auth::renewal::{self, RenewalError, RenewalFacts, RenewalLimits};
use fh_persistence::database::Timestamp;
use fh_persistence::database::accounts::Account;
use fh_persistence::database::organizations::Organization;
use fh_persistence::database::tokens::{NewToken, RenewalTerms, Token};
use fh_settings::TokenSettings;

use super::limits::room_for_one_more;

/// The most renewals of one login that are good at a time: a token that only reads does not use up all tokens that its
/// account may have.
pub(in crate::routes) const MOST_RENEWALS: u64 = 100;

/// A token that asks for another one, as it is in the transaction, with those who decide whether it may be renewed.
#[derive(Debug, Clone)]
pub(in crate::routes) struct Asking {
    pub(in crate::routes) token: Token,
    /// The account that the token belongs to.
    pub(in crate::routes) account: Account,
    /// The organisation of that service account.
    pub(in crate::routes) home: Option<Organization>,
    /// The organisations of whose flakes it reaches some, if it reaches nothing else.
    pub(in crate::routes) only: Vec<Organization>,
}

/// What is known of a token that its holder renews.
pub(in crate::routes) struct Facts {
    pub(in crate::routes) asking: Option<Asking>,
    /// How many tokens of the account are valid.
    pub(in crate::routes) valid: u64,
    /// How many of these are renewals of the same login.
    pub(in crate::routes) renewals: u64,
    /// What it reads, also where it was made before its closures were fixed.
    pub(in crate::routes) path_set_id: Option<i64>,
    pub(in crate::routes) at: Timestamp,
}

/// Decides what the new token is.
///
/// # Errors
/// 401 where the one that asks has ended; 403 and 409 where it is not renewed; 429 where there are too many.
pub(in crate::routes) fn decide(
    facts: &Facts,
    settings: TokenSettings,
    most: u32,
) -> Result<NewToken<'_>, ApiError> {
    let asking = Asking::good(facts.asking.as_ref(), facts.at)?;
    let former = &asking.token;
    let created_at = facts.at.whole_seconds();
    let expires_at = asking.until(settings, created_at)?;
    room_for_one_more(&asking.account, facts.valid, most)?;
    let renewals = facts.renewals;
    if renewals >= MOST_RENEWALS {
        return Err(ApiError::TooMany(
            format!(
                "{renewals} renewals of this login are valid, which is the limit: revoke those that are not needed"
            ),
            None,
        ));
    }
    Ok(NewToken {
        account_id: former.account_id,
        parent_id: Some(former.id),
        description: former.description.as_deref(),
        scope: &former.scope,
        path_set_id: former.path_set_id.or(facts.path_set_id),
        claims: None,
        acting: None,
        created_at,
        created_by: Some(former.account_id),
        expires_at,
        terms: former.successor_terms(),
    })
}

impl Asking {
    /// The token that asks for another one, if it is good: it may have ended since the request was let in, and what a
    /// token that was revoked asked for would outlive it.
    ///
    /// # Errors
    /// 401 where it is not.
    pub(in crate::routes) fn good(found: Option<&Self>, at: Timestamp) -> Result<&Self, ApiError> {
        found
            .filter(|asking| asking.token.is_good(at) && !asking.token.account_disabled)
            .ok_or_else(|| ApiError::Unauthorized("the token is no longer valid".to_owned()))
    }

    /// When a token would end that renewed this one at a time.
    ///
    /// # Errors
    /// 403 where it may not be renewed, 409 where that would not make it last longer.
    pub(in crate::routes) fn until(
        &self,
        settings: TokenSettings,
        at: Timestamp,
    ) -> Result<Timestamp, ApiError> {
        self.allowed(settings)?;
        let limits = RenewalLimits {
            max_lifetime: signed(settings.max_lifetime.as_secs()),
            max_renewal: signed(settings.max_renewal.as_secs()),
        };
        let until = renewal::until(at.as_seconds(), &facts(&self.token), limits);
        let end = self.token.expires_at;
        until.map(Timestamp::from_seconds).map_err(|error| {
            ApiError::Conflict(match error {
                RenewalError::Bound => format!(
                    "this token is valid until {end} and cannot be renewed: it was created with a token that lasts no \
                     longer, or it was rotated. Create a new one, or ask whoever gave you this one"
                ),
                RenewalError::MaxRenewal => format!(
                    "this token is valid until {end} and cannot be renewed any more: it was first created at {}, and \
                     renewals end {} after that (the server's option max-renewal). Ask an administrator for a new one",
                    self.token.first_at(),
                    in_words(settings.max_renewal.as_secs())
                ),
                RenewalError::LastsLonger(from) => format!(
                    "this token is valid until {end}, which is longer than a new one would be: renew it after {}",
                    Timestamp::from_seconds(from)
                ),
            })
        })
    }

    /// The terms of a token that this one makes for somebody else's account. Its renewals count anew: whoever manages an
    /// account gives it a login of its own. But what is made by a token that is bound, or that cannot be renewed, is not
    /// renewed for longer than that one could last.
    pub(in crate::routes) fn terms_for_another(&self, settings: TokenSettings) -> RenewalTerms {
        let renewable = self.allowed(settings).is_ok();
        let ends_by = renewal::ends_by_for_another(&facts(&self.token), renewable);
        RenewalTerms {
            ends_by: ends_by.map(Timestamp::from_seconds),
            ..RenewalTerms::default()
        }
    }

    /// Whether those who decide about it let it be renewed.
    fn allowed(&self, settings: TokenSettings) -> Result<(), ApiError> {
        let account = &self.account;
        if self.token.claims.is_some() || account.trust_policy_id.is_some() {
            return Err(of_workload());
        }
        if settings.max_renewal.is_zero() || settings.renewal == RenewalRule::Nobody {
            return Err(ApiError::Forbidden(
                "this server lets nobody renew tokens (its options renewal and max-renewal): ask an administrator for \
                 a new one"
                    .to_owned(),
            ));
        }
        let of_organization = |organization: &Organization| {
            let who = format!("the organisation {}", organization.name);
            (organization.renewal, who)
        };
        let (rule, who) = match &self.home {
            Some(organization) => of_organization(organization),
            None => (settings.renewal, "this server".to_owned()),
        };
        if !renewal::allows(rule, account.kind) {
            return Err(refused_by(&who, account));
        }
        let only = self.only.iter().map(of_organization);
        match only
            .into_iter()
            .find(|(rule, _)| *rule == RenewalRule::Nobody)
        {
            Some((_, who)) => Err(refused_by(&who, account)),
            None => Ok(()),
        }
    }
}

/// The organisations of whose flakes a token reaches some, if it reaches nothing else.
pub(in crate::routes) fn only(token: &Token) -> Vec<&Name> {
    let organizations = token.scope.flakes().iter().map(|pattern| match pattern {
        FlakePattern::All => None,
        FlakePattern::Organization(name) => Some(name),
        FlakePattern::Flake(flake) => Some(&flake.org),
    });
    organizations.collect::<Option<_>>().unwrap_or_default()
}

fn facts(token: &Token) -> RenewalFacts {
    RenewalFacts {
        expires_at: token.expires_at.as_seconds(),
        first_at: token.first_at().as_seconds(),
        lifetime: signed(token.lifetime()),
        ends_by: token.renewals_end_by().map(Timestamp::as_seconds),
    }
}

fn refused_by(who: &str, account: &Account) -> ApiError {
    let name = &account.name;
    ApiError::Forbidden(match account.kind {
        UserKind::Human => format!(
            "{who} does not let people renew their tokens: ask an administrator for a new one"
        ),
        UserKind::Service => format!(
            "{who} does not let service accounts such as {name} renew their tokens: create a new one with \
             `fh token create --user {name}`"
        ),
    })
}

/// What a workload hears that would renew what it holds.
pub(in crate::routes) fn of_workload() -> ApiError {
    ApiError::Forbidden(
        "what a workload holds cannot be renewed: it exchanges a new identity at /oauth/token instead".to_owned(),
    )
}

/// Seconds as they are counted here; what is longer than any server lasts, is as long as that.
fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
