//! The routes of the model (`server/src/api/`).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use fh_nix::Hasher;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::access;
use super::error::AtticError;
use super::seen::Seen;
use super::shared::Shared;
use super::wire::{CacheName, MissingPaths, NarInfo};

/// The most bytes of a description: `default_max_nar_info_size` of `server/src/config.rs`.
const LARGEST_DESCRIPTION: usize = 1024 * 1024;

type Answered = Result<Response, AtticError>;
type Model = State<Arc<Shared>>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(|| async { "Attic Binary Cache" }))
        .route("/_api/v1/get-missing-paths", post(missing_paths))
        .route("/_api/v1/upload-path", put(upload_path))
        .route("/_api/v1/cache-config/{cache}", get(cache_config))
        .route("/project/{org}/{project}", get(project))
        .route("/{cache}/nix-cache-info", get(nix_cache_info))
        .route("/{cache}/{path}", get(narinfo))
        .route("/{cache}/nar/{path}", get(nar))
        .fallback(|| async { AtticError::NotFound })
        .layer(from_fn_with_state(Arc::clone(&shared), record))
        .with_state(shared)
}

/// Keeps what came, and fails what is to fail.
async fn record(State(shared): Model, request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let before = {
        let mut state = shared.state();
        let before = state.seen.clone();
        state.seen.push(seen.clone());
        before
    };
    let fault = shared.settings.fault.as_ref();
    let fault = fault.and_then(|fault| fault(&seen, &before));
    let request = match fault {
        None => request,
        // Whoever answers and closes while something still comes may not be heard.
        Some(_) => {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await;
            Request::from_parts(parts, body.unwrap_or_default().into())
        }
    };
    match fault {
        Some(500) => AtticError::Internal.into_response(),
        Some(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            (status, "<html><h1>A proxy's page</h1></html>").into_response()
        }
        None => next.run(request).await,
    }
}

/// `auth_cache` of `server/src/access/http.rs`: without a cache the token alone says whether the
/// caller is told so.
fn authorize(
    shared: &Shared,
    headers: &HeaderMap,
    cache: &str,
    push: bool,
) -> Result<(), AtticError> {
    let is_public = shared
        .state()
        .caches
        .get(cache)
        .map(|cache| cache.settings.is_public);
    let permission = access::permission(shared, headers, cache, is_public.unwrap_or(false));
    if is_public.is_none() {
        return Err(AtticError::NoSuchCache.unless_discoverable(permission.discover));
    }
    permission.require(if push {
        permission.push
    } else {
        permission.pull
    })
}

/// `cache_config::get_cache_config`: what a client has to know of a cache.
async fn cache_config(
    State(shared): Model,
    Path(CacheName(cache)): Path<CacheName>,
    headers: HeaderMap,
) -> Answered {
    authorize(&shared, &headers, &cache, false)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = text("x-forwarded-proto").unwrap_or("http");
    let host = text("host").unwrap_or_default();
    let api = shared
        .settings
        .api_endpoint
        .clone()
        .unwrap_or_else(|| format!("{scheme}://{host}/"));
    let state = shared.state();
    let found = state.caches.get(&cache).ok_or(AtticError::NoSuchCache)?;
    let config = json!({
        "substituter_endpoint": format!("{api}{cache}"),
        "api_endpoint": api,
        "public_key": found.key.public().to_string(),
        "is_public": found.settings.is_public,
        "store_dir": found.settings.store_dir,
        "priority": 41,
        "upstream_cache_key_names": found.settings.upstream_cache_key_names,
        "retention_period": "Global",
    });
    Ok(Json(config).into_response())
}

/// `get_missing_paths::get_missing_paths`. As there, the body may have 2 MB, the limit of the
/// framework's extractors; and the answer is in no order.
async fn missing_paths(
    State(shared): Model,
    headers: HeaderMap,
    Json(question): Json<MissingPaths>,
) -> Answered {
    authorize(&shared, &headers, &question.cache, true)?;
    let state = shared.state();
    let found = state
        .caches
        .get(&question.cache)
        .ok_or(AtticError::NoSuchCache)?;
    let missing: BTreeSet<&str> = question
        .store_path_hashes
        .iter()
        .map(|hash| hash.0.as_str())
        .filter(|hash| !found.objects.contains_key(*hash))
        .collect();
    let missing: Vec<&str> = missing.into_iter().rev().collect();
    Ok(Json(json!({ "missing_paths": missing })).into_response())
}

/// Counts uploads that are under way.
struct Uploading(Arc<Shared>);

impl Uploading {
    fn new(shared: &Arc<Shared>) -> Self {
        let mut state = shared.state();
        state.uploading += 1;
        state.most_uploading = state.most_uploading.max(state.uploading);
        drop(state);
        Self(Arc::clone(shared))
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        self.0.state().uploading -= 1;
    }
}

/// The body of an upload, as it comes.
struct Incoming {
    body: Body,
    /// What came with the description and is none of it.
    rest: Bytes,
}

impl Incoming {
    async fn next(&mut self) -> Result<Option<Bytes>, AtticError> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(AtticError::request)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// `read_chunk_async`: as many bytes, or fewer where there are no more.
    async fn take(&mut self, size: usize) -> Result<Vec<u8>, AtticError> {
        let mut taken = Vec::new();
        while taken.len() < size {
            let Some(mut piece) = self.next().await? else {
                break;
            };
            let rest = piece.split_off(piece.len().min(size - taken.len()));
            taken.extend_from_slice(&piece);
            self.rest = rest;
        }
        Ok(taken)
    }
}

/// `upload_path::upload_path`: one store path, described and sent in one request.
async fn upload_path(State(shared): Model, headers: HeaderMap, body: Body) -> Answered {
    let _uploading = Uploading::new(&shared);
    let mut incoming = Incoming {
        body,
        rest: Bytes::new(),
    };
    let info = description(&headers, &mut incoming).await?;
    authorize(&shared, &headers, &info.cache, true)?;
    let known = shared.state().nars.contains_key(&info.nar_hash);
    if !known || shared.settings.require_proof_of_possession {
        receive(&shared, &info, &mut incoming, known).await?;
    }
    let mut state = shared.state();
    state
        .nars
        .insert(info.nar_hash.clone(), info.nar_size as u64);
    let file_size = (!known).then_some(info.nar_size);
    let cache = state
        .caches
        .get_mut(&info.cache)
        .ok_or(AtticError::NoSuchCache)?;
    cache.objects.insert(info.store_path_hash.clone(), info);
    let kind = if known { "Deduplicated" } else { "Uploaded" };
    let answer = json!({ "kind": kind, "file_size": file_size, "frac_deduplicated": null });
    Ok(Json(answer).into_response())
}

/// The beginning of `upload_path`: in the body, where the preamble's header is set, else in the header.
async fn description(headers: &HeaderMap, incoming: &mut Incoming) -> Result<NarInfo, AtticError> {
    let preamble_name = "X-Attic-Nar-Info-Preamble-Size";
    let json = if let Some(size) = headers.get(preamble_name) {
        let size: usize = size
            .to_str()
            .ok()
            .and_then(|size| size.parse().ok())
            .ok_or_else(|| {
                AtticError::request(format!("{preamble_name} must be a valid unsigned integer"))
            })?;
        if size > LARGEST_DESCRIPTION {
            return Err(AtticError::request("Upload info is too large"));
        }
        let taken = incoming.take(size).await?;
        if taken.len() != size {
            return Err(AtticError::request(
                "Upload info doesn't match specified size",
            ));
        }
        taken
    } else {
        let header = headers
            .get("X-Attic-Nar-Info")
            .ok_or_else(|| AtticError::request("X-Attic-Nar-Info must be set"))?;
        header.as_bytes().to_vec()
    };
    serde_json::from_slice(&json).map_err(AtticError::request)
}

/// `upload_path_new`, and `upload_path_dedup` where the NAR is known: the hash and the size of what
/// came have to be those that were said.
async fn receive(
    shared: &Shared,
    info: &NarInfo,
    incoming: &mut Incoming,
    known: bool,
) -> Result<(), AtticError> {
    let directory = shared.directory.path();
    let temporary = tempfile::Builder::new()
        .tempfile_in(directory)
        .map_err(|_| AtticError::Internal)?;
    let mut file = tokio::fs::File::create(temporary.path())
        .await
        .map_err(|_| AtticError::Internal)?;
    let (mut hasher, mut size) = (Hasher::new(), 0);
    while let Some(piece) = incoming.next().await? {
        hasher.update(&piece);
        size += piece.len();
        file.write_all(&piece)
            .await
            .map_err(|_| AtticError::Internal)?;
    }
    file.flush().await.map_err(|_| AtticError::Internal)?;
    let hash = format!("sha256:{}", hasher.finish().to_hex());
    if hash != info.nar_hash || size != info.nar_size {
        return Err(AtticError::request("Bad NAR Hash or Size"));
    }
    if !known {
        temporary
            .persist(shared.nar_file(&hash))
            .map_err(|_| AtticError::Internal)?;
    }
    Ok(())
}

/// FlakeHub's `GET /project/{org}/{project}`: the UUIDs that its cache is called by.
async fn project(
    State(shared): Model,
    Path((org, project)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if !access::is_flakehub(&shared, &headers) {
        return (StatusCode::UNAUTHORIZED, "").into_response();
    }
    match shared.settings.projects.get(&format!("{org}/{project}")) {
        Some((organization, project)) => Json(json!({
            "organization_uuid_v7": organization,
            "project_uuid_v7": project,
        }))
        .into_response(),
        None => (StatusCode::NOT_FOUND, "").into_response(),
    }
}

/// `binary_cache::get_nix_cache_info`: what Nix asks a cache for first.
async fn nix_cache_info(
    State(shared): Model,
    Path(CacheName(cache)): Path<CacheName>,
    headers: HeaderMap,
) -> Answered {
    authorize(&shared, &headers, &cache, false)?;
    let state = shared.state();
    let found = state.caches.get(&cache).ok_or(AtticError::NoSuchCache)?;
    let text = format!(
        "WantMassQuery: 1\nStoreDir: {}\nPriority: 41\n",
        found.settings.store_dir
    );
    Ok(([(header::CONTENT_TYPE, "text/x-nix-cache-info")], text).into_response())
}

/// `binary_cache::get_store_path_info`: the narinfo of a path that the cache has.
async fn narinfo(
    State(shared): Model,
    Path((CacheName(cache), path)): Path<(CacheName, String)>,
    headers: HeaderMap,
) -> Answered {
    let hash = path.strip_suffix(".narinfo").ok_or(AtticError::NotFound)?;
    authorize(&shared, &headers, &cache, false)?;
    let state = shared.state();
    let found = state.caches.get(&cache).ok_or(AtticError::NoSuchCache)?;
    let object = found.objects.get(hash).ok_or(AtticError::NoSuchObject)?;
    let text = object.to_narinfo(&found.settings.store_dir, &found.key);
    Ok(([(header::CONTENT_TYPE, "text/x-nix-narinfo")], text).into_response())
}

/// `binary_cache::get_nar`: by the store path's hash.
async fn nar(
    State(shared): Model,
    Path((CacheName(cache), path)): Path<(CacheName, String)>,
    headers: HeaderMap,
) -> Answered {
    let hash = path.strip_suffix(".nar").ok_or(AtticError::NotFound)?;
    authorize(&shared, &headers, &cache, false)?;
    let file = {
        let state = shared.state();
        let found = state.caches.get(&cache).ok_or(AtticError::NoSuchCache)?;
        let object = found.objects.get(hash).ok_or(AtticError::NoSuchObject)?;
        shared.nar_file(&object.nar_hash)
    };
    let content = tokio::fs::read(file)
        .await
        .map_err(|_| AtticError::Internal)?;
    Ok(content.into_response())
}
