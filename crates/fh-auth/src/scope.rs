//! How far a token is narrowed, and the rule that a minted token is never wider than its parent.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fh_api::{FlakePattern, Network, Permission};
use fh_nix::{PublicKey, StorePath};

/// Why a token may not be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The minting token lacks the permission `mint`.
    #[error("this token lacks the permission \"mint\"")]
    MayNotMint,
    /// A permission that the minting token does not have.
    #[error("this token lacks the permission \"{0}\", so it cannot grant it")]
    Permission(Permission),
    /// Flakes that the minting token does not reach.
    #[error("this token does not reach {0}, so it cannot grant that")]
    Flakes(FlakePattern),
    /// A public key whose signatures do not open anything to the minting token.
    #[error("this token reads only what other keys have signed, so it cannot grant {0}")]
    SignedBy(Box<PublicKey>),
    /// A network from which the minting token may not be used.
    #[error("this token may not be used from {0}, so it cannot grant that")]
    Network(Network),
    /// A token for some paths only that could do more than read them.
    #[error(
        "a token that reads only certain paths can have the permissions read and mint, not \"{0}\""
    )]
    NotForPaths(Permission),
    /// A token that could do nothing.
    #[error("a token needs at least one {0}")]
    Empty(&'static str),
}

/// How a new token is to be narrower than the one that it is minted with. What is `None` stays as
/// it is there; permissions are `pull` alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// What it may be used for.
    pub permissions: Option<Vec<Permission>>,
    /// Which flakes it reaches.
    pub flakes: Option<Vec<FlakePattern>>,
    /// Paths whose closures alone it reads.
    pub closures: Option<Vec<StorePath>>,
    /// Keys of which one must have signed what it reads.
    pub signed_by: Option<Vec<PublicKey>>,
    /// Networks from which alone it may be used.
    pub networks: Option<Vec<Network>>,
}

/// What a token may be used for, on which flakes, on which of their paths and from where.
///
/// A limit that is `None` is none; one that is empty lets nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenScope {
    permissions: BTreeSet<Permission>,
    flakes: Vec<FlakePattern>,
    closures: Option<Vec<StorePath>>,
    signed_by: Option<Vec<PublicKey>>,
    networks: Option<Vec<Network>>,
}

impl TokenScope {
    /// A scope as it was stored, without limits on paths and networks. Empty parts allow nothing.
    #[must_use]
    pub fn new(
        permissions: impl IntoIterator<Item = Permission>,
        flakes: impl IntoIterator<Item = FlakePattern>,
    ) -> Self {
        Self {
            permissions: permissions.into_iter().collect(),
            flakes: sorted(flakes),
            closures: None,
            signed_by: None,
            networks: None,
        }
    }

    /// The same, reading the closures of these paths alone.
    #[must_use]
    pub fn with_closures(mut self, closures: Option<Vec<StorePath>>) -> Self {
        self.closures = closures.map(sorted);
        self
    }

    /// The same, reading only what one of these keys has signed.
    #[must_use]
    pub fn with_signed_by(mut self, keys: Option<Vec<PublicKey>>) -> Self {
        self.signed_by = keys;
        self
    }

    /// The same, good in these networks alone.
    #[must_use]
    pub fn with_networks(mut self, networks: Option<Vec<Network>>) -> Self {
        self.networks = networks.map(sorted);
        self
    }

    /// Every permission on every flake: that of the first administrator's token.
    #[must_use]
    pub fn unrestricted() -> Self {
        Self::new(
            [
                Permission::Pull,
                Permission::Push,
                Permission::Mint,
                Permission::Admin,
            ],
            [FlakePattern::All],
        )
    }

    /// What the token may be used for, sorted.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> + '_ {
        self.permissions.iter().copied()
    }

    /// The flakes that it reaches, sorted.
    #[must_use]
    pub fn flakes(&self) -> &[FlakePattern] {
        &self.flakes
    }

    /// The paths whose closures alone it reads, sorted.
    #[must_use]
    pub fn closures(&self) -> Option<&[StorePath]> {
        self.closures.as_deref()
    }

    /// The keys of which one must have signed what it reads.
    #[must_use]
    pub fn signed_by(&self) -> Option<&[PublicKey]> {
        self.signed_by.as_deref()
    }

    /// The networks from which alone it may be used, sorted.
    #[must_use]
    pub fn networks(&self) -> Option<&[Network]> {
        self.networks.as_deref()
    }

    /// Whether it reads less than whole slices.
    #[must_use]
    pub fn is_for_certain_paths(&self) -> bool {
        self.closures.is_some() || self.signed_by.is_some()
    }

    /// Whether the token may be used from an address; `None` is one that is not known.
    #[must_use]
    pub fn usable_from(&self, address: Option<IpAddr>) -> bool {
        self.networks.as_ref().is_none_or(|networks| {
            address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
        })
    }

    /// Whether the token may be used for this at all.
    #[must_use]
    pub fn allows(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// Whether the token reaches this flake.
    #[must_use]
    pub fn reaches(&self, org: &str, project: &str) -> bool {
        self.flakes
            .iter()
            .any(|pattern| pattern.matches(org, project))
    }

    /// Whether the token reaches every flake there is or will be.
    #[must_use]
    pub fn reaches_all(&self) -> bool {
        self.flakes.contains(&FlakePattern::All)
    }

    /// The scope of a token minted with this one: what was asked for where that is no more than this
    /// holds. Whether the paths whose closures are asked for can be read with this token is for the
    /// caller to see to.
    ///
    /// # Errors
    /// Says the first thing that would be wider.
    pub fn narrow(&self, asked: Narrowing) -> Result<Self, ScopeError> {
        if !self.allows(Permission::Mint) {
            return Err(ScopeError::MayNotMint);
        }
        self.restrict(asked)
    }

    /// As [`Self::narrow`], where the permission to mint does not matter: the issuer is the server
    /// itself.
    ///
    /// # Errors
    /// Says the first thing that would be wider.
    pub fn restrict(&self, asked: Narrowing) -> Result<Self, ScopeError> {
        let permissions = asked.permissions.unwrap_or(vec![Permission::Pull]);
        if permissions.is_empty() {
            return Err(ScopeError::Empty("permission"));
        }
        if let Some(wider) = permissions
            .iter()
            .find(|permission| !self.allows(**permission))
        {
            return Err(ScopeError::Permission(*wider));
        }
        let flakes = asked.flakes.unwrap_or_else(|| self.flakes.clone());
        if flakes.is_empty() {
            return Err(ScopeError::Empty("flake"));
        }
        let reached = |asked: &FlakePattern| self.flakes.iter().any(|mine| mine.includes(asked));
        if let Some(wider) = flakes.iter().find(|asked| !reached(asked)) {
            return Err(ScopeError::Flakes(wider.clone()));
        }
        let closures = given(asked.closures, "path")?.or_else(|| self.closures.clone());
        let signed_by = given(asked.signed_by, "public key")?;
        if let (Some(mine), Some(asked)) = (&self.signed_by, &signed_by)
            && let Some(wider) = asked.iter().find(|key| !mine.contains(key))
        {
            return Err(ScopeError::SignedBy(Box::new(wider.clone())));
        }
        let networks = given(asked.networks, "network")?;
        if let (Some(mine), Some(asked)) = (&self.networks, &networks)
            && let Some(wider) = asked.iter().find(|asked| !any_includes(mine, asked))
        {
            return Err(ScopeError::Network(*wider));
        }
        let scope = Self::new(permissions, flakes)
            .with_closures(closures)
            .with_signed_by(signed_by.or_else(|| self.signed_by.clone()))
            .with_networks(networks.or_else(|| self.networks.clone()));
        if scope.is_for_certain_paths()
            && let Some(more) = scope
                .permissions()
                .find(|permission| matches!(permission, Permission::Push | Permission::Admin))
        {
            return Err(ScopeError::NotForPaths(more));
        }
        Ok(scope)
    }

    /// Whether everything that `other` allows is allowed by this scope, as far as the two tell by
    /// themselves: one closure within another is not seen.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.permissions.is_subset(&self.permissions)
            && other
                .flakes
                .iter()
                .all(|asked| self.flakes.iter().any(|mine| mine.includes(asked)))
            && within(&self.closures, &other.closures, <[_]>::contains)
            && within(&self.signed_by, &other.signed_by, <[_]>::contains)
            && within(&self.networks, &other.networks, any_includes)
    }
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let items: BTreeSet<T> = items.into_iter().collect();
    items.into_iter().collect()
}

/// A limit that was asked for and is not empty.
fn given<T>(limit: Option<Vec<T>>, what: &'static str) -> Result<Option<Vec<T>>, ScopeError> {
    match limit {
        Some(items) if items.is_empty() => Err(ScopeError::Empty(what)),
        other => Ok(other),
    }
}

fn any_includes(mine: &[Network], asked: &Network) -> bool {
    mine.iter().any(|network| network.includes(asked))
}

/// Whether a limit lets no more through than mine.
fn within<T>(
    mine: &Option<Vec<T>>,
    theirs: &Option<Vec<T>>,
    held: impl Fn(&[T], &T) -> bool,
) -> bool {
    match (mine, theirs) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(mine), Some(theirs)) => theirs.iter().all(|asked| held(mine, asked)),
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern() -> impl Strategy<Value = FlakePattern> {
        prop_oneof![
            Just("*"),
            Just("acme/*"),
            Just("other/*"),
            Just("acme/app"),
            Just("acme/lib"),
            Just("other/app"),
        ]
        .prop_map(|text| text.parse().unwrap())
    }

    fn permissions() -> impl Strategy<Value = Vec<Permission>> {
        let all = [
            Permission::Pull,
            Permission::Push,
            Permission::Mint,
            Permission::Admin,
        ];
        proptest::sample::subsequence(all.to_vec(), 0..=4)
    }

    proptest! {
        #[test]
        fn a_minted_scope_is_never_wider(
            mine in (permissions(), proptest::collection::vec(pattern(), 0..4)),
            asked in proptest::option::of(permissions()),
            flakes in proptest::option::of(proptest::collection::vec(pattern(), 0..4)),
        ) {
            let scope = TokenScope::new(mine.0, mine.1);
            let asked = Narrowing { permissions: asked, flakes, ..Narrowing::default() };
            if let Ok(minted) = scope.narrow(asked) {
                prop_assert!(scope.includes(&minted));
                for (org, project) in [("acme", "app"), ("acme", "lib"), ("other", "app"), ("x", "y")] {
                    prop_assert!(!minted.reaches(org, project) || scope.reaches(org, project));
                }
            }
        }
    }

    #[test]
    fn nothing_said_means_pull_on_what_the_parent_reaches() {
        let parent = TokenScope::new(
            [Permission::Pull, Permission::Mint],
            ["acme/*".parse().unwrap()],
        );
        let minted = parent.narrow(Narrowing::default()).unwrap();
        assert_eq!(minted.permissions().collect::<Vec<_>>(), [Permission::Pull]);
        assert!(minted.reaches("ACME", "app") && !minted.reaches("other", "app"));
        assert_eq!(
            minted.narrow(Narrowing::default()),
            Err(ScopeError::MayNotMint)
        );
        assert_eq!(
            parent.narrow(permissions_of(&[Permission::Push])),
            Err(ScopeError::Permission(Permission::Push))
        );
    }

    fn permissions_of(permissions: &[Permission]) -> Narrowing {
        Narrowing {
            permissions: Some(permissions.to_vec()),
            ..Narrowing::default()
        }
    }

    fn key(name: &str, byte: u8) -> PublicKey {
        fh_nix::SecretKey::from_seed(name, [byte; 32])
            .unwrap()
            .public()
    }

    #[test]
    fn limits_are_inherited_and_can_only_be_tightened() {
        let path: StorePath = "00000000000000000000000000000000-a".parse().unwrap();
        let parent = TokenScope::unrestricted()
            .restrict(Narrowing {
                closures: Some(vec![path.clone()]),
                signed_by: Some(vec![key("k", 1), key("l", 2)]),
                networks: Some(vec!["10.0.0.0/8".parse().unwrap()]),
                permissions: Some(vec![Permission::Pull, Permission::Mint]),
                ..Narrowing::default()
            })
            .unwrap();
        let child = parent.narrow(Narrowing::default()).unwrap();
        assert!(parent.includes(&child) && child.is_for_certain_paths());
        assert_eq!(child.closures(), Some(&[path][..]));
        assert!(child.usable_from(Some("10.1.2.3".parse().unwrap())));
        assert!(!child.usable_from(Some("192.0.2.1".parse().unwrap())));
        assert!(!child.usable_from(None), "an address that is not known");
        let refused = |asked| parent.narrow(asked).unwrap_err();
        assert_eq!(
            refused(Narrowing {
                signed_by: Some(vec![key("k", 3)]),
                ..Narrowing::default()
            }),
            ScopeError::SignedBy(Box::new(key("k", 3))),
            "the name is not the key"
        );
        assert_eq!(
            refused(Narrowing {
                networks: Some(vec!["10.0.0.0/7".parse().unwrap()]),
                ..Narrowing::default()
            }),
            ScopeError::Network("10.0.0.0/7".parse().unwrap())
        );
        assert_eq!(
            refused(Narrowing {
                networks: Some(Vec::new()),
                ..Narrowing::default()
            }),
            ScopeError::Empty("network")
        );
        assert!(!parent.includes(&TokenScope::unrestricted()));
        assert!(TokenScope::unrestricted().includes(&parent));
    }

    #[test]
    fn a_token_for_certain_paths_only_reads() {
        let asked = Narrowing {
            signed_by: Some(vec![key("k", 1)]),
            ..permissions_of(&[Permission::Pull, Permission::Push])
        };
        assert_eq!(
            TokenScope::unrestricted().narrow(asked),
            Err(ScopeError::NotForPaths(Permission::Push))
        );
    }
}
