//! A stretch of a file as the body of an answer.
//!
//! Read on blocking threads in large chunks, one ahead of the network, so that disk and network work
//! at the same time and two chunks are all that an answer holds.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

/// Bytes that are read at once: they fit into the second level cache of a processor between being
/// read and being sent.
const CHUNK: u64 = 256 << 10;

/// The bytes of a file, in chunks.
pub(super) struct FileBody {
    /// The first chunk, until it is handed over.
    first: Option<Bytes>,
    /// The next chunk; absent after the last.
    reading: Option<JoinHandle<io::Result<(Bytes, Source)>>>,
    /// Bytes that were not handed over yet.
    left: u64,
}

/// A file at the position of the next chunk.
struct Source {
    file: File,
    left: u64,
}

impl Source {
    /// Reads the next chunk. A file that is shorter than it was is an error: the length was promised.
    fn read(mut self) -> io::Result<(Bytes, Self)> {
        let length = self.left.min(CHUNK);
        let mut chunk = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        (&self.file).take(length).read_to_end(&mut chunk)?;
        if chunk.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= length;
        Ok((chunk.into(), self))
    }
}

impl FileBody {
    /// A body of the bytes from `start` to `end`. Blocks, and reads the first chunk: for most NARs
    /// that is all.
    pub(super) fn open(mut file: File, start: u64, end: u64) -> io::Result<Body> {
        if start > 0 {
            file.seek(SeekFrom::Start(start))?;
        }
        let left = end - start;
        let (first, source) = Source { file, left }.read()?;
        if source.left == 0 {
            return Ok(Body::from(first));
        }
        Ok(Body::new(Self {
            first: Some(first),
            reading: Some(read_ahead(source)),
            left,
        }))
    }
}

fn read_ahead(source: Source) -> JoinHandle<io::Result<(Bytes, Source)>> {
    tokio::task::spawn_blocking(move || source.read())
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            self.left -= first.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let (chunk, source) = match read.map_err(io::Error::other) {
            Ok(Ok(read)) => read,
            Ok(Err(error)) | Err(error) => {
                tracing::error!(%error, "a stored NAR could not be read to its end");
                return Poll::Ready(Some(Err(error)));
            }
        };
        self.left -= chunk.len() as u64;
        if source.left > 0 {
            self.reading = Some(read_ahead(source));
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
