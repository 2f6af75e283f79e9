//! The steps of a plan: what is asked of the server, in which order, and how each is told.

use std::fmt;

use fh_api::{
    CreateFlake, FlakeName, FlakePattern, Name, OrganizationRole, Role, SetFollows, SetTrustPolicy,
    Subject, UpdateFlake, UpdateOrganization,
};
use serde::Serialize;

use super::super::problem::Spot;

/// What a step does to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::commands::provision) enum Sign {
    Add,
    Change,
    Remove,
}

/// When a step is done: what others need comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Users,
    Organizations,
    Settings,
    ServiceAccounts,
    Members,
    /// Before grants: they take somebody's grants with them.
    FormerMembers,
    Teams,
    Flakes,
    Grants,
    Policies,
    Follows,
    Rest,
}

/// A request to the server.
#[derive(Debug, Clone)]
pub(in crate::commands::provision) enum Request {
    CreateUser(Name),
    CreateOrganization(Name),
    UpdateOrganization(Name, UpdateOrganization),
    CreateServiceAccount(Name, Name),
    SetMember(Name, Name, OrganizationRole),
    RemoveMember(Name, Name),
    CreateTeam(Name, Name),
    AddToTeam(Name, Name, Name),
    RemoveFromTeam(Name, Name, Name),
    DeleteTeam(Name, Name),
    CreateFlake(CreateFlake),
    UpdateFlake(FlakeName, UpdateFlake),
    DeleteFlake(FlakeName),
    SetGrant(FlakePattern, Subject, Role),
    RemoveGrant(FlakePattern, Subject),
    SetPolicy(Name, Name, Box<SetTrustPolicy>),
    RemovePolicy(Name, Name),
    SetFollows(SetFollows),
    RemoveServiceAccount(Name, Name),
}

impl Request {
    /// When it is done, what kind of thing it is about, and which one.
    fn about(&self) -> (Stage, &'static str, String) {
        let of = |org: &Name, name: &Name| format!("{org}/{name}");
        let within = |org: &Name, team: &Name, user: &Name| format!("{org}/{team}/{user}");
        match self {
            Self::CreateUser(user) => (Stage::Users, "user", user.to_string()),
            Self::CreateOrganization(org) => (Stage::Organizations, "org", org.to_string()),
            Self::UpdateOrganization(org, change) => {
                let setting = match change {
                    UpdateOrganization { push: Some(_), .. } => "who-pushes",
                    UpdateOrganization {
                        renewal: Some(_), ..
                    } => "who-renews",
                    _ => "trusted-keys",
                };
                (Stage::Settings, setting, org.to_string())
            }
            Self::CreateServiceAccount(org, name) => {
                (Stage::ServiceAccounts, "service-account", of(org, name))
            }
            Self::RemoveServiceAccount(org, name) => {
                (Stage::Rest, "service-account", of(org, name))
            }
            Self::SetMember(org, user, _) => (Stage::Members, "member", of(org, user)),
            Self::RemoveMember(org, user) => (Stage::FormerMembers, "member", of(org, user)),
            Self::CreateTeam(org, team) => (Stage::Teams, "team", of(org, team)),
            Self::AddToTeam(org, team, user) | Self::RemoveFromTeam(org, team, user) => {
                (Stage::Teams, "team-member", within(org, team, user))
            }
            Self::DeleteTeam(org, team) => (Stage::Rest, "team", of(org, team)),
            Self::CreateFlake(new) => (Stage::Flakes, "flake", new.flake.to_string()),
            Self::UpdateFlake(flake, change) => {
                let property = match change.visibility {
                    Some(_) => "visibility",
                    None => "description",
                };
                (Stage::Flakes, property, flake.to_string())
            }
            Self::DeleteFlake(flake) => (Stage::Rest, "flake", flake.to_string()),
            Self::SetGrant(on, subject, _) | Self::RemoveGrant(on, subject) => {
                (Stage::Grants, "grant", format!("{on} {subject}"))
            }
            Self::SetPolicy(org, policy, _) => (Stage::Policies, "trust-policy", of(org, policy)),
            Self::RemovePolicy(org, policy) => (Stage::Rest, "trust-policy", of(org, policy)),
            Self::SetFollows(follows) => {
                let org = follows.org.as_ref().map(ToString::to_string);
                (Stage::Follows, "follows-of", org.unwrap_or_default())
            }
        }
    }

    /// The section of the file that does not list what this removes; none for what removes nothing.
    pub(super) fn lacking_in(&self) -> Option<&'static str> {
        match self {
            Self::RemoveMember(..) => Some("members"),
            Self::RemoveFromTeam(..) | Self::DeleteTeam(..) => Some("teams"),
            Self::DeleteFlake(_) | Self::RemoveGrant(FlakePattern::Flake(_), _) => Some("flakes"),
            Self::RemoveGrant(..) => Some("grants"),
            Self::RemovePolicy(..) => Some("trust"),
            Self::RemoveServiceAccount(..) => Some("service-accounts"),
            _ => None,
        }
    }
}

/// One change, with the request that makes it.
#[derive(Debug, Clone, Serialize)]
pub(in crate::commands::provision) struct Step {
    #[serde(skip)]
    pub(super) stage: Stage,
    #[serde(skip)]
    pub(in crate::commands::provision) request: Request,
    /// What of the file it is for.
    #[serde(skip)]
    pub(super) spot: Spot,
    pub(in crate::commands::provision) change: Sign,
    /// What kind of thing.
    pub(in crate::commands::provision) kind: &'static str,
    /// The name of what is changed.
    pub(in crate::commands::provision) name: String,
    /// What it is; none where it is not there.
    pub(in crate::commands::provision) from: Option<String>,
    /// What it is going to be; none where it is removed.
    pub(in crate::commands::provision) to: Option<String>,
}

impl Step {
    /// `from`: what is there; `to`: what is going to be.
    pub(super) fn new(
        request: Request,
        spot: &Spot,
        from: Option<String>,
        to: Option<String>,
    ) -> Self {
        let (stage, kind, name) = request.about();
        let change = match (request.lacking_in(), &from) {
            (Some(_), _) => Sign::Remove,
            (None, None) => Sign::Add,
            (None, Some(_)) => Sign::Change,
        };
        Self {
            stage,
            request,
            spot: spot.clone(),
            change,
            kind,
            name,
            from,
            to,
        }
    }

    /// What kind of thing it is about, and which.
    pub(in crate::commands::provision) fn what(&self) -> String {
        format!("{} {}", self.kind.replace('-', " "), self.name)
    }

    /// Whether the same file brings back what this removes, as it was.
    pub(in crate::commands::provision) fn can_be_undone(&self) -> bool {
        matches!(
            self.request,
            Request::RemoveMember(..) | Request::RemoveFromTeam(..) | Request::RemoveGrant(..)
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.change {
            Sign::Add => '+',
            Sign::Change => '~',
            Sign::Remove => '-',
        };
        write!(f, "{sign} {}", self.what())?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, ": {from} → {to}"),
            (Some(one), None) | (None, Some(one)) => write!(f, ": {one}"),
            (None, None) => Ok(()),
        }
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub(in crate::commands::provision) struct Plan {
    /// In the order in which it is done.
    pub(in crate::commands::provision) steps: Vec<Step>,
    /// What the server alone can compare with what it has; done beside the steps, and no change where it is the same.
    pub(in crate::commands::provision) checks: Vec<Step>,
    /// What the file says and is not done now, as sentences.
    pub(in crate::commands::provision) notes: Vec<String>,
    /// What of the steps takes something from the caller, as sentences.
    pub(in crate::commands::provision) warnings: Vec<String>,
}

impl Plan {
    /// With sentences that come before its own.
    pub(in crate::commands::provision) fn noting(mut self, mut notes: Vec<String>) -> Self {
        notes.append(&mut self.notes);
        Self { notes, ..self }
    }

    /// How many steps remove something.
    pub(in crate::commands::provision) fn removals(&self) -> usize {
        let steps = self.steps.iter();
        steps.filter(|step| step.change == Sign::Remove).count()
    }
}
