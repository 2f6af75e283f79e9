//! The audit log: what was done, by whom, with which token, to what. Append-only.

use rusqlite::{Connection, params};
use serde_json::Value;
use uuid::Uuid;

use super::DatabaseError;
use super::values::{execute, now};

/// Who did it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor {
    /// The account's internal id.
    pub(crate) account_id: i64,
    /// The token's id.
    pub(crate) token_uuid: Uuid,
}

/// Something that is to be remembered. Nothing in it is a secret.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    /// What was done, `noun.verb`.
    pub(crate) action: &'a str,
    /// By whom; the server itself where nobody is named.
    pub(crate) actor: Option<Actor>,
    /// On which flake, internal id.
    pub(crate) flake_id: Option<i64>,
    /// What it was done to, for a person.
    pub(crate) subject: &'a str,
    /// The rest, an object, or null.
    pub(crate) detail: Value,
}

/// Appends an event, in the transaction of what it tells.
pub(crate) fn record(connection: &Connection, event: &Event<'_>) -> Result<(), DatabaseError> {
    let detail = (!event.detail.is_null()).then(|| event.detail.to_string());
    execute(
        connection,
        "INSERT INTO audit_event (at, action, account_id, token_uuid, flake_id, subject, detail) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            now(),
            event.action,
            event.actor.map(|actor| actor.account_id),
            event.actor.map(|actor| actor.token_uuid.to_string()),
            event.flake_id,
            event.subject,
            detail
        ],
    )?;
    Ok(())
}
