//! Errors of the exchange of identities: those of OAuth (RFC 6749, section 5.2), with our fields beside.

use axum::Json;
use axum::response::{IntoResponse, Response};
use fh_access::{ApiError, request_id};
use fh_api::oauth::OAuthErrorBody;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;

use crate::answer::Failed;

/// An error of OAuth: the word for programs, and what it tells people.
#[derive(Debug)]
pub(crate) struct OAuthError {
    word: &'static str,
    cause: ApiError,
}

impl OAuthError {
    /// A request that is wrong.
    pub(super) fn new(word: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            word,
            cause: ApiError::BadRequest(sentence.into()),
        }
    }

    /// The word by which a program tells it from others.
    pub(super) fn word(&self) -> &'static str {
        self.word
    }

    /// Whether somebody wanted what they may not have; else the request was wrong, or the server is.
    pub(super) fn is_refusal(&self) -> bool {
        ["invalid_grant", "invalid_scope", "invalid_target"].contains(&self.word)
    }
}

impl<E: Into<ApiError>> From<E> for OAuthError {
    fn from(error: E) -> Self {
        let cause = error.into();
        let word = match &cause {
            ApiError::Unauthorized(_) => "invalid_grant",
            ApiError::Unavailable(_) | ApiError::NoRoom | ApiError::Stale => {
                "temporarily_unavailable"
            }
            ApiError::Internal(_) => "server_error",
            _ => "invalid_request",
        };
        Self { word, cause }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let message = self.cause.message();
        let rendered = Failed::from(self.cause).into_response();
        // Who shows a bad identity is not asked for other credentials (RFC 6749, section 5.2).
        let status = match rendered.status() {
            StatusCode::UNAUTHORIZED => StatusCode::BAD_REQUEST,
            status => status,
        };
        let body = OAuthErrorBody {
            error: self.word.to_owned(),
            error_description: message.clone(),
            code: Some(status.as_u16()),
            message: Some(message),
            request_id: request_id(),
        };
        let mut response = (status, Json(body)).into_response();
        for (name, value) in rendered.headers() {
            if *name != WWW_AUTHENTICATE && !response.headers().contains_key(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
        *response.extensions_mut() = rendered.extensions().clone();
        response
    }
}
