//! Serving a stored NAR: the bytes of its file as they are, whole or one range of them.
//!
//! Conditional and range requests: RFC 9110, sections 13 and 14. What is served under a NAR hash and
//! a size never changes, so the tag is strong and a copy is good for ever.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use fh_access::ApiError;
use fh_persistence::database::nars::Nar;
use fh_persistence::storage::{OpenObject, StorageError};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::file_body::FileBody;
use crate::integrity::{Damage, Integrity, Opened};
use crate::state::AppState;

/// Answers a request for a NAR that the caller may read.
pub(super) async fn serve(
    state: &AppState,
    nar: Nar,
    method: &Method,
    request: &HeaderMap,
    shared: bool,
) -> Result<Response, ApiError> {
    let tag = entity_tag(&nar);
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(if shared {
            // Its bytes never change, but whether everybody may have them does.
            "public, max-age=14400, immutable"
        } else {
            "private, max-age=31536000, immutable"
        }),
    );
    headers.insert(
        ETAG,
        HeaderValue::try_from(&tag).map_err(ApiError::internal)?,
    );
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if matches_any(request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let size = nar.file_size;
    let range = match method {
        &Method::GET if range_applies(request, &tag) => requested_range(request, size),
        _ => Requested::Whole,
    };
    let (status, start, end) = match range {
        Requested::Whole => (StatusCode::OK, 0, size),
        Requested::Part { start, end } => {
            let value = format!("bytes {start}-{}/{size}", end - 1);
            headers.insert(
                CONTENT_RANGE,
                HeaderValue::try_from(value).map_err(ApiError::internal)?,
            );
            (StatusCode::PARTIAL_CONTENT, start, end)
        }
        Requested::Beyond => {
            let value = format!("bytes */{size}");
            headers.insert(
                CONTENT_RANGE,
                HeaderValue::try_from(value).map_err(ApiError::internal)?,
            );
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-nix-nar"),
    );
    headers.insert(CONTENT_LENGTH, HeaderValue::from(end - start));
    let head = method == Method::HEAD;
    let body = match open(state, nar, head, start, end).await? {
        Ok(body) => body,
        Err((object, damage)) => {
            // Nix asks elsewhere; the next push of it puts it back.
            state.integrity().report(nar, object, damage).await;
            return Err(ApiError::NotFound);
        }
    };
    Ok((status, headers, body).into_response())
}

/// What tells the bytes of an object from those of another one of the same NAR, which was compressed in
/// another way: their checksum, and where the row has none their number.
fn entity_tag(nar: &Nar) -> String {
    let name = nar.nar_hash.to_base32();
    match nar.checksum {
        Some(checksum) => format!("\"{name}-{checksum:x}\""),
        None => format!("\"{name}-{}\"", nar.file_size),
    }
}

/// An object that cannot be served, if there is one, and what is wrong with it.
type Spoiled = (Option<Arc<OpenObject>>, Damage);

/// The bytes of an object, which is found good before they are handed over, or while.
async fn open(
    state: &AppState,
    nar: Nar,
    head: bool,
    start: u64,
    end: u64,
) -> Result<Result<Body, Spoiled>, ApiError> {
    let whole = start == 0 && end == nar.file_size;
    let integrity = state.integrity().clone();
    let step = tokio::task::spawn_blocking(move || {
        let object = match integrity.open(&nar)? {
            Opened::Good(object) => Arc::new(object),
            Opened::Damaged(object, damage) => {
                return Ok(Step::Ready(Err((object.map(Arc::new), damage))));
            }
        };
        if head {
            return Ok(Step::Ready(Ok(Body::empty())));
        }
        let checked_while_sent = whole && nar.checksum.is_some();
        if !checked_while_sent && !integrity.is_known_good(&nar, &object) {
            return Ok(Step::Check(object));
        }
        let body = body(nar, object, &integrity, start, end);
        Ok::<_, StorageError>(Step::Ready(body))
    });
    let object = match step.await.map_err(ApiError::internal)?? {
        Step::Ready(body) => return Ok(body),
        Step::Check(object) => object,
    };
    let integrity = state.integrity().clone();
    if let Err(damage) = integrity.check(nar, Arc::clone(&object)).await? {
        return Ok(Err((Some(object), damage)));
    }
    tokio::task::spawn_blocking(move || body(nar, object, &integrity, start, end))
        .await
        .map_err(ApiError::internal)
}

/// How far an object is from being served.
enum Step {
    Ready(Result<Body, Spoiled>),
    /// All of it has to be read first.
    Check(Arc<OpenObject>),
}

fn body(
    nar: Nar,
    object: Arc<OpenObject>,
    integrity: &Integrity,
    start: u64,
    end: u64,
) -> Result<Body, Spoiled> {
    let body = FileBody::open(nar, Arc::clone(&object), integrity, start, end);
    body.map_err(|damage| (Some(object), damage))
}

/// Whether the client has this very file already (`If-None-Match`, compared weakly).
pub(super) fn matches_any(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == tag)
}

/// Whether a range may be answered: not where the client has the beginning of another file.
fn range_applies(request: &HeaderMap, tag: &str) -> bool {
    request
        .get(IF_RANGE)
        .is_none_or(|value| value.as_bytes() == tag.as_bytes())
}

/// What a `Range` header comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requested {
    /// All of it: there is no such header, or one that need not be understood.
    Whole,
    /// From `start` up to and without `end`; not empty.
    Part { start: u64, end: u64 },
    /// Nothing that is there.
    Beyond,
}

fn requested_range(request: &HeaderMap, size: u64) -> Requested {
    let mut values = request.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Requested::Whole;
    };
    value
        .to_str()
        .ok()
        .and_then(|value| parse_range(value, size))
        .unwrap_or(Requested::Whole)
}

/// A single range in bytes; `None` for anything else, several ranges included.
fn parse_range(value: &str, size: u64) -> Option<Requested> {
    let (unit, range) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number too large for u64 lies beyond every file.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (start, end) = match (first, last) {
        ("", last) => (size.saturating_sub(number(last)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(if start < end {
        Requested::Part { start, end }
    } else {
        Requested::Beyond
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges() {
        let part = |start, end| Some(Requested::Part { start, end });
        for (value, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-", part(0, 100)),
            ("bytes=10-19", part(10, 20)),
            ("bytes=90-1000", part(90, 100)),
            ("bytes=-1", part(99, 100)),
            ("bytes=-1000", part(0, 100)),
            ("Bytes=99-", part(99, 100)),
            ("bytes=100-", Some(Requested::Beyond)),
            ("bytes=-0", Some(Requested::Beyond)),
            ("bytes=99999999999999999999999-", Some(Requested::Beyond)),
            ("bytes=5-99999999999999999999999", part(5, 100)),
            ("bytes=20-10", None),
            ("bytes=0-1,5-6", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("lines=1-2", None),
            ("bytes", None),
        ] {
            assert_eq!(parse_range(value, 100), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_range_lies_in_the_file(value in "(bytes=)?[0-9]{0,20}-?[0-9]{0,20}.*", size: u64) {
            if let Some(Requested::Part { start, end }) = parse_range(&value, size) {
                prop_assert!(start < end && end <= size);
            }
        }
    }
}
