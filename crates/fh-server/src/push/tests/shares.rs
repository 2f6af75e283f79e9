//! Many uploads and plans at once: of one account, and what is left for others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use fh_access::ApiError;
use fh_api::PushPlan;
use fh_shares::Holders;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{Method, Request};
use serde_json::json;

use super::{Item, Scene, batch_body, noise, request};
use crate::collect::collect;
use crate::peer::Peer;

/// A body that never comes, and counts itself once somebody asks for it.
fn silent(asked: &Arc<AtomicUsize>) -> Body {
    let asked = Arc::clone(asked);
    Body::from_stream(stream::once(async move {
        asked.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<Bytes, std::io::Error>>().await
    }))
}

/// A scene in which uploads are waited for long enough, and bob, who owns `other/app`.
async fn scene() -> (Scene, String) {
    let scene = Scene::with(|settings| settings.timeouts.stall = Duration::from_secs(20)).await;
    let bob = scene.server.user("bob").await;
    scene.server.organization("other", &bob).await;
    scene.server.flake("other/app", "private", &bob).await;
    (scene, bob)
}

/// Fails rather than waits for what does not end.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .expect("it takes too long")
}

#[tokio::test]
async fn uploads_that_do_not_end_leave_places_to_others() {
    let (scene, bob) = scene().await;
    let (mine, his) = (Item::new("mine", b"mine"), Item::new("his", b"his"));
    let id = scene.plan(&[&mine]).await.id.unwrap();
    let asked = Arc::default();
    let uploads = (0..100).map(|_| scene.batch_answer("acme/app", &scene.ann, id, silent(&asked)));
    let flood = futures_util::future::join_all(uploads);
    let other = async {
        while asked.load(Ordering::SeqCst) < 43 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        scene.push_as("other/app", &bob, &[&his]).await
    };
    let summary = tokio::select! {
        _ = flood => panic!("the uploads ended"),
        summary = soon(other) => summary,
    };
    assert_eq!(summary.added, 1);
    assert_eq!(asked.load(Ordering::SeqCst), 43);
}

#[tokio::test]
async fn plans_that_do_not_come_leave_memory_to_others() {
    let (scene, bob) = scene().await;
    let his = Item::new("his", b"his");
    let asked = Arc::default();
    let limit = scene.server.state.settings().limits.plan_size;
    let plans = (0..100).map(|_| {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/flakes/acme/app/pushes")
            .header("authorization", format!("Bearer {}", scene.ann))
            .header("content-type", "application/json")
            .header("content-length", limit)
            .body(silent(&asked));
        scene.server.send(request.unwrap())
    });
    let flood = futures_util::future::join_all(plans);
    let other = async {
        while asked.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        scene.push_as("other/app", &bob, &[&his]).await
    };
    let summary = tokio::select! {
        _ = flood => panic!("the plans ended"),
        summary = soon(other) => summary,
    };
    assert_eq!(summary.added, 1);
    // Of eight largest plans.
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

/// Places count for the client that a trusted proxy names: its other clients have theirs.
#[tokio::test]
async fn behind_one_proxy_each_client_has_places_of_its_own() {
    let scene = Scene::with(|settings| {
        settings.timeouts.stall = Duration::from_secs(20);
        settings.trusted_proxies = vec!["192.0.2.1".parse().unwrap()];
    })
    .await;
    let server = &scene.server;
    let mut tokens = vec![scene.ann.clone()];
    for name in ["bob", "carl", "dora"] {
        tokens.push(server.user(name).await);
        server.grant("acme/app", name, "write", &scene.ann).await;
    }
    let asked = Arc::default();
    let plan = |token: &str, client: &str| {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/flakes/acme/app/pushes")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("content-length", server.state.settings().limits.plan_size)
            .header("x-forwarded-for", client)
            .body(silent(&asked))
            .unwrap();
        let proxy = Peer::Tcp("192.0.2.1:4711".parse().unwrap());
        request.extensions_mut().insert(proxy);
        server.send(request)
    };
    let until = async |count: usize| {
        while asked.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let [dora, others @ ..] = [3, 0, 1, 2].map(|it: usize| tokens[it].as_str());
    let crowd = others
        .iter()
        .flat_map(|token| (0..4).map(|_| plan(token, "198.51.100.7")));
    let crowd = futures_util::future::join_all(crowd.collect::<Vec<_>>());
    let elsewhere = async {
        // Of eight largest plans.
        until(4).await;
        tokio::select! {
            _ = plan(dora, "198.51.100.8") => panic!("the plan ended"),
            () = until(5) => {}
        }
    };
    tokio::select! {
        _ = crowd => panic!("the plans ended"),
        () = soon(elsewhere) => {}
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn who_waits_for_a_busy_server_has_not_waited_too_long() {
    let scene = Scene::new().await;
    let item = Item::new("large", &noise(7, 3 * 65_536));
    let id = scene.plan(&[&item]).await.id.unwrap();
    let last = item.parts().len() as u64 - 1;
    for number in 0..last {
        scene.part(id, &item, number).await;
    }
    // Nothing can be published for longer than a part waits for one that does not come.
    let turn = scene.server.state.pushes().receiving().publisher().turn();
    let turn = turn.await;
    let released = async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        drop(turn);
    };
    let (first, second, ()) = tokio::join!(
        scene.part(id, &item, last),
        scene.part(id, &item, last),
        released
    );
    assert!(first.complete && second.complete);
    assert_eq!(scene.commit(id).await.added, 1);
}

#[tokio::test]
async fn an_upload_that_outlasts_the_lifetime_of_pushes_keeps_its_own_alive() {
    let scene = Scene::with(|settings| settings.upload_lifetime = Duration::from_secs(2)).await;
    let (early, slow) = (
        Item::new("early", b"early"),
        Item::new("slow", &noise(3, 20_000)),
    );
    let id = scene.plan(&[&early, &slow]).await.id.unwrap();
    scene.batch(id, &[&early]).await;
    let body = batch_body(&[(slow.nar_hash(), slow.compressed())]);
    let pieces: Vec<Bytes> = body
        .chunks(body.len() / 9)
        .map(Bytes::copy_from_slice)
        .collect();
    let dripping = stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok::<_, std::io::Error>(piece)
    });
    let upload = scene.batch_answer("acme/app", &scene.ann, id, Body::from_stream(dripping));
    let collecting = async {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let collected = collect(scene.server.state.stock(), Duration::from_secs(3600)).await;
            let collected = collected.unwrap();
            assert_eq!((collected.pushes, collected.received), (0, 0));
        }
    };
    let (answer, ()) = tokio::join!(upload, collecting);
    answer.expect(200);
    assert_eq!(scene.commit(id).await.added, 2);
}

#[tokio::test]
async fn a_plan_that_comes_byte_by_byte_is_read() {
    let (scene, _) = scene().await;
    let item = Item::new("item", b"item");
    let text = json!(request(&[&item])).to_string();
    let bytes: Vec<Bytes> = text
        .bytes()
        .map(|byte| Bytes::copy_from_slice(&[byte]))
        .collect();
    let body = stream::iter(bytes).map(Ok::<_, std::io::Error>);
    let path = "/api/v1/flakes/acme/app/pushes";
    let body = Body::from_stream(body);
    let answer = scene
        .send(Method::POST, path, &scene.ann, "application/json", body)
        .await;
    let plan: PushPlan = answer.expect(201).json();
    assert_eq!(plan.uploads.len(), 1);
}

#[tokio::test]
async fn who_waits_for_a_part_that_comes_slowly_has_not_waited_too_long() {
    let scene = Scene::new().await;
    let item = Item::new("large", &noise(8, 2 * 65_536));
    let id = scene.plan(&[&item]).await.id.unwrap();
    let part = item.parts().swap_remove(0);
    // Longer than a part waits for one that does not come, and less at a time than is written at once.
    let pieces: Vec<Bytes> = part
        .chunks(part.len() / 6)
        .map(Bytes::copy_from_slice)
        .collect();
    let slowly = stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok::<_, std::io::Error>(piece)
    });
    let (first, second) = tokio::join!(
        scene.part_answer(id, &item, 0, Body::from_stream(slowly)),
        scene.part(id, &item, 1)
    );
    first.expect(200);
    assert_eq!(second.parts_received, 2);
}

/// For whom counts what somebody with this token asks for.
async fn holders(scene: &Scene, token: &str) -> Holders {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let access = scene.server.state.access();
    let caller = access.authenticate(
        crate::routes::credentials::token(&headers),
        fh_access::Source::default(),
    );
    caller.await.unwrap().holders()
}

#[tokio::test]
async fn plans_in_work_leave_places_to_others() {
    let (scene, bob) = scene().await;
    let pushes = scene.server.state.pushes();
    let mut held = Vec::new();
    // An account, and an address with an account for each of its plans.
    let ann = holders(&scene, &scene.ann).await;
    let address = |last: u8| Some(std::net::IpAddr::from([192, 0, 2, last]));
    while let Some(place) = pushes.planning(ann).now_or_never() {
        held.push(place.unwrap());
    }
    for account in 1000.. {
        let crowd = Holders::new(Some(account), address(1));
        let Some(place) = pushes.planning(crowd).now_or_never() else {
            break;
        };
        held.push(place.unwrap());
    }
    let (mine, his) = (Item::new("mine", b"mine"), Item::new("his", b"his"));
    let waiting = async { scene.plan(&[&mine]).await };
    tokio::pin!(waiting);
    let other = async { soon(scene.push_as("other/app", &bob, &[&his])).await };
    let summary = tokio::select! {
        plan = &mut waiting => panic!("there was another place: {plan:?}"),
        summary = other => summary,
    };
    assert_eq!(summary.added, 1);
    // Nor do those who wait fill the memory.
    let crowd = Holders::new(Some(1000), address(1));
    let mut queue: Vec<_> = (0..256).map(|_| Box::pin(pushes.planning(crowd))).collect();
    assert!(queue.iter_mut().all(|one| one.now_or_never().is_none()));
    let refused = soon(pushes.planning(crowd)).await;
    assert!(matches!(refused, Err(ApiError::Unavailable(_))));
    drop(queue);
    drop(held);
    assert!(soon(waiting).await.id.is_some());
}

/// What a caller asks for and does not wait for is not heaped up: it was not begun.
#[tokio::test]
async fn who_goes_away_before_it_is_their_turn_leaves_nothing_to_do() {
    let (scene, _) = scene().await;
    let (planned, sent) = (Item::new("planned", b"planned"), Item::new("sent", b"sent"));
    let id = scene.plan(&[&sent]).await.id.unwrap();
    scene.batch(id, &[&sent]).await;
    let ann = holders(&scene, &scene.ann).await;
    let pushes = scene.server.state.pushes();
    let mut held = Vec::new();
    while let Some(place) = pushes.planning(ann).now_or_never() {
        held.push(place.unwrap());
    }
    while let Some(place) = pushes.ending(ann).now_or_never() {
        held.push(place.unwrap());
    }
    let moment = Duration::from_millis(300);
    let wanted = request(&[&planned]);
    let plan = scene.plan_answer("acme/app", &scene.ann, &wanted);
    assert!(tokio::time::timeout(moment, plan).await.is_err());
    let path = format!("/api/v1/flakes/acme/app/pushes/{id}");
    let forget = scene.server.delete(&path, &scene.ann);
    assert!(tokio::time::timeout(moment, forget).await.is_err());
    let commit = scene.commit_answer(id);
    assert!(tokio::time::timeout(moment, commit).await.is_err());
    drop(held);
    tokio::time::sleep(moment).await;
    let database = scene.server.state.database();
    let pushes = database.read(|read| {
        let sql = "SELECT COUNT(*) FROM push";
        Ok(read.one(sql, &[], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(pushes.await.unwrap(), 1);
    assert!(scene.narinfo("", &sent, &scene.ann).await.is_none());
    assert_eq!(scene.commit(id).await.added, 1);
}
