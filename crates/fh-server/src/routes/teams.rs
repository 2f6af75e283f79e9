//! Teams of organisations, and who is in them: members see them, administrators change them.
//!
//! Whoever is put into a team holds what the team was granted. Where an owner has granted it `admin` on the whole
//! organisation, its people are administrators, so that owners alone say who they are.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller, OrganizationRef};
use fh_api::{CreateTeam, TeamDetails, TeamInfo, TeamList, TeamMemberInfo};
use fh_persistence::database::audit::Event;
use fh_persistence::database::grants::{self, SubjectId};
use fh_persistence::database::teams::{self, Team};
use fh_persistence::database::{DatabaseError, members};
use fh_sql::Read;
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::named;
use super::path::{OrganizationPath, TeamMemberPath, TeamPath};
use super::table::{Route, delete, get, post, put};
use super::transaction::{change_access, read, take_away, write};
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const TEAMS: &str = "/orgs/{org}/teams";
    const TEAM: &str = "/orgs/{org}/teams/{team}";
    const MEMBER: &str = "/orgs/{org}/teams/{team}/members/{user}";
    vec![
        get(TEAMS, "The teams of an organisation, for its members", list).answers::<TeamList>(200),
        post(TEAMS, "Create an empty team", create)
            .takes::<CreateTeam>()
            .answers::<TeamInfo>(201)
            .answers::<TeamInfo>(200)
            .refuses(&[409]),
        get(TEAM, "A team and who is in it", show).answers::<TeamDetails>(200),
        delete(TEAM, "Delete a team and its grants", remove).answers_nothing(204),
        get(MEMBER, "One member of a team", show_member).answers::<TeamMemberInfo>(200),
        put(
            MEMBER,
            "Add a member of the organisation to a team",
            add_member,
        )
        .answers::<TeamMemberInfo>(200)
        .refuses(&[422]),
        delete(MEMBER, "Remove an account from a team", remove_member)
            .answers_nothing(204)
            .refuses(&[422]),
    ]
}

/// `GET /api/v1/orgs/{org}/teams`: for members.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<TeamList>> {
    let organization = caller.organization_of_member(&path.org)?;
    let found = state
        .database()
        .read(move |read| teams::list(read, organization.id))
        .await?;
    let teams = found.iter().map(Team::info).collect();
    Ok(Json(TeamList { teams }))
}

/// `POST /api/v1/orgs/{org}/teams`: a team of nobody.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    request: Request,
) -> Answer<(StatusCode, Json<TeamInfo>)> {
    let organization = caller.organization_to_administer(&path.org)?;
    let wanted: CreateTeam = json_body(request, state.settings().limits.json_size).await?;
    let (status, team) = write(&state, &caller, move |tx, actor| {
        let team = match teams::insert(tx, organization.id, &wanted.name) {
            Err(error) if error.is_unique_violation() && wanted.exist_ok => {
                let there = teams::find(tx, organization.id, &wanted.name)?;
                return Ok((StatusCode::OK, there.ok_or(ApiError::NotFound)?));
            }
            Err(error) if error.is_unique_violation() => {
                let (name, org) = (&wanted.name, &organization.name);
                return Err(ApiError::Conflict(format!(
                    "the team {name} of {org} exists already"
                )));
            }
            made => made?,
        };
        Event::by(actor, "team.create", team.name.as_str())
            .in_organization(organization.id)
            .record(tx, json!({ "team": team.uuid }))?;
        Ok((StatusCode::CREATED, team))
    })
    .await?;
    Ok((status, Json(team.info())))
}

/// `GET /api/v1/orgs/{org}/teams/{team}`: for members of the organisation.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: TeamPath,
) -> Answer<Json<TeamDetails>> {
    let organization = caller.organization_of_member(&path.org)?;
    let name = named::name(&path.team)?;
    let found = state
        .database()
        .read(move |read| {
            let Some(team) = teams::find(read, organization.id, &name)? else {
                return Ok(None);
            };
            let members = teams::members(read, team.id)?;
            Ok::<_, DatabaseError>(Some((team, members)))
        })
        .await?;
    let (team, members) = found.ok_or(ApiError::NotFound)?;
    Ok(Json(TeamDetails {
        team: team.info(),
        members,
    }))
}

/// `DELETE /api/v1/orgs/{org}/teams/{team}`: all that was granted to it goes with it.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: TeamPath,
) -> Answer<StatusCode> {
    let organization = caller.organization_to_administer(&path.org)?;
    take_away(&state, &caller, move |change, actor| {
        let team = named::team(change, &organization, &path.team)?;
        decides_about(change, &organization, &team)?;
        Event::by(actor, "team.delete", team.name.as_str())
            .in_organization(organization.id)
            .record(
                change,
                json!({ "team": team.uuid, "members": team.members }),
            )?;
        teams::delete(change, team.id)?;
        Ok(())
    })
    .await
}

/// `GET /api/v1/orgs/{org}/teams/{team}/members/{user}`: for members of the organisation, also by a former name.
pub(crate) async fn show_member(
    State(state): State<AppState>,
    caller: Caller,
    path: TeamMemberPath,
) -> Answer<Json<TeamMemberInfo>> {
    let organization = caller.organization_of_member(&path.org)?;
    let found = read(&state, move |read| {
        let team = named::team(read, &organization, &path.team)?;
        let account = named::known_account(read, &path.user)?;
        let mut members = teams::members(read, team.id)?.into_iter();
        let member = members.find(|member| member.user == account.name);
        member.ok_or(ApiError::NotFound)
    });
    Ok(Json(found.await?))
}

/// `PUT /api/v1/orgs/{org}/teams/{team}/members/{user}`: only members of the organisation can be in
/// its teams.
pub(crate) async fn add_member(
    State(state): State<AppState>,
    caller: Caller,
    path: TeamMemberPath,
) -> Answer<Json<TeamMemberInfo>> {
    let organization = caller.organization_to_administer(&path.org)?;
    let info = change_access(&state, &caller, move |change, actor| {
        let team = named::team(change, &organization, &path.team)?;
        decides_about(change, &organization, &team)?;
        let account = named::account(change, &path.user)?;
        if members::get(change, organization.id, account.id)?.is_none() {
            return Err(ApiError::InvalidContent(format!(
                "{} is not a member of {}, and only members can be in its teams",
                account.name, organization.name
            )));
        }
        let (since, is_new) = teams::add_member(change, team.id, account.id)?;
        if is_new {
            Event::by(actor, "team.add", account.name.as_str())
                .in_organization(organization.id)
                .record(
                    change,
                    json!({
                        "team": team.uuid,
                        "name": team.name,
                        "user": account.uuid,
                    }),
                )?;
        }
        Ok(TeamMemberInfo {
            user: account.name,
            created_at: since.to_date_time(),
        })
    })
    .await?;
    Ok(Json(info))
}

/// `DELETE /api/v1/orgs/{org}/teams/{team}/members/{user}`: afterwards it is not in the team, whether
/// it was or not.
pub(crate) async fn remove_member(
    State(state): State<AppState>,
    caller: Caller,
    path: TeamMemberPath,
) -> Answer<StatusCode> {
    let organization = caller.organization_to_administer(&path.org)?;
    take_away(&state, &caller, move |change, actor| {
        let team = named::team(change, &organization, &path.team)?;
        decides_about(change, &organization, &team)?;
        let account = named::account(change, &path.user)?;
        if teams::remove_member(change, team.id, account.id)? {
            Event::by(actor, "team.remove", account.name.as_str())
                .in_organization(organization.id)
                .record(
                    change,
                    json!({
                        "team": team.uuid,
                        "name": team.name,
                        "user": account.uuid,
                    }),
                )?;
        }
        Ok(())
    })
    .await
}

/// That the caller may say who is in a team.
fn decides_about(read: &Read, organization: &OrganizationRef, team: &Team) -> Result<(), ApiError> {
    let subject = SubjectId::Team(team.id);
    if organization.is_owner() || !grants::administers(read, organization.id, subject)? {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!(
        "the team {} administers {}: only owners can change who is in it",
        team.name, organization.name
    )))
}
