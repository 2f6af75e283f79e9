//! What a push goes to: a flake, or a cache of an attic server.

use std::fmt;
use std::str::FromStr;

use fh_api::FlakeName;
use uuid::Uuid;

/// The longest name that attic takes (`attic/src/cache.rs`, `CACHE_NAME_REGEX`).
const LONGEST: usize = 50;

/// The name of a cache on a server that speaks attic's protocol.
///
/// Attic: 1 to 50 of the characters `A-Z a-z 0-9 - _ +`, beginning with a letter or a digit.
/// FlakeHub Cache: `<organisation's UUID>:<project's UUID>`. Neither holds anything that would have to be escaped in a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheName(String);

impl CacheName {
    /// The cache of a project on FlakeHub.
    #[must_use]
    pub fn of_project(organization: Uuid, project: Uuid) -> Self {
        Self(format!("{organization}:{project}"))
    }

    /// The name, as it stands in addresses.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CacheName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for CacheName {
    type Err = InvalidCacheName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() <= LONGEST
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+'));
        let of_project = || {
            let (organization, project) = text.split_once(':')?;
            let uuid = |text: &str| text.len() == 36 && Uuid::try_parse(text).is_ok();
            (uuid(organization) && uuid(project)).then_some(())
        };
        if plain || of_project().is_some() {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidCacheName)
        }
    }
}

/// A text that is no name of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cache's name has 1 to 50 of the characters A-Z a-z 0-9 - _ +, beginning with a letter or a digit"
)]
pub struct InvalidCacheName;

/// What the first argument of a push names, told apart by the slash that only a flake has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushTarget {
    /// `org/project`, on an fh server or on FlakeHub.
    Flake(FlakeName),
    /// A cache of an attic server.
    Cache(CacheName),
}

impl fmt::Display for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flake(flake) => flake.fmt(f),
            Self::Cache(cache) => cache.fmt(f),
        }
    }
}

impl FromStr for PushTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What stands here when the two arguments are swapped.
        let is_path = text.starts_with(['/', '.', '~']) || text.contains('#');
        if is_path {
            return Err(
                "this names something to push, and the flake comes first: `fh push ORG/PROJECT PATH`"
                    .to_owned(),
            );
        }
        if text.contains('/') {
            return text
                .parse()
                .map(Self::Flake)
                .map_err(|error: <FlakeName as FromStr>::Err| error.to_string());
        }
        text.parse().map(Self::Cache).map_err(|error: InvalidCacheName| {
            format!("a flake is ORG/PROJECT, with a slash; and as the name of a cache on an attic server: {error}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_attic_takes() {
        let longest = "a".repeat(50);
        for good in ["main", "A", "9-_+", "team+shared", longest.as_str()] {
            assert_eq!(good.parse::<CacheName>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(51);
        for bad in [
            "",
            "-a",
            "+a",
            "a.b",
            "a b",
            "a:b",
            "a%2fb",
            "ä",
            "..",
            too_long.as_str(),
        ] {
            assert!(bad.parse::<CacheName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_pushed_does_not_stand_before_the_flake() {
        for swapped in [
            "/nix/store/x-y",
            "./result",
            "result/../x#y",
            ".#app",
            "~/result",
            "nixpkgs#hello",
        ] {
            let error = swapped.parse::<PushTarget>().unwrap_err();
            assert!(
                error.contains("the flake comes first"),
                "{swapped}: {error}"
            );
        }
    }

    #[test]
    fn a_project_of_flakehub_is_a_name_too() {
        let uuid: Uuid = "0190aabb-0000-7000-8000-00000000000a".parse().unwrap();
        let name = CacheName::of_project(uuid, uuid);
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        assert_eq!(name.as_str().len(), 73);
    }

    #[test]
    fn the_slash_tells_a_flake_from_a_cache() {
        assert!(matches!("acme/app".parse(), Ok(PushTarget::Flake(_))));
        assert!(matches!("acme".parse(), Ok(PushTarget::Cache(_))));
        for bad in ["acme/", "/app", "a/b/c", "", "a b"] {
            assert!(bad.parse::<PushTarget>().is_err(), "{bad:?}");
        }
    }
}
