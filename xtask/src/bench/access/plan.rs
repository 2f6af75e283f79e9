//! What is generated, as numbers: which slices hold which path, and which a view has. Nothing is random,
//! so that a path and its holders can be named without asking the database.
//!
//! ```text
//! flake f (0 ≤ f < 10 000) ─▶ organisation f mod 200, of whose 50 flakes five teams have ten each
//! path p ─▶ group: in 10 000, 1 000, 100, 10 slices or one ─▶ its holders, spread over all flakes
//! view  ─▶ whole organisations, teams and single flakes, each from organisations of its own
//! ```

use std::collections::BTreeSet;
use std::ops::Range;

/// All of them private.
pub(super) const FLAKES: u32 = 10_000;
/// Each with as many flakes.
pub(super) const ORGANIZATIONS: u32 = 200;
/// Each may read ten flakes of its organisation.
pub(super) const TEAMS: u32 = 1_000;
/// Rows of all slices together.
pub(super) const ROWS: u32 = 2_000_000;

const FLAKES_OF_ORGANIZATION: u32 = FLAKES / ORGANIZATIONS;
const TEAMS_OF_ORGANIZATION: u32 = TEAMS / ORGANIZATIONS;
const FLAKES_OF_TEAM: u32 = FLAKES_OF_ORGANIZATION / TEAMS_OF_ORGANIZATION;

/// Paths that stand in equally many slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) holders: u32,
    pub(super) paths: Range<u32>,
}

/// How many slices, and how many such paths. What is left of the rows are paths in one slice.
const SHARED: [(u32, u32); 4] = [(FLAKES, 150), (1_000, 100), (100, 500), (10, 5_000)];

/// Those of paths in many slices first.
pub(super) fn groups() -> Vec<Group> {
    let mut next = 0;
    let mut rows = 0;
    let mut group = |holders, count| {
        let paths = next..next + count;
        next = paths.end;
        Group { holders, paths }
    };
    let mut groups = Vec::new();
    for (holders, count) in SHARED {
        rows += holders * count;
        groups.push(group(holders, count));
    }
    groups.push(group(1, ROWS - rows));
    groups
}

/// The group of the paths that stand in so many slices.
pub(super) fn group(holders: u32) -> Group {
    let mut all = groups().into_iter();
    let found = all.find(|group| group.holders == holders);
    found.unwrap_or(Group {
        holders,
        paths: 0..0,
    })
}

impl Group {
    /// The distance between two holders of a path: no divisor of the flakes has a part in it, and so no
    /// organisation.
    pub(super) fn step(&self) -> u32 {
        if self.holders == FLAKES {
            return 1;
        }
        FLAKES / self.holders + 1
    }

    /// The slices that hold a path of this group.
    pub(super) fn holders_of(&self, path: u32) -> impl Iterator<Item = u32> {
        let (first, step) = (first_holder(path), self.step());
        (0..self.holders).map(move |turn| (first + turn * step) % FLAKES)
    }
}

fn first_holder(path: u32) -> u32 {
    let spread = u64::from(path) * u64::from(SPREAD) % u64::from(FLAKES);
    // The remainder is smaller than the number of flakes.
    u32::try_from(spread).unwrap_or(0)
}

/// Has no divisor in common with the number of flakes.
pub(super) const SPREAD: u32 = 7_919;

/// The factor of Fibonacci hashing: neighbours are far apart in the index.
pub(super) const SCATTER: u32 = 2_654_435_761;

/// The hash part of a path, as a narinfo is named after it.
pub(super) fn hash_part(path: u32) -> String {
    let mut bytes = [0; 20];
    let scattered = u64::from(path) * u64::from(SCATTER) % (1 << 32);
    bytes[..4].copy_from_slice(&scattered.to_be_bytes()[4..]);
    bytes[16..].copy_from_slice(&path.to_be_bytes());
    base32(&bytes)
}

/// Nix's base32, see `crates/fh-nix/src/base32.rs`.
fn base32(bytes: &[u8; 20]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let digit = |number: usize| {
        let (byte, shift) = (number * 5 / 8, number * 5 % 8);
        let high = bytes.get(byte + 1).copied().map_or(0, u16::from);
        let value = ((high << 8 | u16::from(bytes[byte])) >> shift) & 0x1f;
        char::from(DIGITS[usize::from(value)])
    };
    (0..32).rev().map(digit).collect()
}

/// What somebody was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The name of the account.
    pub(super) name: &'static str,
    /// Organisations that are readable as a whole.
    pub(super) organizations: Vec<u32>,
    /// Teams whose member it is.
    pub(super) teams: Vec<u32>,
    /// Flakes that were granted to the account itself.
    pub(super) flakes: Vec<u32>,
}

/// The view that most is asked with: of 5 000 slices.
pub(super) const USUAL: &str = "view-5000";

/// 5 000 slices again, but those that were filled last: for whoever looks for the oldest holder of a path
/// this is the worst.
pub(super) const NEWEST: &str = "view-newest";

/// Of these the last hundred.
pub(super) const NEWEST_FEW: &str = "view-newest-100";

/// No slice at all.
pub(super) const NOTHING: &str = "view-0";

/// Those of 10, 100, 1 000, 5 000 and 10 000 slices, and the odd ones. Forty of a hundred slices by
/// grants on an organisation, forty by teams, twenty by grants on the flake, where it comes out even.
pub(super) fn views() -> Vec<View> {
    let mut views: Vec<View> = [
        (NOTHING, 0, 0, 0),
        ("view-10", 0, 0, 10),
        ("view-100", 1, 3, 20),
        ("view-1000", 8, 40, 200),
        (USUAL, 40, 200, 1_000),
        ("view-10000", 80, 400, 2_000),
    ]
    .into_iter()
    .map(|(name, organizations, teams, flakes)| View {
        name,
        organizations: take(organizations_of(&[0, 1]), organizations),
        teams: take(organizations_of(&[2, 3]).flat_map(teams_of), teams),
        flakes: take(
            (0..FLAKES_OF_ORGANIZATION).flat_map(|turn| {
                organizations_of(&[4]).map(move |organization| organization + turn * ORGANIZATIONS)
            }),
            flakes,
        ),
    })
    .collect();
    views.extend(
        [(NEWEST, 5_000), (NEWEST_FEW, 100)].map(|(name, count)| View {
            name,
            organizations: Vec::new(),
            teams: Vec::new(),
            flakes: (FLAKES - count..FLAKES).collect(),
        }),
    );
    views
}

fn take(all: impl Iterator<Item = u32>, count: usize) -> Vec<u32> {
    all.take(count).collect()
}

/// Organisations are granted as a whole, by teams or by flakes, by their number's remainder of five.
fn organizations_of(remainders: &'static [u32]) -> impl Iterator<Item = u32> {
    (0..ORGANIZATIONS).filter(|organization| remainders.contains(&(organization % 5)))
}

fn teams_of(organization: u32) -> Range<u32> {
    let first = organization * TEAMS_OF_ORGANIZATION;
    first..first + TEAMS_OF_ORGANIZATION
}

/// The organisation of a team.
pub(super) fn organization_of_team(team: u32) -> u32 {
    team / TEAMS_OF_ORGANIZATION
}

/// The flakes of a team.
pub(super) fn flakes_of_team(team: u32) -> impl Iterator<Item = u32> {
    let first = team % TEAMS_OF_ORGANIZATION * FLAKES_OF_TEAM;
    (first..first + FLAKES_OF_TEAM)
        .map(move |turn| organization_of_team(team) + turn * ORGANIZATIONS)
}

impl View {
    /// The slices of the view.
    pub(super) fn slices(&self) -> BTreeSet<u32> {
        let whole = self.organizations.iter().flat_map(|organization| {
            (0..FLAKES_OF_ORGANIZATION).map(move |turn| organization + turn * ORGANIZATIONS)
        });
        let teams = self.teams.iter().copied().flat_map(flakes_of_team);
        whole
            .chain(teams)
            .chain(self.flakes.iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_are_what_the_figures_say() {
        let groups = groups();
        let rows: u32 = groups
            .iter()
            .map(|group| group.holders * (group.paths.end - group.paths.start))
            .sum();
        assert_eq!(rows, ROWS);
        for group in &groups {
            for path in [group.paths.start, group.paths.end - 1] {
                let holders: BTreeSet<u32> = group.holders_of(path).collect();
                assert_eq!(holders.len() as u32, group.holders);
                assert!(holders.iter().all(|flake| *flake < FLAKES));
            }
        }
    }

    #[test]
    fn the_views_are_as_large_as_they_are_called() {
        let sizes: Vec<usize> = views().iter().map(|view| view.slices().len()).collect();
        assert_eq!(sizes, [0, 10, 100, 1_000, 5_000, 10_000, 5_000, 100]);
        assert_eq!(views()[4].name, USUAL);
    }

    /// From `nix hash convert` of the same bytes.
    #[test]
    fn a_hash_part_is_base32_as_nix_writes_it() {
        assert_eq!(hash_part(0), "0".repeat(32));
        assert_eq!(base32(&[0xff; 20]), "z".repeat(32));
        let mut one = [0; 20];
        one[0] = 1;
        assert_eq!(base32(&one), format!("{}1", "0".repeat(31)));
        assert_eq!(hash_part(1).len(), 32);
    }
}
