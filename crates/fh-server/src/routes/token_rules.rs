//! What the routes of tokens share: with which tokens a caller deals, and how one is made and told.

use std::collections::HashSet;

use fh_access::{ApiError, Caller, Principal};
use fh_api::{FlakePattern, MintedToken, Name, Permission};
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::tokens::{self, NewToken, Token};
use fh_persistence::database::{DatabaseError, Timestamp, lineage, organizations};
use fh_sql::{Read, Tx};
use uuid::Uuid;

use super::plans;
use super::plans::renewal::Asking;
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

/// Writes the row of a token that was decided on: the token as it is then.
pub(super) fn write_token(tx: &Tx<'_>, new: &NewToken<'_>) -> Result<Token, ApiError> {
    let uuid = tokens::insert(tx, new)?;
    tokens::find(tx, uuid)?.ok_or(ApiError::NotFound)
}

/// The token that asks for another one, as it is now, with those who decide whether it may be renewed.
pub(super) fn asking(read: &Read, uuid: Uuid) -> Result<Option<Asking>, DatabaseError> {
    let Some(token) = tokens::find(read, uuid)? else {
        return Ok(None);
    };
    let Some(account) = accounts::get(read, token.account_id)? else {
        return Ok(None);
    };
    let home = match account.organization_id {
        Some(id) => organizations::get(read, id)?,
        None => None,
    };
    let mut only = Vec::new();
    for name in plans::renewal::only(&token) {
        only.extend(organizations::find(read, name)?);
    }
    Ok(Some(Asking {
        token,
        account,
        home,
        only,
    }))
}

/// How many tokens of an account are valid; of none where there is no such account.
pub(super) fn valid_tokens(
    read: &Read,
    account: Option<&Account>,
    at: Timestamp,
) -> Result<u64, DatabaseError> {
    account.map_or(Ok(0), |account| {
        tokens::count_good(read, account.id, None, at)
    })
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
