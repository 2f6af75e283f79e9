//! The routes, by noun. Here stands which handler answers which address.
//!
//! Invariants: every handler that is not public takes a [`fh_access::Caller`] and asks it before
//! it reads a body or the database, and hands [`fh_access::Caller::decided`] to what it writes;
//! what is not routed is 404, constant to the byte.

mod access;
mod access_lists;
mod accounts;
mod actions;
mod again;
mod audit;
mod cache;
mod caller;
mod compressed_text;
pub(crate) mod credentials;
mod denied;
mod discovery;
mod exchange;
mod file_body;
mod flakes;
mod follows;
mod grants;
mod health;
mod invitations;
pub(crate) mod json;
mod listing;
mod log;
mod members;
mod metrics;
mod named;
mod nar;
mod narrowing;
mod oauth_error;
mod organizations;
pub(crate) mod path;
mod plans;
mod pushes;
mod realisation;
mod reasons;
mod renames;
mod renewal;
mod reserved_names;
mod revocation;
mod roots;
mod rotation;
mod service_accounts;
mod signing_keys;
mod substituters;
mod table;
mod teams;
#[cfg(test)]
mod tests;
mod text;
mod token_rules;
mod tokens;
mod transaction;
mod trust;
mod users;
mod whoami;

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use fh_access::ApiError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};

use self::table::{Group, Route, get};
use crate::answer::Failed;
use crate::state::AppState;
use crate::timing::Absence;

/// Every route of the server.
pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        .merge(table::router(public()).layer(from_fn_with_state(state.clone(), again::handle)))
        .nest(
            fh_api::API_PREFIX,
            table::router(api())
                .layer(from_fn_with_state(state.clone(), again::handle))
                .layer(from_fn(even_absences))
                .layer(from_fn(never_stored))
                .layer(from_fn_with_state(state.clone(), denied::note_denied)),
        )
        .merge(table::router(cache()))
        .fallback(async || Failed::from(ApiError::NotFound))
        .method_not_allowed_fallback(refuse_method)
        .with_state(state)
}

/// `nix copy --to` sends NARs and narinfos by PUT, and shows the first line of the answer.
async fn refuse_method(request: Request) -> Response {
    let is_api = request.uri().path().starts_with(fh_api::API_PREFIX);
    if is_api || !matches!(*request.method(), Method::PUT | Method::POST) {
        return Failed::from(ApiError::MethodNotAllowed).into_response();
    }
    let told = "this cache takes no uploads of this kind: push with `fh push ORG/PROJECT PATH`\n";
    (StatusCode::METHOD_NOT_ALLOWED, told).into_response()
}

/// What is hidden takes as long as what does not exist.
async fn even_absences(request: Request, next: Next) -> Response {
    let absence = Absence::new();
    let response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        absence.told().await;
    }
    response
}

/// The document that describes all of it.
fn document_routes() -> Vec<Route> {
    vec![get("/openapi.json", "This document", document).answers_any_json(200)]
}

/// `GET /api/v1/openapi.json`.
async fn document() -> impl IntoResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(openapi);
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// The OpenAPI document of every route, as JSON for people: what `/api/v1/openapi.json` answers.
#[must_use]
pub fn openapi() -> String {
    let parts = vec![("", public()), (fh_api::API_PREFIX, api()), ("", cache())];
    // A document that was made of values can always be written.
    let mut text = table::document(parts).to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// What is the same for everybody, and what a machine asks of the server itself.
fn public() -> Vec<Group> {
    vec![
        Group {
            name: "Discovery",
            routes: discovery::routes(),
        },
        Group {
            name: "Workloads",
            routes: exchange::routes(),
        },
        Group {
            name: "Health",
            routes: health::routes(),
        },
        Group {
            name: "Metrics",
            routes: metrics::routes(),
        },
    ]
}

/// What stands below the prefix of the API.
fn api() -> Vec<Group> {
    [
        ("Discovery", document_routes()),
        ("Caller", whoami::routes()),
        ("Substituters", substituters::routes()),
        ("Organisations", organizations::routes()),
        ("Members", members::routes()),
        ("Invitations", invitations::routes()),
        ("Teams", teams::routes()),
        ("Service accounts", service_accounts::routes()),
        ("Users", users::routes()),
        ("Accounts", accounts::routes()),
        ("Reserved names", reserved_names::routes()),
        ("Renaming", renames::routes()),
        ("Flakes", flakes::routes()),
        ("Follows", follows::routes()),
        ("Grants", grants::routes()),
        ("Access", access::routes()),
        ("Lists of access", access_lists::routes()),
        ("Pushes", pushes::routes()),
        ("Tokens", tokens::routes()),
        ("Keys", signing_keys::routes()),
        ("Audit", audit::routes()),
        ("Trust policies", trust::routes()),
        ("Roots of forges", roots::routes()),
    ]
    .into_iter()
    .map(|(name, routes)| Group { name, routes })
    .collect()
}

/// What Nix asks. It shows a person the body of an error as it is.
fn cache() -> Vec<Group> {
    vec![Group {
        name: "Cache",
        routes: cache::routes(),
    }]
}

/// What the API answers is for one caller at one moment.
async fn never_stored(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
