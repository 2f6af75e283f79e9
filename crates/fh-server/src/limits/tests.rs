use std::sync::atomic::AtomicU64;

use http::{Method, Request};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::listen::Peer;
use crate::testing::{Answer, TestServer};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_bucket_gives_what_it_holds_and_then_as_fast_as_it_fills() {
    let rate = Rate::new(10, SECOND, 20);
    let bucket = AtomicU64::new(0);
    let mut now = SECOND * 1000;
    let mut taken = 0;
    while rate.take(&bucket, now).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 20);
    assert_eq!(rate.take(&bucket, now), Err(SECOND / 10));
    assert_eq!(rate.look(&bucket, now), Err(SECOND / 10));
    now += SECOND / 10;
    assert_eq!(rate.look(&bucket, now), Ok(()));
    assert_eq!(rate.take(&bucket, now), Ok(()));
    assert!(rate.take(&bucket, now).is_err());
    // However long nobody comes, it holds no more.
    now += SECOND * 3600;
    let taken = (0..100).filter(|_| rate.take(&bucket, now).is_ok()).count();
    assert_eq!(taken, 20);
}

#[test]
fn of_an_address_of_ipv6_the_first_half_counts() {
    let at = |text: &str| neighbourhood(text.parse().unwrap());
    assert_eq!(at("2001:db8:1:2:3:4:5:6"), at("2001:db8:1:2::1"));
    assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
}

#[test]
fn origins_do_not_empty_the_buckets_of_others() {
    let mut limits = limits();
    limits.request_rate = 5;
    let limiter = Limiter::new(&limits);
    let busy = Origin::Token(1);
    let passed = (0..1000).filter(|_| limiter.request(busy).is_ok()).count();
    assert!((10..50).contains(&passed), "{passed}");
    for id in 2..500 {
        assert!(limiter.request(Origin::Token(id)).is_ok(), "{id}");
    }
    for origin in [
        Origin::Workload(1, "a"),
        Origin::Workload(1, "b"),
        Origin::Address(None),
        Origin::Address(Some("192.0.2.1".parse().unwrap())),
    ] {
        assert!(limiter.request(origin).is_ok(), "{origin:?}");
    }
}

#[test]
fn so_many_addresses_as_there_are_take_no_more_memory() {
    let limiter = Limiter::new(&limits());
    for number in 0..ADDRESSES * 3 {
        let address = Ipv6Addr::from_bits(u128::from(number) << 64).into();
        limiter.login_failed(Source {
            address: Some(address),
        });
    }
    let failures = limiter.failures.as_ref().unwrap();
    failures.buckets.run_pending_tasks();
    assert!(failures.buckets.entry_count() <= ADDRESSES);
}

fn limits() -> Limits {
    let directory = TempDir::new().unwrap();
    crate::testing::settings(&directory).limits
}

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
async fn too_many_requests_of_one_principal_are_refused_and_nobody_elses() {
    let adjust = |settings: &mut crate::config::Settings| settings.limits.request_rate = 3;
    let server = TestServer::start_with(TempDir::new().unwrap(), adjust).await;
    let reader = server
        .mint(&server.admin, json!({ "description": "reader" }))
        .await
        .token;
    let mut refused = None;
    for number in 0..100 {
        // Wherever it is used from: the token counts.
        let address = format!("192.0.2.{number}");
        let path = if number % 2 == 0 { WHOAMI } else { CACHE_INFO };
        let answer = from(&server, &address, path, &reader).await;
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
async fn an_address_that_guesses_is_locked_out_and_those_beside_it_go_on() {
    let adjust = |settings: &mut crate::config::Settings| settings.limits.login_failures = 5;
    let server = TestServer::start_with(TempDir::new().unwrap(), adjust).await;
    let known = server.mint(&server.admin, json!({})).await.token;
    let fresh = server.mint(&server.admin, json!({})).await.token;
    let near = "2001:db8::2";
    let at = |address: &str| format!("[{address}]");
    from(&server, &at(near), WHOAMI, &known).await.expect(200);
    let mut statuses = Vec::new();
    for number in 0..8 {
        // Each address of the network once: it is one customer's.
        let address = at(&format!("2001:db8::1:{number}"));
        let forged = format!("{}x", &fresh[..fresh.len() - 1 - number]);
        statuses.push(
            from(&server, &address, WHOAMI, &forged)
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    // Not even good credentials are looked at, but what is known is known.
    let refused = from(&server, &at(near), WHOAMI, &fresh).await.expect(429);
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert!(refused.message().contains("bad credentials"));
    from(&server, &at(near), WHOAMI, &known).await.expect(200);
    from(&server, &at(near), CACHE_INFO, "").await.expect(200);
    from(&server, "192.0.2.1", WHOAMI, &fresh).await.expect(200);
    // Once verified elsewhere, it is good here too.
    from(&server, &at(near), WHOAMI, &fresh).await.expect(200);
}

#[tokio::test]
async fn tokens_that_have_ended_are_no_guesses() {
    let adjust = |settings: &mut crate::config::Settings| settings.limits.login_failures = 2;
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
    let adjust = |settings: &mut crate::config::Settings| settings.limits.tokens = 3;
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
        "the account admin has 3 tokens that are good, and may have no more: revoke one first"
    );
    server.revoke(&second.token).await;
    server.mint(&server.admin, json!({})).await;
    // Others have their own number.
    server.user("alice").await;
}
