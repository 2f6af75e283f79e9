//! Accounts, for server administrators.

use axum::Json;
use axum::extract::{Request, State};
use fh_api::{CreateUser, UserInfo, UserList};
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::table::{Route, get, post};
use crate::access::Caller;
use crate::database::accounts::{self, Account};
use crate::database::audit::{self, Event};
use crate::error::ApiError;
use crate::state::AppState;

/// Accounts.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/users", "Every account, for server administrators", list).answers::<UserList>(200),
        post(
            "/users",
            "Make an account, for server administrators",
            create,
        )
        .takes::<CreateUser>()
        .answers::<UserInfo>(201),
    ]
}

/// `GET /api/v1/users`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<UserList>, ApiError> {
    caller.server_administrator()?;
    let users = state.database().read(accounts::list).await?;
    let users = users.iter().map(Account::info).collect();
    Ok(Json(UserList { users }))
}

/// `POST /api/v1/users`.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<UserInfo>), ApiError> {
    caller.server_administrator()?;
    let actor = caller.actor()?;
    let wanted: CreateUser = json_body(request, state.settings().limits.json_size).await?;
    let account = state
        .database()
        .write(move |transaction| {
            if accounts::find(transaction, &wanted.name)?.is_some() {
                let name = &wanted.name;
                return Err(ApiError::Conflict(format!(
                    "the user {name} exists already"
                )));
            }
            let account = accounts::insert(transaction, &wanted.name, wanted.kind, false)?;
            audit::record(
                transaction,
                &Event {
                    action: "user.create",
                    actor: Some(actor),
                    subject: wanted.name.as_str(),
                    detail: json!({ "user": account.uuid, "kind": account.kind }),
                    ..Event::default()
                },
            )?;
            Ok(account)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(account.info())))
}
