//! Organisations and their members.

use fh_api::{Name, OrganizationInfo, OrganizationRole, PushRule};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::values::{all, execute, first, new_id, now, parsed};
use super::{AccessChange, DatabaseError, Timestamp};

/// A row of `organization`.
#[derive(Debug, Clone)]
pub(crate) struct Organization {
    /// The internal id.
    pub(crate) id: i64,
    /// The public id.
    pub(crate) uuid: Uuid,
    /// Its name.
    pub(crate) name: Name,
    /// Who may push to its flakes.
    pub(crate) push: PushRule,
    /// When it was made.
    pub(crate) created_at: Timestamp,
}

impl Organization {
    fn from_row(row: &Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.get("id")?,
            uuid: parsed(row, "uuid", "organisation id")?,
            name: parsed(row, "name", "organisation name")?,
            push: parsed(row, "push_rule", "push rule")?,
            created_at: row.get("created_at")?,
        })
    }

    /// As the API tells it to someone who is that there.
    pub(crate) fn info(&self, role: Option<OrganizationRole>) -> OrganizationInfo {
        OrganizationInfo {
            id: self.uuid,
            name: self.name.clone(),
            push: self.push,
            role,
            created_at: self.created_at.to_date_time(),
        }
    }
}

/// Every organisation, sorted by name.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Organization>, DatabaseError> {
    let sql = "SELECT id, uuid, name, push_rule, created_at FROM organization ORDER BY folded";
    all(connection, sql, [], Organization::from_row)
}

/// The public id of an organisation.
pub(crate) fn uuid(connection: &Connection, id: i64) -> Result<Option<Uuid>, DatabaseError> {
    let sql = "SELECT uuid FROM organization WHERE id = ?1";
    first(connection, sql, params![id], |row| {
        parsed(row, "uuid", "organisation id")
    })
}

/// Those that an account is a member of, sorted by name.
pub(crate) fn list_of_member(
    connection: &Connection,
    account_id: i64,
) -> Result<Vec<Organization>, DatabaseError> {
    let sql = "SELECT o.id, o.uuid, o.name, o.push_rule, o.created_at FROM organization o \
               JOIN membership m ON m.organization_id = o.id \
               WHERE m.account_id = ?1 ORDER BY o.folded";
    all(connection, sql, params![account_id], Organization::from_row)
}

/// Makes an organisation. A name that is taken is a unique violation.
pub(crate) fn insert(
    change: &AccessChange<'_>,
    name: &Name,
) -> Result<Organization, DatabaseError> {
    change.touch_directory();
    let (uuid, created_at) = (new_id(), now());
    execute(
        change,
        "INSERT INTO organization (uuid, name, folded, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![uuid.to_string(), name.as_str(), name.folded(), created_at],
    )?;
    Ok(Organization {
        id: change.last_insert_rowid(),
        uuid,
        name: name.clone(),
        push: PushRule::Writers,
        created_at,
    })
}

/// Makes an account a member, or changes what it is there.
pub(crate) fn set_member(
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
    Ok(())
}
