//! Names that were given up, and that nobody gets again until an administrator frees them: token scopes,
//! lines of nix.conf and audiences bind names.

use fh_api::{Name, NameKind, ReservedName};
use fh_sql::{Read, Tx, params};

use super::rows::{all, exists, from_row};
use super::values::{execute, now};
use super::{AccessChange, DatabaseError};

/// Reserves the names that a query of an internal id answers, in its column `name`.
pub(super) fn keep(tx: &Tx<'_>, kind: NameKind, names: &str, id: i64) -> Result<(), DatabaseError> {
    let names: Vec<Name> = all(tx, names, params![id])?;
    for name in names {
        execute(
            tx,
            "INSERT INTO reserved_name (kind, folded, name, reserved_at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (kind, folded) DO UPDATE \
             SET name = excluded.name, reserved_at = excluded.reserved_at",
            params![kind.as_str(), name.folded(), name.as_str(), now()],
        )?;
    }
    Ok(())
}

/// Whether a name was given up, and nobody has freed it.
pub fn is_reserved(read: &Read, kind: NameKind, name: &Name) -> Result<bool, DatabaseError> {
    let sql = "SELECT 1 AS found FROM reserved_name WHERE kind = ?1 AND folded = ?2";
    let keys = params![kind.as_str(), name.folded()];
    exists(read, sql, keys)
}

/// Lets a name be used again: whether it was reserved. It leads to nothing from then on.
pub fn free(change: &AccessChange<'_>, kind: NameKind, name: &Name) -> Result<bool, DatabaseError> {
    change.touch_directory();
    let sql = "DELETE FROM reserved_name WHERE kind = ?1 AND folded = ?2";
    Ok(execute(change, sql, params![kind.as_str(), name.folded()])? > 0)
}

from_row!(ReservedName: kind, name, leads_to, reserved_at);

/// The reserved names, those of organisations first, each kind sorted by name.
pub fn list(read: &Read) -> Result<Vec<ReservedName>, DatabaseError> {
    let sql = "SELECT r.kind, r.name, r.reserved_at, COALESCE(o.name, a.name) AS leads_to FROM reserved_name r \
               LEFT JOIN organization o ON o.id = r.organization_id \
               LEFT JOIN account a ON a.id = r.account_id ORDER BY r.kind DESC, r.folded";
    all(read, sql, &[])
}
