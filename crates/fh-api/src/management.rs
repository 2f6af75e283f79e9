//! Flakes with what their slices hold, and the accounts of the server.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{FlakeName, Name, Role, UserKind, Visibility};

/// `POST /api/v1/flakes`, for administrators of the organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateFlake {
    /// The new flake, as `org/project`.
    pub flake: FlakeName,
    /// Who may read it without a grant; by default it is private.
    #[serde(default = "private")]
    pub visibility: Visibility,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<crate::schema::LineText>))]
    pub description: Option<String>,
    /// Answer with the existing flake if the name is taken.
    #[serde(default)]
    pub exist_ok: bool,
}

fn private() -> Visibility {
    Visibility::Private
}

/// `PATCH /api/v1/flakes/{org}/{project}`: what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateFlake {
    /// Who may read it without a grant from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// The new description; empty removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<crate::schema::LineText>))]
    pub description: Option<String>,
}

/// A flake as the caller may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FlakeInfo {
    /// Its id, which is also that of its slice.
    pub id: Uuid,
    /// Its name, as `org/project`.
    pub flake: FlakeName,
    /// Who may read it without a grant.
    pub visibility: Visibility,
    /// One line for people.
    pub description: Option<String>,
    /// What the caller may do here, by grants alone; none where visibility alone opens it.
    pub role: Option<Role>,
    /// How many store paths its slice has.
    pub paths: u64,
    /// Bytes of its slice's NARs, uncompressed.
    pub nar_size: u64,
    /// When something was last pushed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_push_at: Option<OffsetDateTime>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/flakes`: the caller's view.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FlakeList {
    /// The flakes that the caller may see, sorted by name.
    pub flakes: Vec<FlakeInfo>,
}

/// A store path of a flake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PathSummary {
    /// The store path's base name, `<hash>-<name>`.
    pub path: String,
    /// Bytes of its NAR, uncompressed.
    pub nar_size: u64,
    /// How many other paths it refers to.
    pub references: usize,
    /// When it came to the flake.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/flakes/{org}/{project}/paths`: what a flake's slice holds, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PathList {
    /// At most as many as `?limit=` says, and never more than [`MAX_LISTED_PATHS`].
    pub paths: Vec<PathSummary>,
}

/// Paths in one [`PathList`].
pub const MAX_LISTED_PATHS: usize = 1000;

/// `POST /api/v1/users`, for server administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// What the account is called, unique on the server.
    pub name: Name,
    /// A person or a service; by default a person.
    #[serde(default = "human")]
    pub kind: UserKind,
    /// Answer with the existing user if the name is taken by one of the same kind.
    #[serde(default)]
    pub exist_ok: bool,
}

/// `PATCH /api/v1/users/{user}`, for server administrators: what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// Whether all tokens of the account are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Whether the account may manage the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_admin: Option<bool>,
}

fn human() -> UserKind {
    UserKind::Human
}

/// An account, with all that is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UserInfo {
    /// Its id, which no rename changes.
    pub id: Uuid,
    /// What it is called at present.
    pub name: Name,
    /// A person or a service.
    pub kind: UserKind,
    /// May manage the whole server.
    pub server_admin: bool,
    /// The organisation that a service account belongs to, if it belongs to one.
    pub organization: Option<Name>,
    /// Since when its tokens are refused.
    #[serde(with = "time::serde::rfc3339::option")]
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/accounts/{user}`: what an account is called now, for those who name accounts: administrators of an
/// organisation and who may create one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccountInfo {
    /// Its present name; it may have been asked for by a former one.
    pub name: Name,
    /// A person or a service.
    pub kind: UserKind,
    /// It is the service account of an organisation.
    pub of_organization: bool,
}

/// `GET /api/v1/users`, for server administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UserList {
    /// All accounts of the server, sorted by name.
    pub users: Vec<UserInfo>,
}
