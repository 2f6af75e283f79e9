//! `GET /api/v1/whoami`: the caller as the server sees it.

use axum::Json;
use axum::extract::State;
use fh_access::Caller;
use fh_api::Whoami;
use fh_persistence::database::tokens::texts;

use super::renewal;
use super::table::{Route, get};
use crate::answer::Answer;
use crate::state::AppState;

/// Who the caller is.
pub(super) fn routes() -> Vec<Route> {
    vec![get("/whoami", "The caller as the server sees it", show).answers::<Whoami>(200)]
}

/// Needs a token, and no permission: a token may always be asked what it is.
pub(crate) async fn show(State(state): State<AppState>, caller: Caller) -> Answer<Json<Whoami>> {
    let principal = caller.principal()?;
    let renewable_until = match &principal.token {
        Some(token) => renewal::renewable_until(&state, token.uuid).await?,
        None => None,
    };
    Ok(Json(Whoami {
        user: principal.name.clone(),
        kind: principal.kind,
        server_admin: principal.server_admin,
        token_id: principal.token.as_ref().map(|token| token.uuid),
        token_description: principal
            .token
            .as_ref()
            .and_then(|token| token.description.clone()),
        permissions: principal.scope.permissions().collect(),
        flakes: principal.scope.flakes().to_vec(),
        closures: texts(principal.scope.closures()),
        signed_by: texts(principal.scope.signed_by()),
        networks: principal.scope.networks().unwrap_or_default().to_vec(),
        workload: principal
            .workload
            .as_ref()
            .map(|workload| workload.info.clone()),
        expires_at: principal.expires_at.to_date_time(),
        renewable_until,
    }))
}
