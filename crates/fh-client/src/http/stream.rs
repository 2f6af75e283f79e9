//! The body of an upload that is too large to keep: it is made anew for each attempt, on a thread of
//! its own, and only as fast as the connection takes it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Activity;

/// Pieces that may lie ready while the connection takes none.
const AHEAD: usize = 2;

/// What a streamed body is made of.
pub(crate) trait StreamSource: Send + Sync + 'static {
    /// Headers of the request besides its length and its media type.
    fn headers(&self) -> HeaderMap;

    /// Bytes in all: exactly as many have to come.
    fn length(&self) -> u64;

    /// Makes the whole body. Ends early where the receiver is gone. Blocks.
    fn make(&self, pieces: &Pieces);

    /// So many bytes of the body have been handed to the connection in this attempt.
    fn handed_over(&self, position: u64);

    /// Whether another attempt is of no use, because the body itself cannot be made.
    fn is_broken(&self) -> bool;
}

/// Where a source puts what it makes.
pub(crate) struct Pieces(Sender<io::Result<Bytes>>);

/// Nobody wants the rest of the body.
#[derive(Debug)]
pub(crate) struct Unwanted;

impl Pieces {
    /// Puts a piece, once there is room for it.
    pub(crate) fn put(&self, piece: Bytes) -> Result<(), Unwanted> {
        self.0.blocking_send(Ok(piece)).map_err(|_| Unwanted)
    }

    /// Ends the body before its end, so that the server cannot take it for a whole one.
    pub(crate) fn break_off(&self, reason: io::Error) {
        // Where nobody listens, nothing more is sent either.
        let _ = self.0.blocking_send(Err(reason));
    }
}

/// Begins an attempt's body. Its thread ends when the body is dropped.
pub(super) fn to_http(source: &Arc<dyn StreamSource>, activity: Activity) -> reqwest::Body {
    let (sender, pieces) = channel(AHEAD);
    let maker = Arc::clone(source);
    tokio::task::spawn_blocking(move || maker.make(&Pieces(sender)));
    reqwest::Body::wrap(Streamed {
        source: Arc::clone(source),
        activity,
        pieces,
        position: 0,
    })
}

/// What one attempt has sent of a body, and still receives.
struct Streamed {
    source: Arc<dyn StreamSource>,
    activity: Activity,
    pieces: Receiver<io::Result<Bytes>>,
    position: u64,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = match self.pieces.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) if self.position == self.source.length() => {
                return Poll::Ready(None);
            }
            // The thread is gone without a word: it panicked.
            Poll::Ready(None) => Err(io::ErrorKind::UnexpectedEof.into()),
            Poll::Ready(Some(piece)) => piece,
        };
        if let Ok(piece) = &piece {
            self.position += piece.len() as u64;
            self.activity.moved(piece.len());
            if self.position == self.source.length() {
                self.activity.step();
            }
            self.source.handed_over(self.position);
        }
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.position == self.source.length()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.source.length() - self.position)
    }
}
