//! Replacing a token by a new one like it.
//!
//! The new token is minted with the caller's, as any other: it holds no more and lasts no longer than
//! that one, and ends where that one is revoked, whoever made the former. The former one ends at once or
//! after a time of grace in which both are good; it cannot be renewed in that time. What came of it stands, and the
//! answer lists it: whoever rotates a token because it was stolen ends what the thief made by revoking that. Where a
//! token replaces itself, its renewals count from the first on; where an administrator replaces one of another account,
//! they count anew, within what bounds [a token for another account](super::plans::renewal::Asking::terms_for_another).
//!
//! Invariants:
//! - an account has no more valid tokens than it may, as after any other way to get one: with a time of grace there
//!   is one more. Without it there are as many as before;
//! - no renewal lasts longer than the former token was meant to, or the one that asked;
//! - the answer is bounded, and what it lists is read after the transaction: it keeps no writer waiting.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller};
use fh_api::{MAX_LISTED_TOKENS, MintedToken, Permission, RevokedToken, RotateToken, RotatedToken};
use fh_persistence::database::audit::Event;
use fh_persistence::database::lineage;
use fh_persistence::database::tokens::{self, Token};
use fh_persistence::database::{DatabaseError, accounts, now};
use fh_sql::Read;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::json::json_body;
use super::path::IdPath;
use super::plans::rotation::{self, Facts, Wanted};
use super::revocation::told;
use super::token_rules::{
    asking, descendants_of_caller, may_replace, minted, minting_token, valid_tokens, write_token,
};
use super::transaction::change_access;
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
    let settings = state.settings().tokens;
    let most = state.settings().limits.tokens;
    let (asked, grace) = (wanted.expires_in, wanted.grace);
    let created_at = now().whole_seconds();
    let lasted = former.lifetime();
    let end = principal.expires_at;
    let wanted = Wanted::new(asked, grace, lasted, end, settings, created_at)?;
    let asking_token = minting_token(principal)?;
    let (token, account, known) = change_access(&state, &caller, move |change, actor| {
        let facts = facts(change, asking_token, former.uuid)?;
        let plan = rotation::decide(&wanted, &facts, settings, most)?;
        let token = write_token(change, &plan.new)?;
        match plan.former_ends {
            Some(at) => tokens::end(change, plan.former.id, at)?,
            None => {
                tokens::revoke(change, &[plan.former.id])?;
            }
        }
        let detail = json!({
            "token": token.uuid,
            "former": plan.former.uuid,
            "grace": grace,
            "expires_at": token.expires_at.to_string(),
        });
        Event::by(actor, "token.rotate", plan.account.name.as_str()).record(change, detail)?;
        let known = [plan.former.id, plan.parent_id, token.id];
        Ok((token, plan.account.clone(), known))
    })
    .await?;
    let left = left(&state, known).await?;
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

/// What is known when a token is rotated.
fn facts(read: &Read, asking_token: Uuid, former: Uuid) -> Result<Facts, DatabaseError> {
    let at = now();
    let former = tokens::find(read, former)?;
    let account = match &former {
        Some(former) => accounts::get(read, former.account_id)?,
        None => None,
    };
    Ok(Facts {
        asking: asking(read, asking_token)?,
        valid: valid_tokens(read, account.as_ref(), at)?,
        former,
        account,
        at,
    })
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
