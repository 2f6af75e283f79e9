//! Why a request failed, and how it is told to the one who sent it.
//!
//! Invariants:
//! - the match from error to status is exhaustive, so that a new variant forces a decision;
//! - [`ApiError::NotFound`] has one constant answer, whatever was asked for: who may not read a thing
//!   cannot tell it from one that does not exist;
//! - the detail of a server error goes to the log alone, the answer is a constant sentence.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use fh_api::{ErrorBody, ErrorCode};
use fh_persistence::cause::{Cause, chain};
use fh_persistence::database::{DatabaseError, TellsFull};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::request_id::request_id;

/// Why a request failed.
///
/// The texts are read by people and by whoever attacks the server: they name what the caller sent,
/// never what the caller may not know.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The request cannot be understood (400).
    #[error("{0}")]
    BadRequest(String),
    /// A part of the content is not what was said of it (422).
    #[error("{0}")]
    InvalidContent(String),
    /// No credentials, or bad, expired or revoked ones (401).
    #[error("{0}")]
    Unauthorized(String),
    /// The caller is known and may not do this (403).
    #[error("{0}")]
    Forbidden(String),
    /// It does not exist, or the caller may not know that it does (404).
    #[error("not found")]
    NotFound,
    /// The address exists, the method does not (405).
    #[error("this address does not accept that method")]
    MethodNotAllowed,
    /// It exists already, or the state does not allow this now (409).
    #[error("{0}")]
    Conflict(String),
    /// The body is larger than the limit (413).
    #[error("{0}")]
    TooLarge(String),
    /// The client was too slow (408).
    #[error("{0}")]
    Timeout(String),
    /// A limit on how often, or how many (429); and when it is worth to come again, where that is known.
    #[error("{0}")]
    TooMany(String, Option<Duration>),
    /// The server cannot serve now; the text is for the caller (503).
    #[error("{0}")]
    Unavailable(String),
    /// The disk is full, and somebody may make room (503).
    #[error(
        "the server has no room left on its disk; only requests that remove access are still carried out"
    )]
    NoRoom,
    /// What decides about access changed between the decision and its transaction, and nothing was
    /// written. The request is handled again ([`is_stale`]); where that does not help, 503.
    #[error("the access rules keep changing, try again")]
    Stale,
    /// The server failed. The source goes to the log, never to the caller (500).
    #[error("the server failed")]
    Internal(#[source] Cause),
}

impl ApiError {
    /// An internal error from any error, such as one of a library.
    pub(crate) fn internal(source: impl Into<Cause>) -> Self {
        Self::Internal(source.into())
    }

    /// The status and the code of the answer.
    fn kind(&self) -> (StatusCode, ErrorCode) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, ErrorCode::BadRequest),
            Self::InvalidContent(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidContent)
            }
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, ErrorCode::Forbidden),
            Self::NotFound => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed),
            Self::Conflict(_) => (StatusCode::CONFLICT, ErrorCode::Conflict),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge),
            Self::Timeout(_) => (StatusCode::REQUEST_TIMEOUT, ErrorCode::Timeout),
            Self::TooMany(..) => (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests),
            Self::Unavailable(_) | Self::NoRoom | Self::Stale => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal),
        }
    }

    /// The sentence for the caller.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Internal(_) => {
                "the server failed to answer; its log has more under the request id".to_owned()
            }
            Self::NotFound => "not found, or you do not have access".to_owned(),
            Self::BadRequest(_)
            | Self::InvalidContent(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::MethodNotAllowed
            | Self::Conflict(_)
            | Self::TooLarge(_)
            | Self::Timeout(_)
            | Self::TooMany(..)
            | Self::Unavailable(_)
            | Self::NoRoom
            | Self::Stale => self.to_string(),
        }
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        if matches!(error, DatabaseError::Stale) {
            return Self::Stale;
        }
        if error.is_busy() {
            tracing::warn!(error = %chain(&error), "the database is busy");
            return Self::Unavailable("the database is busy, try again".to_owned());
        }
        if error.is_full() {
            tracing::error!(error = %chain(&error), "the disk is full");
            return Self::NoRoom;
        }
        if matches!(error, DatabaseError::ReserveShare) {
            return Self::TooMany(
                "the server has no room left on its disk, and your account has used its part of what is reserved for \
                 removing access: you can still revoke your own tokens, and a server administrator can do \
                 everything else"
                    .to_owned(),
                None,
            );
        }
        Self::Internal(error.into())
    }
}

impl TellsFull for ApiError {
    fn is_full(&self) -> bool {
        matches!(self, Self::NoRoom)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.kind();
        if let Self::Internal(source) = &self {
            tracing::error!(error = %chain(source.as_ref()), "request failed");
        }
        // The answer to what is not there is constant to the byte, so it carries no id.
        let request_id = match &self {
            Self::NotFound => None,
            _ => request_id(),
        };
        let body = ErrorBody {
            code: status.as_u16(),
            error: code,
            message: self.message(),
            request_id,
        };
        let mut response = (status, Json(&body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Unauthorized(_) => {
                let schemes = [
                    "Basic realm=\"fh\", charset=\"UTF-8\"",
                    "Bearer realm=\"fh\"",
                ];
                for scheme in schemes {
                    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
                }
            }
            Self::TooMany(_, Some(wait)) => {
                // Whole seconds, rounded up.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            }
            Self::Unavailable(_) | Self::NoRoom | Self::Stale => {
                headers.insert(
                    RETRY_AFTER,
                    HeaderValue::from(RETRY_AFTER_UNAVAILABLE.as_secs()),
                );
            }
            _ => {}
        }
        response.extensions_mut().insert(Sentence(body.message));
        if matches!(self, Self::Stale) {
            response.extensions_mut().insert(StaleMark);
        }
        response
    }
}

/// When a client should come back to a server that cannot serve now.
const RETRY_AFTER_UNAVAILABLE: Duration = Duration::from_secs(5);

/// Beside the rendered answer of [`ApiError::Stale`].
#[derive(Debug, Clone, Copy)]
struct StaleMark;

/// Whether this answers a request that is to be handled again.
pub(crate) fn is_stale(response: &Response) -> bool {
    response.extensions().get::<StaleMark>().is_some()
}

/// An error's sentence, kept beside the rendered answer for [`as_plain_text`].
#[derive(Debug, Clone)]
struct Sentence(String);

/// For routes that Nix asks: it shows an error's body to a person, so that is plain text.
pub(crate) fn as_plain_text(response: Response) -> Response {
    let Some(Sentence(sentence)) = response.extensions().get().cloned() else {
        return response;
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts.headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Response::from_parts(parts, axum::body::Body::from(format!("{sentence}\n")))
}
