//! Replacing a token by a new one like it.
//!
//! The new token is minted with the caller's, as any other: it holds no more and lasts no longer than
//! that one, and ends where that one is revoked, whoever made the former. The former one ends at once or
//! after a time of grace in which both are good; it cannot be renewed in that time. What came of it stands, and the
//! answer lists it: whoever rotates a token because it was stolen ends what the thief made by revoking that. Where a
//! token replaces itself, its renewals count from the first on; where an administrator replaces one of another account,
//! they count anew, within what bounds [a token for another account](super::renewal::terms_for_another).

use axum::Json;
use axum::extract::{Request, State};
use fh_api::{MintedToken, Permission, RotateToken, RotatedToken};
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::path::IdPath;
use super::renewal;
use super::revocation::told;
use super::tokens::{asking, descendants_of_caller, lifetime, may_replace, minted, minting_token};
use crate::access::Caller;
use crate::database::audit::{self, Event};
use crate::database::lineage::{self, Lineage};
use crate::database::tokens::{self, NewToken, RenewalTerms, Token};
use crate::database::{accounts, now};
use crate::error::ApiError;
use crate::state::AppState;

/// `POST /api/v1/tokens/{id}/rotate`.
pub(super) async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
    path: IdPath,
    request: Request,
) -> Result<(StatusCode, Json<RotatedToken>), ApiError> {
    let principal = caller.require(Permission::Mint)?;
    let wanted: RotateToken = json_body(request, state.settings().limits.json_size).await?;
    let descendants = descendants_of_caller(&state, principal).await?;
    let former = state
        .database()
        .read(move |connection| tokens::find(connection, path.id))
        .await?
        .filter(|token| may_replace(&caller, principal, token, &descendants))
        .ok_or(ApiError::NotFound)?;
    // Whether the one closure is within the other their roots do not tell.
    if let (Some((_, mine)), Some(id)) = (
        state.lookup().path_set(caller.view()).await?,
        former.path_set_id,
    ) && !mine.includes(&*state.lookup().load(id).await?)
    {
        return Err(ApiError::NotFound);
    }
    let created_at = now().whole_seconds();
    let settings = state.settings().tokens;
    let longest = settings.max_lifetime.as_secs();
    let asked = lifetime(wanted.expires_in, longest)?;
    let lasts = asked.unwrap_or(former.lifetime().min(longest));
    let expires_at = created_at.plus_seconds(lasts).min(principal.expires_at);
    let ends_at = now()
        .plus_seconds(wanted.grace.unwrap_or(0))
        .whole_seconds();
    let asking_token = minting_token(principal)?;
    let actor = caller.actor()?;
    let (token, account, came_of_former) = state
        .database()
        .change_access(caller.decided(), move |change| {
            let parent = asking(change, asking_token)?;
            let former = tokens::find(change, former.uuid)?.ok_or(ApiError::NotFound)?;
            if !former.is_good(now()) {
                return Err(ApiError::Conflict(
                    "the token is no longer valid: create a new one".to_owned(),
                ));
            }
            let account = accounts::get(change, former.account_id)?.ok_or(ApiError::NotFound)?;
            let expires_at = expires_at.min(parent.expires_at);
            let bounds = if parent.account_id == former.account_id {
                terms(&former, &parent)
            } else {
                renewal::terms_for_another(change, &parent, settings)?
            };
            let terms = RenewalTerms {
                lifetime: Some(lasts),
                ..bounds
            };
            let uuid = tokens::insert(
                change,
                &NewToken {
                    account_id: former.account_id,
                    parent_id: Some(parent.id),
                    description: former.description.as_deref(),
                    scope: &former.scope,
                    path_set_id: former.path_set_id,
                    claims: former.claims.as_deref(),
                    acting: former.acting.as_ref(),
                    created_at,
                    created_by: Some(actor.account_id),
                    expires_at,
                    terms,
                },
            )?;
            if wanted.grace.is_some_and(|grace| grace > 0) {
                tokens::end(change, former.id, ends_at)?;
            } else {
                tokens::revoke(change, &[former.id])?;
            }
            audit::record(
                change,
                &Event {
                    action: "token.rotate",
                    actor: Some(actor),
                    subject: account.name.as_str(),
                    detail: json!({
                        "token": uuid,
                        "former": former.uuid,
                        "grace": wanted.grace,
                        "expires_at": expires_at.to_string(),
                    }),
                    ..Event::default()
                },
            )?;
            let token = tokens::find(change, uuid)?.ok_or(ApiError::NotFound)?;
            let at = now();
            let mut came_of_former =
                lineage::of(change, former.id, at)?.ok_or(ApiError::NotFound)?;
            let is_known = |id: i64| [former.id, parent.id, token.id].contains(&id);
            let own = &mut came_of_former.own;
            own.retain(|token| token.is_good(at) && !is_known(token.id));
            Ok::<_, ApiError>((token, account, came_of_former))
        })
        .await?;
    let MintedToken { token, info } = minted(&state, &token, &account)?;
    let Lineage { own, branches } = came_of_former;
    let others = branches.iter().filter(|branch| branch.direct);
    let others = others.filter_map(|branch| branch.own.first());
    let rotated = RotatedToken {
        token,
        info,
        still_valid: own.iter().map(told).collect(),
        made_for_others: others.map(told).collect(),
    };
    Ok((StatusCode::CREATED, Json(rotated)))
}

/// What the renewals of a token are bound to that replaces another one of its account.
fn terms(former: &Token, parent: &Token) -> RenewalTerms {
    if parent.id == former.id {
        return former.successor_terms();
    }
    RenewalTerms {
        first_at: Some(former.first_at()),
        ..parent.child_terms(false)
    }
}
