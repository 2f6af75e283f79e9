//! What the server tells about its work: a line per request, request ids, metrics.
//!
//! ```text
//! request ─▶ id, span, Record ─▶ panic = 500 ─▶ routes
//!                     │
//! answer's last byte ─┴─▶ access line + metrics
//! ```
//!
//! What is never written: query strings, headers, bodies, tokens. A path is written only where a
//! route knew it, and then without whatever looks like a token. Metrics carry no label that a client
//! can choose: routes are templates, methods and results are from fixed lists.
//!
//! A request's id is a new UUID, or the one that came in `X-Request-Id`, if that is a short word and
//! the peer is a process of this machine: a proxy in front of the server may number its requests,
//! a client out there may not choose what the log says.

mod metrics;
mod record;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;
use uuid::Uuid;

pub(crate) use self::metrics::{CacheAnswer, CacheRoute, Metrics};
pub(crate) use self::record::{PrincipalSlot, Traffic};
use self::record::{Record, RecordedBody, known_method, readable_path};
use crate::error::{ApiError, REQUEST_ID, remember_request_id};
use crate::listen::Peer;

/// Longest request id taken from a proxy.
const MAX_REQUEST_ID: usize = 64;

/// The `Content-Type` of Prometheus' text format.
const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Puts everything of this module around the routes.
pub(crate) fn observed(routes: Router, metrics: Metrics) -> Router {
    routes
        .layer(CatchPanicLayer::custom(panic_answer))
        .layer(from_fn(remember_request_id))
        .layer(from_fn_with_state(metrics, observe))
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

async fn observe(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let principal = PrincipalSlot::default();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let record = Record {
        path: route.as_ref().map(|_| readable_path(request.uri().path())),
        route,
        method: known_method(request.method()),
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
    let header = HeaderValue::from_str(&id).ok();
    if let Some(header) = &header {
        request.headers_mut().insert(REQUEST_ID, header.clone());
    }

    // An error span, so that it is there whatever the filter lets through.
    let span = tracing::error_span!("request", id = %id);
    let mut response = next.run(request).instrument(span).await;
    if let Some(header) = header {
        response.headers_mut().insert(REQUEST_ID, header);
    }
    RecordedBody::wrap(response, record)
}

fn request_id(request: &Request) -> String {
    let from_here = request
        .extensions()
        .get::<Peer>()
        .is_some_and(Peer::is_local);
    let given = request
        .headers()
        .get(REQUEST_ID)
        .filter(|_| from_here)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_sane(id));
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
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
    ApiError::internal(format!("a handler panicked: {message}")).into_response()
}
