//! Credentials of AWS from the machine or the container that this runs in.
//!
//! A container's address may come from the environment; as in AWS's SDKs it has to be TLS, this
//! machine, or one of the addresses that ECS and EKS use, so that nobody's words in a variable send the
//! container's own secret over a network in the clear.

use http::Method;
use http::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::keys::{AwsCredentials, KeysJson};
use crate::error::{Error, Result};
use crate::http::Answer;
use crate::workload::identity::{Connections, no_identity};
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

/// Where the container's agent is asked, if variables say that there is one.
pub(super) fn container_address(environment: &AwsEnvironment) -> Result<Option<String>> {
    if let Some(path) = &environment.container_relative_uri {
        let path = path.trim_start_matches('/');
        return Ok(Some(format!("{CONTAINER}/{path}")));
    }
    let full = environment.container_full_uri.as_deref();
    full.map(checked).transpose()
}

/// The keys of the container, from the agent at this address.
pub(super) async fn container(
    url: String,
    environment: &AwsEnvironment,
    connections: &Connections,
) -> Result<AwsCredentials> {
    let token = match &environment.container_token_file {
        // Kept fresh by the agent.
        Some(file) => Some(SecretString::from(files::read(file)?.trim())),
        None => environment.container_token.clone(),
    };
    let header = token.as_ref().map(|token| ("authorization", token));
    let answer = ask(Method::GET, url, header, connections).await?;
    parse("the container's answer", &answer)
}

/// An address that a variable names, if it is one where the container's token may go.
fn checked(given: &str) -> Result<String> {
    let is_near = |url: &Url| {
        let host = url.host_str().unwrap_or_default();
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            _ => host == "localhost",
        };
        is_loopback || CONTAINER_HOSTS.contains(&host)
    };
    match Url::parse(given.trim()) {
        Ok(url) if url.scheme() == "https" || url.scheme() == "http" && is_near(&url) => {
            Ok(url.to_string())
        }
        _ => Err(no_identity(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI names an address that is not allowed for credentials",
            "It has to be https, or on this machine, or a link-local address of ECS or EKS.",
        )),
    }
}

/// The keys of the machine, by version 2 of its service alone.
pub(super) async fn instance(
    environment: &AwsEnvironment,
    connections: &Connections,
) -> Result<AwsCredentials> {
    let base = environment.metadata_endpoint.as_deref();
    let base = base.unwrap_or(INSTANCE).trim_end_matches('/');
    let (life, url) = (
        SecretString::from(SESSION),
        format!("{base}/latest/api/token"),
    );
    let header = Some(("x-aws-ec2-metadata-token-ttl-seconds", &life));
    let session = ask(Method::PUT, url, header, connections).await?;
    let session = SecretString::from(String::from_utf8_lossy(&session.body).trim());
    let header = Some(("x-aws-ec2-metadata-token", &session));
    let url = format!("{base}/{ROLE_PATH}");
    let roles = ask(Method::GET, url.clone(), header, connections).await?;
    let roles = String::from_utf8_lossy(&roles.body).into_owned();
    let role = roles.lines().next().unwrap_or_default().trim();
    // It becomes a part of an address.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@-_".contains(&byte);
    if role.is_empty() || !role.bytes().all(is_plain) {
        return Err(Error::InvalidAnswer {
            url,
            reason: "it does not name a role".to_owned(),
        });
    }
    let answer = ask(Method::GET, format!("{url}{role}"), header, connections).await?;
    parse("the metadata service's answer", &answer)
}

/// Asks a service that is near, with a header that may be secret.
async fn ask(
    method: Method,
    url: String,
    header: Option<(&'static str, &SecretString)>,
    connections: &Connections,
) -> Result<Answer> {
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header {
        headers.insert(name, secret(value)?);
    }
    let remote = Remote::near(&url, headers, connections)?;
    remote.ask(method).await
}

fn parse(place: &str, answer: &Answer) -> Result<AwsCredentials> {
    let keys: KeysJson =
        serde_json::from_slice(&answer.body).map_err(|_| Error::InvalidAnswer {
            url: answer.url.clone(),
            reason: "it holds no credentials".to_owned(),
        })?;
    keys.into_keys(place)
}

fn secret(text: &SecretString) -> Result<HeaderValue> {
    let mut value =
        HeaderValue::try_from(text.expose_secret()).map_err(|_| Error::InvalidToken {
            reason: "it cannot be sent in a header".into(),
        })?;
    value.set_sensitive(true);
    Ok(value)
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
