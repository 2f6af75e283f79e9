//! Members of organisations.

use fh_api::{MemberInfo, OrganizationRole};
use fh_sql::{Read, params};

use super::rows::{all, exists, first, from_row};
use super::values::{execute, now};
use super::{AccessChange, DatabaseError, guests};

const SELECT: &str = "SELECT a.name, a.kind, m.role, 0 AS invited, m.created_at, NULL AS replaced \
     FROM membership m JOIN account a ON a.id = m.account_id";

const SELECT_INVITED: &str = "SELECT a.name, a.kind, m.role, 1 AS invited, m.created_at, NULL AS replaced \
     FROM membership_invitation m JOIN account a ON a.id = m.account_id";

from_row!(MemberInfo: user = "name", kind, role, invited, created_at, replaced);

/// The members of an organisation, sorted by name.
pub fn list(read: &Read, organization_id: i64) -> Result<Vec<MemberInfo>, DatabaseError> {
    let sql = format!("{SELECT} WHERE m.organization_id = ?1 ORDER BY a.folded");
    all(read, &sql, params![organization_id])
}

/// Those who are invited to be members and have not accepted, sorted by name.
pub fn list_invited(read: &Read, organization_id: i64) -> Result<Vec<MemberInfo>, DatabaseError> {
    let sql = format!("{SELECT_INVITED} WHERE m.organization_id = ?1 ORDER BY a.folded");
    all(read, &sql, params![organization_id])
}

/// Where an account is invited to be a member, by internal ids of organisations.
pub fn invitations_of(
    read: &Read,
    account_id: i64,
) -> Result<Vec<(i64, OrganizationRole)>, DatabaseError> {
    let sql = "SELECT organization_id, role FROM membership_invitation WHERE account_id = ?1";
    all(read, sql, params![account_id])
}

/// What an account would be in an organisation, if it is invited.
pub fn get_invited(
    read: &Read,
    organization_id: i64,
    account_id: i64,
) -> Result<Option<MemberInfo>, DatabaseError> {
    let sql = format!("{SELECT_INVITED} WHERE m.organization_id = ?1 AND m.account_id = ?2");
    let keys = params![organization_id, account_id];
    first(read, &sql, keys)
}

/// What an account is in an organisation, if it is a member.
pub fn get(
    read: &Read,
    organization_id: i64,
    account_id: i64,
) -> Result<Option<MemberInfo>, DatabaseError> {
    let sql = format!("{SELECT} WHERE m.organization_id = ?1 AND m.account_id = ?2");
    let keys = params![organization_id, account_id];
    first(read, &sql, keys)
}

/// Whether an organisation has another owner than this account, one who is not disabled.
pub fn others_own(
    read: &Read,
    organization_id: i64,
    account_id: i64,
) -> Result<bool, DatabaseError> {
    let sql = "SELECT m.account_id FROM membership m JOIN account a ON a.id = m.account_id \
               WHERE m.organization_id = ?1 AND m.role = 'owner' AND m.account_id <> ?2 \
               AND a.disabled_at IS NULL LIMIT 1";
    let keys = params![organization_id, account_id];
    exists(read, sql, keys)
}

/// Makes an account a member, or changes what it is there. A member is no guest, and is not invited.
pub fn set(
    change: &AccessChange<'_>,
    organization_id: i64,
    account_id: i64,
    role: OrganizationRole,
) -> Result<(), DatabaseError> {
    execute(
        change,
        "INSERT INTO membership (organization_id, account_id, role, created_at) \
         VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (organization_id, account_id) DO UPDATE SET role = excluded.role",
        params![organization_id, account_id, role.as_str(), now()],
    )?;
    guests::withdraw_membership(change, organization_id, account_id)?;
    guests::keep_accepted(change, organization_id, account_id)?;
    guests::end_guest(change, organization_id, account_id)?;
    Ok(())
}

/// Takes an account out of an organisation and of its teams; it is no guest and not invited to be a member
/// either. What was granted to it by name stays, and is an offer that it could accept: whoever takes somebody
/// out takes that away too ([`remove_grants`](super::invitations::remove_grants)).
pub fn remove(
    change: &AccessChange<'_>,
    organization_id: i64,
    account_id: i64,
) -> Result<(), DatabaseError> {
    execute(
        change,
        "DELETE FROM team_member WHERE account_id = ?2 \
         AND team_id IN (SELECT id FROM team WHERE organization_id = ?1)",
        params![organization_id, account_id],
    )?;
    execute(
        change,
        "DELETE FROM membership WHERE organization_id = ?1 AND account_id = ?2",
        params![organization_id, account_id],
    )?;
    guests::withdraw_membership(change, organization_id, account_id)?;
    guests::end_guest(change, organization_id, account_id)?;
    Ok(())
}
