//! The body of a request while it comes in: bounded in size, and never waited for without end.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, LengthLimitError};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::error::ApiError;
use crate::telemetry::Traffic;

/// How long the rest of a body that nobody wants is read and thrown away: a client that is still
/// sending would not read the answer otherwise, and a connection that is closed on unread bytes is
/// reset.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Why a body ended early, on this side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFailure {
    /// No byte came for too long.
    #[error("no byte of the body came for {} seconds", .0.as_secs_f32())]
    Stalled(Duration),
    /// More bytes than any request may have.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// What hyper says: the connection broke, or the body is not well formed.
    #[error("the body did not come to its end")]
    Broken(#[source] hyper::Error),
}

/// What the caller is told of a body that could not be read.
pub(crate) fn body_failure(error: &(dyn Error + 'static)) -> ApiError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<BodyFailure>() {
            return match failure {
                BodyFailure::Stalled(_) => ApiError::Timeout(failure.to_string()),
                BodyFailure::TooLarge(_) => ApiError::TooLarge(failure.to_string()),
                BodyFailure::Broken(_) => ApiError::BadRequest(failure.to_string()),
            };
        }
        if error.is::<LengthLimitError>() {
            return ApiError::TooLarge("the body is larger than this address takes".to_owned());
        }
        cause = error.source();
    }
    ApiError::BadRequest("the body did not come to its end".to_owned())
}

/// A request's body as handlers are given it.
pub(super) struct RequestBody {
    /// Absent once it ended or failed.
    inner: Option<Incoming>,
    limit: u64,
    received: u64,
    traffic: Traffic,
    stall: Duration,
    /// Runs while a byte is waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    /// The rest is to be read when the body is dropped early: on HTTP/1, unless the client waits
    /// for a word before it sends.
    drain: bool,
}

impl RequestBody {
    pub(super) fn new(
        inner: Incoming,
        traffic: Traffic,
        limit: u64,
        stall: Duration,
        drain: bool,
    ) -> Self {
        Self {
            inner: Some(inner),
            limit,
            received: 0,
            traffic,
            stall,
            alarm: None,
            waiting: false,
            drain,
        }
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = Instant::now() + self.stall;
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !self.waiting {
            self.waiting = true;
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(context)
    }

    fn fail(&mut self, failure: BodyFailure) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        if matches!(failure, BodyFailure::TooLarge(_)) {
            self.give_up();
        }
        self.inner = None;
        Poll::Ready(Some(Err(failure)))
    }

    /// Lets go of a body that has not come to its end.
    fn give_up(&mut self) {
        let Some(inner) = self.inner.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.drain && !inner.is_end_stream() {
            runtime.spawn(drain(inner, self.limit));
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
        if this.received == 0 && inner.size_hint().lower() > this.limit {
            return this.fail(BodyFailure::TooLarge(this.limit));
        }
        match Pin::new(inner).poll_frame(context) {
            Poll::Pending => {
                let stall = this.stall;
                match this.poll_alarm(context) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => this.fail(BodyFailure::Stalled(stall)),
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.traffic.received(length);
                this.received += length;
                if this.received > this.limit {
                    return this.fail(BodyFailure::TooLarge(this.limit));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(BodyFailure::Broken(error)),
            Poll::Ready(None) => {
                this.inner = None;
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
