//! Grants to accounts, teams and all members: on one flake, for its administrators, and on every flake
//! of an organisation, for those of the organisation.
//!
//! A grant to an account that does not belong to the organisation is an invitation until the account accepts
//! (see [`super::invitations`]). What a server administrator grants counts at once.
//!
//! Who administers a flake as a guest of its organisation grants to accounts by name alone: a grant to a team or to
//! all members, or on the whole organisation, puts a flake into the views of many members, and that is for those who
//! belong there. Nor are guests told who does: a grant to a member is shown to them like one to a stranger.
//!
//! A grant of `admin` on the whole organisation makes administrators of it, so its owners alone give
//! and take that.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller, OrganizationRef};
use fh_api::{CreateGrant, GrantInfo, GrantList, Permission, Role, Subject};
use fh_persistence::database::audit::{Actor, Event};
use fh_persistence::database::grants::{self, Grant, SubjectId, Target};
use fh_persistence::database::invitations::{self, Belonging};
use fh_persistence::database::{DatabaseError, Decided, teams};
use fh_sql::{Read, Tx};
use http::StatusCode;
use serde_json::json;

use super::json::json_body;
use super::named;
use super::path::{FlakeGrantPath, FlakePath, OrganizationGrantPath, OrganizationPath};
use super::table::{Route, delete, get, put};
use super::transaction::read;
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const ON_FLAKE: &str = "/flakes/{org}/{project}/grants/{subject}";
    const ON_ORG: &str = "/orgs/{org}/grants/{subject}";
    vec![
        get(
            "/flakes/{org}/{project}/grants",
            "The grants on a flake, for its administrators",
            list,
        )
        .answers::<GrantList>(200),
        get(
            ON_FLAKE,
            "What was granted to one on a flake, for its administrators",
            show,
        )
        .answers::<GrantInfo>(200),
        put(
            ON_FLAKE,
            "Grant a role on a flake, in place of any previous one",
            set,
        )
        .takes::<CreateGrant>()
        .answers::<GrantInfo>(200)
        .refuses(&[409, 422]),
        delete(ON_FLAKE, "Remove a role on a flake", remove)
            .answers_nothing(204)
            .refuses(&[422]),
        get(
            "/orgs/{org}/grants",
            "The grants on every flake of an organisation, for its administrators",
            list_of_organization,
        )
        .answers::<GrantList>(200),
        get(
            ON_ORG,
            "What was granted to one on every flake of an organisation, for its administrators",
            show_on_organization,
        )
        .answers::<GrantInfo>(200),
        put(
            ON_ORG,
            "Grant a role on every flake of an organisation, in place of any previous one",
            set_on_organization,
        )
        .takes::<CreateGrant>()
        .answers::<GrantInfo>(200)
        .refuses(&[409, 422]),
        delete(
            ON_ORG,
            "Remove a role on every flake of an organisation",
            remove_on_organization,
        )
        .answers_nothing(204)
        .refuses(&[422]),
    ]
}

/// `GET /api/v1/flakes/{org}/{project}/grants`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
) -> Answer<Json<GrantList>> {
    let target = flake(&caller, &path.org, &path.project)?;
    Ok(list_on(&state, &caller, target).await?)
}

/// `GET /api/v1/flakes/{org}/{project}/grants/{subject}`: as in the list, also by a former name.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakeGrantPath,
) -> Answer<Json<GrantInfo>> {
    let target = flake(&caller, &path.org, &path.project)?;
    Ok(show_on(&state, &caller, target, path.subject).await?)
}

/// `PUT /api/v1/flakes/{org}/{project}/grants/{subject}`: sets the role, whatever it was.
pub(crate) async fn set(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakeGrantPath,
    request: Request,
) -> Answer<Json<GrantInfo>> {
    let target = flake(&caller, &path.org, &path.project)?;
    let change = Change::by(&caller, target, path.subject, true)?;
    let wanted: CreateGrant = json_body(request, state.settings().limits.json_size).await?;
    Ok(set_on(&state, change, wanted.role).await?)
}

/// `DELETE /api/v1/flakes/{org}/{project}/grants/{subject}`: afterwards there is none, whether there
/// was one or not.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakeGrantPath,
) -> Answer<StatusCode> {
    let target = flake(&caller, &path.org, &path.project)?;
    let change = Change::by(&caller, target, path.subject, true)?;
    remove_on(&state, change).await
}

/// `GET /api/v1/orgs/{org}/grants`.
pub(crate) async fn list_of_organization(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<GrantList>> {
    let organization = caller.organization_to_administer(&path.org)?;
    Ok(list_on(&state, &caller, whole(&organization)).await?)
}

/// `GET /api/v1/orgs/{org}/grants/{subject}`: as in the list, also by a former name.
pub(crate) async fn show_on_organization(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationGrantPath,
) -> Answer<Json<GrantInfo>> {
    let organization = caller.organization_to_administer(&path.org)?;
    Ok(show_on(&state, &caller, whole(&organization), path.subject).await?)
}

/// `PUT /api/v1/orgs/{org}/grants/{subject}`: sets the role, whatever it was.
pub(crate) async fn set_on_organization(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationGrantPath,
    request: Request,
) -> Answer<Json<GrantInfo>> {
    let organization = caller.organization_to_administer(&path.org)?;
    let target = whole(&organization);
    let change = Change::by(&caller, target, path.subject, organization.is_owner())?;
    let wanted: CreateGrant = json_body(request, state.settings().limits.json_size).await?;
    Ok(set_on(&state, change, wanted.role).await?)
}

/// `DELETE /api/v1/orgs/{org}/grants/{subject}`: afterwards there is none, whether there was one or
/// not.
pub(crate) async fn remove_on_organization(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationGrantPath,
) -> Answer<StatusCode> {
    let organization = caller.organization_to_administer(&path.org)?;
    let target = whole(&organization);
    let change = Change::by(&caller, target, path.subject, organization.is_owner())?;
    remove_on(&state, change).await
}

/// What the caller is to the organisation of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    /// Whether they belong there, and are no guests.
    belongs: bool,
    /// They may learn who belongs there.
    knows_members: bool,
}

impl Standing {
    fn of(caller: &Caller, target: &Target) -> Self {
        let organization = target.organization_id;
        Self {
            belongs: caller.belongs_to(organization),
            knows_members: caller.may_know_members_of(organization)
                || caller.server_administrator().is_ok(),
        }
    }
}

/// A change of a grant that the caller may make.
#[derive(Clone)]
struct Change {
    standing: Standing,
    actor: Actor,
    decided: Decided,
    target: Target,
    /// As it stands in the address.
    subject: String,
    /// Whether the role may be, or have been, `admin`.
    decides_about_administrators: bool,
    /// Whether it counts for strangers before they accept.
    at_once: bool,
}

impl Change {
    fn by(
        caller: &Caller,
        target: Target,
        subject: String,
        decides_about_administrators: bool,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            standing: Standing::of(caller, &target),
            actor: caller.actor()?,
            decided: caller.decided(),
            target,
            subject,
            decides_about_administrators,
            at_once: caller.server_administrator().is_ok(),
        })
    }

    /// Whether a grant to the subject counts for more than one account.
    fn is_for_many(&self) -> bool {
        match self.subject.parse::<Subject>() {
            Ok(Subject::User(_)) => false,
            Ok(Subject::Team(_) | Subject::Members) => true,
            Err(_) => self.subject.starts_with("team:"),
        }
    }

    /// That guests grant to accounts by name alone. Which teams there are is not asked for before.
    fn permits_subject(&self) -> Result<(), ApiError> {
        let widens_many_views = self.is_for_many() || self.target.flake_id.is_none();
        if self.standing.belongs || !widens_many_views {
            return Ok(());
        }
        Err(ApiError::Forbidden(format!(
            "only members of the organisation can grant roles on {} to teams and to all members, or on all its \
             flakes: guests can grant roles on a flake to accounts by name",
            self.target.name
        )))
    }

    fn permits(&self, role: Option<Role>) -> Result<(), ApiError> {
        if role >= Some(Role::Admin) && !self.decides_about_administrators {
            return Err(ApiError::Forbidden(format!(
                "admin on {} includes administering the organisation: only its owners can grant or remove it",
                self.target.name
            )));
        }
        Ok(())
    }

    /// Whether a role is less than what is granted, and counts for nobody for whom that one does not.
    fn lowers(&self, read: &Read, role: Role) -> Result<bool, DatabaseError> {
        let organization = self.target.organization_id;
        // What is wrong with the subject is told by who changes something.
        let Ok((_, id)) = find_subject(read, organization, &self.subject) else {
            return Ok(false);
        };
        let was = grants::get(read, &self.target, id)?;
        if was.is_none_or(|was| was.by_guest || was.role <= role) {
            return Ok(false);
        }
        match id {
            SubjectId::Account(account) if self.at_once => {
                let belonging = invitations::belonging(read, organization, account)?;
                Ok(belonging != Belonging::Stranger)
            }
            _ => Ok(true),
        }
    }

    fn record(
        &self,
        tx: &Tx<'_>,
        action: &str,
        subject: &Subject,
        roles: serde_json::Value,
    ) -> Result<(), ApiError> {
        let mut detail = roles;
        detail["on"] = json!(self.target.name);
        Event::by(self.actor.clone(), action, &subject.to_string())
            .in_organization(self.target.organization_id)
            .on_flake(self.target.flake_id)
            .record(tx, detail)?;
        Ok(())
    }
}

async fn list_on(
    state: &AppState,
    caller: &Caller,
    target: Target,
) -> Result<Json<GrantList>, ApiError> {
    let name = target.name.clone();
    let hides_members = !Standing::of(caller, &target).knows_members;
    let found = state
        .database()
        .read(move |read| grants::list(read, &target, hides_members))
        .await?;
    let grants = found.iter().map(|grant| grant.info(&name)).collect();
    Ok(Json(GrantList { grants }))
}

/// One of the list. Of a subject that is not there no more is told than of one that was granted nothing.
async fn show_on(
    state: &AppState,
    caller: &Caller,
    target: Target,
    subject: String,
) -> Result<Json<GrantInfo>, ApiError> {
    let name = target.name.clone();
    let hides_members = !Standing::of(caller, &target).knows_members;
    let found = read(state, move |read| {
        let found = find_subject(read, target.organization_id, &subject);
        let (subject, _) = found.map_err(|error| match error {
            ApiError::InvalidContent(_) => ApiError::NotFound,
            error => error,
        })?;
        let mut grants = grants::list(read, &target, hides_members)?.into_iter();
        let grant = grants.find(|grant| grant.subject == subject);
        grant.ok_or(ApiError::NotFound)
    });
    let grant = found.await?;
    Ok(Json(grant.info(&name)))
}

async fn set_on(state: &AppState, asked: Change, role: Role) -> Result<Json<GrantInfo>, ApiError> {
    asked.permits_subject()?;
    let seen = asked.clone();
    let lowers = state
        .database()
        .read(move |read| seen.lowers(read, role))
        .await?;
    // If it does no more by then, access has changed, and all of this is decided again.
    let decided = asked.decided.taking_away_if(lowers);
    let info = state
        .database()
        .change_access(decided, move |change| {
            let target = &asked.target;
            let (subject, id) = find_subject(change, target.organization_id, &asked.subject)?;
            let was = grants::get(change, target, id)?;
            let before = was.map(|was| was.role);
            if before != Some(role) {
                asked.permits(before.max(Some(role)))?;
            }
            let by_guest = !asked.standing.belongs && !asked.at_once;
            let granted = grants::set(change, target, id, role, asked.actor.account_id, by_guest)?
                .ok_or(ApiError::NotFound)?;
            let organization = target.organization_id;
            let belonging = match id {
                SubjectId::Account(account) => {
                    invitations::belonging(change, organization, account)?
                }
                SubjectId::Team(_) | SubjectId::Members => Belonging::Own,
            };
            let is_stranger = belonging == Belonging::Stranger;
            let accepts = match id {
                SubjectId::Account(account) if is_stranger && asked.at_once => {
                    invitations::add_guest(change, organization, account, asked.actor.account_id)?
                }
                _ => false,
            };
            let waits = belonging == Belonging::Own && granted.by_guest;
            let pending = is_stranger && !accepts || waits;
            // What a guest had given counts from now on for who belongs to the organisation.
            let confirms = was.is_some_and(|was| was.by_guest) && !granted.by_guest;
            if before != Some(role) || accepts || confirms {
                let detail = json!({
                    "from": before, "to": role, "invited": pending, "accepted": accepts,
                    "confirmed": confirms,
                });
                asked.record(change, "grant.set", &subject, detail)?;
            }
            let is_hidden = belonging == Belonging::Own && !asked.standing.knows_members;
            let grant = Grant {
                subject,
                role,
                pending: pending || is_hidden,
                created_at: granted.created_at,
            };
            Ok::<_, ApiError>(GrantInfo {
                replaced: before.filter(|before| *before != role),
                ..grant.info(&target.name)
            })
        })
        .await?;
    Ok(Json(info))
}

async fn remove_on(state: &AppState, asked: Change) -> Answer<StatusCode> {
    state
        .database()
        .change_access(asked.decided.taking_away(), move |change| {
            let target = &asked.target;
            let found = find_subject(change, target.organization_id, &asked.subject);
            let (subject, id) = match found {
                // To a team that is not there nothing is granted, and a guest is told no more.
                Err(ApiError::InvalidContent(_))
                    if asked.is_for_many() && !asked.standing.knows_members =>
                {
                    return Ok(());
                }
                found => found?,
            };
            let before = grants::get(change, target, id)?.map(|before| before.role);
            asked.permits(before)?;
            if grants::remove(change, target, id)? {
                asked.record(change, "grant.remove", &subject, json!({ "from": before }))?;
            }
            Ok::<_, ApiError>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn flake(caller: &Caller, org: &str, project: &str) -> Result<Target, ApiError> {
    let flake = caller.flake(org, project, Role::Admin, Permission::Admin)?;
    Ok(Target::flake(flake.organization_id, flake.id, flake.name))
}

fn whole(organization: &OrganizationRef) -> Target {
    Target::organization(organization.id, organization.name.clone())
}

/// Whom an address names, as they are called. A team is one of the same organisation.
fn find_subject(
    read: &Read,
    organization_id: i64,
    text: &str,
) -> Result<(Subject, SubjectId), ApiError> {
    let unknown_team = |name: &str| {
        let name = named::short(name);
        ApiError::InvalidContent(format!("the organisation has no team named {name:?}"))
    };
    let user = |name: &str| {
        let account = named::account(read, name)?;
        Ok((Subject::User(account.name), SubjectId::Account(account.id)))
    };
    match text.parse::<Subject>() {
        Ok(Subject::Members) => Ok((Subject::Members, SubjectId::Members)),
        Ok(Subject::Team(name)) => {
            let found = teams::find(read, organization_id, &name)?;
            let team = found.ok_or_else(|| unknown_team(name.as_str()))?;
            Ok((Subject::Team(team.name), SubjectId::Team(team.id)))
        }
        Ok(Subject::User(name)) => user(name.as_str()),
        Err(_) => match text.strip_prefix("team:") {
            Some(name) => Err(unknown_team(name)),
            // No account is called so, and that is what is answered.
            None => user(text),
        },
    }
}
