//! Wire types of the fh HTTP API, version 1.
//!
//! Only shapes live here: what a field means, its unit and who may send it, in [`text`] what of a text may be shown, and
//! how the causes of an error are printed ([`with_causes`]), because server, client and command line all stand on this.
//! Nothing is decided and nothing is looked up. The server and the client both depend on this crate and never on each
//! other, so a change that compiles here is a change that both ends know of.
//!
//! Conventions: times are UTC in RFC 3339, ids are UUIDv7, sizes are bytes, names of flakes are
//! `org/project`. A type that arrives from outside refuses fields that it does not know where
//! ignoring them could widen access (tokens, grants), and tolerates them elsewhere so that a newer
//! client can talk to an older server.

mod access;
mod access_list;
mod audit;
mod cause;
mod discovery;
pub mod duration;
mod error;
mod explain;
mod follows;
mod grants;
mod int64;
mod invitations;
mod keys;
mod management;
mod names;
mod network;
pub mod oauth;
mod object;
mod organizations;
mod push;
mod redacted;
mod renames;
mod reserved;
mod roots;
#[cfg(feature = "schema")]
mod schema;
mod substituters;
pub mod text;
mod text_form;
mod tokens;
mod trust;

pub use access::{
    Affiliation, NameKind, OrganizationRole, Permission, Provider, PushRule, RenewalRule, Role,
    Signing, Standing, UnknownWord, UserKind, Visibility,
};
pub use access_list::{AccessList, AccessSource, UserAccess, UserFlake, UserOrganization};
pub use audit::{AuditEvent, AuditList};
pub use cause::{causes, with_causes};
pub use discovery::{Discovery, NixCacheInfo, SigningKeyInfo, Whoami};
pub use error::{ErrorBody, ErrorCode};
pub use explain::{AccessExplanation, AccessReason, Disputed, SliceAccess};
pub use follows::{FollowList, SetFollows};
pub use grants::{CreateGrant, GrantInfo, GrantList, Subject};
pub use invitations::{AcceptInvitation, InvitationInfo, InvitationList, OfferedGrant};
pub use keys::{KeyInfo, KeyList, RotateKeys};
pub use management::{
    AccountInfo, CreateFlake, CreateUser, FlakeInfo, FlakeList, MAX_LISTED_PATHS, PathList,
    PathSummary, UpdateFlake, UpdateUser, UserInfo, UserList,
};
pub use names::{FlakeName, FlakePattern, InvalidName, Name};
pub use network::{InvalidNetwork, Network};
pub use object::Object;
pub use organizations::{
    CreateOrganization, CreateServiceAccount, CreateTeam, MemberInfo, MemberList, OrganizationInfo,
    OrganizationList, SetMember, TeamDetails, TeamInfo, TeamList, TeamMemberInfo,
    UpdateOrganization,
};
pub use push::{
    BatchAnswer, CommitSummary, LOG_RECORD, LogAnswer, NAR_BATCH_MEDIA_TYPE,
    NAR_BATCH_RECORD_HEADER, NarAnswer, NarRejection, PartAnswer, PathAnswer, PathStatus,
    PushLimits, PushPath, PushPlan, PushRealisation, PushRequest, UploadNeed, part_count,
};
pub use renames::Rename;
pub use reserved::{FormerFlakeName, FormerFlakeNameList, ReservedName, ReservedNameList};
pub use roots::{ForgeRoot, InvalidRoot, OwnRoot, RootInfo, RootList};
pub use substituters::{SubstituterInfo, SubstituterList};
pub use text::TOKEN_PREFIX;
pub use tokens::{
    CreateToken, MAX_LISTED_TOKENS, MintedToken, RevokedToken, RotateToken, RotatedToken,
    TokenInfo, TokenList, TokenRevocation, WorkloadInfo,
};
pub use trust::{
    ConditionSpec, POLICY_ACCOUNT_PREFIX, PinnedClaim, PolicyVerdict, SetTrustPolicy, TestTrust,
    TrustPolicyInfo, TrustPolicyList, TrustTest,
};

/// The prefix of every API route of this version.
pub const API_PREFIX: &str = "/api/v1";
