//! What the server tells about its work: a line per request, request ids, metrics.
//!
//! ```text
//! request ─▶ id, Record ─▶ panic = 500 ─▶ routes
//!                     │
//! answer's last byte ─┴─▶ access line + metrics
//! ```
//!
//! The line names the client's address, as it counts everywhere else: a trusted proxy's word for it, else the
//! peer's. What is never written: query strings, headers as they came, bodies, tokens. A path is written only where a
//! route knew it, in printable ASCII and not longer than a line, and withheld if it looks as if it held a token, however that
//! is encoded. Metrics carry no label that a client
//! can choose: routes are templates, methods and results are from fixed lists.
//!
//! A request's id is a new UUID, or the one that came in `X-Request-Id`, if that is a short word and
//! the peer is a process of this machine: a proxy in front of the server may number its requests,
//! a client out there may not choose what the log says.

mod lines;
mod metrics;
mod record;
#[cfg(test)]
pub(crate) mod tests;

use std::any::Any;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use uuid::Uuid;

pub use self::lines::WithRequestId;
pub(crate) use self::metrics::{CacheAnswer, CacheRoute, Metrics};
pub(crate) use self::record::{PrincipalSlot, Traffic};
use self::record::{Record, RecordedBody, known_method, readable, readable_path};
use crate::answer::Failed;
use crate::peer::{Peer, Proxies};
use fh_access::ApiError;
use fh_access::within_request;
use fh_persistence::clock;
use fh_shares::for_somebody;

/// The header that carries the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id taken from a proxy. A token is longer.
const MAX_REQUEST_ID: usize = 64;

/// The `Content-Type` of Prometheus' text format.
const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Puts everything of this module around the routes.
pub(crate) fn observed(routes: Router, metrics: Metrics, proxies: Proxies) -> Router {
    routes
        // One layer for all of it: each further one costs an allocation or two a request.
        .layer(from_fn_with_state((metrics, proxies), observe))
}

/// The routes of the metrics address.
pub(crate) fn metrics_routes(metrics: Metrics) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(async |State(metrics): State<Metrics>| rendered(&metrics)),
        )
        .with_state(metrics)
}

/// The answer to `GET /metrics`.
pub(crate) fn rendered(metrics: &Metrics) -> Response {
    let mut response = Response::new(Body::from(metrics.render()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(METRICS_CONTENT_TYPE),
    );
    response
}

async fn observe(
    State((metrics, proxies)): State<(Metrics, Proxies)>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let principal = PrincipalSlot::default();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<Peer>();
    let source = proxies.source(peer, request.headers());
    let record = Record {
        path: route.as_ref().map(|_| readable_path(request.uri().path())),
        route,
        method: known_method(request.method()),
        client: source.address,
        request_id: id.clone(),
        principal: principal.clone(),
        traffic: request
            .extensions()
            .get::<Traffic>()
            .cloned()
            .unwrap_or_default(),
        _in_progress: metrics.request_started(),
        metrics,
        started,
        status: None,
        sent: 0,
        complete: false,
    };
    request.extensions_mut().insert(principal);

    let handling = within_request(readable(&id).into(), async {
        // What a handler leaves behind when it panics is the request's own, or holds out under panics.
        let handling = for_somebody(next.run(request));
        let handled = AssertUnwindSafe(handling).catch_unwind().await;
        handled.unwrap_or_else(panic_answer)
    });
    let mut response = handling.await;
    response.headers_mut().insert(REQUEST_ID, id);
    RecordedBody::wrap(response, record)
}

fn request_id(request: &Request) -> HeaderValue {
    let from_here = request
        .extensions()
        .get::<Peer>()
        .is_some_and(Peer::is_local);
    let given = request
        .headers()
        .get(REQUEST_ID)
        .filter(|_| from_here)
        .filter(|value| value.to_str().is_ok_and(is_sane));
    given.cloned().unwrap_or_else(new_request_id)
}

/// A new UUID of version 7 (RFC 9562, section 5.7): the time, and numbers that nobody can foresee without
/// having seen a lot of them. The system is asked for randomness once, not for each request.
fn new_request_id() -> HeaderValue {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 10];
    let (first, second) = random.split_at_mut(8);
    first.copy_from_slice(&SEED.hash_one((number, 0)).to_le_bytes());
    second.copy_from_slice(&SEED.hash_one((number, 1)).to_le_bytes()[..2]);
    let milliseconds = clock::now().unix_timestamp_nanos() / 1_000_000;
    let milliseconds = u64::try_from(milliseconds).unwrap_or(0);
    let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid();
    let mut text = Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

fn is_sane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(allowed)
}

/// A panic in a handler ends that request alone. The panic hook told where it happened.
fn panic_answer(panic: Box<dyn Any + Send>) -> Response {
    let message = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast::<&'static str>()
            .map_or_else(|_| String::new(), |text| (*text).to_owned()),
    };
    Failed::from(ApiError::internal(format!("a handler panicked: {message}"))).into_response()
}
