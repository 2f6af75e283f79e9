//! Organisations, flakes, users, grants and tokens.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{FlakeName, FlakePattern, Name, Permission, Role, UserKind, Visibility};

/// `POST /api/v1/orgs`. The caller becomes its owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganization {
    /// The new organisation's name.
    pub name: Name,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationInfo {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Name,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/orgs`: those the caller is a member of; all, for a server administrator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrganizationList {
    /// Sorted by name.
    pub orgs: Vec<OrganizationInfo>,
}

/// `POST /api/v1/flakes`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateFlake {
    /// `org/project`.
    pub flake: FlakeName,
    /// Private where nothing is said.
    #[serde(default = "private")]
    pub visibility: Visibility,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

fn private() -> Visibility {
    Visibility::Private
}

/// `PATCH /api/v1/flakes/{org}/{project}`: what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateFlake {
    /// The new visibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// The new description; empty removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A flake as the caller may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlakeInfo {
    /// Its id, which is also that of its slice.
    pub id: Uuid,
    /// `org/project`.
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
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/flakes`: the caller's view.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlakeList {
    /// Sorted by name.
    pub flakes: Vec<FlakeInfo>,
}

/// A store path of a flake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathSummary {
    /// Base name: `<hash>-<name>`.
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
pub struct PathList {
    /// At most as many as `?limit=` says, and never more than [`MAX_LISTED_PATHS`].
    pub paths: Vec<PathSummary>,
}

/// Paths in one [`PathList`].
pub const MAX_LISTED_PATHS: usize = 1000;

/// `POST /api/v1/users`, for server administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// The login name.
    pub name: Name,
    /// A person where nothing is said.
    #[serde(default = "human")]
    pub kind: UserKind,
}

fn human() -> UserKind {
    UserKind::Human
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Name,
    /// A person or a service.
    pub kind: UserKind,
    /// May manage the whole server.
    pub server_admin: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/users`, for server administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserList {
    /// Sorted by name.
    pub users: Vec<UserInfo>,
}

/// `PUT /api/v1/flakes/{org}/{project}/grants/{user}`: sets the role, whatever it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateGrant {
    /// The role to hold from now on.
    pub role: Role,
}

/// A grant on a flake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantInfo {
    /// Whom it was given to.
    pub user: Name,
    /// On what.
    pub flake: FlakeName,
    /// What it allows.
    pub role: Role,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/flakes/{org}/{project}/grants`, for administrators of the flake.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantList {
    /// Sorted by user.
    pub grants: Vec<GrantInfo>,
}

/// `POST /api/v1/tokens`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// For whom; the caller where nothing is said. Another user only by a server administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Name>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Seconds from now; the server's default (90 days) where nothing is said, its maximum at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// Pull alone where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
    /// All that the minting token reaches where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flakes: Option<Vec<FlakePattern>>,
}

/// The answer to `POST /api/v1/tokens`: the only time that the token itself is shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct MintedToken {
    /// The token, prefixed. A secret.
    pub token: String,
    /// What is kept of it.
    pub info: TokenInfo,
}

impl std::fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MintedToken")
            .field("token", &"***")
            .field("info", &self.info)
            .finish()
    }
}

/// What is kept of a token; never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// The claim `jti`.
    pub id: Uuid,
    /// Whose it is.
    pub user: Name,
    /// What it is for.
    pub description: Option<String>,
    /// What it may be used for.
    pub permissions: Vec<Permission>,
    /// Which flakes it reaches.
    pub flakes: Vec<FlakePattern>,
    /// The token that it was minted with.
    pub parent: Option<Uuid>,
    /// When it was minted.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// When it was used last, within about a minute.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// Since when it is good for nothing.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
}

/// `GET /api/v1/tokens`: the caller's own; of everybody with `?all=true`, for server administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenList {
    /// Newest first.
    pub tokens: Vec<TokenInfo>,
}
