//! Follows: which public flakes stand in the view of the root address, in which order.

use serde::{Deserialize, Serialize};

use crate::{FlakePattern, Name};

/// `GET /api/v1/follows`: what the caller follows; `?org=ORG`: what an organisation follows for its members;
/// `?everybody=true`: what the server's administrator has put into everybody's view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FollowList {
    /// `org/project` or `org/*`. If several have a path, the earlier one is used. Only public flakes count: one
    /// that is private or deleted by now is listed, but has no effect.
    pub follows: Vec<FlakePattern>,
}

/// `PUT /api/v1/follows`: sets a whole list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetFollows {
    /// The list as it is to be.
    pub follows: Vec<FlakePattern>,
    /// The list as the caller has seen it. Where it is another one by now, nothing is changed (409).
    pub before: Vec<FlakePattern>,
    /// That of this organisation, for its owners, in place of the caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Name>,
    /// Everybody's, for server administrators.
    #[serde(default)]
    pub everybody: bool,
}
