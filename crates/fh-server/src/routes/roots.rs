//! Roots of forges and platforms that an organisation owns: identities of one act for it where they name
//! no organisation. An owner asks for a root, and a server administrator says that it is theirs.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::workload::Reach;
use fh_access::{ApiError, Caller, OrganizationRef};
use fh_api::{ForgeRoot, OwnRoot, RootInfo, RootList};
use fh_persistence::database::audit::Event;
use fh_persistence::database::roots;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::json::json_body;
use super::path::{OrganizationPath, Query};
use super::table::{Route, delete, get, post};
use super::transaction::{change_access, take_away};
use crate::answer::Answer;
use crate::state::AppState;

/// The most roots of an organisation, asked for or owned.
const MAX_ROOTS: i64 = 50;

pub(super) fn routes() -> Vec<Route> {
    const ROOTS: &str = "/orgs/{org}/roots";
    vec![
        get(
            ROOTS,
            "The roots of forges that an organisation owns or has requested",
            list,
        )
        .answers::<RootList>(200),
        post(
            ROOTS,
            "Request a root, for owners; confirm it, for server administrators",
            own,
        )
        .takes::<OwnRoot>()
        .answers::<RootInfo>(200)
        .refuses(&[409]),
        delete(ROOTS, "Give up a root", remove).answers_nothing(204),
    ]
}

/// The organisation, and whether the caller decides for the server.
fn decided(caller: &Caller, org: &str) -> Result<(OrganizationRef, bool), ApiError> {
    if caller.server_administrator().is_ok() {
        return Ok((caller.organization_to_show(org)?, true));
    }
    let organization = caller.organization_to_administer(org)?;
    organization.require_owner()?;
    Ok((organization, false))
}

/// `GET /api/v1/orgs/{org}/roots`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<RootList>> {
    let organization = if caller.server_administrator().is_ok() {
        caller.organization_to_show(&path.org)?
    } else {
        caller.organization_to_administer(&path.org)?
    };
    let found = state
        .database()
        .read(move |read| roots::of_organization(read, organization.id))
        .await?;
    let roots = found.iter().map(roots::OwnedRoot::info).collect();
    Ok(Json(RootList { roots }))
}

/// `POST /api/v1/orgs/{org}/roots`: afterwards it is asked for, or by a server administrator confirmed, whether
/// it was before or not.
pub(crate) async fn own(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    request: Request,
) -> Answer<Json<RootInfo>> {
    let (organization, confirms) = decided(&caller, &path.org)?;
    let wanted: OwnRoot = json_body(request, state.settings().limits.json_size).await?;
    let root = wanted.root;
    if let ForgeRoot::Kubernetes(issuer) = &root
        && (Reach::is_shared(issuer) || issuer == state.public_url())
    {
        return Err(ApiError::BadRequest(format!(
            "{issuer} issues identities to many owners, so nobody can own it"
        ))
        .into());
    }
    let info = change_access(&state, &caller, move |change, actor| {
        let before = roots::get(change, organization.id, &root)?;
        if before.is_none() && roots::count(change, organization.id)? >= MAX_ROOTS {
            let sentence = format!("an organisation has at most {MAX_ROOTS} roots");
            return Err(ApiError::TooMany(sentence, None));
        }
        let mut action = before.is_none().then_some("root.request");
        roots::request(change, organization.id, &root, actor.account_id)?;
        if confirms && before.is_none_or(|before| before.confirmed_at.is_none()) {
            if let Some(owner) = roots::owner(change, &root)? {
                let other = owner.organization;
                return Err(ApiError::Conflict(format!(
                    "{other} owns {root}: remove it there first"
                )));
            }
            roots::confirm(change, organization.id, &root)?;
            action = Some("root.confirm");
        }
        if let Some(action) = action {
            Event::by(actor, action, &root.to_string())
                .in_organization(organization.id)
                .record(change, Value::Null)?;
        }
        let now = roots::get(change, organization.id, &root)?.ok_or(ApiError::NotFound)?;
        Ok(now.info())
    })
    .await?;
    Ok(Json(info))
}

/// Which root.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RootQuery {
    /// The root, such as github:acme.
    root: ForgeRoot,
}

/// `DELETE /api/v1/orgs/{org}/roots?root=ROOT`: afterwards it is not there, whether it was or not.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    Query(query): Query<RootQuery>,
) -> Answer<StatusCode> {
    let (organization, _) = decided(&caller, &path.org)?;
    let root = query.root;
    take_away(&state, &caller, move |change, actor| {
        if roots::remove(change, organization.id, &root)? {
            Event::by(actor, "root.remove", &root.to_string())
                .in_organization(organization.id)
                .record(change, json!({}))?;
        }
        Ok(())
    })
    .await
}
