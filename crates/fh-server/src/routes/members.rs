//! Members of organisations.
//!
//! Who decides: administrators invite and remove plain members; only owners invite, make or unmake
//! administrators and owners; everybody may leave. An organisation always keeps an owner who is not
//! disabled.
//!
//! Nobody is made a member unasked, because what members read of their organisation comes before all else
//! in their view: who is none yet is invited, and counts once they accept (see [`super::invitations`]). What
//! a server administrator gives, and what an organisation makes of its own service accounts, counts at once.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller, OrganizationRef};
use fh_api::{MemberInfo, MemberList, OrganizationRole, Permission, SetMember};
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::audit::Event;
use fh_persistence::database::grants::{self, SubjectId};
use fh_persistence::database::invitations::{self, Belonging};
use fh_persistence::database::members;
use fh_persistence::database::{AccessChange, DatabaseError};
use fh_sql::Read;
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::named;
use super::path::{MemberPath, OrganizationPath};
use super::table::{Route, delete, get, put};
use super::transaction::{change_access_taking, read, take_away};
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const MEMBER: &str = "/orgs/{org}/members/{user}";
    vec![
        get(
            "/orgs/{org}/members",
            "The members of an organisation, for its members",
            list,
        )
        .answers::<MemberList>(200),
        get(MEMBER, "One member, for members", show).answers::<MemberInfo>(200),
        put(
            MEMBER,
            "Invite somebody as a member, or change a member's role",
            set,
        )
        .takes::<SetMember>()
        .answers::<MemberInfo>(200)
        .refuses(&[409, 422]),
        delete(
            MEMBER,
            "Remove an account from an organisation and its teams",
            remove,
        )
        .answers_nothing(204)
        .refuses(&[409, 422]),
    ]
}

/// `GET /api/v1/orgs/{org}/members`: for members.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<MemberList>> {
    let organization = caller.organization_of_member(&path.org)?;
    let administers = caller.organization_to_administer(&path.org).is_ok();
    let members = state
        .database()
        .read(move |read| {
            let mut found = members::list(read, organization.id)?;
            if administers {
                found.extend(members::list_invited(read, organization.id)?);
                found.sort_by_key(|member| member.user.folded());
            }
            Ok(found)
        })
        .await?;
    Ok(Json(MemberList { members }))
}

/// `GET /api/v1/orgs/{org}/members/{user}`: as in the list, also by a former name.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: MemberPath,
) -> Answer<Json<MemberInfo>> {
    let organization = caller.organization_of_member(&path.org)?;
    let administers = caller.organization_to_administer(&path.org).is_ok();
    let found = read(&state, move |read| {
        let account = named::known_account(read, &path.user)?;
        let member = match members::get(read, organization.id, account.id)? {
            None if administers => members::get_invited(read, organization.id, account.id)?,
            member => member,
        };
        member.ok_or(ApiError::NotFound)
    });
    let member = found.await?;
    Ok(Json(member))
}

/// `PUT /api/v1/orgs/{org}/members/{user}`: changes what a member is, or invites somebody to be one.
pub(crate) async fn set(
    State(state): State<AppState>,
    caller: Caller,
    path: MemberPath,
    request: Request,
) -> Answer<Json<MemberInfo>> {
    let organization = caller.organization_to_administer(&path.org)?;
    let at_once = caller.server_administrator().is_ok();
    let wanted: SetMember = json_body(request, state.settings().limits.json_size).await?;
    let (organization_id, user) = (organization.id, path.user.clone());
    let lowers = state
        .database()
        .read(move |read| lowers(read, organization_id, &user, wanted.role))
        .await?;
    let (member, replaced) = change_access_taking(&state, &caller, lowers, move |change, actor| {
        let account = named::account(change, &path.user)?;
        let member = members::get(change, organization.id, account.id)?;
        let before = match &member {
            Some(member) => Some(member.clone()),
            None => members::get_invited(change, organization.id, account.id)?,
        };
        let before = before.map(|member| member.role);
        let is_ours = account.organization_id == Some(organization.id);
        if account.organization_id.is_some() && !is_ours {
            return Err(ApiError::InvalidContent(format!(
                "{} is the service account of another organisation, and can be a member only of \
                 that: grant it what it needs",
                account.name
            )));
        }
        let invited = member.is_none() && !at_once && !is_ours;
        // An offer that a server administrator repeats is a membership.
        let counts_now = member.is_none() && !invited;
        if before != Some(wanted.role) || counts_now {
            decides_about(&organization, before.max(Some(wanted.role)))?;
            if grants::administers(change, organization.id, SubjectId::Members)? {
                decides_about(&organization, Some(OrganizationRole::Admin))?;
            }
            if wanted.role == OrganizationRole::Owner {
                may_own(&account)?;
            }
            if member.is_some() && before == Some(OrganizationRole::Owner) {
                keeps_an_owner(change, &organization, account.id)?;
            }
            let (id, by) = (account.id, actor.account_id);
            if invited {
                invitations::offer_membership(change, organization.id, id, wanted.role, by)?;
            } else {
                members::set(change, organization.id, id, wanted.role)?;
            }
            let detail = json!({
                "user": account.uuid, "from": before, "to": wanted.role, "invited": invited,
            });
            Event::by(actor, "member.set", account.name.as_str())
                .in_organization(organization.id)
                .record(change, detail)?;
        }
        let set = match members::get(change, organization.id, account.id)? {
            None => members::get_invited(change, organization.id, account.id)?,
            member => member,
        };
        let replaced = before.filter(|before| *before != wanted.role);
        set.map(|set| (set, replaced)).ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(MemberInfo { replaced, ..member }))
}

/// `DELETE /api/v1/orgs/{org}/members/{user}`: takes an account out of the organisation and of its
/// teams, be it a member, a guest or invited. What was granted to it by name goes with that, on the
/// organisation and on its flakes: nobody who was taken out can accept it anew.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: MemberPath,
) -> Answer<StatusCode> {
    let principal = caller.require(Permission::Admin)?;
    let leaves = principal.is_called(&path.user);
    let organization = if leaves {
        caller.organization_to_leave(&path.org)?
    } else {
        caller.organization_to_administer(&path.org)?
    };
    take_away(&state, &caller, move |change, actor| {
        let account = named::account(change, &path.user)?;
        let member = members::get(change, organization.id, account.id)?;
        let invited = members::get_invited(change, organization.id, account.id)?;
        let belonging = invitations::belonging(change, organization.id, account.id)?;
        // What a service account of the organisation was granted is none of its membership.
        let offered = belonging == Belonging::Stranger
            && invitations::has_grants(change, organization.id, account.id)?;
        let belongs = member.is_some() || belonging == Belonging::Guest;
        if !belongs && invited.is_none() && !offered {
            return Ok(());
        }
        let before = member.as_ref().or(invited.as_ref());
        let before = before.map(|member| member.role);
        if !leaves {
            decides_about(&organization, before)?;
            takes_grants(change, &organization, account.id)?;
        }
        if member.is_some() && before == Some(OrganizationRole::Owner) {
            keeps_an_owner(change, &organization, account.id)?;
        }
        members::remove(change, organization.id, account.id)?;
        let grants = invitations::remove_grants(change, organization.id, account.id)?;
        Event::by(actor, "member.remove", account.name.as_str())
            .in_organization(organization.id)
            .record(
                change,
                json!({
                    "user": account.uuid,
                    "from": member.map(|member| member.role),
                    "invited": invited.map(|member| member.role),
                    "guest": belonging == Belonging::Guest,
                    "grants": grants,
                }),
            )?;
        Ok(())
    })
    .await
}

/// Whether somebody is a member who would be less with a role.
fn lowers(
    read: &Read,
    organization_id: i64,
    user: &str,
    role: OrganizationRole,
) -> Result<bool, DatabaseError> {
    let Ok(name) = user.parse() else {
        return Ok(false);
    };
    let Some(account) = accounts::find_named(read, &name)? else {
        return Ok(false);
    };
    let member = members::get(read, organization_id, account.id)?;
    Ok(member.is_some_and(|member| role < member.role))
}

/// That the caller may make or unmake somebody who is this.
fn decides_about(
    organization: &OrganizationRef,
    role: Option<OrganizationRole>,
) -> Result<(), ApiError> {
    if role >= Some(OrganizationRole::Admin) && !organization.is_owner() {
        return Err(ApiError::Forbidden(format!(
            "only owners of {} can appoint or remove its administrators and owners",
            organization.name
        )));
    }
    Ok(())
}

/// That the caller may take away what somebody was granted: `admin` on the whole organisation is for its
/// owners to take, as everywhere.
fn takes_grants(
    read: &Read,
    organization: &OrganizationRef,
    account_id: i64,
) -> Result<(), ApiError> {
    let subject = SubjectId::Account(account_id);
    if organization.is_owner() || !grants::administers(read, organization.id, subject)? {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!(
        "only owners of {} can remove somebody who was granted admin on all of it",
        organization.name
    )))
}

/// That an account can own an organisation.
///
/// # Errors
/// 422 for the service account of one.
pub(super) fn may_own(account: &Account) -> Result<(), ApiError> {
    if account.organization_id.is_none() {
        return Ok(());
    }
    Err(ApiError::InvalidContent(format!(
        "{} is the service account of an organisation, whose administrators create its tokens: it cannot be an owner",
        account.name
    )))
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
        "this is the last owner of {}: add another one first",
        organization.name
    )))
}
