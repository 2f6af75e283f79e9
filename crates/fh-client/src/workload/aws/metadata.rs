//! Credentials of AWS from the machine or the container that this runs in.
//!
//! A container's address may come from the environment; as in AWS's SDKs it has to be TLS, this
//! machine, or one of the addresses that ECS and EKS use, so that nobody's words in a variable send the
//! container's own secret over a network in the clear.

use http::Method;
use http::header::{self, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::keys::{AwsCredentials, SecretText};
use crate::error::{Error, Result};
use crate::provider::Provider;
use crate::workload::identity::{Connections, failed, no_identity};
use crate::workload::remote::Remote;
use crate::workload::{AwsEnvironment, files};

/// The agent of ECS.
const CONTAINER: &str = "http://169.254.170.2";

/// Where ECS and EKS answer besides: link-local addresses.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// The instance metadata service.
const INSTANCE: &str = "http://169.254.169.254";

/// For how long its session is asked for, in seconds.
const SESSION: &str = "300";

const ROLE_PATH: &str = "latest/meta-data/iam/security-credentials/";

/// Temporary credentials, as both services write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: SecretText,
    token: Option<SecretText>,
}

fn parse(place: &str, url: &str, body: &[u8]) -> Result<AwsCredentials> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| Error::InvalidAnswer {
        url: url.to_owned(),
        reason: "it holds no credentials".to_owned(),
    })?;
    AwsCredentials::new(
        place,
        &answer.access_key_id,
        answer.secret_access_key.0.expose_secret(),
        answer.token.as_ref().map(|token| token.0.expose_secret()),
    )
}

/// Those of the container.
pub(super) async fn container(
    environment: &AwsEnvironment,
    connections: &Connections,
) -> Result<AwsCredentials> {
    let url = match (
        &environment.container_relative_uri,
        &environment.container_full_uri,
    ) {
        (Some(path), _) => format!("{CONTAINER}/{}", path.trim_start_matches('/')),
        (None, Some(url)) => checked(url)?,
        (None, None) => return Err(none()),
    };
    let broken = |error| {
        failed(
            Provider::Aws,
            "the container has no credentials of AWS",
            "Give the task, the pod or the function a role.",
            error,
        )
    };
    let token = match &environment.container_token_file {
        // Kept fresh by the agent.
        Some(file) => Some(SecretString::from(
            files::read(file).map_err(broken)?.trim(),
        )),
        None => environment.container_token.clone(),
    };
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert(header::AUTHORIZATION, secret(&token).map_err(broken)?);
    }
    let remote = Remote::near(&url, headers, connections).map_err(broken)?;
    let answer = remote.get().await.map_err(broken)?;
    parse("the container's answer", &answer.url, &answer.body).map_err(broken)
}

/// An address that a variable names, if it is one where the container's token may go.
fn checked(given: &str) -> Result<String> {
    let url = Url::parse(given.trim()).ok();
    let allowed = url.as_ref().is_some_and(|url| match url.scheme() {
        "https" => true,
        "http" => match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => {
                address.is_loopback() || CONTAINER_HOSTS.contains(&address.to_string().as_str())
            }
            Some(Host::Ipv6(address)) => {
                address.is_loopback() || CONTAINER_HOSTS.contains(&format!("[{address}]").as_str())
            }
            None => false,
        },
        _ => false,
    });
    match url {
        Some(url) if allowed => Ok(url.to_string()),
        _ => Err(no_identity(
            Provider::Aws,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI names an address that is not allowed for credentials",
            "It has to be https, or on this machine, or a link-local address of ECS or EKS.",
        )),
    }
}

/// Those of the machine, by version 2 of its service alone.
pub(super) async fn instance(
    environment: &AwsEnvironment,
    connections: &Connections,
) -> Result<AwsCredentials> {
    let base = environment
        .metadata_endpoint
        .as_deref()
        .unwrap_or(INSTANCE)
        .trim_end_matches('/');
    let broken = |error: Error| {
        match error {
        // Nothing is there: this is not EC2.
        Error::Unreachable { .. } => Error::NoIdentity {
            provider: Provider::Aws,
            reason: "there are no credentials of AWS: not in AWS_ACCESS_KEY_ID and \
                     AWS_SECRET_ACCESS_KEY, nor in the shared files, nor of a container or a machine"
                .to_owned(),
            advice: "Give the job or the machine a role.".to_owned(),
            source: Some(Box::new(error)),
        },
        error => failed(
            Provider::Aws,
            "the metadata service of this machine gives no credentials of AWS",
            "Attach an instance profile with a role to the machine.",
            error,
        ),
    }
    };
    let at = |path: &str, headers: HeaderMap| {
        Remote::near(&format!("{base}/{path}"), headers, connections)
    };
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-aws-ec2-metadata-token-ttl-seconds",
        HeaderValue::from_static(SESSION),
    );
    let session = at("latest/api/token", headers).map_err(broken)?;
    let session = session.ask(Method::PUT).await.map_err(broken)?;
    let session = SecretString::from(String::from_utf8_lossy(&session.body).trim());
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-aws-ec2-metadata-token",
        secret(&session).map_err(broken)?,
    );
    let roles = at(ROLE_PATH, headers.clone()).map_err(broken)?;
    let roles = roles.get().await.map_err(broken)?;
    let roles = String::from_utf8_lossy(&roles.body).into_owned();
    let role = roles.lines().next().unwrap_or_default().trim();
    // It becomes a part of an address.
    let is_name = !role.is_empty()
        && role
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@-_".contains(&byte));
    if !is_name {
        return Err(broken(Error::InvalidAnswer {
            url: format!("{base}/{ROLE_PATH}"),
            reason: "it does not name a role".to_owned(),
        }));
    }
    let remote = at(&format!("{ROLE_PATH}{role}"), headers).map_err(broken)?;
    let answer = remote.get().await.map_err(broken)?;
    parse("the metadata service's answer", &answer.url, &answer.body).map_err(broken)
}

fn secret(text: &SecretString) -> Result<HeaderValue> {
    let mut value =
        HeaderValue::try_from(text.expose_secret()).map_err(|_| Error::InvalidToken {
            reason: "it cannot be sent in a header".into(),
        })?;
    value.set_sensitive(true);
    Ok(value)
}

fn none() -> Error {
    no_identity(
        Provider::Aws,
        "no address of the container's credentials is known",
        "ECS and EKS set AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_token_goes_nowhere_in_the_clear() {
        for good in [
            "https://credentials.example/x",
            "http://127.0.0.1:81/x",
            "http://localhost/x",
            "http://[::1]/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://credentials.example/x",
            "http://127.0.0.1.example/x",
            "http://169.254.169.254/x",
            "http://10.0.0.1/x",
            "ftp://127.0.0.1/x",
            "x",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
