//! The routes, by noun.

use axum::Router;

use crate::error::{ApiError, remember_request_id};
use crate::state::AppState;

/// Every route of the server.
pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(axum::middleware::from_fn(remember_request_id))
        .with_state(state)
}
