//! The rotation of the signing keys.

mod per_organization;

use fh_api::{Discovery, KeyList};
use fh_nix::PublicKey;
use serde_json::json;

use crate::database::Decided;
use crate::database::keys::KeyOwner;
use crate::keys::KeyNames;
use crate::testing::TestServer;

/// The keys as told, `state name`.
fn told(list: &KeyList) -> Vec<String> {
    let keys = list.keys.iter().map(|key| {
        let public: PublicKey = key.public_key.parse().unwrap();
        assert_eq!(key.retired_at.is_some(), key.state == "retired");
        format!("{} {}", key.state, public.name())
    });
    keys.collect()
}

async fn keys(server: &TestServer) -> KeyList {
    server.get("/api/v1/keys", "").await.expect(200).json()
}

async fn rotate(server: &TestServer) -> KeyList {
    let path = "/api/v1/keys/rotate";
    server
        .post(path, &server.admin, json!({}))
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn the_standby_takes_over_at_once_and_for_good() {
    let server = TestServer::start().await;
    let before = keys(&server).await;
    assert_eq!(
        told(&before),
        ["active cache.example.org-1", "standby cache.example.org-2"]
    );
    let after = rotate(&server).await;
    assert_eq!(
        told(&after),
        [
            "active cache.example.org-2",
            "standby cache.example.org-3",
            "retired cache.example.org-1"
        ]
    );
    assert_eq!(after.keys[0].public_key, before.keys[1].public_key);
    assert_eq!(after.keys[2].public_key, before.keys[0].public_key);
    let signing = server.state.keys().signing();
    assert_eq!(
        signing.active().public().to_string(),
        after.keys[0].public_key
    );
    // New clients learn what signs and what will, never what is over.
    let discovery: Discovery = server.get("/.well-known/fh", "").await.json();
    let public: Vec<_> = discovery
        .public_keys
        .iter()
        .map(|key| &key.public_key)
        .collect();
    assert_eq!(
        public,
        [&after.keys[0].public_key, &after.keys[1].public_key]
    );
    assert_eq!(server.audited("key.rotate").await, 1);

    let server = TestServer::start_in(server.stop()).await;
    assert_eq!(keys(&server).await.keys, after.keys);
    let twice = rotate(&server).await;
    assert_eq!(
        told(&twice),
        [
            "active cache.example.org-3",
            "standby cache.example.org-4",
            "retired cache.example.org-2",
            "retired cache.example.org-1"
        ]
    );
}

#[tokio::test]
async fn what_is_left_of_a_retired_key_cannot_sign() {
    let server = TestServer::start().await;
    let secret = server.state.keys().signing().active().to_secret_string();
    let secret = secret.rsplit(':').next().unwrap().to_owned();
    let file = server.state.settings().data_dir.join("fh.sqlite");
    let holds = || {
        let bytes = std::fs::read(&file).unwrap();
        bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes())
    };
    let checkpoint = async || {
        let done = server
            .state
            .database()
            .write(Decided::by_server(), |transaction| {
                // Asked for and answered outside of transactions alone.
                Ok::<_, crate::DatabaseError>(transaction.path().map(str::to_owned))
            });
        let path = done.await.unwrap().unwrap();
        let connection = rusqlite::Connection::open(path).unwrap();
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
    };
    checkpoint().await;
    assert!(holds());
    rotate(&server).await;
    checkpoint().await;
    assert!(!holds());
}

#[tokio::test]
async fn rotations_at_once_are_one_after_the_other() {
    let server = TestServer::start().await;
    let (a, b, c) = tokio::join!(rotate(&server), rotate(&server), rotate(&server));
    let last = [&a, &b, &c].into_iter().max_by_key(|list| list.keys.len());
    assert_eq!(keys(&server).await.keys, last.unwrap().keys);
    let told = told(last.unwrap());
    assert_eq!(told.len(), 5);
    assert_eq!(told[0], "active cache.example.org-4");
    let signing = server.state.keys().signing();
    assert_eq!(signing.active().name(), "cache.example.org-4");
}

#[tokio::test]
async fn server_administrators_alone_rotate() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let path = "/api/v1/keys/rotate";
    let before = keys(&server).await;
    server.post(path, "", json!({})).await.expect(401);
    server.post(path, &ann, json!({})).await.expect(403);
    let narrow = server.narrow(&server.admin, &["admin"], &["acme/*"]).await;
    server.post(path, &narrow, json!({})).await.expect(403);
    let without = server
        .narrow(&server.admin, &["pull", "push", "mint"], &["*"])
        .await;
    server.post(path, &without, json!({})).await.expect(403);
    assert_eq!(keys(&server).await.keys, before.keys);
}

#[tokio::test]
async fn a_token_cannot_rely_on_signatures_of_a_retired_key() {
    let server = TestServer::start().await;
    let retired = server.state.keys().signing().active().public().to_string();
    rotate(&server).await;
    server
        .post(
            "/api/v1/tokens",
            &server.admin,
            json!({ "signed_by": [retired] }),
        )
        .await
        .expect(422);
}

#[tokio::test]
async fn what_another_process_has_rotated_is_noticed() {
    let server = TestServer::start().await;
    let path = server.state.settings().data_dir.join("fh.sqlite");
    let connection = rusqlite::Connection::open(path).unwrap();
    let names = KeyNames::new(None, "cache.example.org");
    let rotated = crate::keys::rotate(&connection, KeyOwner::Server, &names).unwrap();
    assert!(server.state.database().notice_others().await.unwrap());
    server.state.reload_keys().await.unwrap();
    let signing = server.state.keys().signing();
    assert_eq!(signing.active().public(), rotated.active().public());
    assert_eq!(signing.active().name(), "cache.example.org-2");
}
