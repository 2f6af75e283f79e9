//! What a plan takes from the person who runs it: each of these is told in a line of its own, and asked about.
//!
//! Their membership is never made less ([`super::people`]). What is left are grants, to them by name, to a team of
//! theirs and to all members, and places in teams. Owners and admins of an organisation hold everything in it anyhow.

use fh_api::{Name, OrganizationRole, Role, Subject};

use super::super::names::contains;
use super::super::state::Present;
use super::step::{Plan, Request, Step};
use crate::similar::is_same_name;

/// A sentence for each step that takes something from the caller.
pub(super) fn lost(plan: &Plan, present: &Present, caller: &Name) -> Vec<String> {
    if present.is_new || present.role >= Some(OrganizationRole::Admin) {
        return Vec::new();
    }
    let taking = plan
        .steps
        .iter()
        .filter(|step| takes(step, present, caller));
    taking
        .map(|step| format!("! This lowers your own role: {step}"))
        .collect()
}

fn takes(step: &Step, present: &Present, caller: &Name) -> bool {
    let is_in = |team: &Name| {
        let team = present.team(team);
        team.is_some_and(|team| contains(&team.members, caller))
    };
    let is_theirs = |subject: &Subject| match subject {
        Subject::User(user) => is_same_name(user, caller),
        Subject::Team(team) => is_in(team),
        Subject::Members => present.member(caller).is_some_and(|member| !member.invited),
    };
    match &step.request {
        Request::SetGrant(_, subject, role) => {
            let before = step
                .from
                .as_deref()
                .and_then(|role| role.parse::<Role>().ok());
            before > Some(*role) && is_theirs(subject)
        }
        Request::RemoveGrant(_, subject) => is_theirs(subject),
        Request::RemoveFromTeam(_, team, user) => is_same_name(user, caller) && is_in(team),
        Request::DeleteTeam(_, team) => is_in(team),
        _ => false,
    }
}
