//! `fh team`: teams of an organisation.

use std::fmt;
use std::str::FromStr;

use clap::{Args, Subcommand};
use fh_api::{
    CreateTeam, ErrorCode, InvalidName, Name, OrganizationRole, TeamInfo, TeamMemberInfo,
};
use fh_client::Client;
use serde::Serialize;
use serde_json::json;

use super::confirm::{Effect, Yes};
use super::found::{Found, formerly};
use super::scoped::{OrgOption, listed};
use crate::arguments::IfMissing;
use crate::context::Context;
use crate::error::{CommandError, nouns};
use crate::output::{Column, column, human, number};

/// A team as it is named on the command line: `org/team`.
#[derive(Debug, Clone)]
struct TeamName {
    org: Name,
    team: Name,
}

impl FromStr for TeamName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((org, team)) = text.split_once('/') else {
            return Err("write a team as ORG/TEAM".to_owned());
        };
        let name = |text: &str| text.parse().map_err(|error: InvalidName| error.to_string());
        Ok(Self {
            org: name(org)?,
            team: name(team)?,
        })
    }
}

impl fmt::Display for TeamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.org, self.team)
    }
}

/// Manage teams: groups of members of an organisation that share grants
///
/// `fh grant add acme/app team:ops write` lets everybody in the team push. A member who leaves the organisation
/// leaves its teams.
#[derive(Debug, Subcommand)]
pub(crate) enum TeamCommand {
    Create(CreateArguments),
    List(ListArguments),
    Show(TeamArguments),
    Add(MemberArguments),
    Remove(RemoveArguments),
    Delete(DeleteArguments),
}

/// Create an empty team
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh team create acme/ops
  fh team create acme/ops --if-missing")]
pub(crate) struct CreateArguments {
    /// The organisation and the new team's name
    #[arg(value_name = "ORG/TEAM")]
    team: TeamName,

    #[command(flatten)]
    if_missing: IfMissing,
}

/// List the teams of an organisation, or of all of yours
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh team list
  fh team list acme")]
pub(crate) struct ListArguments {
    /// The organisation [default: all of yours]
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Option<Name>,

    #[command(flatten)]
    option: OrgOption,
}

/// List the members of a team
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh team show acme/ops")]
pub(crate) struct TeamArguments {
    /// The team
    #[arg(value_name = "ORG/TEAM")]
    team: TeamName,
}

/// Add members of the organisation to a team
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh team add acme/ops alice bob")]
pub(crate) struct MemberArguments {
    /// The team
    #[arg(value_name = "ORG/TEAM")]
    team: TeamName,

    /// The accounts
    #[arg(value_name = "USER", required = true)]
    users: Vec<Name>,
}

/// Remove users from a team
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh team remove acme/ops alice")]
pub(crate) struct RemoveArguments {
    /// The team
    #[arg(value_name = "ORG/TEAM")]
    team: TeamName,

    /// The accounts
    #[arg(value_name = "USER", required = true)]
    users: Vec<Name>,
}

/// Delete a team and its grants
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh team delete acme/ops
  fh team delete acme/ops --yes")]
pub(crate) struct DeleteArguments {
    /// The team
    #[arg(value_name = "ORG/TEAM")]
    team: TeamName,

    #[command(flatten)]
    yes: Yes,
}

pub(crate) fn run(command: TeamCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        TeamCommand::Create(arguments) => create(arguments, context),
        TeamCommand::List(arguments) => list(&arguments, context),
        TeamCommand::Show(arguments) => show(&arguments.team, context),
        TeamCommand::Add(arguments) => add(&arguments, context),
        TeamCommand::Remove(arguments) => remove(&arguments, context),
        TeamCommand::Delete(arguments) => delete(&arguments, context),
    }
}

fn create(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let team = arguments.team;
    let new = CreateTeam {
        name: team.team.clone(),
        exist_ok: arguments.if_missing.set,
    };
    let answer = context
        .change(format_args!("cannot create the team {team}"), async {
            client.create_team(&team.org, &new).await
        })
        .map_err(|error| error.hint_for(ErrorCode::Conflict, nouns::teams(team.org.as_str())))?;
    context.output.made(&answer, |made, is_new| {
        let team = format!("{}/{}", team.org, made.name);
        if !is_new {
            return format!("The team {team} exists already.");
        }
        format!("Created the team {team}. Add somebody to it: `fh team add {team} USER`")
    })
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let org = arguments.option.or(&arguments.org);
    let found = listed(
        "teams",
        org,
        OrganizationRole::Member,
        context,
        &async |client: &Client, org: &Name| Ok(client.teams(org).await?.teams),
    )?;
    let rows: Vec<Listed> = found
        .into_iter()
        .map(|(of, team)| Listed {
            organization: org.is_none().then(|| of.clone()),
            org: of,
            team,
        })
        .collect();
    context.output.list(&columns(org.is_none()), &rows)?;
    let empty = match org {
        Some(org) => format!("{org} has no teams. Create one: `fh team create {org}/TEAM`"),
        None => {
            "None of your organisations has teams. Create one: `fh team create ORG/TEAM`".to_owned()
        }
    };
    context.output.when_empty(&rows, &empty);
    Ok(())
}

fn show(team: &TeamName, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context.ask(format_args!("cannot show the team {team}"), async {
        client.team(&team.org, &team.team).await
    })?;
    if context.output.is_json() {
        return context.output.json(&found);
    }
    context.output.list(&member_columns(), &found.members)?;
    context.output.when_empty(
        &found.members,
        &format!("Nobody is in {team}. Add somebody to it: `fh team add {team} USER`"),
    );
    Ok(())
}

fn add(arguments: &MemberArguments, context: &Context) -> Result<(), CommandError> {
    let MemberArguments { team, users } = arguments;
    let client = context.client_with_token()?;
    let mut added: Vec<TeamMemberInfo> = Vec::new();
    for user in users {
        let member = context
            .change(format_args!("cannot add {user} to {team}"), async {
                client.add_team_member(&team.org, &team.team, user).await
            })
            .map_err(|error| {
                let org = &team.org;
                let hint = format!("Make them a member: `fh member set {org} {user}`");
                error.hint_for(ErrorCode::InvalidContent, hint)
            })?;
        if !context.output.is_json() {
            context
                .output
                .remark(&format!("{} is in {team}.", member.user));
        }
        added.push(member);
    }
    if context.output.is_json() {
        return context.output.json(&added);
    }
    Ok(())
}

fn remove(arguments: &RemoveArguments, context: &Context) -> Result<(), CommandError> {
    let RemoveArguments { team, users } = arguments;
    let client = context.client_with_token()?;
    let mut removed = Vec::new();
    for user in users {
        let found = context
            .change(format_args!("cannot remove {user} from {team}"), async {
                let found = Found::of(client.team_member(&team.org, &team.team, user).await)?;
                client
                    .remove_team_member(&team.org, &team.team, user)
                    .await?;
                Ok(found)
            })
            .map_err(|error| {
                let hint = format!("`fh team show {team}` shows who is in it.");
                error.hint_for(ErrorCode::InvalidContent, hint)
            })?;
        let present = found.name(user, |member| member.user.clone());
        if !context.output.is_json() {
            let text = if found.is_there() {
                format!("{} is no longer in {team}.", formerly(&present, user))
            } else {
                format!("{user} was not in {team}: there was nothing to remove.")
            };
            context.output.remark(&text);
        }
        removed.push(present);
    }
    if context.output.is_json() {
        return context.output.json(&removed);
    }
    Ok(())
}

fn delete(arguments: &DeleteArguments, context: &Context) -> Result<(), CommandError> {
    let DeleteArguments { team, yes } = arguments;
    let client = context.client_with_token()?;
    let what = format!("This deletes the team {team} with all that was granted to it.");
    yes.confirm(Effect::Loses, &what, "Delete the team?", context)?;
    context.change(format_args!("cannot delete the team {team}"), async {
        client.delete_team(&team.org, &team.team).await
    })?;
    let TeamName { org, team: name } = team;
    context.output.done(
        &json!({ "org": org, "team": name, "deleted": true }),
        |_| format!("Deleted the team {team}."),
    )
}

/// A team in a list.
#[derive(Serialize)]
struct Listed {
    /// Where the list is not of one organisation alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Name>,
    #[serde(flatten)]
    team: TeamInfo,
    #[serde(skip)]
    org: Name,
}

/// The columns of a list of one organisation's teams, or of several organisations'.
fn columns(of_several: bool) -> Vec<Column<Listed>> {
    let organization = column("organization", "ORGANISATION", |of: &Listed| {
        of.org.to_string()
    });
    let mut columns = vec![
        // In a table as the other commands take it.
        column("name", "TEAM", |of: &Listed| of.team.name.to_string())
            .shown(|of, _| format!("{}/{}", of.org, of.team.name)),
        number("members", "MEMBERS", |of: &Listed| {
            of.team.members.to_string()
        }),
        column("created_at", "CREATED", |of: &Listed| {
            human::timestamp(of.team.created_at)
        })
        .shown(|of, now| human::relative(of.team.created_at, now))
        .ranked(1),
        column("id", "ID", |of: &Listed| of.team.id.to_string()).wide(),
    ];
    if of_several {
        columns.insert(0, organization);
    }
    columns
}

fn member_columns() -> Vec<Column<TeamMemberInfo>> {
    vec![
        column("user", "USER", |member: &TeamMemberInfo| {
            member.user.to_string()
        }),
        column("created_at", "SINCE", |member: &TeamMemberInfo| {
            human::timestamp(member.created_at)
        })
        .shown(|member, now| human::relative(member.created_at, now)),
    ]
}
