//! Grants, and all that an account holds by them and by membership.

use fh_api::{FlakeName, FlakePattern, GrantInfo, Name, OfferedGrant, Role, Subject};
use fh_auth::Holdings;
use fh_sql::{Read, Row, params};

use super::rows::{all, column, exists, first, from_row, read_pattern};
use super::values::{execute, new_id, now};
use super::{AccessChange, DatabaseError, Timestamp, follows};

/// Whether the grant `g` counts for the account that it names.
macro_rules! counts {
    () => {
        "(EXISTS (SELECT 1 FROM guest v WHERE v.organization_id = g.organization_id \
                  AND v.account_id = g.account_id) \
          OR g.by_guest = 0 AND ( \
              EXISTS (SELECT 1 FROM membership m WHERE m.organization_id = g.organization_id \
                      AND m.account_id = g.account_id) \
              OR EXISTS (SELECT 1 FROM account a WHERE a.organization_id = g.organization_id \
                         AND a.id = g.account_id)))"
    };
}

/// Every grant for every account that it counts for: the one place that says for whom one does. A
/// condition on `account_id` or `organization_id` is answered from indexes.
///
/// A grant to an account counts where that is a member or a guest of the organisation, or its service
/// account; to everybody else it is an invitation. Where a guest gave it, it counts for guests alone: who belongs to the
/// organisation decides what those see who do. A team's grant counts for its members only as long as they
/// are members of the organisation.
pub(super) const HELD: &str = concat!(
    "SELECT g.account_id AS account_id, \
     g.organization_id AS organization_id, g.flake_id AS flake_id, g.role AS role, \
     g.subject AS subject, g.team_id AS team_id \
     FROM access_grant g WHERE g.subject = 'account' AND ",
    counts!(),
    " UNION ALL \
     SELECT t.account_id, g.organization_id, g.flake_id, g.role, g.subject, g.team_id \
     FROM team_member t \
     JOIN access_grant g ON g.team_id = t.team_id AND g.subject = 'team' \
     JOIN membership m ON m.organization_id = g.organization_id \
                      AND m.account_id = t.account_id \
     UNION ALL \
     SELECT m.account_id, g.organization_id, g.flake_id, g.role, g.subject, g.team_id \
     FROM membership m \
     JOIN access_grant g ON g.organization_id = m.organization_id AND g.subject = 'members'",
);

/// All that an account holds: what it was given, and what it and its organisations follow.
pub fn holdings(read: &Read, account_id: i64) -> Result<Holdings, DatabaseError> {
    let mut holdings = given(read, account_id)?;
    for follow in follows::of_account(read, account_id)? {
        holdings.add_follow(follow);
    }
    Ok(holdings)
}

/// What an account was given: where it belongs; grants to itself, to its teams, and to all members of its
/// organisations. What somebody follows is nobody else's to know.
pub fn given(read: &Read, account_id: i64) -> Result<Holdings, DatabaseError> {
    let mut holdings = Holdings::default();
    let sql = "SELECT organization_id, role FROM membership WHERE account_id = ?1";
    let memberships = all(read, sql, params![account_id])?;
    for (organization, role) in memberships {
        holdings.add_membership(organization, role);
    }
    let sql = "SELECT organization_id FROM account WHERE id = ?1";
    let home: Option<Option<i64>> = first(read, sql, params![account_id])?;
    if let Some(home) = home.flatten() {
        holdings.set_home(home);
    }
    let sql = "SELECT organization_id FROM guest WHERE account_id = ?1";
    for organization in all(read, sql, params![account_id])? {
        holdings.add_guest_of(organization);
    }
    let sql = format!(
        "SELECT h.organization_id, h.flake_id, h.role FROM ({HELD}) h WHERE h.account_id = ?1"
    );
    for grant in all::<Given>(read, &sql, params![account_id])? {
        grant.add_to(&mut holdings);
    }
    Ok(holdings)
}

/// What an account was granted by name in organisations that it is a guest of: what who belongs to none of them may
/// know of it, whether the account belongs to one or not.
pub fn given_as_guest(read: &Read, account_id: i64) -> Result<Holdings, DatabaseError> {
    let mut holdings = Holdings::default();
    // Who belongs to an organisation is no guest of it.
    let sql = "SELECT g.organization_id, g.flake_id, g.role FROM access_grant g \
               JOIN guest v ON v.organization_id = g.organization_id AND v.account_id = g.account_id \
               WHERE g.subject = 'account' AND g.account_id = ?1";
    for grant in all::<Given>(read, sql, params![account_id])? {
        holdings.add_guest_of(grant.organization);
        grant.add_to(&mut holdings);
    }
    Ok(holdings)
}

/// What an account was granted by name and does not count: it has not accepted the organisation, or belongs there and
/// a guest gave it. With the organisation's internal id, sorted by names.
pub fn pending(read: &Read, account_id: i64) -> Result<Vec<(i64, OfferedGrant)>, DatabaseError> {
    let sql = concat!(
        "SELECT g.organization_id, o.name AS org, f.name AS project, g.role FROM access_grant g \
         JOIN organization o ON o.id = g.organization_id LEFT JOIN flake f ON f.id = g.flake_id \
         WHERE g.subject = 'account' AND g.account_id = ?1 AND NOT ",
        counts!(),
        " ORDER BY o.folded, f.folded"
    );
    read.all(sql, params![account_id], |row| {
        let (on, role) = (read_pattern(row)?, column(row, "role")?);
        Ok((column(row, "organization_id")?, OfferedGrant { on, role }))
    })
}

/// A role that an account was given on a flake, or on every flake of an organisation.
struct Given {
    organization: i64,
    flake: Option<i64>,
    role: Role,
}

from_row!(Given: organization = "organization_id", flake = "flake_id", role);

impl Given {
    fn add_to(self, holdings: &mut Holdings) {
        match self.flake {
            Some(flake) => holdings.add_flake_grant(self.organization, flake, self.role),
            None => holdings.add_organization_grant(self.organization, self.role),
        }
    }
}

/// What a grant is on: a flake, or every flake of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The organisation's internal id.
    pub organization_id: i64,
    /// The flake's internal id.
    pub flake_id: Option<i64>,
    /// As it is told: `org/project` or `org/*`.
    pub name: FlakePattern,
}

impl Target {
    /// What a grant is on that is on one flake.
    pub fn flake(organization_id: i64, flake_id: i64, name: FlakeName) -> Self {
        Self {
            organization_id,
            flake_id: Some(flake_id),
            name: FlakePattern::Flake(name),
        }
    }

    /// Every flake of an organisation.
    pub fn organization(organization_id: i64, name: Name) -> Self {
        Self {
            organization_id,
            flake_id: None,
            name: FlakePattern::Organization(name),
        }
    }
}

/// Whom a grant is given to, by internal id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectId {
    /// An account, whether it belongs to the organisation or not.
    Account(i64),
    /// A team of the organisation.
    Team(i64),
    /// All members of the organisation.
    Members,
}

impl SubjectId {
    /// The columns `subject`, `account_id` and `team_id`.
    fn columns(self) -> (&'static str, Option<i64>, Option<i64>) {
        match self {
            Self::Account(id) => ("account", Some(id), None),
            Self::Team(id) => ("team", None, Some(id)),
            Self::Members => ("members", None, None),
        }
    }
}

/// A grant, as it is listed.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Whom it was given to.
    pub subject: Subject,
    /// The role that it gives.
    pub role: Role,
    /// It is an invitation that was not accepted, and does not count.
    pub pending: bool,
    /// When it was given.
    pub created_at: Timestamp,
}

from_row!(Grant: subject by read_subject, role, pending, created_at);

impl Grant {
    /// As the API tells it.
    pub fn info(&self, on: &FlakePattern) -> GrantInfo {
        GrantInfo {
            subject: self.subject.clone(),
            on: on.clone(),
            role: self.role,
            pending: self.pending,
            created_at: self.created_at.to_date_time(),
            replaced: None,
        }
    }
}

/// The columns `subject`, `user` and `team` as whom they name.
pub(super) fn read_subject(row: &Row<'_>) -> Result<Subject, DatabaseError> {
    Ok(match row.text("subject")? {
        "team" => Subject::Team(column(row, "team")?),
        "members" => Subject::Members,
        _ => Subject::User(column(row, "user")?),
    })
}

/// The grants on a flake, or on the whole organisation: to accounts, then to teams, then to all
/// members, each sorted by name. `hides_members`: one to an account that belongs to the organisation is shown as
/// pending, as one to a stranger is.
pub fn list(
    read: &Read,
    target: &Target,
    hides_members: bool,
) -> Result<Vec<Grant>, DatabaseError> {
    let sql = concat!(
        "SELECT g.subject, a.name AS user, t.name AS team, g.role, g.created_at, \
         g.subject = 'account' AND (NOT ",
        counts!(),
        " OR (?3 AND NOT EXISTS (SELECT 1 FROM guest w WHERE w.organization_id = g.organization_id \
          AND w.account_id = g.account_id))) AS pending \
         FROM access_grant g \
         LEFT JOIN account a ON a.id = g.account_id \
         LEFT JOIN team t ON t.id = g.team_id \
         WHERE g.organization_id = ?1 AND COALESCE(g.flake_id, 0) = ?2 \
         ORDER BY CASE g.subject WHEN 'account' THEN 0 WHEN 'team' THEN 1 ELSE 2 END, \
         COALESCE(a.folded, t.folded)"
    );
    let flake = target.flake_id.unwrap_or(0);
    let keys = params![target.organization_id, flake, hides_members];
    all(read, sql, keys)
}

/// What was granted to a subject on a target.
#[derive(Debug, Clone, Copy)]
pub struct Granted {
    /// The role that it gives.
    pub role: Role,
    /// When it was given.
    pub created_at: Timestamp,
    /// A guest gave it: it does not count for who belongs to the organisation.
    pub by_guest: bool,
}

from_row!(Granted: role, created_at, by_guest);

/// A grant by its target and subject, as the unique index has it: the condition on what [`key`] gives.
macro_rules! of_key {
    () => {
        "organization_id = ?1 AND COALESCE(flake_id, 0) = ?2 AND subject = ?3 \
         AND COALESCE(account_id, 0) = ?4 AND COALESCE(team_id, 0) = ?5"
    };
}

fn key(target: &Target, subject: SubjectId) -> (i64, i64, &'static str, i64, i64) {
    let (kind, account, team) = subject.columns();
    let flake = target.flake_id.unwrap_or(0);
    let (account, team) = (account.unwrap_or(0), team.unwrap_or(0));
    (target.organization_id, flake, kind, account, team)
}

/// What was granted to this very subject on this very target.
pub fn get(
    read: &Read,
    target: &Target,
    subject: SubjectId,
) -> Result<Option<Granted>, DatabaseError> {
    let (organization, flake, kind, account, team) = key(target, subject);
    let sql = concat!(
        "SELECT role, created_at, by_guest FROM access_grant WHERE ",
        of_key!()
    );
    first(read, sql, params![organization, flake, kind, account, team])
}

/// Whether a subject was granted `admin` on the whole of an organisation, so that whoever it stands for administers
/// the organisation.
pub fn administers(
    read: &Read,
    organization_id: i64,
    subject: SubjectId,
) -> Result<bool, DatabaseError> {
    let (kind, account, team) = subject.columns();
    let sql = "SELECT 1 AS found FROM access_grant \
               WHERE organization_id = ?1 AND flake_id IS NULL AND role = 'admin' AND subject = ?2 \
               AND COALESCE(account_id, 0) = ?3 AND COALESCE(team_id, 0) = ?4";
    let keys = params![
        organization_id,
        kind,
        account.unwrap_or(0),
        team.unwrap_or(0)
    ];
    exists(read, sql, keys)
}

/// Sets the role of a subject: what it has there from then on; none where the flake or the
/// organisation is gone. `by_guest`: who gives it does not belong to the organisation.
pub fn set(
    change: &AccessChange<'_>,
    target: &Target,
    subject: SubjectId,
    role: Role,
    created_by: i64,
    by_guest: bool,
) -> Result<Option<Granted>, DatabaseError> {
    let (kind, account, team) = subject.columns();
    if let Some(before) = get(change, target, subject)? {
        let granted = Granted {
            role,
            by_guest: before.by_guest && by_guest,
            ..before
        };
        let (organization, flake, kind, account, team) = key(target, subject);
        let (role, by_guest) = (role.as_str(), granted.by_guest);
        let sql = concat!(
            "UPDATE access_grant SET role = ?6, by_guest = ?7 WHERE ",
            of_key!()
        );
        let values = params![organization, flake, kind, account, team, role, by_guest];
        execute(change, sql, values)?;
        return Ok(Some(granted));
    }
    let created_at = now();
    let inserted = execute(
        change,
        "INSERT INTO access_grant (uuid, organization_id, flake_id, subject, account_id, team_id, \
         role, created_at, created_by, by_guest) \
         SELECT ?1, o.id, f.id, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM organization o \
         LEFT JOIN flake f ON f.id = ?3 AND f.organization_id = o.id \
         WHERE o.id = ?2 AND (?3 IS NULL OR f.id IS NOT NULL)",
        params![
            new_id().to_string(),
            target.organization_id,
            target.flake_id,
            kind,
            account,
            team,
            role.as_str(),
            created_at,
            created_by,
            by_guest
        ],
    )?;
    let granted = Granted {
        role,
        created_at,
        by_guest,
    };
    Ok((inserted == 1).then_some(granted))
}

/// Takes a subject's grant away: whether there was one.
pub fn remove(
    change: &AccessChange<'_>,
    target: &Target,
    subject: SubjectId,
) -> Result<bool, DatabaseError> {
    let (organization, flake, kind, account, team) = key(target, subject);
    let sql = concat!("DELETE FROM access_grant WHERE ", of_key!());
    let keys = params![organization, flake, kind, account, team];
    Ok(execute(change, sql, keys)? == 1)
}
