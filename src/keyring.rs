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

/// What is wrong with a keyring. The message holds no text that could be a secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct KeyringError {
    message: String,
    /// Somebody who unlocks it can mend that.
    is_locked: bool,
}

impl KeyringError {
    fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_locked: false,
        }
    }

    fn locked(message: impl Into<String>) -> Self {
        Self {
            is_locked: true,
            ..Self::failed(message)
        }
    }
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
    spawned.map_err(|error| KeyringError::failed(format!("the keyring failed: {error}")))?;
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => KeyringError::locked(
                "the keyring did not answer in time: it hangs, or waits to be unlocked",
            ),
            RecvTimeoutError::Disconnected => {
                KeyringError::failed("the keyring failed: it ended without an answer")
            }
        })
    })
}

fn understood(error: Error) -> KeyringError {
    let failed = match error {
        Error::NoDefaultStore => {
            let reason = match Entry::store_status() {
                Err(Error::PlatformFailure(error) | Error::NoStorageAccess(error)) => {
                    error.to_string()
                }
                _ => "this system has none".to_owned(),
            };
            return KeyringError::failed(format!("there is no usable keyring: {reason}"));
        }
        Error::NoStorageAccess(error) => {
            return KeyringError::locked(format!("the keyring is locked: {error}"));
        }
        Error::PlatformFailure(error) => error.to_string(),
        Error::TooLong(_, limit) => format!("it takes at most {limit} bytes"),
        Error::Ambiguous(_) => "it has several entries for it".to_owned(),
        // Their text may hold what was read.
        _ => "its answer cannot be used".to_owned(),
    };
    KeyringError::failed(format!("the keyring failed: {failed}"))
}

fn explained(error: KeyringError, server: &ServerUrl, action: &str) -> CommandError {
    let unlock = if error.is_locked {
        "Unlock it (logging in to a desktop does), and try again."
    } else {
        "A keyring needs a desktop session, or `dbus-run-session` and a Secret Service."
    };
    CommandError::new(Status::Failed, error)
        .context(format!("cannot {action} the token for {server}"))
        .hint(unlock)
        .hint(format!(
            "Or keep the token in a file that only you can read: `fh login --server {server} --store \
             file`; or pass it for this command: FH_TOKEN_FILE."
        ))
}
