//! Whether the process lives, and whether it can serve.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;

use super::table::{Asks, Route, get};
use crate::error::chain;
use crate::state::AppState;

/// How long the database and the storage may take to answer.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// For whoever watches over the server.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/healthz", "Whether the process answers", healthy)
            .asks(Asks::Nobody)
            .answers_text(200, "text/plain"),
        get(
            "/readyz",
            "Whether the database and the storage answer too",
            ready,
        )
        .asks(Asks::Nobody)
        .answers_text(200, "text/plain")
        .answers_text(503, "text/plain"),
    ]
}

/// `GET /healthz`: the process answers. It asks nothing else, so that nobody restarts a server for a
/// fault that a restart does not mend.
pub(crate) async fn healthy() -> impl IntoResponse {
    answer(StatusCode::OK, "ok\n")
}

/// `GET /readyz`: the database and the storage answer too. What is wrong stands in the log.
pub(crate) async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    let database = async {
        let asked = state.database().read(|connection| {
            Ok(
                connection.query_row("SELECT COUNT(*) FROM signing_key", [], |row| {
                    row.get::<_, i64>(0)
                })?,
            )
        });
        asked.await.map(|_| ()).map_err(|error| chain(&error))
    };
    let storage = async {
        let storage = state.storage().clone();
        match tokio::task::spawn_blocking(move || storage.probe()).await {
            Ok(probed) => probed.map_err(|error| chain(&error)),
            Err(error) => Err(chain(&error)),
        }
    };
    let (database, storage) = tokio::join!(
        tokio::time::timeout(READY_TIMEOUT, database),
        tokio::time::timeout(READY_TIMEOUT, storage),
    );
    let mut ready = true;
    for (part, result) in [("database", database), ("storage", storage)] {
        let error = match result {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(_) => format!("no answer within {} seconds", READY_TIMEOUT.as_secs()),
        };
        tracing::error!(part, error, "not ready");
        ready = false;
    }
    if ready {
        answer(StatusCode::OK, "ready\n")
    } else {
        answer(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

fn answer(status: StatusCode, text: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], text).into_response()
}
