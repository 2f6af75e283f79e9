//! Whoever leaves a path out says that a key of theirs has signed it, and needs no content for that. Of an own
//! organisation it counts for all that the reader reads; mallory, who is merely followed or accepted, says it of a
//! path that somebody else has.

use fh_api::AccessExplanation;
use fh_nix::SecretKey;

use super::Stage;
use crate::push::tests::Item;

/// Mallory's `evil/x` and `evil/y`, private, and ann's `good/t`, which has the library.
struct Strangers {
    stage: Stage,
    mallory: String,
    library: Item,
}

impl Strangers {
    async fn meet() -> Self {
        let stage = Stage::set("acme/play").await;
        let (server, ann) = (&stage.scene.server, &stage.scene.ann);
        let mallory = server.user("mallory").await;
        server.organization("evil", &mallory).await;
        server.flake("evil/x", "public", &mallory).await;
        server.flake("evil/y", "private", &mallory).await;
        server.organization("good", ann).await;
        server.flake("good/t", "public", ann).await;
        let library = Item::new("library", b"library");
        stage.push("good/t", ann, &[&library], None).await;
        Self {
            stage,
            mallory,
            library,
        }
    }

    /// Mallory leaves another content of the library out of a flake, as signed with a key of hers.
    async fn leave_out(&self, flake: &str) {
        let key = SecretKey::from_seed("mallory-1", [9; 32]).unwrap();
        let store_dir = self.stage.scene.server.state.store_dir();
        let mut other = Item::new("library", b"nowhere").signed(store_dir, &key);
        other.info.context = true;
        let junk = Item::new("junk", b"junk").referring_to(&other);
        let pushed = [&junk, &other];
        self.stage
            .push(flake, &self.mallory, &pushed, Some(&key))
            .await;
    }

    async fn is_served(&self, token: &str) -> bool {
        let narinfo = self.stage.scene.narinfo("", &self.library, token).await;
        narinfo.is_some_and(|narinfo| narinfo.info.nar_hash == self.library.nar_hash())
    }
}

async fn why(stage: &Stage, item: &Item, token: &str) -> AccessExplanation {
    let path = format!("/api/v1/access?path={}", item.hash());
    stage
        .scene
        .server
        .get(&path, token)
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn from_an_earlier_place_in_the_list() {
    let strangers = Strangers::meet().await;
    let server = &strangers.stage.scene.server;
    let zoe = server.user("zoe").await;
    server.follow(&zoe, &["evil/x", "good/t"]).await.expect(200);
    assert!(strangers.is_served(&zoe).await);
    strangers.leave_out("evil/x").await;
    assert!(strangers.is_served(&zoe).await);
    let path = format!("/nar/{}.nar.zst", strangers.library.nar_name());
    server.get(&path, &zoe).await.expect(200);
    // What is told of it is so: nothing is to be had at mallory's.
    let why = why(&strangers.stage, &strangers.library, &zoe).await;
    let disputed = why.disputed.unwrap();
    assert_eq!(disputed.served, ["good/t".parse().unwrap()]);
    assert!(disputed.others.is_empty());
    assert_eq!(disputed.left_out, ["evil/x".parse().unwrap()]);
    assert!(!why.message.contains("/cache/"), "{}", why.message);
    assert!(why.message.contains("evil/x left"), "{}", why.message);
}

#[tokio::test]
async fn from_an_organisation_that_was_accepted() {
    let strangers = Strangers::meet().await;
    let server = &strangers.stage.scene.server;
    let yan = server.user("yan").await;
    server
        .grant("evil/y", "yan", "read", &strangers.mallory)
        .await;
    server.follow(&yan, &["good/t"]).await.expect(200);
    assert!(strangers.is_served(&yan).await);
    strangers.leave_out("evil/y").await;
    assert!(strangers.is_served(&yan).await);
}

/// Of an own organisation it is this content or nothing, and `fh why` says so.
#[tokio::test]
async fn of_an_own_organisation_it_may() {
    let stage = Stage::set("acme/play").await;
    let key = SecretKey::from_seed("upstream-1", [7; 32]).unwrap();
    let store_dir = stage.scene.server.state.store_dir();
    let mut libc = Item::new("libc", b"libc").signed(store_dir, &key);
    libc.info.context = true;
    let app = Item::new("app", b"app").referring_to(&libc);
    let other = Item::new("libc", b"another");
    stage.push("acme/play", &stage.bob, &[&other], None).await;
    let pushed = [&libc, &app];
    stage
        .push("acme/app", &stage.builder, &pushed, Some(&key))
        .await;
    assert_eq!(stage.served(&libc).await[0], None);
    let why = why(&stage, &libc, &stage.rita).await;
    let disputed = why.disputed.unwrap();
    assert!(disputed.served.is_empty());
    assert_eq!(disputed.others, ["acme/play".parse().unwrap()]);
    assert_eq!(disputed.left_out, ["acme/app".parse().unwrap()]);
    let message = why.message;
    assert!(message.contains("/cache/acme/play"), "{message}");
    assert!(message.contains("acme/app left it out"), "{message}");
}
