//! `fh grant`: who may do what with a flake, or with all flakes of an organisation.

use clap::{Args, Subcommand};
use fh_api::{ErrorCode, FlakePattern, GrantInfo, Role, Subject};
use serde_json::json;

use super::is_there;
use crate::cli::{OTHER_WORDS, words_or};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, Tone, column, human};

/// Manage who may read, push to and administer a flake
///
/// `read` allows substituting from the flake, `write` also pushing to it, `admin` also granting, changing the
/// visibility and deleting. WHO is one of:
///
///   alice       an account
///   team:ops    everybody in a team of the organisation
///   @members    every member of the organisation
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
pub(crate) enum GrantCommand {
    Add(AddArguments),
    Remove(RemoveArguments),
    List(ListArguments),
}

/// Grant a role on a flake, in place of any previous one
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
    /// The flake, or ORG/* for all of an organisation
    #[arg(value_name = "ORG/PROJECT|ORG/*", value_parser = parse_target, add = crate::completion::flakes())]
    on: FlakePattern,

    /// An account, a team (`team:NAME`) or `@members`
    #[arg(value_name = "WHO", value_parser = parse_subject)]
    who: Subject,

    /// The role
    #[arg(value_name = "ROLE", value_parser = words_or::<Role>(Role::WORDS, OTHER_WORDS))]
    role: Role,
}

/// Remove a role on a flake
///
/// Their machines keep what they have already substituted, but get nothing new. Other grants stay in effect:
/// `fh why PATH --user USER` shows them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh grant remove acme/app alice
  fh grant remove 'acme/*' team:builders")]
pub(crate) struct RemoveArguments {
    /// The flake, or ORG/* for all of an organisation
    #[arg(value_name = "ORG/PROJECT|ORG/*", value_parser = parse_target, add = crate::completion::flakes())]
    on: FlakePattern,

    /// An account, a team (`team:NAME`) or `@members`
    #[arg(value_name = "WHO", value_parser = parse_subject)]
    who: Subject,
}

/// List the roles on a flake
///
/// A pending grant was not accepted yet, and has no effect. Grants on all flakes of the organisation are in the list of `ORG/*`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh grant list acme/app
  fh grant list 'acme/*'")]
pub(crate) struct ListArguments {
    /// The flake, or ORG/* for all of an organisation
    #[arg(value_name = "ORG/PROJECT|ORG/*", value_parser = parse_target, add = crate::completion::flakes())]
    on: FlakePattern,
}

/// What a grant can be on.
fn parse_target(text: &str) -> Result<FlakePattern, String> {
    match text.parse() {
        Ok(FlakePattern::All) => Err(
            "a grant is on a flake, ORG/PROJECT, or on all flakes of an organisation, ORG/*".into(),
        ),
        Ok(pattern) => Ok(pattern),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_subject(text: &str) -> Result<Subject, String> {
    text.parse()
        .map_err(|error: fh_api::InvalidName| error.to_string())
}

pub(crate) fn run(command: GrantCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        GrantCommand::Add(arguments) => add(&arguments, context),
        GrantCommand::Remove(arguments) => remove(&arguments, context),
        GrantCommand::List(arguments) => list(&arguments, context),
    }
}

fn add(arguments: &AddArguments, context: &Context) -> Result<(), CommandError> {
    let AddArguments { on, who, role } = arguments;
    let client = context.client_with_token()?;
    let grant = context
        .change(format_args!("cannot grant {who} a role on {on}"), async {
            client.set_grant(on, who, *role).await
        })
        .map_err(|error| {
            let hint = match who {
                Subject::User(user) => format!(
                    "An administrator of the server can create the account: `fh user create {user}`"
                ),
                Subject::Team(_) | Subject::Members => {
                    format!("`fh team list {}` shows its teams.", org_of(on))
                }
            };
            error.hint_for(ErrorCode::InvalidContent, hint)
        })?;
    context.output.done(&grant, |grant| {
        let what = match grant.role {
            Role::Read => "read",
            Role::Write => "read and push to",
            Role::Admin => "read, push to and manage",
        };
        let (who, on) = (&grant.subject, &grant.on);
        if grant.pending {
            let org = org_of(on);
            return format!(
                "{who} is invited to {what} {on}; it takes effect when they accept: `fh invitation accept {org}`"
            );
        }
        format!("{who} may now {what} {on}.")
    })
}

fn remove(arguments: &RemoveArguments, context: &Context) -> Result<(), CommandError> {
    let RemoveArguments { on, who } = arguments;
    let client = context.client_with_token()?;
    let was_there = context
        .change(
            format_args!("cannot remove the role of {who} on {on}"),
            async {
                let was_there = is_there(client.grants(on).await, |list| {
                    list.grants
                        .iter()
                        .any(|grant| is_same_subject(&grant.subject, who))
                })?;
                client.remove_grant(on, who).await?;
                Ok(was_there)
            },
        )
        .map_err(|error| {
            error.hint_for(
                ErrorCode::InvalidContent,
                format!("`fh grant list {}` shows who has a role.", quoted(on)),
            )
        })?;
    context.output.done(
        &json!({ "on": on, "subject": who, "role": null, "removed": was_there }),
        |_| {
            if was_there {
                format!("Removed the role of {who} on {on}.")
            } else {
                format!("{who} had no role on {on}: there was nothing to remove.")
            }
        },
    )
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let on = &arguments.on;
    let client = context.client_with_token()?;
    let found = context
        .ask(format_args!("cannot list the roles on {on}"), async {
            client.grants(on).await
        })?
        .grants;
    context.output.list(&columns(), &found)?;
    let on = quoted(on);
    context.output.when_empty(
        &found,
        &format!("Nobody has a role on {on}. Grant one: `fh grant add {on} USER read`"),
    );
    Ok(())
}

fn org_of(on: &FlakePattern) -> String {
    match on {
        FlakePattern::All => "ORG".to_owned(),
        FlakePattern::Organization(org) => org.to_string(),
        FlakePattern::Flake(flake) => flake.org.to_string(),
    }
}

/// Whether both are one, as the server compares names.
fn is_same_subject(one: &Subject, other: &Subject) -> bool {
    let (one, other) = (one.to_string(), other.to_string());
    one.eq_ignore_ascii_case(&other)
}

/// As a shell takes it.
fn quoted(on: &FlakePattern) -> String {
    match on {
        FlakePattern::Flake(flake) => flake.to_string(),
        FlakePattern::All | FlakePattern::Organization(_) => format!("'{on}'"),
    }
}

fn columns() -> Vec<Column<GrantInfo>> {
    vec![
        column("subject", "WHO", |grant: &GrantInfo| {
            grant.subject.to_string()
        }),
        column("role", "ROLE", |grant: &GrantInfo| grant.role.to_string()),
        column("pending", "PENDING", |grant: &GrantInfo| {
            grant.pending.to_string()
        })
        .shown(|grant, _| if grant.pending { "not accepted" } else { "" }.to_owned())
        .toned(|_, _| Some(Tone::Attention)),
        column("on", "ON", |grant: &GrantInfo| grant.on.to_string()),
        column("created_at", "SINCE", |grant: &GrantInfo| {
            human::timestamp(grant.created_at)
        })
        .shown(|grant, now| human::relative(grant.created_at, now))
        .ranked(1),
    ]
}
