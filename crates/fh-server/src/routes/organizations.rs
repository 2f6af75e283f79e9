//! Organisations themselves. Their owners decide about them.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller};
use fh_api::{
    CreateOrganization, FlakePattern, Name, NameKind, OrganizationInfo, OrganizationList,
    OrganizationRole, Permission, PushRule, RenewalRule, UpdateOrganization,
};
use fh_nix::PublicKey;
use fh_persistence::database::accounts::Account;
use fh_persistence::database::audit::Event;
use fh_persistence::database::{contests, members, organizations};
use fh_settings::OrganizationCreation;
use fh_sql::Read;
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::members::may_own;
use super::named;
use super::path::OrganizationPath;
use super::reserved_names;
use super::signing_keys;
use super::table::{Route, delete, get, patch, post};
use super::transaction::{change_access, change_access_taking, read, take_away};
use crate::answer::Answer;
use crate::signatures::few_of_a_name;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const ORG: &str = "/orgs/{org}";
    vec![
        get(
            "/orgs",
            "The organisations that the caller is a member of; all, for a server administrator",
            list,
        )
        .answers::<OrganizationList>(200),
        post(
            "/orgs",
            "Create an organisation; the caller becomes its owner, or whom a server administrator names. For \
             server administrators, unless the server lets anyone",
            create,
        )
        .takes::<CreateOrganization>()
        .answers::<OrganizationInfo>(201)
        .answers::<OrganizationInfo>(200)
            .refuses(&[409, 422]),
        get(ORG, "One organisation, for its members", show).answers::<OrganizationInfo>(200),
        patch(
            ORG,
            "Change who may push to its flakes, whose signatures it trusts and whose tokens may be renewed, for its \
             owners",
            update,
        )
        .takes::<UpdateOrganization>()
        .answers::<OrganizationInfo>(200)
            .refuses(&[422]),
        delete(
            ORG,
            "Delete an organisation that has no flakes, for its owners",
            remove,
        )
        .answers_nothing(204)
            .refuses(&[409]),
    ]
}

/// `GET /api/v1/orgs`: those of which the caller is a member and that the token reaches; all, for
/// server administrators.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
) -> Answer<Json<OrganizationList>> {
    let principal = caller.require(Permission::Pull)?;
    let found = if caller.server_administrator().is_ok() {
        state.database().read(organizations::list).await?
    } else {
        let account_id = principal.account_id;
        state
            .database()
            .read(move |read| organizations::list_of_member(read, account_id))
            .await?
    };
    let orgs = found
        .iter()
        .filter(|organization| caller.named_view().is_ok() && principal.touches(&organization.name))
        .map(|organization| organization.info(principal.holdings.membership(organization.id)))
        .collect();
    Ok(Json(OrganizationList { orgs }))
}

/// The most keys that an organisation trusts.
const MOST_KEYS: usize = 50;

/// `POST /api/v1/orgs`: the caller becomes the owner. A server administrator may name somebody else, and is no
/// member then: what the members of an organisation write comes before all else in each other's views.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Answer<(StatusCode, Json<OrganizationInfo>)> {
    caller.require(Permission::Admin)?;
    let wanted: CreateOrganization = json_body(request, state.settings().limits.json_size).await?;
    let principal = caller.require_reach(&FlakePattern::Organization(wanted.name.clone()))?;
    let creator = principal.account_id;
    let is_self = |owner: &Name| principal.is_called(owner.as_str());
    let named_owner = wanted.owner.clone().filter(|owner| !is_self(owner));
    if named_owner.is_some() && caller.server_administrator().is_err() {
        return Err(ApiError::Forbidden(
            "only server administrators can create organisations for somebody else, with a token that is not \
             narrowed"
                .to_owned(),
        ).into());
    }
    let may_make = match state.settings().organization_creation {
        OrganizationCreation::Anyone => Ok(()),
        OrganizationCreation::Administrators => {
            let administrator = caller.server_administrator();
            administrator.map(|_| ()).map_err(|_| {
                ApiError::Forbidden(
                    "only server administrators can create organisations here, with a token that is not \
                     narrowed: the server's option organization-creation is \"administrators\""
                        .to_owned(),
                )
            })
        }
    };
    let for_another = named_owner.is_some();
    let is_known = caller.knows_organization(wanted.name.as_str());
    let signer = state.clone();
    let (status, organization) = change_access(&state, &caller, move |change, actor| {
        let made_for = named_owner
            .map(|owner| owner_named(change, &owner))
            .transpose()?;
        let owner = made_for.as_ref().map_or(creator, |account| account.id);
        if let Some(there) = organizations::find(change, &wanted.name)? {
            let role = members::get(change, there.id, owner)?.map(|member| member.role);
            if wanted.exist_ok && role == Some(OrganizationRole::Owner) {
                return Ok((StatusCode::OK, there));
            }
            may_make?;
            let name = &wanted.name;
            let taken = format!("the organisation {name} exists already");
            let kind = NameKind::Organization;
            return Err(reserved_names::taken(
                kind,
                name,
                &there.name,
                is_known,
                taken,
            ));
        }
        may_make?;
        reserved_names::require_free(change, NameKind::Organization, &wanted.name)?;
        let organization = organizations::insert(change, &wanted.name)?;
        members::set(change, organization.id, owner, OrganizationRole::Owner)?;
        signing_keys::make(&signer, change, organization.id)?;
        let mut detail = json!({ "organization": organization.uuid });
        if let Some(account) = &made_for {
            detail["owner"] = json!(account.name);
        }
        Event::by(actor, "organization.create", wanted.name.as_str())
            .in_organization(organization.id)
            .record(change, detail)?;
        Ok((StatusCode::CREATED, organization))
    })
    .await?;
    // Of an organisation that is made for somebody else, the caller is what they were before: nothing, if it is new.
    let role = if for_another {
        principal.holdings.membership(organization.id)
    } else {
        Some(OrganizationRole::Owner)
    };
    Ok((status, Json(organization.info(role))))
}

/// The account of somebody whom an organisation is made for.
fn owner_named(read: &Read, name: &Name) -> Result<Account, ApiError> {
    let account = named::account(read, name.as_str())?;
    may_own(&account)?;
    let name = &account.name;
    if account.disabled_at.is_some() {
        return Err(ApiError::InvalidContent(format!(
            "{name} is disabled, and so cannot own an organisation"
        )));
    }
    Ok(account)
}

/// `GET /api/v1/orgs/{org}`: for its members, and for server administrators.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<OrganizationInfo>> {
    let organization = caller.organization_to_show(&path.org)?;
    let found = read(&state, move |read| {
        organizations::get(read, organization.id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(found.info(organization.membership)))
}

/// `PATCH /api/v1/orgs/{org}`: for its owners.
pub(crate) async fn update(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    request: Request,
) -> Answer<Json<OrganizationInfo>> {
    let organization = caller.organization_to_administer(&path.org)?;
    organization.require_owner()?;
    let wanted: UpdateOrganization = json_body(request, state.settings().limits.json_size).await?;
    let membership = organization.membership;
    let trusted = wanted
        .trusted_keys
        .map(|keys| trusted_keys(&state, &keys))
        .transpose()?;
    // The strictest rules: whatever they were before, nobody gets anything.
    let takes_away = trusted.is_none()
        && wanted.push != Some(PushRule::Writers)
        && wanted
            .renewal
            .is_none_or(|rule| rule == RenewalRule::Nobody);
    let changed = change_access_taking(&state, &caller, takes_away, move |change, actor| {
        let before = organizations::get(change, organization.id)?.ok_or(ApiError::NotFound)?;
        let mut detail = serde_json::Map::new();
        if let Some(push) = wanted.push.filter(|push| *push != before.push) {
            organizations::set_push_rule(change, organization.id, push)?;
            let from_to = json!({ "from": before.push, "to": push });
            detail.insert("push".to_owned(), from_to);
        }
        if let Some(renewal) = wanted.renewal.filter(|rule| *rule != before.renewal) {
            organizations::set_renewal_rule(change, organization.id, renewal)?;
            let from_to = json!({ "from": before.renewal, "to": renewal });
            detail.insert("renewal".to_owned(), from_to);
        }
        if let Some(keys) = trusted {
            contests::set_trusted_keys(change, organization.id, &keys)?;
            let after = organizations::get(change, organization.id)?.ok_or(ApiError::NotFound)?;
            if after.trusted_keys != before.trusted_keys {
                let texts = |keys: &[PublicKey]| -> Vec<String> {
                    keys.iter().map(ToString::to_string).collect()
                };
                let from_to = json!({
                    "from": texts(&before.trusted_keys),
                    "to": texts(&after.trusted_keys),
                });
                detail.insert("trusted_keys".to_owned(), from_to);
            }
        }
        if !detail.is_empty() {
            Event::by(actor, "organization.update", organization.name.as_str())
                .in_organization(organization.id)
                .record(change, detail.into())?;
        }
        organizations::get(change, organization.id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(changed.info(membership)))
}

/// Keys as an organisation trusts them.
fn trusted_keys(state: &AppState, texts: &[String]) -> Result<Vec<PublicKey>, ApiError> {
    if texts.len() > MOST_KEYS {
        return Err(ApiError::InvalidContent(format!(
            "an organisation can trust at most {MOST_KEYS} keys"
        )));
    }
    let key = |text: &String| {
        let key: PublicKey = text.parse().map_err(|error| {
            ApiError::InvalidContent(format!(
                "{:?} is not a valid public key: {error}",
                named::short(text)
            ))
        })?;
        if state.keys().is_own(&key) {
            return Err(ApiError::InvalidContent(format!(
                "{} is a key of this server, which signs for every organisation: its signature proves \
                 nothing",
                key.name()
            )));
        }
        Ok(key)
    };
    let keys = texts.iter().map(key).collect::<Result<_, ApiError>>()?;
    few_of_a_name(keys).map_err(ApiError::InvalidContent)
}

/// `DELETE /api/v1/orgs/{org}`: for its owners, once it has no flakes. Its members, teams, grants,
/// trust policies and service accounts go with it.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<StatusCode> {
    let organization = caller.organization_to_administer(&path.org)?;
    organization.require_owner()?;
    let signer = state.clone();
    take_away(&state, &caller, move |change, actor| {
        let before = organizations::get(change, organization.id)?.ok_or(ApiError::NotFound)?;
        let flakes = organizations::count_flakes(change, organization.id)?;
        if flakes > 0 {
            let name = &organization.name;
            return Err(ApiError::Conflict(format!(
                "the organisation {name} still has flakes ({flakes}): delete them first"
            )));
        }
        Event::by(actor, "organization.delete", organization.name.as_str())
            .in_organization(organization.id)
            .record(change, json!({ "organization": before.uuid }))?;
        organizations::delete(change, organization.id)?;
        signer.keys().forget(organization.id);
        Ok(())
    })
    .await
}
