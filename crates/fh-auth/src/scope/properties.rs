//! Scopes against what each of their parts lets through, over a small world in which any two parts that
//! differ let different things through.

use proptest::prelude::*;
use proptest::{option, sample};

use super::*;

const PERMISSIONS: [Permission; 4] = [
    Permission::Pull,
    Permission::Push,
    Permission::Mint,
    Permission::Admin,
];

/// With one flake beside those that patterns name, in each organisation and outside all.
const FLAKES: [(&str, &str); 5] = [
    ("acme", "app"),
    ("acme", "lib"),
    ("acme", "else"),
    ("other", "app"),
    ("nobody", "else"),
];

const PATTERNS: [&str; 5] = ["*", "acme/*", "acme/app", "acme/lib", "other/app"];

const NETWORKS: [&str; 4] = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24", "::/0"];

/// The addresses, and which of [`NETWORKS`] have them.
const ADDRESSES: [(&str, &[usize]); 5] = [
    ("10.1.0.1", &[0, 1]),
    ("10.2.0.1", &[0]),
    ("192.0.2.9", &[2]),
    ("2001:db8::1", &[3]),
    ("198.51.100.1", &[]),
];

fn paths() -> Vec<StorePath> {
    ["a", "b", "c"]
        .map(|name| format!("{}-{name}", "0".repeat(32)).parse().unwrap())
        .to_vec()
}

fn keys() -> Vec<PublicKey> {
    [("k", 1), ("k", 2), ("l", 1)]
        .map(|(name, byte)| {
            let key = fh_nix::SecretKey::from_seed(name, [byte; 32]).unwrap();
            key.public()
        })
        .to_vec()
}

fn networks() -> Vec<Network> {
    NETWORKS.map(|text| text.parse().unwrap()).to_vec()
}

fn patterns() -> Vec<FlakePattern> {
    PATTERNS.map(|text| text.parse().unwrap()).to_vec()
}

/// Some of these in any order, with some twice.
fn some<T: Clone + std::fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    proptest::collection::vec(sample::select(all), 0..4)
}

fn limit<T: Clone + std::fmt::Debug + 'static>(
    all: Vec<T>,
) -> impl Strategy<Value = Option<Vec<T>>> {
    option::of(some(all))
}

fn scope() -> impl Strategy<Value = TokenScope> {
    (
        some(PERMISSIONS.to_vec()),
        some(patterns()),
        limit(paths()),
        limit(keys()),
        limit(networks()),
    )
        .prop_map(|(permissions, flakes, closures, keys, networks)| {
            TokenScope::new(permissions, flakes)
                .with_closures(closures)
                .with_signed_by(keys)
                .with_networks(networks)
        })
}

fn narrowing() -> impl Strategy<Value = Narrowing> {
    (
        option::of(some(PERMISSIONS.to_vec())),
        option::of(some(patterns())),
        limit(paths()),
        limit(keys()),
        limit(networks()),
    )
        .prop_map(
            |(permissions, flakes, closures, signed_by, networks)| Narrowing {
                permissions,
                flakes,
                closures,
                signed_by,
                networks,
            },
        )
}

/// What each part of a scope lets through, one entry for each thing in the world.
#[derive(Debug, PartialEq, Eq)]
struct Through {
    permissions: Vec<bool>,
    flakes: Vec<bool>,
    closures: Vec<bool>,
    keys: Vec<bool>,
    addresses: Vec<bool>,
}

impl Through {
    fn of(scope: &TokenScope) -> Self {
        let in_limit = |is_in: Option<bool>| is_in.unwrap_or(true);
        let mut addresses: Vec<bool> = ADDRESSES
            .iter()
            .map(|(address, _)| scope.usable_from(Some(address.parse().unwrap())))
            .collect();
        addresses.push(scope.usable_from(None));
        // The last entry of a limit: what is in none of the parts that are named here.
        let closures = paths()
            .into_iter()
            .map(|path| in_limit(scope.closures().map(|mine| mine.contains(&path))))
            .chain([scope.closures().is_none()]);
        let keys = keys()
            .into_iter()
            .map(|key| in_limit(scope.signed_by().map(|mine| mine.contains(&key))))
            .chain([scope.signed_by().is_none()]);
        Self {
            permissions: PERMISSIONS.map(|one| scope.allows(one)).to_vec(),
            flakes: FLAKES.map(|(org, name)| scope.reaches(org, name)).to_vec(),
            closures: closures.collect(),
            keys: keys.collect(),
            addresses,
        }
    }

    fn within(&self, other: &Self) -> [bool; 5] {
        let parts = [
            (&self.permissions, &other.permissions),
            (&self.flakes, &other.flakes),
            (&self.closures, &other.closures),
            (&self.keys, &other.keys),
            (&self.addresses, &other.addresses),
        ];
        parts.map(|(mine, theirs)| mine.iter().zip(theirs).all(|(mine, theirs)| mine <= theirs))
    }
}

fn is_sorted_set<T: Ord>(items: &[T]) -> bool {
    items.windows(2).all(|pair| pair[0] < pair[1])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_scope_includes_another_exactly_if_each_part_lets_through_what_that_of_the_other_does(
        mine in scope(),
        other in scope(),
        part in 0usize..6,
    ) {
        // Mostly two that differ in one part alone: by chance all others would seldom be within mine.
        let other = match part {
            0 => TokenScope { permissions: other.permissions, ..mine.clone() },
            1 => TokenScope { flakes: other.flakes, ..mine.clone() },
            2 => mine.clone().with_closures(other.closures),
            3 => mine.clone().with_signed_by(other.signed_by),
            4 => mine.clone().with_networks(other.networks),
            _ => other,
        };
        let within = Through::of(&other).within(&Through::of(&mine));
        prop_assert_eq!(mine.includes(&other), within == [true; 5], "{:?}", within);
        prop_assert!(mine.includes(&mine));
        prop_assert!(TokenScope::unrestricted().includes(&mine));
        if mine.includes(&other) && other.includes(&mine) {
            prop_assert_eq!(Through::of(&mine), Through::of(&other));
        }
    }

    #[test]
    fn a_scope_lets_through_what_its_parts_name_and_nothing_else(scope in scope()) {
        for (address, of) in ADDRESSES {
            let named = scope.networks().is_none_or(|mine| {
                of.iter().any(|index| mine.contains(&NETWORKS[*index].parse().unwrap()))
            });
            prop_assert_eq!(scope.usable_from(Some(address.parse().unwrap())), named);
        }
        prop_assert_eq!(scope.usable_from(None), scope.networks().is_none());
        for permission in PERMISSIONS {
            let listed = scope.permissions().any(|one| one == permission);
            prop_assert_eq!(scope.allows(permission), listed);
        }
        let of = |pattern: &str| scope.flakes().contains(&pattern.parse().unwrap());
        prop_assert_eq!(scope.reaches_all(), of("*"));
        prop_assert_eq!(scope.reaches("nobody", "else"), of("*"));
        prop_assert_eq!(scope.reaches("Acme", "else"), of("*") || of("acme/*"));
        prop_assert_eq!(scope.reaches("acme", "LIB"), of("*") || of("acme/*") || of("acme/lib"));
        let certain = scope.closures().is_some() || scope.signed_by().is_some();
        prop_assert_eq!(scope.is_for_certain_paths(), certain);
        let permissions: Vec<Permission> = scope.permissions().collect();
        prop_assert!(is_sorted_set(&permissions) && is_sorted_set(scope.flakes()));
        prop_assert!(scope.closures().is_none_or(is_sorted_set));
        prop_assert!(scope.networks().is_none_or(is_sorted_set));
    }

    /// Every answer follows from three questions: is something empty, is something wider, and would
    /// something write that may read certain paths alone?
    #[test]
    fn a_token_is_made_exactly_if_no_part_of_it_is_empty_or_wider_and_then_it_is_what_was_asked_for(
        mine in scope(),
        asked in narrowing(),
        mint in any::<bool>(),
        part in 0usize..6,
    ) {
        let mut asked = asked;
        // Mostly one part is asked for alone, and the first permission is given.
        if part < 5 {
            asked = Narrowing {
                permissions: asked.permissions.filter(|_| part == 0),
                flakes: asked.flakes.filter(|_| part == 1),
                closures: asked.closures.filter(|_| part == 2),
                signed_by: asked.signed_by.filter(|_| part == 3),
                networks: asked.networks.filter(|_| part == 4),
            };
        }
        let mut permissions: BTreeSet<Permission> = mine.permissions;
        if mint {
            permissions.extend([Permission::Pull, Permission::Mint]);
        }
        let mine = TokenScope { permissions, ..mine };
        let wanted = TokenScope::new(
            asked.permissions.clone().unwrap_or(vec![Permission::Pull]),
            asked.flakes.clone().unwrap_or(mine.flakes.clone()),
        )
        .with_closures(asked.closures.clone().or(mine.closures.clone()))
        .with_signed_by(asked.signed_by.clone().or(mine.signed_by.clone()))
        .with_networks(asked.networks.clone().or(mine.networks.clone()));
        let empty = wanted.permissions.is_empty()
            || wanted.flakes.is_empty()
            || asked.closures.as_ref().is_some_and(Vec::is_empty)
            || asked.signed_by.as_ref().is_some_and(Vec::is_empty)
            || asked.networks.as_ref().is_some_and(Vec::is_empty);
        let [permissions, flakes, _, keys, addresses] =
            Through::of(&wanted).within(&Through::of(&mine));
        let writes = wanted.allows(Permission::Push) || wanted.allows(Permission::Admin);
        let made = mine.restrict(asked.clone());
        let within = permissions && flakes && keys && addresses;
        let right = !empty && within && !(wanted.is_for_certain_paths() && writes);
        prop_assert_eq!(made.is_ok(), right, "{:?}", made);
        match &made {
            Ok(made) => prop_assert_eq!(made, &wanted),
            Err(ScopeError::Empty(_)) => prop_assert!(empty),
            Err(ScopeError::Permission(wider)) => {
                prop_assert!(wanted.allows(*wider) && !mine.allows(*wider));
            }
            Err(ScopeError::Flakes(wider)) => {
                prop_assert!(wanted.flakes.contains(wider) && !flakes);
                prop_assert!(!mine.flakes.iter().any(|pattern| pattern.includes(wider)));
            }
            Err(ScopeError::SignedBy(wider)) => {
                prop_assert!(mine.signed_by().is_some_and(|keys| !keys.contains(wider)));
                prop_assert!(wanted.signed_by().is_some_and(|keys| keys.contains(wider)));
            }
            Err(ScopeError::Network(wider)) => {
                prop_assert!(wanted.networks().is_some_and(|networks| networks.contains(wider)));
                prop_assert!(!any_includes(mine.networks().unwrap(), wider));
            }
            Err(ScopeError::NotForPaths(more)) => {
                prop_assert!(wanted.allows(*more) && wanted.is_for_certain_paths());
                prop_assert!([Permission::Push, Permission::Admin].contains(more));
            }
            Err(ScopeError::MayNotMint) => prop_assert!(false),
        }
        let minted = mine.narrow(asked);
        if mine.allows(Permission::Mint) {
            prop_assert_eq!(minted, made);
        } else {
            prop_assert_eq!(minted, Err(ScopeError::MayNotMint));
        }
    }
}

#[test]
fn the_first_administrators_token_is_without_limits() {
    let all = TokenScope::unrestricted();
    assert!(PERMISSIONS.into_iter().all(|one| all.allows(one)));
    assert!(all.reaches_all() && !all.is_for_certain_paths());
    assert!(
        Through::of(&all)
            == Through {
                permissions: vec![true; 4],
                ..Through::of(&all)
            }
    );
    assert!(all.usable_from(None) && all.reaches("nobody", "else"));
}
