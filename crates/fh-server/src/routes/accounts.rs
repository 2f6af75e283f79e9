//! What an account is called now, for those who name accounts in what they manage: as a member, in a team, in a grant.
//!
//! Whoever may make somebody a member is told by that request whether there is such an account, and by its answer what
//! it is called. This tells them beforehand, and changes nothing. Nobody is told more of an account than that request
//! tells, and nobody who could not make it.

use axum::Json;
use axum::extract::State;
use fh_access::{ApiError, Caller};
use fh_api::{AccountInfo, Permission};
use fh_persistence::database::accounts;
use fh_settings::OrganizationCreation;

use super::named;
use super::path::UserPath;
use super::table::{Route, get};
use super::transaction::read;
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/accounts/{user}",
            "The present name of an account, for administrators of an organisation and for who may create one",
            show,
        )
        .answers::<AccountInfo>(200),
    ]
}

/// `GET /api/v1/accounts/{user}`.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: UserPath,
) -> Answer<Json<AccountInfo>> {
    names_accounts(&caller, state.settings().organization_creation)?;
    let name = named::name(&path.user)?;
    let found = read(&state, move |read| {
        accounts::find_named(read, &name)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(AccountInfo {
        of_organization: found.organization_id.is_some(),
        name: found.name,
        kind: found.kind,
    }))
}

/// That the caller may name accounts somewhere.
///
/// # Errors
/// 401 for the anonymous, 403 for all others. Whether there is such an account was not looked at.
fn names_accounts(caller: &Caller, creation: OrganizationCreation) -> Result<(), ApiError> {
    if caller.server_administrator().is_ok() || !caller.administered_organizations()?.is_empty() {
        return Ok(());
    }
    if creation == OrganizationCreation::Anyone
        && caller.require_everything(Permission::Admin).is_ok()
    {
        return Ok(());
    }
    Err(ApiError::Forbidden(
        "only administrators of an organisation, with a token that reaches all of it, and those who may create \
         organisations can look up accounts"
            .to_owned(),
    ))
}
