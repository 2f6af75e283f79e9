//! One request in the access log and in the metrics: written when the last byte of the answer was
//! handed over, or when the client went away.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::MatchedPath;
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use fh_api::text::{WITHHELD, holds_token};
use http_body::{Frame, SizeHint};

use super::metrics::{InProgress, Metrics};

/// Longest path in the log, in characters, without the mark of what was left out.
const MAX_PATH: usize = 300;

/// The longest character of UTF-8 as it is percent-encoded, in bytes.
const ENCODED_CHARACTER: usize = 12;

/// Stands where a path was cut.
const CUT: char = '…';

/// Where the one who authenticates a request leaves the caller's name for the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrincipalSlot(Arc<OnceLock<String>>);

impl PrincipalSlot {
    /// Leaves the name; the first one counts.
    pub(crate) fn set(&self, name: &str) {
        // As it is: a name is too short for a token, and whoever is withheld for theirs acts without a trace.
        let _ = self.0.set(name.to_owned());
    }

    fn name(&self) -> &str {
        self.0.get().map_or("anonymous", String::as_str)
    }
}

/// Bytes of a request's body that came in, counted where they come in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic(Arc<AtomicU64>);

impl Traffic {
    /// Counts bytes of the body.
    pub(crate) fn received(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What will be written of a request.
pub(super) struct Record {
    pub(super) method: &'static str,
    /// The template; none where no route took the request.
    pub(super) route: Option<MatchedPath>,
    pub(super) path: Option<String>,
    /// The client's address; none where it is not known.
    pub(super) client: Option<IpAddr>,
    pub(super) request_id: HeaderValue,
    pub(super) principal: PrincipalSlot,
    pub(super) traffic: Traffic,
    pub(super) metrics: Metrics,
    pub(super) _in_progress: InProgress,
    pub(super) started: Instant,
    /// None until there is an answer.
    pub(super) status: Option<u16>,
    /// Bytes of the answer's body.
    pub(super) sent: u64,
    /// The answer was handed over entirely.
    pub(super) complete: bool,
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let received = self.traffic.total();
        self.metrics.request_finished(&super::metrics::Finished {
            method: self.method,
            route,
            status: self.status,
            duration,
            received,
            sent: self.sent,
        });
        tracing::info!(
            target: "fh_server::access",
            method = self.method,
            route,
            path = self.path.as_deref(),
            // 499 as nginx has it: the client went before there was an answer.
            status = self.status.unwrap_or(499),
            complete = self.complete,
            duration_ms = in_milliseconds(duration),
            received,
            sent = self.sent,
            principal = self.principal.name(),
            client = self.client.map(tracing::field::display),
            request_id = readable(&self.request_id),
            "request"
        );
    }
}

/// An answer's body that counts what passes, and writes the record at its end.
pub(super) struct RecordedBody {
    inner: Body,
    record: Record,
}

impl RecordedBody {
    pub(super) fn wrap(response: Response, mut record: Record) -> Response {
        record.status = Some(response.status().as_u16());
        response.map(|inner| {
            record.complete = http_body::Body::is_end_stream(&inner);
            Body::new(Self { inner, record })
        })
    }
}

impl http_body::Body for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.record.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                // hyper does not ask again after the last byte of a known length.
                self.record.complete = http_body::Body::is_end_stream(&self.inner)
                    || http_body::Body::size_hint(&self.inner).exact() == Some(0);
            }
            Poll::Ready(None) => self.record.complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A method as a label: one of a fixed list.
pub(super) fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("other")
}

/// A path for the log: percent-encoded wherever it is not printable ASCII, as it should have come (RFC 3986, section 2.1).
/// What is long is cut, between two characters. A path that looks as if it held a token is withheld as a whole.
pub(super) fn readable_path(path: &str) -> String {
    use std::fmt::Write as _;

    if holds_token(path) {
        return WITHHELD.to_owned();
    }
    let mut text = String::with_capacity(path.len().min(MAX_PATH));
    for byte in path.bytes() {
        // Enough to know where the last character that is shown ends.
        if text.len() > MAX_PATH + ENCODED_CHARACTER {
            break;
        }
        if byte.is_ascii_graphic() {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    if text.len() > MAX_PATH {
        text.truncate(end_of_character(text.as_bytes(), MAX_PATH));
        text.push(CUT);
    }
    text
}

/// Where the last character ends that is whole in the first `limit` bytes of a percent-encoded text, which is longer.
fn end_of_character(text: &[u8], limit: usize) -> usize {
    let is_escape = |at: usize| text.get(at) == Some(&b'%');
    let mut end = limit;
    if is_escape(end - 1) {
        end -= 1;
    } else if is_escape(end - 2) {
        end -= 2;
    }
    // A byte 10xxxxxx goes on with a character, of which it is the fourth at most.
    let goes_on = |at: usize| {
        is_escape(at)
            && matches!(
                text.get(at + 1),
                Some(b'8' | b'9' | b'A' | b'B' | b'a' | b'b')
            )
    };
    for _ in 0..3 {
        if !goes_on(end) || !is_escape(end - 3) {
            break;
        }
        end -= 3;
    }
    end
}

/// A request's id as text; it has been made or checked by the server.
pub(super) fn readable(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or("")
}

/// A duration as the log has it: milliseconds, to the microsecond.
fn in_milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
