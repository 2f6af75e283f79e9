//! Public is not trusted: a public flake is read by its name, and at the root address by who follows it.

use fh_api::{AccessExplanation, FollowList, OrganizationInfo};
use fh_nix::SecretKey;
use serde_json::json;

use crate::push::tests::{Item, Scene};
use crate::testing::TestServer;

async fn followed(server: &TestServer, query: &str, token: &str) -> Vec<String> {
    let path = format!("/api/v1/follows{query}");
    let list: FollowList = server.get(&path, token).await.expect(200).json();
    list.follows.iter().map(ToString::to_string).collect()
}

/// `one/tool` and `two/tool`, public and of strangers to each other, with other bytes for one path.
struct Strangers {
    scene: Scene,
    one: Item,
    two: Item,
    reader: String,
}

async fn strangers() -> Strangers {
    let scene = Scene::new().await;
    let (one, two) = (Item::new("tool", b"one's"), Item::new("tool", b"two's"));
    for (org, item) in [("one", &one), ("two", &two)] {
        let owner = scene.server.user(&format!("{org}-owner")).await;
        scene.server.organization(org, &owner).await;
        let flake = format!("{org}/tool");
        scene.server.flake(&flake, "public", &owner).await;
        scene.push_as(&flake, &owner, &[item]).await;
    }
    let reader = scene.server.user("reader").await;
    Strangers {
        scene,
        one,
        two,
        reader,
    }
}

impl Strangers {
    /// Whose bytes a token gets for the path.
    async fn served(&self, root: &str, token: &str) -> &'static str {
        match self.scene.narinfo(root, &self.one, token).await {
            None => "none",
            Some(found) if found.info.nar_hash == self.one.nar_hash() => "one",
            Some(found) if found.info.nar_hash == self.two.nar_hash() => "two",
            Some(_) => "other",
        }
    }
}

#[tokio::test]
async fn what_strangers_make_public_is_in_no_view_unasked() {
    let world = strangers().await;
    let server = &world.scene.server;
    for token in ["", &world.reader, &world.scene.ann, &server.admin] {
        assert_eq!(world.served("", token).await, "none");
        assert_eq!(world.served("/cache/one", token).await, "one");
        assert_eq!(world.served("/cache/two/tool", token).await, "two");
        server.get("/nix-cache-info", token).await.expect(200);
        let nar = format!("/nar/{}.nar.zst", world.one.nar_name());
        server.get(&nar, token).await.expect(404);
        server
            .get(&format!("/cache/one{nar}"), token)
            .await
            .expect(200);
        server
            .get(&format!("/cache/two{nar}"), token)
            .await
            .expect(404);
    }
    // Every token without limits of paths reads by name what everybody reads.
    let elsewhere = server.narrow(&world.reader, &["pull"], &["acme/app"]).await;
    assert_eq!(world.served("/cache/one/tool", &elsewhere).await, "one");
    assert_eq!(world.served("", &elsewhere).await, "none");
}

#[tokio::test]
async fn the_earlier_follow_is_believed_and_none_takes_a_path_away() {
    let world = strangers().await;
    let (server, reader) = (&world.scene.server, world.reader.as_str());
    server.follow(reader, &["two/tool"]).await.expect(200);
    assert_eq!(world.served("", reader).await, "two");
    server
        .follow(reader, &["two/tool", "one/*"])
        .await
        .expect(200);
    assert_eq!(world.served("", reader).await, "two");
    server
        .follow(reader, &["one/*", "two/tool"])
        .await
        .expect(200);
    assert_eq!(world.served("", reader).await, "one");
    let nar = format!("/nar/{}.nar.zst", world.two.nar_name());
    server.get(&nar, reader).await.expect(404);
    assert_eq!(followed(server, "", reader).await, ["one/*", "two/tool"]);
    assert_eq!(server.audited("follows.set").await, 3);
    // `fh why` tells which, and where the other one is.
    let path = format!("/api/v1/access?path={}", world.one.hash());
    let why: AccessExplanation = server.get(&path, reader).await.expect(200).json();
    let disputed = why.disputed.unwrap();
    assert_eq!(disputed.served, ["one/tool".parse().unwrap()]);
    assert_eq!(disputed.others, ["two/tool".parse().unwrap()]);
    assert!(why.message.contains("/cache/two/tool"), "{}", why.message);
    // One that is private again is followed without effect, and can be kept in the list.
    let owner = world.scene.server.mint(
        &server.admin,
        json!({
            "user": "one-owner", "permissions": ["admin"],
        }),
    );
    let owner = owner.await.token;
    let close = json!({ "visibility": "private" });
    server
        .patch("/api/v1/flakes/one/tool", &owner, close)
        .await
        .expect(200);
    assert_eq!(world.served("", reader).await, "two");
    let why: AccessExplanation = server.get(&path, reader).await.expect(200).json();
    assert_eq!(
        why.disputed, None,
        "nothing is told of what is out of the view"
    );
    server.follow(reader, &["one/*"]).await.expect(200);
    assert_eq!(world.served("", reader).await, "none");
    server
        .follow(reader, &["two/tool", "one/*"])
        .await
        .expect(200);
    server.follow(reader, &["two/tool"]).await.expect(200);
    server
        .follow(reader, &["two/tool", "one/*"])
        .await
        .expect(404);
    server.follow(reader, &["one/tool"]).await.expect(404);
}

#[tokio::test]
async fn owners_follow_for_members_and_administrators_for_everybody() {
    let world = strangers().await;
    let (server, ann) = (&world.scene.server, world.scene.ann.as_str());
    let set = async |token: &str, follows: &[&str], before: &[&str], org: Option<&str>| {
        let body = json!({
            "follows": follows, "before": before, "org": org, "everybody": org.is_none(),
        });
        server.put("/api/v1/follows", token, body).await
    };
    set(&world.reader, &["one/tool"], &[], None)
        .await
        .expect(403);
    set(&server.admin, &["one/tool"], &[], None)
        .await
        .expect(200);
    for token in ["", world.reader.as_str(), ann] {
        assert_eq!(world.served("", token).await, "one");
        assert_eq!(
            followed(server, "?everybody=true", token).await,
            ["one/tool"]
        );
    }
    // An organisation's come before everybody's, and one's own before these.
    let bob = server.user("bob").await;
    server.member("acme", "bob", "admin", ann).await;
    set(&bob, &["two/*"], &[], Some("acme")).await.expect(403);
    set(&world.reader, &["two/*"], &[], Some("acme"))
        .await
        .expect(404);
    set(ann, &["two/*"], &[], Some("acme")).await.expect(200);
    assert_eq!(followed(server, "?org=ACME", &bob).await, ["two/*"]);
    server
        .get("/api/v1/follows?org=acme", &world.reader)
        .await
        .expect(404);
    server
        .get("/api/v1/follows?org=acme&everybody=true", &bob)
        .await
        .expect(400);
    assert_eq!(world.served("", ann).await, "two");
    assert_eq!(world.served("", &bob).await, "two");
    assert_eq!(world.served("", &world.reader).await, "one");
    server.follow(&bob, &["one/tool"]).await.expect(200);
    assert_eq!(world.served("", &bob).await, "one");
    // Who leaves follows for themselves alone.
    server
        .delete("/api/v1/orgs/acme/members/bob", &bob)
        .await
        .expect(204);
    server.follow(&bob, &[]).await.expect(200);
    assert_eq!(world.served("", &bob).await, "one");

    // The list is set as a whole, if it is what was seen.
    set(ann, &["one/*"], &[], Some("acme")).await.expect(409);
    set(ann, &["two/*"], &[], Some("acme")).await.expect(200);
    set(ann, &["one/*", "two/*"], &["TWO/*"], Some("acme"))
        .await
        .expect(200);
    assert_eq!(world.served("", ann).await, "one");

    // What counts for a service account is what its organisation follows.
    let accounts = "/api/v1/orgs/acme/service-accounts";
    server
        .post(accounts, ann, json!({ "name": "fleet" }))
        .await
        .expect(201);
    let body = json!({ "user": "fleet", "permissions": ["pull", "admin"] });
    let fleet = server.mint(&server.admin, body).await.token;
    assert_eq!(world.served("", &fleet).await, "one");
    server.follow(&fleet, &["two/tool"]).await.expect(403);
}

#[tokio::test]
async fn only_what_is_public_and_can_be_seen_is_followed() {
    let world = strangers().await;
    let (server, reader) = (&world.scene.server, world.reader.as_str());
    server
        .flake("acme/hidden", "unlisted", &world.scene.ann)
        .await;
    let hidden = server
        .follow(reader, &["acme/app"])
        .await
        .expect(404)
        .fingerprint();
    for absent in ["acme/absent", "absent/app", "acme/*", "absent/*"] {
        let answer = server.follow(reader, &[absent]).await.expect(404);
        assert_eq!(answer.fingerprint(), hidden, "{absent}");
    }
    let answer = server.follow(reader, &["acme/hidden"]).await.expect(422);
    assert_eq!(
        answer.message(),
        "only public flakes can be followed, and acme/hidden is unlisted"
    );
    for bad in [&["*"][..], &["one/*", "ONE/*"]] {
        server.follow(reader, bad).await.expect(422);
    }
    let many: Vec<String> = (0..201).map(|number| format!("one/x{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    server.follow(reader, &many).await.expect(422);
    let few = server.narrow(reader, &["pull", "admin"], &["one/*"]).await;
    server.follow(&few, &["one/*"]).await.expect(403);
    let pull = server
        .narrow(reader, &["pull", "push", "mint"], &["*"])
        .await;
    server.follow(&pull, &["one/*"]).await.expect(403);
    assert!(followed(server, "", reader).await.is_empty());
}

#[tokio::test]
async fn a_key_that_an_organisation_trusts_settles_between_its_flakes() {
    let scene = Scene::new().await;
    let (server, ann) = (&scene.server, scene.ann.as_str());
    let key = SecretKey::generate("acme-build-1").unwrap();
    server.flake("acme/play", "private", ann).await;
    let bob = server.user("bob").await;
    server.grant("acme/play", "bob", "write", ann).await;
    let (early, mut built) = (Item::new("tool", b"early"), Item::new("tool", b"built"));
    let info = fh_nix::PathInfo {
        path: built.base.parse().unwrap(),
        nar_hash: built.nar_hash(),
        nar_size: built.info.nar_size,
        references: Default::default(),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
    };
    let fingerprint = info.fingerprint(server.state.store_dir());
    built.info.signatures = vec![key.sign(fingerprint.as_bytes()).to_string()];
    scene.push_as("acme/play", ann, &[&early]).await;
    scene.push(&[&built]).await;
    let served = async || scene.narinfo("", &early, ann).await.unwrap().info.nar_hash;
    assert_eq!(served().await, early.nar_hash(), "the oldest");

    let path = "/api/v1/orgs/acme";
    let public = key.public().to_string();
    let set = async |keys: &[&str], token: &str| {
        server
            .patch(path, token, json!({ "trusted_keys": keys }))
            .await
    };
    server.member("acme", "bob", "admin", ann).await;
    set(&[&public], &bob).await.expect(403);
    let info: OrganizationInfo = set(&[&public], ann).await.expect(200).json();
    assert_eq!(info.trusted_keys, std::slice::from_ref(&public));
    assert_eq!(served().await, built.nar_hash());
    set(&["x"], ann).await.expect(422);
    // No key of the server, whichever it was.
    let own = |index: usize| server.state.keys().public()[index].public_key.clone();
    let first = own(0);
    server
        .post("/api/v1/keys/rotate", &server.admin, json!({}))
        .await
        .expect(200);
    let renamed = first.split_once(':').unwrap().1;
    let renamed = format!("somebody-else:{renamed}");
    for own in [first.clone(), renamed, own(0), own(1)] {
        let answer = set(&[&public, &own], ann).await.expect(422);
        assert!(
            answer.message().contains("a key of this server"),
            "{}",
            answer.message()
        );
    }
    let info: OrganizationInfo = server.get(path, ann).await.expect(200).json();
    assert_eq!(info.trusted_keys, [public]);
    // What is not named stays.
    server
        .patch(path, ann, json!({ "push": "writers" }))
        .await
        .expect(200);
    assert_eq!(served().await, built.nar_hash());
    set(&[], ann).await.expect(200);
    assert_eq!(served().await, early.nar_hash());
    assert_eq!(server.audited("organization.update").await, 2);
}
