//! How far a token is narrowed, and the rule that a minted token is never wider than its parent.

use std::collections::BTreeSet;

use fh_api::{FlakePattern, Permission};

/// Why a token may not be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The minting token lacks the permission `mint`.
    #[error("this token lacks the permission \"mint\"")]
    MayNotMint,
    /// A permission that the minting token does not have.
    #[error("this token lacks the permission \"{0}\", so it cannot give it away")]
    Permission(Permission),
    /// Flakes that the minting token does not reach.
    #[error("this token does not reach {0}, so it cannot give that away")]
    Flakes(FlakePattern),
    /// A token that could do nothing.
    #[error("a token needs at least one {0}")]
    Empty(&'static str),
}

/// What a token may be used for, and on which flakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenScope {
    permissions: BTreeSet<Permission>,
    flakes: Vec<FlakePattern>,
}

impl TokenScope {
    /// A scope as it was stored. Empty parts allow nothing.
    #[must_use]
    pub fn new(
        permissions: impl IntoIterator<Item = Permission>,
        flakes: impl IntoIterator<Item = FlakePattern>,
    ) -> Self {
        let mut flakes: Vec<_> = flakes.into_iter().collect();
        flakes.sort();
        flakes.dedup();
        Self {
            permissions: permissions.into_iter().collect(),
            flakes,
        }
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

    /// The permissions, sorted.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> + '_ {
        self.permissions.iter().copied()
    }

    /// The flakes that it reaches, sorted.
    #[must_use]
    pub fn flakes(&self) -> &[FlakePattern] {
        &self.flakes
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
    /// holds. `None` asks for pull alone, and for all flakes that this one reaches.
    ///
    /// # Errors
    /// Says the first thing that would be wider.
    pub fn narrow(
        &self,
        permissions: Option<&[Permission]>,
        flakes: Option<&[FlakePattern]>,
    ) -> Result<Self, ScopeError> {
        if !self.allows(Permission::Mint) {
            return Err(ScopeError::MayNotMint);
        }
        let permissions = permissions.unwrap_or(&[Permission::Pull]);
        if permissions.is_empty() {
            return Err(ScopeError::Empty("permission"));
        }
        if let Some(wider) = permissions
            .iter()
            .find(|permission| !self.allows(**permission))
        {
            return Err(ScopeError::Permission(*wider));
        }
        let flakes = flakes.unwrap_or(&self.flakes);
        if flakes.is_empty() {
            return Err(ScopeError::Empty("flake"));
        }
        let reached = |asked: &FlakePattern| self.flakes.iter().any(|mine| mine.includes(asked));
        if let Some(wider) = flakes.iter().find(|asked| !reached(asked)) {
            return Err(ScopeError::Flakes(wider.clone()));
        }
        Ok(Self::new(
            permissions.iter().copied(),
            flakes.iter().cloned(),
        ))
    }

    /// Whether everything that `other` allows is allowed by this scope.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.permissions.is_subset(&self.permissions)
            && other
                .flakes
                .iter()
                .all(|asked| self.flakes.iter().any(|mine| mine.includes(asked)))
    }
}

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
            if let Ok(minted) = scope.narrow(asked.as_deref(), flakes.as_deref()) {
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
        let minted = parent.narrow(None, None).unwrap();
        assert_eq!(minted.permissions().collect::<Vec<_>>(), [Permission::Pull]);
        assert!(minted.reaches("ACME", "app") && !minted.reaches("other", "app"));
        assert_eq!(minted.narrow(None, None), Err(ScopeError::MayNotMint));
        assert_eq!(
            parent.narrow(Some(&[Permission::Push]), None),
            Err(ScopeError::Permission(Permission::Push))
        );
    }
}
