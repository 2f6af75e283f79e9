//! A log tells a person what a builder did. Shown: a colleague who was first, or whoever is followed last, says
//! it in the builder's place.

use fh_api::{LOG_RECORD, PushPlan, PushRequest};
use fh_nix::{NarHash, StorePath};
use http::Method;
use serde_json::json;

use crate::push::tests::{Item, Scene, batch_body, compress, request};
use crate::tests::workload::issuer::Key;

const ISSUER: &str = "https://ci.acme.example";

/// Bob writes to acme/app and acme/play, rita reads both, and a workload is acme's builder.
struct World {
    scene: Scene,
    bob: String,
    rita: String,
    builder: String,
}

/// A derivation, and a path that it built with these contents.
fn built(name: &str, contents: &[u8]) -> (Item, StorePath) {
    let hash = NarHash::of(name.as_bytes());
    let hash = fh_nix::base32::encode(&hash.as_bytes()[..20]);
    let mut item = Item::new(&String::from_utf8_lossy(contents), contents);
    item.info.deriver = Some(format!("{hash}-{name}.drv"));
    let derivation = item.info.deriver.as_ref().unwrap().parse().unwrap();
    (item, derivation)
}

impl World {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let server = &scene.server;
        let (bob, rita) = (server.user("bob").await, server.user("rita").await);
        server.flake("acme/play", "private", &scene.ann).await;
        for flake in ["acme/app", "acme/play"] {
            server.grant(flake, "bob", "write", &scene.ann).await;
        }
        for flake in ["acme/app", "acme/play"] {
            server.grant(flake, "rita", "read", &scene.ann).await;
        }
        let key = Key::new("ci");
        let policy = json!({
            "provider": "oidc", "issuer": ISSUER, "role": "write", "flakes": ["acme/*"],
            "conditions": [{ "claim": "sub", "equals": "main" }],
            "builder": true, "jwks": { "keys": [key.jwk()] },
        });
        server
            .put("/api/v1/orgs/acme/trust/ci", &scene.ann, policy)
            .await
            .expect(200);
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let builder = key.sign(&json!({
            "iss": ISSUER, "aud": server.state.keys().audience(), "iat": now, "sub": "main",
            "exp": now + 3600,
        }));
        Self {
            scene,
            bob,
            rita,
            builder,
        }
    }

    async fn plan(&self, flake: &str, token: &str, built: &(Item, StorePath)) -> PushPlan {
        let wanted = PushRequest {
            logs: vec![built.1.to_string()],
            ..request(&[&built.0])
        };
        let answer = self.scene.plan_answer(flake, token, &wanted).await;
        assert!(answer.status.is_success(), "{:?}", answer.body);
        answer.json()
    }

    /// Pushes a path with its log, if that is wanted: whether it was.
    async fn push(&self, flake: &str, token: &str, built: &(Item, StorePath), log: &str) -> bool {
        let plan = self.plan(flake, token, built).await;
        let Some(id) = plan.id else {
            return false;
        };
        let (item, derivation) = built;
        let mut records = Vec::new();
        if !plan.uploads.is_empty() {
            records.push((item.nar_hash(), item.compressed()));
        }
        if !plan.logs.is_empty() {
            let mut hash = [0; 32];
            hash[..12].copy_from_slice(&LOG_RECORD);
            hash[12..].copy_from_slice(derivation.hash().as_bytes());
            records.push((NarHash::from_bytes(hash), compress(log.as_bytes())));
        }
        let scene = &self.scene;
        let answer = scene.batch_answer(flake, token, id, batch_body(&records));
        let answer: fh_api::BatchAnswer = answer.await.expect(200).json();
        assert!(answer.logs.iter().all(|log| log.rejected.is_none()));
        if plan.committed.is_none() {
            let path = format!("/api/v1/flakes/{flake}/pushes/{id}/commit");
            let answer = scene.server.call(Method::POST, &path, token, None).await;
            answer.expect(200);
        }
        !plan.logs.is_empty()
    }

    async fn log(&self, root: &str, derivation: &StorePath, token: &str) -> String {
        let path = format!("{root}/log/{derivation}");
        let answer = self.scene.server.get(&path, token).await.expect(200);
        String::from_utf8(answer.body.to_vec()).unwrap()
    }
}

#[tokio::test]
async fn of_a_colleague_who_was_first_in_another_flake() {
    let world = World::new().await;
    let junk = built("tool", b"junk");
    let tool = built("tool", b"tool");
    assert!(world.push("acme/play", &world.bob, &junk, "fine").await);
    assert_eq!(world.log("", &junk.1, &world.rita).await, "fine");
    assert!(world.push("acme/app", &world.builder, &tool, "ci").await);
    for root in ["", "/cache/acme", "/cache/acme/app"] {
        assert_eq!(world.log(root, &tool.1, &world.rita).await, "ci", "{root}");
    }
    let named = world.log("/cache/acme/play", &tool.1, &world.rita);
    assert_eq!(named.await, "fine");
}

#[tokio::test]
async fn of_a_colleague_who_was_first_in_the_same_flake() {
    let world = World::new().await;
    let junk = built("tool", b"junk");
    let tool = built("tool", b"tool");
    assert!(world.push("acme/app", &world.bob, &junk, "fine").await);
    // A person's does not take the place of a person's.
    assert!(!world.push("acme/app", &world.scene.ann, &junk, "ann").await);
    assert!(world.push("acme/app", &world.builder, &tool, "ci").await);
    assert_eq!(world.log("", &tool.1, &world.rita).await, "ci");
    // Nor does anything the place of a builder's.
    let again = built("tool", b"again");
    assert!(!world.push("acme/app", &world.bob, &again, "fine").await);
    let again = built("tool", b"more");
    assert!(!world.push("acme/app", &world.builder, &again, "late").await);
    assert_eq!(world.log("", &tool.1, &world.rita).await, "ci");
}

/// Where the slice has everything but the log, the plan itself is the commit, and the log comes after it.
#[tokio::test]
async fn of_a_colleague_because_the_builder_s_came_late() {
    let world = World::new().await;
    let tool = built("tool", b"tool");
    assert!(world.push("acme/play", &world.bob, &tool, "fine").await);
    assert!(world.push("acme/app", &world.bob, &tool, "fine too").await);
    let plan = world.plan("acme/app", &world.builder, &tool).await;
    assert!(plan.committed.is_some() && !plan.logs.is_empty());
    assert!(world.push("acme/app", &world.builder, &tool, "ci").await);
    for root in ["", "/cache/acme/app"] {
        assert_eq!(world.log(root, &tool.1, &world.rita).await, "ci", "{root}");
    }
    assert!(!world.push("acme/app", &world.bob, &tool, "fine").await);
}

#[tokio::test]
async fn of_whom_one_follows_last() {
    let world = World::new().await;
    let server = &world.scene.server;
    let mallory = server.user("mallory").await;
    for (organization, owner) in [("good", &world.scene.ann), ("evil", &mallory)] {
        server.organization(organization, owner).await;
        let flake = format!("{organization}/x");
        server.flake(&flake, "public", owner).await;
    }
    let tool = built("tool", b"tool");
    assert!(world.push("evil/x", &mallory, &tool, "evil").await);
    assert!(world.push("good/x", &world.scene.ann, &tool, "good").await);
    let carl = server.user("carl").await;
    server
        .follow(&carl, &["good/x", "evil/x"])
        .await
        .expect(200);
    assert_eq!(world.log("", &tool.1, &carl).await, "good");
    server
        .follow(&carl, &["evil/x", "good/x"])
        .await
        .expect(200);
    assert_eq!(world.log("", &tool.1, &carl).await, "evil");
}
