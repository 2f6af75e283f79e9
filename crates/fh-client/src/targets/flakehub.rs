//! FlakeHub: its API knows which cache a project has, and its cache speaks attic's protocol.

use fh_api::FlakeName;
use serde::Deserialize;
use uuid::Uuid;

use super::CacheName;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::{Content, Request};
use crate::retry::{Repeat, RetryListener};
use crate::server_url::ServerUrl;
use crate::text::safe_line;

/// The API.
pub const API: &str = "https://api.flakehub.com";

/// The cache.
pub const CACHE: &str = "https://cache.flakehub.com";

/// Where people look, and tarballs are.
pub const WEB: &str = "https://flakehub.com";

/// Where FlakeHub is: the public one, unless another was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlakeHub {
    /// The API's address.
    pub api: ServerUrl,
    /// The cache's address.
    pub cache: ServerUrl,
}

impl FlakeHub {
    /// These addresses, or the public one's where none is given.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidServerUrl`].
    pub fn at(api: Option<&str>, cache: Option<&str>) -> Result<Self> {
        Ok(Self {
            api: api.unwrap_or(API).parse()?,
            cache: cache.unwrap_or(CACHE).parse()?,
        })
    }

    /// Whether this server is FlakeHub, or a part of it.
    #[must_use]
    pub fn is_at(&self, server: &ServerUrl) -> bool {
        *server == self.api || *server == self.cache || [API, CACHE, WEB].contains(&server.as_str())
    }

    /// The addresses that a token for it may be kept under, the API's first. Those of the public one
    /// are not among them where another is meant.
    #[must_use]
    pub fn addresses(&self) -> Vec<ServerUrl> {
        let mut addresses = vec![self.api.clone(), self.cache.clone()];
        if self.api.as_str() == API && self.cache.as_str() == CACHE {
            addresses.extend(WEB.parse());
        }
        addresses
    }
}

impl Default for FlakeHub {
    #[expect(
        clippy::expect_used,
        reason = "the addresses are constants, and a test parses them"
    )]
    fn default() -> Self {
        Self::at(None, None).expect("FlakeHub's addresses are addresses")
    }
}

/// The answer of `/project/{org}/{project}`; it may hold more.
#[derive(Debug, Deserialize)]
struct Project {
    organization_uuid_v7: Uuid,
    project_uuid_v7: Uuid,
}

/// The name of the cache that a project has. `client` is one of the API.
///
/// # Errors
///
/// Those of a request, [`Error::InvalidAnswer`], and [`Error::NoSuchProject`] where FlakeHub knows
/// none of this name or does not show it to this token.
pub async fn cache_of(
    client: &Client,
    flake: &FlakeName,
    listener: &RetryListener<'_>,
) -> Result<CacheName> {
    let request = Request {
        method: http::Method::GET,
        path: format!("/project/{}/{}", flake.org, flake.project),
        content: Content::Empty,
        repeat: Repeat::Safe,
    };
    let answer = match client.transport.send_telling(&request, listener).await {
        Err(error) if error.status() == Some(404) => {
            return Err(Error::NoSuchProject {
                flake: flake.to_string(),
            });
        }
        result => result?,
    };
    let project: Project =
        serde_json::from_slice(&answer.body).map_err(|error| Error::InvalidAnswer {
            url: answer.url,
            reason: safe_line(&error.to_string(), 300),
        })?;
    Ok(CacheName::of_project(
        project.organization_uuid_v7,
        project.project_uuid_v7,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_one_is_known_by_any_of_its_hosts() {
        let flakehub = FlakeHub::default();
        assert_eq!(flakehub.addresses().len(), 3);
        for host in [API, CACHE, WEB] {
            assert!(flakehub.is_at(&host.parse().unwrap()), "{host}");
        }
        for other in [
            "https://flakehub.com.example.org",
            "http://api.flakehub.com",
        ] {
            assert!(!flakehub.is_at(&other.parse().unwrap()), "{other}");
        }
        let other = FlakeHub::at(Some("http://127.0.0.1:1"), None).unwrap();
        assert_eq!(other.addresses().len(), 2);
        assert!(other.is_at(&"http://127.0.0.1:1/".parse().unwrap()));
    }
}
