//! The body of a request while it comes in: bounded in size, and never waited for without end.
//!
//! A client is waited for while a reader has nothing to read. On HTTP/2 the streams of a connection share a
//! window, and bodies that nobody reads at the moment may fill it; then it is the server that keeps the
//! others waiting, and no client is blamed.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use fh_access::ApiError;
use fh_api::causes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, LengthLimitError};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::rate::RateWindow;
use crate::telemetry::Traffic;

/// How long the rest of a body that nobody wants is read and thrown away: a client that is still
/// sending would not read the answer otherwise, and a connection that is closed on unread bytes is
/// reset.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Why a body ended early, on this side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFailure {
    /// No byte came for too long.
    #[error("no byte of the body arrived for {} seconds", .0.as_secs_f32())]
    Stalled(Duration),
    /// Bytes came, but too few of them.
    #[error("the body arrives at less than {0} bytes a second")]
    TooSlow(u64),
    /// More bytes than any request may have.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// What hyper says: the connection broke, or the body is not well formed.
    #[error("the body is incomplete")]
    Broken(#[source] hyper::Error),
}

/// What the caller is told of a body that could not be read.
pub(crate) fn body_failure(error: &(dyn Error + 'static)) -> ApiError {
    for error in causes(error) {
        if let Some(failure) = error.downcast_ref::<BodyFailure>() {
            return match failure {
                BodyFailure::Stalled(_) | BodyFailure::TooSlow(_) => {
                    ApiError::Timeout(failure.to_string())
                }
                BodyFailure::TooLarge(_) => ApiError::TooLarge(failure.to_string()),
                BodyFailure::Broken(_) => ApiError::BadRequest(failure.to_string()),
            };
        }
        if error.is::<LengthLimitError>() {
            return ApiError::TooLarge("the body is larger than this address accepts".to_owned());
        }
    }
    ApiError::BadRequest("the body is incomplete".to_owned())
}

/// What bodies are bounded by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) size: u64,
    /// How long a byte is waited for.
    pub(super) stall: Duration,
    /// Bytes a second that must come, over each time as long as [`Self::stall`] that they are waited for.
    pub(super) rate: u64,
}

/// The bodies of one connection that nobody reads at the moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<AtomicUsize>);

impl Unread {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// A request's body as handlers are given it.
pub(super) struct RequestBody {
    /// Absent once it ended or failed.
    inner: Option<Incoming>,
    bounds: Bounds,
    received: u64,
    traffic: Traffic,
    rate: RateWindow,
    /// Of its connection. This one is among them while `waiting` is none and `inner` is there.
    unread: Unread,
    /// Runs while a byte is waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Since when a byte is waited for, and whether nothing else was in its way then.
    waiting: Option<(Instant, bool)>,
    /// The rest is to be read when the body is dropped early: on HTTP/1, unless the client waits
    /// for a word before it sends.
    drain: bool,
}

impl RequestBody {
    pub(super) fn new(
        inner: Incoming,
        traffic: Traffic,
        bounds: Bounds,
        unread: Unread,
        drain: bool,
    ) -> Self {
        // A body that has nothing is read already.
        let inner = Some(inner).filter(|inner| !inner.is_end_stream());
        if inner.is_some() {
            unread.add();
        }
        Self {
            inner,
            bounds,
            received: 0,
            traffic,
            rate: RateWindow::new(bounds.rate, bounds.stall),
            unread,
            alarm: None,
            waiting: None,
            drain,
        }
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let deadline = now + self.bounds.stall;
            let alarm = self
                .alarm
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if self.waiting.is_none() {
                self.unread.remove();
                self.waiting = Some((now, self.unread.is_none()));
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.unread.is_none() {
                return Poll::Ready(());
            }
            // Not the client's fault: it is waited for anew.
            alarm.as_mut().reset(deadline);
        }
    }

    /// The wait is over: how long it was, as far as it was for the client.
    fn waited(&mut self) -> Duration {
        let Some((since, alone)) = self.waiting.take() else {
            return Duration::ZERO;
        };
        let waited = if alone && self.unread.is_none() {
            since.elapsed()
        } else {
            Duration::ZERO
        };
        self.unread.add();
        waited
    }

    /// Takes the rest, which nobody reads any more.
    fn take_rest(&mut self) -> Option<Incoming> {
        let inner = self.inner.take()?;
        if self.waiting.take().is_none() {
            self.unread.remove();
        }
        Some(inner)
    }

    fn fail(&mut self, failure: BodyFailure) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        if matches!(failure, BodyFailure::TooLarge(_) | BodyFailure::TooSlow(_)) {
            self.give_up();
        }
        self.take_rest();
        Poll::Ready(Some(Err(failure)))
    }

    /// Lets go of a body that has not come to its end.
    fn give_up(&mut self) {
        let Some(inner) = self.take_rest() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.drain && !inner.is_end_stream() {
            runtime.spawn(drain(inner, self.bounds.size));
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let this = &mut *self;
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(None);
        };
        // A length that is announced is believed when it is too large.
        if this.received == 0 && inner.size_hint().lower() > this.bounds.size {
            return this.fail(BodyFailure::TooLarge(this.bounds.size));
        }
        match Pin::new(inner).poll_frame(context) {
            Poll::Pending => {
                let stall = this.bounds.stall;
                match this.poll_alarm(context) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => this.fail(BodyFailure::Stalled(stall)),
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                let waited = this.waited();
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.traffic.received(length);
                this.received += length;
                if this.received > this.bounds.size {
                    return this.fail(BodyFailure::TooLarge(this.bounds.size));
                }
                if !this.rate.note(length, waited) {
                    return this.fail(BodyFailure::TooSlow(this.bounds.rate));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(BodyFailure::Broken(error)),
            Poll::Ready(None) => {
                this.take_rest();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Reads and forgets, for a while and up to a size.
async fn drain(mut body: Incoming, limit: u64) {
    let mut left = limit;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // When the time is over the connection is closed, whatever is still coming.
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}
