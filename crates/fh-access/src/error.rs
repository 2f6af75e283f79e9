//! Why a request failed, as the API names it. How that is told over HTTP is said elsewhere (by the crate of the routes).
//!
//! Invariants:
//! - [`ApiError::NotFound`] says nothing of what was asked for: who may not read a thing cannot tell it from one that
//!   does not exist;
//! - the detail of a server error goes to the log alone, its sentence is constant.

use std::time::Duration;

use fh_api::{ErrorCode, with_causes};
use fh_persistence::cause::Cause;
use fh_persistence::database::{DatabaseError, TellsFull};
use fh_persistence::storage::StorageError;

/// Why a request failed.
///
/// The texts are read by people and by whoever attacks the server: they name what the caller sent,
/// never what the caller may not know.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
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
    /// written. The request is handled again; where that does not help, 503.
    #[error("the access rules keep changing, try again")]
    Stale,
    /// The server failed. The source goes to the log, never to the caller (500).
    #[error("the server failed")]
    Internal(#[source] Cause),
}

impl ApiError {
    /// An internal error from any error, such as one of a library.
    pub fn internal(source: impl Into<Cause>) -> Self {
        Self::Internal(source.into())
    }

    /// What it is called in the API.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::BadRequest(_) => ErrorCode::BadRequest,
            Self::InvalidContent(_) => ErrorCode::InvalidContent,
            Self::Unauthorized(_) => ErrorCode::Unauthorized,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::NotFound => ErrorCode::NotFound,
            Self::MethodNotAllowed => ErrorCode::MethodNotAllowed,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::TooLarge(_) => ErrorCode::TooLarge,
            Self::Timeout(_) => ErrorCode::Timeout,
            Self::TooMany(..) => ErrorCode::TooManyRequests,
            Self::Unavailable(_) | Self::NoRoom | Self::Stale => ErrorCode::Unavailable,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// The sentence for the caller.
    pub fn message(&self) -> String {
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
            tracing::warn!(error = %with_causes(&error), "the database is busy");
            return Self::Unavailable("the database is busy, try again".to_owned());
        }
        if error.is_full() {
            tracing::error!(error = %with_causes(&error), "the disk is full");
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

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        if error.is_full() {
            tracing::error!(error = %fh_api::with_causes(&error), "the disk is full");
            return Self::NoRoom;
        }
        if error.is_taken() {
            return Self::Unavailable(
                "the previous server is still receiving this NAR, try again".to_owned(),
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
