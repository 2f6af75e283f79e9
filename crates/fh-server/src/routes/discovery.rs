//! What anybody may know: where the server's parts are, and its public keys.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use fh_access::workload::default_organization;
use fh_api::Discovery;
use fh_auth::Jwk;
use fh_persistence::clock;
use http::header::CACHE_CONTROL;
use serde::Serialize;
use utoipa::ToSchema;

use super::table::{Route, get};
use crate::answer::Answer;
use crate::state::AppState;

/// How long the key set may be kept, with room for a rotation of the token key.
const KEY_SET_CACHING: &str = "public, max-age=300";

/// What anybody may know.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/.well-known/fh",
            "The kind of the server and the addresses of its parts",
            discovery,
        )
        .answers::<Discovery>(200)
        .refuses(&[500, 503]),
        get(
            "/.well-known/jwks.json",
            "The public keys of the server's tokens",
            key_set,
        )
        .answers::<KeySet>(200),
    ]
}

/// `GET /.well-known/fh`.
pub(crate) async fn discovery(State(state): State<AppState>) -> Answer<impl IntoResponse> {
    let setting = state.workloads().default_organization().clone();
    let default = state
        .database()
        .read(move |read| default_organization(read, &setting))
        .await?;
    let url = state.public_url().to_owned();
    let body = Discovery {
        name: "fh".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        audience: state.keys().audience().to_owned(),
        api_url: url.clone(),
        web_url: url.clone(),
        cache_url: url,
        store_dir: state.store_dir().as_str().to_owned(),
        public_keys: state.keys().public(),
        default_organization: default.map(|organization| organization.name),
        signing: state.keys().mode(),
        login: vec!["token".to_owned(), "workload".to_owned()],
        now: clock::now(),
    };
    // It tells the server's clock.
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeySet {
    /// The one that signs tokens now.
    keys: Vec<Jwk>,
}

/// `GET /.well-known/jwks.json`.
pub(crate) async fn key_set(State(state): State<AppState>) -> impl IntoResponse {
    let keys = vec![state.keys().token().jwk()];
    ([(CACHE_CONTROL, KEY_SET_CACHING)], Json(KeySet { keys }))
}
