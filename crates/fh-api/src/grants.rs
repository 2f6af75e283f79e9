//! Grants: who may do what on a flake, or on every flake of an organisation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{FlakePattern, InvalidName, Name, Role};

/// Whom a grant is given to. As text: `ann` or `user:ann`, `team:builders`, `@members`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An account, a person's or a service's.
    User(Name),
    /// A team of the organisation.
    Team(Name),
    /// Every member of the organisation.
    Members,
}

/// How [`Subject::Members`] is written. No name begins like that.
const MEMBERS: &str = "@members";

impl Subject {
    /// What two subjects have in common when they are the same.
    #[must_use]
    pub fn folded(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl FromStr for Subject {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text == MEMBERS {
            return Ok(Self::Members);
        }
        if let Some(team) = text.strip_prefix("team:") {
            return Ok(Self::Team(team.parse()?));
        }
        Ok(Self::User(
            text.strip_prefix("user:").unwrap_or(text).parse()?,
        ))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.pad(name.as_str()),
            Self::Team(name) => f.pad(&format!("team:{name}")),
            Self::Members => f.pad(MEMBERS),
        }
    }
}

/// `PUT /api/v1/flakes/{org}/{project}/grants/{subject}` and `PUT /api/v1/orgs/{org}/grants/{subject}`:
/// sets the role, whatever it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGrant {
    /// The role to hold from now on.
    pub role: Role,
}

/// A grant, as the lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GrantInfo {
    /// Whom it was given to.
    pub subject: Subject,
    /// On what: `org/project`, or `org/*` for every flake of the organisation.
    pub on: FlakePattern,
    /// The role that its holder has by it.
    pub role: Role,
    /// It has no effect yet: the account does not belong to the organisation and has not accepted its
    /// invitation. A guest of the organisation also sees this for accounts that belong there.
    #[serde(default)]
    pub pending: bool,
    /// Since when it is in effect, or offered.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The other role that this one was set in place of; only in the answer to setting it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Role>,
}

/// `GET /api/v1/flakes/{org}/{project}/grants`, for administrators of the flake, and
/// `GET /api/v1/orgs/{org}/grants`, for those of the organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GrantList {
    /// Accounts, then teams, then all members, each sorted by name.
    pub grants: Vec<GrantInfo>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_written_as_they_are_read() {
        for text in ["ann", "team:builders", "@members"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        assert_eq!(
            "user:ann".parse(),
            Ok(Subject::User("ann".parse().unwrap()))
        );
        // A user may be called so.
        assert_eq!(
            "members".parse(),
            Ok(Subject::User("members".parse().unwrap()))
        );
        for bad in ["", "@all", "team:", "team:a/b", "user:user:ann", "a:b"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }
}
