//! Organisations, their members and teams.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Name, OrganizationRole, PushRule, RenewalRule, UserKind};

/// `POST /api/v1/orgs`. The caller becomes its owner, unless they name another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateOrganization {
    /// The new organisation's name.
    pub name: Name,
    /// Answer with the existing organisation if the owner owns one of that name.
    #[serde(default)]
    pub exist_ok: bool,
    /// Who becomes its owner; without it the caller. Only server administrators can name somebody else, and are
    /// not members of it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Name>,
}

/// `PATCH /api/v1/orgs/{org}`, for its owners: what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateOrganization {
    /// Who may push to its flakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushRule>,
    /// The public keys (`name:base64`) whose signatures it takes for a proof of what its slices hold, in
    /// place of those that there are. No key of the server itself is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Vec<crate::schema::PublicKeyText>>))]
    pub trusted_keys: Option<Vec<String>>,
    /// Whose tokens may be renewed, of those that it decides about: the tokens of its service accounts need
    /// `everybody`; those of people that reach only its flakes need anything but `nobody`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<RenewalRule>,
}

/// An organisation, with the rules that it has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrganizationInfo {
    /// Its id, which no rename changes.
    pub id: Uuid,
    /// What it is called at present.
    pub name: Name,
    /// Who may push to its flakes.
    pub push: PushRule,
    /// The public keys whose signatures it takes for a proof of what its slices hold, sorted.
    #[serde(default)]
    pub trusted_keys: Vec<String>,
    /// Whose tokens may be renewed, of those that it decides about. Servers of before there were renewals do not
    /// say it.
    #[serde(default = "no_renewals")]
    pub renewal: RenewalRule,
    /// What the caller is there; none for a server administrator who is not a member.
    pub role: Option<OrganizationRole>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

fn no_renewals() -> RenewalRule {
    RenewalRule::Nobody
}

/// `GET /api/v1/orgs`: those the caller is a member of; all, for a server administrator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrganizationList {
    /// The organisations, sorted by name.
    pub orgs: Vec<OrganizationInfo>,
}

/// `PUT /api/v1/orgs/{org}/members/{user}`: changes what a member is, or invites somebody to be one. The token
/// of a server administrator makes them one at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetMember {
    /// What the account is from now on.
    pub role: OrganizationRole,
}

/// A member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberInfo {
    /// The account that is a member, or invited.
    pub user: Name,
    /// A person or a service.
    pub kind: UserKind,
    /// What it is there, or would be.
    pub role: OrganizationRole,
    /// It is invited and has not accepted: it is not a member yet.
    #[serde(default)]
    pub invited: bool,
    /// Since when it is a member, or invited.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The other role that this one was set in place of; only in the answer to setting it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<OrganizationRole>,
}

/// `GET /api/v1/orgs/{org}/members`, for its members; those who are invited are told to its administrators
/// alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberList {
    /// The members, sorted by name.
    pub members: Vec<MemberInfo>,
}

/// `POST /api/v1/orgs/{org}/service-accounts`, for its administrators: an account that belongs to the
/// organisation, whose tokens they create. It has no access until it is granted something.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccount {
    /// The new account's name, unique on the server.
    pub name: Name,
    /// Answer with the existing account if the organisation has one of that name.
    #[serde(default)]
    pub exist_ok: bool,
}

/// `POST /api/v1/orgs/{org}/teams`, for its administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateTeam {
    /// The new team's name, unique in the organisation.
    pub name: Name,
    /// Answer with the existing team if the name is taken.
    #[serde(default)]
    pub exist_ok: bool,
}

/// A team, with the number of its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TeamInfo {
    /// Its id, which stays as long as the team does.
    pub id: Uuid,
    /// What it is called, unique in the organisation.
    pub name: Name,
    /// How many accounts are in it.
    pub members: u64,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/orgs/{org}/teams`, for its members.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TeamList {
    /// The organisation's teams, sorted by name.
    pub teams: Vec<TeamInfo>,
}

/// A member of a team. Grants to the team count for them only while they are a member of the
/// organisation as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TeamMemberInfo {
    /// The account that is in the team.
    pub user: Name,
    /// Since when it is in the team.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// `GET /api/v1/orgs/{org}/teams/{team}`, for the organisation's members.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TeamDetails {
    /// The team that was asked for.
    pub team: TeamInfo,
    /// Who is in it, sorted by name.
    pub members: Vec<TeamMemberInfo>,
}
