//! A view from its other end: the flakes that may have a rank in it, for whoever wants to ask flake by
//! flake instead of ranking those that somebody else has found.
//!
//! A list is never made where its length is enough: a view may be of thousands of slices.

use fh_api::{FlakePattern, Permission};
use fh_auth::{Holdings, Rank};

use super::Principal;
use super::directory::Directory;
use super::view::{Narrowing, View};

/// At least all flakes that have one rank in a view.
#[derive(Debug)]
pub(crate) struct Candidates<'a> {
    view: &'a View,
    rank: Rank,
    source: Source<'a>,
}

/// Where they are listed.
#[derive(Debug)]
enum Source<'a> {
    Granted(&'a Holdings),
    Listed(Vec<&'a [i64]>),
}

impl Source<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Granted(holdings) => holdings.granted_flakes().len(),
            Self::Listed(lists) => lists.iter().map(|list| list.len()).sum(),
        }
    }
}

impl Candidates<'_> {
    /// How many they are at most. Where this is 0, nothing has the rank.
    pub(crate) fn len(&self) -> usize {
        self.source.len()
    }

    /// Those of which [`Self::len`] is the number, in no order.
    pub(crate) fn each_possible(&self, told: &mut dyn FnMut(i64)) {
        match &self.source {
            Source::Granted(holdings) => holdings.granted_flakes().for_each(told),
            Source::Listed(lists) => lists.iter().copied().flatten().copied().for_each(told),
        }
    }

    /// Exactly those that have the rank, in ascending order.
    pub(crate) fn flake_ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = match &self.source {
            Source::Granted(holdings) => holdings.granted_flakes().collect(),
            Source::Listed(lists) => lists.concat(),
        };
        ids.retain(|id| self.view.reason_for(*id) == Some(self.rank));
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl View {
    /// The flakes of each rank, those of the lowest first.
    pub(crate) fn by_rank(&self) -> [Candidates<'_>; 3] {
        [Rank::Flake, Rank::Organization, Rank::Public].map(|rank| self.candidates(rank))
    }

    fn candidates(&self, rank: Rank) -> Candidates<'_> {
        let by_address = match &self.narrowing {
            // Alone a flake that is named may be readable because it is.
            Narrowing::Flake(id) => {
                let source = Source::Listed(vec![std::slice::from_ref(id)]);
                return self.of_source(rank, source);
            }
            Narrowing::Organization(id) => Some(Source::Listed(vec![
                self.directory.ids_of_organization(*id),
            ])),
            Narrowing::All => None,
        };
        let principal = self.principal.as_deref();
        let by_token = principal.and_then(|principal| reached(&self.directory, principal));
        let shortest = [by_address, by_token]
            .into_iter()
            .flatten()
            .chain([self.held(rank)])
            .min_by_key(Source::len);
        self.of_source(rank, shortest.unwrap_or(Source::Listed(Vec::new())))
    }

    fn of_source<'a>(&'a self, rank: Rank, source: Source<'a>) -> Candidates<'a> {
        Candidates {
            view: self,
            rank,
            source,
        }
    }

    /// By the reasons that lead to the rank.
    fn held(&self, rank: Rank) -> Source<'_> {
        let principal = self.principal.as_deref();
        let pulling = principal.filter(|principal| principal.scope.allows(Permission::Pull));
        let holdings = pulling.map(|principal| &principal.holdings);
        match (rank, holdings) {
            (Rank::Public, _) => Source::Listed(vec![self.directory.ids_of_public()]),
            (_, None) => Source::Listed(Vec::new()),
            (Rank::Flake, Some(holdings)) => Source::Granted(holdings),
            (Rank::Organization, Some(holdings)) => Source::Listed(
                holdings
                    .whole_organizations()
                    .map(|id| self.directory.ids_of_organization(id))
                    .collect(),
            ),
        }
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
    Some(Source::Listed(lists.collect()))
}
