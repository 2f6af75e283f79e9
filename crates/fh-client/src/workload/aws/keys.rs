//! Keys that sign requests to AWS.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::error::Result;
use crate::workload::identity::no_identity;

/// Keys that sign requests to AWS.
#[derive(Clone)]
pub struct AwsCredentials {
    /// The name of the key, which is no secret.
    pub access_key_id: String,
    /// The key itself, with which requests are signed.
    pub secret_access_key: SecretString,
    /// With temporary keys, what belongs to them.
    pub session_token: Option<SecretString>,
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

impl AwsCredentials {
    /// Credentials of texts that can be sent.
    pub(super) fn new(place: &str, id: &str, secret: &str, session: Option<&str>) -> Result<Self> {
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let (id, secret) = (id.trim(), secret.trim());
        let session = session.map(str::trim).filter(|token| !token.is_empty());
        if !is_word(id) || !is_word(secret) || !session.is_none_or(is_word) {
            return Err(no_identity(
                format!("the credentials of AWS in {place} are malformed"),
                "Each of them is one word of printable ASCII characters.",
            ));
        }
        Ok(Self {
            access_key_id: id.to_owned(),
            secret_access_key: SecretString::from(secret),
            session_token: session.map(SecretString::from),
        })
    }
}

/// Keys as services and programs of AWS write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeysJson {
    /// Which form it is; programs say so, and services do not.
    pub(super) version: Option<u32>,
    access_key_id: String,
    secret_access_key: SecretString,
    #[serde(alias = "Token")]
    session_token: Option<SecretString>,
}

impl KeysJson {
    /// The keys, if they can be sent. `place` says in an error where they are from.
    pub(super) fn into_keys(self, place: &str) -> Result<AwsCredentials> {
        AwsCredentials::new(
            place,
            &self.access_key_id,
            self.secret_access_key.expose_secret(),
            self.session_token.as_ref().map(ExposeSecret::expose_secret),
        )
    }
}
