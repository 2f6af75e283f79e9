//! What the routes of tokens share: with which tokens a caller deals, and how one is made and told.

use std::collections::HashSet;

use fh_access::ApiError;
use fh_access::{Caller, Principal};
use fh_api::duration::in_words;
use fh_api::{FlakePattern, MintedToken, Name, Permission};
use fh_persistence::database::accounts::Account;
use fh_persistence::database::tokens::{self, Token};
use fh_persistence::database::{lineage, now};
use fh_sql::Read;
use uuid::Uuid;

use crate::bootstrap::sign;
use crate::state::AppState;

/// A token that was just made, with its text.
pub(super) fn minted(
    state: &AppState,
    token: &Token,
    account: &Account,
) -> Result<MintedToken, ApiError> {
    let keys = state.keys();
    let text = sign(
        keys.token(),
        keys.audience(),
        state.public_url(),
        token,
        account.uuid,
    )
    .map_err(ApiError::internal)?;
    Ok(MintedToken {
        token: text.to_string(),
        info: token.info(),
    })
}

/// Whether an account may have another token.
pub(super) fn room_for_one_more(read: &Read, account: &Account, most: u32) -> Result<(), ApiError> {
    let good = tokens::count_good(read, account.id, None, now())?;
    if good < u64::from(most) {
        return Ok(());
    }
    let name = &account.name;
    Err(ApiError::TooMany(
        format!("the account {name} has {good} valid tokens, which is the limit: revoke one first"),
        // Nobody knows when one will be.
        None,
    ))
}

/// How many seconds a token was asked to last, if that is possible at all.
pub(super) fn lifetime(asked: Option<u64>, longest: u64) -> Result<Option<u64>, ApiError> {
    match asked {
        Some(0) => Err(ApiError::BadRequest(
            "the field expires_in must be at least 1 second".to_owned(),
        )),
        Some(asked) if asked > longest => Err(ApiError::BadRequest(format!(
            "the field expires_in must be at most {}, this server's maximum",
            in_words(longest)
        ))),
        asked => Ok(asked),
    }
}

/// The token that asks for another one, as it is now: it may have ended since the request was let in, and
/// what a token that was revoked asked for would outlive it.
pub(super) fn asking(read: &Read, uuid: Uuid) -> Result<Token, ApiError> {
    tokens::find(read, uuid)?
        .filter(|token| token.is_good(now()) && !token.account_disabled)
        .ok_or_else(|| ApiError::Unauthorized("the token is no longer valid".to_owned()))
}

/// The token that a new one is minted with.
pub(super) fn minting_token(principal: &Principal) -> Result<Uuid, ApiError> {
    let token = principal.token.as_ref().ok_or_else(|| {
        ApiError::Forbidden(
            "a workload's own identity cannot create tokens: exchange it at /oauth/token, and use the token \
             from there"
                .to_owned(),
        )
    })?;
    Ok(token.uuid)
}

/// The caller's own token and all that it asked for within its account, by internal id; they are narrower
/// whatever paths they are for. What it made for others needs the authority over those, as it is now.
pub(super) async fn descendants_of_caller(
    state: &AppState,
    principal: &Principal,
) -> Result<HashSet<i64>, ApiError> {
    let Some(token) = &principal.token else {
        return Ok(HashSet::new());
    };
    let id = token.id;
    let found = state
        .database()
        .read(move |read| lineage::own_ids(read, id));
    Ok(found.await?)
}

/// Whether the caller may see and revoke a token.
pub(super) fn deals_with(
    caller: &Caller,
    principal: &Principal,
    token: &Token,
    descendants: &HashSet<i64>,
) -> bool {
    deals_with_as_own(caller, principal, token, descendants)
        || of_administered_organization(caller, token).is_some()
}

/// Whether the caller may have another token like this one: as [`deals_with`], and only what could be
/// minted: no wider than the caller's own, and by the authority of an organisation within it. Of two tokens
/// for closures this does not tell whether the one's paths are the other's.
pub(super) fn may_replace(
    caller: &Caller,
    principal: &Principal,
    token: &Token,
    descendants: &HashSet<i64>,
) -> bool {
    let within = |organization: &Name| {
        let all = FlakePattern::Organization(organization.clone());
        token.scope.flakes().iter().all(|flake| all.includes(flake))
    };
    let derived = principal.token.is_some() && descendants.contains(&token.id);
    (derived || principal.scope.includes(&token.scope))
        && (deals_with_as_own(caller, principal, token, descendants)
            || of_administered_organization(caller, token).is_some_and(within))
}

/// The organisation that a service account's token belongs to, where the caller administers it.
fn of_administered_organization<'a>(caller: &Caller, token: &'a Token) -> Option<&'a Name> {
    let organization = token.organization.as_ref()?;
    administers(caller, organization).then_some(organization)
}

fn deals_with_as_own(
    caller: &Caller,
    principal: &Principal,
    token: &Token,
    descendants: &HashSet<i64>,
) -> bool {
    let itself = principal
        .token
        .as_ref()
        .is_some_and(|own| own.id == token.id);
    let manages =
        principal.scope.allows(Permission::Mint) || principal.scope.allows(Permission::Admin);
    // Many workloads share the account of a policy, and each is somebody else.
    let same_holder = token.account_id == principal.account_id && principal.workload.is_none();
    let narrower = manages
        && (descendants.contains(&token.id)
            || same_holder && principal.scope.includes(&token.scope));
    itself || narrower || caller.server_administrator().is_ok()
}

pub(super) fn administers(caller: &Caller, organization: &Name) -> bool {
    caller
        .organization_to_administer(organization.as_str())
        .is_ok()
}
