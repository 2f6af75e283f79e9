//! A builder leaves a dependency out because a key of elsewhere has signed it: in the views of that slice the
//! path is what was signed, or nothing. A colleague tries to put another content there.

use fh_nix::SecretKey;

use super::{Stage, builder};
use crate::push::tests::Item;

fn upstream() -> SecretKey {
    SecretKey::from_seed("upstream-1", [7; 32]).unwrap()
}

/// The dependency as it was signed, and as a colleague has it.
fn libraries(stage: &Stage) -> (Item, Item) {
    let store_dir = stage.scene.server.state.store_dir();
    let signed = Item::new("libc", b"libc").signed(store_dir, &upstream());
    (signed, Item::new("libc", b"not libc"))
}

/// The builder pushes these to its flake, and leaves out what was signed.
async fn build(stage: &Stage, items: &[&Item]) {
    stage
        .push("acme/app", &stage.builder, items, Some(&upstream()))
        .await;
}

#[tokio::test]
async fn by_a_row_that_was_there_before_in_the_same_slice() {
    for as_context in [true, false] {
        let stage = Stage::set("acme/app").await;
        let (mut libc, evil) = libraries(&stage);
        stage.push("acme/app", &stage.bob, &[&evil], None).await;
        let served = stage.served(&evil).await;
        assert!(served.iter().all(Option::is_some));
        libc.info.context = as_context;
        let app = Item::new("app", b"app").referring_to(&libc);
        build(&stage, &[&libc, &app]).await;
        assert_eq!(stage.served(&evil).await, [None, None]);
    }
}

#[tokio::test]
async fn by_a_decision_that_was_remembered() {
    let stage = Stage::set("acme/play").await;
    let server = &stage.scene.server;
    let (mut libc, evil) = libraries(&stage);
    // A stranger has made it a path that is decided about.
    let mallory = server.user("mallory").await;
    server.organization("evil", &mallory).await;
    server.flake("evil/x", "private", &mallory).await;
    let strange = Item::new("libc", b"a stranger's");
    stage.push("evil/x", &mallory, &[&strange], None).await;
    stage.push("acme/play", &stage.bob, &[&evil], None).await;
    assert!(stage.served(&evil).await[0].is_some());
    libc.info.context = true;
    let app = Item::new("app", b"app").referring_to(&libc);
    build(&stage, &[&libc, &app]).await;
    assert_eq!(stage.served(&evil).await, [None, None]);
}

#[tokio::test]
async fn by_a_push_that_has_nothing_else_to_bring() {
    // What is new is the fingerprint alone: everything else is there, or left out as well.
    for pushes_app in [true, false] {
        let stage = Stage::set("acme/app").await;
        let (mut libc, evil) = libraries(&stage);
        stage.push("acme/app", &stage.bob, &[&evil], None).await;
        libc.info.context = pushes_app;
        let app = Item::new("app", b"app").referring_to(&libc);
        let mut pushed = vec![&libc];
        if pushes_app {
            pushed.push(&app);
            let of_bob = [&evil, &app];
            stage.push("acme/app", &stage.bob, &of_bob, None).await;
        }
        build(&stage, &pushed).await;
        assert_eq!(stage.served(&evil).await, [None, None]);
    }
}

#[tokio::test]
async fn by_the_fingerprint_of_a_stranger_that_agrees() {
    let stage = Stage::set("acme/play").await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let mallory = server.user("mallory").await;
    server.organization("evil", &mallory).await;
    server.flake("evil/x", "private", &mallory).await;
    // Younger than the stranger's flake: fingerprints lie in the order of their flakes.
    server.flake("acme/tool", "private", ann).await;
    server.grant("acme/tool", "rita", "read", ann).await;
    let (mut libc, evil) = libraries(&stage);
    libc.info.context = true;
    let app = Item::new("app", b"app").referring_to(&libc);
    let builder = builder(&stage.scene, "tool").await;
    stage
        .push("acme/tool", &builder, &[&libc, &app], Some(&upstream()))
        .await;
    let key = SecretKey::from_seed("mallory-1", [9; 32]).unwrap();
    let mut junk = Item::new("libc", b"not libc").signed(server.state.store_dir(), &key);
    junk.info.context = true;
    let other = Item::new("other", b"other").referring_to(&junk);
    stage
        .push("evil/x", &mallory, &[&junk, &other], Some(&key))
        .await;
    stage.push("acme/play", &stage.bob, &[&evil], None).await;
    for root in ["", "/cache/acme"] {
        let served = stage.scene.narinfo(root, &evil, &stage.rita).await;
        assert!(served.is_none(), "{root}");
    }
}

/// Of two fingerprints the older one counts, whatever a stranger does between them.
#[tokio::test]
async fn by_what_a_stranger_pushes_in_between() {
    for pushes in [false, true] {
        let stage = Stage::set("acme/play").await;
        let (server, ann) = (&stage.scene.server, &stage.scene.ann);
        let mallory = server.user("mallory").await;
        server.organization("evil", &mallory).await;
        server.flake("evil/x", "private", &mallory).await;
        for flake in ["acme/later", "acme/sooner"] {
            server.flake(flake, "private", ann).await;
            server.grant(flake, "rita", "read", ann).await;
        }
        let store_dir = server.state.store_dir();
        let mut versions = [&b"one"[..], b"two"]
            .map(|contents| Item::new("libc", contents).signed(store_dir, &upstream()));
        stage.push("acme/app", ann, &[&versions[0]], None).await;
        stage
            .push("acme/play", &stage.bob, &[&versions[1]], None)
            .await;
        for (version, project) in versions.iter_mut().zip(["sooner", "later"]) {
            version.info.context = true;
            let builder = builder(&stage.scene, project).await;
            let flake = format!("acme/{project}");
            stage
                .push(&flake, &builder, &[version], Some(&upstream()))
                .await;
            if pushes {
                let other = Item::new("other", b"other");
                stage.push("evil/x", &mallory, &[&other], None).await;
            }
        }
        let served = stage.scene.narinfo("", &versions[0], &stage.rita).await;
        let served = served.map(|narinfo| narinfo.info.nar_hash);
        assert_eq!(served, Some(versions[0].nar_hash()), "{pushes}");
    }
}

#[tokio::test]
async fn a_fingerprint_of_a_person_ends_with_the_content() {
    let stage = Stage::set("acme/app").await;
    let store_dir = stage.scene.server.state.store_dir();
    // Bob has signed it himself.
    let key = SecretKey::from_seed("bob-1", [8; 32]).unwrap();
    let mut junk = Item::new("libc", b"junk").signed(store_dir, &key);
    junk.info.context = true;
    let app = Item::new("app", b"app").referring_to(&junk);
    let pushed = [&junk, &app];
    stage
        .push("acme/app", &stage.bob, &pushed, Some(&key))
        .await;
    let libc = Item::new("libc", b"libc");
    stage
        .push("acme/app", &stage.scene.ann, &[&libc], None)
        .await;
    for served in stage.served(&libc).await {
        assert_eq!(served.unwrap().nar_hash, libc.nar_hash());
    }
}
