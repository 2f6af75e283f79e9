//! Asking a platform over HTTP: requests to addresses that it names itself, and GitHub's tokens.

use std::time::Duration;

use http::Method;
use http::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::{Position, Url};

use super::GitHubEnvironment;
use super::identity::{Connections, IdentityToken, Origin, failed, no_identity, word};
use crate::client::{Client, ClientBuilder};
use crate::error::{Error, Result};
use crate::http::{Answer, Content, Request};
use crate::text::safe_line;

/// How long a connection to a metadata server may take: it is on this machine, or next to it.
const NEAR_CONNECT: Duration = Duration::from_secs(2);

/// How long a metadata server may take for an answer.
const NEAR_READ: Duration = Duration::from_secs(10);

/// Attempts at a metadata server after the first: it may be starting itself.
const NEAR_RETRIES: u32 = 3;

/// Attempts after the first at a platform's service.
const RETRIES: u32 = 5;

/// An address of a platform.
pub(super) struct Remote {
    client: Client,
    path: String,
}

impl Remote {
    /// A service of a platform, with the token that it takes, if it takes one.
    pub(super) fn service(
        url: &str,
        token: Option<&SecretString>,
        connections: &Connections,
    ) -> Result<Self> {
        Self::new(url, connections, |mut builder| {
            if let Some(token) = token {
                builder = builder.token(token.clone());
            }
            if let Some(pem) = &connections.ca_certificates {
                builder = builder.ca_certificates(pem.clone());
            }
            builder.retries(RETRIES)
        })
    }

    /// A metadata server: near, and never behind a proxy.
    pub(super) fn near(url: &str, headers: HeaderMap, connections: &Connections) -> Result<Self> {
        Self::new(url, connections, |builder| {
            builder
                .headers(headers)
                .proxies(false)
                .connect_timeout(NEAR_CONNECT)
                .read_timeout(NEAR_READ)
                .retries(NEAR_RETRIES)
        })
    }

    fn new(
        url: &str,
        connections: &Connections,
        set_up: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self> {
        let refuse = |reason: String| Error::InvalidServerUrl {
            given: safe_line(url.rsplit('@').next().unwrap_or_default(), 120),
            reason,
        };
        let parsed = Url::parse(url.trim()).map_err(|error| refuse(error.to_string()))?;
        let base = parsed[..Position::BeforePath].parse()?;
        let mut builder = set_up(ClientBuilder::new(base));
        if let Some(name) = &connections.user_agent {
            builder = builder.user_agent(name);
        }
        Ok(Self {
            client: builder.build()?,
            path: parsed[Position::BeforePath..Position::AfterQuery].to_owned(),
        })
    }

    pub(super) async fn get(&self) -> Result<Answer> {
        self.ask(Method::GET).await
    }

    pub(super) async fn ask(&self, method: Method) -> Result<Answer> {
        self.send(method, Content::Empty).await
    }

    /// What may be asked twice.
    pub(super) async fn send(&self, method: Method, content: Content) -> Result<Answer> {
        let request = Request::new(method, self.path.clone(), content);
        self.client.transport.send(&request).await
    }
}

/// The part of GitHub's answer that counts.
#[derive(Deserialize)]
struct GitHubAnswer {
    value: SecretString,
}

const GITHUB_LINES: &str = "\
Give the job the permission to ask for one, in the workflow:
  permissions:
    contents: read
    id-token: write
Pull requests from forks do not get it.";

pub(super) async fn github(
    environment: &GitHubEnvironment,
    connections: &Connections,
    audience: &str,
) -> Result<IdentityToken> {
    let missing = |name: &str| {
        no_identity(
            format!("this GitHub Actions job may not ask for an identity token: {name} is not set"),
            GITHUB_LINES,
        )
    };
    let url = environment.request_url.as_deref();
    let url = url.ok_or_else(|| missing("ACTIONS_ID_TOKEN_REQUEST_URL"))?;
    let token = environment.request_token.as_ref();
    let token = token.ok_or_else(|| missing("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))?;
    let value = ask_github(&with_audience(url, audience), token, connections)
        .await
        .map_err(failed(
            "GitHub gives this job no identity token",
            GITHUB_LINES,
        ))?;
    Ok(IdentityToken {
        token: word("GitHub's answer", value.expose_secret())?,
        origin: Origin::Made,
    })
}

async fn ask_github(
    url: &str,
    token: &SecretString,
    connections: &Connections,
) -> Result<SecretString> {
    let answer = Remote::service(url, Some(token), connections)?
        .get()
        .await?;
    let parsed: GitHubAnswer =
        serde_json::from_slice(&answer.body).map_err(|_| Error::InvalidAnswer {
            url: safe_line(&answer.url, 300),
            reason: "it holds no `value`".to_owned(),
        })?;
    Ok(parsed.value)
}

/// An address with the audience in its query.
fn with_audience(url: &str, audience: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("audience", audience)
        .finish();
    format!("{url}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_is_added_to_what_is_there() {
        assert_eq!(
            with_audience("https://a.example/b?c=d", "urn:fh:1 2"),
            "https://a.example/b?c=d&audience=urn%3Afh%3A1+2"
        );
        assert_eq!(
            with_audience("https://a.example/b", "x"),
            "https://a.example/b?audience=x"
        );
    }
}
