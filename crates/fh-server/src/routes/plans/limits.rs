//! What limits every new token of an account.

use fh_access::ApiError;
use fh_api::duration::in_words;
use fh_persistence::database::accounts::Account;

/// Whether an account may have another token that has so many valid ones.
///
/// # Errors
/// 429 where it has as many as it may.
pub(in crate::routes) fn room_for_one_more(
    account: &Account,
    valid: u64,
    most: u32,
) -> Result<(), ApiError> {
    if valid < u64::from(most) {
        return Ok(());
    }
    let name = &account.name;
    Err(ApiError::TooMany(
        format!(
            "the account {name} has {valid} valid tokens, which is the limit: revoke one first"
        ),
        // Nobody knows when one will be.
        None,
    ))
}

/// How many seconds a token was asked to last, if that is possible at all.
///
/// # Errors
/// 400 for none, and for more than the server's maximum.
pub(in crate::routes) fn lifetime(
    asked: Option<u64>,
    longest: u64,
) -> Result<Option<u64>, ApiError> {
    match asked {
        Some(0) => Err(ApiError::BadRequest(
            "the field expires_in must be at least 1 second".to_owned(),
        )),
        Some(asked) if asked > longest => Err(ApiError::BadRequest(format!(
            "the field expires_in must be at most {}, this server's maximum",
            in_words(longest)
        ))),
        asked => Ok(asked),
    }
}
