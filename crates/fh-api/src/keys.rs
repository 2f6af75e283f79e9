//! The server's signing keys, as they are told.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Name;

/// A public signing key and its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyInfo {
    /// As nix.conf wants it: `name:base64`.
    pub public_key: String,
    /// `active`, `standby` or `retired`.
    pub state: String,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Since when it no longer signs.
    #[serde(with = "time::serde::rfc3339::option")]
    pub retired_at: Option<OffsetDateTime>,
}

/// `POST /api/v1/keys/rotate` and `POST /api/v1/orgs/{org}/keys/rotate`, which need no body: the standby key signs
/// from now on; answered by [`KeyList`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateKeys {
    /// Rotate although the standby key is younger than the server's `min-key-age`. Clients that were set up before
    /// it was created and have not logged in since have neither key afterwards.
    #[serde(default)]
    pub force: bool,
}

/// `GET /api/v1/keys`, public; `GET /api/v1/orgs/{org}/keys`, for anyone who may read something there; and the
/// answer to a rotation, `POST …/keys/rotate`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyList {
    /// The organisation whose own keys they are; none for the server's, which sign for all organisations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// Active, standby, then the retired ones, the newest first.
    pub keys: Vec<KeyInfo>,
}
