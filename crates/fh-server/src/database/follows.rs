//! Follows: which public flakes of others stand in whose root view, in which order.

use fh_auth::Follow;
use rusqlite::{Connection, params};

use super::DatabaseError;
use super::values::all;

/// Follows with what they name, resolved to the flakes that there are now. One whose flake is gone counts for
/// nothing.
const RESOLVED: &str = "SELECT w.organization_id, f.id AS flake_id FROM follow w \
     LEFT JOIN flake f ON f.organization_id = w.organization_id AND f.folded = w.project";

/// What an account follows, then what its organisations do: those that it is a member of, in the order in
/// which it joined, or that a service account belongs to. A service account has no follows of its own.
pub(crate) fn of_account(
    connection: &Connection,
    account_id: i64,
) -> Result<Vec<Follow>, DatabaseError> {
    let sql = format!(
        "{RESOLVED} JOIN account a ON a.id = w.account_id \
         WHERE w.account_id = ?1 AND (w.project IS NULL OR f.id IS NOT NULL) \
         AND a.organization_id IS NULL AND a.trust_policy_id IS NULL ORDER BY w.position"
    );
    let mut found = resolved(connection, &sql, account_id)?;
    let sql = "SELECT organization_id FROM membership WHERE account_id = ?1 \
               UNION ALL SELECT organization_id FROM account \
               WHERE id = ?1 AND organization_id IS NOT NULL";
    let sql = format!(
        "SELECT o.organization_id FROM ({sql}) o LEFT JOIN membership m \
         ON m.account_id = ?1 AND m.organization_id = o.organization_id \
         ORDER BY m.created_at, o.organization_id"
    );
    let organizations: Vec<i64> = all(connection, &sql, params![account_id], |row| {
        Ok(row.get("organization_id")?)
    })?;
    for organization in organizations {
        found.extend(of_organization(connection, organization)?);
    }
    Ok(found)
}

/// What an organisation follows for its members.
pub(crate) fn of_organization(
    connection: &Connection,
    organization_id: i64,
) -> Result<Vec<Follow>, DatabaseError> {
    let sql = format!(
        "{RESOLVED} WHERE w.follower_id = ?1 AND (w.project IS NULL OR f.id IS NOT NULL) \
         ORDER BY w.position"
    );
    resolved(connection, &sql, organization_id)
}

/// What the server's administrator has given to everybody.
pub(crate) fn of_everybody(connection: &Connection) -> Result<Vec<Follow>, DatabaseError> {
    let sql = format!(
        "{RESOLVED} WHERE w.account_id IS NULL AND w.follower_id IS NULL AND ?1 = 0 \
         AND (w.project IS NULL OR f.id IS NOT NULL) ORDER BY w.position"
    );
    resolved(connection, &sql, 0)
}

fn resolved(connection: &Connection, sql: &str, id: i64) -> Result<Vec<Follow>, DatabaseError> {
    all(connection, sql, params![id], |row| {
        Ok(Follow {
            organization: row.get("organization_id")?,
            flake: row.get("flake_id")?,
        })
    })
}
