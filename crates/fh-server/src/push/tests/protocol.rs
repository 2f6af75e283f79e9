//! Plan, upload, commit, when all goes well.

use fh_api::{PathStatus, PushPlan};
use fh_nix::SecretKey;
use http::Method;

use super::{Item, Scene, request, statuses};
use crate::testing::Answer;

#[tokio::test]
async fn a_closure_is_pushed_and_read() {
    let scene = Scene::new().await;
    let library = Item::new("library", b"some code");
    let program = Item::new("program", b"more code").referring_to(&library);
    let answer = scene
        .plan_answer("acme/app", &scene.ann, &request(&[&program, &library]))
        .await
        .expect(201);
    let plan: PushPlan = answer.json();
    assert_eq!(statuses(&plan), [PathStatus::Upload, PathStatus::Upload]);
    assert_eq!(plan.paths[0].hash, program.hash());
    assert_eq!(plan.uploads.len(), 2);
    assert!(plan.expires_at.is_some() && plan.committed.is_none());
    let id = plan.id.unwrap();

    // Nothing is visible before the commit, neither path nor content.
    let answer = scene.batch(id, &[&library, &program]).await;
    assert!(answer.nars.iter().all(|nar| nar.rejected.is_none()));
    assert_eq!(answer.nars[0].nar_hash, library.nar_name());
    for item in [&library, &program] {
        assert!(scene.narinfo("", item, &scene.ann).await.is_none());
        assert!(scene.nar(item, &scene.ann).await.is_none());
    }

    let summary = scene.commit(id).await;
    assert_eq!((summary.paths, summary.added), (2, 2));
    assert_eq!((summary.uploaded, summary.linked), (2, 0));
    assert_eq!(
        summary.nar_size,
        (library.nar.len() + program.nar.len()) as u64
    );
    let stored = library.compressed().len() + program.compressed().len();
    assert_eq!(summary.file_size, stored as u64);

    for root in ["", "/cache/acme", "/cache/acme/app", "/cache/ACME/App"] {
        let narinfo = scene.narinfo(root, &program, &scene.ann).await.unwrap();
        assert_eq!(narinfo.info.nar_hash, program.nar_hash());
        assert_eq!(narinfo.info.nar_size, program.nar.len() as u64);
        assert_eq!(narinfo.file_size, Some(program.compressed().len() as u64));
        assert_eq!(narinfo.url, format!("nar/{}.nar.zst", program.nar_name()));
        let references: Vec<_> = narinfo
            .info
            .references
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(references.as_slice(), std::slice::from_ref(&library.base));
        let key = scene.server.state.keys().signing().active().public();
        assert!(narinfo.info.verify(scene.server.state.store_dir(), &key));
    }
    assert_eq!(scene.nar(&program, &scene.ann).await.unwrap(), program.nar);
    assert_eq!(scene.server.audited("push.commit").await, 1);

    let info: fh_api::FlakeInfo = scene
        .server
        .get("/api/v1/flakes/acme/app", &scene.ann)
        .await
        .json();
    assert_eq!((info.paths, info.nar_size), (2, summary.nar_size));
    assert!(info.last_push_at.is_some());
}

#[tokio::test]
async fn what_is_there_is_not_pushed_again() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    scene.push(&[&item]).await;
    let plan = scene.plan(&[&item]).await;
    assert_eq!(statuses(&plan), [PathStatus::Present]);
    assert_eq!(plan.id, None);
    let summary = plan.committed.unwrap();
    assert_eq!((summary.paths, summary.added), (1, 0));
    assert_eq!(scene.server.audited("push.commit").await, 1);
    assert_eq!(scene.files().len(), 1);
}

#[tokio::test]
async fn what_the_caller_can_read_is_linked_in_the_plan_itself() {
    let scene = Scene::new().await;
    scene
        .server
        .flake("acme/other", "private", &scene.ann)
        .await;
    let item = Item::new("x", b"x");
    // Another path with the same content counts too.
    let twin = Item::new("twin", b"x");
    scene.push_as("acme/other", &scene.ann, &[&item]).await;
    let plan = scene.plan(&[&item, &twin]).await;
    assert_eq!(statuses(&plan), [PathStatus::Linked; 2]);
    assert_eq!(plan.id, None);
    let summary = plan.committed.unwrap();
    assert_eq!((summary.added, summary.linked, summary.uploaded), (2, 2, 0));
    assert!(
        scene
            .narinfo("/cache/acme/app", &twin, &scene.ann)
            .await
            .is_some()
    );
    assert_eq!(scene.files().len(), 1);
}

#[tokio::test]
async fn paths_that_share_a_nar_send_it_once() {
    let scene = Scene::new().await;
    let (one, two) = (Item::new("one", b"same"), Item::new("two", b"same"));
    let plan = scene.plan(&[&one, &two]).await;
    assert_eq!(statuses(&plan), [PathStatus::Upload; 2]);
    assert_eq!(plan.uploads.len(), 1);
    let id = plan.id.unwrap();
    scene.batch(id, &[&one]).await;
    assert_eq!(scene.commit(id).await.added, 2);
}

#[tokio::test]
async fn an_interrupted_push_resumes_with_what_is_missing() {
    let scene = Scene::new().await;
    let (one, two) = (Item::new("one", b"1"), Item::new("two", b"2"));
    let first = scene.plan(&[&one, &two]).await.id.unwrap();
    scene.batch(first, &[&one]).await;
    let scene = scene.restarted().await;
    let plan = scene.plan(&[&one, &two]).await;
    assert_eq!(statuses(&plan), [PathStatus::Received, PathStatus::Upload]);
    assert_eq!(plan.uploads.len(), 1);
    // The first push can be gone on with just as well, also after the restart.
    scene.batch(first, &[&two]).await;
    let summary = scene.commit(first).await;
    assert_eq!((summary.added, summary.uploaded), (2, 2));
    let summary = scene.commit(plan.id.unwrap()).await;
    assert_eq!((summary.paths, summary.added), (2, 0));
}

#[tokio::test]
async fn a_commit_is_idempotent_also_when_asked_for_twice_at_once() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    let id = scene.plan(&[&item]).await.id.unwrap();
    let early = scene.commit_answer(id).await.expect(409);
    assert!(early.message().contains(&item.base), "{}", early.message());
    scene.batch(id, &[&item]).await;
    let (one, two) = tokio::join!(scene.commit(id), scene.commit(id));
    assert_eq!(one, two);
    assert_eq!((one.added, one), (1, scene.commit(id).await));
    assert_eq!(scene.server.audited("push.commit").await, 1);
    // Nothing can be added to it any more.
    let body = super::batch_body(&[(item.nar_hash(), item.compressed())]);
    scene
        .batch_answer("acme/app", &scene.ann, id, body)
        .await
        .expect(409);
}

#[tokio::test]
async fn a_dry_run_begins_nothing() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    let mut wanted = request(&[&item]);
    wanted.dry_run = true;
    let plan: PushPlan = scene
        .plan_answer("acme/app", &scene.ann, &wanted)
        .await
        .expect(200)
        .json();
    assert_eq!(statuses(&plan), [PathStatus::Upload]);
    assert_eq!((plan.id, plan.committed), (None, None));
    let counted =
        scene.server.state.database().read(|read| {
            Ok(read.one("SELECT COUNT(*) FROM push", &[], |row| row.get::<_, i64>(0))?)
        });
    assert_eq!(counted.await.unwrap(), 0);
}

#[tokio::test]
async fn a_push_can_be_forgotten() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    let id = scene.plan(&[&item]).await.id.unwrap();
    let path = format!("/api/v1/flakes/acme/app/pushes/{id}");
    scene.server.delete(&path, &scene.ann).await.expect(204);
    scene.server.delete(&path, &scene.ann).await.expect(404);
    scene.commit_answer(id).await.expect(404);
}

#[tokio::test]
async fn what_upstream_has_signed_is_left_out_and_meets_references() {
    let scene = Scene::new().await;
    let store_dir = scene.server.state.store_dir();
    let key = SecretKey::from_seed("upstream-1", [7; 32]).unwrap();
    let sign = |item: Item| item.signed(store_dir, &key);
    let libc = sign(Item::new("libc", b"libc"));
    let mut told = sign(Item::new("told", b"told"));
    told.info.context = true;
    // Signed by name only.
    let mut forged = Item::new("forged", b"forged");
    forged.info.signatures = libc.info.signatures.clone();
    let app = Item::new("app", b"app")
        .referring_to(&libc)
        .referring_to(&told);

    let mut wanted = request(&[&libc, &told, &forged, &app]);
    wanted.skip_signed_by = vec![key.public().to_string()];
    let plan: PushPlan = scene
        .plan_answer("acme/app", &scene.ann, &wanted)
        .await
        .expect(201)
        .json();
    assert_eq!(
        statuses(&plan),
        [PathStatus::Upstream, PathStatus::Upload, PathStatus::Upload]
    );
    let id = plan.id.unwrap();
    scene.batch(id, &[&forged, &app]).await;
    assert_eq!(scene.commit(id).await.paths, 2);
    assert!(scene.narinfo("", &libc, &scene.ann).await.is_none());
    // The signatures that came with the push are kept, ours stands first.
    let narinfo = scene.narinfo("", &forged, &scene.ann).await.unwrap();
    let names: Vec<_> = narinfo
        .info
        .signatures
        .iter()
        .map(fh_nix::Signature::key_name)
        .collect();
    assert_eq!(
        names,
        [
            scene.server.state.keys().signing().active().name(),
            "upstream-1"
        ]
    );

    // Without the key, nobody vouches for them.
    let other = Item::new("other", b"other").referring_to(&told);
    let mut wanted = request(&[&other, &told]);
    let refused: Answer = scene.plan_answer("acme/app", &scene.ann, &wanted).await;
    assert!(refused.expect(400).message().contains(&told.base));
    wanted.skip_signed_by = vec![key.public().to_string()];
    scene
        .plan_answer("acme/app", &scene.ann, &wanted)
        .await
        .expect(201);
}

#[tokio::test]
async fn after_a_rotation_the_new_key_signs_what_was_signed_before() {
    let scene = Scene::new().await;
    let app = Item::new("app", b"app");
    scene.push(&[&app]).await;
    let server = &scene.server;
    for _ in 0..2 {
        // The second time from memory.
        scene.narinfo("", &app, &scene.ann).await.unwrap();
        let retired = server.state.keys().signing().active().public();
        let path = "/api/v1/keys/rotate";
        let body = serde_json::json!({ "force": true });
        server.post(path, &server.admin, body).await.expect(200);
        let active = server.state.keys().signing().active().public();
        let narinfo = scene.narinfo("", &app, &scene.ann).await.unwrap();
        let store_dir = server.state.store_dir();
        assert!(narinfo.info.verify(store_dir, &active));
        assert!(!narinfo.info.verify(store_dir, &retired));
    }
}

#[tokio::test]
async fn an_empty_push_and_wrong_methods_are_answered() {
    let scene = Scene::new().await;
    let plan = scene.plan(&[]).await;
    assert_eq!(plan.committed, Some(fh_api::CommitSummary::default()));
    scene
        .server
        .call(
            Method::GET,
            "/api/v1/flakes/acme/app/pushes",
            &scene.ann,
            None,
        )
        .await
        .expect(405);
}
