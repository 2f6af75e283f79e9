//! The audit log: what was done, by whom, with which token, from where, to what. Append-only: triggers
//! refuse everything else.

use std::net::IpAddr;
use std::sync::Arc;

use rusqlite::{Connection, params};
use serde_json::Value;
use uuid::Uuid;

use super::DatabaseError;
use super::values::{execute, now};

/// Who did it, as they were called then.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    /// The account's internal id.
    pub(crate) account_id: i64,
    /// What to call them.
    pub(crate) user: String,
    /// The token's id; none for a workload that shows its own identity.
    pub(crate) token_uuid: Option<Uuid>,
    /// Which workload it was: issuer, subject and the claims that matter, JSON.
    pub(crate) workload: Option<Arc<str>>,
    /// From where, as far as it is known.
    pub(crate) address: Option<IpAddr>,
    /// In which request.
    pub(crate) request_id: Option<String>,
}

/// Something that is to be remembered. Nothing in it is a secret.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    /// What was done, `noun.verb`.
    pub(crate) action: &'a str,
    /// It was asked for, and refused.
    pub(crate) denied: bool,
    /// By whom; the server itself where nobody is named.
    pub(crate) actor: Option<Actor>,
    /// In which organisation, internal id. Where a flake is named, its organisation.
    pub(crate) organization_id: Option<i64>,
    /// On which flake, internal id. It must be there still: what removes it is recorded first.
    pub(crate) flake_id: Option<i64>,
    /// What it was done to, for a person.
    pub(crate) subject: &'a str,
    /// The rest, an object, or null.
    pub(crate) detail: Value,
}

const INSERT: &str = "INSERT INTO audit_event \
     (at, action, denied, account_id, user_name, token_uuid, workload, address, request_id, \
      organization_uuid, organization_name, flake_id, flake_name, subject, detail) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, o.uuid, o.name, ?10, o.name || '/' || f.name, ?12, \
     ?13 FROM (SELECT 1) \
     LEFT JOIN flake f ON f.id = ?10 \
     LEFT JOIN organization o ON o.id = COALESCE(f.organization_id, ?11)";

/// Appends an event, in the transaction of what it tells.
pub(crate) fn record(connection: &Connection, event: &Event<'_>) -> Result<(), DatabaseError> {
    let detail = (!event.detail.is_null()).then(|| event.detail.to_string());
    let actor = event.actor.as_ref();
    execute(
        connection,
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
    )?;
    Ok(())
}
