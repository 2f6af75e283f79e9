//! Two contents for one store path: which of them a reader gets, if any.
//!
//! A store path's name does not commit to its content, so whoever may put a path into a view decides what
//! its reader runs. Where the slices of a view disagree, the order is:
//!
//! ```text
//! proof          a content address that the server has recomputed
//! standing       own organisations, then accepted ones, then each follow
//!   within one organisation
//!   signature    of a key that the organisation trusts
//!   builder      what its builders pushed, the oldest
//!   person       the one that beats every other: see below
//! ```
//!
//! To which path an output of a derivation was built is settled in the same order: there the path is the content, and
//! nothing is proven.
//!
//! What is left is ambiguous, and not served: two own (or two accepted) organisations that disagree, and
//! persons of whom none may decide for the others. A follow never makes anything ambiguous: it takes the
//! oldest that nobody beats.
//!
//! **Without the content.** What a slice has left out as signed elsewhere it knows by its fingerprint alone. Of an
//! own organisation, and of one that the address names, that counts as any row: where it wins, the reader gets
//! this content or nothing. Of an accepted organisation and of a follow it counts among the slices of that
//! organisation alone: these have this content or nothing, and what others have is served as if they did not
//! have the path.
//!
//! **Between persons.** Whoever may write to a slice decides about its content anyway. So row x beats row y
//! if x's pusher may write to y's slice, and either y's pusher may not write to x's, or x is the older. A row wins
//! that beats each row that disagrees with it. This compares pairs, so a row that somebody adds can take
//! the victory from another one only if its pusher may write there or neither may write the other's; it can
//! never hand the victory to a third.
//!
//! Invariant: the answer depends on the rows of the view and on what their pushers may write, on nothing
//! else. A row of lower standing or class changes no answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::Standing;

/// When a row came into its slice; the lower, the older.
pub type Age = (i64, u8);

/// One slice's word on what a path is: one row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The standing of the slice in the view.
    pub standing: Standing,
    /// The organisation of the slice, internal id.
    pub organization: i64,
    /// The slice, internal id.
    pub flake: i64,
    /// Equal for rows of equal NAR hash, size, references and name, and for no others.
    pub content: u32,
    /// Whether the slice has the content; else it has left it out as signed elsewhere.
    pub held: bool,
    /// Whether the server has recomputed the content address.
    pub proven: bool,
    /// Whether a key has signed it that the organisation trusts.
    pub signed: bool,
    /// Whether a builder pushed it.
    pub builder: bool,
    /// The account that pushed it, internal id; none where that is not known.
    pub pusher: Option<i64>,
    /// When the row came into its slice.
    pub age: Age,
}

/// Where a row stands among those that have one content: the lowest is served, with its deriver and its
/// signatures. Nobody who counts for less takes these away by being older.
///
/// A proof decides between contents, and says nothing more of a row whose content is that of another one: who knows
/// the address of a content takes nobody's word away by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The standing of the slice in the view.
    pub standing: Standing,
    /// No key has signed it that the organisation trusts.
    pub unsigned: bool,
    /// No builder pushed it.
    pub by_person: bool,
    /// When the row came into its slice.
    pub age: Age,
}

impl Claim {
    /// Where it stands among those of its content.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            standing: self.standing,
            unsigned: !self.signed,
            by_person: !self.builder,
            age: self.age,
        }
    }
}

/// Which content a view has of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// That of the claims with this number.
    Content(u32),
    /// Those of the same standing disagree, and nothing decides between them; or what counts has been left
    /// out as signed elsewhere by others than the reader's own organisations.
    Ambiguous,
    /// There is no claim.
    Nothing,
}

/// The accounts of which it has to be known where they may write, before these claims can be [settled](settle_and_silence): persons who
/// disagree, where nothing else decides between them.
pub fn disagreeing_persons(claims: &[Claim]) -> BTreeSet<i64> {
    let mut groups: BTreeMap<(Standing, i64), Vec<&Claim>> = BTreeMap::new();
    for claim in best(claims.iter().collect(), |claim| claim.proven) {
        let group = groups.entry((claim.standing, claim.organization));
        group.or_default().push(claim);
    }
    let persons = groups.into_values().map(first_class).filter(|group| {
        let first = group[0];
        !first.builder && group.iter().any(|claim| claim.content != first.content)
    });
    persons.flatten().filter_map(|claim| claim.pusher).collect()
}

/// Settles which content a view has, and tells the organisations that had no say in it although they came first: those that have left out what their
/// own word is, or are of two minds. What is served is served of no row of theirs, be it the same content.
/// `may_write`: whether an account may push to a slice now; asked of [`disagreeing_persons`] alone.
pub fn settle_and_silence(
    claims: &[Claim],
    may_write: impl Fn(i64, i64) -> bool,
) -> (Settled, BTreeSet<i64>) {
    let mut silent = BTreeSet::new();
    let settled = settle_beside(claims, may_write, &mut silent);
    (settled, silent)
}

fn settle_beside(
    claims: &[Claim],
    may_write: impl Fn(i64, i64) -> bool,
    silent: &mut BTreeSet<i64>,
) -> Settled {
    let Some(first) = claims.first() else {
        return Settled::Nothing;
    };
    if claims.iter().all(|claim| claim.content == first.content) {
        return Settled::Content(first.content);
    }
    let mut claims = best(claims.iter().collect(), |claim| claim.proven);
    let standings: BTreeSet<Standing> = claims.iter().map(|claim| claim.standing).collect();
    for standing in standings {
        let mut of_standing = claims.clone();
        of_standing.retain(|claim| claim.standing == standing);
        let organizations: BTreeSet<i64> =
            of_standing.iter().map(|claim| claim.organization).collect();
        let mut agreed = None;
        for organization in organizations {
            let mut of_organization = of_standing.clone();
            of_organization.retain(|claim| claim.organization == organization);
            let is_own = matches!(standing, Standing::Own | Standing::Named);
            let Some(content) = decided(standing, &of_organization, &may_write) else {
                let has_any = of_organization.iter().any(|claim| claim.held);
                if matches!(standing, Standing::Followed(_)) || !is_own && !has_any {
                    // Nobody there is unbeaten, or nothing is there: as if they did not have it.
                    silent.insert(organization);
                    continue;
                }
                return Settled::Ambiguous;
            };
            let mut of_content = of_organization.iter().filter(|it| it.content == content);
            if !is_own && !of_content.any(|it| it.held) {
                // Nor is another content of it served by a follow that comes later.
                claims.retain(|it| it.organization != organization || it.content == content);
                silent.insert(organization);
                continue;
            }
            if agreed.is_some_and(|agreed| agreed != content) {
                return Settled::Ambiguous;
            }
            agreed = Some(content);
        }
        if let Some(content) = agreed {
            return Settled::Content(content);
        }
    }
    Settled::Ambiguous
}

/// The content that the slices of one organisation have which have this standing.
fn decided(
    standing: Standing,
    claims: &[&Claim],
    may_write: &impl Fn(i64, i64) -> bool,
) -> Option<u32> {
    let claims = first_class(claims.to_vec());
    if claims.first()?.builder {
        let oldest = claims.iter().min_by_key(|claim| claim.age)?;
        return Some(oldest.content);
    }
    match standing {
        Standing::Followed(_) => oldest_unbeaten(&claims, may_write),
        Standing::Own | Standing::Accepted | Standing::Named => beats_all(&claims, may_write),
    }
}

/// Those of an organisation's claims that count: signed ones before others, and then those of builders.
fn first_class(claims: Vec<&Claim>) -> Vec<&Claim> {
    let claims = best(claims, |claim| claim.signed);
    best(claims, |claim| claim.builder)
}

/// The claims that have a quality, if any has it, else all.
fn best(claims: Vec<&Claim>, has: impl Fn(&Claim) -> bool) -> Vec<&Claim> {
    if claims.iter().any(|claim| has(claim)) {
        claims.into_iter().filter(|claim| has(claim)).collect()
    } else {
        claims
    }
}

/// Whether one row decides against another.
fn beats(x: &Claim, y: &Claim, may_write: &impl Fn(i64, i64) -> bool) -> bool {
    let writes =
        |claim: &Claim, flake: i64| claim.pusher.is_some_and(|pusher| may_write(pusher, flake));
    writes(x, y.flake) && (x.age < y.age || !writes(y, x.flake))
}

/// The content of a row that beats each that disagrees with it.
fn beats_all(claims: &[&Claim], may_write: &impl Fn(i64, i64) -> bool) -> Option<u32> {
    let winner = claims.iter().find(|x| {
        let mut others = claims.iter().filter(|y| y.content != x.content);
        others.all(|y| beats(x, y, may_write))
    });
    winner.map(|claim| claim.content)
}

/// The content of the oldest row that none beats.
fn oldest_unbeaten(claims: &[&Claim], may_write: &impl Fn(i64, i64) -> bool) -> Option<u32> {
    let unbeaten = claims.iter().filter(|x| {
        let mut others = claims.iter().filter(|y| y.content != x.content);
        !others.any(|y| beats(y, x, may_write))
    });
    // Collected by age first: the filter asks what may be written.
    unbeaten
        .min_by_key(|claim| claim.age)
        .map(|claim| claim.content)
}

#[cfg(test)]
mod tests;
