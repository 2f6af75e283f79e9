//! `fh member`: who is in an organisation.

use clap::{Args, Subcommand};
use fh_api::{ErrorCode, MemberInfo, Name, OrganizationRole, UserKind};
use fh_client::Client;
use serde_json::json;

use crate::arguments::words;
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::{CommandError, Explain as _, nouns};
use crate::nouns::found::{Found, formerly};
use crate::nouns::invited::{takes_effect, with_article};
use crate::nouns::scoped::{Listed, OrgOrAll, columns_of, listed};
use crate::output::{Columns, Tone};

/// Manage the members of an organisation
///
///   member   may do what was granted to all members and to the teams that they are in
///   admin    administers every flake of the organisation, its members and its teams
///   owner    may do what an admin may, and manages the organisation, its admins and its owners
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
pub(crate) enum MemberCommand {
    /// List the members of an organisation, or of all of yours
    ///
    /// Its admins also see pending invitations.
    #[command(after_help = "\
Examples:
  fh member list
  fh member list acme")]
    List(OrgOrAll),
    Set(SetArguments),
    Remove(RemoveArguments),
}

/// Invite a user as a member, or change the role of a member
///
/// A user who is not a member yet is invited, and becomes one by accepting (`fh invitation accept`). It takes
/// effect at once if a server administrator does it, and for the organisation's own service accounts. Admins
/// can invite plain members; only owners can appoint admins and owners.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh member set acme alice
  fh member set acme alice admin")]
pub(crate) struct SetArguments {
    /// The organisation
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,

    /// The account
    #[arg(value_name = "USER")]
    user: Name,

    /// The role [default: member; admins and owners keep theirs]
    #[arg(value_name = "ROLE", value_parser = words::<OrganizationRole>(OrganizationRole::WORDS))]
    role: Option<OrganizationRole>,
}

/// Remove a user from an organisation and its teams
///
/// This works for guests and invited users too. It also removes every grant that names the user, on the
/// organisation and on its flakes: grant them again if the user comes back. You can remove yourself
/// (`fh org leave`), unless you are the last owner.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh member remove acme alice
  fh member remove acme alice --yes")]
pub(crate) struct RemoveArguments {
    /// The organisation
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,

    /// The account
    #[arg(value_name = "USER")]
    user: Name,

    #[command(flatten)]
    yes: Yes,
}

pub(crate) fn run(command: &MemberCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        MemberCommand::List(of) => list(of.org(), context),
        MemberCommand::Set(arguments) => set(arguments, context),
        MemberCommand::Remove(arguments) => remove(arguments, context),
    }
}

fn list(org: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let members = async |client: &Client, org: &Name| Ok(client.members(org).await?.members);
    let rows = listed("members", org, OrganizationRole::Member, context, &members)?;
    let none = "You are in no organisation. Create one: `fh org create ORG`";
    context.output.list_or(&columns(org.is_none()), &rows, none)
}

fn set(arguments: &SetArguments, context: &Context) -> Result<(), CommandError> {
    let SetArguments { org, user, role } = arguments;
    let client = context.client_with_token()?;
    let wanted = role.unwrap_or(OrganizationRole::Member);
    let cannot = format_args!("cannot make {user} {} of {org}", with_article(wanted));
    let changed = context.change(cannot, async {
        // Where no role is said, nobody is made less than they are.
        let there = match role {
            Some(_) => Found::Nothing,
            None => Found::of(client.member(org, user).await)?,
        };
        match there {
            Found::There(there) if there.role > OrganizationRole::Member => Ok((there, true)),
            _ => Ok((client.set_member(org, user, wanted).await?, false)),
        }
    });
    let (member, is_kept) = explained(changed, org)?;
    context.output.done(&member, |member| {
        if is_kept {
            return format!(
                "{} is {} of {org} already, and nothing was changed. To make them less: `fh member set {org} {} \
                 member`",
                member.user, member.role, member.user
            );
        }
        let (user, role) = (&member.user, with_article(member.role));
        let replaced = replaced(member, org);
        if member.invited {
            let is_service = member.kind == UserKind::Service;
            let then = takes_effect(user, org, is_service);
            return format!("{user} is invited to be {role} of {org}; {then}{replaced}");
        }
        format!("{user} is now {role} of {org}.{replaced}")
    })
}

/// What somebody was before, and how to bring it back.
fn replaced(member: &MemberInfo, org: &Name) -> String {
    let Some(before) = member.replaced else {
        return String::new();
    };
    let user = &member.user;
    let was = if member.invited {
        "the invitation was for"
    } else {
        "the role was"
    };
    format!("\nBefore, {was} {before}. To restore it: `fh member set {org} {user} {before}`")
}

fn remove(arguments: &RemoveArguments, context: &Context) -> Result<(), CommandError> {
    let RemoveArguments { org, user, yes } = arguments;
    let client = context.client_with_token()?;
    let cannot = format!("cannot remove {user} from {org}");
    let found = Found::ask(&cannot, client.member(org, user), context)?;
    let present = found.name(user, |member| member.user.clone());
    let who = formerly(&present, user);
    let what = format!(
        "This removes {who} from {org} and its teams, and all that {org} has granted to {who} by name."
    );
    yes.confirm(Effect::Loses, &what, &format!("Remove {who}?"), context)?;
    explained(
        context.change(&cannot, client.remove_member(org, user)),
        org,
    )?;
    let was_there = found.is_there();
    let removed = json!({ "org": org, "user": present, "role": null, "removed": was_there });
    context.output.done(&removed, |_| {
        if !was_there {
            // Of a guest the list of members does not tell.
            return format!(
                "{who} was not a member of {org}. If {org} had granted something to {who} by name, that was \
                 removed."
            );
        }
        format!("Removed {who} from {org} and its teams, and what {org} had granted to {who} by name.")
    })
}

fn explained<T>(done: Result<T, CommandError>, org: &Name) -> Result<T, CommandError> {
    let owner = format!("Add another owner: `fh member set {org} USER owner`");
    done.hint_for(ErrorCode::InvalidContent, nouns::members(org.as_str()))
        .hint_for(ErrorCode::Conflict, owner)
}

/// The columns of a list of one organisation's members, or of several organisations'.
fn columns(of_several: bool) -> Columns<Listed<MemberInfo>> {
    columns_of(of_several)
        .text("user", "USER")
        .text("role", "ROLE")
        .text("invited", "INVITED")
        .shown(|of: &Listed<MemberInfo>, _| if of.one.invited { "yes" } else { "" }.to_owned())
        .toned(|_, _| Some(Tone::Attention))
        .text("kind", "KIND")
        .time("created_at", "SINCE", "")
}
