//! The routes, by noun. Here stands which handler answers which address.
//!
//! Invariants: every handler that is not public takes a [`crate::access::Caller`] and asks it before
//! it reads a body or the database; what is not routed is 404, constant to the byte.

mod audit;
mod cache;
mod denied;
mod discovery;
mod file_body;
mod flakes;
mod grants;
mod health;
pub(crate) mod json;
mod kept;
mod listing;
mod log;
mod metrics;
mod nar;
mod narrowing;
mod organizations;
pub(crate) mod path;
mod pushes;
mod signing_keys;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod users;
mod whoami;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use tower::util::MapResponseLayer;

use crate::error::{ApiError, as_plain_text};
use crate::state::AppState;

/// Every route of the server.
pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        .route("/.well-known/fh", get(discovery::discovery))
        .route("/.well-known/jwks.json", get(discovery::key_set))
        .route("/healthz", get(health::healthy))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .nest(
            fh_api::API_PREFIX,
            api().layer(from_fn_with_state(state.clone(), denied::note_denied)),
        )
        .merge(cache())
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(state)
}

/// What stands below the prefix of the API.
fn api() -> Router<AppState> {
    Router::new()
        .route("/whoami", get(whoami::show))
        .route(
            "/orgs",
            get(organizations::list).post(organizations::create),
        )
        .route("/users", get(users::list).post(users::create))
        .route("/flakes", get(flakes::list).post(flakes::create))
        .route(
            "/flakes/{org}/{project}",
            get(flakes::show)
                .patch(flakes::update)
                .delete(flakes::remove),
        )
        .route("/flakes/{org}/{project}/grants", get(grants::list))
        .route(
            "/flakes/{org}/{project}/grants/{user}",
            put(grants::set).delete(grants::remove),
        )
        .route("/flakes/{org}/{project}/paths", get(flakes::paths))
        .route("/flakes/{org}/{project}/pushes", post(pushes::plan))
        .route(
            "/flakes/{org}/{project}/pushes/{id}",
            delete(pushes::forget),
        )
        .route(
            "/flakes/{org}/{project}/pushes/{id}/nars",
            post(pushes::batch),
        )
        .route(
            "/flakes/{org}/{project}/pushes/{id}/nars/{nar_hash}/parts/{number}",
            put(pushes::part),
        )
        .route(
            "/flakes/{org}/{project}/pushes/{id}/commit",
            post(pushes::commit),
        )
        .route("/audit", get(audit::list))
        .route("/keys", get(signing_keys::list))
        .route("/keys/rotate", post(signing_keys::rotate))
        .route("/tokens", get(tokens::list).post(tokens::mint))
        .route("/tokens/{id}", get(tokens::show).delete(tokens::revoke))
        .layer(from_fn(never_stored))
}

/// What Nix asks. It shows a person the body of an error as it is.
fn cache() -> Router<AppState> {
    Router::new()
        .route("/{file}", get(cache::answer))
        .route("/nar/{file}", get(cache::answer))
        .route("/log/{file}", get(cache::answer))
        .route("/cache/{*path}", get(cache::answer))
        .layer(MapResponseLayer::new(as_plain_text))
}

/// What the API answers is for one caller at one moment.
async fn never_stored(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
