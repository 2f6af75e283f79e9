//! The token: whether there is one, and what the server makes of it.

use fh_api::Whoami;
use fh_client::{Client, Error as ClientError, ServerKind, ServerUrl};
use time::OffsetDateTime;

use super::finding::Finding;
use super::server::from_server;
use crate::commands::expiry::Ending;
use crate::context::{Context, FoundToken, TokenOrigin};
use crate::error::CommandError;
use crate::output::human;
use crate::site::{Site, attic_cache};

const NAME: &str = "token";

/// Whether there is a token, and what the server makes of it.
pub(super) async fn checked(
    context: &Context,
    server: &ServerUrl,
    site: &Site,
) -> (Finding, Option<FoundToken>) {
    let found = match held(context, server) {
        Ok(found) => found,
        Err(finding) => return (finding, None),
    };
    let finding = match accepted(context, site, &found).await {
        Ok(about) => about,
        // Where a variable is in force, logging in would not help.
        Err(error) => match (&found.origin, error.downcast_ref::<ClientError>()) {
            (
                TokenOrigin::Variable(_) | TokenOrigin::VariableFile(_),
                Some(ClientError::Unauthorized { .. } | ClientError::InvalidToken { .. }),
            ) => {
                let fix = format!("unset the variable, or correct it: {}", found.origin);
                Finding::failed(NAME, error.sentence(), fix)
            }
            _ => from_server(NAME, &error, &site.server),
        },
    };
    (finding, Some(found))
}

/// The same where the server cannot be asked.
pub(super) fn unchecked(context: &Context, server: &ServerUrl) -> (Finding, Option<FoundToken>) {
    match held(context, server) {
        Ok(found) => {
            let about = format!(
                "not checked: the server was not reached (from {})",
                found.origin
            );
            (Finding::skipped(NAME, about), Some(found))
        }
        Err(finding) => (finding, None),
    }
}

/// The token that counts, or why there is none.
fn held(context: &Context, server: &ServerUrl) -> Result<FoundToken, Finding> {
    let log_in = format!("fh login --server {server}");
    let error = match context.token(server) {
        Ok(Some(found)) => return Ok(found),
        Ok(None) => {
            let none = Finding::warning(
                NAME,
                "there is none: you can read public flakes by their names (/cache/ORG/PROJECT), and what the \
                 server shows to everybody",
            );
            return Err(none.fix(log_in));
        }
        Err(error) => error,
    };
    // Of a variable, the error itself says what to do about it.
    if context.settings.token.is_some() {
        return Err(Finding::from_error(
            NAME,
            &error,
            "correct the variable, or unset it",
        ));
    }
    let path = context
        .credentials()
        .and_then(|stored| Ok(stored.token_path(server)?));
    let anew = format!("{log_in} --token-file FILE");
    Err(match path {
        Ok(path) => Finding::of_file(NAME, &path, &error, anew),
        Err(_) => Finding::from_error(NAME, &error, anew),
    })
}

async fn accepted(
    context: &Context,
    site: &Site,
    found: &FoundToken,
) -> Result<Finding, CommandError> {
    let origin = &found.origin;
    let attic = attic_cache(&site.server).filter(|_| site.kind == ServerKind::Attic);
    let base = attic.as_ref().map_or(&site.server, |(base, _)| base);
    let client: Client = context
        .client_builder(base.clone())?
        .token(found.token.clone())
        .build()?;
    let soon = |end: Option<OffsetDateTime>, whoami: Option<&Whoami>| {
        Ending::of(end?, whoami, origin, &site.server, context).map(Ending::fix)
    };
    let end = match (attic, site.kind) {
        (Some((_, cache)), _) => {
            client.attic_cache(cache).await?;
            Some(found.expires_at())
        }
        (None, ServerKind::FlakeHub) => {
            let status = client.flakehub_status().await?;
            let told = status.map(|status| status.expires_at);
            Some(told.or_else(|| found.expires_at()))
        }
        (None, _) => None,
    };
    if let Some(end) = end {
        let about = format!("accepted (from {origin})");
        return Ok(match soon(end, None) {
            Some(fix) => Finding::warning(NAME, format!("{about}, and ends soon")).fix(fix),
            None => Finding::ok(NAME, about),
        });
    }
    let whoami = client.whoami().await?;
    let now = OffsetDateTime::now_utc();
    let about = format!(
        "the server knows you as {} until {} (from {origin})",
        whoami.user,
        human::date(whoami.expires_at, now)
    );
    if !whoami.permissions.contains(&fh_api::Permission::Pull) {
        return Ok(Finding::failed(
            NAME,
            format!("{about}, but may not read"),
            "fh token create --permission read",
        ));
    }
    if let Some(fix) = soon(Some(whoami.expires_at), Some(&whoami)) {
        return Ok(Finding::warning(NAME, about).fix(fix));
    }
    Ok(Finding::ok(NAME, about))
}
