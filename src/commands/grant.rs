//! `fh grant`: who may do what with a flake, or with all flakes of an organisation.

use clap::{Args, Subcommand};
use fh_api::{AccessSource, ErrorCode, FlakePattern, GrantInfo, Role, Subject};
use serde_json::json;

use crate::arguments::{OTHER_WORDS, parse_target, words_or};
use crate::context::Context;
use crate::error::{CommandError, Explain as _, nouns};
use crate::nouns::found::{Found, formerly};
use crate::nouns::invited::{is_service_account, takes_effect};
use crate::output::{Columns, Tone};
use crate::text::joined;

/// Manage who may read, push to and administer a flake
///
/// `read` allows substituting from the flake. `write` also allows pushing to it. `admin` also allows
/// granting, changing the visibility and deleting. WHO is one of:
///
///   alice       an account
///   team:ops    everybody in a team of the organisation
///   @members    every member of the organisation
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
pub(crate) enum GrantCommand {
    Add(AddArguments),
    /// Remove a role on a flake
    ///
    /// Machines keep what they have already substituted, but get nothing new. Other grants stay in effect:
    /// `fh why PATH --user USER` shows them.
    #[command(after_help = "\
Examples:
  fh grant remove acme/app alice
  fh grant remove 'acme/*' team:builders")]
    Remove(HeldArguments),
    /// List everything that gives somebody a role on a flake
    ///
    /// FROM says what gives the role: a grant on the flake or on ORG/*, being an owner or admin of the organisation, a
    /// trust policy, or the flake's visibility. HELD BY lists who has the role by it, such as the members of a team. A
    /// grant that is not accepted yet, or that is to a disabled account or an empty team, has no effect now.
    ///
    /// The organisation's members, teams, grants on ORG/* and trust policies are listed only if you may see them.
    #[command(after_help = "\
Examples:
  fh grant list acme/app
  fh grant list 'acme/*'
  fh grant list acme/app --json | jq '.[] | select(.by == \"grant\")'")]
    List(TargetArguments),
}

/// Grant a role on a flake, in place of any previous one
///
/// If it replaces another role, it says which one.
///
/// A user outside the organisation is invited: the grant takes effect when they accept (`fh invitation accept
/// ORG`). Later grants to them, and grants by a server administrator, take effect at once.
///
/// `ORG/*` means every flake of the organisation, also future ones. The role `admin` there includes
/// administering the organisation, so only its owners can grant it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh grant add acme/app alice read
  fh grant add acme/app team:builders write
  fh grant add 'acme/*' @members read")]
pub(crate) struct AddArguments {
    #[command(flatten)]
    held: HeldArguments,

    /// The role
    #[arg(value_name = "ROLE", value_parser = words_or::<Role>(Role::WORDS, OTHER_WORDS))]
    role: Role,
}

/// What somebody may hold a role on, and who.
#[derive(Debug, Args)]
pub(crate) struct HeldArguments {
    #[command(flatten)]
    target: TargetArguments,

    /// An account, a team (`team:NAME`) or `@members`
    #[arg(value_name = "WHO", value_parser = parse_subject)]
    who: Subject,
}

/// What roles are held on.
#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// The flake, or ORG/* for all of an organisation
    #[arg(value_name = "ORG/PROJECT|ORG/*", value_parser = parse_target, add = crate::completion::flakes())]
    on: FlakePattern,
}

fn parse_subject(text: &str) -> Result<Subject, String> {
    text.parse()
        .map_err(|error: fh_api::InvalidName| error.to_string())
}

pub(crate) fn run(command: &GrantCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        GrantCommand::Add(AddArguments { held, role }) => add(held, *role, context),
        GrantCommand::Remove(held) => remove(held, context),
        GrantCommand::List(target) => list(&target.on, context),
    }
}

fn add(held: &HeldArguments, role: Role, context: &Context) -> Result<(), CommandError> {
    let (on, who) = (&held.target.on, &held.who);
    let client = context.client_with_token()?;
    let granted = context.change(format_args!("cannot grant {who} a role on {on}"), async {
        let grant = client.set_grant(on, who, role).await?;
        let is_service = match &grant.subject {
            Subject::User(user) if grant.pending => is_service_account(user, &client).await,
            _ => false,
        };
        Ok((grant, is_service))
    });
    let (grant, is_service) = match (who, on.organization()) {
        (Subject::User(user), _) => granted.hint_for(
            ErrorCode::InvalidContent,
            format!(
                "An administrator of the server can create the account: `fh user create {user}`"
            ),
        ),
        (_, Some(org)) => granted.hint_for(ErrorCode::InvalidContent, nouns::teams(org.as_str())),
        (_, None) => granted,
    }?;
    context.output.done(&grant, |grant| {
        let what = match grant.role {
            Role::Read => "read",
            Role::Write => "read and push to",
            Role::Admin => "read, push to and manage",
        };
        let (who, on) = (&grant.subject, &grant.on);
        if let (Subject::User(user), true, Some(org)) = (who, grant.pending, on.organization()) {
            let then = takes_effect(user, org, is_service);
            return format!("{who} is invited to {what} {on}; {then}{}", replaced(grant));
        }
        format!("{who} may now {what} {on}.{}", replaced(grant))
    })
}

/// What was there before, and how to bring it back.
fn replaced(grant: &GrantInfo) -> String {
    let Some(before) = grant.replaced else {
        return String::new();
    };
    let (who, on) = (&grant.subject, quoted(&grant.on));
    format!("\nBefore, the role was {before}. To restore it: `fh grant add {on} {who} {before}`")
}

fn remove(held: &HeldArguments, context: &Context) -> Result<(), CommandError> {
    let (on, who) = (&held.target.on, &held.who);
    let client = context.client_with_token()?;
    let found = context
        .change(
            format_args!("cannot remove the role of {who} on {on}"),
            async {
                let found = Found::of(client.grant(on, who).await)?;
                client.remove_grant(on, who).await?;
                Ok(found)
            },
        )
        .hint_for(
            ErrorCode::InvalidContent,
            format!("`fh grant list {}` shows who has a role.", quoted(on)),
        )?;
    let was_there = found.is_there();
    let subject = found.name(who, |grant| grant.subject.clone());
    let target = found.name(on, |grant| grant.on.clone());
    let removed = json!({ "on": target, "subject": subject, "role": null, "removed": was_there });
    context.output.done(&removed, |_| {
        if was_there {
            let (who, on) = (formerly(&subject, who), formerly(&target, on));
            format!("Removed the role of {who} on {on}.")
        } else {
            format!("{who} had no role on {on}: there was nothing to remove.")
        }
    })
}

fn list(on: &FlakePattern, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format_args!("cannot list the roles on {on}");
    let found = context.ask(cannot, client.access_list(on))?;
    let quoted = quoted(on);
    let none =
        format!("Nobody has a role on {quoted}. Grant one: `fh grant add {quoted} USER read`");
    context.output.list_or(&columns(), &found.sources, &none)?;
    if !found.complete
        && let Some(org) = on.organization()
    {
        context.output.remark(&format!(
            "This is not everything: what memberships, teams, trust policies and grants on {org}/* give is shown to \
             administrators of {org}, with a token that reaches all of it."
        ));
    }
    Ok(())
}

/// As a shell takes it.
fn quoted(on: &FlakePattern) -> String {
    match on {
        FlakePattern::Flake(flake) => flake.to_string(),
        FlakePattern::All | FlakePattern::Organization(_) => format!("'{on}'"),
    }
}

fn columns() -> Columns<AccessSource> {
    Columns::<AccessSource>::new()
        .text("subject", "WHO")
        .shown(|source, _| match &source.subject {
            Some(subject) => subject.to_string(),
            None if source.trust_policy.is_some() => "workloads".to_owned(),
            None => "everybody".to_owned(),
        })
        .text("role", "ROLE")
        // What is open is read without a role.
        .shown(|source, _| source.role.unwrap_or(Role::Read).to_string())
        .text("pending", "STATE")
        .shown(|source, _| state(source).to_owned())
        .toned(|_, _| Some(Tone::Attention))
        .text("on", "ON")
        .time("created_at", "SINCE", "")
        .ranked(1)
        .made("by", "FROM", from)
        .flexible()
        .text("users", "HELD BY")
        .shown(|source, _| match source.subject {
            // Of one account it says what stands at the beginning of the line.
            Some(Subject::User(_)) => String::new(),
            _ => joined(&source.users),
        })
        .flexible()
}

/// Why a grant has no effect now; empty where it has one.
fn state(source: &AccessSource) -> &'static str {
    match (&source.subject, source.applies) {
        _ if source.pending => "not accepted",
        (_, true) => "",
        (Some(Subject::Team(_) | Subject::Members), false) => "nobody",
        (_, false) => "disabled",
    }
}

/// What gives the role.
fn from(source: &AccessSource) -> String {
    match (source.membership, &source.trust_policy) {
        (Some(role), _) => role.to_string(),
        (None, Some(policy)) => format!("trust policy {policy}"),
        (None, None) => source.by.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_without_effect_says_why() {
        let source = |subject: &str, pending: bool, applies: bool| -> AccessSource {
            let source = json!({
                "by": "grant", "subject": subject, "on": "acme/app", "role": "read",
                "pending": pending, "applies": applies, "users": [],
            });
            serde_json::from_value(source).unwrap()
        };
        for (subject, pending, applies, told) in [
            ("ann", false, true, ""),
            ("ann", true, false, "not accepted"),
            ("ann", false, false, "disabled"),
            ("team:ops", false, false, "nobody"),
            ("@members", false, true, ""),
        ] {
            assert_eq!(state(&source(subject, pending, applies)), told, "{subject}");
        }
    }

    #[test]
    fn what_a_grant_replaces_is_said_with_the_way_back() {
        let grant = |role: &str, replaced: Option<&str>| -> GrantInfo {
            let grant = json!({
                "subject": "team:ops", "on": "acme/*", "role": role, "replaced": replaced,
                "created_at": "2026-01-31T12:00:00Z",
            });
            serde_json::from_value(grant).unwrap()
        };
        assert_eq!(replaced(&grant("read", None)), "");
        for (role, before) in [("read", "admin"), ("write", "admin"), ("admin", "write")] {
            assert_eq!(
                replaced(&grant(role, Some(before))),
                format!(
                    "\nBefore, the role was {before}. To restore it: `fh grant add 'acme/*' team:ops {before}`"
                )
            );
        }
    }
}
