//! What requests name beside flakes and organisations: accounts and teams.
//!
//! Whoever administers a flake or an organisation must be able to tell a wrong name from a right one,
//! so which names there are is no secret from them. Callers are authorised before.

use fh_access::{ApiError, OrganizationRef};
use fh_api::Name;
use fh_persistence::database::accounts::{self, Account};
use fh_persistence::database::teams::{self, Team};
use fh_sql::Read;

/// A name in an address. Text that is no name is the name of nothing.
///
/// # Errors
/// 404 for such text.
pub(super) fn name(text: &str) -> Result<Name, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound)
}

/// The account of that name.
///
/// # Errors
/// 422 where there is none.
pub(super) fn account(read: &Read, name: &str) -> Result<Account, ApiError> {
    let unknown = || ApiError::InvalidContent(format!("there is no user named {:?}", short(name)));
    let name: Name = name.parse().map_err(|_| unknown())?;
    accounts::find_named(read, &name)?.ok_or_else(unknown)
}

/// The same, for who is told no more of one that is not there than of one that does not belong there.
///
/// # Errors
/// 404 where there is none.
pub(super) fn known_account(read: &Read, name: &str) -> Result<Account, ApiError> {
    accounts::find_named(read, &self::name(name)?)?.ok_or(ApiError::NotFound)
}

/// The team that an address names, for who may see the organisation's teams.
///
/// # Errors
/// 404 where there is none.
pub(super) fn team(
    read: &Read,
    organization: &OrganizationRef,
    name: &str,
) -> Result<Team, ApiError> {
    teams::find(read, organization.id, &self::name(name)?)?.ok_or(ApiError::NotFound)
}

/// What a request said, no longer than a person reads.
pub(super) fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
