//! What lets whom read a slice, or use all of an organisation's, fact by fact.
//!
//! Each fact is asked about by itself, as if it were all that somebody holds: so what stands here is
//! what [`Holdings`] makes of it, and there is no second copy of the rules.

use fh_access::{Caller, FlakeEntry};
use fh_api::{AccessReason, Name, OrganizationRole, Role, Subject, Visibility};
use fh_auth::{FlakeFacts, Follows, Holdings, Named};
use fh_persistence::database::explain::{self, HeldGrant, PolicyGrant};
use fh_persistence::database::{DatabaseError, grants::Target};
use fh_sql::Read;

/// The most accounts that are named for one reason where a path is explained.
const MAX_USERS: usize = 100;

/// About whom the reasons are.
#[derive(Debug, Clone)]
pub(super) enum Whose {
    /// Everybody who is not disabled, and workloads.
    Everybody,
    /// One account, and the workloads that these policies let in, as `org/policy`.
    Account(i64, Vec<String>),
}

impl Whose {
    fn account(&self) -> Option<i64> {
        match self {
            Self::Everybody => None,
            Self::Account(id, _) => Some(*id),
        }
    }
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

    /// What the lists of an organisation show to a caller.
    pub(super) fn to(caller: &Caller, name: &Name, organization_id: i64) -> Self {
        let name = name.as_str();
        Self {
            members: caller.organization_of_member(name).is_ok(),
            administration: caller.organization_to_administer(name).is_ok(),
            belonging: caller.may_know_members_of(organization_id),
        }
    }
}

/// What may be a reason in one organisation, as far as it is told.
pub(super) struct Facts<'a> {
    whose: &'a Whose,
    told: Told,
    /// Of these accounts at most the names are told, for one reason.
    most: usize,
    members: Vec<(Name, OrganizationRole)>,
    grants: Vec<HeldGrant>,
    policies: Vec<PolicyGrant>,
}

impl<'a> Facts<'a> {
    /// Of one flake of an organisation, or of all of its flakes, in one reading each.
    pub(super) fn load(
        read: &Read,
        organization: i64,
        flake: Option<i64>,
        whose: &'a Whose,
        told: Told,
    ) -> Result<Self, DatabaseError> {
        let account = whose.account();
        Ok(Self {
            whose,
            told,
            most: usize::MAX,
            members: if told.members {
                explain::members(read, organization, account)?
            } else {
                Vec::new()
            },
            grants: explain::grants(read, organization, flake, account)?,
            policies: if told.administration {
                explain::policies(read, organization)?
            } else {
                Vec::new()
            },
        })
    }

    /// The reasons for which a target is readable: visibility, memberships, grants, trust policies. What counts for an
    /// organisation counts for each of its flakes.
    ///
    /// An unlisted flake is readable by visibility: for everybody who names it.
    pub(super) fn reasons(&self, target: &Target, visibility: Visibility) -> Vec<AccessReason> {
        let facts = FlakeFacts {
            // No flake has the number 0: what is held on one alone does not count for an organisation.
            id: target.flake_id.unwrap_or(0),
            organization: target.organization_id,
            visibility,
        };
        let mut reasons = Vec::new();
        let nobody = Holdings::default();
        if nobody
            .standing(facts, Named::Flake, &Follows::default())
            .is_some()
        {
            reasons.push(AccessReason {
                by: "visibility".to_owned(),
                ..nothing()
            });
        }
        for (user, membership) in &self.members {
            let mut alone = Holdings::default();
            alone.add_membership(facts.organization, *membership);
            if let Some(role) = alone.role(facts) {
                let reason = AccessReason {
                    by: "membership".to_owned(),
                    membership: Some(*membership),
                    role: Some(role),
                    organization_wide: true,
                    ..nothing()
                };
                self.add(&mut reasons, reason, Some(user));
            }
        }
        let mut by_grants = Vec::new();
        for grant in &self.grants {
            self.add_grant(&mut by_grants, grant, facts);
        }
        by_grants.sort_by(|a, b| {
            let key = |reason: &AccessReason| (reason.subject.clone(), reason.organization_wide);
            key(a).cmp(&key(b))
        });
        reasons.append(&mut by_grants);
        let by_policies = self.policies.iter();
        reasons.extend(by_policies.filter_map(|policy| self.of_policy(policy, target)));
        reasons
    }

    fn add_grant(&self, reasons: &mut Vec<AccessReason>, grant: &HeldGrant, facts: FlakeFacts) {
        if grant.flake.is_some_and(|flake| flake != facts.id) {
            return;
        }
        let organization_wide = grant.flake.is_none();
        if organization_wide && !self.told.administration {
            return;
        }
        // For whom a grant to a team or to all members counts says who is in it.
        let is_by_name = matches!(grant.subject, Subject::User(_));
        // A grant by name that counts without having been accepted says who belongs to the organisation.
        if is_by_name && !grant.is_guest && !self.told.belonging {
            return;
        }
        let names_its_users = is_by_name || self.told.members;
        if !names_its_users && self.whose.account().is_some() {
            return;
        }
        let mut alone = Holdings::default();
        match grant.flake {
            None => alone.add_organization_grant(facts.organization, grant.role),
            Some(flake) => alone.add_flake_grant(facts.organization, flake, grant.role),
        }
        if let Some(role) = alone.role(facts) {
            let reason = AccessReason {
                by: "grant".to_owned(),
                subject: Some(grant.subject.clone()),
                role: Some(role),
                organization_wide,
                ..nothing()
            };
            let user = names_its_users.then_some(&grant.holder);
            self.add(reasons, reason, user);
        }
    }

    fn of_policy(&self, policy: &PolicyGrant, target: &Target) -> Option<AccessReason> {
        let counts = match self.whose {
            Whose::Everybody => true,
            Whose::Account(_, policies) => {
                let org = target.name.organization().map_or("", Name::as_str);
                let name = format!("{org}/{}", policy.name);
                policies.iter().any(|mine| mine.eq_ignore_ascii_case(&name))
            }
        };
        let mut patterns = policy.flakes.iter();
        let pattern = patterns
            .find(|pattern| pattern.includes(&target.name))
            .filter(|_| counts)?;
        Some(AccessReason {
            by: "trust policy".to_owned(),
            trust_policy: Some(policy.name.clone()),
            role: Some(policy.role),
            organization_wide: !matches!(pattern, fh_api::FlakePattern::Flake(_)),
            ..nothing()
        })
    }

    /// Adds an account, if it may be named, to the reason that it shares with others. They come sorted by name.
    fn add(&self, reasons: &mut Vec<AccessReason>, reason: AccessReason, user: Option<&Name>) {
        let same = reasons.iter_mut().find(|other| {
            other.by == reason.by
                && other.subject == reason.subject
                && other.membership == reason.membership
                && other.role == reason.role
                && other.organization_wide == reason.organization_wide
        });
        let user = user.cloned();
        match same {
            Some(other) if other.users.len() < self.most => other.users.extend(user),
            Some(_) => {}
            None => reasons.push(AccessReason {
                users: user.into_iter().collect(),
                ..reason
            }),
        }
    }
}

/// The reasons for which a slice that holds a path is readable, each with 100 accounts at most.
pub(super) fn of_slice(
    read: &Read,
    flake: &FlakeEntry,
    whose: &Whose,
    told: Told,
) -> Result<Vec<AccessReason>, DatabaseError> {
    let facts = Facts {
        most: MAX_USERS,
        ..Facts::load(read, flake.organization_id, Some(flake.id), whose, told)?
    };
    let target = Target::flake(flake.organization_id, flake.id, flake.name.clone());
    Ok(facts.reasons(&target, flake.visibility))
}

/// A reason that gives nothing to nobody.
fn nothing() -> AccessReason {
    AccessReason {
        by: String::new(),
        subject: None,
        membership: None,
        trust_policy: None,
        role: None::<Role>,
        organization_wide: false,
        users: Vec::new(),
    }
}
