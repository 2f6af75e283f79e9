//! Who may push, who sees what, and what cannot be told apart.

use fh_api::{PathStatus, PushPlan};
use http::{Method, StatusCode};

use super::{Item, Scene, batch_body, request, statuses};

#[tokio::test]
async fn pushing_needs_the_role_and_the_permission() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let (reader, writer, nobody) = (
        server.user("reader").await,
        server.user("writer").await,
        server.user("nobody").await,
    );
    server.grant("acme/app", "reader", "read", &scene.ann).await;
    server
        .grant("acme/app", "writer", "write", &scene.ann)
        .await;
    let item = Item::new("x", b"x");
    let wanted = request(&[&item]);
    let pull_only = server.narrow(&writer, &["pull"], &["*"]).await;
    let elsewhere = server
        .narrow(&writer, &["pull", "push"], &["acme/other"])
        .await;
    let expired = server.expired(&writer).await;
    for (who, token, status) in [
        ("anonymous", "", 404),
        ("nobody", nobody.as_str(), 404),
        ("reader", reader.as_str(), 403),
        ("writer, only pulling", pull_only.as_str(), 403),
        ("writer, elsewhere", elsewhere.as_str(), 404),
        ("writer, expired", expired.as_str(), 401),
        ("garbage", "fh1_garbage", 401),
        ("writer", writer.as_str(), 201),
    ] {
        let answer = scene.plan_answer("acme/app", token, &wanted).await;
        assert_eq!(answer.status.as_u16(), status, "{who}: {:?}", answer.body);
    }

    // A push is its account's alone, whatever others may do with the flake.
    let id = scene.plan(&[&item]).await.id.unwrap();
    let body = batch_body(&[(item.nar_hash(), item.compressed())]);
    let routes: [(Method, &str); 4] = [
        (Method::POST, "/nars"),
        (
            Method::PUT,
            "/nars/0000000000000000000000000000000000000000000000000000/parts/0",
        ),
        (Method::POST, "/commit"),
        (Method::DELETE, ""),
    ];
    for (method, rest) in routes {
        let path = format!("/api/v1/flakes/acme/app/pushes/{id}{rest}");
        let media_type = fh_api::NAR_BATCH_MEDIA_TYPE;
        for (token, status) in [
            (&writer, 404),
            (&reader, 403),
            (&nobody, 404),
            (&expired, 401),
            (&pull_only, 403),
        ] {
            let answer = scene
                .send(method.clone(), &path, token, media_type, body.clone())
                .await;
            assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        }
    }
    scene.batch(id, &[&item]).await;
    assert_eq!(scene.commit(id).await.added, 1);
}

#[tokio::test]
async fn a_revoked_token_ends_in_the_middle_of_a_push() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    let token = scene.server.narrow(&scene.ann, &["push"], &["*"]).await;
    let plan: PushPlan = scene
        .plan_answer("acme/app", &token, &request(&[&item]))
        .await
        .expect(201)
        .json();
    let id = plan.id.unwrap();
    scene.server.revoke(&token).await;
    let body = batch_body(&[(item.nar_hash(), item.compressed())]);
    scene
        .batch_answer("acme/app", &token, id, body)
        .await
        .expect(401);
    assert!(scene.files().is_empty());
    // Another token of the same account goes on.
    scene.batch(id, &[&item]).await;
    assert_eq!(scene.commit(id).await.added, 1);
}

#[tokio::test]
async fn knowing_a_hash_is_not_owning_the_content() {
    let scene = Scene::new().await;
    let bob = scene.server.user("bob").await;
    scene.server.organization("bobs", &bob).await;
    scene.server.flake("bobs/own", "private", &bob).await;
    let item = Item::new("secret", b"secret");
    scene.push(&[&item]).await;

    // The server has it, and says to bob what it says of anything that it does not have.
    let unknown = Item::new("unknown", b"unknown");
    let ask = async |item: &Item| -> PushPlan {
        let mut plan: PushPlan = scene
            .plan_answer("bobs/own", &bob, &request(&[item]))
            .await
            .expect(201)
            .json();
        assert_eq!(statuses(&plan), [PathStatus::Upload]);
        plan.uploads[0].nar_hash.clear();
        plan
    };
    let (stored, missing) = (ask(&item).await, ask(&unknown).await);
    assert_eq!(stored.uploads, missing.uploads);
    // Without the content there is no commit.
    let id = stored.id.unwrap();
    let path = format!("/api/v1/flakes/bobs/own/pushes/{id}/commit");
    let commit = || scene.server.call(Method::POST, &path, &bob, None);
    commit().await.expect(409);
    // Nor with a guess.
    let body = batch_body(&[(item.nar_hash(), unknown.compressed())]);
    let answer: fh_api::BatchAnswer = scene
        .batch_answer("bobs/own", &bob, id, body)
        .await
        .expect(200)
        .json();
    assert!(answer.nars[0].rejected.is_some());
    commit().await.expect(409);
    assert!(scene.nar(&item, &bob).await.is_none());
    // With it there is, and the second copy is dropped.
    let body = batch_body(&[(item.nar_hash(), item.compressed())]);
    scene
        .batch_answer("bobs/own", &bob, id, body)
        .await
        .expect(200);
    commit().await.expect(200);
    assert_eq!(scene.files().len(), 1);
    assert_eq!(scene.nar(&item, &bob).await.unwrap(), item.nar);
}

#[tokio::test]
async fn a_token_that_may_not_pull_links_nothing() {
    let scene = Scene::new().await;
    scene
        .server
        .flake("acme/other", "private", &scene.ann)
        .await;
    let item = Item::new("x", b"x");
    scene.push_as("acme/other", &scene.ann, &[&item]).await;
    let blind = scene.server.narrow(&scene.ann, &["push"], &["*"]).await;
    let plan: PushPlan = scene
        .plan_answer("acme/app", &blind, &request(&[&item]))
        .await
        .expect(201)
        .json();
    assert_eq!(statuses(&plan), [PathStatus::Upload]);
    // Nor does one that is narrowed to the flake that it pushes to.
    let narrow = scene
        .server
        .narrow(&scene.ann, &["pull", "push"], &["acme/app"])
        .await;
    let plan: PushPlan = scene
        .plan_answer("acme/app", &narrow, &request(&[&item]))
        .await
        .expect(201)
        .json();
    assert_eq!(statuses(&plan), [PathStatus::Upload]);
}

#[tokio::test]
async fn a_link_that_is_lost_before_the_commit_is_not_made() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let bob = server.user("bob").await;
    server.organization("bobs", &bob).await;
    server.flake("bobs/own", "private", &bob).await;
    server.grant("acme/app", "bob", "read", &scene.ann).await;
    let (linked, sent) = (Item::new("linked", b"linked"), Item::new("sent", b"sent"));
    scene.push(&[&linked]).await;
    let plan: PushPlan = scene
        .plan_answer("bobs/own", &bob, &request(&[&linked, &sent]))
        .await
        .expect(201)
        .json();
    assert_eq!(statuses(&plan), [PathStatus::Linked, PathStatus::Upload]);
    let id = plan.id.unwrap();
    let body = batch_body(&[(sent.nar_hash(), sent.compressed())]);
    scene
        .batch_answer("bobs/own", &bob, id, body)
        .await
        .expect(200);
    server
        .delete("/api/v1/flakes/acme/app/grants/bob", &scene.ann)
        .await
        .expect(204);
    let path = format!("/api/v1/flakes/bobs/own/pushes/{id}/commit");
    let answer = server
        .call(Method::POST, &path, &bob, None)
        .await
        .expect(409);
    assert!(answer.message().contains(&linked.base));
    assert!(scene.narinfo("", &sent, &bob).await.is_none());
}

#[tokio::test]
async fn outside_the_view_everything_is_the_same_nothing() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let nobody = server.user("nobody").await;
    server.flake("acme/hidden", "unlisted", &scene.ann).await;
    let (item, hidden) = (Item::new("x", b"x"), Item::new("hidden", b"hidden"));
    let absent = Item::new("absent", b"absent");
    scene.push(&[&item]).await;
    scene.push_as("acme/hidden", &scene.ann, &[&hidden]).await;

    for token in ["", nobody.as_str()] {
        let nothing = server
            .get(&format!("/{}.narinfo", absent.hash()), token)
            .await
            .expect(404);
        let root_paths = |item: &Item| {
            [
                format!("/{}.narinfo", item.hash()),
                format!("/nar/{}.nar.zst", item.nar_name()),
            ]
        };
        let mut paths: Vec<String> = [&item, &hidden, &absent]
            .into_iter()
            .flat_map(root_paths)
            .collect();
        for root in [
            "/cache/acme",
            "/cache/acme/app",
            "/cache/nobody",
            "/cache/nobody/app",
        ] {
            paths.push(format!("{root}/nix-cache-info"));
            paths.extend(root_paths(&item).map(|path| format!("{root}{path}")));
        }
        paths.extend(
            [
                "/favicon.ico",
                "/x.narinfo",
                "/nar/x.nar.zst",
                "/cache/acme",
                "/cache/%2e%2e/x",
            ]
            .map(str::to_owned),
        );
        for path in paths {
            let answer = server.get(&path, token).await;
            assert_eq!(answer.fingerprint(), nothing.fingerprint(), "{path}");
        }
        assert_eq!(nothing.body, "not found, or you do not have access\n");
        // The unlisted flake is there for who names it, and nowhere else.
        let named = scene.narinfo("/cache/acme/hidden", &hidden, token).await;
        assert!(named.is_some());
        assert!(scene.narinfo("/cache/acme", &hidden, token).await.is_none());
    }
    let nar = format!("/cache/acme/hidden/nar/{}.nar.zst", hidden.nar_name());
    server.get(&nar, "").await.expect(200);
    // A token that is no good is not taken for none.
    for path in ["/nix-cache-info", "/0.narinfo", &nar] {
        let answer = server.get(path, "fh1_garbage").await.expect(401);
        assert!(!answer.body.starts_with(b"{"), "{:?}", answer.body);
    }
}

#[tokio::test]
async fn narrowed_views_serve_their_own_content_and_the_whole_one_the_nearest() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let bob = server.user("bob").await;
    server.organization("bobs", &bob).await;
    server.flake("bobs/open", "public", &bob).await;
    server.flake("bobs/older", "private", &bob).await;
    server.flake("bobs/newer", "private", &bob).await;
    let variant = |content: &[u8]| Item::new("tool", content);
    let (open, older, newer) = (variant(b"open"), variant(b"older"), variant(b"newer"));
    scene.push_as("bobs/open", &bob, &[&open]).await;
    scene.push_as("bobs/older", &bob, &[&older]).await;
    scene.push_as("bobs/newer", &bob, &[&newer]).await;
    let served = async |root: &str, token: &str| {
        let narinfo = scene.narinfo(root, &open, token).await.unwrap();
        narinfo.info.nar_hash
    };
    for (root, item) in [
        ("/cache/bobs/open", &open),
        ("/cache/bobs/older", &older),
        ("/cache/bobs/newer", &newer),
        // All three are bob's own, and he may write to all of them: the oldest.
        ("", &open),
    ] {
        assert_eq!(served(root, &bob).await, item.nar_hash(), "{root}");
    }
    // Ann sees nothing of it unasked; then one by her follow, and one as a guest, although it is newer.
    assert!(scene.narinfo("", &open, &scene.ann).await.is_none());
    server.follow(&scene.ann, &["bobs/open"]).await.expect(200);
    assert_eq!(served("", &scene.ann).await, open.nar_hash());
    server.grant("bobs/newer", "ann", "read", &bob).await;
    assert_eq!(served("", &scene.ann).await, newer.nar_hash());
    server
        .delete("/api/v1/flakes/bobs/newer/grants/ann", &bob)
        .await
        .expect(204);
    assert_eq!(served("", &scene.ann).await, open.nar_hash());
    let path = format!("/nar/{}.nar.zst", newer.nar_name());
    let answer = server.get(&path, &scene.ann).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_removed_flake_held_is_not_given_to_its_successor() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let item = Item::new("x", b"x");
    scene.push(&[&item]).await;
    assert!(scene.narinfo("", &item, &scene.ann).await.is_some());
    assert!(scene.nar(&item, &scene.ann).await.is_some());
    let before = server.flake_id("acme/app").await;
    server
        .delete("/api/v1/flakes/acme/app", &scene.ann)
        .await
        .expect(204);
    assert!(scene.narinfo("", &item, &scene.ann).await.is_none());
    server.flake("acme/app", "private", &scene.ann).await;
    // It has another number, so nothing that was remembered is of it.
    assert_ne!(server.flake_id("acme/app").await, before);
    assert!(scene.narinfo("", &item, &scene.ann).await.is_none());
    assert!(scene.nar(&item, &scene.ann).await.is_none());
}

#[tokio::test]
async fn who_may_decide_for_both_counts_from_the_next_request_on() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let (una, vic) = (server.user("una").await, server.user("vic").await);
    for (flake, writer) in [("acme/one", "una"), ("acme/two", "vic")] {
        server.flake(flake, "public", &scene.ann).await;
        server.grant(flake, writer, "write", &scene.ann).await;
    }
    let (first, second) = (Item::new("x", b"first"), Item::new("x", b"second"));
    scene.push_as("acme/one", &una, &[&first]).await;
    scene.push_as("acme/two", &vic, &[&second]).await;
    // Neither may write the other's, and nobody asks who shows no token: remembered the second time.
    for _ in 0..2 {
        assert!(scene.narinfo("/cache/acme", &first, "").await.is_none());
    }
    let path = format!("/cache/acme/nar/{}.nar.zst", second.nar_name());
    assert_eq!(server.get(&path, "").await.status, StatusCode::NOT_FOUND);
    server.grant("acme/one", "vic", "write", &scene.ann).await;
    let narinfo = scene.narinfo("/cache/acme", &first, "").await.unwrap();
    assert_eq!(narinfo.info.nar_hash, second.nar_hash());
    assert_eq!(server.get(&path, "").await.status, StatusCode::OK);
}
