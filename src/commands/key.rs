//! `fh key`: the keys that a server signs store paths with.

use clap::{Args, Subcommand};
use fh_api::{ErrorCode, KeyInfo, KeyList, Name, RotateKeys, Signing};
use fh_client::Client;
use time::OffsetDateTime;

use crate::confirm::{self, Yes};
use crate::context::Context;
use crate::error::CommandError;
use crate::nouns::scoped::OrgOrAll;
use crate::output::{Columns, Tone, human};

/// The keys that the server signs store paths with
///
/// Clients trust two keys: the active one, which signs, and the standby, which signs after the next rotation.
/// If each organisation has its own keys (`fh serve --signing per-organization`), name the organisation.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the public keys: active, standby and retired
    #[command(
        after_help = "\
Examples:
  fh key list
  fh key list acme",
        mut_arg("org", |org| org.help(OF_SERVER))
    )]
    List(OrgOrAll),
    #[command(mut_arg("org", |org| org.help(OF_SERVER)))]
    Rotate(RotateArguments),
}

/// What is meant where no organisation is named.
const OF_SERVER: &str = "An organisation that has its own keys [default: the keys of the server]";

/// Activate the standby key, retire the active one, and create a new standby
///
/// Server administrators can rotate all keys; owners of an organisation can rotate its keys.
///
/// Clients that trust both keys, as `fh login` sets them up, keep working. Run `fh login` on them again before
/// the next rotation, so that they trust the new standby; a client that trusts neither key cannot substitute
/// from this server until it logs in again. So the server refuses a second rotation until the standby is old
/// enough (30 days, or its `min-key-age`). The secret of the retired key is erased.
///
/// On a terminal you are asked first. Without one `--yes` is needed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh key rotate
  fh key rotate --yes --json
  fh key rotate acme
  fh key rotate --force")]
pub(crate) struct RotateArguments {
    #[command(flatten)]
    whose: OrgOrAll,

    /// Rotate although the standby key is new
    ///
    /// Clients that have not logged in since it was created cannot substitute until they log in again.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    yes: Yes,
}

impl RotateArguments {
    /// The same command with one more option, to be copied.
    fn with(&self, option: &str, context: &Context) -> String {
        let mut words = vec!["fh key rotate"];
        words.extend(self.whose.org().map(Name::as_str));
        let server = context.settings.server.as_ref();
        if let Some(server) = server.filter(|server| server.origin == "--server") {
            words.extend(["--server", server.value.as_str()]);
        }
        let given = [
            (self.force, "--force"),
            (self.yes.is_said(), "--yes"),
            (context.output.is_json(), "--json"),
        ];
        words.extend(
            given
                .iter()
                .filter(|(given, _)| *given)
                .map(|(_, word)| *word),
        );
        words.push(option);
        format!("`{}`", words.join(" "))
    }
}

pub(crate) fn run(command: &KeyCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        KeyCommand::List(whose) => list(whose.org(), context),
        KeyCommand::Rotate(arguments) => rotate(arguments, context),
    }
}

fn list(org: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let client = context.client()?;
    let found = context.ask("cannot list the keys", told(&client, org))?;
    context.output.list(&columns(), &found.keys)
}

async fn told(client: &Client, org: Option<&Name>) -> fh_client::Result<KeyList> {
    match org {
        None => client.keys().await,
        Some(org) => client.organization_keys(org).await,
    }
}

fn rotate(arguments: &RotateArguments, context: &Context) -> Result<(), CommandError> {
    let yes = arguments.yes;
    if !yes.is_said() && !yes.asks(context) {
        let why = if context.output.is_json() {
            "with `--json` nobody is asked"
        } else {
            "there is no terminal to ask on"
        };
        return Err(
            CommandError::usage(format!("a rotation cannot be undone, and {why}"))
                .hint(format!("To do it: {}", arguments.with("--yes", context))),
        );
    }
    let client = context.client_with_token()?;
    let org = arguments.whose.org();
    if !yes.is_said() || arguments.force {
        // Who may rotate the keys of an organisation may be shown none of them.
        let before = context.wait("Nothing was changed.", async {
            Ok(told(&client, org).await.ok())
        })?;
        let whose = org.map_or_else(|| client.base_url().to_string(), Name::to_string);
        let said = loss(
            &whose,
            before.as_ref(),
            arguments.force,
            OffsetDateTime::now_utc(),
        );
        context.output.say(&said);
    }
    if !yes.is_said() {
        confirm::ask("Rotate the keys?", context)?;
    }
    let wanted = RotateKeys {
        force: arguments.force,
    };
    let keys = context
        .change("cannot rotate the keys", async {
            match org {
                None => client.rotate_keys(&wanted).await,
                Some(org) => client.rotate_organization_keys(org, &wanted).await,
            }
        })
        .map_err(|error| refused(error, arguments, &client, context))?;
    context.output.done(&keys, sentence)
}

/// Says what to do where the server refuses because the standby key is new.
fn refused(
    error: CommandError,
    arguments: &RotateArguments,
    client: &Client,
    context: &Context,
) -> CommandError {
    let is_conflict = error
        .downcast_ref::<fh_client::Error>()
        .is_some_and(|error| error.code() == Some(ErrorCode::Conflict));
    // Where all organisations share the keys, one has none to rotate, with force neither.
    let have_keys = |found: fh_api::Discovery| found.signing == Signing::PerOrganization;
    let can_force = is_conflict
        && !arguments.force
        && (arguments.whose.org().is_none()
            || context
                .ask("cannot find out whose keys sign", client.discovery())
                .is_ok_and(have_keys));
    if !can_force {
        return error;
    }
    error.hint(format!(
        "Until then, log in again on all clients: `fh login`. To rotate now anyway: {}",
        arguments.with("--force", context)
    ))
}

/// What a rotation of these keys does to clients.
fn loss(whose: &str, before: Option<&KeyList>, is_forced: bool, now: OffsetDateTime) -> String {
    let said = format!(
        "The standby key of {whose} becomes active, and the active one is retired. Clients that trust both keys \
         keep working."
    );
    let of_state =
        |state: &str| before.and_then(|list| list.keys.iter().find(|key| key.state == state));
    // Up to the first rotation every client was set up with both.
    let is_first = before.is_some() && of_state("retired").is_none();
    if is_first && !is_forced {
        return said;
    }
    let made = match of_state("standby") {
        Some(standby) => format!("{}, when", human::date(standby.created_at, now)),
        None => "the time when".to_owned(),
    };
    format!(
        "{said}\nClients that were set up before {made} the standby key was created, and have not logged in \
         since, have neither key afterwards: they cannot substitute from {whose} until they log in again. The server \
         does not know which machines these are."
    )
}

fn sentence(list: &KeyList) -> String {
    let name = |state: &str| {
        let key = list.keys.iter().find(|key| key.state == state);
        key.and_then(|key| key.public_key.split_once(':'))
            .map_or("?", |(name, _)| name)
    };
    format!(
        "{} is active now, and {} is the standby. Before the next rotation, log in again on all clients: `fh \
         login`",
        name("active"),
        name("standby")
    )
}

fn columns() -> Columns<KeyInfo> {
    Columns::<KeyInfo>::new()
        .text("state", "STATE")
        .toned(|key, _| match key.state.as_str() {
            "active" => Some(Tone::Good),
            "retired" => Some(Tone::Faint),
            _ => None,
        })
        .text("public_key", "PUBLIC KEY")
        .time("created_at", "CREATED", "")
        .ranked(1)
        .time("retired_at", "RETIRED", "")
        .ranked(2)
}
