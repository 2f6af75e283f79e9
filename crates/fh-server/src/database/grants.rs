//! Grants, and all that an account holds by them and by membership.

use fh_api::{FlakeName, FlakePattern, GrantInfo, Name, Role, Subject};
use fh_auth::Holdings;
use rusqlite::{Connection, params};

use super::values::{all, execute, first, new_id, now, parsed};
use super::{AccessChange, DatabaseError, Timestamp};

/// All that an account holds: memberships, and grants to itself, to its teams, and to all members
/// of its organisations.
pub(crate) fn holdings(
    connection: &Connection,
    account_id: i64,
) -> Result<Holdings, DatabaseError> {
    let mut holdings = Holdings::default();
    let sql = "SELECT organization_id, role FROM membership WHERE account_id = ?1";
    let memberships = all(connection, sql, params![account_id], |row| {
        Ok((
            row.get("organization_id")?,
            parsed(row, "role", "organisation role")?,
        ))
    })?;
    for (organization, role) in memberships {
        holdings.add_membership(organization, role);
    }
    // A team's grant counts for its members only as long as they are members of the organisation.
    let sql = "SELECT g.organization_id, g.flake_id, g.role FROM access_grant g \
               WHERE g.subject = 'account' AND g.account_id = ?1 \
               UNION ALL \
               SELECT g.organization_id, g.flake_id, g.role FROM team_member t \
               JOIN access_grant g ON g.team_id = t.team_id AND g.subject = 'team' \
               JOIN membership m ON m.organization_id = g.organization_id \
                                AND m.account_id = t.account_id \
               WHERE t.account_id = ?1 \
               UNION ALL \
               SELECT g.organization_id, g.flake_id, g.role FROM membership m \
               JOIN access_grant g ON g.organization_id = m.organization_id \
                                  AND g.subject = 'members' \
               WHERE m.account_id = ?1";
    let grants = all(connection, sql, params![account_id], |row| {
        Ok((
            row.get("organization_id")?,
            row.get::<_, Option<i64>>("flake_id")?,
            parsed(row, "role", "role")?,
        ))
    })?;
    for (organization, flake, role) in grants {
        match flake {
            Some(flake) => holdings.add_flake_grant(flake, role),
            None => holdings.add_organization_grant(organization, role),
        }
    }
    Ok(holdings)
}

/// A grant to an account on a flake.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// Whose it is.
    pub(crate) user: Name,
    /// What it allows.
    pub(crate) role: Role,
    /// Since when.
    pub(crate) created_at: Timestamp,
}

impl Grant {
    /// As the API tells it.
    pub(crate) fn info(&self, flake: &FlakeName) -> GrantInfo {
        GrantInfo {
            subject: Subject::User(self.user.clone()),
            on: FlakePattern::Flake(flake.clone()),
            role: self.role,
            created_at: self.created_at.to_date_time(),
        }
    }
}

/// The grants to accounts on one flake, sorted by name.
pub(crate) fn list(connection: &Connection, flake_id: i64) -> Result<Vec<Grant>, DatabaseError> {
    let sql = "SELECT a.name, g.role, g.created_at FROM access_grant g \
               JOIN account a ON a.id = g.account_id \
               WHERE g.flake_id = ?1 AND g.subject = 'account' ORDER BY a.folded";
    all(connection, sql, params![flake_id], |row| {
        Ok(Grant {
            user: parsed(row, "name", "account name")?,
            role: parsed(row, "role", "role")?,
            created_at: row.get("created_at")?,
        })
    })
}

/// The role that an account was granted on this very flake.
pub(crate) fn get(
    connection: &Connection,
    flake_id: i64,
    account_id: i64,
) -> Result<Option<(Role, Timestamp)>, DatabaseError> {
    let sql = "SELECT role, created_at FROM access_grant \
               WHERE flake_id = ?1 AND subject = 'account' AND account_id = ?2";
    first(connection, sql, params![flake_id, account_id], |row| {
        Ok((parsed(row, "role", "role")?, row.get("created_at")?))
    })
}

/// Sets the role of an account on a flake: since when it has a grant there; none where the flake is
/// gone.
pub(crate) fn set(
    change: &AccessChange<'_>,
    flake_id: i64,
    account_id: i64,
    role: Role,
    created_by: i64,
) -> Result<Option<Timestamp>, DatabaseError> {
    if let Some((_, created_at)) = get(change, flake_id, account_id)? {
        execute(
            change,
            "UPDATE access_grant SET role = ?3 \
             WHERE flake_id = ?1 AND subject = 'account' AND account_id = ?2",
            params![flake_id, account_id, role.as_str()],
        )?;
        return Ok(Some(created_at));
    }
    let created_at = now();
    let inserted = execute(
        change,
        "INSERT INTO access_grant \
         (uuid, organization_id, flake_id, subject, account_id, role, created_at, created_by) \
         SELECT ?1, organization_id, id, 'account', ?3, ?4, ?5, ?6 FROM flake WHERE id = ?2",
        params![
            new_id().to_string(),
            flake_id,
            account_id,
            role.as_str(),
            created_at,
            created_by
        ],
    )?;
    Ok((inserted == 1).then_some(created_at))
}

/// Takes an account's grant on a flake away: whether there was one.
pub(crate) fn remove(
    change: &AccessChange<'_>,
    flake_id: i64,
    account_id: i64,
) -> Result<bool, DatabaseError> {
    let sql = "DELETE FROM access_grant \
               WHERE flake_id = ?1 AND subject = 'account' AND account_id = ?2";
    Ok(execute(change, sql, params![flake_id, account_id])? == 1)
}
