//! Replacing a token by a new one like it.
//!
//! The new token is minted with the caller's, as any other: it holds no more and lasts no longer than
//! that one, and ends where that one is revoked, whoever made the former. The former one ends at once or
//! after a time of grace in which both are good; it cannot be renewed in that time. What came of it stands, and the
//! answer lists it: whoever rotates a token because it was stolen ends what the thief made by revoking that. Where a
//! token replaces itself, its renewals count from the first on; where an administrator replaces one of another account,
//! they count anew, within what bounds [a token for another account](super::renewal::terms_for_another).
//!
//! Invariants:
//! - an account has no more valid tokens than it may, as after any other way to get one: with a time of grace there
//!   is one more. Without it there are as many as before;
//! - no renewal lasts longer than the former token was meant to, or the one that asked;
//! - the answer is bounded, and what it lists is read after the transaction: it keeps no writer waiting.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::ApiError;
use fh_access::Caller;
use fh_api::{MAX_LISTED_TOKENS, MintedToken, Permission, RevokedToken, RotateToken, RotatedToken};
use fh_persistence::database::audit::{self, Event};
use fh_persistence::database::lineage;
use fh_persistence::database::tokens::{self, NewToken, RenewalTerms, Token};
use fh_persistence::database::{DatabaseError, accounts, now};
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::path::IdPath;
use super::renewal;
use super::revocation::told;
use super::token_rules::{
    asking, descendants_of_caller, lifetime, may_replace, minted, minting_token, room_for_one_more,
};
use crate::answer::Answer;
use crate::state::AppState;

/// `POST /api/v1/tokens/{id}/rotate`.
pub(super) async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
    path: IdPath,
    request: Request,
) -> Answer<(StatusCode, Json<RotatedToken>)> {
    let principal = caller.require(Permission::Mint)?;
    let wanted: RotateToken = json_body(request, state.settings().limits.json_size).await?;
    let descendants = descendants_of_caller(&state, principal).await?;
    let former = state
        .database()
        .read(move |read| tokens::find(read, path.id))
        .await?
        .filter(|token| may_replace(&caller, principal, token, &descendants))
        .ok_or(ApiError::NotFound)?;
    // Whether the one closure is within the other their roots do not tell.
    if let (Some((_, mine)), Some(id)) = (
        state.lookup().path_set(caller.view()).await?,
        former.path_set_id,
    ) && !mine.includes(&*state.lookup().load(id).await?)
    {
        return Err(ApiError::NotFound.into());
    }
    let created_at = now().whole_seconds();
    let settings = state.settings().tokens;
    let most = state.settings().limits.tokens;
    let longest = settings.max_lifetime.as_secs();
    let asked = lifetime(wanted.expires_in, longest)?;
    let lasts = asked.unwrap_or(former.lifetime().min(longest));
    let expires_at = created_at.plus_seconds(lasts).min(principal.expires_at);
    let ends_at = now()
        .plus_seconds(wanted.grace.unwrap_or(0))
        .whole_seconds();
    let asking_token = minting_token(principal)?;
    let actor = caller.actor()?;
    let (token, account, parent_id) = state
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
            let has_grace = wanted.grace.is_some_and(|grace| grace > 0);
            if has_grace {
                room_for_one_more(change, &account, most)?;
            }
            let expires_at = expires_at.min(parent.expires_at);
            let bounds = if parent.account_id == former.account_id {
                terms(&former, &parent)
            } else {
                renewal::terms_for_another(change, &parent, settings)?
            };
            let terms = RenewalTerms {
                lifetime: Some(lasts.min(former.lifetime().max(parent.lifetime()))),
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
            if has_grace {
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
            Ok::<_, ApiError>((token, account, parent.id))
        })
        .await?;
    let left = left(&state, [former.id, parent_id, token.id]).await?;
    let MintedToken { token, info } = minted(&state, &token, &account)?;
    let rotated = RotatedToken {
        token,
        info,
        still_valid: left.own.listed,
        still_valid_count: left.own.count,
        made_for_others: left.others.listed,
        made_for_others_count: left.others.count,
    };
    Ok((StatusCode::CREATED, Json(rotated)))
}

/// What came of a token and is valid.
#[derive(Default)]
struct Left {
    own: Listed,
    others: Listed,
}

/// The first of some tokens, and how many there are.
#[derive(Default)]
struct Listed {
    listed: Vec<RevokedToken>,
    count: u64,
}

impl Listed {
    fn add(&mut self, token: &Token) {
        if self.listed.len() < MAX_LISTED_TOKENS {
            self.listed.push(told(token));
        }
        self.count += 1;
    }
}

/// What came of the first of these tokens, without any of them. They are the former one, the one that asked and the new
/// one.
async fn left(state: &AppState, known: [i64; 3]) -> Result<Left, DatabaseError> {
    let [former, ..] = known;
    let read = state.database().read(move |read| {
        let at = now();
        let mut left = Left::default();
        // None where the account was removed a moment ago, and its tokens with it.
        let Some(found) = lineage::of(read, former, at)? else {
            return Ok(left);
        };
        for token in &found.own {
            if token.is_good(at) && !known.contains(&token.id) {
                left.own.add(token);
            }
        }
        let direct = found.branches.iter().filter(|branch| branch.direct);
        for token in direct.filter_map(|branch| branch.own.first()) {
            left.others.add(token);
        }
        Ok(left)
    });
    read.await
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
