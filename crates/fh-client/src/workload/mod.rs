//! The identity that a workload has where it runs, without a secret that anybody stored.
//!
//! ```text
//! WorkloadEnvironment ── detect ──▶ Workload ── identity(audience) ──▶ JWT ─────────┐
//!  (plain values, read                 │                                           ├─▶ Bearer, or
//!   by the binary)                     └── AWS: signed GetCallerIdentity ──▶ exchange ─┘   exchange
//! ```
//!
//! Most platforms sign a JWT for the server's audience; it can be shown to the server as it is, or
//! exchanged for a token of the server's own. AWS signs none: there the workload signs a request to AWS
//! that only tells who it is, bound to this server and to a nonce of it, and the server sends it on.
//!
//! Invariants: nothing is asked of the network to detect where this runs; a JWT or a signed request
//! goes to the server that it names and nowhere else; credentials of AWS go nowhere at all; each
//! failure says what was looked for and what to set.

mod aws;
mod command;
mod environment;
mod exchange;
mod files;
mod google;
mod provider;
mod remote;
mod source;

use std::sync::Arc;

use secrecy::SecretString;

pub use aws::{AwsCredentials, Signing, sign};
pub use environment::{
    AwsEnvironment, Firmware, GitHubEnvironment, GoogleEnvironment, KUBERNETES_TOKEN_FILE,
    WorkloadEnvironment,
};
pub use exchange::Exchanged;
pub use provider::{Provider, UnknownProvider};
pub use source::{Manner, WorkloadSource};

use crate::error::{Error, Result};
use crate::text::safe_line;

/// An identity token, a JWT.
#[derive(Debug, Clone)]
pub struct IdentityToken {
    /// The JWT.
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

/// A workload that has an identity, or should have one.
#[derive(Debug, Clone)]
pub struct Workload {
    provider: Provider,
    environment: Arc<WorkloadEnvironment>,
    connections: Connections,
}

impl Workload {
    /// The workload as which this runs; none where this is no workload that is known. Nothing is asked
    /// of the network.
    #[must_use]
    pub fn detect(
        environment: &Arc<WorkloadEnvironment>,
        connections: &Connections,
    ) -> Option<Self> {
        let provider = Provider::ALL
            .into_iter()
            .find(|provider| runs_on(*provider, environment))?;
        Some(Self::of(provider, environment, connections))
    }

    /// The workload of a platform, whatever the surroundings look like.
    #[must_use]
    pub fn of(
        provider: Provider,
        environment: &Arc<WorkloadEnvironment>,
        connections: &Connections,
    ) -> Self {
        Self {
            provider,
            environment: environment.clone(),
            connections: connections.clone(),
        }
    }

    /// The platform.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// An identity token for a server's audience; none on AWS, which has none.
    ///
    /// # Errors
    ///
    /// [`Error::NoIdentity`].
    pub async fn identity(&self, audience: &str) -> Result<Option<IdentityToken>> {
        let environment = &*self.environment;
        let connections = &self.connections;
        let identity = match self.provider {
            Provider::GitHub => remote::github(&environment.github, connections, audience).await?,
            Provider::GitLab => files::gitlab(environment, audience)?,
            Provider::Buildkite => command::buildkite(environment, audience).await?,
            Provider::CircleCi => command::circleci(environment, audience).await?,
            Provider::Semaphore => files::semaphore(environment)?,
            Provider::GoogleCloud => {
                google::identity(&environment.google, connections, audience).await?
            }
            Provider::Kubernetes => files::kubernetes(environment, audience)?,
            Provider::Token => files::token(environment)?,
            Provider::Aws => return Ok(None),
        };
        Ok(Some(identity))
    }
}

/// Whether the surroundings look like this platform's.
fn runs_on(provider: Provider, environment: &WorkloadEnvironment) -> bool {
    let aws = &environment.aws;
    let ci = environment.gitlab
        || environment.github.present
        || environment.buildkite
        || environment.circleci
        || environment.semaphore;
    match provider {
        // Who names a token means it.
        Provider::Token => {
            !environment.gitlab
                && !environment.kubernetes
                && (environment.token_variable.is_some()
                    || environment.token_file.is_some()
                    || (environment.id_token.is_some() && !ci))
        }
        Provider::GitHub => environment.github.present,
        Provider::GitLab => environment.gitlab,
        Provider::Buildkite => environment.buildkite,
        Provider::CircleCi => environment.circleci,
        Provider::Semaphore => environment.semaphore,
        Provider::Kubernetes => {
            (environment.kubernetes && environment.token_file.is_some())
                || environment.kubernetes_token_file.exists()
        }
        // Keys alone are on many a desk, and nobody there expects to be logged in by them.
        Provider::Aws => {
            aws.container_relative_uri.is_some()
                || aws.container_full_uri.is_some()
                || aws.web_identity_token_file.is_some()
                || aws.lambda
                || (environment.firmware.is_amazon() && !aws.metadata_disabled)
        }
        Provider::GoogleCloud => {
            environment.google.metadata_host.is_some()
                || environment.google.cloud_run
                || environment.firmware.is_google()
        }
    }
}

/// No identity, for a reason of this machine.
fn no_identity(provider: Provider, reason: impl Into<String>, advice: impl Into<String>) -> Error {
    Error::NoIdentity {
        provider,
        reason: reason.into(),
        advice: advice.into(),
        source: None,
    }
}

/// No identity, because something failed on the way to it.
fn failed(
    provider: Provider,
    reason: impl Into<String>,
    advice: impl Into<String>,
    source: Error,
) -> Error {
    Error::NoIdentity {
        provider,
        reason: reason.into(),
        advice: advice.into(),
        source: Some(Box::new(source)),
    }
}

/// A text that has to be one word, such as a token.
fn word(provider: Provider, what: &str, text: &str) -> Result<SecretString> {
    let token = SecretString::from(text.trim());
    match crate::client::check_token(&token) {
        Ok(()) => Ok(token),
        Err(error) => Err(failed(
            provider,
            format!("{} holds no identity token", safe_line(what, 200)),
            String::new(),
            error,
        )),
    }
}
