//! The memory of answers: that it helps, and that it never tells what was true before a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fh_persistence::database::Decided;
use fh_persistence::database::{DatabaseError, slices};

use super::Lookup;
use super::versioned::VersionedCache;
use crate::push::tests::{Item, Scene};
use crate::testing::TestServer;

#[tokio::test]
async fn an_answer_that_was_read_before_a_change_is_not_remembered_after_it() {
    let server = TestServer::start().await;
    let database = server.state.database();
    let cache = Arc::new(VersionedCache::new(1000, |_: &u64, _: &u64| 1));
    assert_eq!(cache.load(database, 1, |_| Ok(10)).await.unwrap(), 10);
    assert_eq!(cache.get(database, &1), Some(10));
    // Forgotten while it is read: answered, not remembered.
    let inner = Arc::clone(&cache);
    let late = cache.load(database, 1, move |_| {
        inner.forget(&1);
        Ok(11)
    });
    assert_eq!(late.await.unwrap(), 11);
    assert_eq!(cache.get(database, &1), None);
    let inner = Arc::clone(&cache);
    let late = cache.load(database, 2, move |_| {
        inner.forget_all();
        Ok(20)
    });
    assert_eq!(late.await.unwrap(), 20);
    assert_eq!(cache.get(database, &2), None);
    // Found beside something else: its key was not known, so whatever is forgotten meanwhile counts.
    let since = cache.since(database);
    cache.remember(since, 6, 60);
    assert_eq!(cache.get(database, &6), Some(60));
    cache.forget(&7);
    cache.remember(since, 6, 61);
    assert_eq!(cache.get(database, &6), Some(60));
    cache.forget_all();
    cache.remember(since, 6, 61);
    assert_eq!(cache.get(database, &6), None);
    // A failure is not remembered.
    let failed = cache.load(database, 3, |_| Err(DatabaseError::Task)).await;
    assert!(failed.is_err());
    assert_eq!(cache.get(database, &3), None);
    // A change of the directory ends everything.
    cache.load(database, 4, |_| Ok(40)).await.unwrap();
    server.organization("acme", &server.admin).await;
    assert_eq!(cache.get(database, &4), None);
    cache.load(database, 4, |_| Ok(41)).await.unwrap();
    assert_eq!(cache.get(database, &4), Some(41));
}

#[tokio::test]
async fn a_narinfo_is_read_and_signed_once() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    scene.push(&[&item]).await;
    let headers = headers(&scene.ann);
    let caller = scene
        .server
        .state
        .access()
        .authenticate(
            crate::routes::credentials::token(&headers),
            fh_access::Source::default(),
        )
        .await;
    let caller = caller.unwrap();
    let hash = item.hash().parse().unwrap();
    let lookup = scene.server.state.lookup();
    let remembered = async || {
        let found = lookup.narinfo(caller.view(), hash).await.unwrap();
        found.unwrap().remembered
    };
    assert!(!remembered().await);
    assert!(remembered().await);
}

#[tokio::test]
async fn an_absence_from_before_a_push_is_not_one_of_after_it() {
    use futures_util::FutureExt as _;
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    let source = fh_access::Source::default();
    let access = scene.server.state.access();
    let caller = access
        .authenticate(
            crate::routes::credentials::token(&headers(&scene.ann)),
            source,
        )
        .await;
    let caller = caller.unwrap();
    let view = caller.view();
    let lookup = scene.server.state.lookup();
    let hash = item.hash().parse().unwrap();
    // That nobody has it is known from here on.
    assert!(lookup.narinfo(view, hash).await.unwrap().is_none());
    let poll = || {
        let absence = lookup.absence(view, hash);
        let told = lookup.narinfo(view, hash).now_or_never();
        if let Some(Ok(None)) = told {
            lookup.remember_absence(absence);
        }
    };
    // Somebody asks in the middle of forgetting, at each instant at which it can be.
    let hashes = [hash, fh_nix::StorePathHash::from_bytes([7; 20])];
    lookup.forget(hashes.iter().inspect(|_| poll()), &[]);
    assert!(!lookup.absence(view, hash).known);
    // In whatever way something is forgotten.
    assert!(lookup.narinfo(view, hash).await.unwrap().is_none());
    lookup.shared.forgetting(|_| poll());
    assert!(!lookup.absence(view, hash).known);
    for forget in [
        |lookup: &Lookup, item: &Item| lookup.forget_object(&item.nar_hash()),
        |lookup: &Lookup, _: &Item| lookup.forget_all(),
    ] {
        lookup.remember_absence(lookup.absence(view, hash));
        assert!(lookup.absence(view, hash).known);
        forget(lookup, &item);
        assert!(!lookup.absence(view, hash).known);
    }
}

#[tokio::test]
async fn of_former_generations_no_decision_is_kept() {
    let scene = Scene::new().await;
    let source = fh_access::Source::default();
    let access = scene.server.state.access();
    let caller = access
        .authenticate(
            crate::routes::credentials::token(&headers(&scene.ann)),
            source,
        )
        .await;
    let caller = caller.unwrap();
    let lookup = scene.server.state.lookup();
    let shared = &lookup.shared;
    let hash = fh_nix::StorePathHash::from_bytes([7; 20]);
    let kept = || {
        shared.rows.run_pending_tasks();
        shared.readable.run_pending_tasks();
        shared.absences.run_pending_tasks();
        [
            shared.rows.entry_count(),
            shared.readable.entry_count(),
            shared.absences.entry_count(),
        ]
    };
    for _ in 0..3 {
        let identity = caller.view().identity();
        lookup.remember_absence(lookup.absence(caller.view(), hash));
        shared.rows.insert((identity, 1), None);
        shared.readable.insert((caller.view().identity(), 1), false);
        assert_eq!(kept(), [1; 3]);
        let change = scene
            .server
            .state
            .database()
            .change_access(Decided::by_server(), |_| Ok::<_, DatabaseError>(()));
        change.await.unwrap();
        // The next question, whatever it is, ends them.
        assert!(!lookup.absence(caller.view(), hash).known);
        assert_eq!(kept(), [0; 3]);
    }
}

#[tokio::test]
async fn an_absence_is_known_to_whom_it_was_told_until_something_is_pushed() {
    let scene = Scene::new().await;
    let bob = scene.server.user("bob").await;
    let access = scene.server.state.access();
    let view = async |token: &str| {
        let source = fh_access::Source::default();
        let caller = access
            .authenticate(crate::routes::credentials::token(&headers(token)), source)
            .await;
        caller.unwrap().view().clone()
    };
    let (ann, bob) = (view(&scene.ann).await, view(&bob).await);
    let lookup = scene.server.state.lookup();
    let hash = fh_nix::StorePathHash::from_bytes([7; 20]);
    let known = |view| {
        let absence = lookup.absence(view, hash);
        let known = absence.known;
        lookup.remember_absence(absence);
        known
    };
    assert!(!known(&ann));
    assert!(known(&ann));
    assert!(!known(&bob));
    // Looked for before something was pushed, of whatever path, and told after it: remembered for nobody.
    let before = lookup.absence(&ann, hash);
    scene.push(&[&Item::new("another", b"another")]).await;
    lookup.remember_absence(before);
    assert!(!known(&ann));
    assert!(known(&ann));
    // And what is pushed itself is there at once.
    let item = Item::new("x", b"x");
    assert!(scene.narinfo("", &item, &scene.ann).await.is_none());
    assert!(scene.narinfo("", &item, &scene.ann).await.is_none());
    scene.push(&[&item]).await;
    assert!(scene.narinfo("", &item, &scene.ann).await.is_some());
}

fn headers(token: &str) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers
}

#[tokio::test]
async fn a_path_in_very_many_slices_is_served_from_the_right_one() {
    let scene = Scene::new().await;
    let bob = scene.server.user("bob").await;
    let item = Item::new("libc", b"libc");
    scene.push(&[&item]).await;
    // The path in some hundred other slices, none of them bob's, and each with another deriver.
    let info = fh_nix::PathInfo {
        path: item.base.parse().unwrap(),
        nar_hash: item.nar_hash(),
        nar_size: item.info.nar_size,
        references: Default::default(),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
    };
    for index in 0..150 {
        scene
            .server
            .flake(&format!("acme/copy-{index}"), "private", &scene.ann)
            .await;
    }
    scene.server.flake("acme/bobs", "private", &scene.ann).await;
    let last = scene.server.flake_id("acme/bobs").await;
    let derived = item.base.replace("-libc", "-libc.drv");
    let written = scene
        .server
        .state
        .database()
        .write(Decided::by_server(), move |tx| {
            let sql = "SELECT id FROM nar";
            let nar_id = tx.one(sql, &[], |row| row.get(0))?;
            let first: i64 = tx.one("SELECT MIN(id) FROM flake", &[], |row| row.get(0))?;
            for flake_id in first + 1..=last {
                let mut info = info.clone();
                if flake_id == last {
                    info.deriver = Some(derived.parse().unwrap());
                }
                slices::insert(tx, flake_id, &info, nar_id, Default::default())?;
            }
            Ok::<_, DatabaseError>(())
        });
    written.await.unwrap();
    let hash: fh_nix::StorePathHash = item.hash().parse().unwrap();
    scene
        .server
        .state
        .lookup()
        .forget([&hash], [&item.nar_hash()]);
    for _ in 0..2 {
        let own = scene.narinfo("", &item, &scene.ann).await.unwrap();
        assert_eq!(own.info.deriver, None);
        assert!(scene.nar(&item, &scene.ann).await.is_some());
        assert!(scene.narinfo("", &item, &bob).await.is_none());
        assert!(scene.nar(&item, &bob).await.is_none());
    }
    scene
        .server
        .grant("acme/bobs", "bob", "read", &scene.ann)
        .await;
    for root in ["", "/cache/acme", "/cache/acme/bobs"] {
        let theirs = scene.narinfo(root, &item, &bob).await.unwrap();
        assert!(theirs.info.deriver.is_some(), "{root}");
    }
    assert!(scene.nar(&item, &bob).await.is_some());
    // A narrower address sees another slice.
    let narrow = scene.narinfo("/cache/acme/bobs", &item, &scene.ann).await;
    assert!(narrow.unwrap().info.deriver.is_some());
}

/// Reading and changing at once: whoever asks after a change was acknowledged sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_and_a_writer() {
    let server = TestServer::start().await;
    let database = server.state.database().clone();
    let cache = Arc::new(VersionedCache::new(1000, |_: &u64, _: &usize| 1));
    let truth = Arc::new(AtomicUsize::new(0));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (cache, database) = (Arc::clone(&cache), database.clone());
            let (truth, acknowledged) = (Arc::clone(&truth), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                while acknowledged.load(Ordering::SeqCst) < 300 {
                    let least = acknowledged.load(Ordering::SeqCst);
                    let value = match cache.get(&database, &7) {
                        Some(value) => value,
                        None => {
                            let truth = Arc::clone(&truth);
                            cache
                                .load(&database, 7, move |_| Ok(truth.load(Ordering::SeqCst)))
                                .await
                                .unwrap()
                        }
                    };
                    assert!(value >= least, "{value} < {least}");
                }
            })
        })
        .collect();
    for value in 1..=300 {
        truth.store(value, Ordering::SeqCst);
        cache.forget(&7);
        acknowledged.store(value, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

/// Whether slices disagree about a path is not even asked for a view that has none of them: it would take longer,
/// and so tell that somebody else has the path, twice.
#[tokio::test]
async fn nobody_waits_for_a_disagreement_of_others() {
    let scene = Scene::new().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let (one, other) = (Item::new("x", b"one"), Item::new("x", b"other"));
    server.flake("acme/other", "private", ann).await;
    scene.push(&[&one]).await;
    scene.push_as("acme/other", ann, &[&other]).await;
    let eve = server.user("eve").await;
    let ask = async |token: &str| {
        let narinfo = format!("/{}.narinfo", one.hash());
        server.get(&narinfo, token).await;
        let why = format!("/api/v1/access?path={}", one.base);
        server.get(&why, token).await.expect(200);
        let body = serde_json::json!({ "closures": [one.base] });
        server.post("/api/v1/tokens", token, body).await;
    };
    let settled = &server.state.lookup().shared.settled;
    let decisions = || {
        settled.run_pending_tasks();
        settled.entry_count()
    };
    ask(&eve).await;
    assert_eq!(decisions(), 0);
    ask(ann).await;
    assert!(decisions() > 0);
}
