//! What has to be changed so that the server has what the file says: decided on values, in the order in which it can
//! be done.
//!
//! Invariants: nothing is removed unless that was asked for, and never by a section that the file does not have; the
//! caller's own membership is neither removed nor made less; after every step was done, the same file makes an empty
//! plan.

mod authority;
mod organization;
mod own;
mod people;
mod prune;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use fh_api::{
    CreateFlake, FlakeName, FlakePattern, Name, OrganizationRole, Permission, Role, SetFollows,
    SetTrustPolicy, Subject, UpdateFlake, UpdateOrganization,
};
use serde::Serialize;
use serde_json::Value;

use self::organization::Planner;
use super::file::File;
use super::names::contains;
use super::problem::{Problem, Spot};
use super::state::Present;

/// What a step does to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Sign {
    Add,
    Change,
    Remove,
}

/// When a step is done: what others need comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
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
pub(super) enum Request {
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

/// One change.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    #[serde(skip)]
    stage: Stage,
    #[serde(skip)]
    pub(super) request: Request,
    /// What of the file it is for.
    #[serde(skip)]
    spot: Spot,
    pub(super) change: Sign,
    /// What kind of thing.
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: String,
    /// What it is; none where it is not there.
    pub(super) from: Option<String>,
    /// What it is going to be; none where it is removed.
    pub(super) to: Option<String>,
}

impl Step {
    /// What kind of thing it is about, and which.
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.kind.replace('-', " "), self.name)
    }

    /// Whether the same file brings back what this removes, as it was.
    pub(super) fn can_be_undone(&self) -> bool {
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
pub(super) struct Plan {
    /// In the order in which it is done.
    pub(super) steps: Vec<Step>,
    /// What the server alone can compare with what it has; done beside the steps, and no change where it is the same.
    pub(super) checks: Vec<Step>,
    /// What the file says and is not done now, as sentences.
    pub(super) notes: Vec<String>,
    /// What of the steps takes something from the caller, as sentences.
    pub(super) warnings: Vec<String>,
}

impl Plan {
    /// With sentences that come before its own.
    pub(super) fn noting(mut self, mut notes: Vec<String>) -> Self {
        notes.append(&mut self.notes);
        Self { notes, ..self }
    }

    /// How many steps remove something.
    pub(super) fn removals(&self) -> usize {
        let steps = self.steps.iter();
        steps.filter(|step| step.change == Sign::Remove).count()
    }
}

/// Who makes the changes.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) name: Name,
    /// With a token that manages the server.
    pub(super) administers_server: bool,
    /// What the token may be used for.
    pub(super) permissions: Vec<Permission>,
}

/// What a plan is made from, beside the file.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Folded names of the accounts that there are, of those that the file names.
    pub(super) accounts: &'a BTreeSet<String>,
    /// What the organisations of the file have.
    pub(super) present: &'a BTreeMap<Name, Present>,
    pub(super) caller: &'a Caller,
    /// Keys of issuers, by the file that the policy names.
    pub(super) keys: &'a BTreeMap<PathBuf, Value>,
    /// Public keys that the server signs with.
    pub(super) server_keys: &'a [String],
}

/// Compares the file, under present names, with what is there. With `prune`, what the file's sections do not list is
/// removed.
///
/// # Errors
/// Where the file contradicts itself, or the caller may not do what it says: all of it.
pub(super) fn plan(file: &File, facts: &Facts<'_>, prune: bool) -> Result<Plan, Vec<Problem>> {
    let (mut plan, mut problems) = (Plan::default(), Vec::new());
    let users = file.users.iter();
    for user in users.filter(|user| !facts.accounts.contains(&user.folded())) {
        if !facts.caller.administers_server {
            let reason =
                format!("{user} is not there, and only server administrators can create accounts");
            problems.push(user.spot.problem(reason));
        }
        plan.steps.push(Step {
            stage: Stage::Users,
            request: Request::CreateUser(user.value.clone()),
            spot: user.spot.clone(),
            change: Sign::Add,
            kind: "user",
            name: user.to_string(),
            from: None,
            to: None,
        });
    }
    for (org, wanted) in &file.org {
        let Some(present) = facts.present.get(&org.value) else {
            continue;
        };
        let mut planner = Planner {
            org,
            wanted,
            present,
            facts,
            prune,
            plan: Plan::default(),
            problems: Vec::new(),
        };
        planner.everything();
        let of_org = planner.plan;
        problems.extend(planner.problems);
        problems.extend(authority::lacking(&of_org, present, facts.caller));
        plan.warnings
            .extend(own::lost(&of_org, present, &facts.caller.name));
        plan.steps.extend(of_org.steps);
        plan.checks.extend(of_org.checks);
        plan.notes.extend(of_org.notes);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    plan.steps.sort_by_key(|step| step.stage);
    Ok(plan)
}
