//! The server's signing keys, as they are told.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A public signing key and its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyInfo {
    /// As nix.conf wants it: `name:base64`.
    pub public_key: String,
    /// `active`, `standby` or `retired`.
    pub state: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Since when it signs no more.
    #[serde(with = "time::serde::rfc3339::option")]
    pub retired_at: Option<OffsetDateTime>,
}

/// `GET /api/v1/keys`, public; and the answer to `POST /api/v1/keys/rotate`, for server administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyList {
    /// Active, standby, then the retired ones, the newest first.
    pub keys: Vec<KeyInfo>,
}
