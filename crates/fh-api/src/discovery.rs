//! What a client learns about a server and about itself.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{FlakePattern, Name, Network, Permission, Signing, UserKind, WorkloadInfo};

/// What servers did before they could do anything else.
fn shared() -> Signing {
    Signing::Shared
}

/// `GET /.well-known/fh`, public: all that `fh login --server URL` needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Discovery {
    /// The product: always `fh`.
    pub name: String,
    /// The version of the server's program.
    pub version: String,
    /// The server's own id, the audience of its tokens: `urn:fh:<uuid>`.
    pub audience: String,
    /// Base of the API, without a final slash; routes below it begin with `/api/v1`.
    pub api_url: String,
    /// Where people look, without a final slash.
    pub web_url: String,
    /// The substituter: the whole view of the caller, without a final slash.
    pub cache_url: String,
    /// The store directory of the paths served, `/nix/store`.
    pub store_dir: String,
    /// The public keys for nix.conf, active first, then standby; none where each organisation has its own,
    /// which `/api/v1/substituters` tells to those who read there.
    pub public_keys: Vec<SigningKeyInfo>,
    /// The organisation that an identity of a workload acts for which names none, and whose forge's root
    /// no organisation owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_organization: Option<Name>,
    /// Whose keys sign what is served.
    #[serde(default = "shared")]
    pub signing: Signing,
    /// How one can log in; known words: `token`, `workload`.
    pub login: Vec<String>,
    /// The server's clock, to tell skew from expiry.
    #[serde(with = "time::serde::rfc3339")]
    pub now: OffsetDateTime,
}

/// A public signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SigningKeyInfo {
    /// As nix.conf wants it: `name:base64`.
    pub public_key: String,
    /// `active`, `standby` or `retired`.
    pub state: String,
}

/// `GET /api/v1/whoami`: the caller as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Whoami {
    /// The account that the credentials are of.
    pub user: Name,
    /// What kind of account.
    pub kind: UserKind,
    /// May manage the whole server.
    pub server_admin: bool,
    /// The token's id; none for a workload that shows its own identity.
    pub token_id: Option<Uuid>,
    /// What the token was said to be for.
    pub token_description: Option<String>,
    /// What the token may be used for.
    pub permissions: Vec<Permission>,
    /// Which flakes the token reaches.
    pub flakes: Vec<FlakePattern>,
    /// The only store paths whose closures the token reads; empty: no such limit.
    #[serde(default)]
    pub closures: Vec<String>,
    /// Public keys of which one must have signed what the token reads; empty: no such limit.
    #[serde(default)]
    pub signed_by: Vec<String>,
    /// The only networks from which the token may be used; empty: from everywhere.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// The workload, where it is one.
    #[serde(default)]
    pub workload: Option<WorkloadInfo>,
    /// When the token ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// When the token would end if it was renewed now (`POST /api/v1/tokens/renew`); none where it cannot be, or
    /// where the server knows no renewals.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub renewable_until: Option<OffsetDateTime>,
}

/// `/nix-cache-info`, for those who want to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NixCacheInfo {
    /// The store directory, such as `/nix/store`.
    pub store_dir: String,
    /// Lower is asked first; cache.nixos.org is 40.
    pub priority: u32,
}

impl NixCacheInfo {
    /// The text as served: `Key: value` lines.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "StoreDir: {}\nWantMassQuery: 1\nPriority: {}\n",
            self.store_dir, self.priority
        )
    }
}
