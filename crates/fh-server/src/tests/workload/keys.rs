use std::time::Duration;

use fh_access::workload::{Issuers, Pace, Reach};
use fh_auth::identity::Unverified;
use serde_json::json;

use super::World;
use super::issuer::{Issuer, Key, Mood};

#[tokio::test]
async fn keys_are_fetched_once_for_many_requests_at_once() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let identities: Vec<String> = (0..20)
        .map(|number| world.identity(json!({ "jti": number.to_string() })))
        .collect();
    let asked = identities.iter().map(|identity| world.whoami(identity));
    for answer in futures_util::future::join_all(asked).await {
        answer.expect(200);
    }
    assert_eq!(world.issuer.fetched(), 1);
}

#[tokio::test]
async fn nothing_is_fetched_for_an_issuer_that_no_policy_names() {
    let world = World::new().await;
    world.whoami(&world.identity(json!({}))).await.expect(401);
    let exchange = world.exchange(&world.identity(json!({})), &[]).await;
    exchange.expect(400);
    assert_eq!(world.issuer.fetched(), 0);
}

#[tokio::test]
async fn an_issuer_that_is_down_or_wrong_is_unavailable_and_not_a_bad_identity() {
    for mood in [
        Mood::Down,
        Mood::Impostor,
        Mood::Misleading,
        Mood::Redirecting,
        Mood::Endless,
        Mood::Garbage,
    ] {
        let world = World::new().await;
        world.trust("ci", json!({})).await;
        world.issuer.mood(mood);
        let identity = world.identity(json!({}));
        let answer = world.whoami(&identity).await;
        assert_eq!(answer.status, 503, "{mood:?}");
        assert!(answer.headers.contains_key("retry-after"));
        let exchange = world.exchange(&identity, &[]).await.expect(503);
        assert_eq!(
            exchange.json::<serde_json::Value>()["error"],
            "temporarily_unavailable"
        );
        assert_eq!(
            world.issuer.fetched(),
            1,
            "{mood:?}: not asked again at once"
        );
        // Who has nothing to do with it is served.
        world.whoami(&world.ann).await.expect(200);
    }
}

#[tokio::test]
async fn a_slow_issuer_holds_nobody_for_longer_than_a_few_seconds() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    world.issuer.mood(Mood::Slow);
    let started = std::time::Instant::now();
    world.whoami(&world.identity(json!({}))).await.expect(503);
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

/// Issuers that are asked as often as `pace` says, in milliseconds: fresh, usable, pause, pause without
/// keys.
fn issuers(issuer: &Issuer, pace: [u64; 4]) -> Issuers {
    let [fresh, usable, pause, pause_without_keys] = pace.map(Duration::from_millis);
    let pace = Pace {
        fresh,
        usable,
        pause,
        pause_without_keys,
    };
    Issuers::new(Reach::new(std::slice::from_ref(&issuer.url)), pace)
}

fn shown(issuer: &Issuer) -> Unverified {
    let claims = json!({ "iss": issuer.url, "exp": 1 });
    Unverified::read(&issuer.sign(&claims)).unwrap()
}

/// Whether the keys verify it, and whether they are outdated; none where there are no keys.
async fn verified(issuers: &Issuers, token: &Unverified) -> Option<(bool, bool)> {
    let found = issuers.keys(token).await.ok()?;
    Some((found.keys.verify(token).is_ok(), found.outdated))
}

const LONG: u64 = 3_600_000;

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_the_pause_has_passed() {
    let issuer = Issuer::start().await;
    let asked = issuers(&issuer, [LONG, LONG, 1500, LONG]);
    assert_eq!(verified(&asked, &shown(&issuer)).await, Some((true, false)));
    issuer.rotate("second");
    let token = shown(&issuer);
    assert_eq!(verified(&asked, &token).await, Some((false, false)));
    assert_eq!(issuer.fetched(), 1, "not asked again so soon");
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(verified(&asked, &token).await, Some((true, false)));
    assert_eq!(issuer.fetched(), 2);
    let claims = json!({ "iss": issuer.url, "exp": 1 });
    let unknown = Unverified::read(&Key::new("third").sign(&claims)).unwrap();
    for _ in 0..5 {
        assert_eq!(verified(&asked, &unknown).await, Some((false, false)));
    }
    assert_eq!(issuer.fetched(), 2, "unknown keys cost no fetch each");
}

#[tokio::test]
async fn the_last_good_keys_are_used_while_the_issuer_is_down() {
    let issuer = Issuer::start().await;
    // Never fresh, so that each request would rather ask.
    let asked = issuers(&issuer, [0, LONG, 0, LONG]);
    let old = shown(&issuer);
    assert_eq!(verified(&asked, &old).await, Some((true, false)));
    issuer.mood(Mood::Down);
    assert_eq!(verified(&asked, &old).await, Some((true, true)));
    assert_eq!(issuer.fetched(), 2);
    issuer.rotate("second");
    assert_eq!(verified(&asked, &shown(&issuer)).await, Some((false, true)));
    issuer.mood(Mood::Fine);
    assert_eq!(verified(&asked, &shown(&issuer)).await, Some((true, false)));
    let brief = issuers(&issuer, [0, 1, 0, LONG]);
    assert_eq!(verified(&brief, &shown(&issuer)).await, Some((true, false)));
    issuer.mood(Mood::Down);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(verified(&brief, &shown(&issuer)).await, None, "too old");
}

#[tokio::test]
async fn who_gives_up_waiting_does_not_end_the_fetch_for_the_others() {
    let issuer = Issuer::start().await;
    let asked = issuers(&issuer, [LONG, LONG, LONG, LONG]);
    let token = shown(&issuer);
    let hasty = tokio::time::timeout(Duration::ZERO, asked.keys(&token)).await;
    assert!(hasty.is_err());
    assert_eq!(verified(&asked, &token).await, Some((true, false)));
    assert_eq!(issuer.fetched(), 1);
}

#[tokio::test]
async fn given_keys_need_no_network_and_open_their_own_policy_alone() {
    let world = World::new().await;
    let key = Key::new("given");
    let unreachable = "https://k8s.internal.example";
    let given = json!({
        "issuer": unreachable, "jwks": { "keys": [key.jwk()] }, "flakes": ["acme/lib"],
    });
    world.trust("cluster", given).await;
    let identity = key.sign(&world.claims(json!({ "iss": unreachable })));
    assert_eq!(world.reads("acme/lib", &identity).await, 200);
    // Another organisation's keys for an issuer that acme trusts by fetched ones.
    world.trust("ci", json!({})).await;
    let mal = world.server.user("mal").await;
    world.server.organization("evil", &mal).await;
    world.server.flake("evil/x", "private", &mal).await;
    let evil = Key::new("evil");
    let policy = world.policy(json!({
        "jwks": { "keys": [evil.jwk()] }, "flakes": ["evil/x"],
    }));
    let path = "/api/v1/orgs/evil/trust/fake";
    world.server.put(path, &mal, policy).await.expect(200);
    let forged = evil.sign(&world.claims(json!({})));
    assert_eq!(world.reads("evil/x", &forged).await, 200);
    assert_eq!(world.reads("acme/app", &forged).await, 401);
    world.exchange(&forged, &[]).await.expect(400);
    let fields = [("organization", "evil"), ("organization", "acme")];
    let token = world.exchange(&forged, &fields).await.expect(200);
    let token: fh_api::oauth::ExchangeAnswer = token.json();
    assert_eq!(world.reads("evil/x", &token.access_token).await, 200);
    assert_eq!(world.reads("acme/app", &token.access_token).await, 404);
    let real = world.identity(json!({}));
    assert_eq!(world.reads("acme/app", &real).await, 200);
    assert_eq!(world.reads("evil/x", &real).await, 401);
}

#[tokio::test]
async fn keys_that_a_policy_no_longer_brings_open_nothing() {
    let world = World::new().await;
    let (old, new) = (Key::new("k"), Key::new("k"));
    let with = |key: &Key| json!({ "issuer": "https://k8s.internal.example", "jwks": { "keys": [key.jwk()] } });
    world.trust("cluster", with(&old)).await;
    let claims = world.claims(json!({ "iss": "https://k8s.internal.example" }));
    let identity = old.sign(&claims);
    let token = world.exchange(&identity, &[]).await.expect(200);
    let token: fh_api::oauth::ExchangeAnswer = token.json();
    world.trust("cluster", with(&new)).await;
    world.whoami(&identity).await.expect(401);
    world.whoami(&token.access_token).await.expect(401);
    world.whoami(&new.sign(&claims)).await.expect(200);
}
