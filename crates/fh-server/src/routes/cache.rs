//! What Nix asks of a binary cache: `nix-cache-info`, narinfos, NARs and what is in them; the whole
//! view at the root, and narrowed to an organisation or a flake below `/cache`.
//!
//! ```text
//! /nix-cache-info   /<hash>.narinfo   /nar/<nar hash>.nar.zst   /<hash>.ls
//! /cache/<org>/…    /cache/<org>/<project>/…
//! ```
//!
//! Invariant: whatever the view does not hold is answered with the same bytes as what does not
//! exist, and as an address that makes no sense.

use std::str::FromStr as _;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use fh_api::NixCacheInfo;
use fh_nix::{NarHash, StorePathHash};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderName, HeaderValue};

use super::{listing, nar};
use crate::access::{Caller, Scope};
use crate::error::ApiError;
use crate::lookup::NAR_SUFFIX;
use crate::state::AppState;
use crate::telemetry::{CacheAnswer, CacheRoute};

/// An address of the cache, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question<'a> {
    scope: Scope<'a>,
    item: Item,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    CacheInfo,
    NarInfo(StorePathHash),
    Listing(StorePathHash),
    Nar(NarHash),
}

impl<'a> Question<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let Some(path) = path.strip_prefix("cache/") else {
            let (scope, item) = (Scope::All, Item::parse(path)?);
            return Some(Self { scope, item });
        };
        let (org, path) = path.split_once('/')?;
        // A project may be called "nar": what follows tells it from the NARs of an organisation.
        if let Some(item) = Item::parse(path) {
            let scope = Scope::Organization(org);
            return Some(Self { scope, item });
        }
        let (project, path) = path.split_once('/')?;
        let (scope, item) = (Scope::Flake(org, project), Item::parse(path)?);
        Some(Self { scope, item })
    }
}

impl Item {
    fn parse(path: &str) -> Option<Self> {
        if path == "nix-cache-info" {
            return Some(Self::CacheInfo);
        }
        if let Some(hash) = path.strip_suffix(".narinfo") {
            return StorePathHash::from_str(hash).ok().map(Self::NarInfo);
        }
        if let Some(hash) = path.strip_suffix(".ls") {
            return StorePathHash::from_str(hash).ok().map(Self::Listing);
        }
        let hash = path.strip_prefix("nar/")?.strip_suffix(NAR_SUFFIX)?;
        NarHash::from_base32(hash).ok().map(Self::Nar)
    }
}

/// `GET` and `HEAD` of everything that Nix asks.
pub(crate) async fn answer(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let question = Question::parse(request.uri().path()).ok_or(ApiError::NotFound)?;
    let view = caller.view().narrow(question.scope);
    let view = view.ok_or(ApiError::NotFound)?;
    let shared = caller.is_anonymous();
    match question.item {
        Item::CacheInfo => Ok(cache_info(&state, shared)),
        Item::NarInfo(hash) => {
            let found = state.lookup().narinfo(&view, hash).await?;
            let answer = match &found {
                None => CacheAnswer::Absent,
                Some(found) if found.remembered => CacheAnswer::Memory,
                Some(_) => CacheAnswer::Stored,
            };
            state.metrics().cache_answered(CacheRoute::NarInfo, answer);
            let text = found.ok_or(ApiError::NotFound)?.text;
            Ok((narinfo_headers(shared), text).into_response())
        }
        Item::Listing(hash) => {
            let nar = state.lookup().nar_of_path(&view, hash).await?;
            let answer = nar.map_or(CacheAnswer::Absent, |_| CacheAnswer::Stored);
            state.metrics().cache_answered(CacheRoute::Listing, answer);
            let nar = nar.ok_or(ApiError::NotFound)?;
            let (method, headers) = (request.method(), request.headers());
            listing::serve(&state, nar, method, headers, freshness(shared)).await
        }
        Item::Nar(nar_hash) => {
            let nar = state.lookup().nar(&view, nar_hash).await?;
            let answer = nar.map_or(CacheAnswer::Absent, |_| CacheAnswer::Stored);
            state.metrics().cache_answered(CacheRoute::Nar, answer);
            let nar = nar.ok_or(ApiError::NotFound)?;
            nar::serve(&state, nar, request.method(), request.headers(), shared).await
        }
    }
}

fn cache_info(state: &AppState, shared: bool) -> Response {
    let settings = state.settings();
    let info = NixCacheInfo {
        store_dir: settings.store_dir.to_string(),
        priority: settings.priority,
    };
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/x-nix-cache-info"),
        ),
        (CACHE_CONTROL, freshness(shared)),
    ];
    (headers, info.to_text()).into_response()
}

fn narinfo_headers(shared: bool) -> [(HeaderName, HeaderValue); 3] {
    [
        (CONTENT_TYPE, HeaderValue::from_static("text/x-nix-narinfo")),
        (CACHE_CONTROL, freshness(shared)),
        // Another caller may see another slice's.
        (VARY, HeaderValue::from_static("authorization")),
    ]
}

/// For how long a copy may be used without asking again: briefly, since what a view holds changes.
fn freshness(shared: bool) -> HeaderValue {
    HeaderValue::from_static(if shared {
        "public, max-age=60"
    } else {
        "private, max-age=60"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let path = "00000000000000000000000000000000";
        let nar = "0".repeat(52);
        let narinfo = Item::NarInfo(path.parse().unwrap());
        let whole = Item::Nar(NarHash::from_base32(&nar).unwrap());
        for (address, scope, item) in [
            ("/nix-cache-info".to_owned(), Scope::All, Item::CacheInfo),
            (format!("/{path}.narinfo"), Scope::All, narinfo),
            (format!("/nar/{nar}.nar.zst"), Scope::All, whole),
            (
                "/cache/acme/nix-cache-info".to_owned(),
                Scope::Organization("acme"),
                Item::CacheInfo,
            ),
            (
                format!("/cache/acme/nar/{nar}.nar.zst"),
                Scope::Organization("acme"),
                whole,
            ),
            (
                format!("/cache/acme/app/{path}.narinfo"),
                Scope::Flake("acme", "app"),
                narinfo,
            ),
            (
                format!("/cache/acme/nar/{path}.narinfo"),
                Scope::Flake("acme", "nar"),
                narinfo,
            ),
            (
                "/cache/acme/nar/nix-cache-info".to_owned(),
                Scope::Flake("acme", "nar"),
                Item::CacheInfo,
            ),
            (
                format!("/cache/acme/nar/nar/{nar}.nar.zst"),
                Scope::Flake("acme", "nar"),
                whole,
            ),
        ] {
            assert_eq!(
                Question::parse(&address),
                Some(Question { scope, item }),
                "{address}"
            );
        }
        for address in [
            "",
            "/",
            "/favicon.ico",
            "/0.narinfo",
            "//nix-cache-info",
            "/nar/x.nar.zst",
            "/nar/../nix-cache-info",
            "/cache/acme",
            "/cache/acme/app",
            "/cache/acme/app/../../nix-cache-info",
            "/cache/a/b/c/nix-cache-info",
        ] {
            assert_eq!(Question::parse(address), None, "{address}");
        }
        // What looks like a name goes on as one, and is the name of nothing.
        let odd = Question::parse("/cache/../nix-cache-info").unwrap();
        assert_eq!(odd.scope, Scope::Organization(".."));
    }
}
