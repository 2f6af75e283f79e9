//! What requests read and change, each in one transaction. A change carries out what was decided about the caller, and
//! names them as the audit log does.

use fh_access::{ApiError, Caller};
use fh_persistence::database::AccessChange;
use fh_persistence::database::audit::Actor;
use fh_sql::{Read, Tx};
use http::StatusCode;

use crate::answer::Answer;
use crate::state::AppState;

/// Reads, and answers with what is missing. All that is read is of one instant.
///
/// # Errors
/// Those of `f`.
pub(super) async fn read<T: Send + 'static>(
    state: &AppState,
    f: impl FnOnce(&Read) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    state.database().read(move |read| Ok(f(read))).await?
}

/// Writes what does not decide about access.
///
/// # Errors
/// 401 for the anonymous; those of `f`.
pub(super) async fn write<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    f: impl FnOnce(&Tx<'_>, Actor) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let actor = caller.actor()?;
    let written = state
        .database()
        .write(caller.decided(), move |tx| f(tx, actor));
    written.await
}

/// Changes what decides about access.
///
/// # Errors
/// 401 for the anonymous; those of `f`.
pub(super) async fn change_access<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    f: impl FnOnce(&AccessChange<'_>, Actor) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    change_access_taking(state, caller, false, f).await
}

/// As [`change_access`]. `takes_away`: nobody gets anything by it, and somebody loses access, so that it is done on a
/// full disk too. Who found that out beforehand need not ask again: if it does no more by then, access has changed,
/// and all of it is decided again.
///
/// # Errors
/// 401 for the anonymous; those of `f`.
pub(super) async fn change_access_taking<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    takes_away: bool,
    f: impl FnOnce(&AccessChange<'_>, Actor) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let actor = caller.actor()?;
    let decided = caller.decided().taking_away_if(takes_away);
    let changed = state
        .database()
        .change_access(decided, move |change| f(change, actor));
    changed.await
}

/// Takes access away, and has nothing to answer.
///
/// # Errors
/// 401 for the anonymous; those of `f`.
pub(super) async fn take_away(
    state: &AppState,
    caller: &Caller,
    f: impl FnOnce(&AccessChange<'_>, Actor) -> Result<(), ApiError> + Send + 'static,
) -> Answer<StatusCode> {
    change_access_taking(state, caller, true, f).await?;
    Ok(StatusCode::NO_CONTENT)
}
