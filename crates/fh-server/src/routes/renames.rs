//! Other names: of organisations by their owners and by server administrators, of flakes by the administrators of
//! their organisation, of accounts by the people themselves and by server administrators, of service accounts by the
//! administrators of their organisation.
//!
//! The former name leads to what had it, in every address and every request, and answers have the new name. Nobody else
//! gets it. Invariants: a name that something has, that something else had, or that was given up, is given to nothing;
//! where server administrators alone create organisations, they alone give organisations and people names that these
//! have not had before: else owners and people could take those that are meant for others.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller};
use fh_api::{
    FlakeInfo, Name, NameKind, OrganizationInfo, Permission, Rename, Role, UserInfo, UserKind,
};
use fh_auth::FlakeFacts;
use fh_persistence::database::accounts;
use fh_persistence::database::audit::Event;
use fh_persistence::database::{flakes, organizations, renames};
use fh_settings::OrganizationCreation;
use fh_sql::Read;
use serde_json::json;

use super::json::json_body;
use super::named;
use super::path::{FlakePath, MemberPath, OrganizationPath, UserPath};
use super::reserved_names;
use super::table::{Route, post};
use super::transaction::change_access;
use crate::answer::Answer;
use crate::state::AppState;

/// The most former names of one thing: nobody reserves names without end.
const MOST_FORMER: i64 = 10;

pub(super) fn routes() -> Vec<Route> {
    vec![
        post(
            "/orgs/{org}/rename",
            "Rename an organisation, for server administrators, and for its owners where anybody may create \
             organisations; the former name leads to it",
            organization,
        )
        .takes::<Rename>()
        .answers::<OrganizationInfo>(200)
        .refuses(&[409]),
        post(
            "/flakes/{org}/{project}/rename",
            "Rename a flake, for the administrators of its organisation; the former name leads to it",
            flake,
        )
        .takes::<Rename>()
        .answers::<FlakeInfo>(200)
        .refuses(&[409]),
        post(
            "/users/{user}/rename",
            "Rename an account, for its person and for server administrators; the former name leads to it",
            user,
        )
        .takes::<Rename>()
        .answers::<UserInfo>(200)
        .refuses(&[409]),
        post(
            "/orgs/{org}/service-accounts/{user}/rename",
            "Rename a service account, for the administrators of its organisation; the former name leads to it",
            service_account,
        )
        .takes::<Rename>()
        .answers::<UserInfo>(200)
        .refuses(&[409]),
    ]
}

/// `POST /api/v1/orgs/{org}/rename`: by its owners, to a name that it has not had before only where anybody may create
/// organisations; by a server administrator.
pub(crate) async fn organization(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    request: Request,
) -> Answer<Json<OrganizationInfo>> {
    let organization = caller.organization_of_owner(&path.org)?;
    let Rename { name: to } = json_body(request, state.settings().limits.json_size).await?;
    let membership = organization.membership;
    let may_take = may_take_names(&state, &caller);
    let is_known = caller.knows_organization(to.as_str());
    let renamed = change_access(&state, &caller, move |change, actor| {
        let id = organization.id;
        let before = organizations::get(change, id)?.ok_or(ApiError::NotFound)?;
        if before.name == to {
            return Ok(before);
        }
        let holder = organizations::find(change, &to)?;
        let is_own = holder.as_ref().is_some_and(|holder| holder.id == id);
        if !is_own {
            may_take?;
            let holder = holder.map(|holder| (holder.name, is_known));
            require_free(change, NameKind::Organization, &to, id, holder)?;
        }
        renames::organization(change, id, &before.name, &to)?;
        let detail = json!({ "organization": before.uuid, "from": before.name, "to": to });
        Event::by(actor, "organization.rename", to.as_str())
            .in_organization(id)
            .record(change, detail)?;
        organizations::get(change, id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(renamed.info(membership)))
}

/// `POST /api/v1/flakes/{org}/{project}/rename`.
pub(crate) async fn flake(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
    request: Request,
) -> Answer<Json<FlakeInfo>> {
    let flake = caller.flake(&path.org, &path.project, Role::Admin, Permission::Admin)?;
    // Names of flakes are the organisation's: whoever administers one flake does not take any.
    caller.organization_to_administer(&path.org)?;
    let role = flake.role;
    let Rename { name: to } = json_body(request, state.settings().limits.json_size).await?;
    let renamed = change_access(&state, &caller, move |change, actor| {
        let before = flakes::get(change, flake.id)?.ok_or(ApiError::NotFound)?;
        let from = &before.name;
        if from.project == to {
            return Ok(before);
        }
        let there = flakes::find(change, flake.organization_id, &to)?;
        match there {
            // It may be called again what it was called before.
            Some(there) if there.uuid == before.uuid => {}
            Some(there) if there.name.project.folded() == to.folded() => {
                return Err(ApiError::Conflict(format!(
                    "another flake has the name {}",
                    there.name
                )));
            }
            Some(there) => {
                let (org, name) = (&from.org, &there.name);
                return Err(ApiError::Conflict(format!(
                    "{org}/{to} is a former name of the flake {name}, and leads to it"
                )));
            }
            None if renames::count_former_of_flake(change, flake.id)? >= MOST_FORMER => {
                return Err(too_many(MOST_FORMER));
            }
            None => {}
        }
        let facts = FlakeFacts {
            id: flake.id,
            organization: flake.organization_id,
            visibility: before.visibility,
        };
        renames::flake(change, facts, from, &to)?;
        Event::by(actor, "flake.rename", to.as_str())
            .on_flake(flake.id)
            .record(
                change,
                json!({ "flake": before.uuid, "from": from.project, "to": to }),
            )?;
        flakes::get(change, flake.id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(renamed.info(role)))
}

/// `POST /api/v1/users/{user}/rename`: by themselves, people with a token that manages and reaches everything (to a name
/// that nothing has only where anybody may create organisations); by a server administrator, any account that belongs
/// to no organisation.
pub(crate) async fn user(
    State(state): State<AppState>,
    caller: Caller,
    path: UserPath,
    request: Request,
) -> Answer<Json<UserInfo>> {
    let principal = caller.require_everything(Permission::Admin)?;
    let is_person = principal.workload.is_none() && principal.kind == UserKind::Human;
    let is_own = is_person && principal.is_called(&path.user);
    let had: Vec<Name> = principal.names().cloned().collect();
    let Rename { name: to } = json_body(request, state.settings().limits.json_size).await?;
    if !is_own {
        caller.server_administrator()?;
    }
    if !had.iter().any(|had| had.folded() == to.folded()) {
        may_take_names(&state, &caller)?;
    }
    let name = named::name(&path.user)?;
    rename_account(&state, &caller, (name, None), to).await
}

/// That the caller may give a name that nothing has had. Else owners could reserve names, and people take those of
/// others who are expected, and get what is given to these names.
///
/// # Errors
/// 403 where server administrators alone create organisations, and the caller is none.
fn may_take_names(state: &AppState, caller: &Caller) -> Result<(), ApiError> {
    if state.settings().organization_creation == OrganizationCreation::Anyone
        || caller.server_administrator().is_ok()
    {
        return Ok(());
    }
    Err(ApiError::Forbidden(
        "only server administrators can give a new name here, with a token that is not narrowed: the server's option \
         organization-creation is \"administrators\""
            .to_owned(),
    ))
}

/// `POST /api/v1/orgs/{org}/service-accounts/{user}/rename`.
pub(crate) async fn service_account(
    State(state): State<AppState>,
    caller: Caller,
    path: MemberPath,
    request: Request,
) -> Answer<Json<UserInfo>> {
    let organization = caller.organization_to_administer(&path.org)?;
    let Rename { name: to } = json_body(request, state.settings().limits.json_size).await?;
    let name = named::name(&path.user)?;
    let whose = (name, Some(organization.id));
    rename_account(&state, &caller, whose, to).await
}

/// Renames an account: a service account of that organisation, or one that belongs to none.
async fn rename_account(
    state: &AppState,
    caller: &Caller,
    (name, organization_id): (Name, Option<i64>),
    to: Name,
) -> Answer<Json<UserInfo>> {
    let knows_all = caller.server_administrator().is_ok();
    let renamed = change_access(state, caller, move |change, actor| {
        let before = accounts::find_named(change, &name)?
            .filter(|account| account.organization_id == organization_id)
            .ok_or(ApiError::NotFound)?;
        if before.name == to {
            return Ok(before);
        }
        let holder = accounts::find(change, &to)?;
        let is_own = holder.as_ref().is_some_and(|holder| holder.id == before.id);
        if !is_own {
            let holder = holder.map(|holder| {
                let is_ours =
                    organization_id.is_some() && holder.organization_id == organization_id;
                (holder.name, knows_all || is_ours)
            });
            require_free(change, NameKind::Account, &to, before.id, holder)?;
        }
        renames::account(change, before.id, &before.name, &to)?;
        let action = match before.organization_id {
            Some(_) => "service-account.rename",
            None => "user.rename",
        };
        Event::by(actor, action, to.as_str())
            .in_organization(before.organization_id)
            .record(
                change,
                json!({ "user": before.uuid, "from": before.name, "to": to }),
            )?;
        accounts::get(change, before.id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(renamed.info()))
}

/// That something may get a name that it has not had: nothing else has it, had it, or has given it up. `holder`: what
/// has or had the name, where that is there, and whether the caller may know it.
///
/// # Errors
/// 409 where it may not.
fn require_free(
    read: &Read,
    kind: NameKind,
    to: &Name,
    id: i64,
    holder: Option<(Name, bool)>,
) -> Result<(), ApiError> {
    match holder {
        Some((holder, is_known)) => {
            let taken = format!("another {} has the name {to}", reserved_names::noun(kind));
            return Err(reserved_names::taken(kind, to, &holder, is_known, taken));
        }
        None => reserved_names::require_free(read, kind, to)?,
    }
    if renames::count_former(read, kind, id)? >= MOST_FORMER {
        return Err(too_many(MOST_FORMER));
    }
    Ok(())
}

fn too_many(most: i64) -> ApiError {
    ApiError::Conflict(format!(
        "it has {most} former names, which is the limit: call it by one of them again, or have one freed. Server \
         administrators free those of organisations and accounts (`fh org free-name`, `fh user free-name`), administrators \
         of the organisation those of its flakes (`fh flake free-name`)"
    ))
}
