//! Roots of forges and platforms that organisations own: whose identities act for an organisation where
//! they name none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Name;

/// The longest root, in bytes.
const MAX_ROOT: usize = 500;

/// A text that names no root, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a valid root: {reason}. A root is github:OWNER, gitlab:HOST/GROUP, aws:ACCOUNT or \
     kubernetes:ISSUER"
)]
pub struct InvalidRoot {
    given: String,
    reason: &'static str,
}

/// What issues identities to one owner alone.
///
/// Names that the forge compares without regard to case are kept in lower case, so that two texts are equal
/// where they mean the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForgeRoot {
    /// An owner on GitHub: `github:acme`.
    Github(String),
    /// A group on a GitLab, with the groups in it: `gitlab:gitlab.com/acme`.
    Gitlab(String),
    /// An account of AWS: `aws:123456789012`.
    Aws(String),
    /// A cluster, by its issuer: `kubernetes:https://k8s.acme.example`.
    Kubernetes(String),
}

impl ForgeRoot {
    /// What stands before the colon.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Github(_) => "github",
            Self::Gitlab(_) => "gitlab",
            Self::Aws(_) => "aws",
            Self::Kubernetes(_) => "kubernetes",
        }
    }

    /// What stands behind the colon.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::Github(value)
            | Self::Gitlab(value)
            | Self::Aws(value)
            | Self::Kubernetes(value) => value,
        }
    }
}

impl FromStr for ForgeRoot {
    type Err = InvalidRoot;

    fn from_str(text: &str) -> Result<Self, InvalidRoot> {
        let invalid = |reason| InvalidRoot {
            given: text.chars().take(80).collect(),
            reason,
        };
        let (kind, value) = text
            .split_once(':')
            .ok_or_else(|| invalid("it does not name a forge"))?;
        if value.is_empty() || text.len() > MAX_ROOT || !value.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(invalid("the text after the colon is not a valid name"));
        }
        let words = |text: &str, more: &[u8]| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
            !text.is_empty() && text.bytes().all(allowed)
        };
        match kind {
            "github" if words(value, b"-_") => Ok(Self::Github(value.to_ascii_lowercase())),
            "github" => Err(invalid(
                "an owner on GitHub has letters, digits and hyphens",
            )),
            "gitlab" => {
                let (host, group) = value
                    .split_once('/')
                    .ok_or_else(|| invalid("the group is missing"))?;
                let segments = |group: &str| group.split('/').all(|part| words(part, b"-_."));
                if !words(host, b"-.:") || !segments(group) {
                    return Err(invalid("a host and a group are needed"));
                }
                Ok(Self::Gitlab(value.to_ascii_lowercase()))
            }
            "aws" if value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self::Aws(value.to_owned()))
            }
            "aws" => Err(invalid("an account of AWS has 12 digits")),
            "kubernetes" if value.starts_with("https://") || value.starts_with("http://") => {
                Ok(Self::Kubernetes(value.to_owned()))
            }
            "kubernetes" => Err(invalid("an issuer is an address")),
            _ => Err(invalid("that forge is not known")),
        }
    }
}

impl fmt::Display for ForgeRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.kind(), self.value()))
    }
}

/// `POST /api/v1/orgs/{org}/roots`. An owner of the organisation requests it; a server administrator, with a
/// token that reaches everything, confirms it, or creates it confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OwnRoot {
    /// The root that the organisation says is its own.
    pub root: ForgeRoot,
}

/// A root that an organisation owns, or says that it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RootInfo {
    /// The organisation that owns it, or says so.
    pub organization: Name,
    /// The root, in the one way it is written.
    pub root: ForgeRoot,
    /// GitHub's number of the owner, remembered at the first use: a later owner of the name has another one.
    #[serde(default)]
    pub owner_id: Option<String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
    /// By whom, where the account is there still.
    #[serde(default)]
    pub requested_by: Option<Name>,
    /// When a server administrator confirmed it; until then it has no effect.
    #[serde(with = "time::serde::rfc3339::option")]
    pub confirmed_at: Option<OffsetDateTime>,
}

/// `GET /api/v1/orgs/{org}/roots`, for the organisation's administrators and for server administrators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RootList {
    /// The organisation's roots, sorted by their text.
    pub roots: Vec<RootInfo>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_read_and_written_alike() {
        for (text, written) in [
            ("github:Acme", "github:acme"),
            (
                "gitlab:GitLab.com/Acme/Sub.x",
                "gitlab:gitlab.com/acme/sub.x",
            ),
            (
                "gitlab:git.acme.example:8443/acme",
                "gitlab:git.acme.example:8443/acme",
            ),
            ("aws:123456789012", "aws:123456789012"),
            (
                "kubernetes:https://k8s.acme.example/Cluster",
                "kubernetes:https://k8s.acme.example/Cluster",
            ),
        ] {
            let root: ForgeRoot = text.parse().unwrap();
            assert_eq!(root.to_string(), written);
            assert_eq!(written.parse::<ForgeRoot>().unwrap(), root);
        }
    }

    #[test]
    fn what_names_no_owner_is_no_root() {
        for text in [
            "",
            "acme",
            "github:",
            "github:acme/app",
            "github:*",
            "gitlab:gitlab.com",
            "gitlab:gitlab.com/",
            "gitlab:gitlab.com//acme",
            "gitlab:/acme",
            "gitlab:gitlab.com/acme*",
            "aws:1234",
            "aws:12345678901x",
            "kubernetes:k8s.acme.example",
            "kubernetes:https://k8s acme",
            "bitbucket:acme",
        ] {
            assert!(text.parse::<ForgeRoot>().is_err(), "{text}");
        }
        let long = format!("kubernetes:https://{}", "x".repeat(MAX_ROOT));
        assert!(long.parse::<ForgeRoot>().is_err());
    }
}
