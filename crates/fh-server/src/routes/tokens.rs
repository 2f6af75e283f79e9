//! Tokens: mint, list, inspect. [`super::revocation`] ends them, [`super::rotation`] replaces them,
//! [`super::renewal`] makes them last longer.
//!
//! A token deals only with tokens that are no wider than itself, of its own account; with those of an
//! organisation's service accounts deals also who administers the organisation, by a token that
//! reaches all of it; with all others deals an unnarrowed token of a server administrator. Every token
//! may inspect and revoke itself.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller, Principal};
use fh_api::{
    CreateToken, MintedToken, Name, Permission, RotateToken, RotatedToken, TokenInfo, TokenList,
    TokenRevocation,
};
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::audit::Event;
use fh_persistence::database::tokens::{self, Token};
use fh_persistence::database::{DatabaseError, now};
use fh_sql::Read;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use uuid::Uuid;

use super::json::json_body;
use super::narrowing::{narrowing, reads};
use super::path::{IdPath, Query};
use super::plans::minting::{self, end, within};
use super::table::{Route, delete, get, post};
use super::text::line;
use super::token_rules::{
    administers, asking, deals_with, descendants_of_caller, minted, minting_token, valid_tokens,
    write_token,
};
use super::transaction::write;
use super::{renewal, revocation, rotation};
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const TOKEN: &str = "/tokens/{id}";
    vec![
        get("/tokens", "The caller's tokens", list)
            .answers::<TokenList>(200)
            .refuses(&[422]),
        post("/tokens", "Create a token", mint)
            .takes::<CreateToken>()
            .answers::<MintedToken>(201)
            .refuses(&[404, 422]),
        post(
            "/tokens/renew",
            "Renew the token that asks: a new one that may do the same and lasts longer. The one that asks stays \
             valid until its end",
            renewal::renew,
        )
        .answers::<MintedToken>(201)
        .refuses(&[409]),
        get(TOKEN, "The details of a token", show).answers::<TokenInfo>(200),
        delete(
            TOKEN,
            "Revoke a token, valid or not, and all that it created",
            revocation::revoke,
        )
        .answers::<TokenRevocation>(200),
        get(
            "/tokens/{id}/revocation",
            "What revoking a token would end",
            revocation::preview,
        )
        .answers::<TokenRevocation>(200),
        post(
            "/tokens/{id}/rotate",
            "Replace a token with a new one like it, and list what came of the former one and stays valid",
            rotation::rotate,
        )
        .takes::<RotateToken>()
        .answers::<RotatedToken>(201)
        .refuses(&[409, 422]),
    ]
}

/// How the list is widened.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// true: those of everybody, for server administrators.
    #[serde(default)]
    all: bool,
    /// Those of this account, for who mints its tokens.
    #[serde(default)]
    user: Option<Name>,
}

/// `GET /api/v1/tokens`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Answer<Json<TokenList>> {
    let principal = caller.principal()?;
    let account_id = if query.all {
        caller.server_administrator()?;
        None
    } else if let Some(name) = another(principal, query.user) {
        Some(
            managed(&state, &caller, &name, "can see the tokens of")
                .await?
                .id,
        )
    } else {
        Some(principal.account_id)
    };
    let found = state
        .database()
        .read(move |read| tokens::list(read, account_id))
        .await?;
    let descendants = descendants_of_caller(&state, principal).await?;
    let tokens = found
        .iter()
        .filter(|token| deals_with(&caller, principal, token, &descendants))
        .map(Token::info)
        .collect();
    Ok(Json(TokenList { tokens }))
}

/// `GET /api/v1/tokens/{id}`.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: IdPath,
) -> Answer<Json<TokenInfo>> {
    let principal = caller.principal()?;
    let found = state
        .database()
        .read(move |read| tokens::find(read, path.id))
        .await?;
    let descendants = descendants_of_caller(&state, principal).await?;
    let token = found.filter(|token| deals_with(&caller, principal, token, &descendants));
    token
        .map(|token| Json(token.info()))
        .ok_or(ApiError::NotFound.into())
}

/// `POST /api/v1/tokens`: the only time that the token itself is told.
pub(crate) async fn mint(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Answer<(StatusCode, Json<MintedToken>)> {
    let principal = caller.require(Permission::Mint)?;
    let wanted: CreateToken = json_body(request, state.settings().limits.json_size).await?;
    let description = line("description", wanted.description.clone())?;
    let user = another(principal, wanted.user.clone());
    let for_another = match &user {
        Some(name) => Some(managed(&state, &caller, name, "can create tokens for").await?),
        None => None,
    };
    let mut asked = narrowing(&state, &caller, &wanted).await?;
    let by_organization = for_another.filter(|_| caller.server_administrator().is_err());
    if let Some(account) = &by_organization {
        within(account.organization.as_ref(), &mut asked)?;
    }
    let scope = principal
        .scope
        .narrow(asked)
        .map_err(|error| ApiError::Forbidden(error.to_string()))?;
    let reads = reads(&state, &caller, &scope, wanted.closures.is_some()).await?;
    let created_at = now().whole_seconds();
    let settings = state.settings().tokens;
    let expires_at = end(
        created_at,
        wanted.expires_in,
        principal.expires_at,
        &settings,
    )?;
    let wanted = minting::Wanted {
        description,
        user,
        organization_id: by_organization.and_then(|account| account.organization_id),
        scope,
        renewable: wanted.renewable,
        created_at,
        expires_at,
    };
    let parent = minting_token(principal)?;
    let most = state.settings().limits.tokens;
    let (token, account) = write(&state, &caller, move |tx, actor| {
        let facts = facts(tx, parent, &wanted)?;
        let mut new = minting::decide(&wanted, &facts, settings, most)?;
        new.path_set_id = reads.keep(tx)?;
        let token = write_token(tx, &new)?;
        let account = facts.owner(&wanted)?.clone();
        let info = token.info();
        let detail = json!({
            "token": token.uuid,
            "parent": info.parent,
            "permissions": info.permissions,
            "flakes": info.flakes,
            "closures": info.closures,
            "signed_by": info.signed_by,
            "networks": info.networks,
            "expires_at": expires_at.to_string(),
        });
        Event::by(actor, "token.create", account.name.as_str()).record(tx, detail)?;
        Ok((token, account))
    })
    .await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &token, &account)?)))
}

/// What is known when a token is minted.
fn facts(
    read: &Read,
    parent: Uuid,
    wanted: &minting::Wanted,
) -> Result<minting::Facts, DatabaseError> {
    let at = now();
    let asking = asking(read, parent)?;
    let account = match &wanted.user {
        Some(name) => accounts::find(read, name)?,
        None => None,
    };
    let owner = match &wanted.user {
        Some(_) => account.as_ref(),
        None => asking.as_ref().map(|asking| &asking.account),
    };
    Ok(minting::Facts {
        valid: valid_tokens(read, owner, at)?,
        asking,
        account,
        at,
    })
}

/// The account that is meant, if it is not the caller's own.
fn another(principal: &Principal, user: Option<Name>) -> Option<Name> {
    user.filter(|name| !principal.is_called(name.as_str()))
}

/// An account whose tokens the caller deals with: any, for a server administrator; the service
/// accounts of an organisation, for who administers it.
///
/// # Errors
/// 403 for all others, whether the account is there or not; 422 where it is not, for a server
/// administrator.
async fn managed(
    state: &AppState,
    caller: &Caller,
    name: &Name,
    what: &str,
) -> Result<Account, ApiError> {
    let wanted = name.clone();
    let found = state
        .database()
        .read(move |read| accounts::find_named(read, &wanted))
        .await?;
    if caller.server_administrator().is_ok() {
        return found
            .ok_or_else(|| ApiError::InvalidContent(format!("there is no user named {name}")));
    }
    found
        .filter(|account| {
            let organization = account.organization.as_ref();
            organization.is_some_and(|org| administers(caller, org))
        })
        .ok_or_else(|| {
            ApiError::Forbidden(format!(
                "only a server administrator, with a token that reaches everything, {what} other \
                 users, and an administrator of an organisation {what} its service accounts, with a \
                 token that reaches all of it"
            ))
        })
}
