//! Accounts, for server administrators. There is always one of them who is not disabled.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller};
use fh_api::{CreateUser, NameKind, UpdateUser, UserInfo, UserList};
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::audit::Event;
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::named;
use super::path::UserPath;
use super::reserved_names;
use super::table::{Route, get, patch, post};
use super::transaction::{change_access_taking, read, write};
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const USER: &str = "/users/{user}";
    vec![
        get("/users", "Every account, for server administrators", list).answers::<UserList>(200),
        post(
            "/users",
            "Create an account, for server administrators",
            create,
        )
        .takes::<CreateUser>()
        .answers::<UserInfo>(201)
        .answers::<UserInfo>(200)
            .refuses(&[409]),
        get(USER, "One account, for server administrators", show).answers::<UserInfo>(200),
        patch(
            USER,
            "Disable or enable an account, and allow or forbid it to manage the server, for server administrators",
            update,
        )
        .takes::<UpdateUser>()
        .answers::<UserInfo>(200)
            .refuses(&[409]),
    ]
}

/// `GET /api/v1/users`.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller) -> Answer<Json<UserList>> {
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
) -> Answer<(StatusCode, Json<UserInfo>)> {
    caller.server_administrator()?;
    let wanted: CreateUser = json_body(request, state.settings().limits.json_size).await?;
    let (status, account) = write(&state, &caller, move |tx, actor| {
        if let Some(there) = accounts::find(tx, &wanted.name)? {
            // One of an organisation, or of a trust policy, is somebody else's.
            let same = there.kind == wanted.kind
                && there.organization_id.is_none()
                && there.trust_policy_id.is_none();
            if wanted.exist_ok && same {
                return Ok((StatusCode::OK, there));
            }
            let name = &wanted.name;
            let taken = format!("the user {name} exists already");
            let kind = NameKind::Account;
            return Err(reserved_names::taken(kind, name, &there.name, true, taken));
        }
        reserved_names::require_free(tx, NameKind::Account, &wanted.name)?;
        let account = accounts::insert(tx, &wanted.name, wanted.kind, false)?;
        Event::by(actor, "user.create", wanted.name.as_str())
            .record(tx, json!({ "user": account.uuid, "kind": account.kind }))?;
        Ok((StatusCode::CREATED, account))
    })
    .await?;
    Ok((status, Json(account.info())))
}

/// `GET /api/v1/users/{user}`.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: UserPath,
) -> Answer<Json<UserInfo>> {
    caller.server_administrator()?;
    let name = named::name(&path.user)?;
    let found = read(&state, move |read| {
        accounts::find_named(read, &name)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(found.info()))
}

/// `PATCH /api/v1/users/{user}`: disables it or not, lets it manage the server or not.
pub(crate) async fn update(
    State(state): State<AppState>,
    caller: Caller,
    path: UserPath,
    request: Request,
) -> Answer<Json<UserInfo>> {
    caller.server_administrator()?;
    let wanted: UpdateUser = json_body(request, state.settings().limits.json_size).await?;
    let name = named::name(&path.user)?;
    let takes_away = wanted.disabled != Some(false) && wanted.server_admin != Some(true);
    let changed = change_access_taking(&state, &caller, takes_away, move |change, actor| {
        let before = accounts::find_named(change, &name)?.ok_or(ApiError::NotFound)?;
        let was_disabled = before.disabled_at.is_some();
        let disabled = wanted.disabled.unwrap_or(was_disabled);
        let server_admin = wanted.server_admin.unwrap_or(before.server_admin);
        if (disabled, server_admin) == (was_disabled, before.server_admin) {
            return Ok(before);
        }
        let managed = before.server_admin && !was_disabled;
        if managed
            && (disabled || !server_admin)
            && !accounts::others_manage_server(change, before.id)?
        {
            return Err(ApiError::Conflict(format!(
                "{} is the last administrator of the server: add another one first",
                before.name
            )));
        }
        accounts::set_disabled(change, before.id, disabled)?;
        accounts::set_server_admin(change, before.id, server_admin)?;
        Event::by(actor, "user.update", before.name.as_str()).record(
            change,
            json!({
                "user": before.uuid,
                "disabled": { "from": was_disabled, "to": disabled },
                "server_admin": { "from": before.server_admin, "to": server_admin },
            }),
        )?;
        accounts::get(change, before.id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(changed.info()))
}
