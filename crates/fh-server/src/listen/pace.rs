//! Whether a connection makes progress: what decides when one is closed or cut.
//!
//! hyper has a time-out for the headers of an HTTP/1 request, and none for the connection's first
//! bytes, for idle HTTP/2 connections or for a reader that reads no more. So one [`Pace`] per
//! connection is told of every byte, request and response body, and a timer beside the connection
//! asks it for a [`Verdict`].

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use fh_settings::Timeouts;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long after its last byte a connection without requests may be cut: what hyper still has to
/// send of the last answer must have left by then.
const FLUSH_GRACE: Duration = Duration::from_secs(3);

/// What to do with a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Leave it alone.
    Go,
    /// Tell the client that no further request is taken.
    Close,
    /// The rest of an HTTP/1 request's headers did not come in time: say so, and drop it.
    TooLate,
    /// Drop it without a word.
    Cut,
}

/// How long connections without a request are kept where others wait for their places.
const SHORT_IDLE: Duration = Duration::from_secs(1);

/// The same of those that have said nothing yet, or not all of their headers.
const SHORT_HEADER: Duration = Duration::from_secs(3);

/// How long connections take further requests where others wait for their places: who asks again and again is never
/// idle, and has to wait for a place like all others.
const SHORT_LIFE: Duration = Duration::from_secs(10);

/// How long a connection is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    header: Duration,
    idle: Duration,
    stall: Duration,
    /// From its beginning; none where it may go on.
    life: Option<Duration>,
}

impl Patience {
    /// As long as the settings say.
    pub(super) fn usual(timeouts: &Timeouts) -> Self {
        Self {
            header: timeouts.header,
            idle: timeouts.idle,
            stall: timeouts.stall,
            life: None,
        }
    }

    /// Where its place is needed: what is idle goes, and what is old after its running requests. Transfers have their
    /// usual time.
    pub(super) fn short(timeouts: &Timeouts) -> Self {
        Self {
            header: timeouts.header.min(SHORT_HEADER),
            idle: timeouts.idle.min(SHORT_IDLE),
            stall: timeouts.stall,
            life: Some(timeouts.idle.min(SHORT_LIFE)),
        }
    }
}

/// What an HTTP/2 connection starts with, and no HTTP/1 request does.
const HTTP2_START: &[u8] = b"PRI ";

/// The progress of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    begun_at: Instant,
    /// Requests whose answer is not handed over entirely.
    requests: usize,
    /// The number given to the last request, 0 before the first.
    last_request: u64,
    /// The last request came by HTTP/2 (all of them do then).
    http2: bool,
    /// Since when there is no request.
    quiet_since: Instant,
    /// When the first byte after the last answer came: a further request began.
    head_since: Option<Instant>,
    /// The first bytes of the connection, as many as tell HTTP/1 from HTTP/2.
    start: Vec<u8>,
    /// When a byte last went either way.
    last_byte: Instant,
    /// Since when the system takes no further bytes.
    blocked_since: Option<Instant>,
    /// Responses of which hyper has a frame and has not asked for more since.
    handed: HashMap<u64, Instant>,
}

impl Pace {
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            state: Mutex::new(State {
                begun_at: now,
                requests: 0,
                last_request: 0,
                http2: false,
                quiet_since: now,
                head_since: None,
                start: Vec::with_capacity(HTTP2_START.len()),
                last_byte: now,
                blocked_since: None,
                handed: HashMap::new(),
            }),
        })
    }

    /// A request's headers are in. The request lasts until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, http2: bool) -> Running {
        let mut state = self.state.lock();
        state.requests += 1;
        state.last_request += 1;
        state.http2 = http2;
        state.head_since = None;
        Running {
            pace: self.clone(),
            number: state.last_request,
        }
    }

    /// What to do at `now`. `stopping`: the server waits for the end of running requests alone.
    pub(super) fn verdict(&self, now: Instant, patience: &Patience, stopping: bool) -> Verdict {
        let state = self.state.lock();
        let age = now.saturating_duration_since(state.begun_at);
        match state.verdict(now, patience, stopping) {
            Verdict::Go if !stopping && patience.life.is_some_and(|life| age > life) => {
                Verdict::Close
            }
            verdict => verdict,
        }
    }

    fn did_read(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.last_byte = now;
        let missing = HTTP2_START.len() - state.start.len();
        state.start.extend(bytes.iter().take(missing));
        if state.requests == 0 && state.last_request > 0 {
            state.head_since.get_or_insert(now);
        }
    }

    fn did_write(&self, blocked: bool) {
        let mut state = self.state.lock();
        let now = Instant::now();
        if blocked {
            state.blocked_since.get_or_insert(now);
        } else {
            state.blocked_since = None;
            state.last_byte = now;
        }
    }
}

impl State {
    /// What its progress comes to, however old it is.
    fn verdict(&self, now: Instant, patience: &Patience, stopping: bool) -> Verdict {
        let since = |then: Instant| now.saturating_duration_since(then);
        if self
            .blocked_since
            .is_some_and(|then| since(then) > patience.stall)
        {
            return Verdict::Cut;
        }
        if self.requests > 0 {
            let stalled = self
                .handed
                .values()
                .filter(|then| since(**then) > patience.stall);
            return if stalled.count() == self.requests {
                Verdict::Cut
            } else {
                Verdict::Go
            };
        }
        if self.last_request == 0 {
            let late = since(self.quiet_since) > patience.header;
            return match (stopping, late) {
                (false, false) => Verdict::Go,
                (false, true) if self.speaks_http1() => Verdict::TooLate,
                (true, _) | (false, true) => Verdict::Cut,
            };
        }
        if !self.http2
            && self
                .head_since
                .is_some_and(|then| since(then) > patience.header)
        {
            // Not into the midst of an answer that is not sent yet.
            return if self.blocked_since.is_some() {
                Verdict::Cut
            } else {
                Verdict::TooLate
            };
        }
        let flushed = self.blocked_since.is_none() && since(self.last_byte) > FLUSH_GRACE;
        let quiet = since(self.quiet_since);
        match (stopping, quiet > patience.idle) {
            (true, _) if flushed => Verdict::Cut,
            (false, true) if flushed && quiet > patience.idle + patience.header => Verdict::Cut,
            (false, true) => Verdict::Close,
            _ => Verdict::Go,
        }
    }

    /// Whether something was said, and not the start of HTTP/2.
    fn speaks_http1(&self) -> bool {
        !HTTP2_START.starts_with(&self.start)
    }
}

/// A request from its headers to the last frame of its answer.
#[derive(Debug)]
pub(super) struct Running {
    pace: Arc<Pace>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.pace.state.lock();
        state.handed.remove(&self.number);
        state.requests = state.requests.saturating_sub(1);
        if state.requests == 0 {
            state.quiet_since = Instant::now();
        }
    }
}

/// A response's body, which keeps its request running and tells when hyper asks for frames.
pub(super) struct PacedBody {
    inner: Body,
    running: Running,
}

impl PacedBody {
    pub(super) fn new(inner: Body, running: Running) -> Self {
        Self { inner, running }
    }
}

impl http_body::Body for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let mut state = self.running.pace.state.lock();
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            state.handed.insert(self.running.number, Instant::now());
        } else {
            state.handed.remove(&self.running.number);
        }
        drop(state);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One kind of connection for hyper, so that its state machines are compiled once.
pub(super) type AnyStream = Box<dyn Stream>;

/// A connection's bytes, which tells its pace of them.
///
/// When hyper lets go of it, the stream goes back to whoever made it, to answer a request that came too late.
pub(super) struct PacedStream {
    inner: AnyStream,
    pace: Arc<Pace>,
    back: Option<oneshot::Sender<AnyStream>>,
}

impl PacedStream {
    /// A stream of this pace, and where it comes back.
    pub(super) fn new(inner: AnyStream, pace: Arc<Pace>) -> (Self, oneshot::Receiver<AnyStream>) {
        let (back, returned) = oneshot::channel();
        let back = Some(back);
        (Self { inner, pace, back }, returned)
    }

    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.pace.did_write(polled.is_pending());
        polled
    }
}

impl Drop for PacedStream {
    fn drop(&mut self) {
        let stream = std::mem::replace(&mut self.inner, Box::new(tokio::io::empty()));
        // Where nobody waits for it, this closes it.
        let _ = self.back.take().map(|back| back.send(stream));
    }
}

impl AsyncRead for PacedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if let Some(read @ [_, ..]) = buffer.filled().get(before..) {
            self.pace.did_read(read);
        }
        polled
    }
}

impl AsyncWrite for PacedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    // A TLS stream writes its records here too. A flush of nothing is no progress, but then
    // nothing is blocked either, and `last_byte` only ever delays a cut by a moment.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
