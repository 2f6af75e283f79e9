//! Rotating tokens: how many there are, how long they last, and what is told.

use fh_api::{MAX_LISTED_TOKENS, MintedToken, RotatedToken, TokenList};
use fh_settings::Settings;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::testing::{Answer, TestServer};

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

fn id(token: &str) -> Uuid {
    fh_auth::read_unverified(token).unwrap().jti
}

async fn ask(server: &TestServer, token: &str) -> Answer {
    let path = "/api/v1/tokens/renew";
    server.call(http::Method::POST, path, token, None).await
}

async fn with(adjust: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::start_with(tempfile::TempDir::new().unwrap(), adjust).await
}

/// A token that replaces another one is not renewed for longer than the former was meant to last, or the one that asked:
/// no more than by creating one and renewing that.
#[tokio::test]
async fn no_rotation_makes_renewals_longer() {
    const HOURS: u64 = 3600;
    let server = TestServer::start().await;
    server.user("ann").await;
    server.user("bob").await;
    server.user("boss").await;
    let body = json!({ "server_admin": true });
    server
        .patch("/api/v1/users/boss", &server.admin, body)
        .await
        .expect(200);
    let mint = async |by: &str, more: Value| {
        let mut body = json!({ "permissions": ALL, "expires_in": 12 * HOURS });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        server.mint(by, body).await.token
    };
    let rotate = async |token: &str, by: &str, grace: u64| -> String {
        let path = format!("/api/v1/tokens/{}/rotate", id(token));
        let body = json!({ "expires_in": 90 * 24 * HOURS, "grace": grace });
        let made: MintedToken = server.post(&path, by, body).await.expect(201).json();
        made.token
    };
    let login = async |user: &str| mint(&server.admin, json!({ "user": user })).await;
    let child =
        async |by: &str| mint(by, json!({ "renewable": true, "expires_in": 11 * HOURS })).await;

    let first = login("ann").await;
    let itself = rotate(&first, &first, HOURS).await;
    let second = login("ann").await;
    let second = rotate(&second, &second, 0).await;
    let twice = rotate(&second, &second, HOURS).await;
    let created = child(&login("ann").await).await;
    let created_and_rotated = child(&login("ann").await).await;
    let created_and_rotated = rotate(&created_and_rotated, &created_and_rotated, HOURS).await;
    let of_bob = json!({ "user": "bob", "expires_in": 6 * HOURS });
    let of_bob = mint(&server.admin, of_bob).await;
    let of_bob = rotate(&of_bob, &login("boss").await, 0).await;
    for (what, token) in [
        ("itself", itself),
        ("itself twice", twice),
        ("what it created", created),
        ("what it created, by itself", created_and_rotated),
        ("another's", of_bob),
    ] {
        let made: MintedToken = ask(&server, &token).await.expect(201).json();
        let lasts = made.info.expires_at - OffsetDateTime::now_utc();
        assert!(lasts <= Duration::hours(12), "{what}: {lasts}");
        assert!(lasts > Duration::hours(10), "{what}: {lasts}");
    }
    // What a login has replaced ends with it.
    let last = login("ann").await;
    let of_last = child(&last).await;
    let of_last = rotate(&of_last, &last, 0).await;
    ask(&server, &of_last).await.expect(409);
}

/// Both tokens are valid in a time of grace, and count.
#[tokio::test]
async fn no_rotation_makes_more_tokens_than_an_account_may_have() {
    let server = with(|settings| settings.limits.tokens = 3).await;
    let ann = server.user("ann").await;
    let child = server.narrow(&ann, &["pull", "mint"], &["*"]).await;
    let rotate = async |token: &str, by: &str, body: Value| {
        let path = format!("/api/v1/tokens/{}/rotate", id(token));
        server.post(&path, by, body).await
    };
    let made = |answer: Answer| answer.expect(201).json::<MintedToken>().token;
    let mut last = made(rotate(&child, &ann, json!({ "grace": 3600 })).await);
    for (token, by, grace) in [
        (&child, &ann, 86_400),
        (&last, &ann, 1),
        (&last, &last, 3600),
        // Whoever asks: it is the account that has them.
        (&ann, &server.admin, 3600),
    ] {
        let refused = rotate(token, by, json!({ "grace": grace }))
            .await
            .expect(429);
        assert!(
            refused.message().contains("3 valid tokens"),
            "{}",
            refused.message()
        );
    }
    // One for one, as often as somebody likes.
    for body in [json!({}), json!({ "grace": 0 }), json!({})] {
        last = made(rotate(&last, &ann, body).await);
    }
    let list: TokenList = server.get("/api/v1/tokens", &ann).await.expect(200).json();
    let at = OffsetDateTime::now_utc();
    let mut valid = list.tokens;
    valid.retain(|token| token.revoked_at.is_none() && token.expires_at > at);
    assert_eq!(valid.len(), 3);
    server.revoke(&child).await;
    made(rotate(&last, &ann, json!({ "grace": 3600 })).await);
}

/// The answer to a rotation does not grow with what came of the token; it counts that.
#[tokio::test]
async fn a_rotation_lists_so_many_and_counts_all() {
    let server = with(|settings| settings.limits.request_rate = 0).await;
    server.user("ann").await;
    let former = server.narrow(&server.admin, &ALL, &["*"]).await;
    let mut own = Vec::new();
    let mut others = Vec::new();
    for _ in 0..MAX_LISTED_TOKENS + 3 {
        own.push(id(&server.narrow(&former, &["pull"], &["*"]).await));
        let of_ann = json!({ "user": "ann" });
        others.push(server.mint(&former, of_ann).await.info.id);
    }
    others.push(server.mint(&former, json!({ "user": "ann" })).await.info.id);
    let path = format!("/api/v1/tokens/{}/rotate", id(&former));
    let rotated: RotatedToken = server
        .post(&path, &server.admin, json!({}))
        .await
        .expect(201)
        .json();
    for (listed, count, made) in [
        (&rotated.still_valid, rotated.still_valid_count, own),
        (
            &rotated.made_for_others,
            rotated.made_for_others_count,
            others,
        ),
    ] {
        let listed: Vec<Uuid> = listed.iter().map(|token| token.id).collect();
        assert_eq!(listed, &made[..MAX_LISTED_TOKENS]);
        assert_eq!(count, made.len() as u64);
    }
}
