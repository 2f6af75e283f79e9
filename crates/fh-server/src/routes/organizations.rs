//! Organisations.

use axum::Json;
use axum::extract::{Request, State};
use fh_api::{
    CreateOrganization, FlakePattern, OrganizationInfo, OrganizationList, OrganizationRole,
    Permission,
};
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::table::{Route, get, post};
use crate::access::Caller;
use crate::database::audit::{self, Event};
use crate::database::organizations::{self, Organization};
use crate::error::ApiError;
use crate::state::AppState;

/// Organisations.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/orgs",
            "The organisations that the caller is a member of; all, for a server administrator",
            list,
        )
        .answers::<OrganizationList>(200),
        post(
            "/orgs",
            "Make an organisation; the caller becomes its owner",
            create,
        )
        .takes::<CreateOrganization>()
        .answers::<OrganizationInfo>(201),
    ]
}

/// `GET /api/v1/orgs`: those of which the caller is a member and that the token reaches; all, for
/// server administrators.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<OrganizationList>, ApiError> {
    let principal = caller.require(Permission::Pull)?;
    let found = if caller.server_administrator().is_ok() {
        state.database().read(organizations::list).await?
    } else {
        let account_id = principal.account_id;
        state
            .database()
            .read(move |connection| organizations::list_of_member(connection, account_id))
            .await?
    };
    let touched = |organization: &&Organization| {
        principal
            .scope
            .flakes()
            .iter()
            .any(|pattern| match pattern {
                FlakePattern::All => true,
                FlakePattern::Organization(name) => name.folded() == organization.name.folded(),
                FlakePattern::Flake(flake) => flake.org.folded() == organization.name.folded(),
            })
    };
    let orgs = found
        .iter()
        .filter(touched)
        .map(|organization| organization.info(principal.holdings.membership(organization.id)))
        .collect();
    Ok(Json(OrganizationList { orgs }))
}

/// `POST /api/v1/orgs`: the caller becomes the owner.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<OrganizationInfo>), ApiError> {
    caller.require(Permission::Admin)?;
    let wanted: CreateOrganization = json_body(request, state.settings().limits.json_size).await?;
    let owner = caller.require_reach(&FlakePattern::Organization(wanted.name.clone()))?;
    let (actor, owner) = (caller.actor()?, owner.account_id);
    let organization = state
        .database()
        .change_access(move |change| {
            let organization = organizations::insert(change, &wanted.name).map_err(|error| {
                if error.is_unique_violation() {
                    let name = &wanted.name;
                    return ApiError::Conflict(format!("the organisation {name} exists already"));
                }
                error.into()
            })?;
            organizations::set_member(change, organization.id, owner, OrganizationRole::Owner)?;
            audit::record(
                change,
                &Event {
                    action: "organization.create",
                    actor: Some(actor),
                    organization_id: Some(organization.id),
                    subject: wanted.name.as_str(),
                    detail: json!({ "organization": organization.uuid }),
                    ..Event::default()
                },
            )?;
            Ok::<_, ApiError>(organization)
        })
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(organization.info(Some(OrganizationRole::Owner))),
    ))
}
