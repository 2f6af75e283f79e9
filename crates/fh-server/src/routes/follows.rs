//! Follows: which public flakes of others are read at the root address, in which order.
//!
//! Whoever writes to a flake that is followed may decide what the follower's machines run. So people decide
//! for themselves, owners for the members of their organisation, and server administrators for everybody,
//! each with a token that manages and reaches everything.

use std::collections::HashSet;

use axum::Json;
use axum::extract::{Request, State};
use fh_access::{ApiError, Caller, Principal};
use fh_api::{FlakePattern, FollowList, Name, Permission, SetFollows, UserKind};
use fh_persistence::database::audit::Event;
use fh_persistence::database::follows::{self, Followed, Follower};
use fh_persistence::database::organizations;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::json::json_body;
use super::path::Query;
use super::table::{Asks, Route, get, put};
use crate::answer::Answer;
use crate::state::AppState;

/// The most entries of one list.
const MOST: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/follows",
            "The public flakes that are read at the root address, in order of priority",
            list,
        )
        .asks(Asks::Anybody)
        .answers::<FollowList>(200)
        .refuses(&[404]),
        put(
            "/follows",
            "Set such a list: the caller's, an organisation's for its owners, everybody's for server \
             administrators",
            set,
        )
        .takes::<SetFollows>()
        .answers::<FollowList>(200)
        .refuses(&[404, 409, 422]),
    ]
}

/// Whose.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowsQuery {
    /// That of this organisation, for its members.
    #[serde(default)]
    #[param(value_type = Option<Name>)]
    org: Option<String>,
    /// true: that of everybody, for anybody.
    #[serde(default)]
    everybody: bool,
}

/// `GET /api/v1/follows[?org=ORG|?everybody=true]`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<FollowsQuery>,
) -> Answer<Json<FollowList>> {
    let follower = match query {
        FollowsQuery {
            org: Some(_),
            everybody: true,
        } => return Err(one_list().into()),
        FollowsQuery {
            org: Some(org),
            everybody: false,
        } => Follower::Organization(caller.organization_of_member(&org)?.id),
        FollowsQuery {
            org: None,
            everybody: true,
        } => Follower::Everybody,
        FollowsQuery {
            org: None,
            everybody: false,
        } => {
            let principal = caller.require(Permission::Pull)?;
            caller.named_view()?;
            Follower::Account(principal.account_id)
        }
    };
    let found = state
        .database()
        .read(move |read| follows::list(read, follower))
        .await?;
    Ok(Json(told(&found)))
}

/// `PUT /api/v1/follows`.
pub(crate) async fn set(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Answer<Json<FollowList>> {
    caller.require_everything(Permission::Admin)?;
    let mut wanted: SetFollows = json_body(request, state.settings().limits.json_size).await?;
    wanted.follows = caller.present(wanted.follows);
    wanted.before = caller.present(wanted.before);
    let (follower, organization_id, whose) = match (&wanted.org, wanted.everybody) {
        (Some(_), true) => return Err(one_list().into()),
        (None, true) => {
            caller.server_administrator()?;
            (Follower::Everybody, None, "everybody".to_owned())
        }
        (Some(org), false) => {
            let organization = caller.organization_to_administer(org.as_str())?;
            organization.require_owner()?;
            let id = organization.id;
            let whose = organization.name.to_string();
            (Follower::Organization(id), Some(id), whose)
        }
        (None, false) => {
            let principal = caller.principal()?;
            follows_for_themselves(principal)?;
            let whose = principal.name.to_string();
            (Follower::Account(principal.account_id), None, whose)
        }
    };
    check(&wanted.follows)?;
    let actor = caller.actor()?;
    let found = state
        .database()
        .change_access(caller.decided(), move |change| {
            let present = follows::list(change, follower)?;
            let keys = |list: &[FlakePattern]| -> Vec<String> {
                list.iter().map(follows::folded).collect()
            };
            let present_keys: Vec<String> = present.iter().map(Followed::key).collect();
            let wanted_keys = keys(&wanted.follows);
            if present_keys == wanted_keys {
                return Ok(present);
            }
            if present_keys != keys(&wanted.before) {
                return Err(ApiError::Conflict(
                    "the list of followed flakes has changed meanwhile: read it again".to_owned(),
                ));
            }
            let mut list = Vec::with_capacity(wanted.follows.len());
            for (pattern, key) in wanted.follows.into_iter().zip(&wanted_keys) {
                // What is followed already may stay, also where it counts for nothing by now.
                let kept = present.iter().find(|there| there.key() == *key);
                let organization_id = match kept {
                    Some(there) => there.organization_id,
                    None => caller.organization_to_follow(&pattern)?,
                };
                // It may have been deleted since the caller's copy of the names was made.
                organizations::get(change, organization_id)?.ok_or(ApiError::NotFound)?;
                list.push(Followed {
                    organization_id,
                    pattern,
                });
            }
            follows::set(change, follower, &list, actor.account_id)?;
            let detail = json!({ "from": present_keys, "to": wanted_keys });
            Event::by(actor, "follows.set", &whose)
                .in_organization(organization_id)
                .record(change, detail)?;
            Ok(follows::list(change, follower)?)
        })
        .await?;
    Ok(Json(told(&found)))
}

fn told(list: &[Followed]) -> FollowList {
    FollowList {
        follows: list.iter().map(|one| one.pattern.clone()).collect(),
    }
}

fn one_list() -> ApiError {
    ApiError::BadRequest("name either an organisation or everybody, not both".to_owned())
}

/// That somebody has a list of their own: people do.
fn follows_for_themselves(principal: &Principal) -> Result<(), ApiError> {
    if principal.workload.is_none() && principal.kind == UserKind::Human {
        return Ok(());
    }
    Err(ApiError::Forbidden(
        "service accounts and workloads have no list of their own: they follow what their organisation follows"
            .to_owned(),
    ))
}

/// That a list is one: of flakes and organisations, each once.
fn check(list: &[FlakePattern]) -> Result<(), ApiError> {
    if list.len() > MOST {
        return Err(ApiError::InvalidContent(format!(
            "at most {MOST} flakes and organisations can be followed"
        )));
    }
    let mut seen = HashSet::new();
    for pattern in list {
        if *pattern == FlakePattern::All {
            return Err(ApiError::InvalidContent(
                "a follow is of one flake, ORG/PROJECT, or of one organisation's public flakes, ORG/*"
                    .to_owned(),
            ));
        }
        if !seen.insert(follows::folded(pattern)) {
            return Err(ApiError::InvalidContent(format!(
                "{pattern} is listed twice"
            )));
        }
    }
    Ok(())
}
