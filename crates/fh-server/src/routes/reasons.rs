//! What lets whom read a slice, fact by fact.
//!
//! Each fact is asked about by itself, as if it were all that somebody holds: so what stands here is
//! what [`Holdings`] makes of it, and there is no second copy of the rules.

use fh_api::{AccessReason, Name, Role, Subject};
use fh_auth::{Follows, Holdings, Named};
use rusqlite::Connection;

use crate::access::{Caller, FlakeEntry};
use crate::database::{DatabaseError, explain};

/// The most accounts that are named for one reason.
const MAX_USERS: usize = 100;

/// About whom the reasons are.
#[derive(Debug, Clone)]
pub(super) enum Whose {
    /// Everybody who is not disabled, and workloads.
    Everybody,
    /// One account, and the workloads that these policies let in, as `org/policy`.
    Account(i64, Vec<String>),
}

/// What is told of an organisation to whom reasons are told. The grants on the flake itself are always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Its members, and who is in its teams.
    pub(super) members: bool,
    /// Its grants on every flake, and its trust policies.
    pub(super) administration: bool,
    /// Which of the accounts that were granted something by name belong there.
    pub(super) belonging: bool,
}

impl Told {
    /// To somebody of what they hold themselves.
    pub(super) const OWN: Self = Self {
        members: true,
        administration: true,
        belonging: true,
    };

    /// What the lists of a flake's organisation show to a caller.
    pub(super) fn to(caller: &Caller, flake: &FlakeEntry) -> Self {
        let organization = flake.name.org.as_str();
        Self {
            members: caller.organization_of_member(organization).is_ok(),
            administration: caller.organization_to_administer(organization).is_ok(),
            belonging: caller.may_know_members_of(flake.organization_id),
        }
    }
}

/// The reasons for which a slice is readable, as far as they are told: visibility, memberships, grants, trust
/// policies.
///
/// An unlisted flake is readable by visibility: for everybody who names it.
pub(super) fn of_slice(
    connection: &Connection,
    flake: &FlakeEntry,
    whose: &Whose,
    told: Told,
) -> Result<Vec<AccessReason>, DatabaseError> {
    let (facts, organization) = (flake.facts(), flake.organization_id);
    let account = match whose {
        Whose::Everybody => None,
        Whose::Account(id, _) => Some(*id),
    };
    let mut reasons = Vec::new();
    let nobody = Holdings::default();
    if nobody
        .standing(facts, Named::Flake, &Follows::default())
        .is_some()
    {
        reasons.push(AccessReason {
            by: "visibility".to_owned(),
            subject: None,
            trust_policy: None,
            role: None,
            organization_wide: false,
            users: Vec::new(),
        });
    }
    let members = if told.members {
        explain::members(connection, organization, account)?
    } else {
        Vec::new()
    };
    for (user, role) in members {
        let mut alone = Holdings::default();
        alone.add_membership(organization, role);
        if let Some(role) = alone.role(facts) {
            add(&mut reasons, "membership", None, role, true, Some(user));
        }
    }
    let mut by_grants = Vec::new();
    for grant in explain::grants(connection, organization, flake.id, account)? {
        if grant.organization_wide && !told.administration {
            continue;
        }
        // For whom a grant to a team or to all members counts says who is in it.
        let is_by_name = matches!(grant.subject, Subject::User(_));
        // A grant by name that counts without having been accepted says who belongs to the organisation.
        if is_by_name && !grant.is_guest && !told.belonging {
            continue;
        }
        let names_its_users = is_by_name || told.members;
        if !names_its_users && account.is_some() {
            continue;
        }
        let mut alone = Holdings::default();
        if grant.organization_wide {
            alone.add_organization_grant(organization, grant.role);
        } else {
            alone.add_flake_grant(organization, flake.id, grant.role);
        }
        if let Some(role) = alone.role(facts) {
            let (subject, wide) = (Some(grant.subject), grant.organization_wide);
            let user = Some(grant.holder).filter(|_| names_its_users);
            add(&mut by_grants, "grant", subject, role, wide, user);
        }
    }
    by_grants.sort_by(|a, b| {
        let key = |reason: &AccessReason| (reason.subject.clone(), reason.organization_wide);
        key(a).cmp(&key(b))
    });
    reasons.append(&mut by_grants);
    let policies = if told.administration {
        explain::policies(connection, organization)?
    } else {
        Vec::new()
    };
    for policy in policies {
        let (org, project) = (flake.name.org.as_str(), flake.name.project.as_str());
        let counts = match whose {
            Whose::Everybody => true,
            Whose::Account(_, policies) => {
                let name = format!("{org}/{}", policy.name);
                policies.iter().any(|mine| mine.eq_ignore_ascii_case(&name))
            }
        };
        let reaches = policy
            .flakes
            .iter()
            .find(|pattern| pattern.matches(org, project));
        if let Some(pattern) = reaches.filter(|_| counts) {
            reasons.push(AccessReason {
                by: "trust policy".to_owned(),
                subject: None,
                trust_policy: Some(policy.name),
                role: Some(policy.role),
                organization_wide: !matches!(pattern, fh_api::FlakePattern::Flake(_)),
                users: Vec::new(),
            });
        }
    }
    Ok(reasons)
}

/// Adds an account, if it may be named, to the reason that it shares with others. They come sorted by name.
fn add(
    reasons: &mut Vec<AccessReason>,
    by: &str,
    subject: Option<Subject>,
    role: Role,
    organization_wide: bool,
    user: Option<Name>,
) {
    let same = reasons.iter_mut().find(|reason| {
        reason.by == by
            && reason.subject == subject
            && reason.role == Some(role)
            && reason.organization_wide == organization_wide
    });
    match same {
        Some(reason) if reason.users.len() < MAX_USERS => reason.users.extend(user),
        Some(_) => {}
        None => reasons.push(AccessReason {
            by: by.to_owned(),
            subject,
            trust_policy: None,
            role: Some(role),
            organization_wide,
            users: user.into_iter().collect(),
        }),
    }
}
