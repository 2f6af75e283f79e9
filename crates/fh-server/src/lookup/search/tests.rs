//! That the search finds what the plain definition says, whatever there is; and what it costs.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;

use fh_nix::StorePathHash;
use fh_persistence::database::Decided;
use fh_persistence::database::{Database, DatabaseError, packed};
use fh_sql::{Tx, params};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::super::indexed::{OfNar, OfPath};
use super::*;

/// Ranks by flake.
#[derive(Debug, Clone, Default)]
struct Model {
    ranks: HashMap<i64, u32>,
    /// By how much each class is taken for larger than it is.
    excess: usize,
}

struct ModelClass {
    ids: Vec<i64>,
    excess: usize,
}

impl Class for ModelClass {
    fn len(&self) -> usize {
        self.ids.len() + self.excess
    }

    fn flake_ids(&self) -> Vec<i64> {
        self.ids.clone()
    }

    fn each_possible(&self, told: &mut dyn FnMut(i64)) {
        // What is too much is somewhere, also where marks end.
        let too_many = (0..self.excess as i64).map(|index| UNMARKED - 2 + index);
        self.ids.iter().copied().chain(too_many).for_each(told);
    }
}

impl Ranking for Model {
    fn rank(&self, flake_id: i64) -> Option<u32> {
        self.ranks.get(&flake_id).copied()
    }

    fn classes(&self) -> [impl Class; 3] {
        [0, 1, 2].map(|rank| {
            let of_rank = self.ranks.iter().filter(|(_, found)| **found == rank);
            ModelClass {
                ids: of_rank.map(|(id, _)| *id).collect(),
                excess: self.excess,
            }
        })
    }
}

/// Holders in memory, which count what they are asked.
#[derive(Default)]
struct Counted {
    holders: Vec<Holder>,
    read: Cell<usize>,
    looked_up: Cell<usize>,
}

impl Holders for Counted {
    type Error = Infallible;

    fn oldest(&self, after: i64, most: usize) -> Result<Vec<Holder>, Infallible> {
        let rest = self.holders.iter().filter(|holder| holder.row_id > after);
        let found: Vec<Holder> = rest.take(most).copied().collect();
        self.read.set(self.read.get() + found.len());
        Ok(found)
    }

    fn oldest_of(&self, flake_ids: &[i64]) -> Result<Option<i64>, Infallible> {
        self.looked_up.set(self.looked_up.get() + flake_ids.len());
        let mut of = self.holders.iter();
        let found = of.find(|holder| flake_ids.contains(&holder.flake_id));
        Ok(found.map(|holder| holder.row_id))
    }

    fn read_per_lookup(&self) -> usize {
        READ_PER_LOOKUP
    }
}

const READ_PER_LOOKUP: usize = 4;

/// What is wanted, in so many words: of all holders that are seen those of the lowest rank, of these the
/// lowest row.
fn defined(model: &Model, holders: &[Holder]) -> Option<i64> {
    let seen = holders
        .iter()
        .filter_map(|holder| Some((model.rank(holder.flake_id)?, holder.row_id)));
    seen.min().map(|(_, row_id)| row_id)
}

/// Some flakes in an order of their own, of which the first so many hold the path; and a view of them, of
/// one kind or another, which may also see flakes that hold nothing.
fn world() -> impl Strategy<Value = (Vec<i64>, usize, Model)> {
    let sizes = prop_oneof![1..20_usize, 1..900_usize];
    let flakes =
        sizes.prop_flat_map(|count| Just((1..=count as i64).collect::<Vec<_>>()).prop_shuffle());
    // Of 1000 flakes so many have rank 0, 1 and 2.
    let share = || prop_oneof![Just(0), Just(2), Just(20), Just(300)];
    (
        flakes,
        0.0..=1.0_f64,
        [share(), share(), share()],
        0..5_usize,
        any::<u64>(),
    )
        .prop_map(
            |(flakes, part, shares, excess, seed): (Vec<i64>, f64, [u64; 3], usize, u64)| {
                let holding = (flakes.len() as f64 * part).round() as usize;
                let mut model = Model {
                    excess,
                    ..Model::default()
                };
                for (index, flake) in (0_u64..).zip(&flakes) {
                    let mixed = (index + 1).wrapping_mul(seed | 1).rotate_left(29) % 1000;
                    let mut below = 0;
                    for (rank, share) in (0..).zip(shares) {
                        below += share;
                        if mixed < below {
                            model.ranks.insert(*flake, rank);
                            break;
                        }
                    }
                }
                (flakes, holding, model)
            },
        )
}

fn holders_of(flakes: &[i64]) -> Vec<Holder> {
    let with_gaps = (0..).map(|index: i64| index * 3 + 1);
    let holders = flakes.iter().zip(with_gaps);
    holders
        .map(|(flake_id, row_id)| Holder {
            flake_id: *flake_id,
            row_id,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_search_finds_what_is_defined((flakes, holding, model) in world()) {
        let holders = Counted {
            holders: holders_of(&flakes[..holding]),
            ..Counted::default()
        };
        let expected = defined(&model, &holders.holders);
        let Ok(found) = search(&model, &holders);
        prop_assert_eq!(found, expected);
        let oldest = &holders.holders[..holding.min(FIRST)];
        if let Some(found) = decided_by_oldest(&model, oldest) {
            prop_assert_eq!(found, expected);
        }
        if holding < FIRST {
            prop_assert_eq!(best_of(&model, oldest).map(|best| best.row_id), expected);
        }
    }
}

/// In the worst order: all that the view sees holds the path, and got it last.
#[test]
fn the_search_costs_little_more_than_its_better_half() {
    for view in [1, 10, 100, 1000, 5000, 9999] {
        let flakes: Vec<i64> = (0..10_000).collect();
        let holders = Counted {
            holders: holders_of(&flakes),
            ..Counted::default()
        };
        let ranks = flakes[10_000 - view..].iter().map(|id| (*id, 0)).collect();
        let model = Model { ranks, excess: 0 };
        let Ok(found) = search(&model, &holders);
        assert_eq!(found, defined(&model, &holders.holders));
        let cost = holders.read.get() + READ_PER_LOOKUP * holders.looked_up.get();
        let better = (10_000 - view + 1).min(READ_PER_LOOKUP * view);
        assert!(
            cost <= 2 * better + 2 * UNNOTICED + MOST / 2,
            "{view}: {cost} and {better}"
        );
    }
}

/// Fills the tables with what the holders are; every seventh NAR is damaged if any is.
fn fill(
    tx: &Tx<'_>,
    hash: StorePathHash,
    holders: &[Holder],
    damaged: bool,
) -> Result<(), DatabaseError> {
    tx.batch("DELETE FROM slice_path; DELETE FROM nar")?;
    for nar in 1..=10 {
        tx.execute(
            "INSERT INTO nar (id, nar_hash, nar_size, file_size, created_at, damaged_at) \
             VALUES (?1, unhex(printf('%064x', ?1)), 1, 1, 0, ?2)",
            params![nar, (damaged && nar == 7).then_some(1)],
        )?;
    }
    add(tx, hash, holders)
}

fn add(tx: &Tx<'_>, hash: StorePathHash, holders: &[Holder]) -> Result<(), DatabaseError> {
    let insert = "INSERT INTO slice_path \
         (id, path_hash, flake_id, name, nar_id, path_refs, signatures, created_at) \
         VALUES (?1, ?2, ?3, 'x', ?4, '', '', 0)";
    for holder in holders {
        let nar = holder.flake_id % 10 + 1;
        let values = params![holder.row_id, hash.as_bytes(), holder.flake_id, nar];
        tx.execute(insert, values)?;
    }
    Ok(())
}

/// The same on the real tables, for paths with and without lost content, and for NARs.
#[tokio::test]
async fn the_database_is_searched_as_defined() {
    let directory = tempfile::TempDir::new().unwrap();
    let database = Database::open(directory.path()).unwrap();
    let checked = database.write(Decided::by_server(), |tx| {
        tx.batch(
            "INSERT INTO organization (uuid, name, folded, created_at) VALUES ('o', 'o', 'o', 0); \
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000) \
             INSERT INTO flake (id, uuid, organization_id, name, folded, visibility, created_at) \
             SELECT n, n, 1, n, n, 'private', 0 FROM number",
        )
        .map_err(DatabaseError::from)?;
        let hash = StorePathHash::from_bytes([7; 20]);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(150));
        let percents = (prop_oneof![Just(0), 0..=100_usize], 0..=100_usize);
        let worlds = (world(), any::<bool>(), percents, any::<bool>());
        let result = runner.run(&worlds, |((flakes, holding, model), damaged, percents, repacked)| {
            let holders = holders_of(&flakes[..holding]);
            // Some of them are packed, some came later; and of those that were there some are gone.
            let (gone, packed) = (holding * percents.0 / 100, holding * percents.1 / 100);
            fill(tx, hash, &holders[..packed], damaged).unwrap();
            packed::pack(tx, &hash).unwrap();
            add(tx, hash, &holders[packed..]).unwrap();
            let holders: Vec<Holder> = holders.into_iter().filter(|holder| {
                let stays = holder.row_id % 7 != 1 || holder.row_id as usize > gone * 3;
                if !stays {
                    let sql = "DELETE FROM slice_path WHERE id = ?1";
                    tx.execute(sql, fh_sql::params![holder.row_id]).unwrap();
                }
                stays
            }).collect();
            if repacked {
                packed::pack(tx, &hash).unwrap();
            }
            let sound: Vec<Holder> = holders
                .iter()
                .copied()
                .filter(|holder| !damaged || holder.flake_id % 10 != 6)
                .collect();
            let of_path = OfPath::new(tx, hash).unwrap();
            prop_assert_eq!(search(&model, &of_path).unwrap(), defined(&model, &sound));
            for nar_id in [3, 7] {
                let flat = Model {
                    ranks: model.ranks.keys().map(|id| (*id, 0)).collect(),
                    excess: 0,
                };
                let of_nar = OfNar { read: tx, nar_id };
                let readable = holders.iter().any(|holder| {
                    holder.flake_id % 10 + 1 == nar_id && flat.rank(holder.flake_id).is_some()
                });
                prop_assert_eq!(search(&flat, &of_nar).unwrap().is_some(), readable);
            }
            Ok(())
        });
        result.map_err(|error| DatabaseError::invalid("answer", error.to_string()))
    });
    checked.await.unwrap();
}
