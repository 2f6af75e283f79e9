//! Teams of organisations, and who is in them.

use fh_api::{Name, TeamInfo, TeamMemberInfo};
use fh_sql::{Read, Tx, params};
use uuid::Uuid;

use super::rows::{all, first, from_row, one};
use super::values::{execute, new_id, now};
use super::{AccessChange, DatabaseError, Timestamp};

/// A row of `team`.
#[derive(Debug, Clone)]
pub struct Team {
    /// The id of the row, which never leaves the server.
    pub id: i64,
    /// The id by which the API knows it.
    pub uuid: Uuid,
    /// What it is called now.
    pub name: Name,
    /// How many accounts are in it.
    pub members: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

const SELECT: &str = "SELECT t.id, t.uuid, t.name, t.created_at, \
     (SELECT COUNT(*) FROM team_member m WHERE m.team_id = t.id) AS members FROM team t";

from_row!(Team: id, uuid, name, members, created_at);

from_row!(TeamMemberInfo: user = "name", created_at);

impl Team {
    /// As the API tells it.
    pub fn info(&self) -> TeamInfo {
        TeamInfo {
            id: self.uuid,
            name: self.name.clone(),
            members: self.members,
            created_at: self.created_at.to_date_time(),
        }
    }
}

/// The teams of an organisation, sorted by name.
pub fn list(read: &Read, organization_id: i64) -> Result<Vec<Team>, DatabaseError> {
    let sql = format!("{SELECT} WHERE t.organization_id = ?1 ORDER BY t.folded");
    all(read, &sql, params![organization_id])
}

/// The team of that name in an organisation, in whatever case.
pub fn find(read: &Read, organization_id: i64, name: &Name) -> Result<Option<Team>, DatabaseError> {
    let sql = format!("{SELECT} WHERE t.organization_id = ?1 AND t.folded = ?2");
    let keys = params![organization_id, name.folded()];
    first(read, &sql, keys)
}

/// Makes a team, of nobody. A name that is taken is a unique violation.
///
/// Nobody holds anything by it yet, so no copy is out of date.
pub fn insert(tx: &Tx<'_>, organization_id: i64, name: &Name) -> Result<Team, DatabaseError> {
    let (uuid, created_at) = (new_id(), now());
    let id = one(
        tx,
        "INSERT INTO team (uuid, organization_id, name, folded, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        params![
            uuid.to_string(),
            organization_id,
            name.as_str(),
            name.folded(),
            created_at
        ],
    )?;
    Ok(Team {
        id,
        uuid,
        name: name.clone(),
        members: 0,
        created_at,
    })
}

/// Removes a team with all that was granted to it: whether it was there.
pub fn delete(change: &AccessChange<'_>, id: i64) -> Result<bool, DatabaseError> {
    let sql = "DELETE FROM team WHERE id = ?1";
    Ok(execute(change, sql, params![id])? == 1)
}

/// Who is in a team, sorted by name.
pub fn members(read: &Read, team_id: i64) -> Result<Vec<TeamMemberInfo>, DatabaseError> {
    let sql = "SELECT a.name, m.created_at FROM team_member m \
               JOIN account a ON a.id = m.account_id WHERE m.team_id = ?1 ORDER BY a.folded";
    all(read, sql, params![team_id])
}

/// The teams that an account is in, with their organisations' internal ids, sorted by name.
pub fn of_account(read: &Read, account_id: i64) -> Result<Vec<(i64, Name)>, DatabaseError> {
    let sql = "SELECT t.organization_id, t.name FROM team_member m \
               JOIN team t ON t.id = m.team_id WHERE m.account_id = ?1 ORDER BY t.folded";
    all(read, sql, params![account_id])
}

/// Puts an account into a team: since when it is there, and whether it was not before.
pub fn add_member(
    change: &AccessChange<'_>,
    team_id: i64,
    account_id: i64,
) -> Result<(Timestamp, bool), DatabaseError> {
    let sql = "SELECT created_at FROM team_member WHERE team_id = ?1 AND account_id = ?2";
    let keys = params![team_id, account_id];
    let since = first(change, sql, keys)?;
    if let Some(since) = since {
        return Ok((since, false));
    }
    let since = now();
    execute(
        change,
        "INSERT INTO team_member (team_id, account_id, created_at) VALUES (?1, ?2, ?3)",
        params![team_id, account_id, since],
    )?;
    Ok((since, true))
}

/// Takes an account out of a team: whether it was there.
pub fn remove_member(
    change: &AccessChange<'_>,
    team_id: i64,
    account_id: i64,
) -> Result<bool, DatabaseError> {
    let sql = "DELETE FROM team_member WHERE team_id = ?1 AND account_id = ?2";
    Ok(execute(change, sql, params![team_id, account_id])? == 1)
}
