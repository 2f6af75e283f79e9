//! What applies, as lists: what gives whom a role on a flake or on an organisation's flakes, and what somebody is in,
//! holds and can reach.
//!
//! What a fact gives is what [`fh_auth::Holdings`] makes of it, here as for each request ([`super::reasons`]).
//!
//! Who is told: of a flake, its administrators; of an organisation, its administrators; of an account, itself and the
//! server's administrators, and administrators of an organisation of what concerns that organisation. The lists that
//! say less of a thing to somebody (members, teams, grants on everything, trust policies) say no more here, and what
//! somebody follows is told to nobody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::Json;
use axum::extract::State;
use fh_access::{ApiError, Caller, FlakeEntry, Principal};
use fh_api::{
    AccessList, AccessReason, AccessSource, Affiliation, FlakePattern, Name, OfferedGrant,
    OrganizationRole, Permission, Role, Standing, Subject, UserAccess, UserFlake, UserOrganization,
    Visibility,
};
use fh_auth::{Holdings, Named};
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::grants::{self, Grant, Target};
use fh_persistence::database::{DatabaseError, members, teams};
use fh_sql::Read;

use super::access::narrowed_by;
use super::path::{FlakePath, OrganizationPath, UserPath};
use super::reasons::{Facts, Told, Whose};
use super::table::{Route, get};
use crate::answer::Answer;
use crate::state::AppState;

/// Lists of what applies.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/flakes/{org}/{project}/access",
            "Who has a role on a flake, and what gives it to them, for its administrators",
            of_flake,
        )
        .answers::<AccessList>(200),
        get(
            "/orgs/{org}/access",
            "Who has a role on every flake of an organisation, and what gives it to them, for its administrators",
            of_organization,
        )
        .answers::<AccessList>(200),
        get(
            "/users/{user}/access",
            "What an account is in, holds and can reach: for itself, server administrators, and administrators of an \
             organisation as far as it concerns that",
            of_user,
        )
        .answers::<UserAccess>(200),
    ]
}

/// `GET /api/v1/flakes/{org}/{project}/access`.
pub(crate) async fn of_flake(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
) -> Answer<Json<AccessList>> {
    let found = caller.flake(&path.org, &path.project, Role::Admin, Permission::Admin)?;
    let entry = caller
        .administered_flake(found.id)
        .ok_or(ApiError::NotFound)?;
    let told = Told::to(&caller, &entry.name.org, entry.organization_id);
    let target = Target::flake(entry.organization_id, entry.id, entry.name.clone());
    Ok(list(&state, target, Some(entry.visibility), told).await?)
}

/// `GET /api/v1/orgs/{org}/access`.
pub(crate) async fn of_organization(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<AccessList>> {
    let organization = caller.organization_to_administer(&path.org)?;
    let told = Told::to(&caller, &organization.name, organization.id);
    let target = Target::organization(organization.id, organization.name);
    Ok(list(&state, target, None, told).await?)
}

async fn list(
    state: &AppState,
    target: Target,
    visibility: Option<Visibility>,
    told: Told,
) -> Result<Json<AccessList>, ApiError> {
    let on = target.name.clone();
    let sources = state
        .database()
        .read(move |read| sources(read, &target, visibility, told))
        .await?;
    Ok(Json(AccessList {
        on,
        visibility,
        complete: told == Told::OWN,
        sources,
    }))
}

/// All that gives somebody a role on a target, and grants that give nothing now.
fn sources(
    read: &Read,
    target: &Target,
    visibility: Option<Visibility>,
    told: Told,
) -> Result<Vec<AccessSource>, DatabaseError> {
    let organization = target.organization_id;
    let whose = Whose::Everybody;
    let facts = Facts::load(read, organization, target.flake_id, &whose, told)?;
    let reasons = facts.reasons(target, visibility.unwrap_or(Visibility::Private));
    let mut found = Vec::new();
    let whole = whole(target).filter(|_| told.administration && target.flake_id.is_some());
    for target in [Some(target), whole.as_ref()].into_iter().flatten() {
        for grant in grants::list(read, target, !told.belonging)? {
            found.push(of_grant(&grant, target, &reasons, told));
        }
    }
    let mut since = HashMap::new();
    if told.members {
        for member in members::list(read, organization)? {
            since.insert(member.user.folded(), member.created_at);
        }
    }
    let wide = whole_name(&target.name);
    for reason in reasons.iter().filter(|reason| reason.by == "membership") {
        found.extend(reason.users.iter().map(|user| AccessSource {
            subject: Some(Subject::User(user.clone())),
            membership: reason.membership,
            users: vec![user.clone()],
            created_at: since.get(&user.folded()).copied(),
            ..source(reason, wide.clone())
        }));
    }
    for reason in &reasons {
        let on = if reason.organization_wide {
            wide.clone()
        } else {
            target.name.clone()
        };
        match reason.by.as_str() {
            "trust policy" | "visibility" => found.push(source(reason, on)),
            _ => {}
        }
    }
    // Visibility, which opens the flake to everybody, stands behind what was given.
    found.sort_by_key(|source| source.by == "visibility");
    Ok(found)
}

/// A grant, and for whom it counts.
fn of_grant(grant: &Grant, target: &Target, reasons: &[AccessReason], told: Told) -> AccessSource {
    let info = grant.info(&target.name);
    let reason = reasons.iter().find(|reason| {
        reason.subject.as_ref() == Some(&info.subject)
            && reason.organization_wide == target.flake_id.is_none()
    });
    // Whether anybody is in a team is told to whom its members are told.
    let is_hidden = !told.members && !matches!(info.subject, Subject::User(_));
    AccessSource {
        by: "grant".to_owned(),
        subject: Some(info.subject),
        membership: None,
        trust_policy: None,
        on: info.on,
        role: Some(info.role),
        pending: info.pending,
        applies: reason.is_some() || is_hidden,
        users: reason
            .map(|reason| reason.users.clone())
            .unwrap_or_default(),
        created_at: Some(info.created_at),
    }
}

fn source(reason: &AccessReason, on: FlakePattern) -> AccessSource {
    AccessSource {
        by: reason.by.clone(),
        subject: reason.subject.clone(),
        membership: reason.membership,
        trust_policy: reason.trust_policy.clone(),
        on,
        role: reason.role,
        pending: false,
        applies: true,
        users: reason.users.clone(),
        created_at: None,
    }
}

/// All flakes of the organisation of a target.
fn whole(target: &Target) -> Option<Target> {
    let name = target.name.organization()?.clone();
    Some(Target::organization(target.organization_id, name))
}

fn whole_name(name: &FlakePattern) -> FlakePattern {
    match name.organization() {
        Some(org) => FlakePattern::Organization(org.clone()),
        None => FlakePattern::All,
    }
}

/// Of whose access how much is told.
enum Looks {
    /// Their own, as their token narrows it.
    Own,
    /// Everything, to a server administrator.
    Everything,
    /// What concerns these organisations, by their internal ids.
    In(BTreeSet<i64>),
}

impl Looks {
    /// # Errors
    /// 401 for the anonymous, 403 for who asks about somebody else and administers nothing. Whether there is such
    /// an account was not looked at.
    fn of(caller: &Caller, user: &str) -> Result<Self, ApiError> {
        let principal = caller.principal()?;
        if principal.is_called(user) {
            caller.require(Permission::Pull)?;
            caller.named_view()?;
            return Ok(Self::Own);
        }
        if caller.server_administrator().is_ok() {
            return Ok(Self::Everything);
        }
        let administered = caller.administered_organizations()?;
        if administered.is_empty() {
            return Err(ApiError::Forbidden(
                "only users themselves, server administrators, and administrators of an organisation (with a token \
                 that reaches all of it) can see what a user has access to"
                    .to_owned(),
            ));
        }
        let ids = administered.into_iter().map(|organization| organization.id);
        Ok(Self::In(ids.collect()))
    }

    fn sees(&self, caller: &Caller, organization: i64) -> bool {
        match self {
            Self::Everything => true,
            Self::In(ids) => ids.contains(&organization),
            Self::Own => caller.principal().is_ok_and(|principal| {
                let name = caller.organization_name(organization);
                name.is_some_and(|name| principal.touches(name))
            }),
        }
    }
}

/// What the database says of an account.
struct Known {
    account: Account,
    holdings: Holdings,
    teams: Vec<(i64, Name)>,
    invited: Vec<(i64, OrganizationRole)>,
    pending: Vec<(i64, OfferedGrant)>,
}

/// `GET /api/v1/users/{user}/access`.
pub(crate) async fn of_user(
    State(state): State<AppState>,
    caller: Caller,
    path: UserPath,
) -> Answer<Json<UserAccess>> {
    let looks = Looks::of(&caller, &path.user)?;
    let own = caller
        .principal()
        .ok()
        .filter(|_| matches!(looks, Looks::Own));
    let known = known(&state, own, &path.user).await?;
    let flakes = flakes(&caller, &looks, &known);
    let policies = own.and_then(|principal| principal.workload.as_ref());
    let policies = policies.map_or_else(Vec::new, |workload| workload.info.policies.clone());
    let whose = Whose::Account(known.account.id, policies);
    let flakes = with_reasons(&state, flakes, whose).await?;
    let narrowed_by = own.map_or_else(Vec::new, narrowed_by);
    let is_told = !matches!(looks, Looks::In(_));
    let organizations = organizations(&caller, &looks, &known);
    // Of somebody who has nothing to do with the caller's organisations nothing is told.
    let tells_state = is_told || !organizations.is_empty();
    Ok(Json(UserAccess {
        user: known.account.name.clone(),
        account: is_told.then(|| known.account.info()),
        disabled: known.account.disabled_at.is_some() && tells_state,
        complete: is_told && narrowed_by.is_empty(),
        organizations,
        flakes,
        narrowed_by,
    }))
}

/// What is known of an account; of the caller's own what their credentials give them.
async fn known(state: &AppState, own: Option<&Principal>, user: &str) -> Result<Known, ApiError> {
    let held = own.map(|principal| (principal.account_id, principal.holdings.clone()));
    let name: Option<Name> = user.parse().ok();
    let found = state.database().read(move |read| {
        let account = match (&held, &name) {
            (Some((id, _)), _) => accounts::get(read, *id)?,
            (None, Some(name)) => accounts::find_named(read, name)?,
            (None, None) => None,
        };
        let Some(account) = account else {
            return Ok(None);
        };
        let id = account.id;
        let holdings = match held {
            Some((_, holdings)) => holdings,
            // What they follow counts for nothing here.
            None => grants::given(read, id)?,
        };
        Ok(Some(Known {
            holdings,
            teams: teams::of_account(read, id)?,
            invited: members::invitations_of(read, id)?,
            pending: grants::pending(read, id)?,
            account,
        }))
    });
    found.await?.ok_or(ApiError::NotFound)
}

/// The flakes that an account reads at the root, as far as they are told.
fn flakes(caller: &Caller, looks: &Looks, known: &Known) -> Vec<(FlakeEntry, UserFlake)> {
    let mut found: Vec<(FlakeEntry, UserFlake)> = match looks {
        Looks::Own => {
            let view = caller.view();
            let read = view.flakes().filter_map(|(entry, role)| {
                let (_, standing) = view.standing_of(entry.id)?;
                Some((entry.clone(), flake(entry, role, standing)))
            });
            read.collect()
        }
        Looks::Everything => read_by(caller.flakes_there(None), caller, known),
        Looks::In(ids) => {
            let there = ids.iter().flat_map(|id| caller.flakes_there(Some(*id)));
            read_by(there, caller, known)
        }
    };
    found.sort_by_key(|(entry, _)| (entry.name.org.folded(), entry.name.project.folded()));
    found
}

fn read_by<'a>(
    there: impl Iterator<Item = &'a FlakeEntry>,
    caller: &Caller,
    known: &Known,
) -> Vec<(FlakeEntry, UserFlake)> {
    let holdings = &known.holdings;
    let read = there.filter_map(|entry| {
        let facts = entry.facts();
        let standing = holdings.standing(facts, Named::No, caller.everybody())?;
        Some((entry.clone(), flake(entry, holdings.role(facts), standing)))
    });
    read.collect()
}

fn flake(entry: &FlakeEntry, role: Option<Role>, standing: fh_auth::Standing) -> UserFlake {
    UserFlake {
        flake: entry.name.clone(),
        visibility: entry.visibility,
        role,
        standing: match standing {
            fh_auth::Standing::Own => Standing::Own,
            fh_auth::Standing::Accepted => Standing::Accepted,
            fh_auth::Standing::Followed(_) | fh_auth::Standing::Named => Standing::Followed,
        },
        reasons: Vec::new(),
    }
}

/// The same with what lets the account read each: one reading for each organisation, however many flakes it has.
async fn with_reasons(
    state: &AppState,
    flakes: Vec<(FlakeEntry, UserFlake)>,
    whose: Whose,
) -> Result<Vec<UserFlake>, ApiError> {
    let found = state.database().read(move |read| {
        let mut loaded: HashMap<i64, Facts<'_>> = HashMap::new();
        let mut found = Vec::with_capacity(flakes.len());
        for (entry, flake) in flakes {
            let organization = entry.organization_id;
            let facts = match loaded.remove(&organization) {
                Some(facts) => facts,
                None => Facts::load(read, organization, None, &whose, Told::OWN)?,
            };
            let target = Target::flake(organization, entry.id, entry.name);
            found.push(UserFlake {
                reasons: facts.reasons(&target, entry.visibility),
                ..flake
            });
            loaded.insert(organization, facts);
        }
        Ok(found)
    });
    Ok(found.await?)
}

/// Where an account belongs or is invited, as far as it is told.
fn organizations(caller: &Caller, looks: &Looks, known: &Known) -> Vec<UserOrganization> {
    let holdings = &known.holdings;
    let own = holdings.own_organizations();
    let accepted = holdings.accepted_organizations();
    let invited = known.invited.iter().map(|(id, _)| *id);
    let offered = known.pending.iter().map(|(id, _)| *id);
    let all: BTreeSet<i64> = own.chain(accepted).chain(invited).chain(offered).collect();
    // What is offered tells names of private flakes: a token that sees a part of them is told of none.
    let tells_offers =
        !matches!(looks, Looks::Own) || caller.require_everything(Permission::Pull).is_ok();
    // Nor are people and teams shown to a token that was narrowed below the organisation.
    let tells_teams = |name: &Name| {
        !matches!(looks, Looks::Own) || caller.organization_of_member(name.as_str()).is_ok()
    };
    let mut found = BTreeMap::new();
    for id in all.into_iter().filter(|id| looks.sees(caller, *id)) {
        let Some(name) = caller.organization_name(id) else {
            continue;
        };
        let of_this = |(organization, _): &&(i64, Name)| *organization == id && tells_teams(name);
        let teams = known.teams.iter().filter(of_this);
        let invited = known
            .invited
            .iter()
            .find(|(organization, _)| *organization == id);
        let pending = known.pending.iter();
        let pending = pending.filter(|(organization, _)| tells_offers && *organization == id);
        let organization = UserOrganization {
            organization: name.clone(),
            affiliation: affiliation(caller, looks, known, id),
            invited_as: invited.map(|(_, role)| *role).filter(|_| tells_offers),
            teams: teams.map(|(_, team)| team.clone()).collect(),
            pending: pending.map(|(_, grant)| grant.clone()).collect(),
        };
        let says_nothing = organization.affiliation == Affiliation::Invited
            && organization.invited_as.is_none()
            && organization.pending.is_empty();
        if !says_nothing {
            found.insert(name.folded(), organization);
        }
    }
    found.into_values().collect()
}

fn affiliation(caller: &Caller, looks: &Looks, known: &Known, organization: i64) -> Affiliation {
    let holdings = &known.holdings;
    if let Some(role) = holdings.membership(organization) {
        return role.into();
    }
    if holdings.is_own(organization) {
        let principal = caller
            .principal()
            .ok()
            .filter(|_| matches!(looks, Looks::Own));
        let is_workload = principal.is_some_and(|principal| principal.workload.is_some());
        return if is_workload {
            Affiliation::Workload
        } else {
            Affiliation::ServiceAccount
        };
    }
    let mut accepted = holdings.accepted_organizations();
    if accepted.any(|accepted| accepted == organization) {
        Affiliation::Guest
    } else {
        Affiliation::Invited
    }
}
