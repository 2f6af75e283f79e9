//! Pushing: plan, upload, commit. The protocol: `fh_api::push`.
//!
//! What a request began is finished also where the client goes away: a part that was sent to its end
//! counts, and a commit that was asked for is made. So each handler decides about access, and hands
//! the rest to a task of its own. It waits for its place before that, so that who goes away again and again has no
//! more tasks than places.

use std::future::Future;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use fh_access::{ApiError, Caller, FlakeRef, within_this_request};
use fh_api::{
    BatchAnswer, CommitSummary, NAR_BATCH_MEDIA_TYPE, PartAnswer, Permission, PushPlan,
    PushRequest, Role,
};
use fh_nix::NarHash;
use fh_persistence::tenure::Tenure;
use fh_shares::{self as shares, counted_for};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::again::Terms;
use super::json::plan_body;
use super::path::{FlakePath, PartPath, PushPath};
use super::table::{Route, delete, post, put};
use crate::answer::Answer;
use crate::receive::BodyReader;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    const PUSH: &str = "/flakes/{org}/{project}/pushes/{id}";
    vec![
        post("/flakes/{org}/{project}/pushes", "Plan a push", plan)
            .takes::<PushRequest>()
            .answers::<PushPlan>(200)
            .answers::<PushPlan>(201)
            .refuses(&[409, 422]),
        delete(PUSH, "Abandon a push", forget).answers_nothing(204),
        post(
            "/flakes/{org}/{project}/pushes/{id}/nars",
            "Send small NARs and logs",
            batch,
        )
        .takes_bytes(NAR_BATCH_MEDIA_TYPE, "Records, see the push protocol.")
        .answers::<BatchAnswer>(200),
        put(
            "/flakes/{org}/{project}/pushes/{id}/nars/{nar_hash}/parts/{number}",
            "Send a part of a large NAR",
            part,
        )
        .takes_bytes("application/zstd", "Whole zstd frames.")
        .answers::<PartAnswer>(200),
        post(
            "/flakes/{org}/{project}/pushes/{id}/commit",
            "Make a push visible, all of it or nothing",
            commit,
        )
        .answers::<CommitSummary>(200)
        .refuses(&[409]),
    ]
}

/// `POST /api/v1/flakes/{org}/{project}/pushes`: 201 where a push was begun, else 200.
pub(crate) async fn plan(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
    request: Request,
) -> Answer<(StatusCode, Json<PushPlan>)> {
    let flake = writable(&caller, &path.org, &path.project)?;
    let wanted: PushRequest = plan_body(request, state.settings().limits.plan_size).await?;
    let place = state.pushes().planning(caller.holders()).await?;
    let plan = finish(state.tenure().clone(), async move {
        state.pushes().plan(&caller, &flake, wanted, place).await
    })
    .await?;
    let status = match plan.id {
        Some(_) => StatusCode::CREATED,
        None => StatusCode::OK,
    };
    Ok((status, Json(plan)))
}

/// `POST …/pushes/{id}/nars`: a batch of small NARs.
pub(crate) async fn batch(
    State(state): State<AppState>,
    caller: Caller,
    path: PushPath,
    request: Request,
) -> Answer<Json<BatchAnswer>> {
    let flake = writable(&caller, &path.org, &path.project)?;
    let (headers, mut body) = body(&state, request)?;
    if !is_batch(&headers) {
        return Err(ApiError::BadRequest(format!(
            "the body must be a batch of NARs, with the header Content-Type: {NAR_BATCH_MEDIA_TYPE}"
        ))
        .into());
    }
    let answer = finish(state.tenure().clone(), async move {
        state
            .pushes()
            .batch(&caller, &flake, path.id, &mut body)
            .await
    });
    Ok(answer.await.map(Json)?)
}

/// `PUT …/pushes/{id}/nars/{nar hash}/parts/{n}`: a part of a large NAR.
pub(crate) async fn part(
    State(state): State<AppState>,
    caller: Caller,
    path: PartPath,
    request: Request,
) -> Answer<Json<PartAnswer>> {
    let flake = writable(&caller, &path.org, &path.project)?;
    let nar_hash = NarHash::from_base32(&path.nar_hash)
        .map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let (_, mut body) = body(&state, request)?;
    let answer = finish(state.tenure().clone(), async move {
        let part = (nar_hash, path.number);
        state
            .pushes()
            .part(&caller, &flake, path.id, part, &mut body)
            .await
    });
    Ok(answer.await.map(Json)?)
}

/// `POST …/pushes/{id}/commit`: all of it becomes visible, or nothing.
pub(crate) async fn commit(
    State(state): State<AppState>,
    caller: Caller,
    path: PushPath,
) -> Answer<Json<CommitSummary>> {
    let flake = writable(&caller, &path.org, &path.project)?;
    let place = state.pushes().ending(caller.holders()).await?;
    let summary = finish(state.tenure().clone(), async move {
        let _place = place;
        state.pushes().commit(&caller, &flake, path.id).await
    });
    Ok(summary.await.map(Json)?)
}

/// `DELETE …/pushes/{id}`: it is given up.
pub(crate) async fn forget(
    State(state): State<AppState>,
    caller: Caller,
    path: PushPath,
) -> Answer<StatusCode> {
    let flake = writable(&caller, &path.org, &path.project)?;
    let place = state.pushes().ending(caller.holders()).await?;
    finish(state.tenure().clone(), async move {
        let _place = place;
        state.pushes().forget(&caller, &flake, path.id).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn writable(caller: &Caller, org: &str, project: &str) -> Result<FlakeRef, ApiError> {
    caller.flake(org, project, Role::Write, Permission::Push)
}

fn body(state: &AppState, request: Request) -> Result<(HeaderMap, BodyReader), ApiError> {
    let (parts, body) = request.into_parts();
    if let Some(terms) = parts.extensions.get::<Terms>() {
        terms.take();
    }
    let reader = BodyReader::new(&parts.headers, body, state.pushes().limits().body_size)?;
    Ok((parts.headers, reader))
}

fn is_batch(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(NAR_BATCH_MEDIA_TYPE))
}

/// Does something to its end, whether or not the request is still there.
async fn finish<T: Send + 'static>(
    tenure: Tenure,
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let work = counted_for(shares::current(), work);
    tenure
        .spawn(within_this_request(work))
        .await
        .map_err(ApiError::internal)?
}
