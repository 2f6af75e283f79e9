//! `fh flake`: making, showing and changing flakes.

use clap::{Args, Subcommand};
use fh_api::{CreateFlake, ErrorCode, FlakeInfo, FlakeName, UpdateFlake, Visibility};
use fh_client::ServerUrl;
use serde_json::json;
use time::OffsetDateTime;

use crate::arguments::{IfMissing, words};
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::{CommandError, Explain as _, Named, nouns};
use crate::nouns::flakes::{self, FlakesArguments};
use crate::nouns::found::{Found, formerly};
use crate::nouns::free_name::{self, FreeFlakeNameArguments};
use crate::nouns::qualified::Qualified;
use crate::nouns::rename::Renaming;
use crate::output::human;

/// Manage flakes, which you push to and grant access to
#[derive(Debug, Subcommand)]
pub(crate) enum FlakeCommand {
    Create(CreateArguments),
    /// Show one flake
    #[command(after_help = "\
Examples:
  fh flake show acme/app
  fh flake show acme/app --json | jq .nar_size")]
    Show(FlakeArguments),
    Set(SetArguments),
    /// Rename a flake in its organisation (admins of the organisation)
    ///
    /// Its former name keeps working in every address, command and CI job, until an admin of the organisation frees it
    /// (`fh flake free-name`) or the flake is deleted. Tokens, grants and trust policies still reach it.
    #[command(after_help = "\
Examples:
  fh flake rename acme/app shop")]
    Rename {
        #[command(flatten)]
        of: FlakeArguments,

        /// Its new name in the organisation
        #[arg(value_name = "NAME")]
        name: Qualified,

        #[command(flatten)]
        yes: Yes,
    },
    List(FlakesArguments),
    /// Delete a flake and everything that was pushed to it
    ///
    /// Machines keep what they have already substituted, but get nothing new from it.
    #[command(after_help = "\
Examples:
  fh flake delete acme/app --yes")]
    Delete {
        #[command(flatten)]
        of: FlakeArguments,

        #[command(flatten)]
        yes: Yes,
    },
    FreeName(FreeFlakeNameArguments),
}

/// The flake that is meant.
#[derive(Debug, Args)]
pub(crate) struct FlakeArguments {
    /// The flake
    #[arg(value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: FlakeName,
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

/// Change a flake's visibility or description
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh flake set acme/app --visibility unlisted
  fh flake set acme/app --description ''           # remove the description")]
pub(crate) struct SetArguments {
    #[command(flatten)]
    of: FlakeArguments,

    #[command(flatten)]
    change: Change,

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
        FlakeCommand::Show(of) => show(&of.flake, context),
        FlakeCommand::Set(arguments) => set(arguments, context),
        FlakeCommand::Rename { of, name, yes } => rename(&of.flake, &name, yes, context),
        FlakeCommand::List(arguments) => flakes::list(&arguments, context),
        FlakeCommand::Delete { of, yes } => delete(&of.flake, yes, context),
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
    let (flake, org) = (&new.flake, &new.flake.org);
    let answer = context
        .change(
            format_args!("cannot create the flake {flake}"),
            client.create_flake(&new),
        )
        .hint_for(
            ErrorCode::NotFound,
            format!("{} Create one: `fh org create {org}`", nouns::ORGANIZATIONS),
        )
        .hint_for(
            ErrorCode::Conflict,
            format!("Show it: `fh flake show {flake}`"),
        )
        .map_err(|error| error.naming(Named::Organization(org.clone())))?;
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

fn show(flake: &FlakeName, context: &Context) -> Result<(), CommandError> {
    let client = context.client()?;
    let found = context.ask(format_args!("cannot show {flake}"), client.flake(flake))?;
    print(&found, client.base_url(), context)
}

fn set(arguments: SetArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let flake = &arguments.of.flake;
    let Change {
        visibility,
        description,
    } = arguments.change;
    if let Some(wider @ (Visibility::Public | Visibility::Unlisted)) = visibility {
        let what = format!(
            "This makes {flake} {wider}: anyone who knows its name can read everything that was pushed to it."
        );
        let question = format!("Make it {wider}?");
        arguments
            .yes
            .confirm(Effect::Exposes, &what, &question, context)?;
    }
    let change = UpdateFlake {
        visibility,
        description,
    };
    let cannot = format_args!("cannot change {flake}");
    let changed = context.change(cannot, client.update_flake(flake, &change))?;
    print(&changed, client.base_url(), context)
}

fn rename(
    flake: &FlakeName,
    name: &Qualified,
    yes: Yes,
    context: &Context,
) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format_args!("cannot rename the flake {flake}");
    let found = Found::ask(cannot, client.flake(flake), context)?;
    let present = found.name(flake, |found| found.flake.clone());
    let full = flake.to_string();
    let what = ("flake", full.as_str(), "fh flake create");
    let name = name.within(&present.org, what, &client, context)?;
    let renaming = Renaming {
        noun: "flake",
        from: present.to_string(),
        to: format!("{}/{name}", present.org),
        yes,
    };
    renaming.carry_out(context, client.rename_flake(flake, name))
}

fn delete(flake: &FlakeName, yes: Yes, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format!("cannot delete {flake}");
    let found = Found::ask(&cannot, client.flake(flake), context)?;
    let present = found.name(flake, |found| found.flake.clone());
    let told = formerly(&present, flake);
    let what =
        format!("This deletes {told} and everything that was pushed to it, and cannot be undone.");
    yes.confirm(Effect::Loses, &what, "Delete the flake?", context)?;
    context.change(&cannot, client.delete_flake(flake))?;
    let deleted = json!({ "flake": present, "deleted": true });
    context
        .output
        .done(&deleted, |_| format!("Deleted the flake {told}."))
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
