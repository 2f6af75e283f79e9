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
mod identity;
mod provider;
mod remote;
mod source;

use std::sync::Arc;

pub use aws::{AwsCredentials, Signing, sign};
pub use environment::{
    AwsEnvironment, Firmware, GitHubEnvironment, GoogleEnvironment, WorkloadEnvironment,
};
pub use exchange::Exchanged;
pub use identity::{Connections, IdentityToken, Origin};
pub use provider::Provider;
pub use source::{Manner, WorkloadSource};

#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;

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

    /// The platform that gives the identity.
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
                || environment.kubernetes_token_file().exists()
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
