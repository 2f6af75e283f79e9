//! `fh status`: who one is to each server.
//!
//! 'Cannot tell' is not 'logged out': the two have words and exit codes of their own.

use std::process::ExitCode;

use clap::Args;
use fh_client::{Error as ClientError, ServerKind, ServerUrl};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::expiry::Ending;
use super::reach::Reach;
use crate::context::{Context, Selected, TokenOrigin, no_server};
use crate::error::{CommandError, Status};
use crate::keyring::KeyringError;
use crate::output::human;
use crate::site::{Identity, base};

/// Show which server you are logged in to, as whom, until when, and what your token may do
///
/// With `--all`, every server that is known.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh status
  fh status --all
  fh status --json | jq -r .expires_at

Exit status: 0 logged in; 3 logged out: there is no token, or the server does not accept it;
4 unknown: the server was not reached or failed, or the keyring does not answer; 1 a file cannot
be read; 2 usage. With `--all`, 4 if this is unknown for one, else 3 if one is logged out.")]
pub(crate) struct StatusArguments {
    /// All servers that are known
    #[arg(long, conflicts_with = "server")]
    all: bool,
}

pub(crate) fn run(
    arguments: &StatusArguments,
    context: &Context,
) -> Result<ExitCode, CommandError> {
    if arguments.all {
        return all(context);
    }
    let Some(selected) = context.selected()? else {
        return logged_out(None, no_server().with_status(Status::LoggedOut), context);
    };
    let server = selected.url();
    match ask(&selected, context) {
        Ok(login) if context.output.is_json() => {
            context.output.json(&record(server.as_str(), &login)?)?;
        }
        Ok(login) => print(server, &login, context)?,
        Err(error) => return logged_out(Some(server), error, context),
    }
    Ok(ExitCode::SUCCESS)
}

/// A login that works.
struct Login {
    kind: ServerKind,
    identity: Identity,
    origin: TokenOrigin,
    /// The addresses that the last login has set up Nix to read from, in their order.
    substituters: Vec<String>,
}

fn ask(selected: &Selected, context: &Context) -> Result<Login, CommandError> {
    let server = selected.url();
    let kind = selected.kind().unwrap_or_default();
    let found = context.token(server).map_err(|error| {
        // A keyring that does not answer keeps to itself whether there is a token.
        match error.downcast_ref::<KeyringError>() {
            Some(_) => error.with_status(Status::CannotTell),
            None => error,
        }
    })?;
    let Some(found) = found else {
        let mut error = CommandError::failed(format!("you are not logged in to {server}"))
            .hint(format!("Log in: `fh login --server {server}`"));
        if let Some(workload) = context.workload(selected.kind())? {
            error = error.hint(format!(
                "Commands that need a token, such as `fh push`, use the identity of this {}.",
                workload.provider()
            ));
        }
        return Err(error.with_status(Status::LoggedOut));
    };
    let client = context
        .client_of(&base(kind, server), Some(&found.token))?
        // Somebody waits for a word on how things are, not for things to get better.
        .with_retries(1);
    let asking = async { Ok(Identity::ask(&client, kind, server, &found.token).await?) };
    let (identity, _) = context.wait("", asking).map_err(classified)?;
    Ok(Login {
        kind,
        identity,
        origin: found.origin,
        substituters: substituters(selected),
    })
}

fn substituters(selected: &Selected) -> Vec<String> {
    let Selected::Known(entry) = selected else {
        return Vec::new();
    };
    let mut urls: Vec<String> = entry.substituters.iter().map(ToString::to_string).collect();
    if urls.is_empty() {
        urls.extend(entry.substituter.iter().map(ToString::to_string));
    }
    urls
}

/// Tells 'logged out' from 'cannot tell'.
fn classified(error: CommandError) -> CommandError {
    let (about, status) = match error.downcast_ref::<ClientError>() {
        Some(ClientError::Unauthorized { .. }) => ("you are logged out", Status::LoggedOut),
        Some(_) => (
            "cannot find out whether you are logged in",
            Status::CannotTell,
        ),
        None => return error,
    };
    error.context(about).with_status(status)
}

/// There is no login that works, or nobody can tell.
fn logged_out(
    server: Option<&ServerUrl>,
    error: CommandError,
    context: &Context,
) -> Result<ExitCode, CommandError> {
    match refusal(server, &error) {
        Some(record) if context.output.is_json() => {
            context.output.json(&record)?;
            Ok(error.exit_code())
        }
        _ => Err(error),
    }
}

/// All servers: what can be told of each, whatever is wrong with another.
fn all(context: &Context) -> Result<ExitCode, CommandError> {
    let servers = context.credentials()?.list()?;
    if servers.is_empty() {
        return logged_out(None, no_server().with_status(Status::LoggedOut), context);
    }
    let mut worst = None;
    let mut records = Vec::new();
    for (index, entry) in servers.into_iter().enumerate() {
        let (name, url) = (entry.name.clone(), entry.url.clone());
        let answer = ask(&context.known(entry)?, context);
        let mut record = match &answer {
            Ok(login) => record(url.as_str(), login)?,
            Err(error) => match refusal(Some(&url), error) {
                Some(record) => record,
                None => return answer.map(|_| ExitCode::SUCCESS),
            },
        };
        if let Err(error) = &answer
            && worst != Some(Status::CannotTell)
        {
            worst = Some(error.status());
        }
        if context.output.is_json() {
            record["name"] = json!(name);
            records.push(record);
            continue;
        }
        if index > 0 {
            context.output.text("\n")?;
        }
        match answer {
            Ok(login) => print(&url, &login, context)?,
            Err(error) => context.output.details(
                &(),
                &[("Server", url.to_string()), ("Login", error.sentence())],
            )?,
        }
    }
    if context.output.is_json() {
        context.output.json(&records)?;
    }
    Ok(ExitCode::from(worst.map_or(0, Status::code)))
}

/// What a program is told where there is no login that works; none for what is no answer at all.
fn refusal(server: Option<&ServerUrl>, error: &CommandError) -> Option<Value> {
    let logged_in = match error.status() {
        Status::LoggedOut => Some(false),
        Status::CannotTell => None,
        _ => return None,
    };
    Some(json!({
        "server": server.map(ServerUrl::as_str),
        "logged_in": logged_in,
        "reason": error.sentence(),
    }))
}

fn record(server: &str, login: &Login) -> Result<Value, CommandError> {
    let mut report = match &login.identity.whoami {
        Some(whoami) => serde_json::to_value(whoami)
            .map_err(|error| CommandError::output(std::io::Error::other(error)))?,
        None => json!({
            "user": login.identity.user,
            "expires_at": login.identity.expires_at.map(human::timestamp),
        }),
    };
    report["server"] = json!(server);
    report["server_kind"] = json!(login.kind.as_str());
    report["logged_in"] = json!(true);
    report["token_source"] = json!(login.origin.to_string());
    report["substituters"] = json!(login.substituters);
    Ok(report)
}

/// Prints a login, and warns where it ends within a week.
fn print(server: &ServerUrl, login: &Login, context: &Context) -> Result<(), CommandError> {
    let Identity {
        user,
        expires_at,
        whoami,
    } = &login.identity;
    let now = OffsetDateTime::now_utc();
    let mut lines = vec![("Server", server.to_string())];
    let expires = expires_at.map_or_else(|| "not known".to_owned(), |end| human::date(end, now));
    match whoami {
        Some(whoami) => {
            let mut user = format!("{} ({}", whoami.user, whoami.kind);
            if whoami.server_admin {
                user.push_str(", server administrator");
            }
            user.push(')');
            let mut token = whoami.token_id.map_or_else(
                || "the workload's own identity".to_owned(),
                |id| id.to_string(),
            );
            if let Some(description) = &whoami.token_description {
                token.push_str(&format!(" ({description})"));
            }
            let reach = Reach::from(whoami);
            lines.extend([
                ("User", user),
                ("Token", token),
                ("May", crate::text::joined(&whoami.permissions)),
                ("Flakes", reach.flakes()),
            ]);
            lines.extend(reach.limits());
            lines.push(("Expires", expires));
        }
        None => {
            lines.push(("Kind", login.kind.to_string()));
            lines.extend(user.clone().map(|user| ("User", user)));
            lines.push(("Expires", expires));
        }
    }
    lines.push(("Token from", login.origin.to_string()));
    // Where it is the server itself there is nothing to say.
    let is_part = |url: &String| url.contains("/cache/");
    if login.substituters.iter().any(is_part) {
        lines.push(("Nix reads", login.substituters.join(", ")));
    }
    context.output.details(&(), &lines)?;
    let whoami = whoami.as_ref();
    let ending = expires_at.and_then(|end| Ending::of(end, whoami, &login.origin, server, context));
    if let Some(ending) = ending {
        context.output.warning(&ending.sentence());
    }
    Ok(())
}
