//! Minting only narrows.

use fh_api::{MintedToken, Permission, TokenList, Whoami};
use serde_json::{Value, json};

use crate::testing::TestServer;

async fn refused(server: &TestServer, with: &str, body: Value, status: u16) -> String {
    server
        .post("/api/v1/tokens", with, body)
        .await
        .expect(status)
        .message()
}

#[tokio::test]
async fn a_token_gives_away_no_more_than_it_has() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let narrow = server.narrow(&ann, &["pull", "mint"], &["acme/*"]).await;
    for (body, sentence) in [
        (
            json!({ "permissions": ["pull", "push"] }),
            "this token lacks the permission \"write\", so it cannot grant it",
        ),
        (
            json!({ "flakes": ["*"] }),
            "this token does not reach *, so it cannot grant that",
        ),
        (
            json!({ "flakes": ["acme/app", "other/app"] }),
            "this token does not reach other/app, so it cannot grant that",
        ),
        (
            json!({ "permissions": [] }),
            "a token needs at least one permission",
        ),
        (json!({ "flakes": [] }), "a token needs at least one flake"),
    ] {
        assert_eq!(refused(&server, &narrow, body, 403).await, sentence);
    }
    let minted: MintedToken = server
        .mint(&narrow, json!({ "flakes": ["ACME/App"] }))
        .await;
    assert_eq!(minted.info.permissions, [Permission::Pull]);
    assert_eq!(
        minted.info.parent,
        Some(fh_auth::read_unverified(&narrow).unwrap().jti)
    );
    let whoami: Whoami = server.get("/api/v1/whoami", &minted.token).await.json();
    assert_eq!(whoami.user.as_str(), "ann");
    assert_eq!(whoami.token_id, Some(minted.info.id));
    assert_eq!(whoami.flakes[0].to_string(), "ACME/App");
    // What it was given does not include minting.
    refused(&server, &minted.token, json!({}), 403).await;
}

#[tokio::test]
async fn a_token_ends_with_its_parent_at_the_latest() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let all = json!(["pull", "push", "mint", "admin"]);
    let short = server
        .mint(&ann, json!({ "permissions": all, "expires_in": 3600 }))
        .await;
    let default = server.mint(&short.token, json!({})).await;
    assert_eq!(default.info.expires_at, short.info.expires_at);
    let sentence = refused(&server, &short.token, json!({ "expires_in": 7200 }), 403).await;
    assert!(
        sentence.starts_with("a token cannot expire later than"),
        "{sentence}"
    );
    let longest = server.state.settings().tokens.max_lifetime.as_secs();
    for (asked, part) in [
        (0, "at least 1 second"),
        (longest + 1, "this server's maximum"),
    ] {
        let sentence = refused(&server, &server.admin, json!({ "expires_in": asked }), 400).await;
        assert!(sentence.contains(part), "{sentence}");
    }
    refused(&server, &ann, json!({ "expires_in": u64::MAX }), 400).await;
}

#[tokio::test]
async fn only_an_unnarrowed_server_administrator_mints_for_others() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let narrowed = server
        .narrow(&server.admin, &["mint", "admin"], &["acme/*"])
        .await;
    let no_admin = server
        .narrow(&server.admin, &["pull", "mint"], &["*"])
        .await;
    server.user("bob").await;
    for token in [&ann, &narrowed, &no_admin] {
        let mut sentences = Vec::new();
        for user in ["bob", "nobody"] {
            let body = json!({ "user": user, "permissions": ["mint"] });
            sentences.push(refused(&server, token, body, 403).await);
        }
        assert!(
            sentences[0].starts_with("only a server administrator"),
            "{}",
            sentences[0]
        );
        assert_eq!(sentences[0], sentences[1], "who exists is not told");
    }
    // The own name, in any case, is no other user.
    server.mint(&ann, json!({ "user": "ANN" })).await;
    let sentence = refused(&server, &server.admin, json!({ "user": "nobody" }), 422).await;
    assert_eq!(sentence, "there is no user named nobody");
}

#[tokio::test]
async fn the_token_itself_is_told_once_and_stored_nowhere() {
    let server = TestServer::start().await;
    let minted = server
        .mint(&server.admin, json!({ "description": " for CI " }))
        .await;
    assert_eq!(minted.info.description.as_deref(), Some("for CI"));
    assert!(minted.token.starts_with(fh_api::TOKEN_PREFIX));
    assert!(minted.token.len() < 700);
    let list = server
        .get("/api/v1/tokens?all=true", &server.admin)
        .await
        .expect(200);
    let text = String::from_utf8(list.body.to_vec()).unwrap();
    let signature = minted.token.rsplit('.').next().unwrap();
    assert!(!text.contains(signature));
    let list: TokenList = list.json();
    assert_eq!(list.tokens.len(), 2);
    assert_eq!(list.tokens[0], minted.info, "newest first");
    let dump = server.state.database().read(|read| {
        let tables = ["token", "audit_event", "server_setting"];
        let found = tables.map(|table| crate::testing::dump(read, table));
        found.into_iter().collect::<Result<String, _>>()
    });
    assert!(!dump.await.unwrap().contains(signature));
    assert!(server.audited("token.create").await >= 2);
}

#[tokio::test]
async fn descriptions_are_single_lines() {
    let server = TestServer::start().await;
    for description in ["a\nb".to_owned(), "\u{1b}[31m".to_owned(), "x".repeat(301)] {
        let body = json!({ "description": description });
        let sentence = refused(&server, &server.admin, body, 400).await;
        assert!(
            sentence.starts_with("the field description must"),
            "{sentence}"
        );
    }
    let many: Vec<_> = (0..101).map(|n| format!("acme/a{n}")).collect();
    refused(&server, &server.admin, json!({ "flakes": many }), 400).await;
}
