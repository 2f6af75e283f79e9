//! Invitations: what an organisation offers counts only once the account has accepted the organisation.
//!
//! Who decides: each person for themselves, with a token that manages and reaches everything, so that a
//! token that may only read cannot widen what its owner reads. For a service account the owners of its
//! organisation decide (`?user=NAME`), for one that belongs to none the server's administrators. A workload
//! accepts nothing: what it reads is up to the policies that let it in.
//!
//! Accounts that an organisation manages accept grants alone: a membership is offered to none of them (see
//! [`super::members`]).

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller, Principal};
use fh_api::{
    AcceptInvitation, InvitationInfo, InvitationList, Name, OrganizationRole, Permission, UserKind,
};
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::audit::Event;
use fh_persistence::database::guests;
use fh_persistence::database::invitations::{self, Accepted, Belonging};
use fh_persistence::database::organizations::{self, Organization};
use fh_persistence::database::{members, now};
use fh_sql::Read;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::json::json_body;
use super::path::{OrganizationPath, Query};
use super::table::{Route, delete, get, put};
use super::transaction::{change_access, read, take_away};
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const INVITATION: &str = "/invitations/{org}";
    vec![
        get(
            "/invitations",
            "The caller's invitations, and the organisations accepted as a guest",
            list,
        )
        .answers::<InvitationList>(200)
        .refuses(&[404, 422]),
        put(
            INVITATION,
            "Accept an invitation: its membership and grants take effect from then on",
            accept,
        )
        .takes::<AcceptInvitation>()
        .answers::<InvitationInfo>(200)
        .refuses(&[409, 422]),
        delete(
            INVITATION,
            "Decline an invitation, or stop being a guest",
            decline,
        )
        .answers_nothing(204)
        .refuses(&[422]),
    ]
}

/// For whom.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationQuery {
    /// Of this service account, for the owners of its organisation; without it of the caller.
    #[serde(default)]
    user: Option<Name>,
}

/// `GET /api/v1/invitations[?user=NAME]`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<InvitationQuery>,
) -> Answer<Json<InvitationList>> {
    let for_another = query.user.is_some();
    // What is offered tells names of private flakes: a token that sees a part of them is told of none.
    let principal = caller.require_everything(if for_another {
        Permission::Admin
    } else {
        Permission::Pull
    })?;
    let decider = Decider::of(principal, &caller);
    let invitations = read(&state, move |read| {
        let account = decider.account(read, query.user.as_ref())?;
        Ok(invitations::offers(read, account.id)?)
    });
    let invitations = invitations.await?;
    Ok(Json(InvitationList { invitations }))
}

/// `PUT /api/v1/invitations/{org}[?user=NAME]`: what is offered counts from the next request on.
pub(crate) async fn accept(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    Query(query): Query<InvitationQuery>,
    request: Request,
) -> Answer<Json<InvitationInfo>> {
    let principal = caller.require_everything(Permission::Admin)?;
    let decider = Decider::of(principal, &caller);
    let seen: AcceptInvitation = json_body(request, state.settings().limits.json_size).await?;
    let info = change_access(&state, &caller, move |change, actor| {
        let account = decider.account(change, query.user.as_ref())?;
        decider.decides_for(change, &account)?;
        let organization = organization(change, &path.org)?;
        let offered = members::get_invited(change, organization.id, account.id)?;
        let offered = offered.map(|member| member.role);
        if offered != seen.membership
            && invitations::belonging(change, organization.id, account.id)? != Belonging::Own
        {
            return Err(match offered {
                // Nothing is told of an organisation that offers nothing.
                None if nothing_offered(change, &organization, &account)? => ApiError::NotFound,
                offered => changed(&organization.name, offered),
            });
        }
        let by = decider.account_id;
        let accepted = invitations::accept(change, organization.id, account.id, by)?
            .ok_or(ApiError::NotFound)?;
        let told = match accepted {
            Accepted::Already => None,
            Accepted::Member(role) => Some(json!({ "user": account.uuid, "membership": role })),
            Accepted::Guest => Some(json!({ "user": account.uuid, "guest": true })),
        };
        if let Some(detail) = told {
            Event::by(actor, "invitation.accept", account.name.as_str())
                .in_organization(organization.id)
                .record(change, detail)?;
        }
        answer(change, &organization, &account)
    })
    .await?;
    Ok(Json(info))
}

/// `DELETE /api/v1/invitations/{org}[?user=NAME]`: what the organisation has granted to the account by name
/// goes, and the offer of a membership. Of a member nothing is taken: they leave.
pub(crate) async fn decline(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    Query(query): Query<InvitationQuery>,
) -> Answer<StatusCode> {
    let principal = caller.require_everything(Permission::Admin)?;
    let decider = Decider::of(principal, &caller);
    take_away(&state, &caller, move |change, actor| {
        let account = decider.account(change, query.user.as_ref())?;
        decider.decides_for(change, &account)?;
        let organization = organization(change, &path.org)?;
        let own = invitations::belonging(change, organization.id, account.id)?;
        if own == Belonging::Own {
            return Err(ApiError::NotFound);
        }
        let membership = guests::withdraw_membership(change, organization.id, account.id)?;
        let guest = guests::end_guest(change, organization.id, account.id)?;
        let grants = invitations::remove_grants(change, organization.id, account.id)?;
        if !membership && !guest && grants == 0 {
            return Err(ApiError::NotFound);
        }
        let detail = json!({
            "user": account.uuid, "membership": membership, "guest": guest, "grants": grants,
        });
        Event::by(actor, "invitation.decline", account.name.as_str())
            .in_organization(organization.id)
            .record(change, detail)?;
        Ok(())
    })
    .await
}

/// Who decides about invitations.
#[derive(Debug, Clone, Copy)]
struct Decider {
    account_id: i64,
    is_workload: bool,
    manages_server: bool,
}

impl Decider {
    fn of(principal: &Principal, caller: &Caller) -> Self {
        Self {
            account_id: principal.account_id,
            is_workload: principal.workload.is_some(),
            manages_server: caller.server_administrator().is_ok(),
        }
    }

    /// The account that is meant: the caller's own, or a service account that the caller decides for. All
    /// others are not there.
    fn account(self, read: &Read, user: Option<&Name>) -> Result<Account, ApiError> {
        let Some(user) = user else {
            return accounts::get(read, self.account_id)?.ok_or(ApiError::NotFound);
        };
        let account = accounts::find_named(read, user)?.ok_or(ApiError::NotFound)?;
        if account.id == self.account_id {
            return Ok(account);
        }
        let decides = match account.organization_id {
            Some(home) => {
                let role = members::get(read, home, self.account_id)?;
                role.map(|member| member.role) == Some(OrganizationRole::Owner)
            }
            None => account.kind == UserKind::Service && self.manages_server,
        };
        decides.then_some(account).ok_or(ApiError::NotFound)
    }

    /// That what was found for the caller is theirs to decide about: nobody who is managed decides about
    /// themselves.
    fn decides_for(self, read: &Read, account: &Account) -> Result<(), ApiError> {
        if account.id != self.account_id {
            return Ok(());
        }
        if self.is_workload {
            return Err(ApiError::Forbidden(
                "a workload cannot accept invitations: trust policies decide what it reads"
                    .to_owned(),
            ));
        }
        let Some(home) = account.organization_id else {
            return Ok(());
        };
        let home = organizations::get(read, home)?.ok_or(ApiError::NotFound)?;
        Err(ApiError::Forbidden(format!(
            "the owners of {} decide for the service account {}",
            home.name, account.name
        )))
    }
}

fn organization(read: &Read, name: &str) -> Result<Organization, ApiError> {
    let name: Name = name.parse().map_err(|_| ApiError::NotFound)?;
    organizations::find(read, &name)?.ok_or(ApiError::NotFound)
}

/// What an organisation offers to an account and what the account has accepted there, if there is anything.
fn offer(
    read: &Read,
    organization: &Organization,
    account: &Account,
) -> Result<Option<InvitationInfo>, ApiError> {
    let offers = invitations::offers(read, account.id)?;
    let mut offers = offers.into_iter();
    Ok(offers.find(|offer| offer.organization.folded() == organization.name.folded()))
}

fn nothing_offered(
    read: &Read,
    organization: &Organization,
    account: &Account,
) -> Result<bool, ApiError> {
    Ok(offer(read, organization, account)?.is_none())
}

/// That it is not what the caller has seen.
fn changed(organization: &Name, offered: Option<OrganizationRole>) -> ApiError {
    ApiError::Conflict(match offered {
        None => format!("{organization} no longer offers membership: read the invitation again"),
        Some(role) => format!(
            "{organization} offers membership as {role}, which is not what was accepted: read the invitation again"
        ),
    })
}

/// How it stands after the account has accepted. Of a member, what they are.
fn answer(
    read: &Read,
    organization: &Organization,
    account: &Account,
) -> Result<InvitationInfo, ApiError> {
    if let Some(offer) = offer(read, organization, account)? {
        return Ok(offer);
    }
    let member = members::get(read, organization.id, account.id)?;
    let since = member
        .as_ref()
        .map_or_else(|| now().to_date_time(), |member| member.created_at);
    Ok(InvitationInfo {
        organization: organization.name.clone(),
        membership: member.map(|member| member.role),
        grants: Vec::new(),
        created_at: since,
        accepted_at: Some(since),
    })
}
