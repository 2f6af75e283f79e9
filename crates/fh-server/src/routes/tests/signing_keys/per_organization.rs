//! `signing = per-organization`: whose key signs what, who is told of it, and what is left of it.

use fh_api::{Discovery, KeyList, Signing};
use fh_nix::{NarInfo, PublicKey};
use serde_json::json;
use tempfile::TempDir;

use super::told;
use crate::push::tests::{Item, Scene};
use crate::testing::TestServer;

async fn scene() -> Scene {
    Scene::with(|settings| settings.signing = Signing::PerOrganization).await
}

async fn keys_of(server: &TestServer, organization: &str, token: &str) -> KeyList {
    let path = format!("/api/v1/orgs/{organization}/keys");
    server.get(&path, token).await.expect(200).json()
}

async fn rotate(server: &TestServer, organization: &str, token: &str) -> KeyList {
    let path = format!("/api/v1/orgs/{organization}/keys/rotate");
    server
        .post(&path, token, json!({}))
        .await
        .expect(200)
        .json()
}

fn signer(narinfo: &NarInfo, keys: &KeyList) -> bool {
    let key: PublicKey = keys.keys[0].public_key.parse().unwrap();
    narinfo.info.verify(&fh_nix::StoreDir::default(), &key)
}

#[tokio::test]
async fn a_narinfo_is_signed_by_the_organisation_whose_slice_it_is_from() {
    let scene = scene().await;
    let server = &scene.server;
    let bob = server.user("bob").await;
    server.organization("Other", &bob).await;
    server.flake("Other/x", "private", &bob).await;
    let tool = Item::new("tool", b"the same");
    scene.push(&[&tool]).await;
    scene.push_as("Other/x", &bob, &[&tool]).await;

    let acme = keys_of(server, "acme", &scene.ann).await;
    let other = keys_of(server, "other", &bob).await;
    assert_eq!(
        told(&acme),
        [
            "active cache.example.org/acme-1",
            "standby cache.example.org/acme-2"
        ]
    );
    assert_eq!(other.organization.as_ref().unwrap().as_str(), "Other");
    for _ in 0..2 {
        // The second time from memory.
        let of_ann = scene.narinfo("", &tool, &scene.ann).await.unwrap();
        let of_bob = scene.narinfo("", &tool, &bob).await.unwrap();
        assert!(signer(&of_ann, &acme) && !signer(&of_ann, &other));
        assert!(signer(&of_bob, &other) && !signer(&of_bob, &acme));
        let shared = server.state.keys().signing();
        for narinfo in [&of_ann, &of_bob] {
            let store_dir = server.state.store_dir();
            assert!(!narinfo.info.verify(store_dir, &shared.active().public()));
            assert_eq!(narinfo.info.signatures.len(), 1);
        }
    }
    // No key is told that would stand for all of them.
    let discovery: Discovery = server.get("/.well-known/fh", "").await.json();
    assert_eq!(discovery.signing, Signing::PerOrganization);
    assert!(discovery.public_keys.is_empty());
}

#[tokio::test]
async fn one_rotation_is_one_organisation_s() {
    let scene = scene().await;
    let server = &scene.server;
    let bob = server.user("bob").await;
    server.organization("other", &bob).await;
    let tool = Item::new("tool", b"tool");
    scene.push(&[&tool]).await;
    scene.narinfo("", &tool, &scene.ann).await.unwrap();
    let before = keys_of(server, "acme", &scene.ann).await;
    let others = keys_of(server, "other", &bob).await;

    let after = rotate(server, "acme", &scene.ann).await;
    assert_eq!(
        told(&after),
        [
            "active cache.example.org/acme-2",
            "standby cache.example.org/acme-3",
            "retired cache.example.org/acme-1"
        ]
    );
    assert_eq!(after.keys[0].public_key, before.keys[1].public_key);
    assert_eq!(keys_of(server, "acme", &scene.ann).await.keys, after.keys);
    assert_eq!(keys_of(server, "other", &bob).await.keys, others.keys);
    let narinfo = scene.narinfo("", &tool, &scene.ann).await.unwrap();
    assert!(signer(&narinfo, &after) && !signer(&narinfo, &before));
    let shared: KeyList = server.get("/api/v1/keys", "").await.expect(200).json();
    assert_eq!(
        told(&shared),
        ["active cache.example.org-1", "standby cache.example.org-2"]
    );

    // The server's administrator may, who is no member; of others the owners alone.
    let path = "/api/v1/orgs/acme/keys/rotate";
    let forced = json!({ "force": true });
    server.post(path, &server.admin, forced).await.expect(200);
    assert_eq!(server.audited("key.rotate").await, 2);
    server.post(path, "", json!({})).await.expect(401);
    server.post(path, &bob, json!({})).await.expect(404);
    let made = server.state.database().change_access(
        fh_persistence::database::Decided::by_server(),
        |change| {
            change.execute(
                "INSERT INTO membership (organization_id, account_id, role, created_at) \
             SELECT o.id, a.id, 'admin', 1 FROM organization o, account a \
             WHERE o.folded = 'acme' AND a.folded = 'bob'",
                &[],
            )?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        },
    );
    made.await.unwrap();
    server.post(path, &bob, json!({})).await.expect(403);
    server
        .post("/api/v1/orgs/none/keys/rotate", &bob, json!({}))
        .await
        .expect(404);
}

#[tokio::test]
async fn keys_are_told_to_whoever_may_read_something_there() {
    let scene = scene().await;
    let server = &scene.server;
    let stranger = server.user("stranger").await;
    let absent = server.get("/api/v1/orgs/none/keys", &stranger).await;
    for token in ["", stranger.as_str()] {
        let hidden = server.get("/api/v1/orgs/acme/keys", token).await;
        assert_eq!(hidden.fingerprint(), absent.fingerprint());
    }
    let pulling = server.narrow(&scene.ann, &["pull"], &["acme/app"]).await;
    assert_eq!(told(&keys_of(server, "acme", &pulling).await).len(), 2);
    let elsewhere = server.narrow(&scene.ann, &["pull"], &["other/*"]).await;
    server
        .get("/api/v1/orgs/acme/keys", &elsewhere)
        .await
        .expect(404);
    server.flake("acme/open", "public", &scene.ann).await;
    assert_eq!(told(&keys_of(server, "acme", "").await).len(), 2);
}

#[tokio::test]
async fn every_organisation_s_key_is_own_for_ever() {
    let scene = scene().await;
    let server = &scene.server;
    let bob = server.user("bob").await;
    server.organization("gone", &bob).await;
    let first = keys_of(server, "gone", &bob).await;
    let second = rotate(server, "gone", &bob).await;
    let secret = |id| {
        let keys = server.state.keys().signing_of(id).unwrap();
        let secret = keys.active().to_secret_string();
        secret.rsplit(':').next().unwrap().to_owned()
    };
    let id = server.state.database().read(|read| {
        let sql = "SELECT id FROM organization WHERE folded = 'gone'";
        Ok(read.one(sql, &[], |row| row.get::<_, i64>(0))?)
    });
    let id = id.await.unwrap();
    let secret = secret(id);
    server.delete("/api/v1/orgs/gone", &bob).await.expect(204);
    assert!(server.state.keys().signing_of(id).is_none());

    let checkpoint = server.state.settings().data_dir.join("fh.sqlite");
    let connection = rusqlite::Connection::open(&checkpoint).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let bytes = std::fs::read(&checkpoint).unwrap();
    let holds = bytes
        .windows(secret.len())
        .any(|part| part == secret.as_bytes());
    assert!(
        !holds,
        "the secret of a removed organisation is in the file"
    );

    let mut own: Vec<String> = first
        .keys
        .iter()
        .map(|key| key.public_key.clone())
        .collect();
    own.push(second.keys[1].public_key.clone());
    let acme = keys_of(server, "acme", &scene.ann).await;
    own.push(acme.keys[1].public_key.clone());
    let refused = async |server: &TestServer| {
        for key in &own {
            let body = json!({ "signed_by": [key] });
            let answer = server.post("/api/v1/tokens", &scene.ann, body).await;
            let message = answer.expect(422).message();
            assert!(message.contains("is a key of this server"), "{message}");
        }
    };
    refused(server).await;
    // The server's own list has none of them.
    let shared: KeyList = server.get("/api/v1/keys", "").await.expect(200).json();
    assert_eq!(shared.keys.len(), 2);
    // So it is after a start, also with shared keys.
    let ann = scene.ann.clone();
    let server = TestServer::start_in(scene.server.stop()).await;
    for key in &own {
        let body = json!({ "signed_by": [key] });
        server.post("/api/v1/tokens", &ann, body).await.expect(422);
    }
}

#[tokio::test]
async fn organisations_of_before_get_keys_at_the_start_and_nothing_signs_with_the_shared_ones() {
    let scene = Scene::new().await;
    let tool = Item::new("tool", b"tool");
    scene.push(&[&tool]).await;
    let shared = scene.server.state.keys().signing().active().public();
    let path = "/api/v1/orgs/acme/keys";
    let told_shared: KeyList = scene.server.get(path, &scene.ann).await.expect(200).json();
    assert_eq!(told_shared.organization, None);
    assert_eq!(told_shared.keys[0].public_key, shared.to_string());
    let answer = scene
        .server
        .post("/api/v1/orgs/acme/keys/rotate", &scene.ann, json!({}))
        .await;
    assert!(answer.expect(409).message().contains("no keys of its own"));

    let per_organization = async |directory: TempDir| {
        TestServer::start_with(directory, |settings| {
            settings.signing = Signing::PerOrganization;
        })
        .await
    };
    let server = per_organization(scene.server.stop()).await;
    let made = keys_of(&server, "acme", &scene.ann).await;
    assert_eq!(told(&made)[0], "active cache.example.org/acme-1");
    let scene = Scene {
        server,
        ann: scene.ann,
    };
    let narinfo = scene.narinfo("", &tool, &scene.ann).await.unwrap();
    assert!(signer(&narinfo, &made));
    assert!(!narinfo.info.verify(scene.server.state.store_dir(), &shared));
    // They are made once.
    let server = per_organization(scene.server.stop()).await;
    assert_eq!(keys_of(&server, "acme", &scene.ann).await.keys, made.keys);
}

#[tokio::test]
async fn an_organisation_does_not_go_before_its_secrets() {
    let scene = scene().await;
    let removed =
        scene
            .server
            .state
            .database()
            .write(fh_persistence::database::Decided::by_server(), |tx| {
                Ok::<_, fh_persistence::database::DatabaseError>(
                    tx.execute("DELETE FROM flake", &[])
                        .and_then(|_| tx.execute("DELETE FROM organization", &[]))
                        .is_ok(),
                )
            });
    assert!(!removed.await.unwrap());
}
