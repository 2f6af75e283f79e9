//! Reading the audit log.

use fh_api::AuditEvent;
use fh_sql::{Read, ToParam};
use uuid::Uuid;

use super::rows::{all, from_row, one};
use super::{DatabaseError, Timestamp};

/// Which events are looked for. Each field that is there narrows further.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of the organisation of that public id.
    pub organization: Option<Uuid>,
    /// Of organisations that were called so, in whatever case.
    pub organization_name: Option<String>,
    /// On the flake of that name, in whatever case.
    pub flake: Option<String>,
    /// By whom, in whatever case.
    pub user: Option<String>,
    /// Done with the token of this public id.
    pub token: Option<Uuid>,
    /// What the action begins with.
    pub action: Option<String>,
    /// Actions that count as if they began like that.
    pub also_actions: Vec<String>,
    /// Whether it was refused.
    pub denied: Option<bool>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Earlier than this time.
    pub until: Option<Timestamp>,
}

from_row!(AuditEvent: id, at, action, denied, user = "user_name", token = "token_uuid", workload,
    address, request_id, organization = "organization_name", flake = "flake_name", subject, detail);

const SELECT: &str = "SELECT id, at, action, denied, user_name, token_uuid, workload, address, \
     request_id, organization_name, flake_name, subject, detail FROM audit_event";

/// At most `limit` events, oldest first: with `after` the ones that follow that number, else the newest.
/// And the number of the last one that was looked at.
pub fn list(
    read: &Read,
    filter: &Filter,
    after: Option<u64>,
    limit: u32,
) -> Result<(Vec<AuditEvent>, u64), DatabaseError> {
    // Both readings are of one instant.
    let sql = "SELECT COALESCE(MAX(id), 0) FROM audit_event";
    let last: u64 = one(read, sql, &[])?;
    let organization = filter.organization.map(|id| id.to_string());
    let token = filter.token.map(|id| id.to_string());
    let after_id = after.map(|after| i64::try_from(after).unwrap_or(i64::MAX));
    let narrowings: [(&str, Option<&dyn ToParam>); 9] = [
        ("organization_uuid = ?", given(&organization)),
        (
            "organization_name = ? COLLATE NOCASE",
            given(&filter.organization_name),
        ),
        ("flake_name = ? COLLATE NOCASE", given(&filter.flake)),
        ("user_name = ? COLLATE NOCASE", given(&filter.user)),
        ("token_uuid = ?", given(&token)),
        ("denied = ?", given(&filter.denied)),
        ("at >= ?", given(&filter.since)),
        ("at < ?", given(&filter.until)),
        ("id > ?", given(&after_id)),
    ];
    let narrowings = narrowings.into_iter();
    let (mut conditions, mut values): (Vec<&str>, Vec<&dyn ToParam>) = narrowings
        .filter_map(|(condition, value)| Some((condition, value?)))
        .unzip();
    let also = vec!["?"; filter.also_actions.len()].join(", ");
    let action = format!("(instr(action, ?) = 1 OR action IN ({also}))");
    if let Some(prefix) = &filter.action {
        conditions.push(&action);
        values.push(prefix);
        values.extend(filter.also_actions.iter().map(|also| also as &dyn ToParam));
    }
    let clause = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    let order = if after.is_some() { "ASC" } else { "DESC" };
    let sql = format!("{SELECT}{clause} ORDER BY id {order} LIMIT {limit}");
    let mut events: Vec<AuditEvent> = all(read, &sql, &values)?;
    if after.is_none() {
        events.reverse();
    }
    let next = match (after, events.last()) {
        // There may be more behind it.
        (Some(_), Some(event)) if events.len() == limit as usize => event.id,
        _ => last.max(after.unwrap_or(0)),
    };
    Ok((events, next))
}

fn given<T: ToParam>(value: &Option<T>) -> Option<&dyn ToParam> {
    value.as_ref().map(|value| value as &dyn ToParam)
}
