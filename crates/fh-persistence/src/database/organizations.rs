//! Organisations.

use fh_api::{Name, NameKind, OrganizationInfo, OrganizationRole, PushRule, RenewalRule};
use fh_nix::PublicKey;
use fh_sql::{Read, Row, Tx, params};
use uuid::Uuid;

use super::rows::{all, column, first, from_row, one};
use super::values::{execute, new_id, now, parse, run};
use super::{AccessChange, DatabaseError, Timestamp, keys, renames, reserved, settings};

/// A row of `organization`.
#[derive(Debug, Clone)]
pub struct Organization {
    /// The id of the row, which never leaves the server.
    pub id: i64,
    /// The id by which the API knows it.
    pub uuid: Uuid,
    /// What it is called now.
    pub name: Name,
    /// Who may push to its flakes.
    pub push: PushRule,
    /// Whose tokens may be renewed, of those that it decides about.
    pub renewal: RenewalRule,
    /// The keys whose signatures it takes for a proof, sorted.
    pub trusted_keys: Vec<PublicKey>,
    /// When it was made.
    pub created_at: Timestamp,
}

from_row!(Organization: id, uuid, name, push = "push_rule", renewal,
    trusted_keys by read_trusted_keys, created_at);

fn read_trusted_keys(row: &Row<'_>) -> Result<Vec<PublicKey>, DatabaseError> {
    let mut keys: Vec<PublicKey> = column(row, "trusted_keys")?;
    keys.sort_by_key(ToString::to_string);
    Ok(keys)
}

impl Organization {
    /// As the API tells it to someone who is that there.
    pub fn info(&self, role: Option<OrganizationRole>) -> OrganizationInfo {
        OrganizationInfo {
            id: self.uuid,
            name: self.name.clone(),
            push: self.push,
            renewal: self.renewal,
            trusted_keys: self.trusted_keys.iter().map(ToString::to_string).collect(),
            role,
            created_at: self.created_at.to_date_time(),
        }
    }
}

const SELECT: &str = "SELECT o.id, o.uuid, o.name, o.push_rule, o.renewal, o.created_at, \
     COALESCE((SELECT group_concat(key, ' ') FROM trusted_key t WHERE t.organization_id = o.id), '') \
     AS trusted_keys FROM organization o";

/// Every organisation, sorted by name.
pub fn list(read: &Read) -> Result<Vec<Organization>, DatabaseError> {
    let sql = format!("{SELECT} ORDER BY o.folded");
    all(read, &sql, &[])
}

/// The organisation of that id.
pub fn get(read: &Read, id: i64) -> Result<Option<Organization>, DatabaseError> {
    let sql = format!("{SELECT} WHERE o.id = ?1");
    first(read, &sql, params![id])
}

/// The organisation that has or had that name, in whatever case.
pub fn find(read: &Read, name: &Name) -> Result<Option<Organization>, DatabaseError> {
    // No former name is that of something else at the same time.
    let sql = format!(
        "{SELECT} WHERE o.folded = ?1 OR o.id = (SELECT organization_id FROM reserved_name \
         WHERE kind = 'organization' AND folded = ?1)"
    );
    let name = name.folded();
    first(read, &sql, params![name])
}

/// What an organisation is called, then what it was called before.
pub fn names(read: &Read, organization: &Organization) -> Result<Vec<Name>, DatabaseError> {
    let mut names = vec![organization.name.clone()];
    names.extend(renames::former(
        read,
        NameKind::Organization,
        organization.id,
    )?);
    Ok(names)
}

/// The organisation of that public id.
pub fn find_by_uuid(read: &Read, uuid: Uuid) -> Result<Option<Organization>, DatabaseError> {
    let sql = format!("{SELECT} WHERE o.uuid = ?1");
    first(read, &sql, params![uuid.to_string()])
}

/// The organisation that was made first, as long as it is there.
pub fn first_made(read: &Read) -> Result<Option<Organization>, DatabaseError> {
    match settings::get(read, settings::FIRST_ORGANIZATION)? {
        None => Ok(None),
        Some(uuid) => find_by_uuid(read, parse(&uuid, "organisation id")?),
    }
}

/// The public id of an organisation.
pub fn uuid(read: &Read, id: i64) -> Result<Option<Uuid>, DatabaseError> {
    let sql = "SELECT uuid FROM organization WHERE id = ?1";
    first(read, sql, params![id])
}

/// Those that an account is a member of, sorted by name.
pub fn list_of_member(read: &Read, account_id: i64) -> Result<Vec<Organization>, DatabaseError> {
    let sql = format!(
        "{SELECT} JOIN membership m ON m.organization_id = o.id \
         WHERE m.account_id = ?1 ORDER BY o.folded"
    );
    all(read, &sql, params![account_id])
}

/// The internal ids of those that an account is a member of, in the order in which it joined them.
pub fn joined_by(read: &Read, account_id: i64) -> Result<Vec<i64>, DatabaseError> {
    let sql = "SELECT organization_id FROM membership WHERE account_id = ?1 \
               ORDER BY created_at, organization_id";
    all(read, sql, params![account_id])
}

/// Makes an organisation. A name that is taken is a unique violation.
pub fn insert(change: &AccessChange<'_>, name: &Name) -> Result<Organization, DatabaseError> {
    change.touch_directory();
    let (uuid, created_at) = (new_id(), now());
    let id = one(
        change,
        "INSERT INTO organization (uuid, name, folded, created_at) VALUES (?1, ?2, ?3, ?4) RETURNING id",
        params![uuid.to_string(), name.as_str(), name.folded(), created_at],
    )?;
    if settings::get(change, settings::FIRST_ORGANIZATION)?.is_none() {
        settings::set(change, settings::FIRST_ORGANIZATION, &uuid.to_string())?;
    }
    Ok(Organization {
        id,
        uuid,
        name: name.clone(),
        push: PushRule::Writers,
        renewal: RenewalRule::People,
        trusted_keys: Vec::new(),
        created_at,
    })
}

/// Changes who may push to an organisation's flakes.
pub fn set_push_rule(
    change: &AccessChange<'_>,
    id: i64,
    push: PushRule,
) -> Result<(), DatabaseError> {
    change.touch_directory();
    run(
        change,
        "UPDATE organization SET push_rule = ?2 WHERE id = ?1",
        params![id, push.as_str()],
    )
}

/// Changes whose tokens may be renewed, of those that an organisation decides about. Nobody's access changes by it:
/// each renewal asks.
pub fn set_renewal_rule(tx: &Tx<'_>, id: i64, renewal: RenewalRule) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE organization SET renewal = ?2 WHERE id = ?1",
        params![id, renewal.as_str()],
    )
}

/// How many flakes an organisation has.
pub fn count_flakes(read: &Read, id: i64) -> Result<u64, DatabaseError> {
    let sql = "SELECT COUNT(*) AS flakes FROM flake WHERE organization_id = ?1";
    one(read, sql, params![id])
}

/// Removes an organisation with its members, teams, grants, trust policies and service accounts:
/// whether it was there. The secrets of its signing keys are erased. Its name, and those of its service accounts, stay reserved.
pub fn delete(change: &AccessChange<'_>, id: i64) -> Result<bool, DatabaseError> {
    change.touch_directory();
    reserved::keep(
        change,
        NameKind::Organization,
        "SELECT name FROM organization WHERE id = ?1",
        id,
    )?;
    reserved::keep(
        change,
        NameKind::Account,
        "SELECT name FROM account WHERE organization_id = ?1 AND trust_policy_id IS NULL",
        id,
    )?;
    keys::retire_all(change, id)?;
    let sql = "DELETE FROM organization WHERE id = ?1";
    Ok(execute(change, sql, params![id])? == 1)
}
