//! The rotation of the signing keys.

mod per_organization;

use std::time::Duration;

use axum::body::Body;
use fh_access::keys::KeyNames;
use fh_api::{Discovery, KeyList, Signing};
use fh_nix::PublicKey;
use fh_persistence::database::Decided;
use fh_persistence::database::keys::KeyOwner;
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

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
    rotate_with(server, json!({})).await
}

async fn rotate_with(server: &TestServer, body: Value) -> KeyList {
    let path = "/api/v1/keys/rotate";
    server
        .post(path, &server.admin, body)
        .await
        .expect(200)
        .json()
}

/// Lets the standby keys of everybody be made so many days earlier.
async fn age(server: &TestServer, days: i64) {
    let aged = server
        .state
        .database()
        .write(Decided::by_server(), move |tx| {
            let sql = "UPDATE signing_key SET created_at = created_at - ?1 WHERE state = 'standby'";
            tx.execute(sql, fh_sql::params![days * 86_400_000_000])?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        });
    aged.await.unwrap();
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
    let twice = rotate_with(&server, json!({ "force": true })).await;
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
        let path = server.state.settings().data_dir.join("fh.sqlite");
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
    let server = TestServer::start_with(TempDir::new().unwrap(), |settings| {
        settings.min_key_age = Duration::ZERO;
    })
    .await;
    let (a, b, c) = tokio::join!(rotate(&server), rotate(&server), rotate(&server));
    let last = [&a, &b, &c].into_iter().max_by_key(|list| list.keys.len());
    assert_eq!(keys(&server).await.keys, last.unwrap().keys);
    let told = told(last.unwrap());
    assert_eq!(told.len(), 5);
    assert_eq!(told[0], "active cache.example.org-4");
    let signing = server.state.keys().signing();
    assert_eq!(signing.active().name(), "cache.example.org-4");
}

/// A second rotation: how old the standby is, in days, of how many that are asked for; what is sent, and what
/// is answered.
struct Second {
    age: i64,
    min_age: u64,
    body: Option<Value>,
    status: u16,
}

fn second_rotations() -> Vec<Second> {
    let second = |age, min_age, body, status| Second {
        age,
        min_age,
        body,
        status,
    };
    let force = |force: bool| Some(json!({ "force": force }));
    vec![
        second(0, 30, None, 409),
        second(29, 30, force(false), 409),
        second(0, 30, force(true), 200),
        second(8, 7, Some(json!({})), 200),
        second(0, 30, Some(json!({ "force": "yes" })), 400),
        second(31, 30, Some(json!({ "forse": true })), 400),
    ]
}

#[tokio::test]
async fn a_second_rotation_waits_until_clients_have_the_standby_or_is_forced() {
    for (signing, path, keys) in [
        (Signing::Shared, "/api/v1/keys/rotate", "/api/v1/keys"),
        (
            Signing::PerOrganization,
            "/api/v1/orgs/acme/keys/rotate",
            "/api/v1/orgs/acme/keys",
        ),
    ] {
        for case in second_rotations() {
            let what = format!(
                "{signing:?}: {} of {} days, {:?}",
                case.age, case.min_age, case.body
            );
            let server = TestServer::start_with(TempDir::new().unwrap(), |settings| {
                settings.signing = signing;
                settings.min_key_age = Duration::from_secs(case.min_age * 86_400);
            })
            .await;
            server.organization("acme", &server.admin).await;
            // The first is possible on a server that was just started, and needs no body.
            let first = server.call(Method::POST, path, &server.admin, None).await;
            first.expect(200);
            age(&server, case.age).await;
            let before: KeyList = server.get(keys, &server.admin).await.expect(200).json();

            let second = server
                .call(Method::POST, path, &server.admin, case.body)
                .await;
            assert_eq!(second.status, case.status, "{what}: {:?}", second.body);
            let after: KeyList = server.get(keys, &server.admin).await.expect(200).json();
            let rotations = server.audited("key.rotate").await;
            if case.status == 200 {
                assert_eq!(
                    after.keys[0].public_key, before.keys[1].public_key,
                    "{what}"
                );
                assert_eq!(rotations, 2, "{what}");
                continue;
            }
            assert_eq!(after.keys, before.keys, "{what}");
            assert_eq!(rotations, 1, "{what}");
            if case.status == 409 {
                let message = second.message();
                let made = before.keys[1].created_at;
                let days = i64::try_from(case.min_age).unwrap();
                let possible = made + time::Duration::days(days);
                for part in [
                    format!("again from {}T", possible.date()),
                    format!("the standby key is from {}T", made.date()),
                    "neither key".to_owned(),
                ] {
                    assert!(message.contains(&part), "{what}: {part}: {message}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_forced_rotation_makes_a_standby_that_is_as_new() {
    let server = TestServer::start().await;
    rotate(&server).await;
    rotate_with(&server, json!({ "force": true })).await;
    let path = "/api/v1/keys/rotate";
    server
        .post(path, &server.admin, json!({}))
        .await
        .expect(409);
    age(&server, 30).await;
    rotate(&server).await;
}

#[tokio::test]
async fn a_form_says_nothing_to_a_rotation_and_no_body_is_no_form() {
    let server = TestServer::start().await;
    let send = async |text: &'static str| {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/keys/rotate")
            .header("authorization", format!("Bearer {}", server.admin))
            .header("content-type", "application/x-www-form-urlencoded");
        server.send(request.body(Body::from(text)).unwrap()).await
    };
    send("force=true").await.expect(400);
    send("{}").await.expect(400);
    assert_eq!(keys(&server).await.keys.len(), 2);
    send("").await.expect(200);
}

#[tokio::test]
async fn server_administrators_alone_rotate() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let path = "/api/v1/keys/rotate";
    let before = keys(&server).await;
    server.post(path, "", json!({})).await.expect(401);
    server.post(path, &ann, json!({})).await.expect(403);
    let forced = json!({ "force": true });
    server.post(path, &ann, forced).await.expect(403);
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
    let mut connection = fh_sql::Connection::existing(&path).unwrap().unwrap();
    let names = KeyNames::new(None, "cache.example.org");
    let tx = connection.write().unwrap();
    let rotated = fh_access::keys::rotate(&tx, KeyOwner::Server, &names).unwrap();
    tx.commit().unwrap();
    assert!(server.state.database().notice_others().await.unwrap());
    server.state.reload_keys().await.unwrap();
    let signing = server.state.keys().signing();
    assert_eq!(signing.active().public(), rotated.active().public());
    assert_eq!(signing.active().name(), "cache.example.org-2");
}
