//! Follows: which public flakes of others stand in whose root view, in which order.

use fh_api::FlakePattern;
use fh_auth::Follow;
use fh_sql::{Read, params};

use super::rows::{all, from_row, read_pattern};
use super::values::{execute, now};
use super::{AccessChange, DatabaseError};

/// Follows with what they name, resolved to the flakes that there are now. One whose flake is gone counts for
/// nothing.
const RESOLVED: &str = "SELECT w.organization_id, f.id AS flake_id FROM follow w \
     LEFT JOIN flake f ON f.organization_id = w.organization_id AND f.folded = w.project";

from_row!(Follow: organization = "organization_id", flake = "flake_id");

/// What an account follows, then what its organisations do: those that it is a member of, in the order in
/// which it joined, or that a service account belongs to. A service account has no follows of its own.
pub fn of_account(read: &Read, account_id: i64) -> Result<Vec<Follow>, DatabaseError> {
    let sql = format!(
        "{RESOLVED} JOIN account a ON a.id = w.account_id \
         WHERE w.account_id = ?1 AND (w.project IS NULL OR f.id IS NOT NULL) \
         AND a.organization_id IS NULL AND a.trust_policy_id IS NULL ORDER BY w.position"
    );
    let mut found = resolved(read, &sql, account_id)?;
    let sql = "SELECT organization_id FROM membership WHERE account_id = ?1 \
               UNION ALL SELECT organization_id FROM account \
               WHERE id = ?1 AND organization_id IS NOT NULL";
    let sql = format!(
        "SELECT o.organization_id FROM ({sql}) o LEFT JOIN membership m \
         ON m.account_id = ?1 AND m.organization_id = o.organization_id \
         ORDER BY m.created_at, o.organization_id"
    );
    let organizations: Vec<i64> = all(read, &sql, params![account_id])?;
    for organization in organizations {
        found.extend(of_organization(read, organization)?);
    }
    Ok(found)
}

/// What an organisation follows for its members.
pub fn of_organization(read: &Read, organization_id: i64) -> Result<Vec<Follow>, DatabaseError> {
    let sql = format!(
        "{RESOLVED} WHERE w.follower_id = ?1 AND (w.project IS NULL OR f.id IS NOT NULL) \
         ORDER BY w.position"
    );
    resolved(read, &sql, organization_id)
}

/// What the server's administrator has given to everybody.
pub fn of_everybody(read: &Read) -> Result<Vec<Follow>, DatabaseError> {
    let sql = format!(
        "{RESOLVED} WHERE w.account_id IS NULL AND w.follower_id IS NULL AND ?1 = 0 \
         AND (w.project IS NULL OR f.id IS NOT NULL) ORDER BY w.position"
    );
    resolved(read, &sql, 0)
}

/// What an organisation follows, and what everybody does, as patterns of flakes.
pub fn patterns(read: &Read, organization_id: i64) -> Result<Vec<FlakePattern>, DatabaseError> {
    let sql = "SELECT o.name AS org, w.project FROM follow w \
               JOIN organization o ON o.id = w.organization_id \
               WHERE w.follower_id = ?1 OR (w.follower_id IS NULL AND w.account_id IS NULL)";
    read.all(sql, params![organization_id], read_pattern)
}

fn resolved(read: &Read, sql: &str, id: i64) -> Result<Vec<Follow>, DatabaseError> {
    all(read, sql, params![id])
}

/// Whose list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follower {
    /// The list that an account has for itself.
    Account(i64),
    /// Of an organisation, for its members.
    Organization(i64),
    /// The list that a server administrator has made for everybody.
    Everybody,
}

impl Follower {
    /// The columns `account_id` and `follower_id`.
    fn columns(self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Account(id) => (Some(id), None),
            Self::Organization(id) => (None, Some(id)),
            Self::Everybody => (None, None),
        }
    }
}

/// What is followed, by the ids and names under which it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The internal id of the organisation.
    pub organization_id: i64,
    /// As it is told.
    pub pattern: FlakePattern,
}

from_row!(Followed: organization_id, pattern by read_pattern);

impl Followed {
    /// Equal for two that follow the same.
    pub fn key(&self) -> String {
        folded(&self.pattern)
    }
}

/// A pattern in lower case: equal for two that name the same.
pub fn folded(pattern: &FlakePattern) -> String {
    pattern.to_string().to_ascii_lowercase()
}

/// A list in its order. A flake is called by the name that it has as long as it is public; of one that is
/// not, and of one that is gone, the name stands as it was followed, in lower case.
pub fn list(read: &Read, follower: Follower) -> Result<Vec<Followed>, DatabaseError> {
    let (account, organization) = follower.columns();
    let sql = "SELECT w.organization_id, o.name AS org, COALESCE(f.name, w.project) AS project \
               FROM follow w JOIN organization o ON o.id = w.organization_id \
               LEFT JOIN flake f ON f.organization_id = w.organization_id AND f.folded = w.project \
                                AND f.visibility = 'public' \
               WHERE w.account_id IS ?1 AND w.follower_id IS ?2 ORDER BY w.position";
    all(read, sql, params![account, organization])
}

/// Sets a list, in place of the one that there is.
pub fn set(
    change: &AccessChange<'_>,
    follower: Follower,
    list: &[Followed],
    by: i64,
) -> Result<(), DatabaseError> {
    if follower == Follower::Everybody {
        // It is a part of the directory.
        change.touch_directory();
    }
    let (account, organization) = follower.columns();
    let sql = "DELETE FROM follow WHERE account_id IS ?1 AND follower_id IS ?2";
    execute(change, sql, params![account, organization])?;
    for (position, followed) in list.iter().enumerate() {
        let project = match &followed.pattern {
            FlakePattern::Flake(flake) => Some(flake.project.folded()),
            FlakePattern::All | FlakePattern::Organization(_) => None,
        };
        execute(
            change,
            "INSERT INTO follow (account_id, follower_id, position, organization_id, project, \
             created_at, created_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                account,
                organization,
                i64::try_from(position).unwrap_or(i64::MAX),
                followed.organization_id,
                project,
                now(),
                by
            ],
        )?;
    }
    Ok(())
}
