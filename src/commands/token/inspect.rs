//! `fh token inspect`: a token's claims, and what its own server says of it.

use std::path::{Path, PathBuf};

use clap::Args;
use fh_api::Whoami;
use fh_auth::Claims;
use fh_client::{Error as ClientError, ServerUrl};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use time::OffsetDateTime;

use super::super::reach::Reach;
use super::super::token_id;
use crate::context::{Context, no_server};
use crate::error::CommandError;
use crate::output::human;
use crate::text::joined;
use crate::token_source;

/// Show what a token contains, and what its server knows about it
///
/// Without a file, it shows the token that you are logged in with. A token is sent only to its own server: the
/// default server, or that of `--server`, is asked only if the token is for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh token inspect
  fh token inspect ci.token
  fh token inspect - < ci.token")]
pub(crate) struct InspectArguments {
    /// A file with the token, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What is known of a token. Nothing of it is secret.
#[derive(Debug, Serialize)]
struct Report {
    issuer: String,
    audience: String,
    account_id: String,
    token_id: String,
    issued_at: Option<String>,
    expires_at: Option<String>,
    /// Whether its time is over, by this machine's clock.
    expired: bool,
    /// `accepted`, `refused` or `not asked`.
    server: &'static str,
    /// Why it was refused or not asked.
    reason: Option<String>,
    /// What the server says of it.
    whoami: Option<Box<Whoami>>,
}

pub(super) fn run(arguments: &InspectArguments, context: &Context) -> Result<(), CommandError> {
    let token = read(arguments.file.as_deref(), context)?;
    let claims = fh_auth::read_unverified(token.expose_secret())
        .map_err(|error| CommandError::new(crate::error::Status::Failed, error))?;
    let answer = match context.server()? {
        None => Answer::NotAsked("no server is known here: name one with --server".to_owned()),
        Some(server) => ask(&server, &claims, token, context)?,
    };
    print(&claims, answer, context)
}

fn read(file: Option<&Path>, context: &Context) -> Result<SecretString, CommandError> {
    match file {
        Some(path) if path == "-" => token_source::from_stdin(),
        Some(path) => token_source::from_argument(path).map_err(|error| {
            let is_id = path.to_str().is_some_and(|it| token_id::parse(it).is_ok());
            match is_id && !path.exists() {
                true => error.hint(
                    "This reads a token itself. `fh token list --wide` shows what is known of an id.",
                ),
                false => error,
            }
        }),
        None => {
            let server = match context.environment_token()? {
                Some(found) => return Ok(found.token),
                None => context.server()?.ok_or_else(no_server)?,
            };
            let found = context.token(&server)?.ok_or_else(|| {
                CommandError::failed(format!("you are not logged in to {server}"))
                    .hint("Name a file with a token: `fh token inspect FILE`")
            })?;
            Ok(found.token)
        }
    }
}

enum Answer {
    Accepted(Box<Whoami>),
    Refused(String),
    NotAsked(String),
}

/// Asks the token's own server; another one never gets to see it.
fn ask(
    server: &ServerUrl,
    claims: &Claims,
    token: SecretString,
    context: &Context,
) -> Result<Answer, CommandError> {
    let public = context.client_builder(server.clone())?.retries(1).build()?;
    let trusted = context
        .client_builder(server.clone())?
        .retries(1)
        .token(token)
        .build()?;
    let asked = context.wait("", async {
        let discovery = match public.discovery().await {
            Ok(discovery) => discovery,
            Err(error) => return Ok(Answer::NotAsked(error.to_string())),
        };
        if discovery.audience != claims.aud {
            return Ok(Answer::NotAsked(format!("it is not for {server}")));
        }
        Ok(match trusted.whoami().await {
            Ok(whoami) => Answer::Accepted(Box::new(whoami)),
            Err(ClientError::Unauthorized { message, .. }) => Answer::Refused(message),
            // Good, but not from here: it was asked, and has refused.
            Err(error) if error.status() == Some(403) => Answer::Refused(error.to_string()),
            Err(error) => Answer::NotAsked(error.to_string()),
        })
    })?;
    Ok(asked)
}

fn print(claims: &Claims, answer: Answer, context: &Context) -> Result<(), CommandError> {
    let now = OffsetDateTime::now_utc();
    let time = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).ok();
    let (server, reason, whoami) = match answer {
        Answer::Accepted(whoami) => ("accepted", None, Some(whoami)),
        Answer::Refused(reason) => ("refused", Some(reason), None),
        Answer::NotAsked(reason) => ("not asked", Some(reason), None),
    };
    let report = Report {
        issuer: claims.iss.clone(),
        audience: claims.aud.clone(),
        account_id: claims.sub.to_string(),
        token_id: claims.jti.to_string(),
        issued_at: time(claims.iat).map(human::timestamp),
        expires_at: time(claims.exp).map(human::timestamp),
        expired: claims.exp <= now.unix_timestamp(),
        server,
        reason,
        whoami,
    };
    let date = |seconds| time(seconds).map_or_else(String::new, |at| human::date(at, now));
    let verdict = match &report.reason {
        Some(reason) => format!("{server}: {reason}"),
        None => server.to_owned(),
    };
    let mut lines = vec![
        ("Issuer", report.issuer.clone()),
        ("Audience", report.audience.clone()),
        ("Account id", report.account_id.clone()),
        ("Token id", report.token_id.clone()),
        ("Issued", date(claims.iat)),
        ("Expires", date(claims.exp)),
        ("Server", verdict),
    ];
    if let Some(whoami) = &report.whoami {
        lines.push(("User", format!("{} ({})", whoami.user, whoami.kind)));
        lines.push(("May", joined(&whoami.permissions)));
        let reach = Reach::from(&**whoami);
        lines.push(("Flakes", reach.flakes()));
        lines.extend(reach.limits());
        if let Some(workload) = &whoami.workload {
            let policies = joined(&workload.policies);
            let text = format!("{} of {}, by {policies}", workload.subject, workload.issuer);
            lines.push(("Workload", text));
        }
        lines.push((
            "Description",
            whoami.token_description.clone().unwrap_or_default(),
        ));
    }
    context.output.details(&report, &lines)
}
