//! What the caller may not do, as far as that is known before the server is asked to do it.
//!
//! The server decides again, by rules of its own (`access/organizations.rs`, and the routes of each noun): this tells
//! a person before the first step what would end the run in the middle.

use fh_api::{FlakePattern, OrganizationRole, Role, SetTrustPolicy, Subject};
use fh_auth::policy::{makes_administrators, permissions_given};

use super::super::problem::Problem;
use super::super::state::Present;
use super::facts::Caller;
use super::step::{Plan, Request, Step};

/// The steps of one organisation that the caller may not do.
pub(super) fn lacking(plan: &Plan, present: &Present, caller: &Caller) -> Vec<Problem> {
    let is_owner = present.role == Some(OrganizationRole::Owner);
    let steps = plan.steps.iter().chain(&plan.checks);
    let mut problems = Vec::new();
    for step in steps {
        if !is_owner && needs_owner(step, present) {
            let org = &present.name;
            let you = present
                .role
                .map_or("not a member", OrganizationRole::as_str);
            let reason = format!("only owners of {org} can do this (`{step}`), and you are {you}");
            problems.push(step.spot.problem(reason));
        }
        if let Request::SetPolicy(_, _, policy) = &step.request {
            let lacked = lacked(policy, caller);
            if !lacked.is_empty() {
                let reason = format!(
                    "a trust policy cannot grant what your token lacks, and it lacks {}",
                    lacked.join(" and ")
                );
                problems.push(step.spot.problem(reason));
            }
        }
    }
    problems
}

/// Whether only an owner may do it.
fn needs_owner(step: &Step, present: &Present) -> bool {
    let was = |user| present.member(user).map(|member| member.role);
    match &step.request {
        Request::UpdateOrganization(..) | Request::SetFollows(_) => true,
        Request::SetMember(_, user, role) => {
            was(user).max(Some(*role)) >= Some(OrganizationRole::Admin)
                || administers(present, &Subject::Members)
        }
        Request::RemoveMember(_, user) => {
            was(user) >= Some(OrganizationRole::Admin)
                || administers(present, &Subject::User(user.clone()))
        }
        Request::AddToTeam(_, team, _)
        | Request::RemoveFromTeam(_, team, _)
        | Request::DeleteTeam(_, team) => administers(present, &Subject::Team(team.clone())),
        Request::SetGrant(FlakePattern::Organization(_), subject, role) => {
            *role == Role::Admin || administers(present, subject)
        }
        Request::RemoveGrant(FlakePattern::Organization(_), subject) => {
            administers(present, subject)
        }
        Request::SetPolicy(_, name, wanted) => {
            wanted.builder
                || makes_administrators(wanted.role, &wanted.flakes)
                || present.policy(name).is_some_and(|before| {
                    before.builder || makes_administrators(before.role, &before.flakes)
                })
        }
        Request::RemovePolicy(_, name) => {
            let before = present.policy(name);
            before.is_some_and(|before| makes_administrators(before.role, &before.flakes))
        }
        Request::CreateUser(_)
        | Request::CreateOrganization(_)
        | Request::CreateServiceAccount(..)
        | Request::CreateTeam(..)
        | Request::CreateFlake(_)
        | Request::UpdateFlake(..)
        | Request::DeleteFlake(_)
        | Request::SetGrant(..)
        | Request::RemoveGrant(..)
        | Request::RemoveServiceAccount(..) => false,
    }
}

/// Whether a subject was granted `admin` on the whole organisation, which makes it an administrator.
fn administers(present: &Present, subject: &Subject) -> bool {
    let mut grants = present.grants.iter();
    grants.any(|grant| grant.role == Role::Admin && grant.subject.folded() == subject.folded())
}

/// The permissions that a policy gives and the caller's token lacks.
fn lacked(policy: &SetTrustPolicy, caller: &Caller) -> Vec<String> {
    permissions_given(policy.role, policy.mint)
        .filter(|permission| !caller.permissions.contains(permission))
        .map(|permission| format!("\"{permission}\""))
        .collect()
}
