//! Roots of forges that organisations own.

use fh_api::{RootInfo, RootList, Whoami};
use serde_json::{Value, json};

use super::World;

const ACME: &str = "/api/v1/orgs/acme/roots";

async fn owned(world: &World, path: &str, token: &str, root: &str) -> u16 {
    let answer = world
        .server
        .post(path, token, json!({ "root": root }))
        .await;
    answer.status.as_u16()
}

/// A policy for jobs of a repository on GitHub, whose keys are the issuer's of the test.
async fn github(world: &World, org: &str, owner: &str, repository: &str) {
    let key = world.issuer.jwk();
    let policy = json!({
        "provider": "github", "role": "write", "flakes": [format!("{org}/*")],
        "conditions": [{ "claim": "repository", "equals": repository }],
        "jwks": { "keys": [key] }, "pin": ["unused"],
    });
    let path = format!("/api/v1/orgs/{org}/trust/github");
    world.server.put(&path, owner, policy).await.expect(200);
}

fn job(world: &World, repository: &str, change: Value) -> String {
    let (owner, _) = repository.split_once('/').unwrap();
    let mut claims = json!({
        "iss": "https://token.actions.githubusercontent.com", "repository": repository,
        "repository_owner": owner, "repository_owner_id": "7", "event_name": "push",
    });
    super::extend(&mut claims, change);
    world.identity(claims)
}

async fn acts_for(world: &World, identity: &str) -> Option<String> {
    let answer = world.whoami(identity).await;
    if answer.status == 401 {
        return None;
    }
    let who: Whoami = answer.expect(200).json();
    Some(who.workload.unwrap().organization.unwrap().to_string())
}

#[tokio::test]
async fn an_owner_asks_for_a_root_and_a_server_administrator_confirms_it() {
    let world = World::new().await;
    let server = &world.server;
    let bob = server.user("bob").await;
    server.organization("other", &bob).await;
    let other = "/api/v1/orgs/other/roots";
    assert_eq!(owned(&world, other, &bob, "github:Other").await, 200);
    assert_eq!(owned(&world, other, &bob, "github:other").await, 200);
    for (token, status) in [("", 401), (world.ann.as_str(), 404)] {
        assert_eq!(owned(&world, other, token, "github:other").await, status);
        server.get(other, token).await.expect(status);
    }
    for root in ["github:other/x", "other", "kubernetes:https://gitlab.com"] {
        assert_eq!(owned(&world, other, &bob, root).await, 400, "{root}");
    }
    let list: RootList = server.get(other, &server.admin).await.expect(200).json();
    assert_eq!(list.roots.len(), 1);
    assert_eq!(list.roots[0].confirmed_at, None);
    // Others may ask for the same, and are told nothing.
    assert_eq!(owned(&world, ACME, &world.ann, "github:other").await, 200);
    assert_eq!(
        owned(&world, other, &server.admin, "github:other").await,
        200
    );
    assert_eq!(owned(&world, other, &bob, "github:other").await, 200);
    assert_eq!(
        owned(&world, ACME, &server.admin, "github:other").await,
        409
    );
    assert_eq!(owned(&world, ACME, &world.ann, "github:other").await, 200);
    let list: RootList = server.get(ACME, &world.ann).await.expect(200).json();
    assert_eq!(list.roots[0].confirmed_at, None);
    assert_eq!(server.audited("root.request").await, 2);
    assert_eq!(server.audited("root.confirm").await, 1);
    // A narrowed token of an administrator confirms nothing.
    let narrow = server
        .narrow(&server.admin, &["pull", "admin"], &["acme/*"])
        .await;
    assert_eq!(owned(&world, ACME, &narrow, "aws:123456789012").await, 404);
    // Once it is given up, it is free.
    let remove = format!("{other}?root=github:OTHER");
    for _ in 0..2 {
        server.delete(&remove, &bob).await.expect(204);
    }
    assert_eq!(
        owned(&world, ACME, &server.admin, "github:other").await,
        200
    );
    assert_eq!(server.audited("root.remove").await, 1);
    let made: RootInfo = {
        let body = json!({ "root": "aws:123456789012" });
        server
            .post(ACME, &server.admin, body)
            .await
            .expect(200)
            .json()
    };
    assert!(made.confirmed_at.is_some());
}

#[tokio::test]
async fn an_identity_of_a_root_acts_for_its_owner_where_it_names_none() {
    let world = World::new().await;
    let server = &world.server;
    let bob = server.user("bob").await;
    server.organization("other", &bob).await;
    server.flake("other/x", "private", &bob).await;
    github(&world, "acme", &world.ann, "other/x").await;
    github(&world, "other", &bob, "other/x").await;
    let identity = job(&world, "other/x", json!({}));
    // Asked for is not owned.
    let roots = "/api/v1/orgs/other/roots";
    assert_eq!(owned(&world, roots, &bob, "github:other").await, 200);
    assert_eq!(acts_for(&world, &identity).await.as_deref(), Some("acme"));
    assert_eq!(
        owned(&world, roots, &server.admin, "github:other").await,
        200
    );
    assert_eq!(acts_for(&world, &identity).await.as_deref(), Some("other"));
    let upper = job(&world, "OTHER/x", json!({ "repository": "other/x" }));
    assert_eq!(acts_for(&world, &upper).await.as_deref(), Some("other"));
    // It may still name another.
    assert_eq!(world.reads("acme/app", &identity).await, 200);
    let named = world.exchange(&identity, &[("organization", "acme")]).await;
    named.expect(200);
    // And a policy of the default organisation is no reason to act for that.
    let path = "/api/v1/orgs/other/trust/github";
    server.delete(path, &bob).await.expect(204);
    assert_eq!(acts_for(&world, &identity).await, None);
    // Keys of an organisation's own say nothing of who has the name on GitHub.
    let list: RootList = server.get(roots, &bob).await.expect(200).json();
    assert_eq!(list.roots[0].owner_id, None);
}

#[tokio::test]
async fn who_gets_the_name_later_does_not_inherit_the_root() {
    let world = World::new().await;
    let server = &world.server;
    let bob = server.user("bob").await;
    server.organization("other", &bob).await;
    github(&world, "other", &bob, "other/x").await;
    let roots = "/api/v1/orgs/other/roots";
    assert_eq!(
        owned(&world, roots, &server.admin, "github:other").await,
        200
    );
    let remembered = server.state.database().change_access(
        fh_persistence::database::Decided::by_server(),
        |change| {
            let root = "github:other".parse().unwrap();
            let name = "other".parse().unwrap();
            let other = fh_persistence::database::organizations::find(change, &name)?.unwrap();
            fh_persistence::database::roots::remember(change, other.id, &root, "7")
        },
    );
    assert!(remembered.await.unwrap());
    let first = job(&world, "other/x", json!({}));
    assert_eq!(acts_for(&world, &first).await.as_deref(), Some("other"));
    for id in [json!("8"), json!(null)] {
        let later = job(&world, "other/x", json!({ "repository_owner_id": id }));
        assert_eq!(acts_for(&world, &later).await, None);
    }
}

#[tokio::test]
async fn a_cluster_acts_for_its_owner_and_fetched_keys_need_no_policy_of_others() {
    let world = World::new().await;
    let server = &world.server;
    let bob = server.user("bob").await;
    server.organization("other", &bob).await;
    let policy = world.policy(json!({ "flakes": ["other/*"] }));
    let path = "/api/v1/orgs/other/trust/cluster";
    server.put(path, &bob, policy).await.expect(200);
    let identity = world.identity(json!({}));
    // Nothing is fetched for an organisation that trusts nobody.
    assert_eq!(acts_for(&world, &identity).await, None);
    assert_eq!(world.issuer.fetched(), 0);
    let root = format!("kubernetes:{}", world.issuer.url);
    let roots = "/api/v1/orgs/other/roots";
    assert_eq!(owned(&world, roots, &server.admin, &root).await, 200);
    assert_eq!(acts_for(&world, &identity).await.as_deref(), Some("other"));
}
