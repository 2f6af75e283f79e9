//! A token, and where it was found.

use std::path::PathBuf;
use std::time::Duration;

use fh_auth::UnverifiedTimes;
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;

/// A token that ends within this time is looked at again in its file before it ends.
const SHORT_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A token and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct FoundToken {
    pub(crate) token: SecretString,
    pub(crate) origin: TokenOrigin,
}

impl FoundToken {
    /// Whether it is one that `fh login --workload --keep-fresh` may be about to replace in its file.
    pub(super) fn is_replaced_soon(&self) -> bool {
        matches!(self.origin, TokenOrigin::Stored(_))
            && fh_client::left_of(&self.token).is_some_and(|left| left < SHORT_LIFE)
    }

    /// When it ends, as it says itself.
    pub(crate) fn expires_at(&self) -> Option<OffsetDateTime> {
        expires_at(&self.token)
    }

    /// How long it was made for, as it says itself.
    pub(crate) fn lifetime(&self) -> Option<time::Duration> {
        let times = UnverifiedTimes::read(self.token.expose_secret())?;
        Some(time::Duration::seconds(times.exp?.checked_sub(times.iat?)?))
    }

    /// Whether it was stored and has ended since, as it says itself.
    pub(super) fn has_ended(&self) -> bool {
        let end = self.expires_at();
        self.origin.is_stored() && end.is_some_and(|end| end <= OffsetDateTime::now_utc())
    }
}

/// When a token ends, as it says itself.
pub(crate) fn expires_at(token: &SecretString) -> Option<OffsetDateTime> {
    let end = UnverifiedTimes::read(token.expose_secret())?.exp?;
    OffsetDateTime::from_unix_timestamp(end).ok()
}

/// Where a token came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenOrigin {
    /// The value of a variable.
    Variable(&'static str),
    /// A file that a variable names.
    VariableFile(PathBuf),
    /// What `fh login` stored in a file.
    Stored(PathBuf),
    /// What `fh login` stored in the system's keyring.
    Keyring,
}

impl TokenOrigin {
    /// Whether a login stored it; else somebody gives it to each command.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self, Self::Stored(_) | Self::Keyring)
    }
}

impl std::fmt::Display for TokenOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::VariableFile(path) => write!(f, "{} (FH_TOKEN_FILE)", path.display()),
            Self::Stored(path) => write!(f, "{}", path.display()),
            Self::Keyring => f.write_str("the system's keyring"),
        }
    }
}
