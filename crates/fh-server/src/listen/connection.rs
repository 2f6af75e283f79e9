//! One connection: TLS, then HTTP/1.1 or HTTP/2, until it ends, stands still, or the server stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use fh_api::{ErrorBody, ErrorCode};
use fh_settings::Timeouts;
use fh_shares::{Holders, Shares};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::body::{Bounds, RequestBody, Unread};
use super::pace::{AnyStream, Pace, PacedBody, PacedStream, Patience, Verdict};
use crate::peer::Peer;
use crate::telemetry::Traffic;

/// Bytes that an HTTP/2 client may send on one stream before the handler has taken them: a path
/// with 100 ms of delay carries 40 MB/s with it.
const STREAM_WINDOW: u32 = 4 << 20;

/// The same over all streams of a connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Bytes of an answer that wait in memory for an HTTP/2 client's window, per stream.
const STREAM_SEND_BUFFER: usize = 512 << 10;

/// Largest HTTP/2 frame taken; larger than the least, as uploads are large.
const FRAME_SIZE: u32 = 128 << 10;

/// Requests at the same time on one HTTP/2 connection; Nix has at most 25, curl up to 100.
const CONCURRENT_STREAMS: u32 = 256;

/// The most bytes of a request's headers: the longest identity as the password of Basic credentials, in base64, and
/// what proxies add.
const LONGEST_HEADERS: usize = 32 << 10;

/// What hyper reads of them in HTTP/2. More than [`LONGEST_HEADERS`], so that longer ones are told so in a sentence.
const HTTP2_HEADERS: u32 = 64 << 10;

/// The read buffer of HTTP/1, which is what hyper reads of headers there.
const HTTP1_BUFFER: usize = 128 << 10;

/// How often a connection is looked at while the server is stopping.
const STOPPING_TICK: Duration = Duration::from_millis(100);

/// How long a client whose request came too late may take to read that it did.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all connections of a socket share.
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) http: auto::Builder<TokioExecutor>,
    pub(super) timeouts: Timeouts,
    /// Of the bodies of requests.
    pub(super) bounds: Bounds,
    /// Each connection has one.
    pub(super) places: Shares,
    /// Told again and again while places are scarce.
    pub(super) scarce: Notify,
    /// No further request, please.
    pub(super) stop: CancellationToken,
    /// Not even the rest of the running ones.
    pub(super) cut: CancellationToken,
}

/// HTTP as this server speaks it.
pub(super) fn http_builder(timeouts: &Timeouts) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Pace` watches the headers, and tells an idle connection from a slow request.
        .header_read_timeout(None)
        .max_buf_size(HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_SEND_BUFFER)
        .max_frame_size(FRAME_SIZE)
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .max_header_list_size(HTTP2_HEADERS)
        // Finds out that the other end is gone while an answer waits for its window.
        .keep_alive_interval(timeouts.stall / 2)
        .keep_alive_timeout(timeouts.stall / 2);
    builder
}

/// Serves a connection to its end.
pub(super) async fn serve(shared: Arc<Shared>, stream: AnyStream, peer: Peer, holders: Holders) {
    let pace = Pace::new();
    let (stream, mut returned) = PacedStream::new(stream, pace.clone());
    let service = {
        let (shared, pace, unread) = (shared.clone(), pace.clone(), Unread::default());
        service_fn(move |request| {
            answer(shared.clone(), pace.clone(), unread.clone(), peer, request)
        })
    };
    let mut connection = Box::pin(shared.http.serve_connection(TokioIo::new(stream), service));

    let timeouts = &shared.timeouts;
    let usual_tick = (timeouts.header.min(timeouts.idle).min(timeouts.stall) / 4)
        .clamp(Duration::from_millis(10), Duration::from_secs(5));
    let mut tick = usual_tick;
    let mut next_look = Instant::now() + tick;
    let mut stopping = false;
    let mut closing = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%peer, error = %fh_api::with_causes(error.as_ref()), "connection failed");
                }
                return;
            }
            () = shared.stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
                tick = STOPPING_TICK;
                next_look = Instant::now() + tick;
            }
            () = shared.cut.cancelled() => return,
            scarce = until_look(next_look, &shared.scarce) => {
                let now = Instant::now();
                next_look = now + tick;
                let patience = if scarce && shared.places.is_short(holders) {
                    Patience::short(timeouts)
                } else {
                    Patience::usual(timeouts)
                };
                match pace.verdict(now, &patience, stopping) {
                    Verdict::Go => {}
                    Verdict::Close => {
                        if !closing && !stopping {
                            closing = true;
                            connection.as_mut().graceful_shutdown();
                        }
                    }
                    Verdict::TooLate => {
                        tracing::debug!(%peer, "the headers of a request did not come in time");
                        drop(connection);
                        if let Ok(stream) = returned.try_recv() {
                            say_too_late(stream).await;
                        }
                        return;
                    }
                    Verdict::Cut => {
                        tracing::debug!(%peer, stopping, "connection stood still, cut");
                        return;
                    }
                }
            }
        }
    }
}

/// Waits for the next look at a connection: true where it comes sooner, because places are scarce.
async fn until_look(next_look: Instant, scarce: &Notify) -> bool {
    tokio::select! {
        () = tokio::time::sleep_until(next_look) => false,
        () = scarce.notified() => true,
    }
}

/// Answers a request of which only a part came. hyper would close the connection without a word.
async fn say_too_late(mut stream: AnyStream) {
    let farewell = async {
        stream.write_all(too_late()?.as_bytes()).await?;
        stream.shutdown().await?;
        // What the client has on the way would have the system reset the connection, and our answer
        // with it.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // A client that is gone, or does not read, is not waited for.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// The whole answer, as HTTP/1.1. Which address was meant may not be known, so it is in the API's form.
fn too_late() -> serde_json::Result<String> {
    let body = serde_json::to_string(&ErrorBody {
        code: StatusCode::REQUEST_TIMEOUT.as_u16(),
        error: ErrorCode::Timeout,
        message: "the headers of the request did not arrive in time".to_owned(),
        request_id: None,
    })?;
    let length = body.len();
    Ok(format!(
        "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         cache-control: no-store\r\nconnection: close\r\n\r\n{body}"
    ))
}

/// Bytes of headers as HTTP/2 counts them (RFC 9113, section 6.5.2): name, value, and 32 for each.
fn size_of(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum()
}

/// The answer to headers that are too long. Which address was meant does not matter: it is in the API's form.
fn too_long(size: usize, http2: bool) -> Response<Body> {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let body = ErrorBody {
        code: status.as_u16(),
        error: ErrorCode::TooLarge,
        message: format!(
            "the headers of the request have {size} bytes, and at most {LONGEST_HEADERS} are accepted"
        ),
        request_id: None,
    };
    let mut response = (status, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !http2 {
        // Nobody reads a body that may follow.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Answers one request, whose headers are complete.
async fn answer(
    shared: Arc<Shared>,
    pace: Arc<Pace>,
    unread: Unread,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response<PacedBody>, std::convert::Infallible> {
    let http2 = request.version() == Version::HTTP_2;
    let running = pace.begin(http2);
    let size = size_of(request.headers());
    if size > LONGEST_HEADERS {
        tracing::debug!(%peer, size, "the headers of a request are too long");
        return Ok(too_long(size, http2).map(|body| PacedBody::new(body, running)));
    }
    let waits_for_continue = request.headers().contains_key(header::EXPECT);
    let traffic = Traffic::default();
    let mut request = request.map(|body| {
        Body::new(RequestBody::new(
            body,
            traffic.clone(),
            shared.bounds,
            unread,
            !http2 && !waits_for_continue,
        ))
    });
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(traffic);
    let response = shared.router.clone().call(request).await?;
    Ok(response.map(|body| PacedBody::new(body, running)))
}
