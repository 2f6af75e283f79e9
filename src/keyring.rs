//! Tokens in the system's keyring: the Secret Service on Linux and the BSDs, the keychain on macOS.
//!
//! Invariants: nothing here lasts longer than [`PATIENCE`], whatever the keyring does (a bus that
//! never answers, a service that waits for somebody to unlock it); a token that cannot be kept in
//! the keyring is an error, and goes nowhere else; the keyring is touched only for a server whose
//! token was put there, or is to be.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use fh_client::ServerUrl;
use keyring::{Entry, Error};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{CommandError, Status};

/// Less than the three seconds in which a person is told.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Under which name the tokens stand; the account is the server's address.
const SERVICE: &str = "fh";

/// What can be wrong with a keyring. The messages hold no text that could be a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    /// It does not answer: it hangs, or waits for somebody to unlock it.
    #[error("the keyring did not answer in time: it hangs, or waits to be unlocked")]
    Hangs,
    /// There is none, or no session bus to reach it by.
    #[error("there is no usable keyring: {0}")]
    Absent(String),
    /// It does not let us in.
    #[error("the keyring is locked: {0}")]
    Locked(String),
    /// The keyring of this machine answered with an error.
    #[error("the keyring failed: {0}")]
    Failed(String),
}

/// The token of a server, if the keyring has one.
pub(crate) fn get(server: &ServerUrl) -> Result<Option<SecretString>, CommandError> {
    let token = within(server, |entry| match entry.get_password() {
        Ok(token) => Ok(Some(SecretString::from(token))),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(error),
    });
    token.map_err(|error| explained(error, server, "read"))
}

/// Keeps the token of a server, in the place of an earlier one.
pub(crate) fn set(server: &ServerUrl, token: &SecretString) -> Result<(), CommandError> {
    let token = Zeroizing::new(token.expose_secret().to_owned());
    within(server, move |entry| entry.set_password(&token))
        .map_err(|error| explained(error, server, "keep"))
}

/// Removes the token of a server; whether there was one.
pub(crate) fn remove(server: &ServerUrl) -> Result<bool, CommandError> {
    let removed = within(server, |entry| match entry.delete_credential() {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(error),
    });
    removed.map_err(|error| explained(error, server, "remove"))
}

/// Does something with the entry of a server, on a thread that is left behind where it hangs: there
/// is no way to call it off.
fn within<T: Send + 'static>(
    server: &ServerUrl,
    work: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
) -> Result<T, KeyringError> {
    let account = server.to_string();
    let (sender, receiver) = mpsc::channel();
    let spawned = thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || {
            let result = match Entry::new(SERVICE, &account) {
                Ok(entry) => work(&entry).map_err(understood),
                Err(error) => Err(understood(error)),
            };
            // Nobody listens where the time is over.
            let _ = sender.send(result);
        });
    spawned.map_err(|error| KeyringError::Failed(error.to_string()))?;
    match receiver.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(KeyringError::Hangs),
        Err(RecvTimeoutError::Disconnected) => Err(KeyringError::Failed(
            "it ended without an answer".to_owned(),
        )),
    }
}

fn understood(error: Error) -> KeyringError {
    match error {
        Error::NoDefaultStore => KeyringError::Absent(match Entry::store_status() {
            Err(Error::PlatformFailure(error) | Error::NoStorageAccess(error)) => error.to_string(),
            _ => "this system has none".to_owned(),
        }),
        Error::NoStorageAccess(error) => KeyringError::Locked(error.to_string()),
        Error::PlatformFailure(error) => KeyringError::Failed(error.to_string()),
        Error::TooLong(_, limit) => KeyringError::Failed(format!("it takes at most {limit} bytes")),
        Error::Ambiguous(_) => KeyringError::Failed("it has several entries for it".to_owned()),
        // Their text may hold what was read.
        _ => KeyringError::Failed("its answer cannot be used".to_owned()),
    }
}

fn explained(error: KeyringError, server: &ServerUrl, action: &str) -> CommandError {
    let unlock = match error {
        KeyringError::Hangs | KeyringError::Locked(_) => {
            "Unlock it (logging in to a desktop does), and try again."
        }
        KeyringError::Absent(_) | KeyringError::Failed(_) => {
            "A keyring needs a desktop session, or `dbus-run-session` and a Secret Service."
        }
    };
    CommandError::new(Status::Failed, error)
        .context(format!("cannot {action} the token for {server}"))
        .hint(unlock)
        .hint(format!(
            "Or keep the token in a file that only you can read: `fh login --server {server} --store \
             file`; or pass it for this command: FH_TOKEN_FILE."
        ))
}
