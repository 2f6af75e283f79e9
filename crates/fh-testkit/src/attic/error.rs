//! Errors as atticd answers them (`server/src/error.rs`): a name, a status, a sentence, as JSON. Who may
//! not know that a cache exists is told `Unauthorized` whatever the matter is.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// `ErrorKind`, as far as a push can meet it.
#[derive(Debug, Clone)]
pub(super) enum AtticError {
    NotFound,
    Unauthorized,
    NoSuchCache,
    NoSuchObject,
    /// `access::Error::PermissionDenied` of `token/src/lib.rs`, as the caller is told of it.
    Access,
    Request(String),
    Internal,
}

impl AtticError {
    pub(super) fn request(error: impl std::fmt::Display) -> Self {
        Self::Request(error.to_string())
    }

    /// `into_no_discovery_permissions`: who may not know of the cache is told nothing of it.
    pub(super) fn unless_discoverable(self, can_discover: bool) -> Self {
        match self {
            Self::NoSuchCache | Self::NoSuchObject | Self::Access if !can_discover => {
                Self::Unauthorized
            }
            error => error,
        }
    }
}

impl IntoResponse for AtticError {
    fn into_response(self) -> Response {
        let (status, name, message) = match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "NotFound",
                "The URL you requested was not found.".to_owned(),
            ),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                "Unauthorized.".to_owned(),
            ),
            Self::NoSuchCache => (
                StatusCode::NOT_FOUND,
                "NoSuchCache",
                "The requested cache does not exist.".to_owned(),
            ),
            Self::NoSuchObject => (
                StatusCode::NOT_FOUND,
                "NoSuchObject",
                "The requested object does not exist.".to_owned(),
            ),
            Self::Access => (
                StatusCode::FORBIDDEN,
                "AccessError",
                "Access error: User does not have permission to complete this action.".to_owned(),
            ),
            Self::Request(reason) => (
                StatusCode::BAD_REQUEST,
                "RequestError",
                format!("General request error: {reason}"),
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerError",
                "The server encountered an internal error or misconfiguration.".to_owned(),
            ),
        };
        let body = json!({ "code": status.as_u16(), "error": name, "message": message });
        (status, Json(body)).into_response()
    }
}
