//! Invitations: what organisations offer to somebody who does not belong to them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{FlakePattern, Name, OrganizationRole, Role};

/// What one organisation offers to an account, or what the account has accepted of it as a guest.
///
/// It has no effect before it is accepted: until then none of the organisation's slices is in the
/// account's view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InvitationInfo {
    /// The organisation that offers it.
    pub organization: Name,
    /// What the account would be there as a member; none where no membership is offered.
    pub membership: Option<OrganizationRole>,
    /// What was granted to the account by name.
    pub grants: Vec<OfferedGrant>,
    /// Since when something is offered.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Since when the account is a guest of the organisation: its grants are in effect. None: not yet.
    #[serde(with = "time::serde::rfc3339::option")]
    pub accepted_at: Option<OffsetDateTime>,
}

impl InvitationInfo {
    /// Whether something of it waits to be accepted.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.membership.is_some() || self.accepted_at.is_none()
    }
}

/// A grant that is part of an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OfferedGrant {
    /// On what: `org/project`, or `org/*` for every flake of the organisation.
    pub on: FlakePattern,
    /// The role that it gives once it is accepted.
    pub role: Role,
}

/// `GET /api/v1/invitations[?user=NAME]`: what is offered to the caller, or to a service account that the
/// caller decides for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InvitationList {
    /// What is offered, sorted by organisation.
    pub invitations: Vec<InvitationInfo>,
}

/// `PUT /api/v1/invitations/{org}[?user=NAME]`: accepts what an organisation offers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitation {
    /// The membership that was offered when the caller looked; none where there was none. Where it is
    /// another one by now, nothing is accepted (409): a guest is not made a member unawares, because a
    /// member's own organisations come before all others.
    pub membership: Option<OrganizationRole>,
}
