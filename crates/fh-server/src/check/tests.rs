//! Checks of real data directories, of servers that stand and that run.

use super::*;
use crate::integrity::Integrity;
use crate::push::tests::{Item, Scene, noise};
use crate::telemetry::tests::Log;

fn look(scene: &Scene, depth: Depth) -> DataReport {
    let mut seen = Vec::new();
    let data = scene.server.directory.path().join("data");
    let report = check_data(&data, depth, &mut |progress| seen.push(progress))
        .unwrap()
        .unwrap();
    if let (Some(first), Some(last)) = (seen.first(), seen.last()) {
        assert_eq!((first.objects, first.bytes), (0, 0));
        assert_eq!(last.objects, last.of_objects);
        assert_eq!(last.bytes, last.of_bytes);
        assert!(seen.is_sorted_by_key(|progress| progress.bytes));
    }
    report
}

#[tokio::test]
async fn a_sound_directory_is_sound_and_read_as_a_whole() {
    let scene = Scene::new().await;
    let items: Vec<_> = (0..5)
        .map(|n| Item::new(&format!("x{n}"), &noise(n, 9000)))
        .collect();
    scene.push(&items.iter().collect::<Vec<_>>()).await;
    let stored: usize = items.iter().map(|item| item.compressed().len()).sum();
    let files = look(&scene, Depth::Files);
    assert!(files.is_sound());
    assert_eq!((files.objects, files.bytes_read), (5, 0));
    let contents = look(&scene, Depth::Contents);
    assert!(contents.is_sound());
    assert_eq!((contents.objects, contents.bytes_read), (5, stored as u64));
    assert_eq!(contents.orphans, Orphans::default());
    // Also when nobody runs.
    let directory = scene.server.stop();
    let data = directory.path().join("data");
    let report = check_data(&data, Depth::Contents, &mut |_| {}).unwrap();
    assert_eq!(report, Some(contents));
    assert_eq!(
        check_data(directory.path(), Depth::Contents, &mut |_| {}).unwrap(),
        None
    );
}

#[tokio::test]
async fn each_kind_of_damage_is_found_by_the_check_that_can_see_it() {
    let scene = Scene::new().await;
    let items: Vec<_> = ["gone", "cut", "flipped", "first", "second", "good"]
        .iter()
        .enumerate()
        .map(|(n, name)| Item::new(name, &noise(n as u64, 9000)))
        .collect();
    scene.push(&items.iter().collect::<Vec<_>>()).await;
    let [gone, cut, flipped, first, second, good] = &items[..] else {
        unreachable!()
    };
    std::fs::remove_file(scene.object(gone)).unwrap();
    scene.alter(cut, |bytes| bytes.truncate(100));
    scene.alter(flipped, |bytes| bytes[4000] ^= 1);
    let (one, other) = (scene.object(first), scene.object(second));
    let kept = std::fs::read(&one).unwrap();
    std::fs::copy(&other, &one).unwrap();
    std::fs::write(&other, kept).unwrap();

    let names = |report: &DataReport| {
        let mut names: Vec<_> = report
            .damaged
            .iter()
            .map(|damaged| {
                let name = damaged.paths[0].split_once('-').unwrap().1;
                (name.to_owned(), damaged.new)
            })
            .collect();
        names.sort();
        names
    };
    let files = look(&scene, Depth::Files);
    let expected = [("cut".to_owned(), true), ("gone".to_owned(), true)];
    assert_eq!(names(&files), expected);
    let contents = look(&scene, Depth::Contents);
    let expected = [
        ("cut", false),
        ("first", true),
        ("flipped", true),
        ("gone", false),
        ("second", true),
    ];
    let expected = expected.map(|(name, new)| (name.to_owned(), new));
    assert_eq!(names(&contents), expected);
    assert_eq!(contents.damaged_count, 5);
    // What is known stays known, and what is told of it makes sense.
    let again = look(&scene, Depth::Files);
    assert_eq!(again.damaged_count, 5);
    assert!(again.damaged.iter().all(|damaged| !damaged.new));
    let told = contents
        .damaged
        .iter()
        .find(|damaged| damaged.nar_hash == cut.nar_name())
        .unwrap();
    assert_eq!(told.paths, std::slice::from_ref(&cut.base));
    assert!(told.file.starts_with("objects/nar/"), "{}", told.file);
    assert!(told.problem.contains("100 bytes"), "{}", told.problem);

    // The server beside hears of it, and offers what is good.
    assert!(scene.server.state.database().notice_others().await.unwrap());
    for item in &items {
        let offered = scene.narinfo("", item, &scene.ann).await.is_some();
        assert_eq!(offered, item.base == good.base, "{}", item.base);
    }
    // A push brings it all back.
    scene.push(&items.iter().collect::<Vec<_>>()).await;
    assert!(look(&scene, Depth::Contents).is_sound());
    for item in &items {
        assert_eq!(scene.nar(item, &scene.ann).await.unwrap(), item.nar);
    }
}

#[tokio::test]
async fn what_is_brought_back_by_hand_is_good_again() {
    let scene = Scene::new().await;
    let (moved, other) = (
        Item::new("moved", &noise(1, 9000)),
        Item::new("other", &noise(2, 9000)),
    );
    scene.push(&[&moved, &other]).await;
    let path = scene.object(&moved);
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    scene.alter(&other, |bytes| bytes.truncate(10));
    assert_eq!(look(&scene, Depth::Contents).damaged_count, 2);
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    // The other one comes from another cache, compressed in another way.
    let bytes = zstd::bulk::compress(&other.nar, 19).unwrap();
    std::fs::write(scene.object(&other), &bytes).unwrap();
    let report = look(&scene, Depth::Contents);
    assert!(report.is_sound());
    assert_eq!(report.restored, 2);
    scene.server.state.database().notice_others().await.unwrap();
    for item in [&moved, &other] {
        assert_eq!(scene.nar(item, &scene.ann).await.unwrap(), item.nar);
    }
    let narinfo = scene.narinfo("", &other, &scene.ann).await.unwrap();
    assert_eq!(narinfo.file_size, Some(bytes.len() as u64));
}

#[tokio::test]
async fn rows_of_before_get_their_checksum() {
    let scene = Scene::new().await;
    let (good, bad) = (
        Item::new("good", &noise(1, 9000)),
        Item::new("bad", &noise(2, 9000)),
    );
    scene.push(&[&good, &bad]).await;
    scene.forget_checksums().await;
    scene.alter(&bad, |bytes| bytes[5000] ^= 0x40);
    let report = look(&scene, Depth::Contents);
    assert_eq!(report.sums_added, 1);
    assert_eq!(report.damaged_count, 1);
    assert!(report.damaged[0].problem.contains("NAR"), "{report:?}");
    assert_eq!(look(&scene, Depth::Contents).sums_added, 0);
}

#[tokio::test]
async fn files_without_a_row_are_told_and_stay() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    scene.push(&[&item]).await;
    let directory = scene.object(&item).parent().unwrap().to_owned();
    let orphan = directory.join(format!("{}.nar.zst", "0".repeat(52)));
    let odd = directory.join("notes.txt");
    for path in [&orphan, &odd] {
        std::fs::write(path, b"12345").unwrap();
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    // This one may be about to get its row.
    std::fs::write(directory.join("new.nar.zst"), b"1").unwrap();
    let report = look(&scene, Depth::Contents);
    assert!(report.is_sound());
    assert_eq!((report.orphans.count, report.orphans.bytes), (2, 10));
    assert!(
        report
            .orphans
            .files
            .iter()
            .any(|file| file.ends_with("notes.txt"))
    );
    assert!(orphan.exists() && odd.exists());
}

#[tokio::test]
async fn a_broken_database_is_told_and_nothing_is_marked_by_it() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    scene.push(&[&item]).await;
    let directory = scene.server.stop();
    let data = directory.path().join("data");
    {
        let connection = rusqlite::Connection::open(data.join("fh.sqlite")).unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = OFF; UPDATE slice_path SET nar_id = 4711; \
                 PRAGMA wal_checkpoint(TRUNCATE);",
            )
            .unwrap();
    }
    let report = check_data(&data, Depth::Files, &mut |_| {})
        .unwrap()
        .unwrap();
    assert!(!report.is_sound());
    assert!(report.database[0].contains("slice_path"), "{report:?}");
    assert_eq!(report.objects, 0);
    // And one that is none at all.
    std::fs::write(data.join("fh.sqlite"), [7; 8192]).unwrap();
    let error = check_data(&data, Depth::Files, &mut |_| {}).unwrap_err();
    assert!(matches!(error, DataCheckError::Database(_)), "{error:?}");
}

/// Changes one byte in the database of a server that stands, where these bytes lie in it: in the first `most` places.
fn flip_in_database(data: &std::path::Path, wanted: &[u8], most: usize) -> usize {
    let path = data.join("fh.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = bytes
        .windows(wanted.len())
        .enumerate()
        .filter_map(|(place, window)| (window == wanted).then_some(place))
        .collect();
    for place in places.iter().take(most) {
        bytes[place + wanted.len() / 2] ^= 0x20;
    }
    std::fs::write(&path, bytes).unwrap();
    places.len()
}

#[tokio::test]
async fn damage_within_pages_that_hold_data_is_found_without_reading_the_objects() {
    let scene = Scene::new().await;
    let mut item = Item::new("content-of-a-page", &noise(1, 900));
    let derivation = format!("{}-a.drv", "a".repeat(32));
    item.info.deriver = Some(derivation.clone());
    let other = Item::new("another-one", b"x");
    let item = item.referring_to(&other);
    scene.push(&[&other, &item]).await;
    let connection = {
        let directory = scene.server.directory.path().join("data");
        rusqlite::Connection::open(directory.join("fh.sqlite")).unwrap()
    };
    let log = crate::push::tests::compress(&noise(5, 3000));
    connection
        .execute(
            "INSERT INTO slice_log (drv_hash, flake_id, name, log_hash, log_size, created_at, content) \
             SELECT zeroblob(20), id, 'a.drv', ?1, 3000, 0, ?2 FROM flake",
            rusqlite::params![fh_nix::NarHash::of(&noise(5, 3000)).as_bytes(), log],
        )
        .unwrap();
    let output = format!("sha256:{}!out", "a".repeat(64));
    connection
        .execute(
            "INSERT INTO slice_realisation \
             (drv_output, flake_id, path_hash, name, signatures, builder, created_at) \
             SELECT ?1, id, zeroblob(20), 'a', '', 0, 0 FROM flake",
            [&output],
        )
        .unwrap();
    drop(connection);
    let directory = scene.server.stop();
    let data = directory.path().join("data");
    let checkpoint = || {
        let connection = rusqlite::Connection::open(data.join("fh.sqlite")).unwrap();
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
    };
    checkpoint();
    let whole = std::fs::read(data.join("fh.sqlite")).unwrap();
    let check = || {
        check_data(&data, Depth::Files, &mut |_| {})
            .unwrap()
            .unwrap()
    };
    assert!(check().is_sound(), "{:?}", check());
    let nar_hash = item.nar_hash();
    let cases: [(&str, &[u8], usize); 6] = [
        // In the table, and not in its index, or the other way round.
        ("the hash of a NAR", nar_hash.as_bytes(), 1),
        ("a log", &log[1000..1100], 1),
        ("the name of an organisation", b"acmeacme", 1),
        ("a reference", other.base.as_bytes(), 1),
        ("a derivation", derivation.as_bytes(), 9),
        ("an output of a derivation", output.as_bytes(), 9),
    ];
    for (name, wanted, most) in cases {
        assert!(flip_in_database(&data, wanted, most) > 0, "{name}");
        let report = check();
        assert!(!report.is_sound(), "{name}");
        assert!(!report.database.is_empty(), "{name}");
        std::fs::write(data.join("fh.sqlite"), &whole).unwrap();
    }
    assert!(check().is_sound());
}

/// What the log says while something is done, and what the metrics say afterwards.
async fn told(scene: &Scene, integrity: &Integrity) -> (Vec<(String, String)>, u64) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    integrity.look_for_marks().await.unwrap();
    drop(guard);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let lines = log.lines();
    let mut lines: Vec<_> = lines
        .iter()
        .map(|line| (text(&line["level"]), text(&line["nar_hash"])))
        .collect();
    lines.sort();
    let metrics = scene.server.state.metrics().render();
    let total = metrics
        .lines()
        .find_map(|line| line.strip_prefix("fh_nars_damaged_total "))
        .map_or(0, |count| count.parse().unwrap());
    (lines, total)
}

#[tokio::test]
async fn a_running_server_logs_and_counts_what_a_check_beside_it_finds() {
    let scene = Scene::new().await;
    let items: Vec<_> = ["before", "cut", "gone", "read"]
        .iter()
        .enumerate()
        .map(|(n, name)| Item::new(name, &noise(n as u64, 9000)))
        .collect();
    scene.push(&items.iter().collect::<Vec<_>>()).await;
    let [before, cut, gone, read] = &items[..] else {
        unreachable!()
    };
    let integrity = scene.server.state.integrity();
    let error = |item: Option<&Item>| {
        (
            "ERROR".to_owned(),
            item.map(Item::nar_name).unwrap_or_default(),
        )
    };

    // Known at the start: one line, and not counted.
    scene.alter(before, |bytes| bytes.truncate(100));
    look(&scene, Depth::Files);
    assert_eq!(told(&scene, integrity).await, (vec![error(None)], 0));
    assert_eq!(told(&scene, integrity).await, (vec![], 0));

    // Found by another process: a line that names it, each counted once.
    scene.alter(cut, |bytes| bytes.truncate(100));
    std::fs::remove_file(scene.object(gone)).unwrap();
    look(&scene, Depth::Files);
    let mut expected = vec![error(Some(cut)), error(Some(gone))];
    expected.sort();
    assert_eq!(told(&scene, integrity).await, (expected, 2));
    look(&scene, Depth::Contents);
    assert_eq!(told(&scene, integrity).await, (vec![], 2));

    // Found by this process, which has told of it already.
    scene.alter(read, |bytes| bytes[10] ^= 1);
    assert!(scene.nar(read, &scene.ann).await.is_none());
    assert_eq!(told(&scene, integrity).await, (vec![], 3));

    // Healed, and damaged once more.
    scene.push(&[cut]).await;
    assert_eq!(told(&scene, integrity).await, (vec![], 3));
    scene.alter(cut, |bytes| bytes.truncate(100));
    look(&scene, Depth::Files);
    assert_eq!(told(&scene, integrity).await, (vec![error(Some(cut))], 4));
}
