//! Credentials of AWS, found where and in the order in which AWS's SDKs find them: environment (keys, or where
//! no profile is named a token that is exchanged for some), shared files (keys, such a token, a program that prints
//! some), container, instance.
//!
//! What a profile says besides (`source_profile`, `credential_source`, single sign-on) is left to AWS's command line,
//! without which nobody signs on: `docs/decisions/0003-aws-credentials.md` says why.

use std::path::Path;

use secrecy::ExposeSecret;

use super::endpoint::endpoint;
use super::keys::AwsCredentials;
use super::profile::{self, Way};
use super::web_identity::WebIdentity;
use super::{metadata, process};
use crate::error::{Error, Result};
use crate::workload::AwsEnvironment;
use crate::workload::identity::{Connections, failed, no_identity};

/// What is set on a machine that is none of AWS's.
const NO_ROLE: &str = "Give the job or the machine a role.";

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
        None => WebIdentity::of(environment)?.map(Way::WebIdentity),
    };
    let credentials = match of_environment.or(files.way) {
        Some(Way::Keys(keys)) => keys,
        Some(Way::WebIdentity(identity)) => {
            let region = environment.region.as_deref().or(region.as_deref());
            let endpoint = endpoint(environment.sts_endpoint.as_deref(), region)?;
            identity.keys(&endpoint, connections).await?
        }
        Some(Way::Process(line)) => process::keys(&line).await.map_err(failed(
            "the program of the setting credential_process gives no credentials of AWS",
            "It has to print them as JSON: `aws configure export-credentials --format process` does.",
        ))?,
        Some(Way::Other(setting)) => exported(environment, setting).await?,
        None => from_surroundings(environment, connections).await?,
    };
    Ok(Found {
        credentials,
        region,
    })
}

/// Keys for a profile that leads to them by a setting which AWS's command line knows.
async fn exported(environment: &AwsEnvironment, setting: &str) -> Result<AwsCredentials> {
    let name = environment.profile.as_deref().unwrap_or(profile::DEFAULT);
    let program = environment.program.as_deref().unwrap_or(Path::new("aws"));
    process::exported(program, name).await.map_err(failed(
        format!(
            "the profile {name:?} has no keys but {setting}, for which AWS's command line gives none"
        ),
        "fh runs `aws configure export-credentials`: version 2 of `aws` has to be in the PATH, and signed on where \
         the profile needs it (`aws sso login`).",
    ))
}

/// The keys that the container or the machine has.
async fn from_surroundings(
    environment: &AwsEnvironment,
    connections: &Connections,
) -> Result<AwsCredentials> {
    if let Some(url) = metadata::container_address(environment)? {
        let keys = metadata::container(url, environment, connections).await;
        return keys.map_err(failed(
            "the container has no credentials of AWS",
            "Give the task, the pod or the function a role.",
        ));
    }
    let looked = "there are no credentials of AWS: not in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor in \
                  the shared files, nor of a container";
    if environment.metadata_disabled {
        let reason = format!("{looked}, and AWS_EC2_METADATA_DISABLED is set");
        return Err(no_identity(reason, NO_ROLE));
    }
    let keys = metadata::instance(environment, connections).await;
    keys.map_err(|error| match error {
        // Nothing is there: this is not EC2.
        Error::Unreachable { .. } => failed(format!("{looked} or a machine"), NO_ROLE)(error),
        error => failed(
            "the metadata service of this machine gives no credentials of AWS",
            "Attach an instance profile with a role to the machine.",
        )(error),
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
        format!("{there} is set and {missing} is not"),
        "Set both or none.",
    )
}
