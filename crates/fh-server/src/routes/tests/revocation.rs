//! What changes about access counts from the next request on.

use std::time::Duration;

use fh_api::{FlakeInfo, FlakeList, Role};
use fh_persistence::database::Decided;
use serde_json::json;

use crate::testing::TestServer;

async fn listed(server: &TestServer, token: &str) -> Vec<String> {
    let list: FlakeList = server.get("/api/v1/flakes", token).await.expect(200).json();
    list.flakes
        .into_iter()
        .map(|flake| flake.flake.to_string())
        .collect()
}

#[tokio::test]
async fn grants_and_visibility_take_effect_at_once() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    let path = "/api/v1/flakes/acme/app";
    let nothing = Vec::<String>::new();

    server.get(path, &bob).await.expect(404);
    server.grant("acme/app", "bob", "read", &ann).await;
    let info: FlakeInfo = server.get(path, &bob).await.expect(200).json();
    assert_eq!(info.role, Some(Role::Read));
    assert_eq!(listed(&server, &bob).await, ["acme/app"]);
    server.grant("acme/app", "bob", "admin", &ann).await;
    server
        .patch(path, &bob, json!({ "description": "mine" }))
        .await
        .expect(200);
    server
        .delete("/api/v1/flakes/acme/app/grants/BOB", &ann)
        .await
        .expect(204);
    server.get(path, &bob).await.expect(404);
    assert_eq!(listed(&server, &bob).await, nothing);

    assert_eq!(listed(&server, "").await, nothing);
    server
        .patch(path, &ann, json!({ "visibility": "public" }))
        .await
        .expect(200);
    // Public is not trusted: at the root it is for those who follow it.
    assert_eq!(listed(&server, "").await, nothing);
    let named: FlakeList = server
        .get("/api/v1/flakes?org=acme", "")
        .await
        .expect(200)
        .json();
    assert_eq!(named.flakes.len(), 1);
    server.show_everybody(&["acme/app"]).await;
    assert_eq!(listed(&server, "").await, ["acme/app"]);
    let info: FlakeInfo = server.get(path, "").await.expect(200).json();
    assert_eq!(info.role, None);
    server
        .patch(path, &ann, json!({ "visibility": "unlisted" }))
        .await
        .expect(200);
    assert_eq!(listed(&server, "").await, nothing);
    assert_eq!(listed(&server, &bob).await, nothing);
    assert_eq!(listed(&server, &ann).await, ["acme/app"]);
    server.get(path, "").await.expect(200);
    server
        .patch(path, &ann, json!({ "visibility": "private" }))
        .await
        .expect(200);
    server.get(path, "").await.expect(404);
    server.delete(path, &ann).await.expect(204);
    server.get(path, &ann).await.expect(404);
}

#[tokio::test]
async fn a_revoked_token_and_its_children_are_refused_at_once() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let parent = server.narrow(&ann, &["pull", "mint"], &["*"]).await;
    let child = server.narrow(&parent, &["pull", "mint"], &["*"]).await;
    let grandchild = server.narrow(&child, &["pull"], &["*"]).await;
    for token in [&parent, &child, &grandchild] {
        server.get("/api/v1/whoami", token).await.expect(200);
    }
    let id = fh_auth::read_unverified(&parent).unwrap().jti;
    let path = format!("/api/v1/tokens/{id}");
    // Any token may end itself.
    server.delete(&path, &parent).await.expect(200);
    for token in [&parent, &child, &grandchild] {
        let answer = server.get("/api/v1/whoami", token).await.expect(401);
        assert!(
            answer.message().starts_with("the token was revoked at 2"),
            "{}",
            answer.message()
        );
    }
    server.get("/api/v1/whoami", &ann).await.expect(200);
    server.delete(&path, &ann).await.expect(200);
    assert_eq!(server.audited("token.revoke").await, 1);
    assert!(server.inspect(&child).await.revoked_at.is_some());
}

#[tokio::test]
async fn a_token_expires_while_the_server_remembers_it() {
    let server = TestServer::start().await;
    let minted = server.mint(&server.admin, json!({ "expires_in": 1 })).await;
    let first = server.get("/api/v1/whoami", &minted.token).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(first.status, 200);
    let answer = server
        .get("/api/v1/whoami", &minted.token)
        .await
        .expect(401);
    assert!(
        answer.message().starts_with("the token expired at 2"),
        "{}",
        answer.message()
    );
}

#[tokio::test]
async fn a_disabled_or_removed_account_is_refused_at_once() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    server.get("/api/v1/whoami", &ann).await.expect(200);
    let change = |sql: &'static str| {
        server
            .state
            .database()
            .change_access(Decided::by_server(), move |change| {
                change.execute(sql, &[])?;
                Ok::<_, fh_persistence::database::DatabaseError>(())
            })
    };
    change("UPDATE account SET disabled_at = 1 WHERE folded = 'ann'")
        .await
        .unwrap();
    let answer = server.get("/api/v1/whoami", &ann).await.expect(401);
    assert_eq!(
        answer.message(),
        "the account ann of this token is disabled"
    );
    change("DELETE FROM account WHERE folded = 'ann'")
        .await
        .unwrap();
    let answer = server.get("/api/v1/whoami", &ann).await.expect(401);
    assert!(
        answer
            .message()
            .starts_with("this server no longer knows the token")
    );
}

#[tokio::test]
async fn the_last_use_is_noted_without_waiting() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    assert_eq!(server.inspect(&ann).await.last_used_at, None);
    server.get("/api/v1/whoami", &ann).await.expect(200);
    server.state.access().flush_last_used().await.unwrap();
    let first = server.inspect(&ann).await.last_used_at;
    assert!(first.is_some());
    server.get("/api/v1/whoami", &ann).await.expect(200);
    server.state.access().flush_last_used().await.unwrap();
    assert_eq!(
        server.inspect(&ann).await.last_used_at,
        first,
        "once a minute"
    );
}
