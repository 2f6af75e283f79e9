//! Names of organisations, projects and users, and the patterns that tokens use for flakes.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
pub(crate) const MAX_NAME: usize = 64;

/// A name or a pattern that cannot be one, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} {reason}")]
pub struct InvalidName {
    given: String,
    reason: &'static str,
}

impl InvalidName {
    fn new(given: &str, reason: &'static str) -> Self {
        // A hostile name must not fill a log line.
        Self {
            given: given.chars().take(80).collect(),
            reason,
        }
    }
}

/// The name of an organisation, a project or a user.
///
/// 1 to 64 bytes of ASCII letters, digits, `-`, `_` and `.`; the first is a letter or a digit, so
/// that no name is a relative path, an option or hidden. Case is kept, and compared without it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two names have in common when they are the same name.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let reason = if text.is_empty() {
            "is empty: a name must have at least one letter or digit"
        } else if text.len() > MAX_NAME {
            "is too long: a name has at most 64 characters"
        } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            "is not a valid name: the first character must be a letter or a digit"
        } else if !text.bytes().all(is_allowed) {
            "is not a valid name: only letters, digits, '-', '_' and '.' are allowed"
        } else if text.contains("..") {
            "is not a valid name: it must not contain '..'"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(InvalidName::new(text, reason))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `org/project`: what access is granted on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlakeName {
    /// The organisation that the flake belongs to.
    pub org: Name,
    /// The flake's name within its organisation.
    pub project: Name,
}

impl FlakeName {
    /// What two names have in common when they name the same flake.
    #[must_use]
    pub fn folded(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl FromStr for FlakeName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let Some((org, project)) = text.split_once('/') else {
            return Err(InvalidName::new(
                text,
                "is not a valid flake: write it as ORG/PROJECT",
            ));
        };
        Ok(Self {
            org: org.parse()?,
            project: project.parse()?,
        })
    }
}

impl fmt::Display for FlakeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.org, self.project))
    }
}

/// Which flakes a token reaches: `acme/app`, `acme/*` (all of an organisation) or `*` (all).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlakePattern {
    /// Every flake there is or will be: `*`.
    All,
    /// Every flake of one organisation: `org/*`.
    Organization(Name),
    /// One flake alone: `org/project`.
    Flake(FlakeName),
}

impl FlakePattern {
    /// What two patterns have in common when they are the same pattern.
    #[must_use]
    pub fn folded(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }

    /// Whether the pattern reaches this flake. Case does not count.
    #[must_use]
    pub fn matches(&self, org: &str, project: &str) -> bool {
        match self {
            Self::All => true,
            Self::Organization(name) => name.as_str().eq_ignore_ascii_case(org),
            Self::Flake(flake) => {
                flake.org.as_str().eq_ignore_ascii_case(org)
                    && flake.project.as_str().eq_ignore_ascii_case(project)
            }
        }
    }

    /// The organisation whose flakes it reaches; none for all.
    #[must_use]
    pub fn organization(&self) -> Option<&Name> {
        match self {
            Self::All => None,
            Self::Organization(org) => Some(org),
            Self::Flake(flake) => Some(&flake.org),
        }
    }

    /// Whether everything that `other` reaches is reached by this pattern too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (_, Self::All) | (Self::Flake(_), Self::Organization(_)) => false,
            (Self::Organization(mine), Self::Organization(theirs)) => {
                mine.folded() == theirs.folded()
            }
            (_, Self::Flake(flake)) => self.matches(flake.org.as_str(), flake.project.as_str()),
        }
    }
}

impl FromStr for FlakePattern {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text == "*" || text == "*/*" {
            return Ok(Self::All);
        }
        match text.strip_suffix("/*") {
            Some(org) => Ok(Self::Organization(org.parse()?)),
            None => Ok(Self::Flake(text.parse()?)),
        }
    }
}

impl fmt::Display for FlakePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.pad("*"),
            Self::Organization(org) => f.pad(&format!("{org}/*")),
            Self::Flake(flake) => fmt::Display::fmt(flake, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in [
            "", ".", "..", "a..b", "../etc", "a/b", "-x", "_x", "a b", "a\nb", "ä", "a%2f",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(65).parse::<Name>().is_err());
        assert!("x".repeat(64).parse::<Name>().is_ok());
        for good in ["acme", "Acme-2", "a.b_c", "0"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["acme", "acme/", "/app", "acme/app/x", "acme/../x", "acme/*"] {
            assert!(bad.parse::<FlakeName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn case_does_not_count() {
        let name: Name = "Acme.Two".parse().unwrap();
        assert_eq!(name.folded(), "acme.two");
        let flake: FlakeName = "Acme/App-1".parse().unwrap();
        assert_eq!(flake.folded(), "acme/app-1");
        for (text, folded) in [("Acme/App", "acme/app"), ("ACME/*", "acme/*"), ("*", "*")] {
            let pattern: FlakePattern = text.parse().unwrap();
            assert_eq!(pattern.folded(), folded);
        }
    }

    #[test]
    fn patterns_include_what_they_match() {
        let pattern = |text: &str| text.parse::<FlakePattern>().unwrap();
        assert!(pattern("*").includes(&pattern("acme/*")));
        assert!(pattern("acme/*").includes(&pattern("ACME/app")));
        assert!(!pattern("acme/*").includes(&pattern("*")));
        assert!(!pattern("acme/app").includes(&pattern("acme/*")));
        assert!(!pattern("acme/app").includes(&pattern("acme/other")));
        assert!(pattern("acme/*").matches("acme", "app"));
        assert!(!pattern("acme/*").matches("acme2", "app"));
        assert_eq!(pattern("acme/*").to_string(), "acme/*");
    }
}
