//! `fh flake`: making, showing and changing flakes.

use clap::{Args, Subcommand};
use fh_api::{CreateFlake, ErrorCode, FlakeInfo, FlakeName, UpdateFlake, Visibility};
use fh_client::ServerUrl;
use serde_json::json;
use time::OffsetDateTime;

use super::confirm::{Effect, Yes};
use super::found::{Found, formerly};
use super::free_name::{self, FreeFlakeNameArguments};
use super::list;
use super::rename::{NewName, Renaming};
use crate::arguments::{IfMissing, words};
use crate::context::Context;
use crate::error::{CommandError, Named, nouns};
use crate::output::human;

/// Manage flakes, which you push to and grant access to
#[derive(Debug, Subcommand)]
pub(crate) enum FlakeCommand {
    Create(CreateArguments),
    Show(ShowArguments),
    Set(SetArguments),
    Rename(RenameArguments),
    List(list::FlakesArguments),
    Delete(DeleteArguments),
    FreeName(FreeFlakeNameArguments),
}

/// Create a flake in one of your organisations
///
/// It is empty at first. Its visibility and `fh grant` decide who may read it:
///
///   private    only accounts that were granted access
///   unlisted   everybody who knows its name (/cache/ORG/PROJECT); no list shows it
///   public     everybody, by its name; at the root address, anyone who follows it (`fh follow`)
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fh flake create acme/app
  fh flake create acme/app --if-missing
  fh flake create acme/tools --visibility public --description 'What we build with'"
)]
pub(crate) struct CreateArguments {
    /// The new flake's name
    #[arg(value_name = "ORG/PROJECT")]
    flake: FlakeName,

    /// Who may read it without a grant
    #[arg(long, value_name = "VISIBILITY", default_value = "private", value_parser = words::<Visibility>(Visibility::WORDS))]
    visibility: Visibility,

    /// A description of one line
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    #[command(flatten)]
    if_missing: IfMissing,
}

/// Show one flake
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh flake show acme/app
  fh flake show acme/app --json | jq .nar_size")]
pub(crate) struct ShowArguments {
    /// The flake
    #[arg(value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: FlakeName,
}

/// Change a flake's visibility or description
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh flake set acme/app --visibility unlisted
  fh flake set acme/app --description ''           # remove the description")]
pub(crate) struct SetArguments {
    /// The flake
    #[arg(value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: FlakeName,

    #[command(flatten)]
    change: Change,

    #[command(flatten)]
    yes: Yes,
}

/// Rename a flake in its organisation (admins of the organisation)
///
/// Its former name keeps working in every address, command and CI job, until an admin of the organisation frees it
/// (`fh flake free-name`) or the flake is deleted. Tokens, grants and trust policies still reach it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh flake rename acme/app shop")]
pub(crate) struct RenameArguments {
    /// The flake
    #[arg(value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: FlakeName,

    /// Its new name in the organisation
    #[arg(value_name = "NAME")]
    name: NewName,

    #[command(flatten)]
    yes: Yes,
}

/// Delete a flake and everything that was pushed to it
///
/// Machines keep what they have already substituted, but get nothing new from it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh flake delete acme/app --yes")]
pub(crate) struct DeleteArguments {
    /// The flake
    #[arg(value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: FlakeName,

    #[command(flatten)]
    yes: Yes,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Change {
    /// Who may read it without a grant
    #[arg(long, value_name = "VISIBILITY", value_parser = words::<Visibility>(Visibility::WORDS))]
    visibility: Option<Visibility>,

    /// A description of one line; an empty one removes it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

pub(crate) fn run(command: FlakeCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        FlakeCommand::Create(arguments) => create(arguments, context),
        FlakeCommand::Show(arguments) => show(&arguments, context),
        FlakeCommand::Set(arguments) => set(arguments, context),
        FlakeCommand::Rename(arguments) => rename(&arguments, context),
        FlakeCommand::List(arguments) => list::flakes(&arguments, context),
        FlakeCommand::Delete(arguments) => delete(&arguments, context),
        FlakeCommand::FreeName(arguments) => free_name::of_flake(&arguments, context),
    }
}

fn create(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let new = CreateFlake {
        exist_ok: arguments.if_missing.set,
        flake: arguments.flake,
        visibility: arguments.visibility,
        description: arguments.description,
    };
    let answer = context
        .change(
            format_args!("cannot create the flake {}", new.flake),
            async { client.create_flake(&new).await },
        )
        .map_err(|error| {
            let (flake, org) = (&new.flake, &new.flake.org);
            error
                .hint_for(
                    ErrorCode::NotFound,
                    format!("{} Create one: `fh org create {org}`", nouns::ORGANIZATIONS),
                )
                .hint_for(
                    ErrorCode::Conflict,
                    format!("Show it: `fh flake show {flake}`"),
                )
                .naming(Named::Organization(org.clone()))
        })?;
    context.output.made(&answer, |made, is_new| {
        if !is_new {
            let (visibility, flake) = (made.visibility, &made.flake);
            return format!("The {visibility} flake {flake} exists already.");
        }
        let told = format!(
            "Created the {visibility} flake {flake}. Push to it: `fh push {flake} PATH`",
            visibility = made.visibility,
            flake = made.flake
        );
        match read_at(made, client.base_url()) {
            Some(read_at) => format!("{told}\nEverybody can read it at {read_at}"),
            None => told,
        }
    })
}

/// Where everybody reads a flake that is open, and how it comes into somebody's view at the root.
fn read_at(flake: &FlakeInfo, server: &ServerUrl) -> Option<String> {
    let name = &flake.flake;
    let server = server.as_str().trim_end_matches('/');
    let address = format!("{server}/cache/{name}");
    match flake.visibility {
        Visibility::Private => None,
        Visibility::Unlisted => Some(address),
        Visibility::Public => Some(format!(
            "{address}; at the root address, members of {} and anyone who follows it: `fh follow {name}`",
            name.org
        )),
    }
}

fn show(arguments: &ShowArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client()?;
    let found = context.ask(format_args!("cannot show {}", arguments.flake), async {
        client.flake(&arguments.flake).await
    })?;
    print(&found, client.base_url(), context)
}

fn set(arguments: SetArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let flake = &arguments.flake;
    if let Some(wider @ (Visibility::Public | Visibility::Unlisted)) = arguments.change.visibility {
        let what = format!(
            "This makes {flake} {wider}: anyone who knows its name can read everything that was pushed to it."
        );
        let question = format!("Make it {wider}?");
        arguments
            .yes
            .confirm(Effect::Exposes, &what, &question, context)?;
    }
    let change = UpdateFlake {
        visibility: arguments.change.visibility,
        description: arguments.change.description,
    };
    let changed = context.change(format_args!("cannot change {}", arguments.flake), async {
        client.update_flake(&arguments.flake, &change).await
    })?;
    print(&changed, client.base_url(), context)
}

fn rename(arguments: &RenameArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let RenameArguments { flake, name, yes } = arguments;
    let found = context.ask(format_args!("cannot rename the flake {flake}"), async {
        Found::of(client.flake(flake).await)
    })?;
    let present = found.name(flake, |found| found.flake.clone());
    let full = flake.to_string();
    let what = ("flake", full.as_str(), "fh flake create");
    let name = name.within(&present.org, what, &client, context)?;
    let renaming = Renaming {
        noun: "flake",
        from: present.to_string(),
        to: format!("{}/{name}", present.org),
        yes: *yes,
    };
    renaming.carry_out(context, async { client.rename_flake(flake, name).await })
}

fn delete(arguments: &DeleteArguments, context: &Context) -> Result<(), CommandError> {
    let flake = &arguments.flake;
    let client = context.client_with_token()?;
    let cannot = format!("cannot delete {flake}");
    let found = context.ask(&cannot, async { Found::of(client.flake(flake).await) })?;
    let present = found.name(flake, |found| found.flake.clone());
    let told = formerly(&present, flake);
    let what =
        format!("This deletes {told} and everything that was pushed to it, and cannot be undone.");
    let yes = arguments.yes;
    yes.confirm(Effect::Loses, &what, "Delete the flake?", context)?;
    context.change(&cannot, async { client.delete_flake(flake).await })?;
    context
        .output
        .done(&json!({ "flake": present, "deleted": true }), |_| {
            format!("Deleted the flake {told}.")
        })
}

fn print(flake: &FlakeInfo, server: &ServerUrl, context: &Context) -> Result<(), CommandError> {
    let now = OffsetDateTime::now_utc();
    let role = flake.role.map_or("none", |role| role.as_str());
    let last_push = flake
        .last_push_at
        .map_or_else(|| "never".to_owned(), |at| human::date(at, now));
    let read_at = read_at(flake, server).map(|read_at| ("Read at", read_at));
    let mut lines = vec![
        ("Flake", flake.flake.to_string()),
        ("Visibility", flake.visibility.to_string()),
        ("Description", flake.description.clone().unwrap_or_default()),
        ("Your role", role.to_owned()),
        ("Store paths", flake.paths.to_string()),
        ("Size", human::bytes(flake.nar_size)),
        ("Last push", last_push),
        ("Created", human::date(flake.created_at, now)),
        ("Id", flake.id.to_string()),
    ];
    // Beside the visibility, which it explains.
    if let Some(read_at) = read_at {
        lines.insert(2, read_at);
    }
    context.output.details(flake, &lines)
}
