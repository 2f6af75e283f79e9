//! Whether the process lives, and whether it can serve.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fh_api::with_causes;
use fh_persistence::room::Level;
use http::StatusCode;
use http::header::CACHE_CONTROL;

use super::table::{Route, get};
use crate::state::AppState;

/// How long the database and the storage may take to answer.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// For whoever watches over the server.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/healthz", "Whether the process answers", healthy).answers_other(200, "text/plain"),
        get(
            "/readyz",
            "Whether the database and the storage answer too, and have room",
            ready,
        )
        .answers_other(200, "text/plain")
        .answers_other(503, "text/plain"),
    ]
}

/// `GET /healthz`: the process answers. It asks nothing else, so that nobody restarts a server for a
/// fault that a restart does not mend.
pub(crate) async fn healthy() -> impl IntoResponse {
    answer(StatusCode::OK, "ok\n")
}

/// `GET /readyz`: the database and the storage answer too, and there is room for what is sent. What is wrong is said
/// in one constant sentence; the log has more.
pub(crate) async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    let database = async {
        let asked = state.database().read(|read| {
            let sql = "SELECT COUNT(*) FROM signing_key";
            Ok(read.first(sql, &[], |row| row.get::<_, i64>(0))?)
        });
        asked.await.map(|_| ()).map_err(|error| with_causes(&error))
    };
    let storage = async {
        // One at a time, and those who wait do so without a thread, however slow the disk is.
        let asking = Arc::clone(state.probing()).lock_owned().await;
        let storage = state.storage().clone();
        let probed = tokio::task::spawn_blocking(move || {
            let _asking = asking;
            storage.probe()
        });
        match probed.await {
            Ok(probed) => probed.map_err(|error| with_causes(&error)),
            Err(error) => Err(with_causes(&error)),
        }
    };
    let room = async {
        match state.database().room().level().await {
            Level::Enough => Ok(()),
            Level::Low => Err("there is no space left for uploads".to_owned()),
            Level::GivenUp => Err("there is no space left except for removing access".to_owned()),
        }
    };
    let (database, storage, room) = tokio::join!(
        tokio::time::timeout(READY_TIMEOUT, database),
        tokio::time::timeout(READY_TIMEOUT, storage),
        tokio::time::timeout(READY_TIMEOUT, room),
    );
    let mut wrong = None;
    for (part, result, told) in [
        (
            "database",
            database,
            "not ready: the database does not answer\n",
        ),
        (
            "storage",
            storage,
            "not ready: the storage accepts no data\n",
        ),
        (
            "room",
            room,
            "not ready: there is no space left on the disk\n",
        ),
    ] {
        let error = match result {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(_) => format!("no answer within {} seconds", READY_TIMEOUT.as_secs()),
        };
        tracing::error!(part, error, "not ready");
        wrong = Some(told);
    }
    match wrong {
        None => answer(StatusCode::OK, "ready\n"),
        Some(told) => answer(StatusCode::SERVICE_UNAVAILABLE, told),
    }
}

fn answer(status: StatusCode, text: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], text).into_response()
}
