//! Service accounts of organisations: made, listed and removed by the organisation's administrators,
//! who also mint their tokens (see [`super::tokens`]).

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller};
use fh_api::{CreateServiceAccount, NameKind, UserInfo, UserList};
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::audit::Event;
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::named;
use super::path::{MemberPath, OrganizationPath};
use super::reserved_names;
use super::table::{Route, delete, get, post};
use super::transaction::{read, take_away, write};
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const ACCOUNTS: &str = "/orgs/{org}/service-accounts";
    const ACCOUNT: &str = "/orgs/{org}/service-accounts/{user}";
    vec![
        get(
            ACCOUNTS,
            "The service accounts of an organisation, for its administrators",
            list,
        )
        .answers::<UserList>(200),
        post(ACCOUNTS, "Create a service account", create)
            .takes::<CreateServiceAccount>()
            .answers::<UserInfo>(201)
            .answers::<UserInfo>(200)
            .refuses(&[409]),
        get(
            ACCOUNT,
            "One service account of an organisation, for its administrators",
            show,
        )
        .answers::<UserInfo>(200),
        delete(
            ACCOUNT,
            "Remove a service account with all its tokens",
            remove,
        )
        .answers_nothing(204),
    ]
}

/// `GET /api/v1/orgs/{org}/service-accounts`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<UserList>> {
    let organization = caller.organization_to_administer(&path.org)?;
    let found = state
        .database()
        .read(move |read| accounts::list_of_organization(read, organization.id))
        .await?;
    let users = found.iter().map(Account::info).collect();
    Ok(Json(UserList { users }))
}

/// `GET /api/v1/orgs/{org}/service-accounts/{user}`: also by a former name.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: MemberPath,
) -> Answer<Json<UserInfo>> {
    let organization = caller.organization_to_administer(&path.org)?;
    let account = read(&state, move |read| named::known_account(read, &path.user)).await?;
    if account.organization_id != Some(organization.id) {
        return Err(ApiError::NotFound.into());
    }
    Ok(Json(account.info()))
}

/// `POST /api/v1/orgs/{org}/service-accounts`: it holds nothing until it is granted something.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    request: Request,
) -> Answer<(StatusCode, Json<UserInfo>)> {
    let organization = caller.organization_to_administer(&path.org)?;
    let knows_all = caller.server_administrator().is_ok();
    let wanted: CreateServiceAccount =
        json_body(request, state.settings().limits.json_size).await?;
    let (status, account) = write(&state, &caller, move |tx, actor| {
        if let Some(there) = accounts::find(tx, &wanted.name)? {
            let same =
                there.organization_id == Some(organization.id) && there.trust_policy_id.is_none();
            if same && wanted.exist_ok {
                return Ok((StatusCode::OK, there));
            }
            let name = &wanted.name;
            let is_known = knows_all || there.organization_id == Some(organization.id);
            let taken = format!(
                "the name {name} is taken: names of users and of service accounts are unique on the server"
            );
            let kind = NameKind::Account;
            return Err(reserved_names::taken(kind, name, &there.name, is_known, taken));
        }
        reserved_names::require_free(tx, NameKind::Account, &wanted.name)?;
        let account = accounts::insert_of_organization(
            tx,
            &wanted.name,
            (organization.id, &organization.name),
        )?;
        Event::by(actor, "service-account.create", account.name.as_str())
            .in_organization(organization.id)
            .record(tx, json!({ "user": account.uuid }))?;
        Ok((StatusCode::CREATED, account))
    })
    .await?;
    Ok((status, Json(account.info())))
}

/// `DELETE /api/v1/orgs/{org}/service-accounts/{user}`: its tokens are good for nothing from now on,
/// and so are those that were minted with them.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: MemberPath,
) -> Answer<StatusCode> {
    let organization = caller.organization_to_administer(&path.org)?;
    let name = named::name(&path.user)?;
    take_away(&state, &caller, move |change, actor| {
        let account = accounts::find_named(change, &name)?
            .filter(|account| account.organization_id == Some(organization.id))
            .ok_or(ApiError::NotFound)?;
        Event::by(actor, "service-account.remove", account.name.as_str())
            .in_organization(organization.id)
            .record(change, json!({ "user": account.uuid }))?;
        accounts::delete(change, account.id)?;
        Ok(())
    })
    .await
}
