//! Why a slice can be read: the single facts that [`super::grants::holdings`] adds up, with the names
//! of those that they count for. What a fact lets somebody do is decided elsewhere.

use fh_api::{FlakePattern, Name, OrganizationRole, Role, Subject};
use fh_sql::{Read, params};

use super::DatabaseError;
use super::grants::{HELD, read_subject};
use super::invitations::{self, Belonging};
use super::rows::{all, from_row, one};

/// A grant and one account that it counts for.
#[derive(Debug, Clone)]
pub struct HeldGrant {
    /// The name of the account.
    pub holder: Name,
    /// Whom it was given to.
    pub subject: Subject,
    /// The role that it gives.
    pub role: Role,
    /// On which flake, internal id; none: on every flake of the organisation.
    pub flake: Option<i64>,
    /// Whether it counts because the account is a guest of the organisation, and not because it belongs there.
    pub is_guest: bool,
}

from_row!(HeldGrant: holder = "user", subject by read_subject, role, flake = "flake_id",
    is_guest = "guest");

/// The grants that count on a flake, or all that count in the organisation, for one account or for all that are not
/// disabled, sorted by the accounts' names.
pub fn grants(
    read: &Read,
    organization_id: i64,
    flake_id: Option<i64>,
    account_id: Option<i64>,
) -> Result<Vec<HeldGrant>, DatabaseError> {
    let sql = format!(
        "SELECT a.name AS user, h.subject, t.name AS team, h.role, h.flake_id, \
         EXISTS (SELECT 1 FROM guest w WHERE w.organization_id = ?1 AND w.account_id = a.id) AS guest \
         FROM ({HELD}) h \
         JOIN account a ON a.id = h.account_id LEFT JOIN team t ON t.id = h.team_id \
         WHERE h.organization_id = ?1 AND (?2 IS NULL OR h.flake_id IS NULL OR h.flake_id = ?2) \
         AND CASE WHEN ?3 IS NULL THEN a.disabled_at IS NULL ELSE h.account_id = ?3 END \
         ORDER BY a.folded"
    );
    let keys = params![organization_id, flake_id, account_id];
    all(read, &sql, keys)
}

/// Whether an account was granted something on a flake by name that does not count, because it has not
/// accepted the organisation, or belongs there and a guest gave it. `hides_members`: the same is said of an account that belongs there, for which it
/// counts.
pub fn is_invited(
    read: &Read,
    organization_id: i64,
    flake_id: i64,
    account_id: i64,
    hides_members: bool,
) -> Result<bool, DatabaseError> {
    let sql = "SELECT MIN(by_guest) AS by_guest FROM access_grant \
               WHERE organization_id = ?1 AND (flake_id IS NULL OR flake_id = ?2) \
               AND subject = 'account' AND account_id = ?3";
    let keys = params![organization_id, flake_id, account_id];
    let Some(by_guest) = one(read, sql, keys)? else {
        return Ok(false);
    };
    let belonging = invitations::belonging(read, organization_id, account_id)?;
    Ok(match belonging {
        Belonging::Own => hides_members || by_guest,
        Belonging::Guest => false,
        Belonging::Stranger => true,
    })
}

/// The members of an organisation and what they are there: one account, or all that are not
/// disabled, sorted by name.
pub fn members(
    read: &Read,
    organization_id: i64,
    account_id: Option<i64>,
) -> Result<Vec<(Name, OrganizationRole)>, DatabaseError> {
    let sql = "SELECT a.name AS user, m.role FROM membership m JOIN account a ON a.id = m.account_id \
               WHERE m.organization_id = ?1 \
               AND CASE WHEN ?2 IS NULL THEN a.disabled_at IS NULL ELSE m.account_id = ?2 END \
               ORDER BY a.folded";
    all(read, sql, params![organization_id, account_id])
}

/// What a trust policy gives to the workloads that it lets in.
#[derive(Debug, Clone)]
pub struct PolicyGrant {
    /// What the policy is called in its organisation.
    pub name: Name,
    /// The flakes that it gives a role on.
    pub flakes: Vec<FlakePattern>,
    /// The role that it gives.
    pub role: Role,
}

from_row!(PolicyGrant: name, flakes, role);

/// The trust policies of an organisation, sorted by name.
pub fn policies(read: &Read, organization_id: i64) -> Result<Vec<PolicyGrant>, DatabaseError> {
    let sql = "SELECT name, flakes, role FROM trust_policy WHERE organization_id = ?1 \
               ORDER BY folded";
    all(read, sql, params![organization_id])
}
