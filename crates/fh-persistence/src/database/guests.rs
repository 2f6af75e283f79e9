//! What ends, or changes what counts, when an account becomes a member or stops being one.

use fh_sql::{Tx, params};

use super::values::{execute, run};
use super::{AccessChange, DatabaseError};

/// Takes the offer of a membership back: whether there was one.
pub fn withdraw_membership(
    tx: &Tx<'_>,
    organization_id: i64,
    account_id: i64,
) -> Result<bool, DatabaseError> {
    let sql = "DELETE FROM membership_invitation WHERE organization_id = ?1 AND account_id = ?2";
    Ok(execute(tx, sql, params![organization_id, account_id])? > 0)
}

/// Ends the standing of a guest: whether the account was one.
pub fn end_guest(
    change: &AccessChange<'_>,
    organization_id: i64,
    account_id: i64,
) -> Result<bool, DatabaseError> {
    let sql = "DELETE FROM guest WHERE organization_id = ?1 AND account_id = ?2";
    Ok(execute(change, sql, params![organization_id, account_id])? > 0)
}

/// What other guests have granted to a guest goes on to count when they become a member: they have accepted it.
pub fn keep_accepted(
    change: &AccessChange<'_>,
    organization_id: i64,
    account_id: i64,
) -> Result<(), DatabaseError> {
    let sql = "UPDATE access_grant SET by_guest = 0 \
               WHERE organization_id = ?1 AND subject = 'account' AND account_id = ?2 AND EXISTS \
               (SELECT 1 FROM guest WHERE organization_id = ?1 AND account_id = ?2)";
    run(change, sql, params![organization_id, account_id])
}
