//! A login that gets a new full lifetime: its token is renewed, and the new one put wherever the former one is.
//!
//! ```text
//! lock → the plan, with a stand-in for the new token → the server renews → the same plan with the token → carried out
//! ```
//!
//! Invariants: what cannot be planned is not asked of the server; the files change together or not at all, and where
//! they do not, the new token is revoked again. The former one stays valid until its end, whatever happens here.

use std::path::{Path, PathBuf};

use fh_api::{ErrorCode, TokenInfo};
use fh_client::{Error as ClientError, ServerKind, ServerUrl};
use fh_conf::ledger::Ledger;
use secrecy::{ExposeSecret as _, SecretString};

use super::changes::{Applied, Change, Changes, KeyringChange, Privacy};
use super::files::Files;
use super::ledger::{ledger_change, noted};
use super::machine::Scope;
use super::netrc::{netrc_change, parse_netrc};
use crate::context::{Context, FoundToken, TokenOrigin};
use crate::error::CommandError;
use crate::output::human::kind_in_words;

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
    let client = context.client_of(server, Some(former))?;
    let minted = client.renew_token().await;
    let minted = minted.map_err(|error| refused(error, server))?;
    let token = SecretString::from(minted.token);
    match write(&token) {
        Ok(applied) => Ok((minted.info, applied)),
        Err(error) => {
            let revoked = match context.client_of(server, Some(&token)) {
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
    let (mut files, path, before) = noted(&context.settings)?;
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
    changes
        .files
        .push(ledger_change(&files, &path, &before, &ledger)?);
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

/// A token and the one that takes its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renewed<'a> {
    /// The server, as the ledger calls it.
    pub(crate) owner: &'a str,
    pub(crate) former: &'a SecretString,
    pub(crate) token: &'a SecretString,
    pub(crate) scope: Scope,
}

/// The netrc files that logins to a server have written to, which [`Renewed::netrcs`] wants to have been looked at.
pub(crate) fn netrc_files(ledger: &Ledger, owner: &str) -> Vec<PathBuf> {
    let files = ledger.files_of(owner).into_iter();
    files
        .filter(|path| ledger.is_netrc(path))
        .map(Path::to_owned)
        .collect()
}

impl Renewed<'_> {
    /// What becomes of these files, but for those that are `done`.
    pub(crate) fn netrcs(
        &self,
        files: &Files,
        ledger: &mut Ledger,
        done: &[PathBuf],
    ) -> Result<Vec<Change>, CommandError> {
        let (former, token) = (self.former.expose_secret(), self.token.expose_secret());
        let mut changes = Vec::new();
        for path in netrc_files(ledger, self.owner) {
            if files.content(&path).is_none() || done.contains(&path) {
                continue;
            }
            let mut netrc = parse_netrc(files, &path)?;
            let hosts = ledger.renew_netrc(&path, self.owner, &mut netrc, former, token)?;
            if hosts.is_empty() {
                continue;
            }
            let after = Some(netrc.to_bytes());
            let mut change = netrc_change(files, &path, self.scope, after, (ledger, self.owner));
            let entries = hosts.iter().map(|host| format!("the entry of {host}"));
            change.what = entries.collect();
            changes.push(change);
        }
        Ok(changes)
    }
}
