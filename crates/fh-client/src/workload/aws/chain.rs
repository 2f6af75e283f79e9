//! Credentials of AWS, found where and in the order in which AWS's SDKs find them: environment (keys, or where
//! no profile is named a token that is exchanged for some), shared files (keys, a program that prints some, or
//! such a token), container, instance.
//!
//! Left out are `source_profile` with `role_arn`, and single sign-on; where one of these is all there is, the
//! error says so.

use secrecy::ExposeSecret;

use super::endpoint::endpoint;
use super::keys::AwsCredentials;
use super::web_identity::WebIdentity;
use super::{metadata, process, profile};
use crate::error::Result;
use crate::provider::Provider;
use crate::workload::AwsEnvironment;
use crate::workload::identity::{Connections, no_identity};

/// Credentials, and what was said of the region beside them.
pub(super) struct Found {
    pub(super) credentials: AwsCredentials,
    pub(super) region: Option<String>,
}

pub(super) async fn find(environment: &AwsEnvironment, connections: &Connections) -> Result<Found> {
    if let Some(credentials) = from_environment(environment)? {
        // Whatever is wrong with the files does not matter then.
        let files = profile::read(environment).unwrap_or_default();
        return Ok(Found {
            credentials,
            region: files.region,
        });
    }
    let files = profile::read(environment)?;
    let region = files.region;
    let of_environment = match environment.profile {
        Some(_) => None,
        None => WebIdentity::of(environment)?,
    };
    let credentials = if let Some(identity) = of_environment.or(files.web_identity) {
        let region = environment.region.as_deref().or(region.as_deref());
        let endpoint = endpoint(environment.sts_endpoint.as_deref(), region)?;
        identity.keys(&endpoint, connections).await?
    } else if let Some(credentials) = files.credentials {
        credentials
    } else if let Some(line) = &files.process {
        process::keys(line).await?
    } else if let Some(reason) = files.unusable {
        return Err(no_identity(
            Provider::Aws,
            reason,
            "Put the keys into the environment instead: \
             `eval \"$(aws configure export-credentials --format env)\"`",
        ));
    } else if environment.container_relative_uri.is_some()
        || environment.container_full_uri.is_some()
    {
        metadata::container(environment, connections).await?
    } else if environment.metadata_disabled {
        return Err(no_identity(
            Provider::Aws,
            "there are no credentials of AWS: not in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor in \
             the shared files, nor of a container, and AWS_EC2_METADATA_DISABLED is set",
            "Give the job or the machine a role.",
        ));
    } else {
        metadata::instance(environment, connections).await?
    };
    Ok(Found {
        credentials,
        region,
    })
}

fn from_environment(environment: &AwsEnvironment) -> Result<Option<AwsCredentials>> {
    match (&environment.access_key_id, &environment.secret_access_key) {
        (Some(id), Some(secret)) => AwsCredentials::new(
            "the environment",
            id,
            secret.expose_secret(),
            environment
                .session_token
                .as_ref()
                .map(ExposeSecret::expose_secret),
        )
        .map(Some),
        (None, None) => Ok(None),
        (Some(_), None) => Err(half("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        (None, Some(_)) => Err(half("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")),
    }
}

fn half(there: &str, missing: &str) -> crate::Error {
    no_identity(
        Provider::Aws,
        format!("{there} is set and {missing} is not"),
        "Set both or none.",
    )
}
