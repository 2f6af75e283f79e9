//! A login that gets a new full lifetime: its token is renewed, and the new one put wherever the former one is.
//!
//! ```text
//! lock → the plan, with a stand-in for the new token → the server renews → the same plan with the token → carried out
//! ```
//!
//! Invariants: what cannot be planned is not asked of the server; the files change together or not at all, and where
//! they do not, the new token is revoked again. The former one stays valid until its end, whatever happens here.

use fh_api::{ErrorCode, TokenInfo};
use fh_client::{Error as ClientError, ServerKind, ServerUrl};
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;

use super::plan::{Renewed, netrc_files};
use super::token::Origin;
use crate::context::{Context, FoundToken, TokenOrigin};
use crate::error::CommandError;
use crate::output::human;
use crate::output::human::kind_in_words;
use crate::setup::daemon::Daemon;
use crate::setup::{
    Applied, Change, Changes, Files, KeyringChange, LEDGER, Machine, Privacy, Scope, ledger_of,
    ledger_text,
};

/// What stands for the new token before there is one. It is never written.
pub(crate) fn stand_in() -> SecretString {
    SecretString::from("fh1_renewed")
}

/// The token that a login has stored.
pub(crate) fn stored(server: &ServerUrl, context: &Context) -> Result<FoundToken, CommandError> {
    if let Some(found) = context.stored_token(server)? {
        return Ok(found);
    }
    let none = CommandError::failed(format!("there is no stored login to {server} to renew"));
    Err(match context.environment_token()? {
        Some(found) => none.hint(format!(
            "The token in {} stays as it is: `fh login --server {server}` stores it.",
            found.origin
        )),
        None => none.hint(format!("Log in: `fh login --server {server}`")),
    })
}

/// No server is named, and none is known.
pub(super) fn nothing_to_renew() -> CommandError {
    CommandError::failed("there is no login to renew: you are not logged in to any server")
        .hint("Log in: `fh login --server URL`")
}

/// Whose files `fh login --renew` sets up where that is not said: the machine's if the login has written to one of
/// them. A login of root may be one of root alone.
pub(super) fn scope(server: &ServerUrl, context: &Context) -> Result<Scope, CommandError> {
    if Scope::automatic() == Scope::User {
        return Ok(Scope::User);
    }
    let path = context.settings.directories()?.ledger();
    let mut files = Files::default();
    files.look(&path)?;
    let ledger = ledger_of(&files, &path)?;
    let machine = Machine::look(&context.settings, Scope::System, Daemon::None)?;
    for written in ledger.files_of(server.as_str()) {
        if machine.sets_up(written)? {
            return Ok(Scope::System);
        }
    }
    Ok(Scope::User)
}

/// [`stored`] for `fh login --renew`, with the words for where it is.
pub(super) fn stored_for_login(
    server: &ServerUrl,
    context: &Context,
) -> Result<(SecretString, Origin), CommandError> {
    let found = stored(server, context)?;
    Ok((found.token, Origin::Stored(found.origin.to_string())))
}

/// Refuses servers that cannot renew.
pub(crate) fn require_fh(kind: Option<ServerKind>, server: &ServerUrl) -> Result<(), CommandError> {
    match kind {
        None | Some(ServerKind::Fh) => Ok(()),
        Some(kind) => Err(CommandError::usage(format!(
            "{server} is {}, which cannot renew tokens",
            kind_in_words(kind)
        ))
        .hint(format!(
            "Create a new token there, and log in with it: `fh login --server {server} --token-file FILE`"
        ))),
    }
}

/// Lets the server renew a token, and has the new one written.
pub(crate) async fn carry_out(
    server: &ServerUrl,
    former: &SecretString,
    context: &Context,
    write: impl FnOnce(&SecretString) -> Result<Vec<Applied>, CommandError>,
) -> Result<(TokenInfo, Vec<Applied>), CommandError> {
    let client = context.client_builder(server.clone())?;
    let client = client.token(former.clone()).build()?;
    let minted = client
        .renew_token()
        .await
        .map_err(|error| refused(error, server))?;
    let token = SecretString::from(minted.token);
    match write(&token) {
        Ok(applied) => Ok((minted.info, applied)),
        Err(error) => {
            let new = context.client_builder(server.clone())?.token(token).build();
            let revoked = match new {
                Ok(new) => new.revoke_token(minted.info.id, false).await.is_ok(),
                Err(_) => false,
            };
            Err(not_stored(error, &minted.info, revoked))
        }
    }
}

/// The server's no, with what to do instead.
fn refused(error: ClientError, server: &ServerUrl) -> CommandError {
    let is_older = matches!(error.status(), Some(404 | 405));
    let error = CommandError::from(error).context(format!("cannot renew the login to {server}"));
    let anew = format!("log in with a new token: `fh login --server {server} --token-file FILE`");
    if is_older {
        return error.replace_hints(format!("This server does not know renewals: {anew}"));
    }
    [
        ErrorCode::Forbidden,
        ErrorCode::Conflict,
        ErrorCode::Unauthorized,
    ]
    .into_iter()
    .fold(error, |error, code| {
        error.hint_for(code, format!("Without a renewal, {anew}"))
    })
}

fn not_stored(error: CommandError, info: &TokenInfo, revoked: bool) -> CommandError {
    let error = error
        .context("the login was renewed, but the new token cannot be stored")
        .hint("The token that you have stays valid until its end. Put this right, and try again.");
    if revoked {
        return error;
    }
    error.hint(format!(
        "The new one is not needed: `fh token revoke {}`",
        info.id
    ))
}

/// What changes where a stored token is replaced, and nothing else: the store, and the netrc entries of all logins.
pub(crate) fn changes(
    server: &ServerUrl,
    former: &FoundToken,
    token: &SecretString,
    context: &Context,
) -> Result<Changes, CommandError> {
    let path = context.settings.directories()?.ledger();
    let mut files = Files::default();
    files.look(&path)?;
    let before = ledger_of(&files, &path)?;
    for netrc in netrc_files(&before, server.as_str()) {
        files.look(&netrc)?;
    }
    let renewed = Renewed {
        owner: server.as_str(),
        former: &former.token,
        token,
        scope: Scope::automatic(),
    };
    let mut ledger = before.clone();
    let netrcs = renewed.netrcs(&files, &mut ledger, &[])?;
    let mut changes = Changes::default();
    if ledger != before {
        let text = Some(ledger_text(&ledger)?);
        changes
            .files
            .push(Change::new(&files, LEDGER, &path, Privacy::Secret, text));
    }
    match &former.origin {
        TokenOrigin::Stored(path) => {
            files.look(path)?;
            let text = format!("{}\n", token.expose_secret()).into_bytes();
            let mut change = Change::new(&files, "token", path, Privacy::Secret, Some(text));
            change.what.push("the token".to_owned());
            changes.files.push(change);
        }
        TokenOrigin::Keyring => {
            changes.keyring = Some(KeyringChange {
                server: server.clone(),
                before: Some(former.token.clone()),
                after: Some(token.clone()),
            });
        }
        // A login stores none there.
        TokenOrigin::Variable(_) | TokenOrigin::VariableFile(_) => {}
    }
    changes.files.extend(netrcs);
    Ok(changes)
}

/// What `fh login --renew --dry-run` says besides.
pub(super) fn would_last(until: Option<OffsetDateTime>, now: OffsetDateTime) -> String {
    match until {
        Some(until) => format!(
            "the token would be renewed until {}: its new value is not known before",
            human::date(until, now)
        ),
        None => "the server does not let this token be renewed; without --dry-run it says why"
            .to_owned(),
    }
}
