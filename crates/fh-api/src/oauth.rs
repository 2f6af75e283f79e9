//! Exchanging the identity of a workload for a token of ours (RFC 8693), and what AWS needs for that.

use serde::{Deserialize, Serialize};

/// Where a nonce is asked for: `POST`, no credentials, no body.
pub const NONCE_PATH: &str = "/oauth/nonce";

/// Where identities are exchanged: `POST`, an [`ExchangeRequest`] as a form.
pub const TOKEN_PATH: &str = "/oauth/token";

/// `grant_type` of the exchange.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// `subject_token_type` of a JWT.
pub const JWT_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

/// `subject_token_type` of a JWT that is an OpenID Connect ID token; taken as a JWT.
pub const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";

/// `issued_token_type` of the answer.
pub const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// `subject_token_type` of a signed `sts:GetCallerIdentity` of AWS: base64url without padding of the
/// JSON of [`SignedCallerIdentity`].
pub const AWS_TOKEN_TYPE: &str = "urn:fh:token-type:aws-caller-identity";

/// The signed header that binds a request of AWS to one server: its audience.
pub const AWS_SERVER_HEADER: &str = "x-fh-server";

/// The signed header that binds a request of AWS to one exchange: a nonce of the server.
pub const AWS_NONCE_HEADER: &str = "x-fh-nonce";

/// The one body that a request of AWS may have.
pub const AWS_BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// `POST /oauth/token`, form-encoded: an identity for a token of ours.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExchangeRequest {
    /// Always [`TOKEN_EXCHANGE`]: no other grant is known.
    #[cfg_attr(
        feature = "schema",
        schema(pattern = "^urn:ietf:params:oauth:grant-type:token-exchange$")
    )]
    pub grant_type: String,
    /// The identity. A secret.
    pub subject_token: String,
    /// What kind of identity: [`JWT_TOKEN_TYPE`], [`ID_TOKEN_TYPE`] or [`AWS_TOKEN_TYPE`].
    #[cfg_attr(
        feature = "schema",
        schema(
            pattern = "^(urn:ietf:params:oauth:token-type:(jwt|id_token)|urn:fh:token-type:aws-caller-identity)$"
        )
    )]
    pub subject_token_type: String,
    /// Permissions, separated by spaces. Default: all that the workload has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = String, required = false))]
    pub scope: Option<String>,
    /// The organisation that the workload acts for: its policies decide the account, the permissions and
    /// how long the token lasts. May be repeated: the others are only read, each by its own policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organization: Vec<String>,
    /// Seconds that the token shall last. Default: as long as the policies allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = u64, required = false, minimum = 1))]
    pub expires_in: Option<u64>,
}

/// The answer to an exchange.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExchangeAnswer {
    /// The token, prefixed. A secret.
    pub access_token: String,
    /// Always [`ACCESS_TOKEN_TYPE`], as RFC 8693 wants it told.
    pub issued_token_type: String,
    /// Always `Bearer`: how the token is to be sent.
    pub token_type: String,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// Its permissions, separated by spaces.
    #[serde(default)]
    pub scope: String,
}

/// The answer to `POST /oauth/nonce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NonceAnswer {
    /// Goes into [`AWS_NONCE_HEADER`]; valid for one exchange.
    pub nonce: String,
    /// Seconds for which it is valid.
    pub expires_in: u64,
}

/// A request to AWS's Security Token Service that its owner has signed and not sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedCallerIdentity {
    /// Where it would be sent: `https://sts.<region>.amazonaws.com/`.
    pub url: String,
    /// Its headers, names in lower case.
    pub headers: std::collections::BTreeMap<String, String>,
    /// Its body, which has to be [`AWS_BODY`].
    pub body: String,
}

crate::debug_fields! {
    ExchangeRequest: subject_token_type;
    ExchangeAnswer: expires_in, scope;
    SignedCallerIdentity: url;
}

/// The body of a refused exchange (RFC 6749, 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OAuthErrorBody {
    /// `invalid_request`, `invalid_grant`, `invalid_scope`, `invalid_target`, `unsupported_grant_type`, …
    pub error: String,
    /// One sentence for a person.
    pub error_description: String,
    /// The HTTP status, repeated, as in [`ErrorBody`](crate::ErrorBody).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The same sentence, as in [`ErrorBody`](crate::ErrorBody).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Under which the server's log has more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
