//! The token: whether there is one, and what the server makes of it.

use fh_api::Permission;
use fh_client::{Error as ClientError, ServerUrl};
use time::OffsetDateTime;

use super::finding::{Check, Finding};
use super::server::from_server;
use crate::commands::expiry::Ending;
use crate::context::{Context, FoundToken, TokenOrigin};
use crate::error::CommandError;
use crate::output::human;
use crate::site::{Identity, Site, base};

const NAME: Check = Check("token");

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
                NAME.failed(error.sentence(), fix)
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
            (NAME.skipped(about), Some(found))
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
            let none = NAME.warning("there is none: you can read public flakes by their names (/cache/ORG/PROJECT), and what the \
                 server shows to everybody",
            );
            return Err(none.fix(log_in));
        }
        Err(error) => error,
    };
    // Of a variable, the error itself says what to do about it.
    if context.settings.token.is_some() {
        return Err(NAME.of_error(&error, "correct the variable, or unset it"));
    }
    let path = context
        .credentials()
        .and_then(|stored| Ok(stored.token_path(server)?));
    let anew = format!("{log_in} --token-file FILE");
    Err(match path {
        Ok(path) => NAME.of_file(&path, &error, anew),
        Err(_) => NAME.of_error(&error, anew),
    })
}

/// What the server says of a token that it accepts.
async fn accepted(
    context: &Context,
    site: &Site,
    found: &FoundToken,
) -> Result<Finding, CommandError> {
    let (origin, server) = (&found.origin, &site.server);
    let client = context.client_of(&base(site.kind, server), Some(&found.token))?;
    let (identity, _) = Identity::ask(&client, site.kind, server, &found.token).await?;
    let whoami = identity.whoami.as_ref();
    let soon = |end| Ending::of(end, whoami, origin, server, context).map(Ending::fix);
    let soon = identity.expires_at.and_then(soon);
    let Some(whoami) = whoami else {
        let about = format!("accepted (from {origin})");
        return Ok(match soon {
            Some(fix) => NAME.warning(format!("{about}, and ends soon")).fix(fix),
            None => NAME.ok(about),
        });
    };
    let about = format!(
        "the server knows you as {} until {} (from {origin})",
        whoami.user,
        human::date(whoami.expires_at, OffsetDateTime::now_utc())
    );
    if !whoami.permissions.contains(&Permission::Pull) {
        let about = format!("{about}, but may not read");
        return Ok(NAME.failed(about, "fh token create --permission read"));
    }
    Ok(match soon {
        Some(fix) => NAME.warning(about).fix(fix),
        None => NAME.ok(about),
    })
}
