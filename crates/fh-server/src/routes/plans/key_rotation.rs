//! Whether the keys of an owner may be rotated now.

use std::time::Duration;

use fh_access::ApiError;
use fh_persistence::database::Timestamp;
use fh_persistence::database::keys::{KeyState, StoredKey};

/// What is known of an owner's keys.
pub(in crate::routes) struct Facts {
    /// Whether the organisation whose keys they are is there still; the server always is.
    pub(in crate::routes) is_there: bool,
    /// All of the owner, the oldest first.
    pub(in crate::routes) stored: Vec<StoredKey>,
    pub(in crate::routes) at: Timestamp,
}

/// A rotation that may be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::routes) struct Plan {
    /// It comes before clients have had the time to learn the standby key.
    pub(in crate::routes) is_early: bool,
}

/// Decides about a rotation. `min_age`: how old the standby key has to be, if that is not forced. The first rotation is
/// never early: until then every client was set up with both keys.
///
/// # Errors
/// 404 where the organisation is gone, 409 where it is too early.
pub(in crate::routes) fn decide(
    facts: &Facts,
    min_age: Duration,
    is_forced: bool,
) -> Result<Plan, ApiError> {
    if !facts.is_there {
        return Err(ApiError::NotFound);
    }
    let newest = |state| facts.stored.iter().rfind(|key| key.state == state);
    let (Some(_), Some(standby)) = (newest(KeyState::Retired), newest(KeyState::Standby)) else {
        return Ok(Plan { is_early: false });
    };
    // In whole seconds, as it is told.
    let standby_from = standby.created_at.whole_seconds();
    let possible_from = standby_from.plus_seconds(min_age.as_secs());
    let is_early = possible_from > facts.at;
    if is_early && !is_forced {
        return Err(ApiError::Conflict(format!(
            "these keys can be rotated again from {possible_from} on: the standby key is from {standby_from}, \
             and clients that were set up before that have neither key after a rotation, unless they have \
             logged in again"
        )));
    }
    Ok(Plan { is_early })
}
