//! `GET /metrics`, in Prometheus' text format.

use axum::extract::State;
use axum::response::Response;

use super::table::{Route, get};
use crate::answer::Answer;
use crate::state::AppState;
use crate::telemetry::rendered;
use fh_access::Caller;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/metrics", "Metrics, for server administrators", show)
            .answers_other(200, "text/plain"),
    ]
}

/// For server administrators; on an address of its own it is open.
pub(crate) async fn show(State(state): State<AppState>, caller: Caller) -> Answer<Response> {
    caller.server_administrator()?;
    Ok(rendered(state.metrics()))
}
