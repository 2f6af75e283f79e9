//! JSON bodies of requests: read up to a limit, parsed strictly, refused with the offending field.
//!
//! A function and not an extractor, so that a handler decides whether the caller may do it at all
//! before it reads what the caller sent.

use axum::extract::Request;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::listen::body_failure;

/// Bodies above this many bytes are parsed on a thread where that keeps nobody waiting.
const PARSE_ELSEWHERE: usize = 1 << 20;

/// What is repeated of the parser's message and of a path, in characters: both may quote the body.
const MAX_MESSAGE: usize = 300;

/// The body of a request as a `T`, of at most `limit` bytes.
///
/// # Errors
/// 400 with the path of the offending field, 408 for a body that stood still, 413 over the limit.
pub(crate) async fn json_body<T>(request: Request, limit: u64) -> Result<T, ApiError>
where
    T: DeserializeOwned + Send + 'static,
{
    // Also keeps a web page from sending one with the password that a browser remembers: a form
    // cannot have this type.
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(ApiError::BadRequest(
            "the body must be JSON, with the header Content-Type: application/json".to_owned(),
        ));
    }
    let bytes = read(request, limit).await?;
    if bytes.len() <= PARSE_ELSEWHERE {
        return parse(&bytes);
    }
    tokio::task::spawn_blocking(move || parse(&bytes))
        .await
        .map_err(ApiError::internal)?
}

/// The body of a request, of at most so many bytes.
pub(super) async fn read(request: Request, limit: u64) -> Result<bytes::Bytes, ApiError> {
    let too_large = || ApiError::TooLarge(format!("the body is larger than {limit} bytes"));
    let stated = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if stated.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let bound = usize::try_from(limit).unwrap_or(usize::MAX);
    match Limited::new(request.into_body(), bound).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(body_failure(&axum::Error::new(error))),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let cut = |text: String| text.chars().take(MAX_MESSAGE).collect::<String>();
        let path = cut(error.path().to_string());
        let message = cut(error.inner().to_string());
        ApiError::BadRequest(if path == "." {
            format!("the body is not what is expected here: {message}")
        } else {
            format!("the body's field {path} is not what is expected here: {message}")
        })
    })?;
    deserializer.end().map_err(|error| {
        ApiError::BadRequest(format!("the body goes on after its JSON value: {error}"))
    })?;
    Ok(value)
}
