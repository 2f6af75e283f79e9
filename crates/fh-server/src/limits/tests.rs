use std::net::Ipv6Addr;
use std::sync::atomic::AtomicU64;

use futures_util::FutureExt as _;
use http::{Method, Request};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::peer::Peer;
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
    now += SECOND / 10;
    assert_eq!(rate.take(&bucket, now), Ok(()));
    assert!(rate.take(&bucket, now).is_err());
    // However long nobody comes, it holds no more.
    now += SECOND * 3600;
    let taken = (0..100).filter(|_| rate.take(&bucket, now).is_ok()).count();
    assert_eq!(taken, 20);
}

#[test]
fn origins_do_not_empty_the_buckets_of_others() {
    let mut limits = limits();
    limits.request_rate = 5;
    let limiter = Limiter::new(&limits);
    let busy = Origin::Account(1);
    let passed = (0..1000).filter(|_| limiter.request(busy).is_ok()).count();
    assert!((10..50).contains(&passed), "{passed}");
    for id in 2..500 {
        assert!(limiter.request(Origin::Account(id)).is_ok(), "{id}");
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
fn identities_of_one_address_leave_others_their_turn_to_be_examined() {
    let limiter = Limiter::new(&limits());
    let examined = |address: &str| {
        let address = Some(address.parse().unwrap());
        let examination = limiter.examination(Source { address });
        examination.now_or_never().flatten()
    };
    let mut held = Vec::new();
    let mut all_of = |addresses: [&str; 2]| {
        let before = held.len();
        held.extend((0..100).map_while(|number| examined(addresses[number % 2])));
        held.len() - before
    };
    // Of IPv6 the first half is one address.
    assert_eq!(all_of(["192.0.2.1"; 2]), 8);
    assert_eq!(all_of(["2001:db8::1", "2001:db8::ffff:0:0:2"]), 4);
    assert!(examined("192.0.2.2").is_some());
}

#[test]
fn so_many_addresses_as_there_are_take_no_more_memory() {
    let limiter = Limiter::new(&limits());
    for number in 0..ADDRESSES * 3 {
        let address = Ipv6Addr::from_bits(u128::from(number) << 64).into();
        let source = Source {
            address: Some(address),
        };
        limiter.login_failed(source).unwrap();
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
async fn an_account_has_no_more_requests_by_two_tokens_than_by_one() {
    let adjust = |settings: &mut crate::config::Settings| settings.limits.request_rate = 3;
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
    let adjust = |settings: &mut crate::config::Settings| settings.limits.request_rate = 3;
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
    let adjust = |settings: &mut crate::config::Settings| settings.limits.login_failures = 5;
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
        "the account admin has 3 valid tokens, which is the limit: revoke one first"
    );
    server.revoke(&second.token).await;
    server.mint(&server.admin, json!({})).await;
    // Others have their own number.
    server.user("alice").await;
}
