//! Doing what was planned, a step at a time.
//!
//! Invariant: a file that calls something by its former name changes it by no other step. The plan has taken it for
//! something that is not there, so that `--prune` would go on to remove it under its present name.

use fh_api::{
    CreateOrganization, CreateServiceAccount, CreateTeam, CreateUser, FlakePattern, Name, UserKind,
};
use fh_client::{Client, Result as ClientResult};

use super::super::is_same_name;
use super::file::Named as _;
use super::plan::{Plan, Request};
use crate::context::Context;
use crate::error::CommandError;

/// What became of a request.
enum Outcome {
    Done,
    /// An account was invited to an organisation, and has to accept.
    Invited(Name, Name),
    /// What the file calls so has another name now.
    Renamed {
        said: String,
        present: String,
    },
}

impl Outcome {
    /// That it was done to what was named, unless the server calls that otherwise.
    fn of(said: &impl ToString, present: &impl ToString) -> Self {
        let (said, present) = (said.to_string(), present.to_string());
        if said.eq_ignore_ascii_case(&present) {
            return Self::Done;
        }
        Self::Renamed { said, present }
    }
}

/// Does every step: what waits for somebody, as sentences.
///
/// # Errors
/// At the first step that fails: which one, and which were done before it.
pub(super) fn apply(
    plan: &Plan,
    client: &Client,
    context: &Context,
) -> Result<Vec<String>, CommandError> {
    let count = plan.steps.len();
    let mut done: Vec<String> = Vec::new();
    let mut invited: Vec<(Name, Name)> = Vec::new();
    let mut waiting = Vec::new();
    for (number, step) in (1..).zip(plan.steps.iter().chain(&plan.checks)) {
        if let Request::AddToTeam(org, team, user) = &step.request
            && is_among(&invited, org, user)
        {
            let again = "run the command again when they have accepted";
            waiting.push(format!(
                "{user} is not in the team {org}/{team} yet: {again}."
            ));
            continue;
        }
        let what = format!("cannot do step {number} of {count}, `{step}`");
        let outcome = context
            .change(what, async { send(client, &step.request).await })
            .map_err(|error| {
                if done.is_empty() {
                    return error.hint("No step was done before it.");
                }
                let done = done.join("\n");
                error.hint(format!(
                    "These steps were done; the same command continues after them:\n{done}"
                ))
            })?;
        match outcome {
            Outcome::Done => {}
            Outcome::Invited(org, user) if is_among(&invited, &org, &user) => {}
            Outcome::Invited(org, user) => {
                waiting.push(format!(
                    "{user} is invited to {org}; it takes effect when they accept: `fh invitation accept {org}`"
                ));
                invited.push((org, user));
            }
            Outcome::Renamed { said, present } => return Err(renamed(&said, &present)),
        }
        done.push(step.to_string());
    }
    Ok(waiting)
}

/// That the file has to say the present name.
pub(super) fn renamed(said: &str, present: &str) -> CommandError {
    CommandError::usage(format!("{said} is called {present} now")).hint(format!(
        "Write {present} in the file, and run the command again."
    ))
}

fn is_among(invited: &[(Name, Name)], org: &Name, user: &Name) -> bool {
    let mut invited = invited.iter();
    invited.any(|(there, who)| is_same_name(there, org) && is_same_name(who, user))
}

async fn send(client: &Client, request: &Request) -> ClientResult<Outcome> {
    match request {
        Request::CreateUser(name) => {
            let new = CreateUser {
                name: name.clone(),
                kind: UserKind::Human,
                exist_ok: true,
            };
            let made = client.create_user(&new).await?.value;
            return Ok(Outcome::of(name, &made.name));
        }
        Request::CreateOrganization(name) => {
            let new = CreateOrganization {
                name: name.clone(),
                exist_ok: true,
                owner: None,
            };
            let made = client.create_organization(&new).await?.value;
            return Ok(Outcome::of(name, &made.name));
        }
        Request::UpdateOrganization(org, change) => {
            client.update_organization(org, change).await?;
        }
        Request::CreateServiceAccount(org, name) => {
            let new = CreateServiceAccount {
                name: name.clone(),
                exist_ok: true,
            };
            let made = client.create_service_account(org, &new).await?.value;
            return Ok(Outcome::of(name, &made.name));
        }
        Request::SetMember(org, user, role) => {
            let member = client.set_member(org, user, *role).await?;
            if member.invited && is_same_name(&member.user, user) {
                return Ok(Outcome::Invited(org.clone(), member.user));
            }
            return Ok(Outcome::of(user, &member.user));
        }
        Request::RemoveMember(org, user) => client.remove_member(org, user).await?,
        Request::CreateTeam(org, name) => {
            let new = CreateTeam {
                name: name.clone(),
                exist_ok: true,
            };
            client.create_team(org, &new).await?;
        }
        Request::AddToTeam(org, team, user) => {
            let member = client.add_team_member(org, team, user).await?;
            return Ok(Outcome::of(user, &member.user));
        }
        Request::RemoveFromTeam(org, team, user) => {
            client.remove_team_member(org, team, user).await?;
        }
        Request::DeleteTeam(org, team) => client.delete_team(org, team).await?,
        Request::CreateFlake(new) => {
            let made = client.create_flake(new).await?.value;
            return Ok(Outcome::of(&new.flake, &made.flake));
        }
        Request::UpdateFlake(flake, change) => {
            client.update_flake(flake, change).await?;
        }
        Request::DeleteFlake(flake) => client.delete_flake(flake).await?,
        Request::SetGrant(on, subject, role) => {
            let grant = client.set_grant(on, subject, *role).await?;
            if let Outcome::Renamed { said, present } = Outcome::of(subject, &grant.subject) {
                return Ok(Outcome::Renamed { said, present });
            }
            if grant.pending
                && let (fh_api::Subject::User(user), Some(org)) = (grant.subject, org_of(on))
            {
                return Ok(Outcome::Invited(org, user));
            }
        }
        Request::RemoveGrant(on, subject) => client.remove_grant(on, subject).await?,
        Request::SetPolicy(org, policy, wanted) => {
            let set = client.set_trust_policy(org, policy, wanted).await?;
            return Ok(same_patterns(&wanted.flakes, &set.flakes));
        }
        Request::RemovePolicy(org, policy) => client.remove_trust_policy(org, policy).await?,
        Request::SetFollows(wanted) => {
            let set = client.set_follows(wanted).await?;
            return Ok(same_patterns(&wanted.follows, &set.follows));
        }
        Request::RemoveServiceAccount(org, name) => {
            client.remove_service_account(org, name).await?;
        }
    }
    Ok(Outcome::Done)
}

/// That all of these are there under the names that were said.
fn same_patterns(said: &[FlakePattern], present: &[FlakePattern]) -> Outcome {
    let lacks = |among: &[FlakePattern], one: &FlakePattern| {
        among.iter().all(|there| there.folded() != one.folded())
    };
    let mut unknown = said.iter().filter(|one| lacks(present, one));
    let mut instead = present.iter().filter(|one| lacks(said, one));
    match (unknown.next(), instead.next()) {
        (Some(said), Some(present)) => Outcome::of(said, present),
        _ => Outcome::Done,
    }
}

fn org_of(on: &FlakePattern) -> Option<Name> {
    match on {
        FlakePattern::All => None,
        FlakePattern::Organization(org) => Some(org.clone()),
        FlakePattern::Flake(flake) => Some(flake.org.clone()),
    }
}
