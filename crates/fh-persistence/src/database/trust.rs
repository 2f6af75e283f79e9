//! Trust policies, and the account that each has.

use std::collections::BTreeMap;

use fh_api::{
    ConditionSpec, FlakePattern, Name, POLICY_ACCOUNT_PREFIX, PinnedClaim, TrustPolicyInfo,
    UserKind,
};
use fh_auth::policy::{Condition, Policy};
use fh_sql::{Read, Row, Tx, params};
use serde_json::Value;
use uuid::Uuid;

use super::rows::{all, column, exists, first, from_row, json, one};
use super::values::{execute, new_id, now, run};
use super::{AccessChange, DatabaseError, Timestamp, accounts};

/// A row of `trust_policy`, with the names of what it refers to.
#[derive(Debug, Clone)]
pub struct TrustPolicy {
    /// The id of the row, which never leaves the server.
    pub id: i64,
    /// The id by which the API knows it.
    pub uuid: Uuid,
    /// The organisation's internal id.
    pub organization_id: i64,
    /// What its organisation is called now.
    pub organization: Name,
    /// Its name in the organisation.
    pub name: Name,
    /// What it asks of workloads, and what it gives them.
    pub policy: Policy,
    /// The issuer's keys, JSON, where they were given.
    pub jwks: Option<String>,
    /// The internal id of its account.
    pub account_id: i64,
    /// The name of its account.
    pub account: Name,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it let somebody in last, within about a minute.
    pub last_used_at: Option<Timestamp>,
}

/// What a policy grants on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Every flake of the policy's organisation.
    Organization(i64),
    /// One flake, internal id.
    Flake(i64),
}

const SELECT: &str = "SELECT p.id, p.uuid, p.organization_id, o.name AS organization, p.name, \
     p.provider, p.issuer, p.audiences, p.conditions, p.pins, p.flakes, p.role, p.mint, \
     p.pull_requests, p.builder, p.max_lifetime, p.jwks, p.created_at, p.last_used_at, \
     a.id AS account_id, a.name AS account \
     FROM trust_policy p JOIN organization o ON o.id = p.organization_id \
     JOIN account a ON a.trust_policy_id = p.id";

from_row!(TrustPolicy: id, uuid, organization_id, organization, name, policy by read_policy, jwks,
    account_id, account, created_at, last_used_at);

fn read_policy(row: &Row<'_>) -> Result<Policy, DatabaseError> {
    let conditions: Vec<ConditionSpec> = json(row, "conditions")?;
    let conditions = conditions
        .iter()
        .map(Condition::new)
        .collect::<Result<_, _>>();
    Ok(Policy {
        provider: column(row, "provider")?,
        issuer: column(row, "issuer")?,
        audiences: json(row, "audiences")?,
        conditions: conditions.map_err(|error| DatabaseError::invalid("condition", error))?,
        pins: json(row, "pins")?,
        flakes: column(row, "flakes")?,
        role: column(row, "role")?,
        mint: column(row, "mint")?,
        pull_requests: column(row, "pull_requests")?,
        builder: column(row, "builder")?,
        max_lifetime: column(row, "max_lifetime")?,
    })
}

impl TrustPolicy {
    /// What to call it, over all organisations.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.organization, self.name)
    }

    /// As the API tells it.
    pub fn info(&self) -> TrustPolicyInfo {
        let policy = &self.policy;
        let pins = policy.pins.iter().map(|(claim, value)| PinnedClaim {
            claim: claim.clone(),
            value: value.clone(),
        });
        TrustPolicyInfo {
            id: self.uuid,
            organization: self.organization.clone(),
            name: self.name.clone(),
            provider: policy.provider,
            issuer: policy.issuer.clone(),
            audiences: policy.audiences.clone(),
            conditions: policy.conditions.iter().map(Condition::spec).collect(),
            pins: pins.collect(),
            flakes: policy.flakes.clone(),
            role: policy.role,
            mint: policy.mint,
            pull_requests: policy.pull_requests,
            builder: policy.builder,
            max_lifetime: policy.max_lifetime,
            inline_keys: self.jwks.is_some(),
            created_at: self.created_at.to_date_time(),
            last_used_at: self.last_used_at.map(Timestamp::to_date_time),
        }
    }
}

/// A policy's columns as they are stored.
struct Stored {
    audiences: String,
    conditions: String,
    pins: String,
    flakes: String,
    max_lifetime: i64,
}

impl Stored {
    fn of(policy: &Policy) -> Self {
        let conditions: Vec<ConditionSpec> =
            policy.conditions.iter().map(Condition::spec).collect();
        let flakes: Vec<String> = policy.flakes.iter().map(ToString::to_string).collect();
        Self {
            audiences: Value::from(policy.audiences.clone()).to_string(),
            conditions: serde_json::json!(conditions).to_string(),
            pins: pins_text(&policy.pins),
            flakes: flakes.join(" "),
            max_lifetime: i64::try_from(policy.max_lifetime).unwrap_or(i64::MAX),
        }
    }
}

fn pins_text(pins: &BTreeMap<String, Option<String>>) -> String {
    serde_json::json!(pins).to_string()
}

/// The policies of an organisation, sorted by name.
pub fn of_organization(
    read: &Read,
    organization_id: i64,
) -> Result<Vec<TrustPolicy>, DatabaseError> {
    let sql = format!("{SELECT} WHERE p.organization_id = ?1 ORDER BY p.folded");
    all(read, &sql, params![organization_id])
}

/// The policies of one organisation that trust an issuer, the oldest first.
pub fn of_issuer_in(
    read: &Read,
    issuer: &str,
    organization_id: i64,
) -> Result<Vec<TrustPolicy>, DatabaseError> {
    let sql = format!("{SELECT} WHERE p.issuer = ?1 AND p.organization_id = ?2 ORDER BY p.id");
    all(read, &sql, params![issuer, organization_id])
}

/// Whether any organisation trusts an issuer.
pub fn is_trusted(read: &Read, issuer: &str) -> Result<bool, DatabaseError> {
    let sql = "SELECT 1 FROM trust_policy WHERE issuer = ?1 LIMIT 1";
    exists(read, sql, params![issuer])
}

/// The policy of that name in an organisation, in whatever case.
pub fn find(
    read: &Read,
    organization_id: i64,
    name: &Name,
) -> Result<Option<TrustPolicy>, DatabaseError> {
    let sql = format!("{SELECT} WHERE p.organization_id = ?1 AND p.folded = ?2");
    first(read, &sql, params![organization_id, name.folded()])
}

/// The policy of that internal id.
pub fn get(read: &Read, id: i64) -> Result<Option<TrustPolicy>, DatabaseError> {
    let sql = format!("{SELECT} WHERE p.id = ?1");
    first(read, &sql, params![id])
}

/// The policy whose workloads have an account.
pub fn of_account(read: &Read, account_id: i64) -> Result<Option<TrustPolicy>, DatabaseError> {
    let sql = format!("{SELECT} WHERE a.id = ?1");
    first(read, &sql, params![account_id])
}

/// How many an organisation has.
pub fn count(read: &Read, organization_id: i64) -> Result<i64, DatabaseError> {
    let sql = "SELECT COUNT(*) FROM trust_policy WHERE organization_id = ?1";
    one(read, sql, params![organization_id])
}

/// What a policy grants on, as far as it exists now.
pub fn targets(read: &Read, policy: &TrustPolicy) -> Result<Vec<Target>, DatabaseError> {
    let mut targets = Vec::with_capacity(policy.policy.flakes.len());
    for pattern in &policy.policy.flakes {
        match pattern {
            FlakePattern::Organization(_) => {
                targets.push(Target::Organization(policy.organization_id));
            }
            FlakePattern::Flake(flake) => {
                let sql = "SELECT id FROM flake WHERE organization_id = ?1 AND folded = ?2";
                let found = first(
                    read,
                    sql,
                    params![policy.organization_id, flake.project.folded()],
                )?;
                targets.extend(found.map(Target::Flake));
            }
            // A policy grants within its organisation alone.
            FlakePattern::All => {}
        }
    }
    Ok(targets)
}

/// Makes a policy with its account. A name that is taken is a unique violation.
pub fn insert(
    change: &AccessChange<'_>,
    organization_id: i64,
    name: &Name,
    policy: &Policy,
    jwks: Option<&str>,
    created_by: i64,
) -> Result<i64, DatabaseError> {
    let stored = Stored::of(policy);
    let id = one(
        change,
        "INSERT INTO trust_policy (uuid, organization_id, name, folded, provider, issuer, audiences, \
         conditions, pins, flakes, role, mint, pull_requests, max_lifetime, jwks, created_at, \
         created_by, builder) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) RETURNING id",
        params![
            new_id().to_string(),
            organization_id,
            name.as_str(),
            name.folded(),
            policy.provider.as_str(),
            policy.issuer,
            stored.audiences,
            stored.conditions,
            stored.pins,
            stored.flakes,
            policy.role.as_str(),
            policy.mint,
            policy.pull_requests,
            stored.max_lifetime,
            jwks,
            now(),
            created_by,
            policy.builder
        ],
    )?;
    let account = accounts::insert(change, &account_name()?, UserKind::Service, false)?;
    let sql = "UPDATE account SET trust_policy_id = ?2 WHERE id = ?1";
    execute(change, sql, params![account.id, id])?;
    Ok(id)
}

/// A name that nobody has: of chance alone, the end of a UUID of version 7.
fn account_name() -> Result<Name, DatabaseError> {
    let id = new_id().simple().to_string();
    let tail = id.get(20..).unwrap_or(&id);
    format!("{POLICY_ACCOUNT_PREFIX}{tail}")
        .parse()
        .map_err(|error: fh_api::InvalidName| DatabaseError::invalid("account name", error))
}

/// Lets a policy say something else; its name, account and age stay.
pub fn replace(
    change: &AccessChange<'_>,
    id: i64,
    policy: &Policy,
    jwks: Option<&str>,
) -> Result<(), DatabaseError> {
    let stored = Stored::of(policy);
    run(
        change,
        "UPDATE trust_policy SET provider = ?2, issuer = ?3, audiences = ?4, conditions = ?5, \
         pins = ?6, flakes = ?7, role = ?8, mint = ?9, pull_requests = ?10, max_lifetime = ?11, \
         jwks = ?12, builder = ?13 WHERE id = ?1",
        params![
            id,
            policy.provider.as_str(),
            policy.issuer,
            stored.audiences,
            stored.conditions,
            stored.pins,
            stored.flakes,
            policy.role.as_str(),
            policy.mint,
            policy.pull_requests,
            stored.max_lifetime,
            jwks,
            policy.builder
        ],
    )
}

/// Remembers the ids behind names that conditions name.
pub fn set_pins(
    change: &AccessChange<'_>,
    id: i64,
    pins: &BTreeMap<String, Option<String>>,
) -> Result<(), DatabaseError> {
    let sql = "UPDATE trust_policy SET pins = ?2 WHERE id = ?1";
    run(change, sql, params![id, pins_text(pins)])
}

/// Removes a policy with its account and the tokens of that.
pub fn remove(change: &AccessChange<'_>, id: i64) -> Result<(), DatabaseError> {
    let sql = "DELETE FROM trust_policy WHERE id = ?1";
    run(change, sql, params![id])
}

/// Notes when policies let somebody in last. Times only move forward.
pub fn touch(tx: &Tx<'_>, uses: &[(i64, Timestamp)]) -> Result<(), DatabaseError> {
    for (id, at) in uses {
        execute(
            tx,
            "UPDATE trust_policy SET last_used_at = MAX(COALESCE(last_used_at, 0), ?2) \
             WHERE id = ?1",
            params![id, at],
        )?;
    }
    Ok(())
}
