//! What the environment says of a workload's identity.

use std::path::PathBuf;

use fh_client::workload::{
    AwsEnvironment, Firmware, GitHubEnvironment, GoogleEnvironment, Provider, WorkloadEnvironment,
};
use secrecy::SecretString;

use super::environment::Environment;
use super::variables::{self, Variable};
use crate::error::CommandError;

/// Whose identity is used where there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkloadChoice {
    /// No identity is looked for.
    Off,
    /// That of the workload which this looks like, if it looks like one.
    Detected,
    /// That of a workload on this platform.
    Named(Provider),
}

impl WorkloadChoice {
    /// Reads FH_WORKLOAD: off, or the name of a platform.
    pub(super) fn resolve(environment: &Environment) -> Result<Self, CommandError> {
        let Some(word) = environment.text(&variables::FH_WORKLOAD)? else {
            return Ok(Self::Detected);
        };
        match word.trim() {
            "off" | "no" | "false" | "0" => Ok(Self::Off),
            "auto" | "on" | "yes" | "true" | "1" => Ok(Self::Detected),
            name => name.parse().map(Self::Named).map_err(|_| {
                CommandError::usage(format!(
                    "FH_WORKLOAD is {name:?}, and must be off, auto, or one of {}",
                    Provider::WORDS.join(", ")
                ))
            }),
        }
    }
}

/// The surroundings, in the library's words.
pub(super) fn environment(environment: &Environment) -> Result<WorkloadEnvironment, CommandError> {
    let secret = |variable: &Variable| -> Result<Option<SecretString>, CommandError> {
        Ok(environment.text(variable)?.map(SecretString::from))
    };
    let is_true = |variable: &Variable| -> Result<bool, CommandError> {
        Ok(environment.text(variable)? == Some("true"))
    };
    let is_set = |variable: &Variable| environment.get(variable).is_some();
    let named = environment
        .text(&variables::FH_WORKLOAD_TOKEN_VARIABLE)?
        .map(|name| {
            let value = environment.named_token().and_then(|value| value.to_str());
            (name.to_owned(), value.map(SecretString::from))
        });
    Ok(WorkloadEnvironment {
        token_variable: named,
        token_file: environment.path(&variables::FH_WORKLOAD_TOKEN_FILE),
        id_token: secret(&variables::FH_ID_TOKEN)?,
        github: GitHubEnvironment {
            present: is_true(&variables::GITHUB_ACTIONS)?,
            request_url: text(environment, &variables::ACTIONS_ID_TOKEN_REQUEST_URL)?,
            request_token: secret(&variables::ACTIONS_ID_TOKEN_REQUEST_TOKEN)?,
        },
        gitlab: is_true(&variables::GITLAB_CI)?,
        buildkite: is_true(&variables::BUILDKITE)?,
        circleci: is_true(&variables::CIRCLECI)?,
        circleci_token: secret(&variables::CIRCLE_OIDC_TOKEN_V2)?,
        semaphore: is_true(&variables::SEMAPHORE)?,
        semaphore_token: secret(&variables::SEMAPHORE_OIDC_TOKEN)?,
        kubernetes: is_set(&variables::KUBERNETES_SERVICE_HOST),
        google: GoogleEnvironment {
            metadata_host: text(environment, &variables::GCE_METADATA_HOST)?,
            cloud_run: is_set(&variables::K_SERVICE) || is_set(&variables::CLOUD_RUN_JOB),
        },
        aws: aws(environment)?,
        firmware: Firmware::of_this_machine(),
        ..WorkloadEnvironment::default()
    })
}

fn aws(environment: &Environment) -> Result<AwsEnvironment, CommandError> {
    let text = |variable| text(environment, variable);
    let secret = |variable| Ok::<_, CommandError>(text(variable)?.map(SecretString::from));
    let region = match text(&variables::AWS_REGION)? {
        Some(region) => Some(region),
        None => text(&variables::AWS_DEFAULT_REGION)?,
    };
    Ok(AwsEnvironment {
        access_key_id: text(&variables::AWS_ACCESS_KEY_ID)?,
        secret_access_key: secret(&variables::AWS_SECRET_ACCESS_KEY)?,
        session_token: secret(&variables::AWS_SESSION_TOKEN)?,
        profile: text(&variables::AWS_PROFILE)?,
        credentials_file: shared_file(
            environment,
            &variables::AWS_SHARED_CREDENTIALS_FILE,
            ".aws/credentials",
        ),
        config_file: shared_file(environment, &variables::AWS_CONFIG_FILE, ".aws/config"),
        region,
        sts_endpoint: text(&variables::AWS_ENDPOINT_URL_STS)?,
        container_relative_uri: text(&variables::AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)?,
        container_full_uri: text(&variables::AWS_CONTAINER_CREDENTIALS_FULL_URI)?,
        container_token: secret(&variables::AWS_CONTAINER_AUTHORIZATION_TOKEN)?,
        container_token_file: environment.path(&variables::AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE),
        metadata_disabled: text(&variables::AWS_EC2_METADATA_DISABLED)?
            .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        metadata_endpoint: text(&variables::AWS_EC2_METADATA_SERVICE_ENDPOINT)?,
        lambda: environment
            .get(&variables::AWS_LAMBDA_FUNCTION_NAME)
            .is_some(),
        web_identity_token_file: environment.path(&variables::AWS_WEB_IDENTITY_TOKEN_FILE),
        role_arn: text(&variables::AWS_ROLE_ARN)?,
        role_session_name: text(&variables::AWS_ROLE_SESSION_NAME)?,
        program: None,
    })
}

fn text(environment: &Environment, variable: &Variable) -> Result<Option<String>, CommandError> {
    Ok(environment.text(variable)?.map(str::to_owned))
}

/// A file of AWS's: where a variable says, else in the home directory, if there is one.
fn shared_file(environment: &Environment, variable: &Variable, usual: &str) -> Option<PathBuf> {
    environment.path(variable).or_else(|| {
        let home = environment.path(&variables::HOME)?;
        Some(home.join(usual))
    })
}
