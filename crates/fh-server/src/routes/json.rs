//! JSON bodies of requests: read up to a limit, parsed strictly, refused with the offending field.
//!
//! A function and not an extractor, so that a handler decides whether the caller may do it at all
//! before it reads what the caller sent. What a caller may do is decided before the body was read, and
//! the transaction that carries it out notices where that does not stand any more. Then the request is
//! handled again, with the body that was read: [`super::again`].
//!
//! A body has a time in which it has to be here as a whole, however steadily it drips.

use std::time::Duration;

use axum::extract::Request;
use bytes::Bytes;
use fh_access::ApiError;
use fh_api::Object;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use super::again::Terms;
use crate::listen::{Pieces, body_failure};

/// Bodies above this many bytes are parsed on a thread where that keeps nobody waiting.
const PARSE_ELSEWHERE: usize = 1 << 20;

/// What is repeated of the parser's message and of a path, in characters: both may quote the body.
const MAX_MESSAGE: usize = 300;

/// The body of a request as a `T`, of at most `limit` bytes.
///
/// # Errors
/// 400 with the path of the offending field, 408 for a body that stood still or took too long, 413 over
/// the limit.
pub(crate) async fn json_body<T>(request: Request, limit: u64) -> Result<T, ApiError>
where
    T: DeserializeOwned + Send + 'static,
{
    json_within(request, limit, |terms| terms.body_time).await
}

/// As [`json_body`], where no body says the same as an empty object, whatever type it is said to have.
///
/// # Errors
/// As [`json_body`].
pub(super) async fn optional_json_body<T>(request: Request, limit: u64) -> Result<T, ApiError>
where
    T: DeserializeOwned + Default + Send + 'static,
{
    let is_json = is_json(&request);
    let bytes = read(request, limit).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    if !is_json {
        return Err(not_json());
    }
    parse_somewhere(bytes).await
}

/// As [`json_body`], for the plan of a push, which may be long and so may take longer.
///
/// # Errors
/// As [`json_body`].
pub(super) async fn plan_body<T>(request: Request, limit: u64) -> Result<T, ApiError>
where
    T: DeserializeOwned + Send + 'static,
{
    json_within(request, limit, |terms| terms.plan_time).await
}

async fn json_within<T>(
    request: Request,
    limit: u64,
    time: fn(&Terms) -> Duration,
) -> Result<T, ApiError>
where
    T: DeserializeOwned + Send + 'static,
{
    if !is_json(&request) {
        return Err(not_json());
    }
    parse_somewhere(read_within(request, limit, time).await?).await
}

/// Also keeps a web page from sending one with the password that a browser remembers: a form cannot have this
/// type.
fn is_json(request: &Request) -> bool {
    request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}

fn not_json() -> ApiError {
    ApiError::BadRequest(
        "the body must be JSON, with the header Content-Type: application/json".to_owned(),
    )
}

async fn parse_somewhere<T>(bytes: Bytes) -> Result<T, ApiError>
where
    T: DeserializeOwned + Send + 'static,
{
    if bytes.len() <= PARSE_ELSEWHERE {
        return parse(&bytes);
    }
    tokio::task::spawn_blocking(move || parse(&bytes))
        .await
        .map_err(ApiError::internal)?
}

/// The body of a request, of at most so many bytes.
///
/// # Errors
/// 408 for a body that stood still or took too long, 413 over the limit.
pub(super) async fn read(request: Request, limit: u64) -> Result<Bytes, ApiError> {
    read_within(request, limit, |terms| terms.body_time).await
}

async fn read_within(
    request: Request,
    limit: u64,
    time: fn(&Terms) -> Duration,
) -> Result<Bytes, ApiError> {
    let terms = request.extensions().get::<Terms>().cloned();
    // A route that is not laid under those terms would take bodies without end.
    let terms = terms.ok_or_else(|| ApiError::internal("no terms for the body of a request"))?;
    let too_large = || ApiError::TooLarge(format!("the body is larger than {limit} bytes"));
    let stated = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if stated.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let time = time(&terms);
    let announced = stated.or_else(|| request.body().size_hint().upper());
    let announced = announced.map_or(limit, |bytes| bytes.min(limit));
    let mut body = request.into_body();
    let collecting = async {
        let memory = terms.memory(announced).await?;
        let mut pieces = Pieces::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| body_failure(&error))?;
            // Trailers say nothing here.
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            pieces.push(bytes);
            if pieces.len() as u64 > limit {
                return Err(too_large());
            }
        }
        Ok((pieces.into_bytes(), memory))
    };
    let collected = tokio::time::timeout(time, collecting).await.map_err(|_| {
        ApiError::Timeout(format!(
            "the body was not complete within {} seconds",
            time.as_secs_f32()
        ))
    })?;
    let (bytes, memory) = collected?;
    terms.end(&bytes, memory)?;
    Ok(bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value =
        serde_path_to_error::deserialize::<_, Object<T>>(&mut deserializer).map_err(|error| {
            let cut = |text: String| text.chars().take(MAX_MESSAGE).collect::<String>();
            let path = cut(error.path().to_string());
            let message = cut(error.inner().to_string());
            ApiError::BadRequest(if path == "." {
                format!("the body is invalid: {message}")
            } else {
                format!("the body's field {path} is invalid: {message}")
            })
        })?;
    deserializer.end().map_err(|error| {
        ApiError::BadRequest(format!("the body continues after its JSON value: {error}"))
    })?;
    Ok(value.0)
}
