//! That what is packed is what stands in the slices, whatever happens to those.

use super::*;
use crate::database::Database;
use crate::database::Decided;
use crate::database::holders::oldest_holders;
use crate::database::rows::all;
use crate::database::slices;

/// Flakes, as many as said, in one organisation.
fn flakes(tx: &Tx<'_>, count: i64) {
    tx.batch(&format!(
            "INSERT INTO organization (id, uuid, name, folded, created_at) VALUES (1, 'o', 'o', 'o', 0); \
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count}) \
             INSERT INTO flake (id, uuid, organization_id, name, folded, visibility, created_at) \
             SELECT n, n, 1, n, n, 'private', 0 FROM number; \
             INSERT INTO nar (id, nar_hash, nar_size, file_size, created_at) \
             VALUES (1, zeroblob(32), 1, 1, 0)"
        ))
        .unwrap();
}

fn info(hash: StorePathHash) -> fh_nix::PathInfo {
    fh_nix::PathInfo {
        path: fh_nix::StorePath::new(hash, "x").unwrap(),
        nar_hash: fh_nix::NarHash::from_bytes([0; 32]),
        nar_size: 1,
        references: Default::default(),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
    }
}

fn hash(number: u8) -> StorePathHash {
    StorePathHash::from_bytes([number; 20])
}

fn packed_rows(tx: &Tx<'_>, hash: &StorePathHash) -> usize {
    let sql = "SELECT COUNT(*) AS count FROM packed_holders WHERE path_hash = ?1";
    let count: i64 = one(tx, sql, params![hash.as_bytes()]).unwrap();
    usize::try_from(count).unwrap()
}

/// What the index says, compared with what is read with the help of what is packed.
fn agree(tx: &Tx<'_>, hash: &StorePathHash) {
    let sql = "SELECT flake_id, id FROM slice_path WHERE path_hash = ?1 ORDER BY id";
    let plain = all(tx, sql, params![hash.as_bytes()]).unwrap();
    let plain: Vec<Holder> = plain
        .into_iter()
        .map(|(flake_id, row_id)| Holder { flake_id, row_id })
        .collect();
    let read = |after, most| oldest_holders(tx, hash, false, after, most).unwrap();
    assert_eq!(read(i64::MIN, usize::MAX), plain);
    for step in [64, 256, 300, 700] {
        let mut found = Vec::new();
        loop {
            let after = found.last().map_or(i64::MIN, |last: &Holder| last.row_id);
            let page = read(after, step);
            found.extend_from_slice(&page);
            if page.len() < step {
                break;
            }
        }
        assert_eq!(found, plain, "{step} at a time");
    }
}

/// Pushes of the same closure to one flake after another, as the server does them.
#[tokio::test]
async fn pushes_pack_and_removing_unpacks() {
    let directory = tempfile::TempDir::new().unwrap();
    let database = Database::open(directory.path()).unwrap();
    let checked = database.write(Decided::by_server(), |tx| {
        flakes(tx, 2000);
        // A distance between the rows of a path that a weaker choice of turns would fall in step with.
        let closure: Vec<StorePathHash> = (0..64).map(hash).collect();
        for flake_id in 1..=2000 {
            for hash in closure.iter().take(if flake_id <= 300 { 64 } else { 2 }) {
                assert!(slices::insert(
                    tx,
                    flake_id,
                    &info(*hash),
                    1,
                    Default::default()
                )?);
            }
        }
        for hash in &closure[..2] {
            // Of 2000 no more than a few blocks can wait.
            assert!(packed_rows(tx, hash) >= 4, "{}", packed_rows(tx, hash));
        }
        let others = closure[2..].iter().map(|hash| packed_rows(tx, hash));
        assert!(others.clone().sum::<usize>() > 0);
        assert!(others.max() <= Some(1));
        closure.iter().for_each(|hash| agree(tx, hash));
        // A flake in the midst is removed, as is everything of it.
        let all_packed = |hash: &StorePathHash| {
            pack(tx, hash).unwrap();
            packed_rows(tx, hash)
        };
        assert_eq!(all_packed(&closure[0]), 7);
        tx.execute("DELETE FROM flake WHERE id = 600", &[])?;
        assert_eq!(packed_rows(tx, &closure[0]), 2);
        agree(tx, &closure[0]);
        assert_eq!(all_packed(&closure[0]), 7);
        agree(tx, &closure[0]);
        // The newest row goes, and its id is used again, by another flake and for another path.
        tx.execute("DELETE FROM slice_path WHERE flake_id > 1900", &[])?;
        for flake_id in (1950..=2000).rev() {
            for hash in closure[..2].iter().rev() {
                slices::insert(tx, flake_id, &info(*hash), 1, Default::default())?;
            }
        }
        for hash in &closure {
            agree(tx, hash);
            pack(tx, hash)?;
            agree(tx, hash);
        }
        // A row that changes its place.
        tx.execute(
            "UPDATE slice_path SET id = id + 100000 WHERE id % 999 = 5",
            &[],
        )?;
        closure.iter().for_each(|hash| agree(tx, hash));
        // All at once, as a database of before is brought up to date.
        tx.execute("DELETE FROM packed_holders", &[])?;
        tx.batch(include_str!("../migrations/0007_pack.sql"))?;
        assert_eq!(packed_rows(tx, &closure[0]), 7);
        closure.iter().for_each(|hash| agree(tx, hash));
        Ok::<_, DatabaseError>(())
    });
    checked.await.unwrap();
}

/// Numbers that a packed holder has no room for are no error, and never told wrong.
#[tokio::test]
async fn ids_without_room_stay_unpacked() {
    let directory = tempfile::TempDir::new().unwrap();
    let database = Database::open(directory.path()).unwrap();
    let checked = database.write(Decided::by_server(), |tx| {
        flakes(tx, 700);
        let add = |flake_id| slices::insert(tx, flake_id, &info(hash(1)), 1, Default::default());
        for flake_id in 1..=300 {
            add(flake_id)?;
        }
        // The next row follows the highest one there is.
        tx.execute(
            "UPDATE slice_path SET id = 1 << 48 WHERE flake_id = 300",
            &[],
        )?;
        for flake_id in 301..=600 {
            add(flake_id)?;
        }
        pack(tx, &hash(1))?;
        assert_eq!(packed_rows(tx, &hash(1)), 1);
        agree(tx, &hash(1));
        tx.execute("UPDATE flake SET id = 1 << 32 WHERE id = 700", &[])?;
        tx.execute("DELETE FROM packed_holders", &[])?;
        pack(tx, &hash(1))?;
        assert_eq!(packed_rows(tx, &hash(1)), 0);
        add(1 << 32)?;
        agree(tx, &hash(1));
        Ok::<_, DatabaseError>(())
    });
    checked.await.unwrap();
}
