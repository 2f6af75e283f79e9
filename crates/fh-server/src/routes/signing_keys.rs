//! The keys that sign path infos: which there are, and their rotation.

use axum::Json;
use axum::extract::State;
use fh_api::{KeyInfo, KeyList};
use rusqlite::Connection;
use serde_json::json;

use super::table::{Asks, Route, get, post};
use crate::access::Caller;
use crate::bootstrap::rotate_keys;
use crate::database::audit::{self, Actor, Event};
use crate::database::keys::{self, KeyState, Purpose};
use crate::database::{Decided, Timestamp};
use crate::error::ApiError;
use crate::keys::{SigningKeys, public_half};
use crate::state::AppState;

/// The signing keys.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/keys",
            "The public keys that sign, will sign and have signed",
            list,
        )
        .asks(Asks::Anybody)
        .answers::<KeyList>(200),
        post(
            "/keys/rotate",
            "Let the standby key sign from now on, for server administrators",
            rotate,
        )
        .answers::<KeyList>(200),
    ]
}

/// `GET /api/v1/keys`: for everybody; but bad credentials are refused here too.
pub(crate) async fn list(
    State(state): State<AppState>,
    _caller: Caller,
) -> Result<Json<KeyList>, ApiError> {
    let keys = state
        .database()
        .read(|connection| Ok(all(connection)))
        .await?;
    Ok(Json(KeyList { keys: keys? }))
}

/// `POST /api/v1/keys/rotate`: the standby key signs from now on.
pub(crate) async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<KeyList>, ApiError> {
    caller.server_administrator()?;
    let (actor, decided) = (caller.actor()?, caller.decided());
    // Of its own, so that what is committed counts also where the caller has gone.
    let rotation = tokio::spawn(async move {
        state.keys().replace(change(&state, actor, decided)).await?;
        state
            .database()
            .read(|connection| Ok(all(connection)))
            .await?
    });
    let keys = rotation.await.map_err(ApiError::internal)??;
    Ok(Json(KeyList { keys }))
}

async fn change(state: &AppState, actor: Actor, decided: Decided) -> Result<SigningKeys, ApiError> {
    let settings = state.settings();
    let key_name = settings.signing_key_name.clone();
    let host = settings
        .public_url
        .as_ref()
        .map(|url| url.host().to_owned());
    state
        .database()
        .write(decided, move |transaction| {
            let before = SigningKeys::load(transaction).map_err(ApiError::internal)?;
            let host = host.unwrap_or_default();
            let after =
                rotate_keys(transaction, key_name.as_deref(), &host).map_err(ApiError::internal)?;
            let name = after.active().name();
            audit::record(
                transaction,
                &Event {
                    action: "key.rotate",
                    actor: Some(actor),
                    subject: name,
                    detail: json!({
                        "active": name,
                        "standby": after.standby().name(),
                        "retired": before.active().name(),
                    }),
                    ..Event::default()
                },
            )?;
            Ok::<_, ApiError>(after)
        })
        .await
}

/// Active, standby, then the retired ones, the newest first.
fn all(connection: &Connection) -> Result<Vec<KeyInfo>, ApiError> {
    let mut stored = keys::list(connection, Purpose::NarInfo)?;
    stored.reverse();
    // Stable: of the same state the newer stays first.
    stored.sort_by_key(|key| match key.state {
        KeyState::Active => 0,
        KeyState::Standby => 1,
        KeyState::Retired => 2,
    });
    stored
        .iter()
        .map(|key| {
            Ok(KeyInfo {
                public_key: public_half(key).map_err(ApiError::internal)?.to_string(),
                state: key.state.as_str().to_owned(),
                created_at: key.created_at.to_date_time(),
                retired_at: key.retired_at.map(Timestamp::to_date_time),
            })
        })
        .collect()
}
