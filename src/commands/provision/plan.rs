//! What has to be changed so that the server has what the file says: decided on values, in the order in which it can
//! be done.
//!
//! Invariants: nothing is removed unless that was asked for, and never by a section that the file does not have; the
//! caller's own membership is neither removed nor made less; after every step was done, the same file makes an empty
//! plan.

mod authority;
mod facts;
mod organization;
mod own;
mod people;
mod prune;
mod step;
#[cfg(test)]
mod tests;

use self::organization::Planner;
use super::file::File;
use super::problem::Problem;

pub(super) use self::facts::{Caller, Facts};
pub(super) use self::step::{Plan, Request, Sign, Step};

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
        let request = Request::CreateUser(user.value.clone());
        plan.steps.push(Step::new(request, &user.spot, None, None));
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
