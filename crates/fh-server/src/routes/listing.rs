//! `GET /<hash>.ls`: what is in a path's NAR, as JSON. See [`crate::listing`].

use axum::response::Response;
use fh_access::ApiError;
use fh_persistence::database::nars::Nar;
use http::{HeaderMap, HeaderValue, Method};

use super::compressed_text::{Answering, CompressedText, Content};
use crate::state::AppState;

/// Answers a request for the listing of a NAR that the caller may read.
pub(super) async fn serve(
    state: &AppState,
    nar: Nar,
    method: &Method,
    request: &HeaderMap,
    freshness: HeaderValue,
) -> Result<Response, ApiError> {
    let name = format!("{}.ls", nar.nar_hash.to_base32());
    let answering = Answering::new(method, request, &name, "application/json", freshness)?;
    if answering.is_unchanged() {
        return Ok(answering.unchanged());
    }
    let listing = state.listings().of(nar).await?;
    let listing = listing.ok_or(ApiError::NotFound)?;
    let text = CompressedText {
        content: Content::File(listing.file),
        compressed_size: listing.file_size,
        size: listing.size,
    };
    answering.with(text).await
}
