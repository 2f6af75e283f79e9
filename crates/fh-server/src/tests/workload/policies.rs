use fh_api::{TrustPolicyInfo, TrustPolicyList, TrustTest};
use serde_json::{Value, json};

use super::World;
use super::issuer::Key;

const LIST: &str = "/api/v1/orgs/acme/trust";

#[tokio::test]
async fn policies_are_made_replaced_listed_and_removed_idempotently() {
    let world = World::new().await;
    let made: TrustPolicyInfo = serde_json::from_value(world.trust("CI", json!({})).await).unwrap();
    let again: TrustPolicyInfo =
        serde_json::from_value(world.trust("ci", json!({})).await).unwrap();
    assert_eq!((made.id, &made.name), (again.id, &again.name));
    assert_eq!(world.server.audited("trust.create").await, 1);
    assert_eq!(world.server.audited("trust.replace").await, 0);
    world.trust("ci", json!({ "role": "read" })).await;
    assert_eq!(world.server.audited("trust.replace").await, 1);
    let list: TrustPolicyList = world.server.get(LIST, &world.ann).await.expect(200).json();
    assert_eq!(list.policies.len(), 1);
    assert_eq!(list.policies[0].role, fh_api::Role::Read);
    let path = format!("{LIST}/ci");
    world.server.get(&path, &world.ann).await.expect(200);
    for _ in 0..2 {
        world.server.delete(&path, &world.ann).await.expect(204);
    }
    world.server.get(&path, &world.ann).await.expect(404);
    assert_eq!(world.server.audited("trust.delete").await, 1);
}

#[tokio::test]
async fn a_policy_that_is_to_be_new_replaces_none() {
    let world = World::new().await;
    let new = |change: Value| {
        let mut policy = world.policy(change);
        policy["only_new"] = json!(true);
        policy
    };
    world.put("CI", new(json!({}))).await.expect(200);
    let path = format!("{LIST}/ci");
    let before: TrustPolicyInfo = world.server.get(&path, &world.ann).await.expect(200).json();
    // The very same again is no conflict.
    world.put("ci", new(json!({}))).await.expect(200);
    for change in [
        json!({ "role": "read" }),
        json!({ "flakes": ["acme/lib"] }),
        json!({ "flakes": ["acme/*"] }),
        json!({ "conditions": [{ "claim": "sub", "equals": "other" }] }),
        json!({ "audiences": ["https://other.example"] }),
        json!({ "pin": ["project_id"] }),
        json!({ "mint": true }),
        json!({ "builder": true }),
        json!({ "max_lifetime": 600 }),
        json!({ "jwks": { "keys": [Key::new("k").jwk()] } }),
    ] {
        let answer = world.put("ci", new(change.clone())).await.expect(409);
        let message = answer.message();
        assert!(
            message.contains("acme already has a trust policy CI"),
            "{message}"
        );
        let after: TrustPolicyInfo = world.server.get(&path, &world.ann).await.expect(200).json();
        assert_eq!(after, before, "{change}");
    }
    assert_eq!(world.server.audited("trust.replace").await, 0);
    // Whoever does not ask for a new one replaces, as before.
    world.trust("ci", json!({ "role": "read" })).await;
    assert_eq!(world.server.audited("trust.replace").await, 1);
}

#[tokio::test]
async fn only_administrators_with_the_whole_organisation_deal_with_policies() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let server = &world.server;
    let stranger = server.user("sam").await;
    let reader = server.user("rea").await;
    server.grant("acme/app", "rea", "admin", &world.ann).await;
    let narrow = server
        .narrow(&world.ann, &["pull", "admin"], &["acme/app"])
        .await;
    let pull = server.narrow(&world.ann, &["pull"], &["*"]).await;
    let workload = world.identity(json!({}));
    let path = format!("{LIST}/ci");
    for (token, status) in [
        ("", 401),
        ("garbage", 401),
        (stranger.as_str(), 404),
        (reader.as_str(), 403),
        (narrow.as_str(), 403),
        (pull.as_str(), 403),
        (workload.as_str(), 403),
    ] {
        let body = world.policy(json!({}));
        server.get(LIST, token).await.expect(status);
        server.get(&path, token).await.expect(status);
        server.put(&path, token, body).await.expect(status);
        server.delete(&path, token).await.expect(status);
        let test = json!({ "token": "x" });
        server
            .post("/api/v1/orgs/acme/trust-test", token, test)
            .await
            .expect(status);
    }
    // What is asked first is whether the caller may, and not what is there.
    let nothing = server.get(&format!("{LIST}/none"), &stranger).await;
    let something = server.get(&path, &stranger).await;
    assert_eq!(nothing.fingerprint(), something.fingerprint());
}

#[tokio::test]
async fn what_would_let_strangers_in_or_the_server_astray_is_refused() {
    let world = World::new().await;
    let key = Key::new("k").jwk();
    let mut private = key.clone();
    private["d"] = json!("AAAA");
    for (change, word) in [
        (
            json!({ "issuer": "https://169.254.169.254" }),
            "oidc-issuer",
        ),
        (json!({ "issuer": "http://localhost:9" }), "oidc-issuer"),
        (
            json!({ "issuer": format!("{}/x", world.issuer.url) }),
            "oidc-issuer",
        ),
        (json!({ "conditions": [] }), "names the tenant"),
        (json!({ "flakes": ["other/x"] }), "not in this organisation"),
        (json!({ "flakes": ["*"] }), "not in this organisation"),
        (
            json!({ "provider": "github", "issuer": null }),
            "names the tenant",
        ),
        (json!({ "jwks": { "keys": [private] } }), "private"),
        (json!({ "jwks": { "keys": [] } }), "no key"),
        (json!({ "max_lifetime": 1 }), "max_lifetime"),
        (json!({ "unknown": 1 }), "unknown"),
        (
            json!({ "conditions": [{ "claim": "sub", "equals": "x", "glob": "y" }] }),
            "needs one of",
        ),
    ] {
        let answer = world
            .put("bad", world.policy(change.clone()))
            .await
            .expect(400);
        assert!(
            answer.message().contains(word),
            "{change}: {}",
            answer.message()
        );
    }
    let named = world.policy(json!({ "issuer": "https://k8s.example", "jwks": { "keys": [key] } }));
    world.put("good", named).await.expect(200);
    world.put("-bad", world.policy(json!({}))).await.expect(400);
}

#[tokio::test]
async fn an_organisation_has_a_hundred_policies_at_most() {
    let world = World::new().await;
    for number in 0..100 {
        world.trust(&format!("p{number}"), json!({})).await;
    }
    world.put("more", world.policy(json!({}))).await.expect(429);
    world.trust("p7", json!({ "role": "read" })).await;
}

async fn tested(world: &World, token: &str) -> TrustTest {
    let body = json!({ "token": token });
    let path = "/api/v1/orgs/acme/trust-test";
    world
        .server
        .post(path, &world.ann, body)
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn a_test_says_which_policy_matches_and_what_failed_and_remembers_nothing() {
    let world = World::new().await;
    world.trust("ci", json!({ "pin": ["project_id"] })).await;
    let conditions: Value =
        json!([{ "claim": "sub", "equals": "builder" }, { "claim": "ref", "glob": "v*" }]);
    world
        .trust("tags", json!({ "conditions": conditions }))
        .await;
    let identity = world.identity(json!({ "ref": "main", "project_id": 7 }));
    let test = tested(&world, &identity).await;
    assert_eq!(test.refused, None);
    assert_eq!(test.claims["ref"], "main");
    assert_eq!(test.policies[0].role, Some(fh_api::Role::Write));
    assert_eq!(test.policies[1].role, None);
    assert_eq!(
        test.policies[1].failures,
        ["ref must match \"v*\", but it is \"main\""]
    );
    assert_eq!(world.server.audited("trust.pin").await, 0);
    let path = format!("{LIST}/ci");
    let shown: TrustPolicyInfo = world.server.get(&path, &world.ann).await.json();
    assert_eq!(shown.pins[0].value, None);
}

#[tokio::test]
async fn a_test_of_an_identity_that_nobody_vouches_for_opens_nothing() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let forged = Key::new("first").sign(&world.claims(json!({})));
    for (token, word) in [
        (forged, "signature"),
        (world.identity(json!({ "exp": now - 5 })), "expired"),
        (
            world.identity(json!({ "iss": "https://other.example" })),
            "no policy names",
        ),
        ("garbage".to_owned(), "not an identity token"),
    ] {
        let test = tested(&world, &token).await;
        assert!(test.refused.as_deref().unwrap().contains(word), "{test:?}");
        assert!(test.policies.iter().all(|verdict| verdict.role.is_none()));
    }
}

/// Whoever administers every flake of an organisation administers the organisation, be it by a grant or by a
/// policy: a removed administrator went on as a workload of their own.
#[tokio::test]
async fn owners_alone_make_administrators_by_a_policy() {
    let world = World::new().await;
    let server = &world.server;
    let adam = server.user("adam").await;
    server.member("acme", "adam", "admin", &world.ann).await;
    let path = |name: &str| format!("{LIST}/{name}");
    let set = async |token: &str, name: &str, change: Value| {
        let answer = server.put(&path(name), token, world.policy(change)).await;
        answer.status.as_u16()
    };
    let whole = |pattern: &str| json!({ "role": "admin", "flakes": ["acme/app", pattern] });
    for pattern in ["acme/*", "ACME/*"] {
        assert_eq!(set(&adam, "back", whole(pattern)).await, 403, "{pattern}");
    }
    // On its flakes one by one, as by grants, and with less on all of them.
    let flakes = json!({ "role": "admin", "flakes": ["acme/app", "acme/lib"] });
    assert_eq!(set(&adam, "flakes", flakes).await, 200);
    let write = json!({ "role": "write", "flakes": ["acme/*"] });
    assert_eq!(set(&adam, "write", write.clone()).await, 200);
    assert_eq!(set(&adam, "write", whole("acme/*")).await, 403);

    assert_eq!(set(&world.ann, "robot", whole("Acme/*")).await, 200);
    for change in [whole("acme/*"), write.clone(), json!({})] {
        assert_eq!(set(&adam, "robot", change).await, 403);
    }
    let answer = server.delete(&path("robot"), &adam).await.expect(403);
    assert!(
        answer.message().contains("only its owners"),
        "{}",
        answer.message()
    );
    // Nor does the workload make more of its kind.
    let robot = world.identity(json!({}));
    assert_eq!(set(&robot, "robot", write.clone()).await, 403);
    assert_eq!(set(&robot, "back", whole("acme/*")).await, 403);
    assert_eq!(set(&world.ann, "robot", write).await, 200);
    server.delete(&path("robot"), &adam).await.expect(204);
}

/// A stolen token that manages, and no more, made a workload that also pushes and mints.
#[tokio::test]
async fn a_policy_gives_nothing_that_the_token_lacks_which_sets_it() {
    let world = World::new().await;
    let server = &world.server;
    let set = async |permissions: &[&str], change: Value| {
        let token = server.narrow(&world.ann, permissions, &["*"]).await;
        let path = format!("{LIST}/ci");
        server.put(&path, &token, world.policy(change)).await
    };
    let read = || json!({ "role": "read" });
    let mints = || json!({ "role": "read", "mint": true });
    let all = || json!({ "role": "admin", "mint": true });
    for (permissions, change, lacking) in [
        (&["admin"][..], read(), "\"read\""),
        (&["pull", "admin"], json!({}), "\"write\""),
        (&["pull", "admin"], json!({ "role": "admin" }), "\"write\""),
        (&["pull", "push", "admin"], mints(), "\"mint\""),
        (&["pull", "admin"], all(), "\"write\" and \"mint\""),
    ] {
        let answer = set(permissions, change.clone()).await.expect(403);
        assert_eq!(
            answer.message(),
            format!(
                "a trust policy cannot grant what the token that sets it lacks, and this token lacks \
                 {lacking}"
            ),
            "{change}"
        );
    }
    for (permissions, change) in [
        (&["pull", "admin"][..], read()),
        (&["pull", "push", "admin"], json!({ "role": "admin" })),
        (&["pull", "mint", "admin"], mints()),
        (&["pull", "push", "mint", "admin"], all()),
    ] {
        set(permissions, change).await.expect(200);
    }
    // To take away needs only to manage.
    let token = server.narrow(&world.ann, &["admin"], &["*"]).await;
    let path = format!("{LIST}/ci");
    server.delete(&path, &token).await.expect(204);
}
