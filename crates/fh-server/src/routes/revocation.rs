//! Ending tokens for good, and saying beforehand what ends.
//!
//! Invariants:
//! - a token that is revoked, also one that has ended before, takes with it all that it asked for within
//!   its account: minted or rotated, and what that asked for in turn;
//! - what it made for another account stands by itself. It is listed, and ends only where that was asked
//!   for, by who may revoke each of those tokens: else nothing ends at all.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use fh_access::{ApiError, Caller};
use fh_api::{RevokedToken, TokenRevocation};
use fh_persistence::database::audit::Event;
use fh_persistence::database::lineage::{self, Branch, Lineage};
use fh_persistence::database::tokens::{self, Token};
use fh_persistence::database::{Timestamp, now};
use fh_sql::Read;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use uuid::Uuid;

use super::path::{IdPath, Query};
use super::token_rules::{deals_with, descendants_of_caller};
use super::transaction::read;
use crate::answer::Answer;
use crate::state::AppState;

/// The most tokens for others that an event of the audit log names; the others it counts. Whoever revokes one token
/// after the other that stand on top of many writes little each time, also where that uses the reserve of a full disk.
const MOST_IN_AUDIT_LOG: usize = 20;

/// How far it goes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeQuery {
    /// true: also those that were made for other accounts, for who may revoke each of them.
    #[serde(default)]
    with_made_for_others: bool,
}

/// `GET /api/v1/tokens/{id}/revocation`: what [`revoke`] would end. An address of its own, and not a
/// parameter of that one: a server that does not know it must not take the question for the deed.
pub(super) async fn preview(
    State(state): State<AppState>,
    caller: Caller,
    path: IdPath,
    Query(query): Query<RevokeQuery>,
) -> Answer<Json<TokenRevocation>> {
    let named = named(&state, &caller, path.id).await?;
    let found = read(&state, move |read| {
        lineage::of(read, named.id, now())?.ok_or(ApiError::NotFound)
    })
    .await?;
    let plan = plan(found, &caller, query.with_made_for_others)?;
    Ok(Json(plan.told(now())))
}

/// `DELETE /api/v1/tokens/{id}`: from now on it is good for nothing, and so is all that it asked for.
pub(super) async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    path: IdPath,
    Query(query): Query<RevokeQuery>,
) -> Answer<Json<TokenRevocation>> {
    let named = named(&state, &caller, path.id).await?;
    let actor = caller.actor()?;
    let decided = caller.decided().taking_away();
    // An account has only so many valid tokens, and whoever has lost one gets rid of it.
    let decided = if caller.principal()?.account_id == named.account_id {
        decided.uncounted()
    } else {
        decided
    };
    let told = state
        .database()
        .change_access(decided, move |change| {
            let at = now();
            let id = still_there(change, named.uuid)?;
            let found = lineage::of(change, id, at)?.ok_or(ApiError::NotFound)?;
            let plan = plan(found, &caller, query.with_made_for_others)?;
            let told = plan.told(at);
            let ids: Vec<i64> = plan.ended.iter().map(|token| token.id).collect();
            let revoked = tokens::revoke(change, &ids)?;
            if revoked > 0 {
                let others = told.made_for_others.iter().map(|token| token.id);
                let others: Vec<Uuid> = others.take(MOST_IN_AUDIT_LOG).collect();
                Event::by(actor, "token.revoke", named.user.as_str()).record(
                    change,
                    json!({
                        "token": named.uuid,
                        "revoked": revoked,
                        "with_made_for_others": query.with_made_for_others,
                        "made_for_others": others,
                        "made_for_others_count": told.made_for_others.len(),
                    }),
                )?;
            }
            Ok::<_, ApiError>(told)
        })
        .await?;
    Ok(Json(told))
}

/// The token that is named, if the caller deals with it. Whether it has ended does not matter.
async fn named(state: &AppState, caller: &Caller, id: Uuid) -> Result<Token, ApiError> {
    let principal = caller.principal()?;
    let descendants = descendants_of_caller(state, principal).await?;
    state
        .database()
        .read(move |read| tokens::find(read, id))
        .await?
        .filter(|token| deals_with(caller, principal, token, &descendants))
        .ok_or(ApiError::NotFound)
}

fn still_there(read: &Read, uuid: Uuid) -> Result<i64, ApiError> {
    let found = tokens::find(read, uuid)?;
    found.map(|token| token.id).ok_or(ApiError::NotFound)
}

/// What is to end and what stands.
struct Plan {
    ended: Vec<Token>,
    stands: Vec<Branch>,
}

/// Decides what ends.
///
/// # Errors
/// 403 where what was made for others is to end too, and the caller does not deal with all of it.
fn plan(found: Lineage, caller: &Caller, with_made_for_others: bool) -> Result<Plan, ApiError> {
    let Lineage { own, branches } = found;
    if !with_made_for_others {
        return Ok(Plan {
            ended: own,
            stands: branches
                .into_iter()
                .filter(|branch| branch.direct)
                .collect(),
        });
    }
    let principal = caller.principal()?;
    let nothing = HashSet::new();
    let mut tokens = branches.iter().filter_map(|branch| branch.own.first());
    if tokens.any(|token| !deals_with(caller, principal, token, &nothing)) {
        return Err(ApiError::Forbidden(
            "you may not revoke some of the tokens that it created for other accounts, so nothing was revoked: \
             leave those out, and tell whoever manages these accounts"
                .to_owned(),
        ));
    }
    let others = branches.into_iter().flat_map(|branch| branch.own);
    Ok(Plan {
        ended: own.into_iter().chain(others).collect(),
        stands: Vec::new(),
    })
}

impl Plan {
    /// As the API tells it: of what ends, what was good until then.
    fn told(&self, at: Timestamp) -> TokenRevocation {
        TokenRevocation {
            ended: self
                .ended
                .iter()
                .filter(|token| token.is_good(at))
                .map(told)
                .collect(),
            made_for_others: self
                .stands
                .iter()
                .filter_map(|branch| branch.own.first())
                .map(told)
                .collect(),
        }
    }
}

/// A token as the API tells of those that end or stand.
pub(super) fn told(token: &Token) -> RevokedToken {
    RevokedToken {
        id: token.uuid,
        user: token.user.clone(),
        description: token.description.clone(),
        expires_at: token.expires_at.to_date_time(),
    }
}
