//! The audit log: what was done, by whom, with which token, from where, to what. Append-only: triggers
//! refuse everything else.

use std::net::IpAddr;
use std::sync::Arc;

use fh_sql::{Tx, params};
use serde_json::Value;
use uuid::Uuid;

use super::values::{now, run};
use super::{DatabaseError, Timestamp};

/// Who did it, as they were called then.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The account's internal id.
    pub account_id: i64,
    /// What to call them.
    pub user: String,
    /// The token's id; none for a workload that shows its own identity.
    pub token_uuid: Option<Uuid>,
    /// Which workload it was: issuer, subject and the claims that matter, JSON.
    pub workload: Option<Arc<str>>,
    /// The organisation that the workload acts for, internal id. What it was refused in another one is not
    /// told there.
    pub acting: Option<i64>,
    /// From where, as far as it is known.
    pub address: Option<IpAddr>,
    /// The number of the request.
    pub request_id: Option<String>,
}

/// Something that is to be remembered. Nothing in it is a secret.
#[derive(Debug, Default)]
pub struct Event<'a> {
    /// What was done, `noun.verb`.
    pub action: &'a str,
    /// It was asked for, and refused.
    pub denied: bool,
    /// By whom; the server itself where nobody is named.
    pub actor: Option<Actor>,
    /// In which organisation, internal id. Where a flake is named, its organisation.
    pub organization_id: Option<i64>,
    /// On which flake, internal id. It must be there still: what removes it is recorded first.
    pub flake_id: Option<i64>,
    /// What it was done to, for a person.
    pub subject: &'a str,
    /// The rest, an object, or null.
    pub detail: Value,
}

impl<'a> Event<'a> {
    /// What somebody did to something of that name.
    pub fn by(actor: Actor, action: &'a str, subject: &'a str) -> Self {
        Self {
            action,
            actor: Some(actor),
            subject,
            ..Self::default()
        }
    }

    /// The same in an organisation, internal id, if it was in one.
    pub fn in_organization(self, id: impl Into<Option<i64>>) -> Self {
        Self {
            organization_id: id.into(),
            ..self
        }
    }

    /// The same on a flake, internal id, if it was on one. It must be there still: what removes it is recorded first.
    pub fn on_flake(self, id: impl Into<Option<i64>>) -> Self {
        Self {
            flake_id: id.into(),
            ..self
        }
    }

    /// Appends it with the rest that is to be told, in the transaction of what it tells.
    pub fn record(self, tx: &Tx<'_>, detail: Value) -> Result<(), DatabaseError> {
        record(tx, &Self { detail, ..self })
    }
}

const INSERT: &str = "INSERT INTO audit_event \
     (at, action, denied, account_id, user_name, token_uuid, workload, address, request_id, \
      organization_uuid, organization_name, flake_id, flake_name, subject, detail) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, o.uuid, o.name, ?10, o.name || '/' || f.name, ?12, \
     ?13 FROM (SELECT 1) \
     LEFT JOIN flake f ON f.id = ?10 \
     LEFT JOIN organization o ON o.id = COALESCE(f.organization_id, ?11)";

/// Appends an event, in the transaction of what it tells.
pub fn record(tx: &Tx<'_>, event: &Event<'_>) -> Result<(), DatabaseError> {
    let detail = (!event.detail.is_null()).then(|| event.detail.to_string());
    let actor = event.actor.as_ref();
    run(
        tx,
        INSERT,
        params![
            now(),
            event.action,
            event.denied,
            actor.map(|actor| actor.account_id),
            actor.map(|actor| &actor.user),
            actor
                .and_then(|actor| actor.token_uuid)
                .map(|id| id.to_string()),
            actor.and_then(|actor| actor.workload.as_deref()),
            actor
                .and_then(|actor| actor.address)
                .map(|at| at.to_string()),
            actor.and_then(|actor| actor.request_id.as_deref()),
            event.flake_id,
            event.organization_id,
            event.subject,
            detail
        ],
    )
}

/// Something that was refused before anything was looked up for it, as the address names it.
#[derive(Debug, Clone)]
pub struct Denial {
    /// When it was refused.
    pub at: Timestamp,
    /// What was asked for.
    pub action: String,
    /// By whom, where they are known.
    pub actor: Option<Actor>,
    /// From where, as far as it is known.
    pub address: Option<IpAddr>,
    /// In which request, where it was one.
    pub request_id: Option<String>,
    /// The organisation that the address names, folded; it may be none.
    pub organization: Option<String>,
    /// The project that the address names, folded; it may be none.
    pub project: Option<String>,
    /// The names that the address has, for a person.
    pub subject: String,
    /// The rest, an object.
    pub detail: Value,
}

const INSERT_DENIAL: &str = "INSERT INTO audit_event \
     (at, action, denied, account_id, user_name, token_uuid, workload, address, request_id, \
      organization_uuid, organization_name, flake_id, flake_name, subject, detail) \
     SELECT ?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, o.uuid, o.name, f.id, o.name || '/' || f.name, ?11, \
     ?12 FROM (SELECT 1) \
     LEFT JOIN organization o ON o.folded = ?9 AND (?13 IS NULL OR o.id = ?13) \
     LEFT JOIN flake f ON f.organization_id = o.id AND f.folded = ?10";

/// Appends what was refused. What it names is looked up here, for those who read the log.
pub fn record_denial(tx: &Tx<'_>, denial: &Denial) -> Result<(), DatabaseError> {
    let actor = denial.actor.as_ref();
    run(
        tx,
        INSERT_DENIAL,
        params![
            denial.at,
            denial.action,
            actor.map(|actor| actor.account_id),
            actor.map(|actor| &actor.user),
            actor
                .and_then(|actor| actor.token_uuid)
                .map(|id| id.to_string()),
            actor.and_then(|actor| actor.workload.as_deref()),
            denial.address.map(|at| at.to_string()),
            denial.request_id,
            denial.organization,
            denial.project,
            denial.subject,
            denial.detail.to_string(),
            actor.and_then(|actor| actor.acting)
        ],
    )
}
