//! The two kinds of server that are not ours, as far as logging in to them goes: FlakeHub, and attic.
//!
//! FlakeHub answers `GET /cli/status` with who a token belongs to and until when, and
//! `GET /token/status` for tokens that belong to no person, such as a CI job's. An attic server
//! describes a cache at `GET /_api/v1/cache-config/CACHE`. What they send is read leniently: both may
//! say more, and attic may say less.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::Request;
use crate::server_url::ServerUrl;

/// The three addresses at which FlakeHub is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlakeHub {
    /// The API, by which it is known here.
    pub api: ServerUrl,
    /// The substituter, to which pushes go too.
    pub cache: ServerUrl,
    /// Where people look, and flakes are fetched from.
    pub web: ServerUrl,
}

impl FlakeHub {
    /// The public API, by which FlakeHub is known.
    pub const API: &str = crate::credentials::FLAKEHUB_API;
    /// The address of the public substituter.
    pub const CACHE: &str = "https://cache.flakehub.com";
    /// The public web site.
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

    /// Whether this server is FlakeHub, or a part of it.
    #[must_use]
    pub fn is_at(&self, server: &ServerUrl) -> bool {
        self.addresses().contains(server)
            || [Self::API, Self::CACHE, Self::WEB].contains(&server.as_str())
    }

    /// The addresses that a token for it may be kept under, the API's first.
    #[must_use]
    pub fn addresses(&self) -> [ServerUrl; 3] {
        [self.api.clone(), self.cache.clone(), self.web.clone()]
    }
}

impl Default for FlakeHub {
    /// The one that everybody uses.
    #[expect(
        clippy::expect_used,
        reason = "the addresses are constants, and a test parses them"
    )]
    fn default() -> Self {
        let address = |text: &str| text.parse().expect("FlakeHub's addresses are addresses");
        Self {
            api: address(Self::API),
            cache: address(Self::CACHE),
            web: address(Self::WEB),
        }
    }
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
    /// Where the server wants to be talked to.
    pub api_endpoint: Option<String>,
    /// Names of keys; what they signed need not be sent.
    pub upstream_cache_key_names: Option<Vec<String>>,
}

impl AtticCache {
    /// Whether anything in it is attic's, so that it is no other server's JSON.
    pub(crate) fn is_of_attic(&self) -> bool {
        self.substituter_endpoint.is_some()
            || self.api_endpoint.is_some()
            || self.public_key.is_some()
    }
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
                match self.transport.send(&Request::get("/token/status")).await {
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
        self.transport.send(&Request::get(path)).await?.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_one_is_known_by_any_of_its_hosts() {
        let flakehub = FlakeHub::default();
        for host in [FlakeHub::API, FlakeHub::CACHE, FlakeHub::WEB] {
            assert!(flakehub.is_at(&host.parse().unwrap()), "{host}");
        }
        for other in [
            "https://flakehub.com.example.org",
            "http://api.flakehub.com",
        ] {
            assert!(!flakehub.is_at(&other.parse().unwrap()), "{other}");
        }
        let other = FlakeHub {
            api: "http://127.0.0.1:1".parse().unwrap(),
            ..FlakeHub::default()
        };
        assert!(other.is_at(&"http://127.0.0.1:1/".parse().unwrap()));
    }

    #[test]
    fn other_json_is_none_of_attic() {
        let read = |text: &str| serde_json::from_str::<AtticCache>(text).unwrap();
        assert!(!read("{}").is_of_attic());
        assert!(!read(r#"{"status": "ok"}"#).is_of_attic());
        assert!(
            read(r#"{"api_endpoint": "http://a/", "retention_period": "Global"}"#).is_of_attic()
        );
    }
}
