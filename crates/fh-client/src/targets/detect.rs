//! Which protocol a server speaks.

use fh_api::ErrorCode;

use super::PushTarget;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::foreign::{AtticCache, FlakeHub};
use crate::http::Request;
use crate::server_kind::ServerKind;
use crate::server_url::ServerUrl;

/// What tells a protocol without asking anybody.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The server that is to be pushed to.
    pub server: &'a ServerUrl,
    /// What was remembered of it.
    pub remembered: Option<ServerKind>,
    /// Whether the token for it is one of an fh server, as [`fh_api::TOKEN_PREFIX`] says.
    pub fh_token: bool,
    /// The addresses at which FlakeHub is.
    pub flakehub: &'a FlakeHub,
}

impl Known<'_> {
    /// The protocol, where it is known.
    #[must_use]
    pub fn protocol(&self) -> Option<ServerKind> {
        if self.remembered.is_some() {
            self.remembered
        } else if self.flakehub.is_at(self.server) {
            Some(ServerKind::FlakeHub)
        } else {
            self.fh_token.then_some(ServerKind::Fh)
        }
    }
}

/// Asks a server what it speaks: `/.well-known/fh`, which only an fh server has, then attic's
/// `cache-config`, to which an atticd answers with JSON of its own form whatever it thinks of the
/// caller. The client's token is not sent.
///
/// # Errors
///
/// [`Error::UnknownProtocol`] where neither answers, and those of a request.
pub async fn detect(client: &Client, target: &PushTarget) -> Result<ServerKind> {
    let anonymous = client.without_token();
    match anonymous.discovery().await {
        Ok(_) => return Ok(ServerKind::Fh),
        Err(Error::NotAnFhServer { .. }) => {}
        Err(error) => return Err(error),
    }
    // Any name will do where the target is none: what counts is the form of the answer.
    let cache = match target {
        PushTarget::Cache(cache) => cache.as_str(),
        PushTarget::Flake(_) => "main",
    };
    if answers_like_attic(&anonymous, cache).await? {
        return Ok(ServerKind::Attic);
    }
    Err(Error::UnknownProtocol {
        url: client.base_url().to_string(),
    })
}

async fn answers_like_attic(anonymous: &Client, cache: &str) -> Result<bool> {
    let request = Request::get(format!("/_api/v1/cache-config/{cache}"));
    match anonymous.transport.send(&request).await {
        Ok(answer) => {
            let config = serde_json::from_slice::<AtticCache>(&answer.body);
            Ok(config.is_ok_and(|config| config.is_of_attic()))
        }
        // Its error names are none of ours.
        Err(Error::Api { body, status, .. }) => {
            Ok(body.error == ErrorCode::Unknown && body.code == status)
        }
        Err(Error::Unauthorized { message, .. }) => Ok(message == "Unauthorized."),
        Err(Error::Status { status, .. }) if status < 500 => Ok(false),
        Err(Error::Redirected { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A server's kind that does not fit what was named, in words.
///
/// # Errors
///
/// [`Error::WrongTarget`].
pub fn flake_or_cache(protocol: ServerKind, server: &ServerUrl, target: &PushTarget) -> Result<()> {
    // Only attic has caches, and it has no flakes.
    let fits = (protocol == ServerKind::Attic) == matches!(target, PushTarget::Cache(_));
    if fits {
        return Ok(());
    }
    Err(Error::WrongTarget {
        server: server.to_string(),
        protocol,
        target: target.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(server: &str, remembered: Option<ServerKind>, fh_token: bool) -> Option<ServerKind> {
        Known {
            server: &server.parse().unwrap(),
            remembered,
            fh_token,
            flakehub: &FlakeHub::default(),
        }
        .protocol()
    }

    #[test]
    fn what_can_be_known_is_not_asked() {
        assert_eq!(known("https://a.org", None, false), None);
        assert_eq!(known("https://a.org", None, true), Some(ServerKind::Fh));
        for host in ["flakehub.com", "api.flakehub.com", "cache.flakehub.com"] {
            assert_eq!(
                known(host, None, false),
                Some(ServerKind::FlakeHub),
                "{host}"
            );
        }
        // Over plain HTTP it is not FlakeHub, whatever its name.
        assert_eq!(known("http://flakehub.com", None, false), None);
        let remembered = Some(ServerKind::Attic);
        assert_eq!(known("https://a.org", remembered, true), remembered);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for word in ServerKind::WORDS {
            assert_eq!(word.parse::<ServerKind>().unwrap().as_str(), *word);
        }
        assert!("Attic".parse::<ServerKind>().is_err());
    }
}
