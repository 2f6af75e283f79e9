//! A view from its other end: the flakes that may have a rank in it, for whoever wants to ask flake by
//! flake instead of ranking those that somebody else has found.
//!
//! A list is never made where its length is enough: a view may be of thousands of slices.

use fh_api::{FlakePattern, Permission};
use fh_auth::{Follows, Holdings, Rank};

use super::Principal;
use super::directory::Directory;
use super::view::{Narrowing, View};

/// At least all flakes that have one rank in a view.
#[derive(Debug)]
pub struct Candidates<'a> {
    view: &'a View,
    rank: u32,
    source: Source<'a>,
}

/// Where they are listed.
#[derive(Debug, Default)]
struct Source<'a> {
    /// Those with a grant of their own, of own organisations or of all others.
    granted: Option<(&'a Holdings, bool)>,
    lists: Vec<&'a [i64]>,
}

impl<'a> Source<'a> {
    fn listed(lists: impl IntoIterator<Item = &'a [i64]>) -> Self {
        Self {
            granted: None,
            lists: lists.into_iter().collect(),
        }
    }

    fn len(&self) -> usize {
        let granted = self
            .granted
            .map_or(0, |(holdings, own)| holdings.granted_flakes(own).len());
        granted + self.lists.iter().map(|list| list.len()).sum::<usize>()
    }

    fn each(&self, told: &mut dyn FnMut(i64)) {
        if let Some((holdings, own)) = self.granted {
            holdings.granted_flakes(own).for_each(&mut *told);
        }
        self.lists.iter().copied().flatten().copied().for_each(told);
    }
}

impl Candidates<'_> {
    /// How many they are at most. Where this is 0, nothing has the rank.
    pub fn at_most(&self) -> usize {
        self.source.len()
    }

    /// Those of which [`Self::at_most`] is the number, in no order.
    pub fn each_possible(&self, told: &mut dyn FnMut(i64)) {
        self.source.each(told);
    }

    /// Exactly those that have the rank, in ascending order.
    pub fn flake_ids(&self) -> Vec<i64> {
        let mut ids = Vec::with_capacity(self.source.len());
        self.source.each(&mut |id| ids.push(id));
        ids.retain(|id| self.view.rank(*id) == Some(self.rank));
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// The flakes of each rank, those of the lowest first.
pub fn candidates_by_rank(view: &View) -> [Candidates<'_>; 3] {
    [Rank::Own, Rank::Accepted, Rank::Open].map(|rank| Candidates {
        view,
        rank: rank as u32,
        source: candidates(view, rank),
    })
}

/// The shortest of the lists in which all of a rank stand.
fn candidates(view: &View, rank: Rank) -> Source<'_> {
    let directory = &view.directory;
    let by_address = match &view.narrowing {
        Narrowing::Flake(id) => return Source::listed([std::slice::from_ref(id)]),
        Narrowing::Organization(id) => Some(Source::listed([directory.ids_of_organization(*id)])),
        Narrowing::All => None,
    };
    let principal = view.principal.as_deref();
    // What the address names and is open needs no token that reaches it.
    let by_token = principal
        .filter(|_| by_address.is_none() || rank != Rank::Open)
        .and_then(|principal| reached(directory, principal));
    [by_address, by_token]
        .into_iter()
        .flatten()
        .chain([held(view, rank)])
        .min_by_key(Source::len)
        .unwrap_or_default()
}

/// By the reasons that lead to the rank.
fn held(view: &View, rank: Rank) -> Source<'_> {
    let directory = &view.directory;
    let principal = view.principal.as_deref();
    let pulling = principal.filter(|principal| principal.scope.allows(Permission::Pull));
    let holdings = pulling.map(|principal| &principal.holdings);
    let public = |organization| directory.ids_of_public(organization);
    let own = match rank {
        Rank::Own => true,
        Rank::Accepted => false,
        Rank::Open => {
            let follows = holdings.into_iter().map(Holdings::follows);
            let lists = follows
                .chain([directory.everybody()])
                .flat_map(Follows::list);
            let followed = lists.map(|follow| match &follow.flake {
                Some(flake) => std::slice::from_ref(flake),
                None => public(follow.organization),
            });
            let named = match view.narrowing {
                Narrowing::Organization(id) => Some(public(id)),
                Narrowing::All | Narrowing::Flake(_) => None,
            };
            return Source::listed(followed.chain(named));
        }
    };
    let Some(holdings) = holdings else {
        return Source::default();
    };
    let whole = holdings.whole_organizations(own);
    let mut lists: Vec<&[i64]> = whole
        .map(|organization| directory.ids_of_organization(organization))
        .collect();
    if own {
        lists.extend(holdings.own_organizations().map(public));
    }
    Source {
        granted: Some((holdings, own)),
        lists,
    }
}

/// All that a token reaches, where that is not everything.
fn reached<'a>(directory: &'a Directory, principal: &Principal) -> Option<Source<'a>> {
    let scope = &principal.scope;
    if scope.reaches_all() {
        return None;
    }
    let lists = scope.flakes().iter().filter_map(|pattern| match pattern {
        FlakePattern::All => None,
        FlakePattern::Organization(name) => directory
            .find_organization(name.as_str())
            .map(|organization| directory.ids_of_organization(organization.id)),
        FlakePattern::Flake(name) => directory
            .find_flake(name.org.as_str(), name.project.as_str())
            .map(|flake| std::slice::from_ref(&flake.id)),
    });
    Some(Source::listed(lists))
}
