//! Doing what was planned, a step at a time.

use fh_api::{CreateOrganization, CreateServiceAccount, CreateTeam, CreateUser, Name, UserKind};
use fh_client::{Client, Result as ClientResult};

use super::super::is_same_name;
use super::plan::{Plan, Request};
use crate::context::Context;
use crate::error::CommandError;

/// What became of a request.
enum Outcome {
    Done,
    /// An account was invited to an organisation, and has to accept.
    Invited(Name, Name),
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
        if let Outcome::Invited(org, user) = outcome
            && !is_among(&invited, &org, &user)
        {
            waiting.push(format!(
                "{user} is invited to {org}; it takes effect when they accept: `fh invitation accept {org}`"
            ));
            invited.push((org, user));
        }
        done.push(step.to_string());
    }
    Ok(waiting)
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
            client.create_user(&new).await?;
        }
        Request::CreateOrganization(name) => {
            let new = CreateOrganization {
                name: name.clone(),
                exist_ok: true,
                owner: None,
            };
            client.create_organization(&new).await?;
        }
        Request::UpdateOrganization(org, change) => {
            client.update_organization(org, change).await?;
        }
        Request::CreateServiceAccount(org, name) => {
            let new = CreateServiceAccount {
                name: name.clone(),
                exist_ok: true,
            };
            client.create_service_account(org, &new).await?;
        }
        Request::SetMember(org, user, role) => {
            if client.set_member(org, user, *role).await?.invited {
                return Ok(Outcome::Invited(org.clone(), user.clone()));
            }
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
            client.add_team_member(org, team, user).await?;
        }
        Request::RemoveFromTeam(org, team, user) => {
            client.remove_team_member(org, team, user).await?;
        }
        Request::DeleteTeam(org, team) => client.delete_team(org, team).await?,
        Request::CreateFlake(new) => {
            client.create_flake(new).await?;
        }
        Request::UpdateFlake(flake, change) => {
            client.update_flake(flake, change).await?;
        }
        Request::DeleteFlake(flake) => client.delete_flake(flake).await?,
        Request::SetGrant(on, subject, role) => {
            let grant = client.set_grant(on, subject, *role).await?;
            if grant.pending
                && let (fh_api::Subject::User(user), Some(org)) = (grant.subject, org_of(on))
            {
                return Ok(Outcome::Invited(org, user));
            }
        }
        Request::RemoveGrant(on, subject) => client.remove_grant(on, subject).await?,
        Request::SetPolicy(org, policy, wanted) => {
            client.set_trust_policy(org, policy, wanted).await?;
        }
        Request::RemovePolicy(org, policy) => client.remove_trust_policy(org, policy).await?,
        Request::SetFollows(wanted) => {
            client.set_follows(wanted).await?;
        }
        Request::RemoveServiceAccount(org, name) => {
            client.remove_service_account(org, name).await?;
        }
    }
    Ok(Outcome::Done)
}

fn org_of(on: &fh_api::FlakePattern) -> Option<Name> {
    match on {
        fh_api::FlakePattern::All => None,
        fh_api::FlakePattern::Organization(org) => Some(org.clone()),
        fh_api::FlakePattern::Flake(flake) => Some(flake.org.clone()),
    }
}
