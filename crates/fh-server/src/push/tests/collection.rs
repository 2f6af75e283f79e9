//! What is left behind, and what the collection makes of it.

use std::time::Duration;

use fh_persistence::database::Decided;

use super::{Item, Scene, noise};
use crate::collect::{Collected, collect};

/// Moves everything that has a time so far into the past.
async fn age(scene: &Scene, duration: Duration) {
    let micros = i64::try_from(duration.as_micros()).unwrap();
    let aged = scene
        .server
        .state
        .database()
        .write(Decided::by_server(), move |tx| {
            tx.execute(
                "UPDATE push SET expires_at = expires_at - ?1",
                fh_sql::params![micros],
            )?;
            tx.execute(
                "UPDATE received_nar SET received_at = received_at - ?1",
                fh_sql::params![micros],
            )?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        });
    aged.await.unwrap();
    let root = scene.server.directory.path().join("data/objects");
    let past = std::time::SystemTime::now() - duration;
    for name in scene.files() {
        let file = std::fs::File::options()
            .write(true)
            .open(root.join(name))
            .unwrap();
        file.set_modified(past).unwrap();
    }
}

const DAY: Duration = Duration::from_secs(25 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn what_is_needed_stays() {
    let scene = Scene::new().await;
    let (kept, sent) = (Item::new("kept", b"kept"), Item::new("sent", b"sent"));
    let large = Item::new("large", &noise(1, 100_000));
    scene.push(&[&kept]).await;
    let id = scene.plan(&[&sent, &large]).await.id.unwrap();
    scene.batch(id, &[&sent]).await;
    scene.part(id, &large, 0).await;
    assert_eq!(
        collect(scene.server.state.stock(), HOUR).await.unwrap(),
        Collected::default()
    );
    scene.part(id, &large, 1).await;
    assert_eq!(scene.commit(id).await.added, 2);
    age(&scene, DAY).await;
    let collected = collect(scene.server.state.stock(), HOUR).await.unwrap();
    assert_eq!((collected.pushes, collected.received), (2, 3));
    assert_eq!(
        (collected.nars, collected.orphans, collected.partials),
        (0, 0, 0)
    );
    for item in [&kept, &sent, &large] {
        assert_eq!(scene.nar(item, &scene.ann).await.unwrap(), item.nar);
    }
}

#[tokio::test]
async fn a_listing_goes_with_its_nar() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    let listing = format!("/{}.ls", item.hash());
    scene.push(&[&item]).await;
    scene.server.get(&listing, &scene.ann).await.expect(200);
    let files = scene.files();
    assert_eq!(files.len(), 2, "{files:?}");
    age(&scene, DAY).await;
    let collected = collect(scene.server.state.stock(), HOUR).await.unwrap();
    assert_eq!((collected.nars, collected.orphans), (0, 0));
    assert_eq!(scene.files(), files);

    // One that is left behind alone, as by a crash in between, is found too.
    let objects = scene.server.directory.path().join("data/objects");
    let kept = std::fs::read(objects.join(&files[0])).unwrap();
    let flake = "/api/v1/flakes/acme/app";
    scene.server.delete(flake, &scene.ann).await.expect(204);
    let collected = collect(scene.server.state.stock(), HOUR).await.unwrap();
    assert_eq!((collected.nars, collected.orphans), (1, 0));
    assert_eq!(scene.files(), Vec::<String>::new());
    std::fs::write(objects.join(&files[0]), kept).unwrap();
    let collected = collect(scene.server.state.stock(), HOUR).await.unwrap();
    assert_eq!(collected.orphans, 0);
    age(&scene, HOUR).await;
    let collected = collect(scene.server.state.stock(), HOUR).await.unwrap();
    assert_eq!(collected.orphans, 1);
    assert_eq!(scene.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_push_that_was_given_up_is_gone_in_the_end() {
    let scene = Scene::new().await;
    let small = Item::new("small", b"small");
    let large = Item::new("large", &noise(1, 100_000));
    let id = scene.plan(&[&small, &large]).await.id.unwrap();
    scene.batch(id, &[&small]).await;
    scene.part(id, &large, 0).await;
    assert_eq!(scene.files().len(), 2);
    age(&scene, DAY).await;
    // Somebody may be working on the parts as long as the server remembers the upload.
    let collected = collect(scene.server.state.stock(), HOUR).await.unwrap();
    let expected = Collected {
        tokens: 0,
        pushes: 1,
        received: 1,
        nars: 1,
        orphans: 0,
        partials: 0,
        realisations: 0,
    };
    assert_eq!(collected, expected);
    let scene = scene.restarted().await;
    let collected = collect(scene.server.state.stock(), HOUR).await.unwrap();
    assert_eq!(collected.partials, 1);
    assert!(scene.files().is_empty());
    scene.commit_answer(id).await.expect(404);
    // It can be pushed again.
    assert_eq!(scene.push(&[&small]).await.added, 1);
    assert!(scene.nar(&small, &scene.ann).await.is_some());
}

#[tokio::test]
async fn a_crash_leaves_the_slice_as_it_was_and_bytes_that_are_collected() {
    let scene = Scene::new().await;
    let item = Item::new("x", &noise(1, 100_000));
    let small = Item::new("small", b"small");
    scene.push(&[&small]).await;
    let id = scene.plan(&[&item]).await.id.unwrap();
    let root = scene.server.directory.path().join("data/objects");
    // Died after the rename and before the transaction: an object without a row, perhaps torn.
    let name = item.nar_name();
    let directory = root.join("nar").join(&name[..2]);
    std::fs::create_dir_all(&directory).unwrap();
    let object = directory.join(format!("{name}.nar.zst"));
    std::fs::write(&object, b"torn").unwrap();
    // Died while writing a file, and in the middle of a part.
    std::fs::write(root.join("staging/7.tmp"), b"half").unwrap();
    // Something that a person put there is left alone.
    std::fs::write(root.join("nar/readme.txt"), b"x").unwrap();
    std::fs::write(directory.join("notes"), b"x").unwrap();

    let scene = scene.restarted().await;
    scene.server.state.storage().remove_leftovers().unwrap();
    assert!(!root.join("staging/7.tmp").exists());
    assert!(scene.narinfo("", &item, &scene.ann).await.is_none());
    assert!(scene.nar(&item, &scene.ann).await.is_none());
    // Young ones may be about to get a row.
    assert_eq!(
        collect(scene.server.state.stock(), HOUR).await.unwrap(),
        Collected::default()
    );
    age(&scene, 2 * HOUR).await;
    assert_eq!(
        collect(scene.server.state.stock(), HOUR)
            .await
            .unwrap()
            .orphans,
        1
    );
    assert!(!object.exists() && directory.join("notes").exists());

    // And where the same push comes before the collection, it replaces what lies there.
    std::fs::write(&object, b"torn").unwrap();
    scene.part(id, &item, 0).await;
    assert!(scene.part(id, &item, 1).await.complete);
    // Died before the commit: the push can be gone on with.
    let scene = scene.restarted().await;
    assert!(scene.narinfo("", &item, &scene.ann).await.is_none());
    assert_eq!(scene.commit(id).await.added, 1);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
    assert_eq!(scene.nar(&small, &scene.ann).await.unwrap(), small.nar);
}

#[tokio::test]
async fn a_removed_flake_gives_its_bytes_back() {
    let scene = Scene::new().await;
    scene
        .server
        .flake("acme/other", "private", &scene.ann)
        .await;
    let (own, shared) = (Item::new("own", b"own"), Item::new("shared", b"shared"));
    scene.push(&[&own, &shared]).await;
    scene.push_as("acme/other", &scene.ann, &[&shared]).await;
    scene
        .server
        .delete("/api/v1/flakes/acme/app", &scene.ann)
        .await
        .expect(204);
    let collected = collect(scene.server.state.stock(), HOUR).await.unwrap();
    assert_eq!(collected.nars, 1);
    assert_eq!(scene.files().len(), 1);
    assert_eq!(scene.nar(&shared, &scene.ann).await.unwrap(), shared.nar);
}

#[tokio::test]
async fn collecting_all_the_time_harms_no_push() {
    let scene = Scene::new().await;
    let items: Vec<Item> = (0..8)
        .map(|index| Item::new(&format!("item-{index}"), &noise(index, 500)))
        .collect();
    let state = scene.server.state.clone();
    let collecting = async {
        loop {
            collect(state.stock(), Duration::ZERO).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let pushing = async {
        for round in 0..6 {
            let flake = format!("acme/round-{round}");
            scene.server.flake(&flake, "private", &scene.ann).await;
            // May not pull, so that everything is sent each time.
            let blind = scene.server.narrow(&scene.ann, &["push"], &["*"]).await;
            let wanted: Vec<&Item> = items.iter().collect();
            let summary = scene.push_as(&flake, &blind, &wanted).await;
            assert_eq!(summary.uploaded, 8);
            for item in &items {
                assert_eq!(scene.nar(item, &scene.ann).await.unwrap(), item.nar);
            }
            let path = format!("/api/v1/flakes/{flake}");
            scene.server.delete(&path, &scene.ann).await.expect(204);
        }
    };
    tokio::select! {
        () = collecting => unreachable!("it never ends"),
        () = pushing => {}
    }
    collect(scene.server.state.stock(), Duration::ZERO)
        .await
        .unwrap();
    assert!(scene.files().is_empty());
}
