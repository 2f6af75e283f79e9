//! Renewing a token, by whoever holds it: a new one that may do the same, with a new full lifetime.
//!
//! No permission is asked for: the new token gives nothing but time. How much is decided in
//! [`fh_auth::renewal`], out of the row and the server's settings; whether at all, by those who decide about the
//! token:
//!
//! | whose token | who decides |
//! |---|---|
//! | of a service account of an organisation | that organisation |
//! | of anybody else | the server (`renewal`) |
//! | and also, where it reaches only flakes of certain organisations | each of these, unless it says nobody |
//!
//! Invariants:
//! - the new token has the scope, the closures, the account and the chain of the one that asked, which is its
//!   parent: whoever revokes that one ends the new one too, whether the former has ended or not;
//! - the one that asked stays as it is. So nothing is lost where the answer does not arrive, or cannot be stored;
//! - what was exchanged for the identity of a workload, or came of it, is never renewed.

use axum::Json;
use axum::extract::State;
use fh_access::ApiError;
use fh_access::Caller;
use fh_api::duration::in_words;
use fh_api::{FlakePattern, MintedToken, Name, RenewalRule, UserKind};
use fh_auth::renewal::{self, RenewalError, RenewalFacts, RenewalLimits};
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::audit::{self, Event};
use fh_persistence::database::tokens::{self, NewToken, RenewalTerms, Token};
use fh_persistence::database::{DatabaseError, Timestamp, now, organizations};
use fh_settings::TokenSettings;
use fh_sql::Read;
use http::StatusCode;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::token_rules::{asking, minted, room_for_one_more};
use crate::answer::Answer;
use crate::state::AppState;

/// The most renewals of one login that are good at a time: a token that only reads does not use up all tokens that its
/// account may have.
const MOST_RENEWALS: u64 = 100;

/// `POST /api/v1/tokens/renew`.
pub(super) async fn renew(
    State(state): State<AppState>,
    caller: Caller,
) -> Answer<(StatusCode, Json<MintedToken>)> {
    let principal = caller.principal()?;
    let token = principal.token.as_ref().ok_or_else(of_workload)?;
    let (asking_token, actor) = (token.uuid, caller.actor()?);
    // Also of one that was made before its closures were fixed.
    let path_set = state.lookup().path_set(caller.view()).await?;
    let path_set_id = path_set.map(|(id, _)| id);
    let settings = state.settings().tokens;
    let most = state.settings().limits.tokens;
    let (token, account) = state
        .database()
        .write(caller.decided(), move |tx| {
            let former = asking(tx, asking_token)?;
            let account = accounts::get(tx, former.account_id)?.ok_or_else(gone)?;
            let created_at = now().whole_seconds();
            let expires_at = until(tx, &former, &account, settings, created_at)??;
            room_for_one_more(tx, &account, most)?;
            let chain = Some(former.first_at());
            let renewals = tokens::count_good(tx, account.id, chain, now())?;
            if renewals >= MOST_RENEWALS {
                return Err(ApiError::TooMany(
                    format!(
                        "{renewals} renewals of this login are valid, which is the limit: revoke those that are not \
                         needed"
                    ),
                    None,
                ));
            }
            let uuid = tokens::insert(
                tx,
                &NewToken {
                    account_id: former.account_id,
                    parent_id: Some(former.id),
                    description: former.description.as_deref(),
                    scope: &former.scope,
                    path_set_id: former.path_set_id.or(path_set_id),
                    claims: None,
                    acting: None,
                    created_at,
                    created_by: Some(actor.account_id),
                    expires_at,
                    terms: former.successor_terms(),
                },
            )?;
            audit::record(
                tx,
                &Event {
                    action: "token.renew",
                    actor: Some(actor),
                    subject: account.name.as_str(),
                    detail: json!({
                        "token": uuid,
                        "former": former.uuid,
                        "first_at": former.first_at().to_string(),
                        "expires_at": expires_at.to_string(),
                    }),
                    ..Event::default()
                },
            )?;
            let token = tokens::find(tx, uuid)?.ok_or_else(gone)?;
            Ok::<_, ApiError>((token, account))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &token, &account)?)))
}

/// The terms of a token that another one makes for somebody else's account. Its renewals count anew: whoever manages
/// an account gives it a login of its own. But what is made by a token that is bound, or that cannot be renewed, is
/// not renewed for longer than that one could last.
pub(super) fn terms_for_another(
    read: &Read,
    maker: &Token,
    settings: TokenSettings,
) -> Result<RenewalTerms, DatabaseError> {
    let renewable = match accounts::get(read, maker.account_id)? {
        Some(account) => allowed(read, maker, &account, settings)?.is_ok(),
        None => false,
    };
    let ends_by = renewal::ends_by_for_another(&facts(maker), renewable);
    Ok(RenewalTerms {
        ends_by: ends_by.map(Timestamp::from_seconds),
        ..RenewalTerms::default()
    })
}

/// When a token would end that its holder renewed now; none where that cannot be.
pub(super) async fn renewable_until(
    state: &AppState,
    token: Uuid,
) -> Result<Option<OffsetDateTime>, ApiError> {
    let settings = state.settings().tokens;
    let until = state
        .database()
        .read(move |read| {
            let Some(token) = tokens::find(read, token)? else {
                return Ok(None);
            };
            let Some(account) = accounts::get(read, token.account_id)? else {
                return Ok(None);
            };
            Ok(until(read, &token, &account, settings, now())?.ok())
        })
        .await?;
    Ok(until.map(Timestamp::to_date_time))
}

/// When a token would end that renewed this one at a time; else why it cannot be, for the one who asks.
fn until(
    read: &Read,
    token: &Token,
    account: &Account,
    settings: TokenSettings,
    at: Timestamp,
) -> Result<Result<Timestamp, ApiError>, DatabaseError> {
    if let Err(refused) = allowed(read, token, account, settings)? {
        return Ok(Err(refused));
    }
    let limits = RenewalLimits {
        max_lifetime: signed(settings.max_lifetime.as_secs()),
        max_renewal: signed(settings.max_renewal.as_secs()),
    };
    let until = renewal::until(at.as_seconds(), &facts(token), limits);
    let end = token.expires_at;
    Ok(until.map(Timestamp::from_seconds).map_err(|error| {
        ApiError::Conflict(match error {
            RenewalError::Bound => format!(
                "this token is valid until {end} and cannot be renewed: it was created with a token that lasts no \
                 longer, or it was rotated. Create a new one, or ask whoever gave you this one"
            ),
            RenewalError::MaxRenewal => format!(
                "this token is valid until {end} and cannot be renewed any more: it was first created at {}, and \
                 renewals end {} after that (the server's option max-renewal). Ask an administrator for a new one",
                token.first_at(),
                in_words(settings.max_renewal.as_secs())
            ),
            RenewalError::LastsLonger(from) => format!(
                "this token is valid until {end}, which is longer than a new one would be: renew it after {}",
                Timestamp::from_seconds(from)
            ),
        })
    }))
}

fn facts(token: &Token) -> RenewalFacts {
    RenewalFacts {
        expires_at: token.expires_at.as_seconds(),
        first_at: token.first_at().as_seconds(),
        lifetime: signed(token.lifetime()),
        ends_by: token.renewals_end_by().map(Timestamp::as_seconds),
    }
}

/// Whether those who decide about a token let it be renewed.
fn allowed(
    read: &Read,
    token: &Token,
    account: &Account,
    settings: TokenSettings,
) -> Result<Result<(), ApiError>, DatabaseError> {
    if token.claims.is_some() || account.trust_policy_id.is_some() {
        return Ok(Err(of_workload()));
    }
    if settings.max_renewal.is_zero() || settings.renewal == RenewalRule::Nobody {
        return Ok(Err(ApiError::Forbidden(
            "this server lets nobody renew tokens (its options renewal and max-renewal): ask an administrator for \
             a new one"
                .to_owned(),
        )));
    }
    let of = match account.organization_id {
        Some(id) => organizations::get(read, id)?,
        None => None,
    };
    let (rule, who) = match &of {
        Some(organization) => (
            organization.renewal,
            format!("the organisation {}", organization.name),
        ),
        None => (settings.renewal, "this server".to_owned()),
    };
    if !renewal::allows(rule, account.kind) {
        return Ok(Err(refused_by(&who, account)));
    }
    for name in only(token) {
        let found = organizations::find(read, name)?;
        if let Some(found) = found.filter(|found| found.renewal == RenewalRule::Nobody) {
            let who = format!("the organisation {}", found.name);
            return Ok(Err(refused_by(&who, account)));
        }
    }
    Ok(Ok(()))
}

/// The organisations of whose flakes a token reaches some, if it reaches nothing else.
fn only(token: &Token) -> Vec<&Name> {
    let organizations = token.scope.flakes().iter().map(|pattern| match pattern {
        FlakePattern::All => None,
        FlakePattern::Organization(name) => Some(name),
        FlakePattern::Flake(flake) => Some(&flake.org),
    });
    organizations.collect::<Option<_>>().unwrap_or_default()
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

fn gone() -> ApiError {
    ApiError::Unauthorized("the token is no longer valid".to_owned())
}

fn of_workload() -> ApiError {
    ApiError::Forbidden(
        "what a workload holds cannot be renewed: it exchanges a new identity at /oauth/token instead".to_owned(),
    )
}

/// Seconds as they are counted here; what is longer than any server lasts, is as long as that.
fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
