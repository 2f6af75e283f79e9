//! A guest who administers one flake of an organisation asks about one account after the other, and is told of a
//! member what she is told of a stranger.

use fh_api::{AccessExplanation, AccessList, GrantInfo, GrantList};
use serde_json::{Value, json};

use crate::push::tests::{Item, Scene};

/// Accounts that the guest asks about: an administrator, a member of a team, a member, and a stranger.
const ACCOUNTS: [&str; 4] = ["carl", "tim", "nora", "oskar"];

/// Mallory is a guest of acme who administers `acme/ext`, which holds the item. The team `ops`, of which tim is, and
/// all members read it.
async fn stage() -> (Scene, Item, String) {
    let scene = Scene::new().await;
    let (server, ann) = (&scene.server, &scene.ann);
    server.flake("acme/ext", "private", ann).await;
    let item = Item::new("tool", b"tool");
    scene.push_as("acme/ext", ann, &[&item]).await;
    for account in ACCOUNTS {
        server.user(account).await;
    }
    for (account, role) in [("carl", "admin"), ("tim", "member"), ("nora", "member")] {
        server.member("acme", account, role, ann).await;
    }
    let team = json!({ "name": "ops" });
    let teams = "/api/v1/orgs/acme/teams";
    server.post(teams, ann, team).await.expect(201);
    let tim = "/api/v1/orgs/acme/teams/ops/members/tim";
    server.put(tim, ann, json!({})).await.expect(200);
    for subject in ["team:ops", "@members"] {
        let path = format!("/api/v1/flakes/acme/ext/grants/{subject}");
        let read = json!({ "role": "read" });
        server.put(&path, ann, read).await.expect(200);
    }
    let mallory = server.user("mallory").await;
    server.grant("acme/ext", "mallory", "admin", ann).await;
    (scene, item, mallory)
}

/// What mallory is told of who reads the item, without the account's name.
async fn told(scene: &Scene, item: &Item, mallory: &str, account: &str) -> String {
    let path = format!("/api/v1/access?path={}&user={account}", item.base);
    let answer = scene.server.get(&path, mallory).await.expect(200);
    let body: Value = answer.json();
    body.to_string().replace(account, "NAME")
}

async fn assert_all_alike(scene: &Scene, item: &Item, mallory: &str) {
    let of_stranger = told(scene, item, mallory, "oskar").await;
    for account in ACCOUNTS {
        let of_account = told(scene, item, mallory, account).await;
        assert_eq!(of_account, of_stranger, "{account}");
    }
}

#[tokio::test]
async fn by_asking_who_reads_a_path() {
    let (scene, item, mallory) = stage().await;
    assert_all_alike(&scene, &item, &mallory).await;
    // Also where the flake is public, which members get at the root.
    let public = json!({ "visibility": "public" });
    let flake = "/api/v1/flakes/acme/ext";
    scene
        .server
        .patch(flake, &scene.ann, public)
        .await
        .expect(200);
    assert_all_alike(&scene, &item, &mallory).await;
}

#[tokio::test]
async fn by_granting_something_to_each() {
    let (scene, item, mallory) = stage().await;
    let server = &scene.server;
    let grants = "/api/v1/flakes/acme/ext/grants";
    for account in ACCOUNTS {
        let path = format!("{grants}/{account}");
        let answer = server.put(&path, &mallory, json!({ "role": "read" })).await;
        let info: GrantInfo = answer.expect(200).json();
        assert!(info.pending, "{account}");
    }
    let pending = async |token: &str| -> Vec<String> {
        let list: GrantList = server.get(grants, token).await.expect(200).json();
        let pending = list.grants.into_iter().filter(|grant| grant.pending);
        pending.map(|grant| grant.subject.to_string()).collect()
    };
    assert_eq!(pending(&mallory).await, ["carl", "nora", "oskar", "tim"]);
    assert_all_alike(&scene, &item, &mallory).await;
    // Nor does the list of all who read it name those for whom it counts at once.
    let path = format!("/api/v1/access?path={}", item.base);
    let everybody: AccessExplanation = server.get(&path, &mallory).await.expect(200).json();
    let mut named: Vec<String> = Vec::new();
    for reason in &everybody.slices[0].reasons {
        named.extend(reason.users.iter().map(ToString::to_string));
    }
    assert_eq!(named, ["mallory"]);
    // And it is so: what a guest gives to who belongs to the organisation does not count.
    assert_eq!(pending(&scene.ann).await, ["carl", "nora", "oskar", "tim"]);
    // A guest who has accepted is told of: that is no membership.
    server.accept("acme", "oskar").await;
    assert_eq!(pending(&mallory).await, ["carl", "nora", "tim"]);
    let path = format!("/api/v1/access?path={}&user=oskar", item.base);
    let of_oskar: AccessExplanation = server.get(&path, &mallory).await.expect(200).json();
    assert!(of_oskar.readable);
}

#[tokio::test]
async fn by_listing_who_has_a_role() {
    let (scene, _, mallory) = stage().await;
    let server = &scene.server;
    // Of each one grant that a member gave, and none, before mallory gives another.
    for by in [None, Some(&scene.ann), Some(&mallory)] {
        for account in ACCOUNTS {
            let path = format!("/api/v1/flakes/acme/ext/grants/{account}");
            let read = json!({ "role": "read" });
            if let Some(by) = by {
                server.put(&path, by, read).await.expect(200);
            }
        }
        let path = "/api/v1/flakes/acme/ext/access";
        let list: AccessList = server.get(path, &mallory).await.expect(200).json();
        assert!(!list.complete);
        let of = |account: &str| -> Vec<String> {
            let texts = list.sources.iter().map(|source| {
                let mut source = serde_json::to_value(source).unwrap();
                source["created_at"] = Value::Null;
                source.to_string()
            });
            let name = format!("\"{account}\"");
            let about = texts.filter(|text| text.contains(&name));
            about.map(|text| text.replace(&name, "NAME")).collect()
        };
        for account in ACCOUNTS {
            assert_eq!(of(account), of("oskar"), "{account}");
            assert_eq!(of(account).len(), usize::from(by.is_some()));
        }
        let named = list.sources.iter().flat_map(|source| &source.users);
        let named: Vec<&str> = named.map(fh_api::Name::as_str).collect();
        assert_eq!(named, ["mallory"]);
        // Nor may she ask what they have.
        for account in ACCOUNTS {
            let path = format!("/api/v1/users/{account}/access");
            server.get(&path, &mallory).await.expect(403);
        }
    }
}

#[tokio::test]
async fn by_guessing_the_names_of_teams() {
    let (scene, _, mallory) = stage().await;
    let server = &scene.server;
    // One that was granted nothing, one that is not there.
    let team = json!({ "name": "quiet" });
    let teams = "/api/v1/orgs/acme/teams";
    server.post(teams, &scene.ann, team).await.expect(201);
    for team in ["quiet", "none"] {
        let path = format!("/api/v1/flakes/acme/ext/grants/team:{team}");
        let read = json!({ "role": "read" });
        server.put(&path, &mallory, read).await.expect(403);
        server.delete(&path, &mallory).await.expect(204);
    }
    let path = "/api/v1/flakes/acme/ext/grants/team:none";
    server.delete(path, &scene.ann).await.expect(422);
}
