//! The audit log: all of it for server administrators, that of an organisation for its administrators.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use fh_access::{ApiError, Caller};
use fh_api::{AuditEvent, AuditList, FlakeName, FlakePattern};
use fh_persistence::database::audit_log::{self, Filter};
use fh_persistence::database::{Timestamp, organizations};
use http::HeaderMap;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::IntoParams;
use uuid::Uuid;

use super::actions::{self, DENIED};
use super::credentials;
use super::path::Query;
use super::table::{Route, get};
use super::transaction::read;
use crate::answer::Answer;
use crate::state::AppState;

/// How many events are answered where nothing is said.
const DEFAULT_LIMIT: u32 = 100;

/// How many at most.
const MAX_LIMIT: u32 = 1000;

/// The highest number that an event can have.
const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();

/// How long is waited for an event at most, in seconds.
const MAX_WAIT: u64 = 30;

/// The log is not looked at more often than this because something was committed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/audit",
            "What was done and refused: all, for server administrators; of one organisation, for its \
             administrators",
            list,
        )
        .answers::<AuditList>(200)
        .refuses(&[404]),
    ]
}

/// Which events, how many, and whether to wait for one.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// Only of this organisation.
    org: Option<String>,
    /// Only on this flake, org/project.
    flake: Option<FlakeName>,
    /// Only by this user.
    user: Option<String>,
    /// Only with the token of this id.
    token: Option<Uuid>,
    /// Only actions that begin like this; among refusals the `denied.` in front can be left out.
    action: Option<String>,
    /// true: only what was refused; false: only what was done.
    denied: Option<bool>,
    /// Only from this time on (RFC 3339).
    #[serde(default, with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    /// Only before this time (RFC 3339).
    #[serde(default, with = "time::serde::rfc3339::option")]
    until: Option<OffsetDateTime>,
    /// Only events with a higher number than this.
    after: Option<u64>,
    /// At most this many, 100 where nothing is said, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Seconds to wait for an event where there is none, 30 at most.
    #[param(maximum = 30)]
    wait: Option<u64>,
}

/// `GET /api/v1/audit`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<AuditQuery>,
) -> Answer<Json<AuditList>> {
    let mut filter = filter(&state, &caller, &query).await?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    bounded("limit", limit.into(), 1, MAX_LIMIT.into())?;
    bounded("after", query.after.unwrap_or(0), 0, MAX_NUMBER)?;
    let wait = query.wait.unwrap_or(0);
    bounded("wait", wait, 0, MAX_WAIT)?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(wait);
    let mut after = query.after;
    let mut commits = state.database().commits();
    loop {
        commits.mark_unchanged();
        let wanted = filter.clone();
        let (events, next) = state
            .database()
            .read(move |read| audit_log::list(read, &wanted, after, limit))
            .await?;
        let events = events.into_iter().map(told).collect();
        let list = AuditList { events, next };
        if !list.events.is_empty() || tokio::time::Instant::now() >= deadline {
            return Ok(Json(list));
        }
        after = Some(next);
        tokio::select! {
            changed = commits.changed() => {
                changed.map_err(ApiError::internal)?;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            () = tokio::time::sleep_until(deadline) => {}
            () = state.stopping().cancelled() => return Ok(Json(list)),
        }
        // Who waits may have lost meanwhile what let them in.
        let caller = state
            .access()
            .authenticate(credentials::token(&headers), caller.source())
            .await?;
        filter = self::filter(&state, &caller, &query).await?;
    }
}

/// An event with the names that its actions have now.
fn told(mut event: AuditEvent) -> AuditEvent {
    event.action = actions::named(&event.action);
    // The last of many that are told as one.
    let last = event
        .detail
        .as_mut()
        .and_then(|detail| detail.get_mut("last"));
    if let (true, Some(last)) = (event.denied, last)
        && let Some(written) = last.as_str()
    {
        *last = actions::named(written).into();
    }
    event
}

/// What a filter by an action looks for. Refusals are called `denied.` and what was refused: among refusals that can
/// be left out.
fn action_of(query: &AuditQuery) -> Option<String> {
    let action = query.action.as_deref()?;
    let is_whole = action.starts_with(DENIED) || DENIED.starts_with(action);
    Some(if query.denied == Some(true) && !is_whole {
        format!("{DENIED}{action}")
    } else {
        action.to_owned()
    })
}

fn bounded(field: &str, value: u64, least: u64, most: u64) -> Result<(), ApiError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ApiError::BadRequest(format!(
        "{field} must be between {least} and {most}"
    )))
}

/// What is asked for, as far as the caller may know it.
///
/// # Errors
/// 401 for the anonymous, 403 for those who may not read the log, 404 for an organisation that the caller
/// may not know of, or whose log the token does not reach.
async fn filter(state: &AppState, caller: &Caller, query: &AuditQuery) -> Result<Filter, ApiError> {
    let action = action_of(query);
    let asked = Filter {
        also_actions: action.as_deref().map(actions::former).unwrap_or_default(),
        action,
        flake: query.flake.as_ref().map(ToString::to_string),
        user: query.user.clone(),
        token: query.token,
        denied: query.denied,
        since: query.since.map(Timestamp::from),
        until: query.until.map(Timestamp::from),
        ..Filter::default()
    };
    let Some(org) = &query.org else {
        caller.server_administrator()?;
        return Ok(asked);
    };
    if caller.server_administrator().is_ok() {
        // Also of one that is there no more.
        return Ok(Filter {
            organization_name: Some(org.clone()),
            ..asked
        });
    }
    let id = caller.organization_to_manage(org)?;
    let name = org.parse().map_err(|_| ApiError::NotFound)?;
    caller
        .require_reach(&FlakePattern::Organization(name))
        .map_err(|_| ApiError::NotFound)?;
    let uuid = read(state, move |read| {
        organizations::uuid(read, id)?.ok_or(ApiError::NotFound)
    })
    .await?;
    // Not by name: what a former organisation of that name did is not theirs to see.
    Ok(Filter {
        organization: Some(uuid),
        ..asked
    })
}
