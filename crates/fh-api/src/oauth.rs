//! Exchanging an identity of a workload for a token (RFC 8693), outside `/api/v1`.
//!
//! A CI job, a machine or a pod proves who it is with a JWT that its platform signed for this
//! server's audience, or, on AWS, with a signed request to AWS that only the server sends on. Forms go
//! as `application/x-www-form-urlencoded`, answers as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a nonce is asked for: `POST`, no credentials, no body.
pub const NONCE_PATH: &str = "/oauth/nonce";

/// Where identities are exchanged: `POST`, a [`TokenExchangeRequest`] as a form.
pub const TOKEN_PATH: &str = "/oauth/token";

/// The only `grant_type` there is (RFC 8693, 2.1).
pub const GRANT_TYPE_TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The type of a subject token that is a JWT (RFC 8693, 3).
pub const TOKEN_TYPE_JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The type of a subject token that is an [`AwsCallerIdentity`].
pub const TOKEN_TYPE_AWS_CALLER_IDENTITY: &str = "urn:fh:token-type:aws-caller-identity";

/// The type of what is given out (RFC 8693, 3).
pub const TOKEN_TYPE_ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The signed header of an [`AwsCallerIdentity`] that holds the server's audience.
pub const AWS_SERVER_HEADER: &str = "x-fh-server";

/// The signed header of an [`AwsCallerIdentity`] that holds the server's nonce.
pub const AWS_NONCE_HEADER: &str = "x-fh-nonce";

/// The body of an [`AwsCallerIdentity`], to the byte.
pub const AWS_CALLER_IDENTITY_BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// The answer to `POST /oauth/nonce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceAnswer {
    /// One word, good for one exchange.
    pub nonce: String,
    /// Seconds for which it is good.
    pub expires_in: u64,
}

/// The form of `POST /oauth/token` (RFC 8693, 2.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenExchangeRequest {
    /// [`GRANT_TYPE_TOKEN_EXCHANGE`].
    pub grant_type: String,
    /// The identity: a JWT, or an [`AwsCallerIdentity`] as base64url without padding. A secret.
    pub subject_token: String,
    /// What `subject_token` is.
    pub subject_token_type: String,
    /// Permissions, separated by spaces; all that the identity has where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// For how many seconds the token is wanted; the server decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

impl fmt::Debug for TokenExchangeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchangeRequest")
            .field("grant_type", &self.grant_type)
            .field("subject_token", &"***")
            .field("subject_token_type", &self.subject_token_type)
            .field("scope", &self.scope)
            .field("expires_in", &self.expires_in)
            .finish()
    }
}

/// A request to AWS's Security Token Service, signed by the workload and to be sent by the server. It
/// is always a `POST`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsCallerIdentity {
    /// Where to, such as `https://sts.eu-central-1.amazonaws.com/`.
    pub url: String,
    /// Its headers, with lower-case names; the signature is in `authorization`.
    pub headers: BTreeMap<String, String>,
    /// [`AWS_CALLER_IDENTITY_BODY`].
    pub body: String,
}

impl fmt::Debug for AwsCallerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCallerIdentity")
            .field("url", &self.url)
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}

/// The answer to an exchange (RFC 8693, 2.2.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenExchangeAnswer {
    /// The token. A secret.
    pub access_token: String,
    /// [`TOKEN_TYPE_ACCESS_TOKEN`].
    pub issued_token_type: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds for which it is good.
    pub expires_in: u64,
    /// What it may be used for, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl fmt::Debug for TokenExchangeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchangeAnswer")
            .field("access_token", &"***")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The body of a refused exchange (RFC 6749, 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthErrorBody {
    /// `invalid_request`, `invalid_grant`, `invalid_scope`, `unsupported_grant_type`, …
    pub error: String,
    /// One sentence for a person.
    pub error_description: String,
    /// Under which the server's log has more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
