//! Serving text that is stored compressed: listings and build logs.
//!
//! Clients of Nix differ: 2.8 understands no encoding that it has not asked for and asks for none, 2.26
//! and later ask for zstd among others. Who does gets the stored bytes as they are, everybody else gets
//! them decompressed while they are sent.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::{Buf as _, Bytes};
use fh_access::ApiError;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use super::nar::matches_any;

/// Bytes that are read or decompressed at once.
const CHUNK: u64 = 256 << 10;

/// How a text goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Zstd,
}

/// A text as it is stored: zstd frames.
#[derive(Debug)]
pub(super) struct CompressedText {
    /// The bytes, compressed with zstd.
    pub(super) content: Content,
    /// How many they are.
    pub(super) compressed_size: u64,
    /// How many bytes come out of them.
    pub(super) size: u64,
}

/// Where the compressed bytes are.
#[derive(Debug)]
pub(super) enum Content {
    /// In a file, which stands at its start.
    File(File),
    /// In memory, all of it.
    Memory(Bytes),
}

/// What is the same whatever the text is.
#[derive(Debug)]
pub(super) struct Answering<'a> {
    method: &'a Method,
    headers: HeaderMap,
    encoding: Encoding,
    unchanged: bool,
}

impl<'a> Answering<'a> {
    /// Begins an answer. `name` changes whenever the text does, and holds no quotes.
    pub(super) fn new(
        method: &'a Method,
        request: &HeaderMap,
        name: &str,
        content_type: &'static str,
        freshness: HeaderValue,
    ) -> Result<Self, ApiError> {
        let encoding = accepted(request);
        let tag = match encoding {
            Encoding::Identity => format!("\"{name}\""),
            Encoding::Zstd => format!("\"{name}.zst\""),
        };
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CACHE_CONTROL, freshness);
        headers.insert(
            ETAG,
            HeaderValue::try_from(&tag).map_err(ApiError::internal)?,
        );
        // Another caller may see another slice's.
        headers.insert(
            VARY,
            HeaderValue::from_static("authorization, accept-encoding"),
        );
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        // What stands in a log was written by whatever was built.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(Self {
            method,
            headers,
            encoding,
            unchanged: matches_any(request, &tag),
        })
    }

    /// Whether the client has this very text already: it need not be looked for.
    pub(super) fn is_unchanged(&self) -> bool {
        self.unchanged
    }

    /// Answers that the client has it.
    pub(super) fn unchanged(mut self) -> Response {
        self.headers.remove(CONTENT_TYPE);
        (StatusCode::NOT_MODIFIED, self.headers).into_response()
    }

    /// Answers with the text.
    pub(super) async fn with(mut self, text: CompressedText) -> Result<Response, ApiError> {
        let length = match self.encoding {
            Encoding::Identity => text.size,
            Encoding::Zstd => {
                let zstd = HeaderValue::from_static("zstd");
                self.headers.insert(CONTENT_ENCODING, zstd);
                text.compressed_size
            }
        };
        self.headers
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
        let body = match (self.method, self.encoding, text.content) {
            (&Method::HEAD, _, _) => Body::empty(),
            (_, Encoding::Zstd, Content::Memory(bytes)) => Body::from(bytes),
            (_, Encoding::Zstd, Content::File(file)) => body(file, length).await?,
            (_, Encoding::Identity, Content::Memory(bytes)) => {
                body(decompressed(bytes.reader())?, length).await?
            }
            (_, Encoding::Identity, Content::File(file)) => {
                body(decompressed(file)?, length).await?
            }
        };
        Ok((self.headers, body).into_response())
    }
}

/// zstd where the client names it; a `*` is no knowledge of anything.
fn accepted(request: &HeaderMap) -> Encoding {
    let names_zstd = request
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| {
            let (coding, parameters) = offer.split_once(';').unwrap_or((offer, ""));
            let weight = parameters
                .split(';')
                .find_map(|parameter| parameter.trim().strip_prefix("q="));
            coding.trim().eq_ignore_ascii_case("zstd")
                && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|q| q > 0.0))
        });
    if names_zstd {
        Encoding::Zstd
    } else {
        Encoding::Identity
    }
}

fn decompressed(reader: impl Read + Send + 'static) -> Result<impl Read + Send, ApiError> {
    zstd::stream::read::Decoder::new(reader).map_err(ApiError::internal)
}

/// A body of so many bytes. The first chunk is read now: mostly that is all.
async fn body(reader: impl Read + Send + 'static, length: u64) -> Result<Body, ApiError> {
    let source = Source {
        reader: Box::new(reader),
        left: length,
    };
    let first = tokio::task::spawn_blocking(move || source.read());
    let (first, source) = first
        .await
        .map_err(ApiError::internal)?
        .map_err(ApiError::internal)?;
    if source.left == 0 {
        return Ok(Body::from(first));
    }
    Ok(Body::new(ReadBody {
        left: length,
        first: Some(first),
        reading: Some(source.read_ahead()),
    }))
}

/// A reader at the position of the next chunk.
struct Source {
    reader: Box<dyn Read + Send>,
    left: u64,
}

impl Source {
    /// Reads the next chunk. Bytes that are missing, or damaged, are an error: the length was promised.
    fn read(mut self) -> io::Result<(Bytes, Self)> {
        let length = self.left.min(CHUNK);
        let mut chunk = vec![0; usize::try_from(length).unwrap_or(0)];
        self.reader.read_exact(&mut chunk)?;
        self.left -= length;
        // The end has to be reached: only there zstd checks its sum.
        if self.left == 0 && self.reader.read(&mut [0])? != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((chunk.into(), self))
    }

    fn read_ahead(self) -> JoinHandle<io::Result<(Bytes, Self)>> {
        tokio::task::spawn_blocking(move || self.read())
    }
}

/// Chunks of a reader, read on blocking threads, one ahead of the network.
struct ReadBody {
    first: Option<Bytes>,
    reading: Option<JoinHandle<io::Result<(Bytes, Source)>>>,
    /// Bytes that were not handed over yet.
    left: u64,
}

impl http_body::Body for ReadBody {
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
                tracing::error!(%error, "a kept text could not be read to its end");
                return Poll::Ready(Some(Err(error)));
            }
        };
        self.left -= chunk.len() as u64;
        if source.left > 0 {
            self.reading = Some(source.read_ahead());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zstd_goes_to_those_who_name_it() {
        for (offer, encoding) in [
            // Nix 2.26, Nix 2.34.
            ("zstd, br, gzip, deflate, bzip2, xz", Encoding::Zstd),
            ("deflate, gzip, br, zstd", Encoding::Zstd),
            ("ZSTD", Encoding::Zstd),
            ("gzip;q=1.0, zstd;q=0.5", Encoding::Zstd),
            ("zstd; q=1", Encoding::Zstd),
            ("", Encoding::Identity),
            ("br, gzip", Encoding::Identity),
            ("*", Encoding::Identity),
            ("zstd;q=0", Encoding::Identity),
            ("zstd;q=0.000", Encoding::Identity),
            ("zstd;q=nonsense", Encoding::Identity),
            ("x-zstd, zstdish", Encoding::Identity),
            ("identity", Encoding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(offer));
            assert_eq!(accepted(&headers), encoding, "{offer}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Encoding::Identity);
    }
}
