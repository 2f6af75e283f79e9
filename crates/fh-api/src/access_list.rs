//! What applies: everything that gives somebody a role on a flake, and everything that somebody is in, holds and
//! can reach.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    AccessReason, Affiliation, FlakeName, FlakePattern, Name, OfferedGrant, OrganizationRole, Role,
    Standing, Subject, UserInfo, Visibility,
};

/// `GET /api/v1/flakes/{org}/{project}/access`, for administrators of the flake, and
/// `GET /api/v1/orgs/{org}/access`, for those of the organisation: who has a role, and what gives it to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccessList {
    /// On what: `org/project`, or `org/*` for every flake of the organisation.
    pub on: FlakePattern,
    /// Who may read the flake without a grant; absent for a whole organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Whether this is everything. Members, teams, grants on `org/*` and trust policies are shown only to who
    /// may see them in the organisation's own lists.
    pub complete: bool,
    /// Grants on the flake, then grants on `org/*`, then memberships, then trust policies, then the visibility.
    pub sources: Vec<AccessSource>,
}

/// One thing that gives a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccessSource {
    /// What it is: `grant`, `membership`, `trust policy` or `visibility`.
    pub by: String,
    /// Whom it was given to: for grants, and the member for memberships.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What the member is, for memberships: `owner` or `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<OrganizationRole>,
    /// The policy that lets workloads in, for trust policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_policy: Option<Name>,
    /// On what it was given: `org/project`, or `org/*`.
    pub on: FlakePattern,
    /// The role that it gives; absent for visibility, which lets read without a role.
    pub role: Option<Role>,
    /// The grant has no effect yet: the account has not accepted the organisation's invitation.
    #[serde(default)]
    pub pending: bool,
    /// Whether it gives anybody anything now. A grant to a disabled account or to an empty team does not.
    pub applies: bool,
    /// The accounts that have the role by this, sorted by name, as far as the caller may know them. Disabled ones
    /// are left out.
    pub users: Vec<Name>,
    /// Since when; absent for trust policies and visibility.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub created_at: Option<OffsetDateTime>,
}

/// `GET /api/v1/users/{user}/access`: everything that an account is in, holds and can reach. For the account itself
/// and for server administrators; administrators of an organisation see what concerns that organisation.
///
/// What somebody follows is told to nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UserAccess {
    /// The account that this is about, by its present name.
    pub user: Name,
    /// The account, for itself and for server administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<UserInfo>,
    /// The account is disabled: its tokens are refused, so nothing of this applies now. It is not said of an account
    /// that neither belongs to an organisation that the caller administers nor is invited there.
    pub disabled: bool,
    /// Whether this is everything: of all organisations, and not narrowed by the caller's token.
    pub complete: bool,
    /// Where the account belongs or is invited, sorted by name.
    pub organizations: Vec<UserOrganization>,
    /// The flakes that it reads at the root address, sorted by name. Everybody also reads public flakes by name.
    pub flakes: Vec<UserFlake>,
    /// How the caller's token narrows what stands here, one sentence each.
    pub narrowed_by: Vec<String>,
}

/// What an account is to an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UserOrganization {
    /// Where the account belongs or is invited.
    pub organization: Name,
    /// What the account is there.
    pub affiliation: Affiliation,
    /// What it is invited to be there, and has not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_as: Option<OrganizationRole>,
    /// Its teams there, sorted by name.
    pub teams: Vec<Name>,
    /// Grants to the account that have no effect, because it has not accepted the organisation's invitation.
    pub pending: Vec<OfferedGrant>,
}

/// A flake that an account reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UserFlake {
    /// The flake that is read.
    pub flake: FlakeName,
    /// Who may read it without a grant.
    pub visibility: Visibility,
    /// The role of the account; none where it reads the flake because it is public.
    pub role: Option<Role>,
    /// What the flake's organisation is to the account.
    pub standing: Standing,
    /// What lets it read the flake.
    pub reasons: Vec<AccessReason>,
}
