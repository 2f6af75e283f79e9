//! The body of every error answer.

use serde::{Deserialize, Serialize};

/// Why a request failed, for programs. Stable; new codes may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request cannot be understood (400).
    BadRequest,
    /// A part of the content is not what was said of it, such as a NAR with another hash (422).
    InvalidContent,
    /// No credentials, or bad, expired or revoked ones (401).
    Unauthorized,
    /// The caller is known and may not do this (403).
    Forbidden,
    /// It does not exist, or the caller may not know that it does (404).
    NotFound,
    /// It exists already, or the state does not allow this now (409).
    Conflict,
    /// The body is larger than the limit (413), or the headers are (431).
    TooLarge,
    /// The client was too slow (408).
    Timeout,
    /// Too many requests (429).
    TooManyRequests,
    /// The method is not known for this address (405).
    MethodNotAllowed,
    /// The server failed; the detail stands in its log under the request id (500).
    Internal,
    /// The server cannot serve now, try again (503).
    Unavailable,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The JSON body of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The HTTP status, repeated.
    pub code: u16,
    /// What kind of failure.
    pub error: ErrorCode,
    /// One sentence for a person, naming the offending thing.
    pub message: String,
    /// Under which the server's log has more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
