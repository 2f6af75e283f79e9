//! Why somebody can read a path, or cannot.

use serde::{Deserialize, Serialize};

use crate::{FlakeName, Name, OrganizationRole, Role, Subject, Visibility};

/// `GET /api/v1/access?path=PATH[&user=NAME]`: which slices hold a path and who reads them by what.
///
/// Only slices that the caller may know of stand here: for somebody else (`user`) and for everybody's
/// grants, those that the caller administers; for the caller alone, those of their view. Without a
/// `user` it tells of everybody where the caller administers a flake that holds the path, else of the
/// caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccessExplanation {
    /// The base name, where the caller may know it, else the hash that was asked for.
    pub path: String,
    /// Of whom this tells; none: of everybody.
    pub user: Option<Name>,
    /// Whether they can read the path, by the slices that stand here; of everybody: whether anybody
    /// without a token can. An unlisted flake counts: who names it reads it.
    pub readable: bool,
    /// The slices that hold it.
    pub slices: Vec<SliceAccess>,
    /// How the caller's token narrows what they see, one sentence each.
    pub narrowed_by: Vec<String>,
    /// That slices of the caller's own view disagree about the path's content; none where they agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disputed: Option<Disputed>,
    /// What it comes to, for a person.
    pub message: String,
}

/// Which slices of a view say what of a path about which they disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Disputed {
    /// Those whose content is served at the root address, sorted. None: nobody can tell which is right, or the
    /// right one was left out, and the path is served only where an organisation or a flake is named.
    pub served: Vec<FlakeName>,
    /// Those that have another content, sorted.
    pub others: Vec<FlakeName>,
    /// Those that have left another content out, because the key of another cache has signed it, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<FlakeName>,
}

impl Disputed {
    /// What it comes to for the reader, for a person.
    #[must_use]
    pub fn told(&self) -> String {
        let list = |flakes: &[FlakeName]| {
            let names: Vec<String> = flakes.iter().map(ToString::to_string).collect();
            names.join(", ")
        };
        let (others, left_out) = (list(&self.others), list(&self.left_out));
        let by_name = match self.others.first() {
            Some(flake) => format!("/cache/{flake}"),
            None => "/cache/ORG/PROJECT".to_owned(),
        };
        match (self.served.is_empty(), self.left_out.is_empty()) {
            (true, true) => format!(
                "The flakes that you read disagree about its content ({others}), and none of them has \
                 priority: at the root address it is not served. Name the one that you trust, \
                 such as {by_name}."
            ),
            (true, false) if self.others.is_empty() => format!(
                "None of the flakes that you read has its content: {left_out} left it out, because the key of \
                 another cache has signed it."
            ),
            (true, false) => format!(
                "The flakes that you read disagree about its content: {left_out} left it out, because the key \
                 of another cache has signed it, and {others} has another content than that. At the root \
                 address it is not served. What {others} has is at {by_name}."
            ),
            (false, _) => self.told_as_served(&list(&self.served), &others, &left_out, &by_name),
        }
    }

    fn told_as_served(&self, served: &str, others: &str, left_out: &str, by_name: &str) -> String {
        let before = if self.others.is_empty() {
            ".".to_owned()
        } else {
            format!(
                ", which comes before {others} by proof, by your order, or because a builder pushed it. The \
                 other content is at {by_name}."
            )
        };
        let elsewhere = if self.left_out.is_empty() {
            String::new()
        } else {
            format!(
                " {left_out} left another content out, because the key of another cache has signed it, and does \
                 not have it."
            )
        };
        format!(
            "The flakes that you read disagree about its content: you are served what {served} \
             has{before}{elsewhere}"
        )
    }
}

/// A slice that holds a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SliceAccess {
    /// The flake whose slice this is.
    pub flake: FlakeName,
    /// Who may read it without a grant.
    pub visibility: Visibility,
    /// Of the slices that stand here, the one that the person is served from who names no flake.
    pub served: bool,
    /// What lets somebody read it.
    pub reasons: Vec<AccessReason>,
}

/// One thing that lets somebody read a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccessReason {
    /// What it is: `visibility`, `grant`, `membership` or `trust policy`.
    pub by: String,
    /// Whom it was given to; absent for all but grants.
    pub subject: Option<Subject>,
    /// What the members are, for a membership: `owner` or `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<OrganizationRole>,
    /// The policy that lets workloads in, for a trust policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_policy: Option<Name>,
    /// The role that it gives; none where it only lets read.
    pub role: Option<Role>,
    /// Whether it is on the whole organisation.
    pub organization_wide: bool,
    /// Accounts that hold it by this, sorted; at most 100 of them.
    pub users: Vec<Name>,
}
