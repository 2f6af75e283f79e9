//! The search among very many slices, at a price that hardly grows with their number or with the view's.
//!
//! Wanted is the holder of the lowest rank, and of equal ranks the oldest. It can be searched from either
//! end: holders are read, the oldest first, until one of the lowest rank comes; or the flakes of the lowest
//! rank are looked up one by one. The first is quick where a view holds much of what holds the path, the
//! second where the view is small. Which of them it is shows only on the way, so both are done, and as much
//! is spent on the one as on the other: it never costs much more than twice the better of them.
//!
//! ```text
//! holders, oldest first   ████░░░░████████░░░░░░░░████████████████ …   twice as many each time
//! flakes of rank 0, 1, 2              └ looked up as soon as they are cheaper than what was read so far
//! ```

use fh_access::{Candidates, View, candidates_by_rank};
use fh_persistence::database::holders::Holder;

/// How many holders are remembered, and decide most of what is asked.
pub(super) const FIRST: usize = 64;

/// So many can be read in the time that a question takes anyway.
const UNNOTICED: usize = 256;

/// So many are read with one question at most: what is read beyond the one that is wanted is in vain.
const MOST: usize = 4096;

/// Who holds something, as the database says at one instant.
pub(super) trait Holders {
    /// What may go wrong.
    type Error;

    /// The oldest holders whose row comes after this one, not more than so many.
    fn oldest(&self, after: i64, most: usize) -> Result<Vec<Holder>, Self::Error>;

    /// The oldest row of some flakes.
    fn oldest_of(&self, flake_ids: &[i64]) -> Result<Option<i64>, Self::Error>;

    /// How many holders can be read in the time in which one flake is looked up.
    fn read_per_lookup(&self) -> usize;
}

/// What decides between holders: a [`View`], but for tests.
pub(super) trait Ranking {
    /// The rank of a flake; `None`: not seen.
    fn rank(&self, flake_id: i64) -> Option<u32>;

    /// The flakes of each rank, those of rank 0 first.
    fn classes(&self) -> [impl Class; 3];
}

/// The flakes of one rank.
pub(super) trait Class {
    /// How many they are at most; cheaper than to list them.
    fn len(&self) -> usize;

    /// The flakes that are asked one by one.
    fn flake_ids(&self) -> Vec<i64>;

    /// At least these, as many as [`Self::len`] says; cheaper.
    fn each_possible(&self, told: &mut dyn FnMut(i64));
}

impl Ranking for View {
    fn rank(&self, flake_id: i64) -> Option<u32> {
        Self::rank(self, flake_id)
    }

    fn classes(&self) -> [impl Class; 3] {
        candidates_by_rank(self)
    }
}

impl Class for Candidates<'_> {
    fn len(&self) -> usize {
        self.at_most()
    }

    fn flake_ids(&self) -> Vec<i64> {
        Self::flake_ids(self)
    }

    fn each_possible(&self, told: &mut dyn FnMut(i64)) {
        Self::each_possible(self, told);
    }
}

/// The row of the lowest rank. Of equal ranks the first, which is the oldest.
pub(super) fn best_of(ranking: &impl Ranking, holders: &[Holder]) -> Option<Ranked> {
    let ranked = holders.iter().filter_map(|holder| {
        let rank = ranking.rank(holder.flake_id)?;
        let row_id = holder.row_id;
        Some(Ranked { rank, row_id })
    });
    ranked.min_by_key(|ranked| ranked.rank)
}

/// A row that a view has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ranked {
    pub(super) rank: u32,
    pub(super) row_id: i64,
}

/// What the oldest holders alone tell: `None` where the others have to be looked at.
pub(super) fn decided_by_oldest(ranking: &impl Ranking, oldest: &[Holder]) -> Option<Option<i64>> {
    let best = best_of(ranking, oldest);
    if best.is_some_and(|best| best.rank == 0) {
        return Some(best.map(|best| best.row_id));
    }
    let possible = ranking.classes().iter().position(|class| class.len() > 0);
    match (best, possible) {
        (_, None) => Some(None),
        (Some(best), Some(lowest)) if best.rank as usize <= lowest => Some(Some(best.row_id)),
        _ => None,
    }
}

/// The row that a view has, among any number of holders.
pub(super) fn search<H: Holders>(
    ranking: &impl Ranking,
    holders: &H,
) -> Result<Option<i64>, H::Error> {
    let classes = ranking.classes();
    let mut best = Best::default();
    // All of lower ranks were looked up, and found to hold nothing.
    let mut lowest = 0;
    let (mut after, mut read) = (i64::MIN, UNNOTICED);
    while let Some(class) = classes.get(lowest)
        && best.may_be_bettered_by(lowest)
    {
        if class.len() == 0 {
            lowest += 1;
            continue;
        }
        if class.len() * holders.read_per_lookup() <= read {
            if let Some(row_id) = holders.oldest_of(&class.flake_ids())? {
                return Ok(Some(row_id));
            }
            lowest += 1;
            continue;
        }
        let most = read.min(MOST);
        let found = holders.oldest(after, most)?;
        best.improve(
            ranking,
            classes.get(lowest..).unwrap_or(&[]),
            lowest,
            &found,
        );
        let Some(last) = found.last().filter(|_| found.len() == most) else {
            break;
        };
        after = last.row_id;
        read += found.len();
    }
    Ok(best.ranked.map(|best| best.row_id))
}

/// The best row so far, and which flakes could better it: to rank a flake takes as long as to read several
/// holders, and of thousands hardly any has to be ranked.
#[derive(Default)]
struct Best {
    ranked: Option<Ranked>,
    /// Of the classes from one rank on, as far as they are better than the best.
    marks: Option<(usize, Marks)>,
}

impl Best {
    fn may_be_bettered_by(&self, rank: usize) -> bool {
        self.ranked.is_none_or(|best| rank < best.rank as usize)
    }

    /// `classes`: from the rank `lowest` on. The holders are newer than those before.
    fn improve<C: Class>(
        &mut self,
        ranking: &impl Ranking,
        classes: &[C],
        lowest: usize,
        holders: &[Holder],
    ) {
        let mut rest = holders.iter();
        loop {
            let below = self.ranked.map_or(usize::MAX, |best| best.rank as usize);
            let better = classes
                .get(..below.saturating_sub(lowest))
                .unwrap_or(classes);
            let (_, marks) = match self.marks.take() {
                Some(marks) if marks.0 == better.len() => self.marks.insert(marks),
                _ => self.marks.insert((better.len(), Marks::of(better))),
            };
            let improved = rest.find_map(|holder| {
                let rank = marks
                    .may_have(holder.flake_id)
                    .then(|| ranking.rank(holder.flake_id))
                    .flatten()?;
                let row_id = holder.row_id;
                ((rank as usize) < below).then_some(Ranked { rank, row_id })
            });
            match improved {
                Some(improved) => self.ranked = Some(improved),
                None => return,
            }
        }
    }
}

/// A set of flakes in which there may be more than were put in.
#[derive(Debug, Default)]
struct Marks(Vec<u64>);

/// Ids from here on, of which there are none as long as flakes are counted in millions, are always taken for
/// marked: the marks take 2 MiB at most.
const UNMARKED: i64 = 1 << 24;

impl Marks {
    fn of(classes: &[impl Class]) -> Self {
        let mut words: Vec<u64> = Vec::new();
        for class in classes {
            class.each_possible(&mut |flake_id| {
                if let Some((word, bit)) = Self::place(flake_id) {
                    if words.len() <= word {
                        words.resize(word + 1, 0);
                    }
                    words[word] |= bit;
                }
            });
        }
        Self(words)
    }

    fn may_have(&self, flake_id: i64) -> bool {
        Self::place(flake_id).is_none_or(|(word, bit)| {
            let word = self.0.get(word).copied().unwrap_or(0);
            word & bit != 0
        })
    }

    fn place(flake_id: i64) -> Option<(usize, u64)> {
        let id = usize::try_from(flake_id).ok()?;
        (flake_id < UNMARKED).then(|| (id / 64, 1 << (id % 64)))
    }
}

#[cfg(test)]
mod tests;
