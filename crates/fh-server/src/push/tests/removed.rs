//! A flake that is removed while somebody pushes to it: they are told that it is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fh_api::PushPlan;
use fh_persistence::database::DatabaseError;
use fh_persistence::database::Decided;
use http::StatusCode;

use super::{Item, Scene, batch_body, request};

const FLAKE: &str = "/api/v1/flakes/acme/app";

impl Scene {
    async fn remove_flake(&self) {
        self.server.delete(FLAKE, &self.ann).await.expect(204);
    }
}

#[tokio::test]
async fn between_plan_and_commit() {
    for sent in [false, true] {
        let scene = Scene::new().await;
        let small = Item::new("small", b"x");
        let id = scene.plan(&[&small]).await.id.unwrap();
        if sent {
            scene.batch(id, &[&small]).await;
        }
        scene.remove_flake().await;
        let body = batch_body(&[(small.nar_hash(), small.compressed())]);
        scene
            .batch_answer("acme/app", &scene.ann, id, body.clone())
            .await
            .expect(404);
        scene.commit_answer(id).await.expect(404);
        // Nor is one that was made anew under the same name the one of the push.
        scene.server.flake("acme/app", "private", &scene.ann).await;
        scene
            .batch_answer("acme/app", &scene.ann, id, body)
            .await
            .expect(404);
        scene.commit_answer(id).await.expect(404);
    }
}

/// Plans and commits that wait for the database while the flake goes.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_busy() {
    let scene = Arc::new(Scene::new().await);
    let elsewhere = Item::new("elsewhere", b"linked");
    scene.server.flake("acme/lib", "private", &scene.ann).await;
    scene.push_as("acme/lib", &scene.ann, &[&elsewhere]).await;
    let small = Item::new("small", b"x");
    let id = scene.plan(&[&small]).await.id.unwrap();
    scene.batch(id, &[&small]).await;
    let busy = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move {
            let database = scene.server.state.database();
            let wait = database.write(Decided::by_server(), |_| {
                std::thread::sleep(Duration::from_millis(300));
                Ok::<_, DatabaseError>(())
            });
            wait.await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let removal = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.remove_flake().await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    // One that would begin, and one that would commit by itself.
    let begun = request(&[&Item::new("other", b"y")]);
    let linked = request(&[&elsewhere]);
    let (commit, begun, linked) = tokio::join!(
        scene.commit_answer(id),
        scene.plan_answer("acme/app", &scene.ann, &begun),
        scene.plan_answer("acme/app", &scene.ann, &linked),
    );
    for answer in [commit, begun, linked] {
        answer.expect(404);
    }
    removal.await.unwrap();
    busy.await.unwrap();
}

/// Pushes of every kind while the flake comes and goes: a 404 at worst, and never a failure of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn again_and_again() {
    const TIME: Duration = Duration::from_secs(3);
    const PUSHERS: usize = 4;

    let scene = Arc::new(Scene::new().await);
    let shared = Item::new("elsewhere", b"linked");
    scene.server.flake("acme/lib", "private", &scene.ann).await;
    scene.push_as("acme/lib", &scene.ann, &[&shared]).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut pushers = Vec::new();
    for pusher in 0..PUSHERS {
        let (scene, shared, over) = (Arc::clone(&scene), shared.clone(), Arc::clone(&over));
        pushers.push(tokio::spawn(async move {
            let mut seen = std::collections::BTreeMap::<(&str, StatusCode), usize>::new();
            let mut round = 0;
            while !over.load(Ordering::Relaxed) {
                round += 1;
                let name = format!("{pusher}-{round}");
                let small = Item::new(&name, name.as_bytes());
                let large = Item::new(
                    &format!("{name}-large"),
                    &super::noise(round * 10 + pusher as u64, 100_000),
                );
                let wanted = request(&[&small, &large, &shared]);
                let answer = scene.plan_answer("acme/app", &scene.ann, &wanted).await;
                *seen.entry(("plan", answer.status)).or_default() += 1;
                if !answer.status.is_success() {
                    continue;
                }
                let plan: PushPlan = answer.json();
                let Some(id) = plan.id else { continue };
                let body = batch_body(&[(small.nar_hash(), small.compressed())]);
                let answer = scene.batch_answer("acme/app", &scene.ann, id, body).await;
                *seen.entry(("batch", answer.status)).or_default() += 1;
                for number in 0..large.parts().len() {
                    let body = large.parts()[number].clone();
                    let answer = scene.part_answer(id, &large, number as u64, body).await;
                    *seen.entry(("part", answer.status)).or_default() += 1;
                }
                let answer = scene.commit_answer(id).await;
                *seen.entry(("commit", answer.status)).or_default() += 1;
            }
            seen
        }));
    }
    let begin = Instant::now();
    while begin.elapsed() < TIME {
        scene.remove_flake().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        scene.server.flake("acme/app", "private", &scene.ann).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for pusher in pushers {
        all.extend(pusher.await.unwrap());
    }
    let of = |status: u16| all.iter().any(|((_, seen), _)| seen.as_u16() == status);
    assert!(of(404), "{all:?}");
    for ((what, status), count) in &all {
        assert!(
            status.is_success() || status.as_u16() == 404,
            "{count} × {what} {status}: {all:?}"
        );
    }
}
