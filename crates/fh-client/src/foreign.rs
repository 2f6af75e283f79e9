//! The two kinds of server that are not ours, as far as logging in to them goes: FlakeHub, and attic.
//!
//! FlakeHub answers `GET /cli/status` with who a token belongs to and until when, and
//! `GET /token/status` for tokens that belong to no person, such as a CI job's. An attic server
//! describes a cache at `GET /_api/v1/cache-config/CACHE`. What they send is read leniently: both may
//! say more, and attic may say less.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::{Content, Request};
use crate::retry::Repeat;
use crate::server_url::ServerUrl;
use crate::text::safe_line;

/// FlakeHub's three addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlakeHub {
    /// The API, by which it is known here.
    pub api: ServerUrl,
    /// The substituter.
    pub cache: ServerUrl,
    /// Where people look, and flakes are fetched from.
    pub web: ServerUrl,
}

impl FlakeHub {
    /// The API's address.
    pub const API: &str = crate::credentials::FLAKEHUB_API;
    /// The substituter's.
    pub const CACHE: &str = "https://cache.flakehub.com";
    /// The web site's.
    pub const WEB: &str = "https://flakehub.com";

    /// The public keys of FlakeHub's cache: the same for everyone.
    pub const PUBLIC_KEYS: [&str; 8] = [
        "cache.flakehub.com-3:hJuILl5sVK4iKm86JzgdXW12Y2Hwd5G07qKtHTOcDCM=",
        "cache.flakehub.com-4:Asi8qIv291s0aYLyH6IOnr5Kf6+OF14WVjkE6t3xMio=",
        "cache.flakehub.com-5:zB96CRlL7tiPtzA9/WKyPkp3A2vqxqgdgyTVNGShPDU=",
        "cache.flakehub.com-6:W4EGFwAGgBj3he7c5fNh9NkOXw0PUVaxygCVKeuvaqU=",
        "cache.flakehub.com-7:mvxJ2DZVHn/kRxlIaxYNMuDG1OvMckZu32um1TadOR8=",
        "cache.flakehub.com-8:moO+OVS0mnTjBTcOUh2kYLQEd59ExzyoW1QgQ8XAARQ=",
        "cache.flakehub.com-9:wChaSeTI6TeCuV/Sg2513ZIM9i0qJaYsF+lZCXg0J6o=",
        "cache.flakehub.com-10:2GqeNlIp6AKp4EF2MVbE1kBOp9iBSyo0UPR9KoR0o1Y=",
    ];
}

/// Whose token it is, as FlakeHub says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FlakeHubStatus {
    /// The name at the identity provider.
    #[serde(rename = "gh_name")]
    pub name: String,
    /// When the token ends.
    #[serde(with = "time::serde::timestamp")]
    pub expires_at: OffsetDateTime,
}

/// What an attic server says of a cache. Each part may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AtticCache {
    /// Where Nix reads the cache.
    pub substituter_endpoint: Option<String>,
    /// The public key, as nix.conf wants it.
    pub public_key: Option<String>,
    /// Whether it can be read without a token.
    pub is_public: Option<bool>,
    /// The store directory of what it serves.
    pub store_dir: Option<String>,
}

#[expect(
    clippy::missing_errors_doc,
    reason = "those of a request, as in `routes`"
)]
impl Client {
    /// Whose the token is, at FlakeHub; none where it is good and nobody's.
    pub async fn flakehub_status(&self) -> Result<Option<FlakeHubStatus>> {
        match self.foreign("/cli/status").await {
            Ok(status) => Ok(Some(status)),
            Err(
                refused @ (Error::Unauthorized { .. } | Error::Api { .. } | Error::Status { .. }),
            ) if refused.status().is_some_and(|status| status < 500) => {
                match self.answer("/token/status").await {
                    Ok(_) => Ok(None),
                    // The first refusal says more.
                    Err(error) if error.status().is_some_and(|status| status < 500) => Err(refused),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// What an attic server says of a cache of this name.
    pub async fn attic_cache(&self, cache: &str) -> Result<AtticCache> {
        self.foreign(&format!("/_api/v1/cache-config/{cache}"))
            .await
    }

    async fn foreign<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let (url, body) = self.answer(path).await?;
        serde_json::from_slice(&body).map_err(|error| Error::InvalidAnswer {
            url,
            reason: safe_line(&error.to_string(), 300),
        })
    }

    async fn answer(&self, path: &str) -> Result<(String, Bytes)> {
        let request = Request {
            method: Method::GET,
            path: path.to_owned(),
            content: Content::Empty,
            repeat: Repeat::Safe,
        };
        let answer = self.transport.send(&request).await?;
        Ok((answer.url, answer.body))
    }
}
