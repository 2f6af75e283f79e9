//! The body of an upload: kept in memory until the server has answered, so that a retry can send
//! the same bytes again, and counted as it goes out.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Activity;

/// Handed to the connection at a time: small enough that progress is smooth on a slow line.
const FRAME: usize = 64 * 1024;

/// Hears how far the body went out before and how far it did now; a retry is heard of only where
/// it gets further than all attempts before it.
pub(crate) type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// The bytes of an upload, in one or several pieces. Cloning shares them.
#[derive(Clone)]
pub struct UploadBody(Arc<Shared>);

struct Shared {
    pieces: Vec<Bytes>,
    length: u64,
    /// How far the furthest attempt came.
    furthest: AtomicU64,
    progress: Option<Progress>,
    /// Woken when an attempt has handed over the last byte.
    handed_over: tokio::sync::watch::Sender<bool>,
}

impl UploadBody {
    /// A body of these pieces, one after the other.
    #[must_use]
    pub fn new(pieces: Vec<Bytes>) -> Self {
        Self::with_progress(pieces, None)
    }

    /// As [`Self::new`]; `progress` hears of the bytes as they go out.
    pub(crate) fn with_progress(pieces: Vec<Bytes>, progress: Option<Progress>) -> Self {
        Self(Arc::new(Shared {
            length: pieces.iter().map(|piece| piece.len() as u64).sum(),
            pieces,
            furthest: AtomicU64::new(0),
            progress,
            handed_over: tokio::sync::watch::Sender::new(false),
        }))
    }

    /// Waits until the last byte was handed to the connection once, or the body is gone. The future
    /// holds nothing of the body.
    pub(crate) fn handed_over(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut receiver = self.0.handed_over.subscribe();
        async move {
            // An error means that nobody can hand over anything any more.
            let _ = receiver.wait_for(|done| *done).await;
        }
    }

    /// A fresh copy for one attempt.
    pub(super) fn to_http(&self, activity: Activity) -> reqwest::Body {
        reqwest::Body::wrap(Outgoing {
            body: self.clone(),
            activity,
            piece: 0,
            offset: 0,
            position: 0,
        })
    }
}

impl fmt::Debug for UploadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadBody")
            .field("length", &self.0.length)
            .finish_non_exhaustive()
    }
}

/// One attempt's walk over the pieces.
struct Outgoing {
    body: UploadBody,
    activity: Activity,
    piece: usize,
    offset: usize,
    position: u64,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let shared = &this.body.0;
        while let Some(piece) = shared.pieces.get(this.piece) {
            if this.offset == piece.len() {
                this.piece += 1;
                this.offset = 0;
                continue;
            }
            let end = piece.len().min(this.offset + FRAME);
            let frame = piece.slice(this.offset..end);
            this.offset = end;
            this.position += frame.len() as u64;
            this.activity.moved(frame.len());
            let before = shared.furthest.fetch_max(this.position, Ordering::Relaxed);
            if this.position > before
                && let Some(progress) = &shared.progress
            {
                progress(before, this.position);
            }
            if this.position == shared.length {
                this.activity.step();
                shared.handed_over.send_replace(true);
            }
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.position == self.body.0.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.0.length - self.position)
    }
}
