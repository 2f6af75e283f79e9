//! How a failure is told over HTTP.
//!
//! Invariants:
//! - the match from code to status is exhaustive, so that a new code forces a decision;
//! - the answer to [`ApiError::NotFound`] is constant to the byte, whatever was asked for;
//! - the detail of a server error goes to the log alone.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use fh_access::ApiError;
use fh_access::request_id;
use fh_api::{ErrorBody, ErrorCode, with_causes};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, Failed>;

/// A failure as the answer to a request. The rooms below know no HTTP, and so this is made of theirs by `?`.
pub(crate) struct Failed(ApiError);

impl<E: Into<ApiError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::InvalidContent => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Timeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal | ErrorCode::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let code = error.code();
        let status = status(code);
        if let ApiError::Internal(source) = &error {
            tracing::error!(error = %with_causes(source.as_ref()), "request failed");
        }
        // The answer to what is not there is constant to the byte, so it carries no id.
        let request_id = match &error {
            ApiError::NotFound => None,
            _ => request_id(),
        };
        let body = ErrorBody {
            code: status.as_u16(),
            error: code,
            message: error.message(),
            request_id,
        };
        let mut response = (status, Json(&body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match error {
            ApiError::Unauthorized(_) => {
                let schemes = [
                    "Basic realm=\"fh\", charset=\"UTF-8\"",
                    "Bearer realm=\"fh\"",
                ];
                for scheme in schemes {
                    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
                }
            }
            ApiError::TooMany(_, Some(wait)) => {
                // Whole seconds, rounded up.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            }
            ApiError::Unavailable(_) | ApiError::NoRoom | ApiError::Stale => {
                headers.insert(
                    RETRY_AFTER,
                    HeaderValue::from(RETRY_AFTER_UNAVAILABLE.as_secs()),
                );
            }
            _ => {}
        }
        response.extensions_mut().insert(Sentence(body.message));
        if matches!(error, ApiError::Stale) {
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
