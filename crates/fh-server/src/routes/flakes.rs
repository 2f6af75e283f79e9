//! Flakes: the caller's view as a list, and making, changing and removing one.

use std::str::FromStr as _;

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller, Scope};
use fh_api::{
    CreateFlake, FlakeInfo, FlakeList, FlakeName, FlakePattern, MAX_LISTED_PATHS, PathList,
    Permission, Role, UpdateFlake, Visibility,
};
use fh_nix::StorePathHash;
use fh_persistence::database::audit::Event;
use fh_persistence::database::{flakes, slices};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::json::json_body;
use super::path::{FlakePath, Query};
use super::table::{Asks, Route, delete, get, patch, post};
use super::text::line;
use super::transaction::{change_access, change_access_taking, read, take_away};
use crate::answer::Answer;
use crate::state::AppState;
use crate::timing;

pub(super) fn routes() -> Vec<Route> {
    const FLAKE: &str = "/flakes/{org}/{project}";
    vec![
        get("/flakes", "The caller's view", list)
            .asks(Asks::Anybody)
            .answers::<FlakeList>(200),
        post("/flakes", "Create a flake", create)
            .takes::<CreateFlake>()
            .answers::<FlakeInfo>(201)
            .answers::<FlakeInfo>(200)
            .refuses(&[404, 409, 422]),
        get(FLAKE, "A flake", show)
            .asks(Asks::Anybody)
            .answers::<FlakeInfo>(200),
        patch(FLAKE, "Change a flake", update)
            .takes::<UpdateFlake>()
            .answers::<FlakeInfo>(200),
        delete(FLAKE, "Delete a flake with its slice", remove).answers_nothing(204),
        get(
            "/flakes/{org}/{project}/paths",
            "The newest paths of a flake's slice",
            paths,
        )
        .asks(Asks::Anybody)
        .answers::<PathList>(200),
    ]
}

/// How the list is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Only the flakes of this organisation.
    #[serde(default)]
    org: Option<String>,
    /// At most this many, the first by name.
    #[serde(default)]
    limit: Option<usize>,
}

/// `GET /api/v1/flakes`: all that the caller may read, the public ones included. Unlisted ones stand
/// here for those alone who hold something on them. A token for certain paths is told of none.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Answer<Json<FlakeList>> {
    let scope = query.org.as_deref().map_or(Scope::All, Scope::Organization);
    let mut readable: Vec<(i64, Option<Role>)> = Vec::new();
    let view = caller.named_view().ok();
    if let Some(view) = view.and_then(|view| view.narrow(scope)) {
        readable.extend(view.flakes().map(|(flake, role)| (flake.id, role)));
    }
    let flakes = state.database().read(move |read| {
        let mut found = Vec::with_capacity(readable.len());
        for (id, role) in readable {
            // One that was removed just now is in the view still.
            if let Some(flake) = flakes::get(read, id)? {
                found.push(flake.info(role));
            }
        }
        found.sort_by_key(|info| (info.flake.org.folded(), info.flake.project.folded()));
        found.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(found)
    });
    Ok(Json(FlakeList {
        flakes: flakes.await?,
    }))
}

/// `POST /api/v1/flakes`: for whoever administers the organisation.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Answer<(StatusCode, Json<FlakeInfo>)> {
    caller.require(Permission::Admin)?;
    let wanted: CreateFlake = json_body(request, state.settings().limits.json_size).await?;
    let description = line("description", wanted.description)?;
    let organization_id = caller.organization_to_manage(wanted.flake.org.as_str())?;
    let asked = wanted.flake.project.clone();
    let name = caller.present_flake(wanted.flake);
    caller.require_reach(&FlakePattern::Flake(name.clone()))?;
    if wanted.visibility == Visibility::Public && !caller.belongs_to(organization_id) {
        return Err(made_public_by_a_guest(&name).into());
    }
    let (status, flake) = change_access(&state, &caller, move |change, actor| {
        let there = flakes::find(change, organization_id, &name.project)?;
        if let Some(there) = there {
            if wanted.exist_ok && there.visibility == wanted.visibility {
                return Ok((StatusCode::OK, there));
            }
            let mut sentence = format!("the flake {name} exists already");
            if there.name.project.folded() != asked.folded() {
                sentence = format!("{sentence}, and had the name {asked} before");
            }
            if wanted.exist_ok {
                // Who asks for a private one must not be told that all is well with a public one.
                sentence = format!("{sentence}, and is {}", there.visibility);
            }
            return Err(ApiError::Conflict(sentence));
        }
        let id = flakes::insert(
            change,
            organization_id,
            &name.project,
            wanted.visibility,
            description.as_deref(),
        )?;
        Event::by(actor, "flake.create", &name.to_string())
            .on_flake(id)
            .record(change, json!({ "visibility": wanted.visibility }))?;
        let flake = flakes::get(change, id)?.ok_or(ApiError::NotFound)?;
        Ok((StatusCode::CREATED, flake))
    })
    .await?;
    Ok((status, Json(flake.info(Some(Role::Admin)))))
}

/// `GET /api/v1/flakes/{org}/{project}`.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
) -> Answer<Json<FlakeInfo>> {
    let flake = caller.flake(&path.org, &path.project, Role::Read, Permission::Pull)?;
    let found = read(&state, move |read| {
        flakes::get(read, flake.id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(found.info(flake.role)))
}

/// How many paths are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathsQuery {
    /// At most this many, and never more than 1000.
    #[serde(default)]
    limit: Option<usize>,
}

/// `GET /api/v1/flakes/{org}/{project}/paths`: the newest paths of a slice that can be read.
pub(crate) async fn paths(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
    Query(query): Query<PathsQuery>,
) -> Answer<Json<PathList>> {
    let limit = query
        .limit
        .unwrap_or(MAX_LISTED_PATHS)
        .min(MAX_LISTED_PATHS);
    if caller.named_view().is_err() {
        // To look through a slice takes longer than to find none, and the answer is the same.
        let paths = timing::stepped(paths_of_token(&state, &caller, &path, limit)).await?;
        return Ok(Json(paths));
    }
    let flake = caller.flake(&path.org, &path.project, Role::Read, Permission::Pull)?;
    let paths = state
        .database()
        .read(move |read| slices::newest(read, flake.id, limit))
        .await?;
    Ok(Json(PathList { paths }))
}

/// Of a token for certain paths: those of them that are among the newest of a slice. A slice that holds none of
/// them there is as good as none, so that the token is told of no flake beside its paths.
async fn paths_of_token(
    state: &AppState,
    caller: &Caller,
    path: &FlakePath,
    limit: usize,
) -> Result<PathList, ApiError> {
    let scope = Scope::Flake(&path.org, &path.project);
    let view = caller.view().narrow(scope).ok_or(ApiError::NotFound)?;
    let flake = view.flakes().next().map(|(flake, _)| flake.id);
    let flake = flake.ok_or(ApiError::NotFound)?;
    let newest = state
        .database()
        .read(move |read| slices::newest(read, flake, limit))
        .await?;
    let mut paths = Vec::new();
    for summary in newest {
        let hash = summary.path.split('-').next().map(StorePathHash::from_str);
        if let Some(Ok(hash)) = hash
            && state.lookup().holds(&view, hash).await?
        {
            paths.push(summary);
        }
    }
    if paths.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(PathList { paths })
}

/// `PATCH /api/v1/flakes/{org}/{project}`: for its administrators. Only those who belong to the organisation make
/// it public: a public flake stands in the view of every member.
pub(crate) async fn update(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
    request: Request,
) -> Answer<Json<FlakeInfo>> {
    let flake = caller.flake(&path.org, &path.project, Role::Admin, Permission::Admin)?;
    let wanted: UpdateFlake = json_body(request, state.settings().limits.json_size).await?;
    let describes = wanted.description.is_some();
    let description = line("description", wanted.description)?;
    let role = flake.role;
    let belongs = caller.belongs_to(flake.organization_id);
    let hides = match wanted.visibility {
        _ if describes => false,
        Some(visibility) => hides(&state, flake.id, visibility).await?,
        None => false,
    };
    let changed = change_access_taking(&state, &caller, hides, move |change, actor| {
        let before = flakes::get(change, flake.id)?.ok_or(ApiError::NotFound)?;
        let opens = wanted.visibility == Some(Visibility::Public)
            && before.visibility != Visibility::Public;
        if opens && !belongs {
            return Err(made_public_by_a_guest(&flake.name));
        }
        // What is so already is not written, and the audit log tells of changes alone.
        let visibility = wanted.visibility.filter(|to| *to != before.visibility);
        let describes = describes && description != before.description;
        if visibility.is_none() && !describes {
            return Ok(before);
        }
        if let Some(visibility) = visibility {
            flakes::set_visibility(change, flake.id, visibility)?;
        }
        if describes {
            flakes::set_description(change, flake.id, description.as_deref())?;
        }
        let name = flake.name.to_string();
        Event::by(actor, "flake.update", &name)
            .on_flake(flake.id)
            .record(change, change_of(before.visibility, visibility, describes))?;
        flakes::get(change, flake.id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(changed.info(role)))
}

/// Whether fewer can read a flake, or find it, with a visibility. If that is not so any more when it is changed, access
/// has changed, and it is decided again.
async fn hides(state: &AppState, flake_id: i64, visibility: Visibility) -> Result<bool, ApiError> {
    let found = state
        .database()
        .read(move |read| flakes::get(read, flake_id))
        .await?;
    // They are in the order of who can.
    Ok(found.is_some_and(|flake| flake.visibility < visibility))
}

fn made_public_by_a_guest(flake: &FlakeName) -> ApiError {
    ApiError::Forbidden(format!(
        "only members of {org} can make its flakes public, and you are its guest: a public flake is in the \
         view of every member",
        org = flake.org
    ))
}

/// What an update did, for the audit log.
fn change_of(before: Visibility, after: Option<Visibility>, describes: bool) -> serde_json::Value {
    let mut detail = json!({});
    if let Some(after) = after {
        detail["visibility"] = json!({ "from": before, "to": after });
    }
    if describes {
        detail["description"] = json!("changed");
    }
    detail
}

/// `DELETE /api/v1/flakes/{org}/{project}`: for its administrators. Its slice goes with it; NARs that
/// nothing refers to any more are collected later.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: FlakePath,
) -> Answer<StatusCode> {
    let flake = caller.flake(&path.org, &path.project, Role::Admin, Permission::Admin)?;
    take_away(&state, &caller, move |change, actor| {
        let before = flakes::get(change, flake.id)?.ok_or(ApiError::NotFound)?;
        Event::by(actor, "flake.delete", &flake.name.to_string())
            .on_flake(flake.id)
            .record(
                change,
                json!({
                    "flake": before.uuid,
                    "paths": before.path_count,
                    "nar_size": before.nar_size,
                }),
            )?;
        flakes::delete(change, flake.id)?;
        Ok(())
    })
    .await
}
