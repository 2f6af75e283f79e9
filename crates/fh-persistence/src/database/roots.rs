//! Roots of forges and platforms, and which organisation owns them.

use fh_api::{ForgeRoot, Name, RootInfo};
use fh_sql::{Read, params};

use super::rows::{all, first, from_row, one};
use super::values::{execute, now, run};
use super::{AccessChange, DatabaseError, Timestamp};

/// A row of `owned_root`, with the names of what it refers to.
#[derive(Debug, Clone)]
pub struct OwnedRoot {
    /// The organisation's internal id.
    pub organization_id: i64,
    /// What its organisation is called now.
    pub organization: Name,
    /// The forge or platform, and the name there.
    pub root: ForgeRoot,
    /// The id behind its name, where one is remembered.
    pub owner_id: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// By whom, where the account is there still.
    pub requested_by: Option<Name>,
    /// Since when it counts.
    pub confirmed_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT r.organization_id, o.name AS organization, r.kind || ':' || r.value AS root, r.owner_id, \
     r.requested_at, a.name AS requested_by, r.confirmed_at \
     FROM owned_root r JOIN organization o ON o.id = r.organization_id \
     LEFT JOIN account a ON a.id = r.requested_by";

from_row!(OwnedRoot: organization_id, organization, root, owner_id, requested_at, requested_by,
    confirmed_at);

impl OwnedRoot {
    /// As the API tells it.
    pub fn info(&self) -> RootInfo {
        RootInfo {
            organization: self.organization.clone(),
            root: self.root.clone(),
            owner_id: self.owner_id.clone(),
            requested_at: self.requested_at.to_date_time(),
            requested_by: self.requested_by.clone(),
            confirmed_at: self.confirmed_at.map(Timestamp::to_date_time),
        }
    }
}

/// What an organisation owns or has asked for, sorted by root.
pub fn of_organization(read: &Read, organization_id: i64) -> Result<Vec<OwnedRoot>, DatabaseError> {
    let sql = format!("{SELECT} WHERE r.organization_id = ?1 ORDER BY r.kind, r.value");
    all(read, &sql, params![organization_id])
}

/// One root of an organisation.
pub fn get(
    read: &Read,
    organization_id: i64,
    root: &ForgeRoot,
) -> Result<Option<OwnedRoot>, DatabaseError> {
    let sql = format!("{SELECT} WHERE r.organization_id = ?1 AND r.kind = ?2 AND r.value = ?3");
    first(
        read,
        &sql,
        params![organization_id, root.kind(), root.value()],
    )
}

/// Who owns a root, as a server administrator has confirmed it.
pub fn owner(read: &Read, root: &ForgeRoot) -> Result<Option<OwnedRoot>, DatabaseError> {
    let sql = format!("{SELECT} WHERE r.kind = ?1 AND r.value = ?2 AND r.confirmed_at IS NOT NULL");
    first(read, &sql, params![root.kind(), root.value()])
}

/// How many an organisation owns or has asked for.
pub fn count(read: &Read, organization_id: i64) -> Result<i64, DatabaseError> {
    let sql = "SELECT COUNT(*) FROM owned_root WHERE organization_id = ?1";
    one(read, sql, params![organization_id])
}

/// Asks for a root; where that was done before, nothing changes.
pub fn request(
    change: &AccessChange<'_>,
    organization_id: i64,
    root: &ForgeRoot,
    requested_by: i64,
) -> Result<(), DatabaseError> {
    run(
        change,
        "INSERT INTO owned_root (organization_id, kind, value, requested_at, requested_by) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        params![
            organization_id,
            root.kind(),
            root.value(),
            now(),
            requested_by
        ],
    )
}

/// Lets a root count that was asked for. One that another organisation owns is a unique violation.
pub fn confirm(
    change: &AccessChange<'_>,
    organization_id: i64,
    root: &ForgeRoot,
) -> Result<(), DatabaseError> {
    run(
        change,
        "UPDATE owned_root SET confirmed_at = ?4 \
         WHERE organization_id = ?1 AND kind = ?2 AND value = ?3 AND confirmed_at IS NULL",
        params![organization_id, root.kind(), root.value(), now()],
    )
}

/// Remembers the id behind a root's name. Whoever came first, counts.
pub fn remember(
    change: &AccessChange<'_>,
    organization_id: i64,
    root: &ForgeRoot,
    owner_id: &str,
) -> Result<bool, DatabaseError> {
    let changed = execute(
        change,
        "UPDATE owned_root SET owner_id = ?4 WHERE organization_id = ?1 AND kind = ?2 \
         AND value = ?3 AND owner_id IS NULL AND confirmed_at IS NOT NULL",
        params![organization_id, root.kind(), root.value(), owner_id],
    )?;
    Ok(changed == 1)
}

/// Gives a root up: whether it was there.
pub fn remove(
    change: &AccessChange<'_>,
    organization_id: i64,
    root: &ForgeRoot,
) -> Result<bool, DatabaseError> {
    let sql = "DELETE FROM owned_root WHERE organization_id = ?1 AND kind = ?2 AND value = ?3";
    let removed = execute(
        change,
        sql,
        params![organization_id, root.kind(), root.value()],
    )?;
    Ok(removed == 1)
}
