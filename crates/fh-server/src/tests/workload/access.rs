use data_encoding::BASE64;
use fh_api::{UserKind, Whoami};
use fh_persistence::database::Decided;
use http::Request;
use serde_json::json;

use super::World;

/// Basic credentials, as Nix sends them from a netrc.
fn basic(password: &str) -> String {
    let credentials = BASE64.encode(format!("workload:{password}").as_bytes());
    format!("Basic {credentials}")
}

#[tokio::test]
async fn a_trusted_workload_reads_and_pushes_what_its_policy_names_and_nothing_else() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let identity = world.identity(json!({}));
    let who: Whoami = world.whoami(&identity).await.expect(200).json();
    assert_eq!(who.kind, UserKind::Service);
    assert!(who.user.as_str().starts_with("trust-"));
    assert_eq!(who.token_id, None);
    let workload = who.workload.unwrap();
    assert_eq!(workload.subject, "builder");
    assert_eq!(workload.policies, ["acme/ci"]);
    assert_eq!(world.reads("acme/app", &identity).await, 200);
    assert_eq!(world.pushes("acme/app", &identity).await, 200);
    assert_eq!(world.reads("acme/lib", &identity).await, 404);
    assert_eq!(world.pushes("acme/lib", &identity).await, 404);
    let delete = world.server.delete("/api/v1/flakes/acme/app", &identity);
    delete.await.expect(403);
    let mint = world.server.post("/api/v1/tokens", &identity, json!({}));
    mint.await.expect(403);
    let request = Request::get("/api/v1/flakes/acme/app")
        .header("authorization", basic(&identity))
        .body(axum::body::Body::empty());
    world.server.send(request.unwrap()).await.expect(200);
}

#[tokio::test]
async fn a_policy_on_the_organisation_reaches_all_of_it_and_roles_add_up() {
    let world = World::new().await;
    let read_all = json!({ "flakes": ["acme/*"], "role": "read" });
    world.trust("all", read_all).await;
    world.trust("app", json!({})).await;
    let identity = world.identity(json!({}));
    assert_eq!(world.reads("acme/lib", &identity).await, 200);
    assert_eq!(world.pushes("acme/lib", &identity).await, 403);
    assert_eq!(world.pushes("acme/app", &identity).await, 200);
}

#[tokio::test]
async fn who_is_not_trusted_hears_the_same_whatever_the_reason() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let stranger = super::issuer::Key::new("first");
    let mut answers = Vec::new();
    for identity in [
        world.identity(json!({ "sub": "somebody" })),
        world.identity(json!({ "aud": "https://other.example" })),
        world.identity(json!({ "iss": "https://unknown.example" })),
        stranger.sign(&world.claims(json!({}))),
        super::issuer::Key::new("other").sign(&world.claims(json!({}))),
    ] {
        let answer = world.whoami(&identity).await.expect(401);
        answers.push(answer.message());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(!answers[0].contains("ci"));
}

#[tokio::test]
async fn times_are_checked_at_every_request() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    for (change, word) in [
        (json!({ "exp": now - 1 }), "expired"),
        (json!({ "exp": now - 59 }), "expired"),
        (json!({ "nbf": now + 120 }), "not valid yet"),
        (json!({ "iat": now + 120 }), "not valid yet"),
        (json!({ "exp": null }), "not a token"),
    ] {
        let answer = world.whoami(&world.identity(change)).await.expect(401);
        assert!(answer.message().contains(word), "{}", answer.message());
    }
    let skewed = world.identity(json!({ "nbf": now + 30, "iat": now + 30 }));
    world.whoami(&skewed).await.expect(200);
    let short = world.identity(json!({ "exp": now + 2 }));
    world.whoami(&short).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    world.whoami(&short).await.expect(401);
}

#[tokio::test]
async fn a_changed_policy_counts_at_the_next_request() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let identity = world.identity(json!({}));
    assert_eq!(world.pushes("acme/app", &identity).await, 200);
    world.trust("ci", json!({ "role": "read" })).await;
    assert_eq!(world.pushes("acme/app", &identity).await, 403);
    assert_eq!(world.reads("acme/app", &identity).await, 200);
    let delete = world
        .server
        .delete("/api/v1/orgs/acme/trust/ci", &world.ann);
    delete.await.expect(204);
    world.whoami(&identity).await.expect(401);
}

#[tokio::test]
async fn a_workload_pushes_where_people_cannot() {
    let world = World::new().await;
    world.trust("ci", json!({ "builder": true })).await;
    let set = world
        .server
        .state
        .database()
        .change_access(Decided::by_server(), |change| {
            change.execute("UPDATE organization SET push_rule = 'builders'", &[])?;
            // The names are read anew with it.
            let name = "other".parse().unwrap();
            fh_persistence::database::organizations::insert(change, &name)
        });
    set.await.unwrap();
    assert_eq!(world.pushes("acme/app", &world.ann).await, 403);
    let identity = world.identity(json!({}));
    assert_eq!(world.pushes("acme/app", &identity).await, 200);
    let token = world.exchange(&identity, &[]).await.expect(200);
    let token: fh_api::oauth::ExchangeAnswer = token.json();
    assert_eq!(world.pushes("acme/app", &token.access_token).await, 200);
}

#[tokio::test]
async fn an_id_that_was_seen_once_must_stay_and_is_told_to_the_audit_log() {
    let world = World::new().await;
    world.trust("ci", json!({ "pin": ["project_id"] })).await;
    let first = world.identity(json!({ "project_id": 7 }));
    world.whoami(&first).await.expect(200);
    assert_eq!(world.server.audited("trust.pin").await, 1);
    let other = world.identity(json!({ "project_id": 8 }));
    world.whoami(&other).await.expect(401);
    world.whoami(&world.identity(json!({}))).await.expect(401);
    world.whoami(&first).await.expect(200);
    assert_eq!(world.server.audited("trust.pin").await, 1);
    let path = "/api/v1/orgs/acme/trust/ci";
    let shown: fh_api::TrustPolicyInfo = world.server.get(path, &world.ann).await.json();
    assert_eq!(shown.pins[0].value.as_deref(), Some("7"));
    // The same again keeps it, other conditions forget it.
    world.trust("ci", json!({ "pin": ["project_id"] })).await;
    world.whoami(&other).await.expect(401);
    let conditions = json!([{ "claim": "sub", "one_of": ["builder", "build2"] }]);
    let change = json!({ "pin": ["project_id"], "conditions": conditions });
    world.trust("ci", change).await;
    world.whoami(&other).await.expect(200);
}

#[tokio::test]
async fn tokens_of_ours_are_never_taken_for_identities() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let plain = fh_auth::strip_prefix(&world.ann).to_owned();
    let who: Whoami = world.whoami(&plain).await.expect(200).json();
    assert_eq!(who.user.as_str(), "ann");
    let own = world.server.state.public_url().to_owned();
    let key = super::issuer::Key::new("k");
    let policy = json!({ "issuer": own, "jwks": { "keys": [key.jwk()] } });
    let policy = world.policy(policy);
    world.put("own", policy).await.expect(400);
    world.server.revoke(&world.ann).await;
    world.whoami(&plain).await.expect(401);
}
