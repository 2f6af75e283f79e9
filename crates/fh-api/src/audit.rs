//! The audit log, as it is told.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{FlakeName, Name};

/// Something that was done, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AuditEvent {
    /// Its number; later events have higher ones.
    pub id: u64,
    /// When it happened, by the server's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What was done, `noun.verb`, such as `grant.set`; what was refused, `denied.noun.verb`. `denied.more` stands for
    /// further refusals, whose number is in the detail.
    pub action: String,
    /// Whether it was refused.
    pub denied: bool,
    /// By whom, as they were called then; absent where it was the server itself, or nobody known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The token that the request was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Uuid>,
    /// Which workload it was: issuer, subject and the claims that matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Value>,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The id of the request; the server's log has more under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The organisation that it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// The flake that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flake: Option<FlakeName>,
    /// What it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The rest; never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

/// `GET /api/v1/audit`: of the whole server for server administrators, else of one organisation
/// (`?org=`) for its administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AuditList {
    /// The events that were asked for, the oldest first.
    pub events: Vec<AuditEvent>,
    /// What to ask for next with `?after=`: the number of the last event that was looked at.
    pub next: u64,
}
