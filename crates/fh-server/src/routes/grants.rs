//! Grants to accounts on one flake, for its administrators.

use axum::Json;
use axum::extract::{Request, State};
use fh_api::{CreateGrant, GrantInfo, GrantList, Name, Permission, Role};
use http::StatusCode;
use rusqlite::Connection;
use serde_json::json;

use super::json::json_body;
use super::path::{FlakePath, GrantPath};
use super::table::{Route, delete, get, put};
use crate::access::{Caller, FlakeRef};
use crate::database::accounts::{self, Account};
use crate::database::audit::{self, Event};
use crate::database::grants::{self, Grant};
use crate::error::ApiError;
use crate::state::AppState;

/// Grants.
pub(super) fn routes() -> Vec<Route> {
    const GRANT: &str = "/flakes/{org}/{project}/grants/{user}";
    vec![
        get(
            "/flakes/{org}/{project}/grants",
            "The grants on a flake, for its administrators",
            list,
        )
        .answers::<GrantList>(200),
        put(GRANT, "Give a role on a flake, whatever it was", set)
            .takes::<CreateGrant>()
            .answers::<GrantInfo>(200),
        delete(GRANT, "Take a role on a flake away", remove).answers_nothing(204),
    ]
}

/// `GET /api/v1/flakes/{org}/{project}/grants`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
) -> Result<Json<GrantList>, ApiError> {
    let flake = administered(&caller, &path.org, &path.project)?;
    let found = state
        .database()
        .read(move |connection| grants::list(connection, flake.id))
        .await?;
    let grants = found.iter().map(|grant| grant.info(&flake.name)).collect();
    Ok(Json(GrantList { grants }))
}

/// `PUT /api/v1/flakes/{org}/{project}/grants/{user}`: sets the role, whatever it was.
pub(crate) async fn set(
    State(state): State<AppState>,
    caller: Caller,
    path: GrantPath,
    request: Request,
) -> Result<Json<GrantInfo>, ApiError> {
    let flake = administered(&caller, &path.org, &path.project)?;
    let actor = caller.actor()?;
    let wanted: CreateGrant = json_body(request, state.settings().limits.json_size).await?;
    let info = state
        .database()
        .change_access(move |change| {
            let account = named(change, &path.user)?;
            let before = grants::get(change, flake.id, account.id)?.map(|(role, _)| role);
            let since = grants::set(change, flake.id, account.id, wanted.role, actor.account_id)?
                .ok_or(ApiError::NotFound)?;
            audit::record(
                change,
                &Event {
                    action: "grant.set",
                    actor: Some(actor),
                    flake_id: Some(flake.id),
                    subject: account.name.as_str(),
                    detail: json!({
                        "flake": flake.name,
                        "user": account.uuid,
                        "from": before,
                        "to": wanted.role,
                    }),
                    ..Event::default()
                },
            )?;
            let grant = Grant {
                user: account.name,
                role: wanted.role,
                created_at: since,
            };
            Ok::<_, ApiError>(grant.info(&flake.name))
        })
        .await?;
    Ok(Json(info))
}

/// `DELETE /api/v1/flakes/{org}/{project}/grants/{user}`: afterwards there is none, whether there was
/// one or not.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: GrantPath,
) -> Result<StatusCode, ApiError> {
    let flake = administered(&caller, &path.org, &path.project)?;
    let actor = caller.actor()?;
    state
        .database()
        .change_access(move |change| {
            let account = named(change, &path.user)?;
            let before = grants::get(change, flake.id, account.id)?.map(|(role, _)| role);
            if grants::remove(change, flake.id, account.id)? {
                audit::record(
                    change,
                    &Event {
                        action: "grant.remove",
                        actor: Some(actor),
                        flake_id: Some(flake.id),
                        subject: account.name.as_str(),
                        detail: json!({
                            "flake": flake.name,
                            "user": account.uuid,
                            "from": before,
                        }),
                        ..Event::default()
                    },
                )?;
            }
            Ok::<_, ApiError>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn administered(caller: &Caller, org: &str, project: &str) -> Result<FlakeRef, ApiError> {
    caller.flake(org, project, Role::Admin, Permission::Admin)
}

/// The account of that name. Whoever administers a flake must be able to tell a wrong name from a
/// right one, so this is no secret from them.
fn named(connection: &Connection, name: &str) -> Result<Account, ApiError> {
    let unknown = || {
        let shown: String = name.chars().take(80).collect();
        ApiError::InvalidContent(format!("there is no user named {shown:?}"))
    };
    let name: Name = name.parse().map_err(|_| unknown())?;
    accounts::find(connection, &name)?.ok_or_else(unknown)
}
