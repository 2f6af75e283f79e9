//! Whose a token is, as its server says: each kind of server in its own way.

use fh_api::Whoami;
use fh_client::{AtticCache, Client, Result, ServerKind, ServerUrl};
use secrecy::SecretString;
use time::OffsetDateTime;

use super::recognise::attic_cache;
use crate::context::expires_at;

/// Whose a token is.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// The account, where the server says so.
    pub(crate) user: Option<String>,
    /// When the token ends, where anybody says so.
    pub(crate) expires_at: Option<OffsetDateTime>,
    /// All that our own server says.
    pub(crate) whoami: Option<Whoami>,
}

impl Identity {
    /// As our own server says.
    pub(crate) fn of(whoami: Whoami) -> Self {
        Self {
            user: Some(whoami.user.to_string()),
            expires_at: Some(whoami.expires_at),
            whoami: Some(whoami),
        }
    }

    /// Asks a server of this kind. `client` has the token, and is one for [`base`]. An attic server tells no more than
    /// what it says of the cache.
    pub(crate) async fn ask(
        client: &Client,
        kind: ServerKind,
        server: &ServerUrl,
        token: &SecretString,
    ) -> Result<(Self, Option<AtticCache>)> {
        let mut identity = Self {
            expires_at: expires_at(token),
            ..Self::default()
        };
        let mut described = None;
        match (kind, attic_cache(server)) {
            (ServerKind::FlakeHub, _) => {
                if let Some(status) = client.flakehub_status().await? {
                    identity.user = Some(status.name);
                    identity.expires_at = Some(status.expires_at);
                }
            }
            (ServerKind::Attic, Some((_, cache))) => {
                described = Some(client.attic_cache(cache).await?);
            }
            (ServerKind::Fh | ServerKind::Attic, _) => {
                identity = Self::of(client.whoami().await?);
            }
        }
        Ok((identity, described))
    }
}

/// Where a server of this kind is asked: an attic server's address ends with the name of the cache.
pub(crate) fn base(kind: ServerKind, server: &ServerUrl) -> ServerUrl {
    let attic = attic_cache(server).filter(|_| kind == ServerKind::Attic);
    attic.map_or_else(|| server.clone(), |(base, _)| base)
}
