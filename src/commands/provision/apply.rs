//! Doing what was planned, a step at a time.
//!
//! Invariant: however it ends, the person is told what was done, what was not, and of which step nobody knows.

use std::cell::RefCell;

use fh_api::{
    CreateOrganization, CreateServiceAccount, CreateTeam, CreateUser, FlakePattern, Name, Subject,
    UserKind,
};
use fh_client::{Client, Error as ClientError, Result as ClientResult};
use serde::Serialize;

use super::plan::{Plan, Request, Step};
use crate::context::Context;
use crate::error::CommandError;
use crate::nouns::invited::{is_service_account, takes_effect};
use crate::similar::is_same_name;

/// What became of a request.
enum Outcome {
    Done,
    /// An account was invited to an organisation, and has to accept.
    Invited {
        org: Name,
        user: Name,
        is_service_account: bool,
    },
    /// What was there under this name when the plan was made has another one now.
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

/// How far a run has come.
#[derive(Debug)]
struct Progress {
    /// What became of each step, and of each check behind them.
    states: Vec<State>,
    /// What waits for somebody, as sentences.
    waiting: Vec<String>,
}

/// What became of a step, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Done,
    NotDone,
    /// It was sent, and its answer did not come.
    Unknown,
}

/// A step and what became of it.
#[derive(Debug, Serialize)]
struct Ended<'a> {
    #[serde(flatten)]
    step: &'a Step,
    state: State,
}

/// Does every step: what waits for somebody, as sentences.
///
/// # Errors
/// At the first step that fails, or where the person ends it: which steps were done and which were not.
pub(super) fn apply(
    plan: &Plan,
    client: &Client,
    context: &Context,
) -> Result<Vec<String>, CommandError> {
    let progress = RefCell::new(Progress {
        states: vec![State::NotDone; plan.steps.len() + plan.checks.len()],
        waiting: Vec::new(),
    });
    // One wait over all steps, so that Ctrl-C is heard between them, too.
    let done = context.wait("", all(plan, client, &progress));
    let progress = progress.into_inner();
    match done {
        Ok(()) => Ok(progress.waiting),
        Err(error) => Err(stopped(error, plan, &progress)),
    }
}

async fn all(
    plan: &Plan,
    client: &Client,
    progress: &RefCell<Progress>,
) -> Result<(), CommandError> {
    let count = plan.steps.len();
    let mut invited: Vec<(Name, Name)> = Vec::new();
    for (index, step) in plan.steps.iter().chain(&plan.checks).enumerate() {
        if let Request::AddToTeam(org, team, user) = &step.request
            && is_among(&invited, org, user)
        {
            progress.borrow_mut().waiting.push(format!(
                "{user} is not in the team {org}/{team} yet: run the command again when they have accepted."
            ));
            continue;
        }
        let what = match index < count {
            true => format!("cannot do step {} of {count}, `{step}`", index + 1),
            false => format!("cannot do `{step}`"),
        };
        progress.borrow_mut().states[index] = State::Unknown;
        let outcome = send(client, &step.request).await.map_err(|error| {
            // Of what was refused it is known that it was not done.
            if is_refusal(&error) {
                progress.borrow_mut().states[index] = State::NotDone;
            }
            CommandError::from(error).context(&what)
        })?;
        let mut progress = progress.borrow_mut();
        progress.states[index] = State::Done;
        match outcome {
            Outcome::Done => {}
            Outcome::Invited { org, user, .. } if is_among(&invited, &org, &user) => {}
            Outcome::Invited {
                org,
                user,
                is_service_account,
            } => {
                let then = takes_effect(&user, &org, is_service_account);
                let waits = format!("{user} is invited to {org}; {then}");
                progress.waiting.push(waits);
                invited.push((org, user));
            }
            // What follows was planned for the former name.
            Outcome::Renamed { said, present } => {
                return Err(CommandError::failed(format!(
                    "{said} was renamed while this ran: it is called {present} now, and `{step}` was done to it"
                )));
            }
        }
    }
    Ok(())
}

/// Whether the server has answered that it does not do it.
fn is_refusal(error: &ClientError) -> bool {
    error.status().is_some_and(|status| status < 500)
}

/// The failure of a run with what was done and what was not.
fn stopped(error: CommandError, plan: &Plan, progress: &Progress) -> CommandError {
    let states = progress.states.iter().copied();
    let ended = plan.steps.iter().zip(states);
    let ended: Vec<Ended<'_>> = ended.map(|(step, state)| Ended { step, state }).collect();
    let listed = |begin: &str, wanted: State| {
        let steps = ended.iter().filter(|it| it.state == wanted);
        let lines: String = steps.map(|it| format!("\n{}", it.step)).collect();
        (!lines.is_empty()).then(|| format!("{begin}{lines}"))
    };
    let mut error = error.detail("changes", serde_json::json!(ended));
    if !progress.waiting.is_empty() {
        error = error.hint(progress.waiting.join("\n"));
    }
    let done = listed("This was done:", State::Done);
    error = error.hint(done.unwrap_or_else(|| "Nothing was done before that.".to_owned()));
    let unknown = "It is not known whether the server has done this:";
    for hint in [
        listed(unknown, State::Unknown),
        listed("This was not done:", State::NotDone),
    ] {
        error = hint.into_iter().fold(error, CommandError::hint);
    }
    error.hint("Run the same command again to continue: it finds out what is left.")
}

fn is_among(invited: &[(Name, Name)], org: &Name, user: &Name) -> bool {
    let mut invited = invited.iter();
    invited.any(|(there, who)| is_same_name(there, org) && is_same_name(who, user))
}

async fn send(client: &Client, request: &Request) -> ClientResult<Outcome> {
    let exist_ok = true;
    match request {
        Request::CreateUser(user) => {
            let (name, kind) = (user.clone(), UserKind::Human);
            let new = CreateUser {
                name,
                kind,
                exist_ok,
            };
            let made = client.create_user(&new).await?.value;
            return Ok(Outcome::of(user, &made.name));
        }
        Request::CreateOrganization(org) => {
            let (name, owner) = (org.clone(), None);
            let new = CreateOrganization {
                name,
                exist_ok,
                owner,
            };
            let made = client.create_organization(&new).await?.value;
            return Ok(Outcome::of(org, &made.name));
        }
        Request::UpdateOrganization(org, change) => {
            client.update_organization(org, change).await?;
        }
        Request::CreateServiceAccount(org, account) => {
            let name = account.clone();
            let new = CreateServiceAccount { name, exist_ok };
            let made = client.create_service_account(org, &new).await?.value;
            return Ok(Outcome::of(account, &made.name));
        }
        Request::SetMember(org, user, role) => {
            let member = client.set_member(org, user, *role).await?;
            if member.invited && is_same_name(&member.user, user) {
                return Ok(Outcome::Invited {
                    org: org.clone(),
                    is_service_account: member.kind == UserKind::Service,
                    user: member.user,
                });
            }
            return Ok(Outcome::of(user, &member.user));
        }
        Request::RemoveMember(org, user) => client.remove_member(org, user).await?,
        Request::CreateTeam(org, team) => {
            let name = team.clone();
            client
                .create_team(org, &CreateTeam { name, exist_ok })
                .await?;
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
            let renamed = Outcome::of(subject, &grant.subject);
            return Ok(match (renamed, grant.subject, on.organization()) {
                (Outcome::Done, Subject::User(user), Some(org)) if grant.pending => {
                    Outcome::Invited {
                        org: org.clone(),
                        is_service_account: is_service_account(&user, client).await,
                        user,
                    }
                }
                (outcome, _, _) => outcome,
            });
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
