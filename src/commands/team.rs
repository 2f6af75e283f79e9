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

use crate::arguments::IfMissing;
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::{CommandError, Explain as _, nouns};
use crate::nouns::found::{Found, formerly};
use crate::nouns::scoped::{Listed, OrgOrAll, columns_of, listed};
use crate::output::Columns;

/// A team as it is named on the command line: `org/team`.
#[derive(Debug, Clone)]
pub(crate) struct TeamName {
    org: Name,
    team: Name,
}

impl FromStr for TeamName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let told = || "write a team as ORG/TEAM".to_owned();
        let (org, team) = text.split_once('/').ok_or_else(told)?;
        let name = |text: &str| text.parse().map_err(|error: InvalidName| error.to_string());
        let (org, team) = (name(org)?, name(team)?);
        Ok(Self { org, team })
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
    /// Create an empty team
    #[command(after_help = "\
Examples:
  fh team create acme/ops
  fh team create acme/ops --if-missing")]
    Create {
        /// The organisation and the new team's name
        #[arg(value_name = "ORG/TEAM")]
        team: TeamName,

        #[command(flatten)]
        if_missing: IfMissing,
    },
    /// List the teams of an organisation, or of all of yours
    #[command(after_help = "\
Examples:
  fh team list
  fh team list acme")]
    List(OrgOrAll),
    /// List the members of a team
    #[command(after_help = "\
Examples:
  fh team show acme/ops")]
    Show(TeamArguments),
    /// Add members of the organisation to a team
    #[command(after_help = "\
Examples:
  fh team add acme/ops alice bob")]
    Add(MembersArguments),
    /// Remove users from a team
    #[command(after_help = "\
Examples:
  fh team remove acme/ops alice")]
    Remove(MembersArguments),
    /// Delete a team and its grants
    #[command(after_help = "\
Examples:
  fh team delete acme/ops
  fh team delete acme/ops --yes")]
    Delete {
        #[command(flatten)]
        of: TeamArguments,

        #[command(flatten)]
        yes: Yes,
    },
}

/// The team that is meant.
#[derive(Debug, Args)]
pub(crate) struct TeamArguments {
    /// The team
    #[arg(value_name = "ORG/TEAM")]
    team: TeamName,
}

/// A team, and whose place in it changes.
#[derive(Debug, Args)]
pub(crate) struct MembersArguments {
    #[command(flatten)]
    of: TeamArguments,

    /// The accounts
    #[arg(value_name = "USER", required = true)]
    users: Vec<Name>,
}

pub(crate) fn run(command: &TeamCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        TeamCommand::Create { team, if_missing } => create(team, if_missing.set, context),
        TeamCommand::List(of) => list(of.org(), context),
        TeamCommand::Show(of) => show(&of.team, context),
        TeamCommand::Add(MembersArguments { of, users }) => add(&of.team, users, context),
        TeamCommand::Remove(MembersArguments { of, users }) => remove(&of.team, users, context),
        TeamCommand::Delete { of, yes } => delete(&of.team, *yes, context),
    }
}

fn create(team: &TeamName, exist_ok: bool, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let TeamName { org, team: name } = team;
    let name = name.clone();
    let new = CreateTeam { name, exist_ok };
    let cannot = format_args!("cannot create the team {team}");
    let answer = context
        .change(cannot, client.create_team(org, &new))
        .hint_for(ErrorCode::Conflict, nouns::teams(org.as_str()))?;
    context.output.made(&answer, |made, is_new| {
        let team = format!("{org}/{}", made.name);
        if !is_new {
            return format!("The team {team} exists already.");
        }
        format!("Created the team {team}. Add somebody to it: `fh team add {team} USER`")
    })
}

fn list(org: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let teams = async |client: &Client, org: &Name| Ok(client.teams(org).await?.teams);
    let rows = listed("teams", org, OrganizationRole::Member, context, &teams)?;
    let none = match org {
        Some(org) => format!("{org} has no teams. Create one: `fh team create {org}/TEAM`"),
        None => {
            "None of your organisations has teams. Create one: `fh team create ORG/TEAM`".to_owned()
        }
    };
    context
        .output
        .list_or(&columns(org.is_none()), &rows, &none)
}

fn show(team: &TeamName, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format_args!("cannot show the team {team}");
    let found = context.ask(cannot, client.team(&team.org, &team.team))?;
    if context.output.is_json() {
        return context.output.json(&found);
    }
    let none = format!("Nobody is in {team}. Add somebody to it: `fh team add {team} USER`");
    context
        .output
        .list_or(&member_columns(), &found.members, &none)
}

fn add(team: &TeamName, users: &[Name], context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let TeamName { org, team: name } = team;
    each(users, context, |user| {
        let cannot = format_args!("cannot add {user} to {team}");
        let hint = format!("Make them a member: `fh member set {org} {user}`");
        let member = context
            .change(cannot, client.add_team_member(org, name, user))
            .hint_for(ErrorCode::InvalidContent, hint)?;
        let told = format!("{} is in {team}.", member.user);
        Ok((member, told))
    })
}

fn remove(team: &TeamName, users: &[Name], context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let TeamName { org, team: name } = team;
    each(users, context, |user| {
        let cannot = format_args!("cannot remove {user} from {team}");
        let hint = format!("`fh team show {team}` shows who is in it.");
        let removal = async {
            let found = Found::of(client.team_member(org, name, user).await)?;
            client.remove_team_member(org, name, user).await?;
            Ok(found)
        };
        let found = context
            .change(cannot, removal)
            .hint_for(ErrorCode::InvalidContent, hint)?;
        let present = found.name(user, |member| member.user.clone());
        let told = match found.is_there() {
            true => format!("{} is no longer in {team}.", formerly(&present, user)),
            false => format!("{user} was not in {team}: there was nothing to remove."),
        };
        Ok((present, told))
    })
}

/// Changes the place of each of these users, and says at once what became of it; to a program all of it at the end.
fn each<T: Serialize>(
    users: &[Name],
    context: &Context,
    change: impl Fn(&Name) -> Result<(T, String), CommandError>,
) -> Result<(), CommandError> {
    let mut changed = Vec::new();
    for user in users {
        let (one, told) = change(user)?;
        if !context.output.is_json() {
            context.output.remark(&told);
        }
        changed.push(one);
    }
    if context.output.is_json() {
        return context.output.json(&changed);
    }
    Ok(())
}

fn delete(team: &TeamName, yes: Yes, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let what = format!("This deletes the team {team} with all that was granted to it.");
    yes.confirm(Effect::Loses, &what, "Delete the team?", context)?;
    let TeamName { org, team: name } = team;
    context.change(
        format_args!("cannot delete the team {team}"),
        client.delete_team(org, name),
    )?;
    let deleted = json!({ "org": org, "team": name, "deleted": true });
    context
        .output
        .done(&deleted, |_| format!("Deleted the team {team}."))
}

/// The columns of a list of one organisation's teams, or of several organisations'.
fn columns(of_several: bool) -> Columns<Listed<TeamInfo>> {
    columns_of(of_several)
        // In a table as the other commands take it.
        .text("name", "TEAM")
        .shown(|of: &Listed<TeamInfo>, _| format!("{}/{}", of.org, of.one.name))
        .number("members", "MEMBERS")
        .time("created_at", "CREATED", "")
        .ranked(1)
        .text("id", "ID")
        .wide()
}

fn member_columns() -> Columns<TeamMemberInfo> {
    Columns::new()
        .text("user", "USER")
        .time("created_at", "SINCE", "")
}
