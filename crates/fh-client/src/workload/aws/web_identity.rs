//! Keys of AWS for a token of another issuer, such as EKS gives to a pod: `sts:AssumeRoleWithWebIdentity`, the
//! one request to AWS that needs no keys.

use std::path::{Path, PathBuf};

use http::Method;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use url::form_urlencoded;

use super::keys::AwsCredentials;
use crate::ServerUrl;
use crate::error::{Error, Result};
use crate::http::Content;
use crate::workload::identity::{Connections, failed, no_identity, word};
use crate::workload::remote::Remote;
use crate::workload::{AwsEnvironment, files};

/// Which role, and for which token.
pub(super) struct WebIdentity {
    pub(super) token_file: PathBuf,
    pub(super) role_arn: String,
    /// What the session is called, in AWS's logs and in trust policies.
    pub(super) session_name: Option<String>,
}

impl WebIdentity {
    /// What the variables say.
    pub(super) fn of(environment: &AwsEnvironment) -> Result<Option<Self>> {
        let Some(token_file) = environment.web_identity_token_file.clone() else {
            return Ok(None);
        };
        let Some(role_arn) = environment.role_arn.clone() else {
            return Err(no_identity(
                "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not",
                "Set both or none.",
            ));
        };
        Ok(Some(Self {
            token_file,
            role_arn,
            session_name: environment.role_session_name.clone(),
        }))
    }

    /// Exchanges the token, at this endpoint of the Security Token Service.
    pub(super) async fn keys(
        &self,
        endpoint: &str,
        connections: &Connections,
    ) -> Result<AwsCredentials> {
        let base: ServerUrl = endpoint.parse()?;
        if !base.is_secure() && !base.is_loopback() {
            return Err(no_identity(
                "AWS_ENDPOINT_URL_STS names an address without TLS, and a token must not be sent there",
                "It has to be https, or on this machine.",
            ));
        }
        let keys = exchange(self.form()?, endpoint, connections).await;
        keys.map_err(failed(
            format!("AWS gives no keys for the role {}", self.role_arn),
            "The role has to trust the issuer of the token in AWS_WEB_IDENTITY_TOKEN_FILE.",
        ))
    }

    fn form(&self) -> Result<SecretString> {
        let token = read(&self.token_file)?;
        let session = self.session_name.clone().unwrap_or_else(|| {
            // As AWS's own programs do it: unique enough for a log.
            format!("fh-{}", OffsetDateTime::now_utc().unix_timestamp())
        });
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithWebIdentity")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", &self.role_arn)
            .append_pair("RoleSessionName", &session)
            .append_pair("WebIdentityToken", token.expose_secret())
            .finish();
        Ok(SecretString::from(form))
    }
}

async fn exchange(
    form: SecretString,
    endpoint: &str,
    connections: &Connections,
) -> Result<AwsCredentials> {
    let remote = Remote::service(endpoint, None, connections)?;
    let answer = remote.send(Method::POST, Content::Form(form)).await?;
    let body = Zeroizing::new(String::from_utf8_lossy(&answer.body).into_owned());
    let [id, secret, session] = keys(&body).ok_or_else(|| Error::InvalidAnswer {
        url: answer.url.clone(),
        reason: "it holds no credentials".to_owned(),
    })?;
    AwsCredentials::new("the answer of AWS", id, secret, Some(session))
}

fn read(file: &Path) -> Result<SecretString> {
    let text = files::read(file).map_err(failed(
        "the token for AWS cannot be read",
        "AWS_WEB_IDENTITY_TOKEN_FILE names its file.",
    ))?;
    word("AWS_WEB_IDENTITY_TOKEN_FILE", &text)
}

/// The key's id, the key and the session's token in AWS's answer.
fn keys(answer: &str) -> Option<[&str; 3]> {
    let credentials = element(answer, "Credentials")?;
    let one = |name| element(credentials, name);
    Some([
        one("AccessKeyId")?,
        one("SecretAccessKey")?,
        one("SessionToken")?,
    ])
}

/// The text of the one element of that name, without attributes. Nothing in there has to be escaped.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let (_, rest) = text.split_once(&open)?;
    let (inner, _) = rest.split_once(&close)?;
    (!rest.contains(&open)).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_found_in_the_answer() {
        let answer = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
            <AssumeRoleWithWebIdentityResult><Credentials><SessionToken>s</SessionToken>\
            <SecretAccessKey>k</SecretAccessKey><Expiration>2026-11-29T03:00:00Z</Expiration>\
            <AccessKeyId>ASIA1</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>\
            </AssumeRoleWithWebIdentityResponse>";
        assert_eq!(keys(answer), Some(["ASIA1", "k", "s"]));
        assert_eq!(keys(&answer.replace("AccessKeyId", "Other")), None);
        assert_eq!(keys(&format!("{answer}{answer}")), None);
        assert_eq!(keys(""), None);
    }
}
