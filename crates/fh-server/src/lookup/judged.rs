//! What slices say of one thing, and whose word counts in a view. [`fh_auth::contest`] decides, on claims; here these
//! are put together with what they are about, and with what their pushers may write.
//!
//! Contents of store paths and realisations are judged here, both by the same order.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use fh_access::View;
use fh_auth::contest::{Claim, Settled, disagreeing_persons, settle_and_silence};
use fh_nix::PublicKey;
use fh_persistence::database::{DatabaseError, contests};
use fh_sql::Read;

/// Words of slices with their claims, and what they come to.
pub(super) struct Judged<W> {
    words: Vec<(Claim, W)>,
    settled: Settled,
    /// The organisations that had no say in it.
    silent: BTreeSet<i64>,
}

impl<W> Judged<W> {
    /// Judges words of slices that the view sees.
    pub(super) fn new(
        read: &Read,
        view: &View,
        words: Vec<(Claim, W)>,
    ) -> Result<Self, DatabaseError> {
        let claims: Vec<Claim> = words.iter().map(|(claim, _)| *claim).collect();
        let mut rights = HashMap::new();
        for person in disagreeing_persons(&claims) {
            rights.insert(person, contests::rights(read, person)?);
        }
        let (settled, silent) = settle_and_silence(&claims, |person, flake| {
            let rights = rights.get(&person).and_then(Option::as_ref);
            let known = rights.zip(view.flake(flake));
            known.is_some_and(|(rights, flake)| contests::may_write(rights, flake.facts()))
        });
        Ok(Self {
            words,
            settled,
            silent,
        })
    }

    /// All words, in the order in which they were given.
    pub(super) fn words(&self) -> impl Iterator<Item = &(Claim, W)> {
        self.words.iter()
    }

    /// Which content it comes to.
    pub(super) fn settled(&self) -> Settled {
        self.settled
    }

    /// The word that is served: of those that have the content, the one with the lowest place whose organisation has a
    /// say.
    pub(super) fn winner(&self) -> Option<&(Claim, W)> {
        let Settled::Content(content) = self.settled else {
            return None;
        };
        let of_content = self.held().filter(|(claim, _)| claim.content == content);
        of_content.min_by_key(|(claim, _)| {
            let is_silent = self.silent.contains(&claim.organization);
            (is_silent, claim.place())
        })
    }

    /// The word with the lowest place, whichever content it has.
    pub(super) fn nearest(&self) -> Option<&(Claim, W)> {
        self.held().min_by_key(|(claim, _)| claim.place())
    }

    fn held(&self) -> impl Iterator<Item = &(Claim, W)> {
        self.words.iter().filter(|(claim, _)| claim.held)
    }
}

/// The keys that organisations trust, each asked about once.
pub(super) struct TrustedKeys<'a> {
    read: &'a Read,
    known: HashMap<i64, Vec<PublicKey>>,
}

impl<'a> TrustedKeys<'a> {
    /// Nothing is asked yet.
    pub(super) fn new(read: &'a Read) -> Self {
        Self {
            read,
            known: HashMap::new(),
        }
    }

    /// Those of an organisation.
    pub(super) fn of(&mut self, organization: i64) -> Result<&[PublicKey], DatabaseError> {
        Ok(match self.known.entry(organization) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(contests::trusted_keys(self.read, organization)?)
            }
        })
    }
}
