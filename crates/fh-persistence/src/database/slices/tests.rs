//! That no question walks through a table, whatever stands in it.

use std::time::Instant;

use fh_sql::ToParam;

use super::*;
use crate::database::Decided;
use crate::database::holders::*;
use crate::database::{Database, contests, nars};

/// `slices` slices of `paths` paths each; path and NAR 0 are in all of them, the others in one.
fn generate(tx: &Tx<'_>, slices: i64, paths: i64) {
    let number = "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number \
                  WHERE n + 1 < ?1) ";
    let run = |sql: &str, parameters: &[&dyn ToParam]| {
        let sql = format!("{number}{sql}");
        tx.execute(&sql, parameters).unwrap();
    };
    tx.batch("INSERT INTO organization (uuid, name, folded, created_at) VALUES ('o', 'o', 'o', 0)")
        .unwrap();
    run(
        "INSERT INTO flake (id, uuid, organization_id, name, folded, visibility, created_at) \
         SELECT n + 1, n, 1, n, n, 'private', 0 FROM number",
        params![slices],
    );
    run(
        "INSERT INTO nar (id, nar_hash, nar_size, file_size, created_at) \
         SELECT n + 1, unhex(printf('%064x', n * 7919)), 1000, 500, 0 FROM number",
        params![slices * paths],
    );
    run(
        "INSERT INTO slice_path \
         (path_hash, flake_id, name, nar_id, path_refs, signatures, created_at) \
         SELECT unhex(printf('%040x', CASE n % ?2 WHEN 0 THEN 0 ELSE n * 7919 END)), n / ?2 + 1, \
         'name', CASE n % ?2 WHEN 0 THEN 1 ELSE n + 1 END, '', '', 0 FROM number",
        params![slices * paths, paths],
    );
}

/// The hash part of the path with that number.
fn path_hash(number: i64) -> StorePathHash {
    let mut bytes = [0; 20];
    bytes[12..].copy_from_slice(&(number * 7919).to_be_bytes());
    StorePathHash::from_bytes(bytes)
}

fn nar_hash(number: i64) -> NarHash {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&(number * 7919).to_be_bytes());
    NarHash::from_bytes(bytes)
}

#[tokio::test]
async fn every_question_is_a_search_of_an_index() {
    let directory = tempfile::TempDir::new().unwrap();
    let database = Database::open(directory.path()).unwrap();
    let checked = database.write(Decided::by_server(), |tx| {
        generate(tx, 50, 100);
        // Neither without statistics nor with those of one large slice.
        for statistics in [false, true] {
            if statistics {
                tx.batch("ANALYZE")?;
            }
            for sql in [
                NEWEST,
                PRESENT,
                FIRST_HOLDERS,
                FIRST_SOUND_HOLDERS,
                OLDEST_HOLDERS,
                OLDEST_SOUND_HOLDERS,
                OLDEST_OF,
                OLDEST_SOUND_OF,
                HOLDERS_OF_NAR,
                NAR_IS_IN,
                NEXT_HOLDER,
                contests::WORDS_IN,
                nars::STORED,
                nars::RECEIVED,
                packed::BLOCKS,
                packed::LAST,
                packed::PACK,
            ] {
                let count = (1..=9).rev().find(|n| sql.contains(&format!("?{n}")));
                let parameters = vec![&"[]" as &dyn ToParam; count.unwrap_or(0)];
                let explain = format!("EXPLAIN QUERY PLAN {sql}");
                let steps: Vec<(i64, i64, i64, String)> = all(tx, &explain, &parameters)?;
                let steps: Vec<String> = steps.into_iter().map(|(.., step)| step).collect();
                let scans: Vec<_> = steps
                    .iter()
                    .filter(|step| {
                        // What was given, and what another step has found.
                        let known = ["SCAN wanted", "SCAN (subquery"];
                        let known = known.iter().any(|start| step.starts_with(start));
                        step.starts_with("SCAN") && !known
                    })
                    .collect();
                assert!(scans.is_empty(), "{sql}: {steps:?}");
                let has = |words| steps.iter().any(|step: &String| step.contains(words));
                if sql == NEWEST {
                    // It walks a slice from its end, and stops: nothing is sorted.
                    assert!(!has("TEMP B-TREE"), "{sql}: {steps:?}");
                } else {
                    assert!(!has("slice_path_flake"), "{sql}: {steps:?}");
                }
                let stops = [
                    FIRST_HOLDERS,
                    FIRST_SOUND_HOLDERS,
                    OLDEST_HOLDERS,
                    OLDEST_SOUND_HOLDERS,
                    HOLDERS_OF_NAR,
                ];
                if stops.contains(&sql) {
                    // They stop where they were told to, however many holders there are.
                    assert!(!has("TEMP B-TREE"), "{sql}: {steps:?}");
                }
                let covered = [
                    FIRST_HOLDERS,
                    OLDEST_HOLDERS,
                    OLDEST_OF,
                    HOLDERS_OF_NAR,
                    NAR_IS_IN,
                    packed::PACK,
                ];
                if covered.contains(&sql) {
                    assert!(has("COVERING INDEX"), "{sql}: {steps:?}");
                }
                if sql.contains("json_each") {
                    assert!(steps[0].contains(" wanted "), "{sql}: {steps:?}");
                }
            }
        }
        Ok::<_, DatabaseError>(())
    });
    checked.await.unwrap();
}

#[tokio::test]
async fn questions_are_answered() {
    let directory = tempfile::TempDir::new().unwrap();
    let database = Database::open(directory.path()).unwrap();
    let checked = database.write(Decided::by_server(), |tx| {
        generate(tx, 50, 100);
        let wanted: Vec<_> = (0..300).map(path_hash).collect();
        // Slice 2 holds the paths 101 to 199, and the common one.
        let found = present(tx, 2, &wanted)?;
        assert_eq!(found.len(), 100);
        assert_eq!(found[&path_hash(150)].nar_hash, nar_hash(150));
        let oldest = |number, after, most| {
            let found = oldest_holders(tx, &path_hash(number), false, after, most)?;
            let sound = oldest_holders(tx, &path_hash(number), true, after, most)?;
            assert_eq!(found, sound);
            Ok::<_, DatabaseError>(found)
        };
        let all = oldest(0, i64::MIN, 100)?;
        assert_eq!(all.len(), 50);
        assert!(all.is_sorted_by_key(|holder| holder.row_id));
        assert_eq!(oldest(0, all[9].row_id, 3)?, all[10..13]);
        assert_eq!(oldest(150, i64::MIN, 100)?.len(), 1);
        for damaged in [false, true] {
            for (flake_ids, expected) in [
                (&[][..], None),
                (&[51, 60], None),
                (&[9, 7, 30], Some(all[6].row_id)),
            ] {
                let row = oldest_row_in(tx, &path_hash(0), damaged, flake_ids)?;
                assert_eq!(row, expected);
            }
        }
        let nar = nar_of_hash(tx, &nar_hash(0))?.unwrap();
        assert_eq!(nar_of_hash(tx, &NarHash::of(b""))?, None);
        let flakes = holders_of_nar(tx, nar.id, i64::MIN, 100)?;
        assert_eq!(flakes, (1..=50).collect::<Vec<_>>());
        assert_eq!(holders_of_nar(tx, nar.id, 7, 2)?, [8, 9]);
        for (flake_ids, expected) in [
            (&[][..], false),
            (&[1], true),
            (&[50], true),
            (&[51, 60], false),
            (&[-3, 0, 50], true),
        ] {
            assert_eq!(any_holds_nar(tx, Some(nar.id), flake_ids)?, expected);
            assert!(!any_holds_nar(tx, None, flake_ids)?);
            assert_eq!(nar_is_in(tx, nar.id, flake_ids)?, expected);
        }
        let stored = nars::stored(tx, [&nar_hash(7), &NarHash::of(b"")])?;
        assert_eq!(stored.len(), 1);
        assert!(nars::received(tx, 1, 1, [&nar_hash(7)])?.is_empty());
        Ok::<_, DatabaseError>(())
    });
    checked.await.unwrap();
}

/// Run with `cargo test --release -p fh-persistence -- --ignored --nocapture two_million`.
#[tokio::test]
#[ignore = "a benchmark: takes a minute"]
async fn two_million_paths_in_two_thousand_slices() {
    let directory = tempfile::TempDir::new().unwrap();
    let database = Database::open(directory.path()).unwrap();
    let generated = database.write(Decided::by_server(), |tx| {
        generate(tx, 2000, 1000);
        Ok::<_, DatabaseError>(())
    });
    generated.await.unwrap();
    let measured = database.read(|read| {
        let wanted: Vec<_> = (0..5000).map(|number| path_hash(number * 397)).collect();
        let others: Vec<_> = (0..2000).map(|id| id * 2 + 5000).collect();
        type Question<'a> = (&'a str, &'a dyn Fn() -> Result<(), DatabaseError>);
        let questions: [Question<'_>; 6] = [
            ("which of 5000 paths does a slice hold", &|| {
                present(read, 77, &wanted).map(drop)
            }),
            ("who holds a path that is in one slice", &|| {
                oldest_holders(read, &path_hash(1_234_567), false, 0, 64).map(drop)
            }),
            ("who of 2000 slices has a path for longest", &|| {
                oldest_holders(read, &path_hash(0), false, 0, 64).map(drop)
            }),
            ("who has a path that is in 2000 slices", &|| {
                oldest_holders(read, &path_hash(0), false, 0, 10_000).map(drop)
            }),
            ("who of 2000 other slices has it", &|| {
                oldest_row_in(read, &path_hash(0), false, &others).map(drop)
            }),
            ("does a view of 2000 other slices hold it", &|| {
                any_holds_nar(read, Some(1), &others).map(drop)
            }),
        ];
        for (name, ask) in questions {
            for state in ["first", "again"] {
                let since = Instant::now();
                ask()?;
                println!("{name}, {state}: {:?}", since.elapsed());
            }
        }
        Ok(())
    });
    measured.await.unwrap();
}
