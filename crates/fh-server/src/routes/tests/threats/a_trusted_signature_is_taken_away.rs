//! What a key has signed that the organisation trusts decides what its members get. Whoever writes to the slice pushes
//! the same content without that signature, before or after: it stays, and it comes in.

use fh_nix::SecretKey;
use serde_json::json;

use super::Stage;
use super::the_same_content_hides_a_builder_s_signature::junk;
use crate::push::tests::Item;
use crate::push::tests::realisations::{outputs, realised, signed as by};

fn release() -> SecretKey {
    SecretKey::from_seed("release-1", [9; 32]).unwrap()
}

/// A key of that name that nobody trusts.
fn forger() -> SecretKey {
    SecretKey::from_seed("release-1", [8; 32]).unwrap()
}

/// acme trusts the release key. A builder has put another content of the path into `acme/play`.
async fn stage() -> (Stage, Item) {
    let stage = Stage::set("acme/app").await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let keys = json!({ "trusted_keys": [release().public().to_string()] });
    server
        .patch("/api/v1/orgs/acme", ann, keys)
        .await
        .expect(200);
    let other = Item::new("tool", b"of another builder");
    let of_play = super::builder(&stage.scene, "play").await;
    stage.push("acme/play", &of_play, &[&other], None).await;
    (stage, Item::new("tool", b"released"))
}

#[tokio::test]
async fn by_pushing_the_same_content_without_it() {
    let (stage, bare) = stage().await;
    let store_dir = stage.scene.server.state.store_dir().clone();
    let signed = bare.clone().signed(&store_dir, &release());
    let forged = bare.clone().signed(&store_dir, &forger());
    let (ann, bob, builder) = (&stage.scene.ann, &stage.bob, &stage.builder);
    // Whoever comes after the one who brings the signature, and whoever was there before.
    for (before, after) in [
        (
            vec![],
            vec![(builder, &bare), (bob, &forged), (builder, &forged)],
        ),
        (vec![(bob, &bare)], vec![(bob, &bare)]),
        (
            vec![(bob, &forged), (builder, &bare)],
            vec![(builder, &forged)],
        ),
        (vec![(builder, &bare), (builder, &forged)], vec![]),
    ] {
        // A slice of its own for each.
        let server = &stage.scene.server;
        server
            .delete("/api/v1/flakes/acme/app", ann)
            .await
            .expect(204);
        server.flake("acme/app", "private", ann).await;
        server.grant("acme/app", "bob", "write", ann).await;
        server.grant("acme/app", "rita", "read", ann).await;
        for (who, item) in &before {
            stage.push("acme/app", who, &[item], None).await;
            let [root, _] = stage.served(&bare).await;
            assert_ne!(root.unwrap().nar_hash, bare.nar_hash());
        }
        stage.push("acme/app", ann, &[&signed], None).await;
        let is_released = async || {
            let [root, named] = stage.served(&bare).await.map(Option::unwrap);
            for info in [&root, &named] {
                assert_eq!(info.nar_hash, bare.nar_hash());
                assert!(info.verify(&store_dir, &release().public()), "{info:?}");
            }
        };
        is_released().await;
        for (who, item) in &after {
            stage.push("acme/app", who, &[item], None).await;
            is_released().await;
        }
    }
}

/// What signs what is there already changes neither whose it is nor since when.
#[tokio::test]
async fn and_who_adds_it_is_not_the_one_who_pushed() {
    let (stage, bare) = stage().await;
    let store_dir = stage.scene.server.state.store_dir().clone();
    let mut built = bare.clone();
    built.info.deriver = Some(format!("{}-tool.drv", "2".repeat(32)));
    let mut signed = bare.clone().signed(&store_dir, &release());
    signed.info.deriver = Some(format!("{}-tool.drv", "3".repeat(32)));
    stage
        .push("acme/app", &stage.builder, &[&built], None)
        .await;
    stage.push("acme/app", &stage.bob, &[&signed], None).await;
    let [root, named] = stage.served(&bare).await.map(Option::unwrap);
    for info in [root, named] {
        assert_eq!(info.nar_hash, bare.nar_hash());
        let deriver = info.deriver.map(|deriver| deriver.to_string());
        assert_eq!(deriver, built.info.deriver);
    }
}

/// However often somebody signs it, a row has room for so many signatures and no more.
#[tokio::test]
async fn and_a_row_takes_no_more_signatures_than_a_push_may_have() {
    let (stage, bare) = stage().await;
    let store_dir = stage.scene.server.state.store_dir().clone();
    for round in 0..3_u8 {
        let mut item = bare.clone();
        for number in 0..60_u8 {
            let name = format!("k-{round}-{number}");
            let key = SecretKey::from_seed(&name, [number; 32]).unwrap();
            item = item.signed(&store_dir, &key);
        }
        stage.push("acme/app", &stage.bob, &[&item], None).await;
    }
    let signed = bare.clone().signed(&store_dir, &release());
    stage.push("acme/app", &stage.bob, &[&signed], None).await;
    let [root, _] = stage.served(&bare).await.map(Option::unwrap);
    assert!(root.verify(&store_dir, &release().public()));
    // The server's own is among them.
    assert!(root.signatures.len() <= 64 + 2, "{}", root.signatures.len());
}

/// Of many signatures under one name only the first few are looked at, and a row has room for so many. Neither a colleague
/// who brings others under the key's name nor a builder who brings as many as a push may have puts it out of sight.
#[tokio::test]
async fn by_many_others_before_it() {
    let (stage, bare) = stage().await;
    let store_dir = stage.scene.server.state.store_dir().clone();
    let signed = bare.clone().signed(&store_dir, &release());
    let with_others = |name: fn(u8) -> String, count: u8| {
        let keys = (0..count).map(|seed| SecretKey::from_seed(&name(seed), [seed; 32]).unwrap());
        keys.fold(bare.clone(), |item, key| item.signed(&store_dir, &key))
    };
    let forged = with_others(|_| "release-1".to_owned(), 5);
    let many = with_others(|seed| format!("k-{seed}"), 64);
    let (bob, builder) = (&stage.bob, &stage.builder);
    for (who, item) in [
        (&stage.scene.ann, &signed),
        (bob, &forged),
        (bob, &many),
        (builder, &many),
        (bob, &forged),
    ] {
        stage.push("acme/app", who, &[item], None).await;
        let [root, named] = stage.served(&bare).await.map(Option::unwrap);
        for info in [&root, &named] {
            assert_eq!(info.nar_hash, bare.nar_hash());
            assert!(info.verify(&store_dir, &release().public()), "{info:?}");
        }
    }
}

/// The colleague comes first, with as many signatures under the key's name as are looked at: they stand before the key's own,
/// be it that he has copied that from elsewhere, or that it came before the organisation trusted the key.
#[tokio::test]
async fn by_others_of_its_name_that_were_there_first() {
    for trusted_from_the_start in [true, false] {
        let stage = Stage::set("acme/app").await;
        let (server, ann) = (&stage.scene.server, &stage.scene.ann);
        let store_dir = server.state.store_dir().clone();
        let trust = async || {
            let keys = json!({ "trusted_keys": [release().public().to_string()] });
            let answer = server.patch("/api/v1/orgs/acme", ann, keys).await;
            answer.expect(200);
        };
        let of_play = super::builder(&stage.scene, "play").await;
        let other = Item::new("tool", b"of another builder");
        stage.push("acme/play", &of_play, &[&other], None).await;
        let bare = Item::new("tool", b"released");
        let signed = bare.clone().signed(&store_dir, &release());
        let mut forged = bare.clone();
        forged.info.signatures = junk("release-1", 1);
        forged.info.signatures.truncate(4);
        let mut said = realised("tool", &bare);
        let released: Vec<_> = said.iter().map(|it| by(it.clone(), &release())).collect();
        for it in &mut said {
            it.signatures.clone_from(&forged.info.signatures);
        }
        if trusted_from_the_start {
            trust().await;
            let copied = signed.info.signatures.iter().cloned();
            forged.info.signatures.extend(copied);
            for (it, released) in said.iter_mut().zip(&released) {
                it.signatures.extend(released.signatures.clone());
            }
        }
        let scene = &stage.scene;
        scene
            .push_realised("acme/app", &stage.bob, &[&forged], said)
            .await;
        for again in [false, true] {
            scene
                .push_realised("acme/app", ann, &[&signed], released.clone())
                .await;
            if !again && !trusted_from_the_start {
                trust().await;
            }
        }
        let [root, named] = stage.served(&bare).await.map(Option::unwrap);
        for info in [&root, &named] {
            assert_eq!(info.nar_hash, bare.nar_hash(), "{trusted_from_the_start}");
            assert!(info.verify(&store_dir, &release().public()), "{info:?}");
        }
        for (id, released) in outputs("tool").iter().zip(&released) {
            let answer = scene.realisation_answer("", id, &stage.rita).await;
            let body = String::from_utf8(answer.expect(200).body.to_vec()).unwrap();
            let at = |signature: &str| body.find(signature.split_once(':').unwrap().1);
            let first = at(&released.signatures[0]).unwrap();
            assert!(first < at(&forged.info.signatures[0]).unwrap(), "{body}");
        }
    }
}
