//! A request's body as it comes from the network, in pieces of a bounded size.
//!
//! That a body does not stall or drip, and that the rest of one that nobody wants is read before the answer,
//! is seen to where connections are served.

use axum::body::Body;
use bytes::Bytes;
use fh_access::ApiError;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;

use crate::listen::{Pieces, body_failure};

/// How many bytes are gathered before a step is made on a blocking thread: enough that the step costs
/// more than its hand-over, and little enough that hundreds of slow uploads fit into memory.
pub(super) const PIECE: usize = 256 << 10;

/// Reads a body, never more than a limit and never without end.
pub(crate) struct BodyReader {
    body: Body,
    limit: u64,
    /// Fewer bytes than the limit that what is read may have, and what is said to more.
    bound: Option<(u64, String)>,
    taken: u64,
    /// What was gathered so far; kept here so that nothing is lost where gathering is given up.
    pieces: Pieces,
}

impl BodyReader {
    /// A reader of a body of at most `limit` bytes.
    ///
    /// # Errors
    /// Where the headers say already that there are more.
    pub(crate) fn new(headers: &HeaderMap, body: Body, limit: u64) -> Result<Self, ApiError> {
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|announced| announced > limit) {
            return Err(too_large(limit));
        }
        Ok(Self {
            body,
            limit,
            bound: None,
            taken: 0,
            pieces: Pieces::default(),
        })
    }

    /// From now on a body of more bytes than these is refused as content, with this sentence.
    pub(super) fn bound(&mut self, most: u64, refusal: String) {
        self.bound = Some((most, refusal));
    }

    /// The most bytes that this reader takes.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// The next bytes, at least [`PIECE`] of them unless the body ends before; empty at its end.
    /// It may be given up half-way: the next one then has all.
    pub(super) async fn gather(&mut self) -> Result<Vec<Bytes>, ApiError> {
        self.gather_noting(|| ()).await
    }

    /// As [`Self::gather`], and notes each time that bytes have come.
    pub(super) async fn gather_noting(&mut self, note: impl Fn()) -> Result<Vec<Bytes>, ApiError> {
        while self.pieces.len() < PIECE {
            let Some(bytes) = self.next().await? else {
                break;
            };
            note();
            self.pieces.push(bytes);
        }
        Ok(self.pieces.take())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| body_failure(&error))?;
            // Trailers say nothing here.
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            if bytes.is_empty() {
                continue;
            }
            self.taken += bytes.len() as u64;
            if self.taken > self.limit {
                return Err(too_large(self.limit));
            }
            if let Some((_, refusal)) = self.bound.as_ref().filter(|(most, _)| self.taken > *most) {
                return Err(ApiError::InvalidContent(refusal.clone()));
            }
            return Ok(Some(bytes));
        }
    }
}

fn too_large(limit: u64) -> ApiError {
    ApiError::TooLarge(format!(
        "the body is larger than the limit of {limit} bytes"
    ))
}
