//! Notes in the audit log what was refused: stands around every route of the API.
//!
//! Noted are a 403, a 401 to credentials that were there, and a 404 to somebody known who wanted to
//! change something. Of a request it notes what it asked for ([`actions`]) and the names in the
//! address; never a query, a header or a body, nor a name that looks as if it held a token.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use fh_access::denials::ActorSlot;
use fh_access::request_id;
use fh_api::text::{WITHHELD, holds_token, is_unprintable};
use fh_persistence::database::audit::Denial;
use fh_persistence::database::now;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use serde_json::json;

use super::actions;
use crate::peer::{self, Peer};
use crate::state::AppState;

/// The longest name of an address that is noted, in characters.
const MAX_NAME: usize = 100;

/// Notes what was refused.
pub(super) async fn note_denied(
    State(state): State<AppState>,
    names: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let names = names.ok();
    let slot = ActorSlot::default();
    request.extensions_mut().insert(slot.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<Peer>();
    let source = peer::source(peer, request.headers(), state.settings());
    let has_credentials = request.headers().contains_key(AUTHORIZATION);
    let response = next.run(request).await;
    let status = response.status();
    let actor = slot.actor();
    let denied = match status {
        StatusCode::FORBIDDEN => true,
        StatusCode::UNAUTHORIZED => has_credentials,
        StatusCode::NOT_FOUND => {
            actor.is_some() && !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS)
        }
        _ => false,
    };
    if let (true, Some(route)) = (denied, route) {
        let named = |key: &str| {
            let mut names = names.iter().flatten();
            names
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.to_ascii_lowercase())
        };
        let route = route.as_str();
        let route = route.strip_prefix(fh_api::API_PREFIX).unwrap_or(route);
        let organization = named("org");
        let counts_for = organization
            .clone()
            .filter(|name| state.access().knows_organization(name));
        let denial = Denial {
            at: now(),
            action: actions::denied(method.as_str(), route),
            actor: actor.cloned(),
            address: source.address,
            request_id: request_id(),
            organization,
            project: named("project"),
            subject: subject(names.as_ref()),
            detail: json!({ "status": status.as_u16() }),
        };
        state.denials().note(denial, counts_for);
    }
    response
}

/// The names of an address, for a person.
fn subject(names: Option<&RawPathParams>) -> String {
    let shown = |name: &str| {
        if holds_token(name) {
            return WITHHELD.to_owned();
        }
        let is_cut = name.chars().nth(MAX_NAME).is_some();
        let name = name.chars().take(MAX_NAME);
        name.map(|c| if is_unprintable(c) { '\u{fffd}' } else { c })
            .chain(is_cut.then_some('…'))
            .collect()
    };
    let names = names.into_iter().flatten();
    let names: Vec<String> = names.map(|(_, value)| shown(value)).collect();
    names.join("/")
}
