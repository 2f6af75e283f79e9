//! `fh status`: who one is to the server.

use std::process::ExitCode;

use clap::Args;
use fh_api::Whoami;
use fh_client::{Error as ClientError, ServerUrl};
use serde_json::json;
use time::OffsetDateTime;

use crate::context::{Context, TokenOrigin, no_server};
use crate::error::{CommandError, Status};
use crate::output::human;

/// Show which server you are logged in to, as whom, until when, and what your token may do
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh status
  fh status --json | jq -r .expires_at

Exit status: 0 logged in; 3 logged out: there is no token, or the server does not accept it;
4 cannot tell: the server was not reached or failed; 1 a file cannot be read; 2 usage.")]
pub(crate) struct StatusArguments {}

pub(crate) fn run(
    StatusArguments {}: &StatusArguments,
    context: &Context,
) -> Result<ExitCode, CommandError> {
    let Some(server) = context.server()? else {
        return finish(
            None,
            Err(no_server().with_status(Status::LoggedOut)),
            context,
        );
    };
    let answer = ask(&server, context);
    finish(Some(&server), answer, context)
}

/// A login that works.
struct Login {
    whoami: Whoami,
    origin: TokenOrigin,
}

fn ask(server: &ServerUrl, context: &Context) -> Result<Login, CommandError> {
    let Some(found) = context.token(server)? else {
        return Err(
            CommandError::failed(format!("you are not logged in to {server}"))
                .hint(format!("Log in: `fh login --server {server}`"))
                .with_status(Status::LoggedOut),
        );
    };
    let client = context
        .client_builder(server.clone())?
        .token(found.token)
        // Somebody waits for a word on how things are, not for things to get better.
        .retries(1)
        .build()?;
    let whoami = context
        .wait("", async {
            client.whoami().await.map_err(CommandError::from)
        })
        .map_err(classified)?;
    Ok(Login {
        whoami,
        origin: found.origin,
    })
}

/// Tells 'logged out' from 'cannot tell'.
fn classified(error: CommandError) -> CommandError {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Unauthorized { .. }) => error
            .context("you are logged out")
            .with_status(Status::LoggedOut),
        Some(_) => error
            .context("cannot tell whether you are logged in")
            .with_status(Status::CannotTell),
        None => error,
    }
}

fn finish(
    server: Option<&ServerUrl>,
    answer: Result<Login, CommandError>,
    context: &Context,
) -> Result<ExitCode, CommandError> {
    let server = server.map(ServerUrl::as_str);
    match answer {
        Ok(login) => {
            print(server.unwrap_or_default(), &login, context)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if context.output.is_json() => {
            let logged_in = match error.status() {
                Status::LoggedOut => Some(false),
                Status::CannotTell => None,
                _ => return Err(error),
            };
            context.output.json(&json!({
                "server": server,
                "logged_in": logged_in,
                "reason": error.sentence(),
            }))?;
            Ok(error.exit_code())
        }
        Err(error) => Err(error),
    }
}

fn print(server: &str, login: &Login, context: &Context) -> Result<(), CommandError> {
    let Login { whoami, origin } = login;
    let now = OffsetDateTime::now_utc();
    if context.output.is_json() {
        let mut report = serde_json::to_value(whoami)
            .map_err(|error| CommandError::output(std::io::Error::other(error)))?;
        report["server"] = json!(server);
        report["logged_in"] = json!(true);
        report["token_source"] = json!(origin.to_string());
        return context.output.json(&report);
    }
    let mut user = format!("{} ({}", whoami.user, whoami.kind);
    if whoami.server_admin {
        user.push_str(", server administrator");
    }
    user.push(')');
    let mut token = whoami.token_id.to_string();
    if let Some(description) = &whoami.token_description {
        token.push_str(&format!(" ({description})"));
    }
    context.output.details(
        whoami,
        &[
            ("Server", server.to_owned()),
            ("User", user),
            ("Token", token),
            ("May", super::joined(&whoami.permissions)),
            ("Flakes", super::joined(&whoami.flakes)),
            ("Expires", human::date(whoami.expires_at, now)),
            ("Token from", origin.to_string()),
        ],
    )
}
