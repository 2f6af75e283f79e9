//! Names that were given up: nobody gets one before it is freed. Those of organisations and accounts are for server
//! administrators, those of flakes for the administrators of their organisation, who alone can use them again.

use axum::Json;
use axum::extract::State;
use fh_access::{ApiError, Caller};
use fh_api::{
    FlakeName, FormerFlakeName, FormerFlakeNameList, Name, NameKind, POLICY_ACCOUNT_PREFIX,
    ReservedNameList,
};
use fh_persistence::database::audit::Event;
use fh_persistence::database::{renames, reserved};
use fh_sql::Read;
use http::StatusCode;
use serde_json::json;

use super::named;
use super::path::{FlakePath, OrganizationPath, ReservedNamePath};
use super::table::{Route, delete, get};
use super::transaction::change_access;
use crate::answer::Answer;
use crate::state::AppState;

/// Names that were given up.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/reserved-names",
            "The reserved names, for server administrators",
            list,
        )
        .answers::<ReservedNameList>(200),
        delete(
            "/reserved-names/{kind}/{name}",
            "Let a name be used again, for server administrators",
            free,
        )
        .answers_nothing(204),
        get(
            "/orgs/{org}/former-flakes",
            "The former names of an organisation's flakes, for its administrators",
            list_of_flakes,
        )
        .answers::<FormerFlakeNameList>(200),
        delete(
            "/orgs/{org}/former-flakes/{project}",
            "Let a former name of a flake be used again, for the administrators of its organisation",
            free_of_flake,
        )
        .answers_nothing(204),
    ]
}

/// `GET /api/v1/reserved-names`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
) -> Answer<Json<ReservedNameList>> {
    caller.server_administrator()?;
    let names = state.database().read(reserved::list).await?;
    Ok(Json(ReservedNameList { names }))
}

/// `DELETE /api/v1/reserved-names/{kind}/{name}`: afterwards whoever makes something of that name gets it.
pub(crate) async fn free(
    State(state): State<AppState>,
    caller: Caller,
    path: ReservedNamePath,
) -> Answer<StatusCode> {
    caller.server_administrator()?;
    let (Ok(kind), Ok(name)) = (path.kind.parse::<NameKind>(), path.name.parse()) else {
        return Err(ApiError::NotFound.into());
    };
    change_access(&state, &caller, move |change, actor| {
        if !reserved::free(change, kind, &name)? {
            return Err(ApiError::NotFound);
        }
        Event::by(actor, "name.free", name.as_str()).record(change, json!({ "kind": kind }))?;
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/orgs/{org}/former-flakes`.
pub(crate) async fn list_of_flakes(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<FormerFlakeNameList>> {
    let organization = caller.organization_to_administer(&path.org)?;
    let found = state
        .database()
        .read(move |read| renames::former_of_flakes(read, organization.id))
        .await?;
    let in_it = |project: Name| FlakeName {
        org: organization.name.clone(),
        project,
    };
    let names = found
        .into_iter()
        .map(|(former, present, at)| FormerFlakeName {
            flake: in_it(former),
            leads_to: in_it(present),
            given_up_at: at.to_date_time(),
        });
    Ok(Json(FormerFlakeNameList {
        names: names.collect(),
    }))
}

/// `DELETE /api/v1/orgs/{org}/former-flakes/{project}`: afterwards a flake of the organisation can get the name.
pub(crate) async fn free_of_flake(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
) -> Answer<StatusCode> {
    let organization = caller.organization_to_administer(&path.org)?;
    let name = named::name(&path.project)?;
    change_access(&state, &caller, move |change, actor| {
        let led_to = renames::free_flake_name(change, organization.id, &name)?;
        let led_to = led_to.ok_or(ApiError::NotFound)?;
        Event::by(actor, "flake.free-name", name.as_str())
            .in_organization(organization.id)
            .record(change, json!({ "led_to": led_to }))?;
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// That a name may be given to something new.
///
/// # Errors
/// 409 where it was given up, and nobody has freed it; where it would be that of the account of a trust policy.
pub(super) fn require_free(read: &Read, kind: NameKind, name: &Name) -> Result<(), ApiError> {
    if kind == NameKind::Account && name.folded().starts_with(POLICY_ACCOUNT_PREFIX) {
        return Err(ApiError::Conflict(format!(
            "the name {name} is reserved: names that begin with \"{POLICY_ACCOUNT_PREFIX}\" are those of the accounts of \
             trust policies"
        )));
    }
    if reserved::is_reserved(read, kind, name)? {
        return Err(given_up(kind, name));
    }
    Ok(())
}

/// Why a name is not given that something has or had. `holder`: what that is called now, which is told where the caller
/// may know it, else the name is one that was given up; `taken`: what is told where it has the name.
pub(super) fn taken(
    kind: NameKind,
    name: &Name,
    holder: &Name,
    is_known: bool,
    taken: String,
) -> ApiError {
    if holder.folded() == name.folded() {
        return ApiError::Conflict(taken);
    }
    if !is_known {
        return given_up(kind, name);
    }
    let noun = noun(kind);
    ApiError::Conflict(format!(
        "the name {name} is a former name of the {noun} {holder}, and leads to it until a server administrator frees \
         it"
    ))
}

fn given_up(kind: NameKind, name: &Name) -> ApiError {
    let noun = noun(kind);
    ApiError::Conflict(format!(
        "the name {name} belonged to another {noun}, and is reserved until a server administrator frees it"
    ))
}

pub(super) fn noun(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Organization => "organisation",
        NameKind::Account => "account",
    }
}
