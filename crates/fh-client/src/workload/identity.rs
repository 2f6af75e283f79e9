//! The identity token of a workload, what asking for one needs, and why there is none.

use secrecy::SecretString;

use crate::error::{Error, Result};
use crate::text::safe_line;
use crate::token::check_token;

/// An identity token, a JWT.
#[derive(Debug, Clone)]
pub struct IdentityToken {
    /// The JWT, as it is sent.
    pub token: SecretString,
    /// Whether another one can be had at any time.
    pub origin: Origin,
}

/// How an identity token came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was made now, for this request, and the next one will be too.
    Made,
    /// It lies in a file that somebody keeps fresh.
    KeptFresh,
    /// It is the only one that this job gets.
    OnlyOne,
}

/// What a request to a platform needs to know besides.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    /// Certificate authorities to trust besides the system's, PEM.
    pub ca_certificates: Option<Vec<u8>>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

/// No identity, for a reason of this machine.
pub(in crate::workload) fn no_identity(
    reason: impl Into<String>,
    advice: impl Into<String>,
) -> Error {
    Error::NoIdentity {
        reason: reason.into(),
        advice: advice.into(),
        source: None,
    }
}

/// No identity, because something failed on the way to it.
pub(in crate::workload) fn failed(
    reason: impl Into<String>,
    advice: impl Into<String>,
) -> impl FnOnce(Error) -> Error {
    move |error| Error::NoIdentity {
        reason: reason.into(),
        advice: advice.into(),
        source: Some(Box::new(error)),
    }
}

/// A text that has to be one word, such as a token.
pub(in crate::workload) fn word(what: &str, text: &str) -> Result<SecretString> {
    let token = SecretString::from(text.trim());
    let reason = || format!("{} holds no identity token", safe_line(what, 200));
    match check_token(&token) {
        Ok(()) => Ok(token),
        Err(error) => Err(failed(reason(), "")(error)),
    }
}
