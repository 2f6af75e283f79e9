use http::{Method, Request};
use serde_json::json;
use tempfile::TempDir;

use crate::peer::Peer;
use crate::testing::{Answer, TestServer};

/// A request as it comes in over TCP from an address.
async fn from(server: &TestServer, address: &str, path: &str, token: &str) -> Answer {
    let mut request = Request::builder().method(Method::GET).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut request = request.body(axum::body::Body::empty()).unwrap();
    let peer = Peer::Tcp(format!("{address}:4711").parse().unwrap());
    request.extensions_mut().insert(peer);
    server.send(request).await
}

const WHOAMI: &str = "/api/v1/whoami";
const CACHE_INFO: &str = "/nix-cache-info";

#[tokio::test]
async fn an_account_has_no_more_requests_by_two_tokens_than_by_one() {
    let adjust = |settings: &mut fh_settings::Settings| settings.limits.request_rate = 3;
    let server = TestServer::start_with(TempDir::new().unwrap(), adjust).await;
    let alone = server.user("alone").await;
    let first = server.user("both").await;
    let second = server.mint(&first, json!({})).await.token;
    let alone = let_through(&server, &[alone.as_str()]).await;
    let together = let_through(&server, &[first.as_str(), second.as_str()]).await;
    assert!(together < alone * 3 / 2, "{together}, by one token {alone}");
}

/// How many requests with these tokens in turn are answered before one is refused.
async fn let_through(server: &TestServer, tokens: &[&str]) -> usize {
    for number in 0..200 {
        let token = tokens[number % tokens.len()];
        if from(server, "203.0.113.1", WHOAMI, token).await.status == 429 {
            return number;
        }
    }
    panic!("no request was refused");
}

#[tokio::test]
async fn too_many_requests_of_one_principal_are_refused_and_nobody_elses() {
    let adjust = |settings: &mut fh_settings::Settings| settings.limits.request_rate = 3;
    let server = TestServer::start_with(TempDir::new().unwrap(), adjust).await;
    let reader = server.user("reader").await;
    let second = server.mint(&reader, json!({})).await.token;
    let mut refused = None;
    for number in 0..100 {
        // Wherever it comes from and whichever token it shows: the account counts.
        let address = format!("192.0.2.{number}");
        let path = if number % 2 == 0 { WHOAMI } else { CACHE_INFO };
        let token = if number % 3 == 0 { &second } else { &reader };
        let answer = from(&server, &address, path, token).await;
        if answer.status == 429 && path == WHOAMI {
            refused = Some(answer);
            break;
        }
        assert!(number < 50 || answer.status == 429, "{}", answer.status);
    }
    let refused = refused.unwrap();
    assert_eq!(
        refused.json::<fh_api::ErrorBody>().error,
        fh_api::ErrorCode::TooManyRequests
    );
    assert_eq!(refused.headers["retry-after"], "1");
    from(&server, "192.0.2.1", WHOAMI, &server.admin)
        .await
        .expect(200);
    // Without a token the address counts, and Nix is told in plain text.
    let mut last = from(&server, "198.51.100.1", CACHE_INFO, "").await;
    for _ in 0..50 {
        last = from(&server, "198.51.100.1", CACHE_INFO, "").await;
    }
    let last = last.expect(429);
    assert_eq!(last.headers["content-type"], "text/plain; charset=utf-8");
    assert!(last.body.starts_with(b"too many requests"), "{last:?}");
    from(&server, "198.51.100.2", CACHE_INFO, "")
        .await
        .expect(200);
}

#[tokio::test]
async fn an_address_that_guesses_is_told_to_wait_and_who_shows_good_credentials_there_never_is() {
    let adjust = |settings: &mut fh_settings::Settings| settings.limits.login_failures = 5;
    let server = TestServer::start_with(TempDir::new().unwrap(), adjust).await;
    let tokens = [
        server.mint(&server.admin, json!({})).await.token,
        server.mint(&server.admin, json!({})).await.token,
    ];
    // As after a restart: nothing was verified yet.
    let server = TestServer::start_with(server.stop(), adjust).await;
    let near = "2001:db8::2";
    let at = |address: &str| format!("[{address}]");
    let mut statuses = Vec::new();
    let mut last = None;
    for number in 0..8 {
        // Each address of the network once: it is one customer's.
        let address = at(&format!("2001:db8::1:{number}"));
        let forged = format!("{}x", &tokens[0][..tokens[0].len() - 1 - number]);
        let answer = from(&server, &address, WHOAMI, &forged).await;
        statuses.push(answer.status.as_u16());
        last = Some(answer);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    let refused = last.unwrap();
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert!(refused.message().contains("credentials are invalid"));
    // Good ones that the server has not seen before, from that very address.
    for token in &tokens {
        from(&server, &at(near), WHOAMI, token).await.expect(200);
    }
    from(&server, &at(near), CACHE_INFO, "").await.expect(200);
    from(&server, &at(near), WHOAMI, "nonsense")
        .await
        .expect(429);
    from(&server, "192.0.2.1", WHOAMI, "nonsense")
        .await
        .expect(401);
}

#[tokio::test]
async fn tokens_that_have_ended_are_no_guesses() {
    let adjust = |settings: &mut fh_settings::Settings| settings.limits.login_failures = 2;
    let server = TestServer::start_with(TempDir::new().unwrap(), adjust).await;
    let expired = server.expired(&server.admin).await;
    for _ in 0..6 {
        from(&server, "192.0.2.1", WHOAMI, &expired)
            .await
            .expect(401);
    }
    from(&server, "192.0.2.1", WHOAMI, &server.admin)
        .await
        .expect(200);
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_tokens_that_live() {
    let adjust = |settings: &mut fh_settings::Settings| settings.limits.tokens = 3;
    let server = TestServer::start_with(TempDir::new().unwrap(), adjust).await;
    // The administrator's own is the first.
    let second = server.mint(&server.admin, json!({})).await;
    server.mint(&server.admin, json!({})).await;
    server.expired(&server.admin).await;
    let refused = server
        .post("/api/v1/tokens", &server.admin, json!({}))
        .await
        .expect(429);
    assert_eq!(
        refused.message(),
        "the account admin has 3 valid tokens, which is the limit: revoke one first"
    );
    server.revoke(&second.token).await;
    server.mint(&server.admin, json!({})).await;
    // Others have their own number.
    server.user("alice").await;
}
