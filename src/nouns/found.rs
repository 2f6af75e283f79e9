//! What is there before a command removes or renames it, by the name that it has now: which former name leads to what
//! is known to the server alone.

use std::fmt::Display;

use fh_api::{ErrorCode, FlakeInfo, Name};
use fh_client::Client;

use crate::context::Context;
use crate::error::CommandError;

/// What the server shows of one thing.
#[derive(Debug)]
pub(crate) enum Found<T> {
    There(T),
    /// It is not there, or nothing that it belongs to.
    Nothing,
    /// The server refuses to show it, or cannot: what is done next tells more.
    Unknown,
}

impl<T> Found<T> {
    /// Asks the server for it before something is done to it; `cannot` says what that is.
    ///
    /// # Errors
    /// Where the server did not answer.
    pub(crate) fn ask(
        cannot: impl Display,
        shown: impl Future<Output = fh_client::Result<T>>,
        context: &Context,
    ) -> Result<Self, CommandError> {
        context.ask(cannot, async { Self::of(shown.await) })
    }

    /// Of an answer to the question for it.
    ///
    /// # Errors
    /// Where the server did not answer.
    pub(crate) fn of(shown: fh_client::Result<T>) -> fh_client::Result<Self> {
        match if_there(shown) {
            Ok(Some(there)) => Ok(Self::There(there)),
            Ok(None) => Ok(Self::Nothing),
            Err(error) if error.status().is_some() => Ok(Self::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Whether it is taken to be there.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// What it is called now; as it was `given`, where that is not known.
    pub(crate) fn name<N: Clone>(&self, given: &N, name: impl FnOnce(&T) -> N) -> N {
        match self {
            Self::There(there) => name(there),
            Self::Nothing | Self::Unknown => given.clone(),
        }
    }
}

/// What the server shows; none for what is not there.
///
/// # Errors
/// Of the request, all others.
pub(crate) fn if_there<T>(shown: fh_client::Result<T>) -> fh_client::Result<Option<T>> {
    match shown {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The present name of an organisation that the caller may look at, or of which they see a flake that does.
///
/// # Errors
/// Of the requests.
pub(crate) async fn organization(
    client: &Client,
    org: &Name,
    does: impl Fn(&FlakeInfo) -> bool,
) -> fh_client::Result<Option<Name>> {
    match if_there(client.organization(org).await) {
        Ok(Some(found)) => return Ok(Some(found.name)),
        Ok(None) => {}
        Err(error) if error.code() == Some(ErrorCode::Forbidden) => {}
        Err(error) => return Err(error),
    }
    let mut flakes = client.flakes_of(Some(org), None).await?.flakes.into_iter();
    Ok(flakes.find(does).map(|found| found.flake.org))
}

/// What something is called, for who called it by a former name: `alice.jones (formerly alice)`.
pub(crate) fn formerly(present: &impl Display, given: &impl Display) -> String {
    let (present, given) = (present.to_string(), given.to_string());
    if present.eq_ignore_ascii_case(&given) {
        return given;
    }
    format!("{present} (formerly {given})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_name_is_said_beside_the_present_one() {
        for (present, given, told) in [
            ("alice", "alice", "alice"),
            ("alice", "ALICE", "ALICE"),
            ("alice.jones", "alice", "alice.jones (formerly alice)"),
            ("new/*", "acme/*", "new/* (formerly acme/*)"),
        ] {
            assert_eq!(formerly(&present, &given), told);
        }
    }
}
