//! With a path come its deriver, by which `nix log` finds the log, and the signatures of whoever pushed it, by which
//! a Nix knows it that trusts the builder alone. Somebody who counts for less pushes the same content before: what
//! they say of it is not served in the builder's place.

use fh_nix::{PathInfo, SecretKey};
use fh_persistence::database::slices;
use fh_persistence::database::{DatabaseError, Decided};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Stage;
use crate::push::tests::Item;
use crate::push::tests::realisations::{outputs, realised, signed};

fn key() -> SecretKey {
    SecretKey::from_seed("builder-1", [5; 32]).unwrap()
}

/// As many signatures as a push may have for one path, under this name, which no key has made. Other ones each time.
pub(super) fn junk(name: &str, time: u8) -> Vec<String> {
    let signature = |number: u8| {
        let mut bytes = [number; 64];
        bytes[0] = time;
        // So that a verifier goes all the way.
        bytes[63] = 0;
        format!("{name}:{}", data_encoding::BASE64.encode(&bytes))
    };
    (0..64).map(signature).collect()
}

/// The same content as somebody says it who has not signed it, and as its builder does.
fn tools(stage: &Stage) -> (Item, Item) {
    let derived = |item: Item, by: &str| {
        let mut item = item;
        item.info.deriver = Some(format!("{}-tool.drv", by.repeat(32)));
        item
    };
    let tool = Item::new("tool", b"tool");
    let store_dir = stage.scene.server.state.store_dir();
    let signed = tool.clone().signed(store_dir, &key());
    (derived(tool, "1"), derived(signed, "2"))
}

/// Whether it is the builder's word: its deriver and its signature, or neither.
#[track_caller]
fn is_builders(info: &PathInfo, built: &Item) -> bool {
    let deriver = info.deriver.as_ref().map(ToString::to_string);
    let is_its = deriver == built.info.deriver;
    let key = key();
    let mut names = info.signatures.iter().map(fh_nix::Signature::key_name);
    assert_eq!(names.any(|name| name == key.name()), is_its);
    is_its
}

async fn reads_builders(stage: &Stage, root: &str, built: &Item, token: &str) -> bool {
    let narinfo = stage.scene.narinfo(root, built, token).await;
    is_builders(&narinfo.unwrap().info, built)
}

#[tokio::test]
async fn of_a_colleague_who_was_first() {
    let stage = Stage::set("acme/play").await;
    let (early, built) = tools(&stage);
    stage.push("acme/play", &stage.bob, &[&early], None).await;
    assert!(!reads_builders(&stage, "", &built, &stage.rita).await);
    let builder = &stage.builder;
    stage.push("acme/app", builder, &[&built], None).await;
    for root in ["", "/cache/acme", "/cache/acme/app"] {
        let reads = reads_builders(&stage, root, &built, &stage.rita).await;
        assert!(reads, "{root}");
    }
    // Who names his flake means it.
    let named = reads_builders(&stage, "/cache/acme/play", &built, &stage.rita);
    assert!(!named.await);
    // So it is where somebody else disagrees, of whom the reader sees nothing.
    let server = &stage.scene.server;
    let mallory = server.user("mallory").await;
    server.organization("evil", &mallory).await;
    server.flake("evil/x", "private", &mallory).await;
    let other = Item::new("tool", b"another tool");
    stage.push("evil/x", &mallory, &[&other], None).await;
    assert!(reads_builders(&stage, "", &built, &stage.rita).await);
}

#[tokio::test]
async fn of_what_is_followed_later() {
    let stage = Stage::set("acme/play").await;
    let (early, built) = tools(&stage);
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let mallory = server.user("mallory").await;
    for (organization, owner) in [("good", ann), ("evil", &mallory)] {
        server.organization(organization, owner).await;
        let flake = format!("{organization}/x");
        server.flake(&flake, "public", owner).await;
    }
    stage.push("evil/x", &mallory, &[&early], None).await;
    stage.push("good/x", ann, &[&built], None).await;
    let zoe = server.user("zoe").await;
    for (follows, expected) in [
        (["good/x", "evil/x"], true),
        (["evil/x", "good/x"], false),
        (["good/*", "evil/*"], true),
    ] {
        server.follow(&zoe, &follows).await.expect(200);
        let reads = reads_builders(&stage, "", &built, &zoe).await;
        assert_eq!(reads, expected, "{follows:?}");
    }
}

/// Where no builder pushes, a key that the organisation trusts tells whose word counts.
#[tokio::test]
async fn of_a_person_where_a_trusted_key_has_signed_it() {
    let stage = Stage::set("acme/play").await;
    let (early, built) = tools(&stage);
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    stage.push("acme/play", &stage.bob, &[&early], None).await;
    stage.push("acme/app", ann, &[&built], None).await;
    for trusts in [false, true, false] {
        let keys: Vec<String> = trusts
            .then(|| key().public().to_string())
            .into_iter()
            .collect();
        server
            .patch("/api/v1/orgs/acme", ann, json!({ "trusted_keys": keys }))
            .await
            .expect(200);
        for _ in 0..2 {
            let reads = reads_builders(&stage, "", &built, &stage.rita).await;
            assert_eq!(reads, trusts);
        }
    }
}

/// Mallory, in so many slices of whose organisation `evil` the item stands.
async fn held_by_many(stage: &Stage, item: &Item, visibility: &str) -> String {
    let server = &stage.scene.server;
    let mallory = server.user("mallory").await;
    server.organization("evil", &mallory).await;
    let mut flakes = Vec::new();
    for index in 0..70 {
        let flake = format!("evil/x{index}");
        server.flake(&flake, visibility, &mallory).await;
        flakes.push(server.flake_id(&flake).await);
    }
    stage.push("evil/x0", &mallory, &[item], None).await;
    let info = PathInfo {
        path: item.base.parse().unwrap(),
        nar_hash: item.nar_hash(),
        nar_size: item.info.nar_size,
        references: Default::default(),
        deriver: None,
        signatures: item
            .info
            .signatures
            .iter()
            .map(|signature| signature.parse().unwrap())
            .collect(),
        ca: None,
    };
    let written = server
        .state
        .database()
        .write(Decided::by_server(), move |tx| {
            let sql = "SELECT id FROM nar";
            let nar_id = tx.one(sql, &[], |row| row.get(0))?;
            for flake_id in flakes {
                slices::insert(tx, flake_id, &info, nar_id, Default::default())?;
            }
            Ok::<_, DatabaseError>(())
        });
    written.await.unwrap();
    mallory
}

/// Lets rita read so many flakes of acme that they are not asked one by one.
async fn widen(stage: &Stage) {
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    for index in 0..70 {
        server
            .flake(&format!("acme/n{index}"), "private", ann)
            .await;
    }
    let read = json!({ "role": "read" });
    let whole = "/api/v1/orgs/acme/grants/rita";
    server.put(whole, ann, read).await.expect(200);
}

/// The path stands in more slices of strangers than are remembered, and they are all older.
#[tokio::test]
async fn of_a_colleague_where_very_many_slices_hold_it() {
    for wide in [false, true] {
        let stage = Stage::set("acme/play").await;
        let (early, built) = tools(&stage);
        if wide {
            widen(&stage).await;
        }
        held_by_many(&stage, &early, "private").await;
        stage.push("acme/play", &stage.bob, &[&early], None).await;
        assert!(!reads_builders(&stage, "", &built, &stage.rita).await);
        let builder = &stage.builder;
        stage.push("acme/app", builder, &[&built], None).await;
        for _ in 0..2 {
            for root in ["", "/cache/acme", "/cache/acme/app"] {
                let reads = reads_builders(&stage, root, &built, &stage.rita).await;
                assert!(reads, "{root}");
            }
        }
    }
}

#[tokio::test]
async fn of_very_many_slices_that_are_followed_later() {
    let stage = Stage::set("acme/play").await;
    let (early, built) = tools(&stage);
    held_by_many(&stage, &early, "public").await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    server.organization("good", ann).await;
    server.flake("good/x", "public", ann).await;
    stage.push("good/x", ann, &[&built], None).await;
    let zoe = server.user("zoe").await;
    for (follows, expected) in [(["good/x", "evil/*"], true), (["evil/*", "good/x"], false)] {
        server.follow(&zoe, &follows).await.expect(200);
        let reads = reads_builders(&stage, "", &built, &zoe).await;
        assert_eq!(reads, expected, "{follows:?}");
    }
}

/// A path whose hash follows from its content, and that says so.
fn addressed(stage: &Stage, contents: &[u8]) -> Item {
    let mut item = Item::new("src", contents);
    let digest = data_encoding::HEXLOWER.encode(item.nar_hash().as_bytes());
    let store_dir = stage.scene.server.state.store_dir();
    let digest = Sha256::digest(format!("source:sha256:{digest}:{store_dir}:src"));
    let mut folded = [0; 20];
    for (index, byte) in digest.into_iter().enumerate() {
        folded[index % 20] ^= byte;
    }
    item.base = format!("{}-src", fh_nix::base32::encode(&folded));
    item.info.path.clone_from(&item.base);
    let ca = format!("fixed:r:sha256:{}", item.nar_hash().to_base32());
    item.info.ca = Some(ca);
    item
}

/// In the builder's own slice: what brings a proof takes nothing away.
#[tokio::test]
async fn of_a_colleague_who_proves_it() {
    for builder_first in [true, false] {
        let stage = Stage::set("acme/app").await;
        let proved = addressed(&stage, b"src");
        let mut built = proved.clone();
        built.info.ca = None;
        built.info.deriver = Some(format!("{}-src.drv", "2".repeat(32)));
        let built = built.signed(stage.scene.server.state.store_dir(), &key());
        let pushes = [(&stage.builder, &built), (&stage.bob, &proved)];
        let order = if builder_first { [0, 1] } else { [1, 0] };
        for index in order {
            let (token, item) = pushes[index];
            stage.push("acme/app", token, &[item], None).await;
        }
        let narinfo = stage.scene.narinfo("", &built, &stage.rita).await.unwrap();
        assert!(is_builders(&narinfo.info, &built), "{builder_first}");
        let ca = narinfo.info.ca.map(|ca| ca.to_string());
        assert_eq!(ca, proved.info.ca, "{builder_first}");
    }
}

/// Of what others have pushed nothing depends, where one of the reader's organisations trusts keys and another does not.
#[tokio::test]
async fn of_another_organisation_where_very_many_slices_hold_it() {
    for strangers in [false, true] {
        let stage = Stage::set("acme/play").await;
        let (server, ann) = (&stage.scene.server, &stage.scene.ann);
        widen(&stage).await;
        server.organization("beta", ann).await;
        server.flake("beta/x", "private", ann).await;
        server.member("beta", "rita", "member", ann).await;
        server.accept("beta", "rita").await;
        server.grant("beta/x", "rita", "read", ann).await;
        let keys = json!({ "trusted_keys": [key().public().to_string()] });
        server
            .patch("/api/v1/orgs/beta", ann, keys)
            .await
            .expect(200);
        let (tool, built) = tools(&stage);
        let other = SecretKey::from_seed("other-1", [6; 32]).unwrap();
        let early = tool.signed(server.state.store_dir(), &other);
        stage.push("acme/play", &stage.bob, &[&early], None).await;
        if strangers {
            held_by_many(&stage, &early, "private").await;
        }
        stage.push("beta/x", ann, &[&built], None).await;
        for _ in 0..2 {
            let reads = reads_builders(&stage, "", &built, &stage.rita).await;
            assert!(reads, "{strangers}");
        }
    }
}

/// Whose content address cannot be recomputed: a colleague who leaves it out takes it from nobody.
#[tokio::test]
async fn of_a_colleague_who_leaves_the_content_address_out() {
    let flat = |item: &Item| {
        let mut item = item.clone();
        let digest = fh_nix::base32::encode(&Sha256::digest(b"src"));
        item.info.ca = Some(format!("text:sha256:{digest}"));
        item
    };
    let stage = Stage::set("acme/app").await;
    let bare = {
        let mut item = Item::new("src", b"src");
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(b"src"));
        let store_dir = stage.scene.server.state.store_dir();
        let digest = Sha256::digest(format!("text:sha256:{digest}:{store_dir}:src"));
        let mut folded = [0; 20];
        for (index, byte) in digest.into_iter().enumerate() {
            folded[index % 20] ^= byte;
        }
        item.base = format!("{}-src", fh_nix::base32::encode(&folded));
        item.info.path.clone_from(&item.base);
        item
    };
    let built = flat(&bare).signed(stage.scene.server.state.store_dir(), &key());
    stage.push("acme/app", &stage.bob, &[&bare], None).await;
    stage
        .push("acme/app", &stage.builder, &[&built], None)
        .await;
    let narinfo = stage.scene.narinfo("", &built, &stage.rita).await.unwrap();
    assert_eq!(narinfo.info.ca.map(|ca| ca.to_string()), built.info.ca);
    // Who pushes it without one again takes nothing away either.
    stage.push("acme/app", &stage.bob, &[&bare], None).await;
    let narinfo = stage.scene.narinfo("", &built, &stage.rita).await.unwrap();
    assert_eq!(narinfo.info.ca.map(|ca| ca.to_string()), built.info.ca);
}

/// Two builders' rows of one content: a colleague who proves the newer one does not make it the one that is served.
#[tokio::test]
async fn of_a_colleague_who_proves_another_one() {
    let stage = Stage::set("acme/app").await;
    let proved = addressed(&stage, b"src");
    let said_by = |by: &str| {
        let mut item = proved.clone();
        item.info.ca = None;
        item.info.deriver = Some(format!("{}-src.drv", by.repeat(32)));
        item
    };
    let older = said_by("2").signed(stage.scene.server.state.store_dir(), &key());
    let newer = said_by("1");
    let of_play = super::builder(&stage.scene, "play").await;
    stage.push("acme/play", &of_play, &[&older], None).await;
    stage
        .push("acme/app", &stage.builder, &[&newer], None)
        .await;
    assert!(reads_builders(&stage, "", &older, &stage.rita).await);
    stage.push("acme/app", &stage.bob, &[&proved], None).await;
    assert!(reads_builders(&stage, "", &older, &stage.rita).await);
    // And the one that he has proven stays as old as it was.
    let narinfo = stage
        .scene
        .narinfo("/cache/acme/app", &proved, &stage.rita)
        .await
        .unwrap();
    let said = (narinfo.info.ca, narinfo.info.deriver);
    let said = (
        said.0.map(|it| it.to_string()),
        said.1.map(|it| it.to_string()),
    );
    assert_eq!(said, (proved.info.ca.clone(), newer.info.deriver.clone()));
}

/// The colleague's signatures take all the room that a row has: the builder's go before them, and stay, in what is said of the
/// path and of the derivation. The organisation does not trust the builder's key; a machine of rita's does.
#[tokio::test]
async fn of_a_colleague_who_fills_the_row() {
    for (name, filled_again) in [("x-1", false), ("builder-1", true)] {
        let stage = Stage::set("acme/app").await;
        let (scene, server) = (&stage.scene, &stage.scene.server);
        let store_dir = server.state.store_dir().clone();
        let keys = [key().public().to_string()];
        let limited = json!({ "permissions": ["pull"], "signed_by": keys });
        let limited = server.mint(&stage.rita, limited).await.token;
        let tool = Item::new("tool", b"tool");
        let built = tool.clone().signed(&store_dir, &key());
        let filled = |time: u8| {
            let mut item = tool.clone();
            item.info.signatures = junk(name, time);
            let mut said = realised("tool", &tool);
            for realisation in &mut said {
                realisation.signatures = junk(name, time);
            }
            (item, said)
        };
        let said = realised("tool", &built).into_iter();
        let said: Vec<_> = said.map(|it| signed(it, &key())).collect();
        let mut pushes = vec![
            (&stage.bob, filled(1)),
            (&stage.builder, (built.clone(), said.clone())),
        ];
        if filled_again {
            pushes.push((&stage.bob, filled(2)));
        }
        for (token, (item, realisations)) in pushes {
            scene
                .push_realised("acme/app", token, &[&item], realisations)
                .await;
        }
        let narinfo = scene.narinfo("", &tool, &stage.rita).await.unwrap();
        assert!(narinfo.info.verify(&store_dir, &key().public()), "{name}");
        // The server's own is among them.
        assert!(narinfo.info.signatures.len() <= 64 + 1, "{name}");
        assert!(scene.narinfo("", &tool, &limited).await.is_some(), "{name}");
        for (id, said) in outputs("tool").iter().zip(&said) {
            let answer = scene.realisation_answer("", id, &stage.rita).await;
            let body = String::from_utf8(answer.expect(200).body.to_vec()).unwrap();
            let (_, signature) = said.signatures[0].split_once(':').unwrap();
            assert!(body.contains(signature), "{name}: {body}");
            let told = scene.out_path("", id, &limited).await;
            assert_eq!(told.as_ref(), Some(&tool.base), "{name}");
        }
    }
}

/// The builder has got a new key, and pushes what it has built once more, signed with that. The colleague had filled the row
/// before, be it under the name of the new key.
#[tokio::test]
async fn of_a_colleague_who_had_filled_the_row_before_the_key_was_renewed() {
    for (name, next) in [
        ("x-1", "builder-2"),
        ("builder-2", "builder-2"),
        ("builder-1", "builder-1"),
    ] {
        let stage = Stage::set("acme/app").await;
        let (scene, server) = (&stage.scene, &stage.scene.server);
        let store_dir = server.state.store_dir().clone();
        let next = SecretKey::from_seed(next, [7; 32]).unwrap();
        let tool = Item::new("tool", b"tool");
        let mut filled = tool.clone();
        filled.info.signatures = junk(name, 1);
        let mut said = realised("tool", &tool);
        for realisation in &mut said {
            realisation.signatures = junk(name, 1);
        }
        scene
            .push_realised("acme/app", &stage.bob, &[&filled], said)
            .await;
        for key in [&key(), &next] {
            let built = tool.clone().signed(&store_dir, key);
            let said = realised("tool", &tool).into_iter();
            let said: Vec<_> = said.map(|it| signed(it, key)).collect();
            // Once more changes nothing.
            for _ in 0..2 {
                scene
                    .push_realised("acme/app", &stage.builder, &[&built], said.clone())
                    .await;
            }
        }
        let narinfo = scene.narinfo("", &tool, &stage.rita).await.unwrap().info;
        for key in [&key(), &next] {
            let about = format!("{name}, {}", key.public());
            assert!(narinfo.verify(&store_dir, &key.public()), "{about}");
            let keys = [key.public().to_string()];
            let limited = json!({ "permissions": ["pull"], "signed_by": keys });
            let limited = server.mint(&stage.rita, limited).await.token;
            let is_read = scene.narinfo("", &tool, &limited).await.is_some();
            assert!(is_read, "{about}");
            for id in outputs("tool") {
                let told = scene.out_path("", &id, &limited).await;
                assert_eq!(told.as_ref(), Some(&tool.base), "{about}");
            }
        }
        // The server's own is among them.
        assert_eq!(narinfo.signatures.len(), 64 + 1 + 1, "{name}");
    }
}
