//! Renewing a token, by whoever holds it: a new one that may do the same, with a new full lifetime.
//!
//! No permission is asked for: the new token gives nothing but time. Whether and how much:
//! [`plans::renewal`](super::plans::renewal).
//!
//! Invariants:
//! - the new token has the scope, the closures, the account and the chain of the one that asked, which is its
//!   parent: whoever revokes that one ends the new one too, whether the former has ended or not;
//! - the one that asked stays as it is. So nothing is lost where the answer does not arrive, or cannot be stored;
//! - what was exchanged for the identity of a workload, or came of it, is never renewed.

use axum::Json;
use axum::extract::State;
use fh_access::{ApiError, Caller};
use fh_api::MintedToken;
use fh_persistence::database::audit::Event;
use fh_persistence::database::{DatabaseError, Timestamp, now, tokens};
use fh_sql::Read;
use http::StatusCode;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::plans::renewal::{self, Asking, Facts};
use super::token_rules::{asking, minted, valid_tokens, write_token};
use super::transaction::write;
use crate::answer::Answer;
use crate::state::AppState;

/// `POST /api/v1/tokens/renew`.
pub(super) async fn renew(
    State(state): State<AppState>,
    caller: Caller,
) -> Answer<(StatusCode, Json<MintedToken>)> {
    let principal = caller.principal()?;
    let token = principal.token.as_ref().ok_or_else(renewal::of_workload)?;
    let asking_token = token.uuid;
    // Also of one that was made before its closures were fixed.
    let path_set = state.lookup().path_set(caller.view()).await?;
    let path_set_id = path_set.map(|(id, _)| id);
    let settings = state.settings().tokens;
    let most = state.settings().limits.tokens;
    let (token, account) = write(&state, &caller, move |tx, actor| {
        let facts = facts(tx, asking_token, path_set_id)?;
        let new = renewal::decide(&facts, settings, most)?;
        let token = write_token(tx, &new)?;
        let asking = Asking::good(facts.asking.as_ref(), facts.at)?;
        let former = &asking.token;
        let detail = json!({
            "token": token.uuid,
            "former": former.uuid,
            "first_at": former.first_at().to_string(),
            "expires_at": token.expires_at.to_string(),
        });
        Event::by(actor, "token.renew", asking.account.name.as_str()).record(tx, detail)?;
        Ok((token, asking.account.clone()))
    })
    .await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &token, &account)?)))
}

/// What is known when a token is renewed.
fn facts(read: &Read, uuid: Uuid, path_set_id: Option<i64>) -> Result<Facts, DatabaseError> {
    let at = now();
    let asking = asking(read, uuid)?;
    let renewals = match &asking {
        Some(Asking { token, account, .. }) => {
            tokens::count_good(read, account.id, Some(token.first_at()), at)?
        }
        None => 0,
    };
    Ok(Facts {
        valid: valid_tokens(read, asking.as_ref().map(|asking| &asking.account), at)?,
        renewals,
        asking,
        path_set_id,
        at,
    })
}

/// When a token would end that its holder renewed now; none where that cannot be.
pub(super) async fn renewable_until(
    state: &AppState,
    token: Uuid,
) -> Result<Option<OffsetDateTime>, ApiError> {
    let settings = state.settings().tokens;
    let asking = state
        .database()
        .read(move |read| asking(read, token))
        .await?;
    let until = asking.and_then(|asking| asking.until(settings, now()).ok());
    Ok(until.map(Timestamp::to_date_time))
}
