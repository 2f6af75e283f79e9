//! Accounts: people and services.

use fh_api::{Name, NameKind, UserInfo, UserKind};
use fh_sql::{Read, Tx, params};
use uuid::Uuid;

use super::rows::{all, exists, first, from_row, one};
use super::values::{execute, new_id, now, run};
use super::{AccessChange, DatabaseError, Timestamp, reserved};

/// A row of `account`.
#[derive(Debug, Clone)]
pub struct Account {
    /// The id of the row, which never leaves the server.
    pub id: i64,
    /// The id by which the API knows it.
    pub uuid: Uuid,
    /// What the account is called now.
    pub name: Name,
    /// A person or a service.
    pub kind: UserKind,
    /// Whether it may manage the server.
    pub server_admin: bool,
    /// The organisation that a service account belongs to.
    pub organization: Option<Name>,
    /// The internal id of that organisation.
    pub organization_id: Option<i64>,
    /// The trust policy whose workloads it stands for.
    pub trust_policy_id: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when its tokens are good for nothing.
    pub disabled_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT a.id, a.uuid, a.name, a.kind, a.server_admin, a.organization_id, \
     o.name AS organization, a.trust_policy_id, a.created_at, a.disabled_at \
     FROM account a LEFT JOIN organization o ON o.id = a.organization_id";

from_row!(Account: id, uuid, name, kind, server_admin, organization, organization_id,
    trust_policy_id, created_at, disabled_at);

impl Account {
    /// As the API tells it.
    pub fn info(&self) -> UserInfo {
        UserInfo {
            id: self.uuid,
            name: self.name.clone(),
            kind: self.kind,
            server_admin: self.server_admin,
            organization: self.organization.clone(),
            disabled_at: self.disabled_at.map(Timestamp::to_date_time),
            created_at: self.created_at.to_date_time(),
        }
    }
}

/// Every account of a person or a service, sorted by name; not those of trust policies.
pub fn list(read: &Read) -> Result<Vec<Account>, DatabaseError> {
    let sql = format!("{SELECT} WHERE a.trust_policy_id IS NULL ORDER BY a.folded");
    all(read, &sql, &[])
}

/// The account that has or had that name, in whatever case.
pub fn find(read: &Read, name: &Name) -> Result<Option<Account>, DatabaseError> {
    // No former name is that of another account at the same time.
    let sql = format!(
        "{SELECT} WHERE a.folded = ?1 OR a.id = (SELECT account_id FROM reserved_name \
         WHERE kind = 'account' AND folded = ?1)"
    );
    first(read, &sql, params![name.folded()])
}

/// The service accounts of an organisation, sorted by name.
pub fn list_of_organization(
    read: &Read,
    organization_id: i64,
) -> Result<Vec<Account>, DatabaseError> {
    let sql = format!(
        "{SELECT} WHERE a.organization_id = ?1 AND a.trust_policy_id IS NULL ORDER BY a.folded"
    );
    all(read, &sql, params![organization_id])
}

/// The account of a person or a service of that name, in whatever case; not that of a trust policy,
/// which nothing is granted to by name.
pub fn find_named(read: &Read, name: &Name) -> Result<Option<Account>, DatabaseError> {
    Ok(find(read, name)?.filter(|account| account.trust_policy_id.is_none()))
}

/// The account of that id.
pub fn get(read: &Read, id: i64) -> Result<Option<Account>, DatabaseError> {
    let sql = format!("{SELECT} WHERE a.id = ?1");
    first(read, &sql, params![id])
}

/// Makes an account. A name that is taken is a unique violation.
///
/// Nobody can have asked about it before, so no copy is out of date.
pub fn insert(
    tx: &Tx<'_>,
    name: &Name,
    kind: UserKind,
    server_admin: bool,
) -> Result<Account, DatabaseError> {
    let (uuid, created_at) = (new_id(), now());
    let id = one(
        tx,
        "INSERT INTO account (uuid, name, folded, kind, server_admin, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        params![
            uuid.to_string(),
            name.as_str(),
            name.folded(),
            kind.as_str(),
            server_admin,
            created_at
        ],
    )?;
    Ok(Account {
        id,
        uuid,
        name: name.clone(),
        kind,
        server_admin,
        organization: None,
        organization_id: None,
        trust_policy_id: None,
        created_at,
        disabled_at: None,
    })
}

/// Makes a service account of an organisation. A name that is taken is a unique violation.
///
/// Nobody can have asked about it before, so no copy is out of date.
pub fn insert_of_organization(
    tx: &Tx<'_>,
    name: &Name,
    organization: (i64, &Name),
) -> Result<Account, DatabaseError> {
    let (organization_id, organization) = organization;
    let account = insert(tx, name, UserKind::Service, false)?;
    execute(
        tx,
        "UPDATE account SET organization_id = ?2 WHERE id = ?1",
        params![account.id, organization_id],
    )?;
    Ok(Account {
        organization: Some(organization.clone()),
        organization_id: Some(organization_id),
        ..account
    })
}

/// Makes all tokens of an account good for nothing, or good again. One that is disabled already keeps
/// the time since when.
pub fn set_disabled(
    change: &AccessChange<'_>,
    id: i64,
    disabled: bool,
) -> Result<(), DatabaseError> {
    let sql = "UPDATE account SET disabled_at = CASE WHEN ?2 THEN COALESCE(disabled_at, ?3) END \
               WHERE id = ?1";
    run(change, sql, params![id, disabled, now()])
}

/// Lets an account manage the server, or no more.
pub fn set_server_admin(
    change: &AccessChange<'_>,
    id: i64,
    server_admin: bool,
) -> Result<(), DatabaseError> {
    let sql = "UPDATE account SET server_admin = ?2 WHERE id = ?1";
    run(change, sql, params![id, server_admin])
}

/// Whether anybody but this account can manage the server.
pub fn others_manage_server(read: &Read, id: i64) -> Result<bool, DatabaseError> {
    let sql = "SELECT id FROM account \
               WHERE server_admin = 1 AND disabled_at IS NULL AND id <> ?1 LIMIT 1";
    exists(read, sql, params![id])
}

/// Removes an account with its tokens, memberships and grants: whether it was there. Its name stays reserved.
pub fn delete(change: &AccessChange<'_>, id: i64) -> Result<bool, DatabaseError> {
    reserved::keep(
        change,
        NameKind::Account,
        "SELECT name FROM account WHERE id = ?1 AND trust_policy_id IS NULL",
        id,
    )?;
    let sql = "DELETE FROM account WHERE id = ?1";
    Ok(execute(change, sql, params![id])? == 1)
}
