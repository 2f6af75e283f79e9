//! Names that were given up.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{FlakeName, Name, NameKind};

/// A reserved name. Tokens, lines in nix.conf and audiences of identities may still name it, so nobody can use
/// it until a server administrator frees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReservedName {
    /// What was called so.
    pub kind: NameKind,
    /// The name, in the case in which it was made.
    pub name: Name,
    /// What it leads to, by its present name, where that was renamed; none where what had it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<Name>,
    /// When it became reserved.
    #[serde(with = "time::serde::rfc3339")]
    pub reserved_at: OffsetDateTime,
}

/// A former name of a flake, which leads to it until an administrator of the organisation frees the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FormerFlakeName {
    /// The former name, in lower case.
    pub flake: FlakeName,
    /// The flake that had it, by its present name.
    pub leads_to: FlakeName,
    /// When it became a former name.
    #[serde(with = "time::serde::rfc3339")]
    pub given_up_at: OffsetDateTime,
}

/// `GET /api/v1/orgs/{org}/former-flakes`, for administrators of the organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FormerFlakeNameList {
    /// Sorted by former name.
    pub names: Vec<FormerFlakeName>,
}

/// `GET /api/v1/reserved-names`, for server administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReservedNameList {
    /// Those of organisations, then those of accounts, each sorted by name.
    pub names: Vec<ReservedName>,
}
