//! Members of organisations.
//!
//! Who decides: administrators make and remove plain members; only owners make or unmake
//! administrators and owners; everybody may leave. An organisation always keeps an owner who is not
//! disabled.

use axum::Json;
use axum::extract::{Request, State};
use fh_api::{MemberInfo, MemberList, OrganizationRole, Permission, SetMember};
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::named;
use super::path::{MemberPath, OrganizationPath};
use super::table::{Route, delete, get, put};
use crate::access::{Caller, OrganizationRef};
use crate::database::AccessChange;
use crate::database::audit::{self, Event};
use crate::database::members::{self, Member};
use crate::error::ApiError;
use crate::state::AppState;

/// Members.
pub(super) fn routes() -> Vec<Route> {
    const MEMBER: &str = "/orgs/{org}/members/{user}";
    vec![
        get(
            "/orgs/{org}/members",
            "The members of an organisation, for its members",
            list,
        )
        .answers::<MemberList>(200),
        put(MEMBER, "Make a member, or change what one is", set)
            .takes::<SetMember>()
            .answers::<MemberInfo>(200),
        delete(
            MEMBER,
            "Take an account out of an organisation and of its teams",
            remove,
        )
        .answers_nothing(204),
    ]
}

/// `GET /api/v1/orgs/{org}/members`: for members.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Result<Json<MemberList>, ApiError> {
    let organization = caller.organization_of_member(&path.org)?;
    let found = state
        .database()
        .read(move |connection| members::list(connection, organization.id))
        .await?;
    let members = found.iter().map(Member::info).collect();
    Ok(Json(MemberList { members }))
}

/// `PUT /api/v1/orgs/{org}/members/{user}`: makes a member, or changes what one is.
pub(crate) async fn set(
    State(state): State<AppState>,
    caller: Caller,
    path: MemberPath,
    request: Request,
) -> Result<Json<MemberInfo>, ApiError> {
    let organization = caller.organization_to_administer(&path.org)?;
    let actor = caller.actor()?;
    let wanted: SetMember = json_body(request, state.settings().limits.json_size).await?;
    let member = state
        .database()
        .change_access(caller.decided(), move |change| {
            let account = named::account(change, &path.user)?;
            let before = members::get(change, organization.id, account.id)?;
            let before = before.map(|member| member.role);
            if before != Some(wanted.role) {
                decides_about(&organization, before.max(Some(wanted.role)))?;
                if wanted.role == OrganizationRole::Owner && account.organization_id.is_some() {
                    return Err(ApiError::InvalidContent(format!(
                        "{} is the service account of an organisation, whose administrators mint \
                         its tokens: it can be no owner",
                        account.name
                    )));
                }
                if before == Some(OrganizationRole::Owner) {
                    keeps_an_owner(change, &organization, account.id)?;
                }
                members::set(change, organization.id, account.id, wanted.role)?;
                audit::record(
                    change,
                    &Event {
                        action: "member.set",
                        actor: Some(actor),
                        organization_id: Some(organization.id),
                        subject: account.name.as_str(),
                        detail: json!({
                            "user": account.uuid,
                            "from": before,
                            "to": wanted.role,
                        }),
                        ..Event::default()
                    },
                )?;
            }
            members::get(change, organization.id, account.id)?.ok_or(ApiError::NotFound)
        })
        .await?;
    Ok(Json(member.info()))
}

/// `DELETE /api/v1/orgs/{org}/members/{user}`: takes an account out of the organisation and of its
/// teams. What was granted to the account itself stays.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: MemberPath,
) -> Result<StatusCode, ApiError> {
    let principal = caller.require(Permission::Admin)?;
    let leaves = principal.name.as_str().eq_ignore_ascii_case(&path.user);
    let organization = if leaves {
        caller.organization_of_member(&path.org)?
    } else {
        caller.organization_to_administer(&path.org)?
    };
    let actor = caller.actor()?;
    state
        .database()
        .change_access(caller.decided(), move |change| {
            let account = named::account(change, &path.user)?;
            let Some(member) = members::get(change, organization.id, account.id)? else {
                return Ok(());
            };
            if !leaves {
                decides_about(&organization, Some(member.role))?;
            }
            if member.role == OrganizationRole::Owner {
                keeps_an_owner(change, &organization, account.id)?;
            }
            members::remove(change, organization.id, account.id)?;
            audit::record(
                change,
                &Event {
                    action: "member.remove",
                    actor: Some(actor),
                    organization_id: Some(organization.id),
                    subject: account.name.as_str(),
                    detail: json!({ "user": account.uuid, "from": member.role }),
                    ..Event::default()
                },
            )?;
            Ok::<_, ApiError>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// That the caller may make or unmake somebody who is this.
fn decides_about(
    organization: &OrganizationRef,
    role: Option<OrganizationRole>,
) -> Result<(), ApiError> {
    if role >= Some(OrganizationRole::Admin) && !organization.is_owner() {
        return Err(ApiError::Forbidden(format!(
            "only owners of {} make or unmake its administrators and owners",
            organization.name
        )));
    }
    Ok(())
}

/// That somebody else is an owner still.
fn keeps_an_owner(
    change: &AccessChange<'_>,
    organization: &OrganizationRef,
    account_id: i64,
) -> Result<(), ApiError> {
    if members::others_own(change, organization.id, account_id)? {
        return Ok(());
    }
    Err(ApiError::Conflict(format!(
        "this is the last owner of {}: make another one first",
        organization.name
    )))
}
