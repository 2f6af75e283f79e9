//! Flakes. A flake's id is also that of its slice.

use fh_api::{FlakeInfo, FlakeName, Name, Role, Visibility};
use fh_sql::{Read, Tx, params};
use uuid::Uuid;

use super::rows::{all, first, flake_name, from_row, one};
use super::values::{execute, new_id, now, run};
use super::{AccessChange, DatabaseError, Timestamp};

/// A row of `flake`, with the name of its organisation.
#[derive(Debug, Clone)]
pub struct Flake {
    /// The id by which the API knows it.
    pub uuid: Uuid,
    /// Its name with that of its organisation, `org/project`.
    pub name: FlakeName,
    /// Who may read it without a grant.
    pub visibility: Visibility,
    /// One line for people.
    pub description: Option<String>,
    /// Store paths in its slice.
    pub path_count: u64,
    /// Bytes of their NARs, uncompressed.
    pub nar_size: u64,
    /// When something was last pushed.
    pub last_push_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

const SELECT: &str = "SELECT f.uuid, o.name AS org, f.name AS project, f.visibility, f.description, \
     f.path_count, f.nar_size, f.last_push_at, f.created_at \
     FROM flake f JOIN organization o ON o.id = f.organization_id";

from_row!(Flake: uuid, name by flake_name, visibility, description, path_count, nar_size,
    last_push_at, created_at);

impl Flake {
    /// As the API tells it to someone who holds that role.
    pub fn info(&self, role: Option<Role>) -> FlakeInfo {
        FlakeInfo {
            id: self.uuid,
            flake: self.name.clone(),
            visibility: self.visibility,
            description: self.description.clone(),
            role,
            paths: self.path_count,
            nar_size: self.nar_size,
            last_push_at: self.last_push_at.map(Timestamp::to_date_time),
            created_at: self.created_at.to_date_time(),
        }
    }
}

/// The flake of that id.
pub fn get(read: &Read, id: i64) -> Result<Option<Flake>, DatabaseError> {
    let sql = format!("{SELECT} WHERE f.id = ?1");
    first(read, &sql, params![id])
}

/// The flake that has or had that name in an organisation, in whatever case.
pub fn find(
    read: &Read,
    organization_id: i64,
    name: &Name,
) -> Result<Option<Flake>, DatabaseError> {
    let sql = format!(
        "{SELECT} WHERE f.organization_id = ?1 AND f.folded = ?2 OR f.id = (SELECT flake_id \
         FROM former_flake_name WHERE organization_id = ?1 AND folded = ?2)"
    );
    let keys = params![organization_id, name.folded()];
    first(read, &sql, keys)
}

/// Makes a flake: its id. A name that is taken is a unique violation.
pub fn insert(
    change: &AccessChange<'_>,
    organization_id: i64,
    name: &Name,
    visibility: Visibility,
    description: Option<&str>,
) -> Result<i64, DatabaseError> {
    change.touch_directory();
    one(
        change,
        "INSERT INTO flake \
         (uuid, organization_id, name, folded, visibility, description, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
        params![
            new_id().to_string(),
            organization_id,
            name.as_str(),
            name.folded(),
            visibility.as_str(),
            description,
            now()
        ],
    )
}

/// Changes who may read a flake without a grant.
pub fn set_visibility(
    change: &AccessChange<'_>,
    id: i64,
    visibility: Visibility,
) -> Result<(), DatabaseError> {
    change.touch_directory();
    run(
        change,
        "UPDATE flake SET visibility = ?2 WHERE id = ?1",
        params![id, visibility.as_str()],
    )
}

/// Changes what a flake says of itself.
pub fn set_description(
    tx: &Tx<'_>,
    id: i64,
    description: Option<&str>,
) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE flake SET description = ?2 WHERE id = ?1",
        params![id, description],
    )
}

/// Removes a flake with its slice, its grants and its pushes: whether it was there.
pub fn delete(change: &AccessChange<'_>, id: i64) -> Result<bool, DatabaseError> {
    change.touch_directory();
    Ok(execute(change, "DELETE FROM flake WHERE id = ?1", params![id])? == 1)
}

/// A flake as the directory in memory keeps it.
#[derive(Debug, Clone)]
pub struct DirectoryRow {
    /// The flake's internal id.
    pub id: i64,
    /// The organisation's internal id.
    pub organization_id: i64,
    /// The flake's name within its organisation.
    pub project: Name,
    /// Who may read it without a grant.
    pub visibility: Visibility,
}

from_row!(DirectoryRow: id, organization_id, project = "name", visibility);

/// Every flake, in the order of names within each organisation.
pub fn directory(read: &Read) -> Result<Vec<DirectoryRow>, DatabaseError> {
    let sql = "SELECT id, organization_id, name, visibility FROM flake \
               ORDER BY organization_id, folded";
    all(read, sql, &[])
}
