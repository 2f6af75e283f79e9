//! What Nix asks of a binary cache: `nix-cache-info`, narinfos, NARs, what is in them, how they were built, and what
//! derivations were built to; the whole view at the root, and narrowed to an organisation or a flake below `/cache`.
//!
//! ```text
//! /nix-cache-info   /<hash>.narinfo   /nar/<nar hash>.nar.zst   /<hash>.ls   /log/<derivation>
//! /realisations/<id>.doi   /build-trace-v2/<derivation>/<output>.doi
//! /cache/<org>/…    /cache/<org>/<project>/…
//! ```
//!
//! Invariant: whatever the view does not hold is answered with the same bytes as what does not
//! exist, and as an address that makes no sense.

use std::str::FromStr as _;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use fh_access::{ApiError, Caller, Scope};
use fh_api::NixCacheInfo;
use fh_nix::{DrvOutput, NarHash, StorePath, StorePathHash};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderName, HeaderValue};

use super::table::{Asks, Errors, NamedPart, Route, get};
use super::{listing, log, nar, realisation};
use crate::answer::Answer;
use crate::lookup::NAR_SUFFIX;
use crate::state::AppState;
use crate::telemetry::{CacheAnswer, CacheRoute};
use crate::timing::Absence;

pub(super) fn routes() -> Vec<Route> {
    /// Where what is narrowed to an organisation or a flake is served.
    const NARROWED: &str = "/cache/{*path}";
    let whole = [
        file(
            "/{file}",
            "nix-cache-info, <path hash>.narinfo and <path hash>.ls, of the caller's whole view",
        ),
        nar_file("/nar/{file}", "A NAR of the caller's whole view"),
        log_file("/log/{file}", "A build log of the caller's whole view"),
        realisation_file(
            "/realisations/{file}",
            "To which path the caller's whole view has an output built, for Nix up to 2.34",
        ),
        realisation_file("/build-trace-v2/{derivation}/{file}", FROM_2_35),
    ];
    let of_organization = [
        file(
            "/cache/{org}/{file}",
            "The same, narrowed to an organisation",
        ),
        nar_file("/cache/{org}/nar/{file}", "A NAR of an organisation"),
        log_file("/cache/{org}/log/{file}", "A build log of an organisation"),
        realisation_file(
            "/cache/{org}/realisations/{file}",
            "A realisation of an organisation",
        ),
        realisation_file("/cache/{org}/build-trace-v2/{derivation}/{file}", FROM_2_35),
    ];
    let of_flake = [
        file(
            "/cache/{org}/{project}/{file}",
            "The same, narrowed to a flake",
        ),
        nar_file("/cache/{org}/{project}/nar/{file}", "A NAR of a flake"),
        log_file(
            "/cache/{org}/{project}/log/{file}",
            "A build log of a flake",
        ),
        realisation_file(
            "/cache/{org}/{project}/realisations/{file}",
            "A realisation of a flake",
        ),
        realisation_file(
            "/cache/{org}/{project}/build-trace-v2/{derivation}/{file}",
            FROM_2_35,
        ),
    ];
    let narrowed = of_organization.into_iter().chain(of_flake);
    let narrowed = narrowed.map(|route| route.served_at(NARROWED));
    whole.into_iter().chain(narrowed).collect()
}

/// What is said of the addresses that newer versions of Nix ask.
const FROM_2_35: &str = "The same, for Nix from 2.35 on";

/// A part of an address that is no example to ask.
const fn part(name: &'static str, description: &'static str) -> NamedPart {
    NamedPart {
        name,
        description,
        example: None,
    }
}

const ORGANIZATION: NamedPart = part("org", "An organisation");

const PROJECT: NamedPart = part("project", "A flake's name within the organisation");

/// What is asked of the cache: `parts` are those of the address.
fn asked(path: &'static str, summary: &'static str, parts: &'static [NamedPart]) -> Route {
    get(path, summary, answer)
        .asks(Asks::Anybody)
        .parts(parts)
        .errors(Errors::Text)
}

/// What is answered at once.
fn file(path: &'static str, summary: &'static str) -> Route {
    const FILE: NamedPart = NamedPart {
        name: "file",
        description: "nix-cache-info, <path hash>.narinfo or <path hash>.ls",
        example: Some("nix-cache-info"),
    };
    asked(path, summary, &[ORGANIZATION, PROJECT, FILE])
        .answers_other(200, "text/x-nix-cache-info")
        .answers_other(200, "text/x-nix-narinfo")
        .answers_any_json(200)
        .answers_nothing(304)
}

/// The bytes of a NAR, whole or a range of them.
fn nar_file(path: &'static str, summary: &'static str) -> Route {
    const FILE: NamedPart = part("file", "<NAR hash>.nar.zst");
    asked(path, summary, &[ORGANIZATION, PROJECT, FILE])
        .answers_other(200, "application/x-nix-nar")
        .answers_other(206, "application/x-nix-nar")
        .answers_nothing(304)
        .answers_nothing(416)
}

/// How something was built.
fn log_file(path: &'static str, summary: &'static str) -> Route {
    const FILE: NamedPart = part("file", "The base name of a derivation");
    asked(path, summary, &[ORGANIZATION, PROJECT, FILE])
        .answers_other(200, "text/plain")
        .answers_nothing(304)
}

/// What an output of a derivation was built to.
fn realisation_file(path: &'static str, summary: &'static str) -> Route {
    const DERIVATION: NamedPart = part("derivation", "The base name of a derivation");
    const FILE: NamedPart = part(
        "file",
        "sha256:<hex>!<output>.doi below realisations, <output>.doi below build-trace-v2",
    );
    asked(path, summary, &[ORGANIZATION, PROJECT, DERIVATION, FILE]).answers_any_json(200)
}

/// An address of the cache, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question<'a> {
    scope: Scope<'a>,
    item: Item,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    CacheInfo,
    NarInfo(StorePathHash),
    Listing(StorePathHash),
    Nar(NarHash),
    Log(StorePath),
    Realisation(DrvOutput),
}

impl<'a> Question<'a> {
    fn parse(path: &'a str, query: Option<&str>) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let Some(path) = path.strip_prefix("cache/") else {
            let (scope, item) = (Scope::All, Item::parse(path, query)?);
            return Some(Self { scope, item });
        };
        let (org, path) = path.split_once('/')?;
        // A project may be called "nar": what follows tells it from the NARs of an organisation.
        if let Some(item) = Item::parse(path, query) {
            let scope = Scope::Organization(org);
            return Some(Self { scope, item });
        }
        let (project, path) = path.split_once('/')?;
        let (scope, item) = (Scope::Flake(org, project), Item::parse(path, query)?);
        Some(Self { scope, item })
    }
}

impl Item {
    fn parse(path: &str, query: Option<&str>) -> Option<Self> {
        if path == "nix-cache-info" {
            return Some(Self::CacheInfo);
        }
        if let Some(hash) = path.strip_suffix(".narinfo") {
            return StorePathHash::from_str(hash).ok().map(Self::NarInfo);
        }
        if let Some(hash) = path.strip_suffix(".ls") {
            return StorePathHash::from_str(hash).ok().map(Self::Listing);
        }
        if let Some(name) = path.strip_prefix("log/") {
            return log::derivation(name, query).map(Self::Log);
        }
        if let Some(output) = realisation::output(path) {
            return Some(Self::Realisation(output));
        }
        let hash = path.strip_prefix("nar/")?.strip_suffix(NAR_SUFFIX)?;
        NarHash::from_base32(hash).ok().map(Self::Nar)
    }
}

/// `GET` and `HEAD` of everything that Nix asks.
///
/// What is rare on the way (a question to the database, a listing, a log, a workload's identity) is boxed, here and
/// in [`crate::lookup`]: a future has room for its largest branch, and is moved several times.
pub(crate) async fn answer(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Answer<Response> {
    let mut absence = Absence::new();
    let answer = answer_at_once(&state, &caller, request, &mut absence).await;
    Ok(absence.evenly(answer).await?)
}

async fn answer_at_once(
    state: &AppState,
    caller: &Caller,
    request: Request,
    absence: &mut Absence,
) -> Result<Response, ApiError> {
    let uri = request.uri();
    let question = Question::parse(uri.path(), uri.query()).ok_or(ApiError::NotFound)?;
    let shared = caller.is_anonymous();
    // A token for certain paths is told of no organisation and no flake: nix-cache-info, which is about no path, is
    // the same for it wherever it asks. To find out which of its paths a slice holds takes too long, and longer
    // where there is a slice.
    if question.item == Item::CacheInfo && caller.named_view().is_err() {
        return Ok(cache_info(state, shared));
    }
    let view = caller.view().narrow(question.scope);
    let view = view.ok_or(ApiError::NotFound)?;
    match question.item {
        Item::CacheInfo => Ok(cache_info(state, shared)),
        Item::NarInfo(hash) => {
            let lookup = state.lookup();
            let known = lookup.absence(&view, hash);
            absence.known = known.known;
            let found = if known.known {
                None
            } else {
                lookup.narinfo(&view, hash).await?
            };
            if found.is_none() {
                lookup.remember_absence(known);
            }
            let answer = match &found {
                None => CacheAnswer::Absent,
                Some(found) if found.remembered => CacheAnswer::Memory,
                Some(_) => CacheAnswer::Stored,
            };
            state.metrics().cache_answered(CacheRoute::NarInfo, answer);
            let text = found.ok_or(ApiError::NotFound)?.text;
            Ok((headers("text/x-nix-narinfo", shared), text).into_response())
        }
        Item::Listing(hash) => {
            let nar = Box::pin(state.lookup().nar_of_path(&view, hash)).await?;
            let nar = stored(state, CacheRoute::Listing, nar)?;
            let (method, headers) = (request.method(), request.headers());
            Box::pin(listing::serve(
                state,
                nar,
                method,
                headers,
                freshness(shared),
            ))
            .await
        }
        Item::Log(derivation) => {
            let log = Box::pin(state.lookup().log(&view, derivation)).await?;
            let log = stored(state, CacheRoute::Log, log)?;
            let (method, headers) = (request.method(), request.headers());
            Box::pin(log::serve(log, method, headers, freshness(shared))).await
        }
        Item::Realisation(output) => {
            let json = Box::pin(state.lookup().realisation(&view, output)).await?;
            let json = stored(state, CacheRoute::Realisation, json)?;
            Ok((headers("application/json", shared), json).into_response())
        }
        Item::Nar(nar_hash) => {
            let nar = state.lookup().nar(&view, nar_hash).await?;
            let nar = stored(state, CacheRoute::Nar, nar)?;
            nar::serve(state, nar, request.method(), request.headers(), shared).await
        }
    }
}

/// What was found in the view, which the metrics count.
///
/// # Errors
/// 404 for nothing.
fn stored<T>(state: &AppState, route: CacheRoute, found: Option<T>) -> Result<T, ApiError> {
    let answer = match &found {
        None => CacheAnswer::Absent,
        Some(_) => CacheAnswer::Stored,
    };
    state.metrics().cache_answered(route, answer);
    found.ok_or(ApiError::NotFound)
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

fn headers(media_type: &'static str, shared: bool) -> [(HeaderName, HeaderValue); 3] {
    [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
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
        let listing = Item::Listing(path.parse().unwrap());
        let log = Item::Log(format!("{path}-x.drv").parse().unwrap());
        let whole = Item::Nar(NarHash::from_base32(&nar).unwrap());
        let hashed = format!("sha256:{}!out", "0".repeat(64));
        let by_path = format!("{path}-x.drv^out");
        let output = |text: &str| Item::Realisation(text.parse().unwrap());
        for (address, scope, item) in [
            ("/nix-cache-info".to_owned(), Scope::All, Item::CacheInfo),
            (format!("/{path}.narinfo"), Scope::All, narinfo.clone()),
            (format!("/nar/{nar}.nar.zst"), Scope::All, whole.clone()),
            (format!("/{path}.ls"), Scope::All, listing.clone()),
            (format!("/log/{path}-x.drv"), Scope::All, log.clone()),
            (
                format!("/cache/acme/{path}.ls"),
                Scope::Organization("acme"),
                listing.clone(),
            ),
            (
                format!("/cache/acme/log/{path}-x.drv"),
                Scope::Organization("acme"),
                log.clone(),
            ),
            (
                format!("/cache/acme/log/log/{path}-x.drv"),
                Scope::Flake("acme", "log"),
                log.clone(),
            ),
            (
                format!("/cache/acme/log/{path}.ls"),
                Scope::Flake("acme", "log"),
                listing.clone(),
            ),
            (
                "/cache/acme/nix-cache-info".to_owned(),
                Scope::Organization("acme"),
                Item::CacheInfo,
            ),
            (
                format!("/cache/acme/nar/{nar}.nar.zst"),
                Scope::Organization("acme"),
                whole.clone(),
            ),
            (
                format!("/cache/acme/app/{path}.narinfo"),
                Scope::Flake("acme", "app"),
                narinfo.clone(),
            ),
            (
                format!("/cache/acme/nar/{path}.narinfo"),
                Scope::Flake("acme", "nar"),
                narinfo.clone(),
            ),
            (
                "/cache/acme/nar/nix-cache-info".to_owned(),
                Scope::Flake("acme", "nar"),
                Item::CacheInfo,
            ),
            (
                format!("/cache/acme/nar/nar/{nar}.nar.zst"),
                Scope::Flake("acme", "nar"),
                whole.clone(),
            ),
            (
                format!("/realisations/{hashed}.doi"),
                Scope::All,
                output(&hashed),
            ),
            (
                format!("/build-trace-v2/{path}-x.drv/out.doi"),
                Scope::All,
                output(&by_path),
            ),
            (
                format!("/cache/acme/realisations/{hashed}.doi"),
                Scope::Organization("acme"),
                output(&hashed),
            ),
            (
                format!("/cache/acme/build-trace-v2/{path}-x.drv/out.doi"),
                Scope::Organization("acme"),
                output(&by_path),
            ),
            // Flakes may be called like that.
            (
                format!("/cache/acme/realisations/realisations/{hashed}.doi"),
                Scope::Flake("acme", "realisations"),
                output(&hashed),
            ),
            (
                format!("/cache/acme/build-trace-v2/realisations/{hashed}.doi"),
                Scope::Flake("acme", "build-trace-v2"),
                output(&hashed),
            ),
            (
                format!("/cache/acme/build-trace-v2/build-trace-v2/{path}-x.drv/out.doi"),
                Scope::Flake("acme", "build-trace-v2"),
                output(&by_path),
            ),
        ] {
            assert_eq!(
                Question::parse(&address, None),
                Some(Question { scope, item }),
                "{address}"
            );
        }
        for address in [
            "",
            "/",
            "/favicon.ico",
            "/0.narinfo",
            "/0.ls",
            "/log/x.drv",
            "/log/../nix-cache-info",
            "/log/00000000000000000000000000000000-x",
            "/log/%2e%2e/00000000000000000000000000000000-x.drv",
            "//nix-cache-info",
            "/nar/x.nar.zst",
            "/nar/../nix-cache-info",
            "/cache/acme",
            "/cache/acme/app",
            "/cache/acme/app/../../nix-cache-info",
            "/cache/a/b/c/nix-cache-info",
        ] {
            assert_eq!(Question::parse(address, None), None, "{address}");
        }
        // What looks like a name goes on as one, and is the name of nothing.
        let odd = Question::parse("/cache/../nix-cache-info", None).unwrap();
        assert_eq!(odd.scope, Scope::Organization(".."));
    }
}
