//! Tokens: what is asked for, what is kept of them, and the workloads that have one.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{FlakePattern, Name, Network, Permission, int64};

/// `POST /api/v1/tokens`: what the new token is to be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// For whom; the caller by default. Another user only by a server administrator, a service account of an
    /// organisation also by its administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Name>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<crate::schema::LineText>))]
    pub description: Option<String>,
    /// Seconds from now, up to the server's maximum. Default: the server's (90 days).
    #[serde(default, with = "int64", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub expires_in: Option<u64>,
    /// What it may be used for; by default only `pull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
    /// Default: all that the creating token reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flakes: Option<Vec<FlakePattern>>,
    /// The only store paths whose closures may be read: base names, or full paths in the server's store
    /// directory. Each must be readable with the minting token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Vec<crate::schema::StorePathText>>))]
    pub closures: Option<Vec<String>>,
    /// Public keys (`name:base64`): only paths that carry a valid signature of one of them, which came
    /// with the push, may be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Vec<crate::schema::PublicKeyText>>))]
    pub signed_by: Option<Vec<String>>,
    /// The only networks from which the token may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<Network>>,
    /// Whether it can be renewed for as long as the token that creates it can. By default no renewal of it ends
    /// later than that token. Tokens for other users can always be renewed as the rules for that user say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewable: bool,
}

/// The answer to `POST /api/v1/tokens`: the only time that the token itself is shown.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MintedToken {
    /// The token, prefixed. A secret.
    pub token: String,
    /// What is kept of it.
    pub info: TokenInfo,
}

crate::debug_fields! {
    MintedToken: info;
    RotatedToken: info, still_valid, still_valid_count, made_for_others, made_for_others_count;
}

/// The most tokens that [`RotatedToken`] lists of a kind.
pub const MAX_LISTED_TOKENS: usize = 100;

/// The answer to `POST /api/v1/tokens/{id}/rotate`: the only time that the new token itself is shown.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RotatedToken {
    /// The new token, prefixed. A secret.
    pub token: String,
    /// What is kept of it.
    pub info: TokenInfo,
    /// Valid tokens of the same user that came of the former one: that it created, rotated or renewed, or that those
    /// did. They stay valid until they are revoked. Without the new token and the one that asked for it.
    /// At most [`MAX_LISTED_TOKENS`], the oldest.
    #[serde(default)]
    pub still_valid: Vec<RevokedToken>,
    /// How many of these there are, also those that are not listed.
    #[serde(default)]
    pub still_valid_count: u64,
    /// What these and the former one have created for other users: each is valid, or something that it created. At
    /// most [`MAX_LISTED_TOKENS`], the oldest.
    #[serde(default)]
    pub made_for_others: Vec<RevokedToken>,
    /// How many of these there are, also those that are not listed.
    #[serde(default)]
    pub made_for_others_count: u64,
}

/// The details of a token; never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenInfo {
    /// The token's id: the claim `jti`.
    pub id: Uuid,
    /// The account that it acts for.
    pub user: Name,
    /// That account is disabled: its tokens are refused as long as it is.
    #[serde(default)]
    pub account_disabled: bool,
    /// What it is for.
    pub description: Option<String>,
    /// What it may be used for.
    pub permissions: Vec<Permission>,
    /// Which flakes it reaches.
    pub flakes: Vec<FlakePattern>,
    /// The only store paths whose closures it reads; empty: no such limit.
    #[serde(default)]
    pub closures: Vec<String>,
    /// Public keys of which one must have signed what it reads; empty: no such limit.
    #[serde(default)]
    pub signed_by: Vec<String>,
    /// The only networks from which it may be used; empty: from everywhere.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// The workload whose identity was exchanged for it.
    #[serde(default)]
    pub workload: Option<WorkloadInfo>,
    /// The token that asked for it: it was created, renewed or rotated with that one.
    pub parent: Option<Uuid>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ends, if nobody revokes it before.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// When it was used last, within about a minute.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// Since when it is revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
}

/// `GET /api/v1/tokens`: the caller's own; of everybody with `?all=true`, for server administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// The tokens, the newest first.
    pub tokens: Vec<TokenInfo>,
}

/// `POST /api/v1/tokens/{id}/rotate`: replaces that token with a new one like it; answered by
/// [`MintedToken`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateToken {
    /// Seconds from now. Default: the lifetime of the previous one.
    #[serde(default, with = "int64", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub expires_in: Option<u64>,
    /// Seconds for which the previous token stays valid. Default: none. Tokens that it created stay valid
    /// either way.
    #[serde(default, with = "int64", skip_serializing_if = "Option::is_none")]
    pub grace: Option<u64>,
}

/// What revoking a token ends: the answer to `DELETE /api/v1/tokens/{id}`, and to `GET
/// /api/v1/tokens/{id}/revocation`, which ends nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenRevocation {
    /// Tokens that were valid until then: the given one, and all that it created within its account; with
    /// `with_made_for_others=true` those of other accounts too.
    pub ended: Vec<RevokedToken>,
    /// What those have created for other accounts, which is not revoked: each is valid, or something that
    /// it created.
    pub made_for_others: Vec<RevokedToken>,
}

/// A token that revoking another one ends, or does not end, or that rotating another one leaves valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RevokedToken {
    /// The token's id: the claim `jti`.
    pub id: Uuid,
    /// The account that it acts for.
    pub user: Name,
    /// What it is for.
    pub description: Option<String>,
    /// When it ends, or would have ended, by itself.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// A workload that was let in by its own identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WorkloadInfo {
    /// Who vouches for it: the claim `iss`.
    pub issuer: String,
    /// What it is: the claim `sub`.
    pub subject: String,
    /// The organisation that it acts for.
    #[serde(default)]
    pub organization: Option<Name>,
    /// The trust policies that let it in, as `org/policy`: those of the organisation that it acts for, then
    /// those of others by which it reads.
    pub policies: Vec<String>,
}
