//! Proving an AWS identity: a signed `sts:GetCallerIdentity` request that somebody else may send.
//!
//! AWS signs no JWT for a role, but answers such a request with who signed it. The workload signs it
//! with Signature Version 4 and gives it, never the credentials, to the server, which sends it on.
//! Two more headers are signed: the server's audience, so that no other server can use what this one
//! was given, and a nonce of the server, so that it can be used once.

mod credentials;
mod metadata;
mod process;
mod profile;
mod sign;
mod web_identity;

use fh_api::oauth::SignedCallerIdentity;
use time::OffsetDateTime;

pub use credentials::AwsCredentials;
pub use sign::{Signing, sign};

use super::{AwsEnvironment, Connections, Provider, no_identity};
use crate::error::Result;

/// The region of the one global endpoint of the Security Token Service.
const GLOBAL_REGION: &str = "us-east-1";

/// Signs a request for a server's audience and nonce, with the credentials that are found.
pub(super) async fn caller_identity(
    environment: &AwsEnvironment,
    connections: &Connections,
    audience: &str,
    nonce: &str,
) -> Result<SignedCallerIdentity> {
    let found = credentials::find(environment, connections).await?;
    let region = environment.region.clone().or(found.region);
    let endpoint = endpoint(environment.sts_endpoint.as_deref(), region.as_deref())?;
    Ok(sign(&Signing {
        credentials: &found.credentials,
        url: &endpoint,
        region: region.as_deref().unwrap_or(GLOBAL_REGION),
        audience,
        nonce,
        now: OffsetDateTime::now_utc(),
    }))
}

/// Where the request goes, with a final slash.
fn endpoint(given: Option<&str>, region: Option<&str>) -> Result<String> {
    if let Some(given) = given {
        let url = given.parse::<crate::ServerUrl>()?;
        return Ok(format!("{url}/"));
    }
    let Some(region) = region else {
        return Ok("https://sts.amazonaws.com/".to_owned());
    };
    let is_name = |region: &str| {
        !region.is_empty()
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_name(region) {
        return Err(no_identity(
            Provider::Aws,
            "AWS_REGION is not a valid region",
            "A region is a word such as eu-central-1.",
        ));
    }
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    Ok(format!("https://sts.{region}.{domain}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_that_of_the_region() {
        for (given, region, url) in [
            (None, None, "https://sts.amazonaws.com/"),
            (
                None,
                Some("eu-central-1"),
                "https://sts.eu-central-1.amazonaws.com/",
            ),
            (
                None,
                Some("cn-north-1"),
                "https://sts.cn-north-1.amazonaws.com.cn/",
            ),
            (
                Some("http://localhost:5000"),
                Some("eu-central-1"),
                "http://localhost:5000/",
            ),
        ] {
            assert_eq!(endpoint(given, region).unwrap(), url);
        }
        assert!(endpoint(None, Some("evil.example/")).is_err());
    }
}
