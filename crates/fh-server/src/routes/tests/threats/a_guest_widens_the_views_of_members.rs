//! A guest who administers one flake of an organisation decides what is in it, and not in whose view it stands: she
//! does not put it before the members, who were granted nothing on it.

use fh_api::{GrantInfo, GrantList};
use serde_json::json;

use super::Stage;
use crate::push::tests::Item;
use crate::testing::Answer;

/// The stage, with mallory, a guest of acme who administers `acme/ext`.
async fn stage() -> (Stage, String) {
    let stage = Stage::set("acme/play").await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    server.flake("acme/ext", "private", ann).await;
    let mallory = server.user("mallory").await;
    server.grant("acme/ext", "mallory", "admin", ann).await;
    let team = json!({ "name": "ops" });
    let teams = "/api/v1/orgs/acme/teams";
    server.post(teams, ann, team).await.expect(201);
    let rita = "/api/v1/orgs/acme/teams/ops/members/rita";
    server.put(rita, ann, json!({})).await.expect(200);
    (stage, mallory)
}

fn is_for_members(answer: Answer) {
    let message = answer.expect(403).message();
    assert!(message.contains("only members of "), "{message}");
}

#[tokio::test]
async fn by_making_the_flake_public() {
    let (stage, mallory) = stage().await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let tool = Item::new("tool", b"mallory's");
    stage.scene.push_as("acme/ext", &mallory, &[&tool]).await;
    let flake = "/api/v1/flakes/acme/ext";
    let public = json!({ "visibility": "public" });
    is_for_members(server.patch(flake, &mallory, public.clone()).await);
    assert!(stage.scene.narinfo("", &tool, &stage.rita).await.is_none());
    // What puts it into nobody's view is hers to decide, and so is what takes it out.
    for body in [
        json!({ "visibility": "unlisted" }),
        json!({ "description": "mine" }),
    ] {
        server.patch(flake, &mallory, body).await.expect(200);
    }
    assert!(stage.scene.narinfo("", &tool, &stage.rita).await.is_none());
    server.patch(flake, ann, public.clone()).await.expect(200);
    assert!(stage.scene.narinfo("", &tool, &stage.rita).await.is_some());
    server.patch(flake, &mallory, public).await.expect(200);
    let private = json!({ "visibility": "private" });
    server.patch(flake, &mallory, private).await.expect(200);
    assert!(stage.scene.narinfo("", &tool, &stage.rita).await.is_none());
}

#[tokio::test]
async fn by_granting_it_to_many_at_once() {
    let (stage, mallory) = stage().await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let tool = Item::new("tool", b"mallory's");
    stage.scene.push_as("acme/ext", &mallory, &[&tool]).await;
    let read = json!({ "role": "read" });
    for subject in ["@members", "team:ops", "team:none"] {
        let path = format!("/api/v1/flakes/acme/ext/grants/{subject}");
        is_for_members(server.put(&path, &mallory, read.clone()).await);
    }
    assert!(stage.scene.narinfo("", &tool, &stage.rita).await.is_none());
    // A member who administers the flake does it, and she may take it back.
    server.grant("acme/ext", "bob", "admin", ann).await;
    for subject in ["@members", "team:ops"] {
        let path = format!("/api/v1/flakes/acme/ext/grants/{subject}");
        server
            .put(&path, &stage.bob, read.clone())
            .await
            .expect(200);
        assert!(stage.scene.narinfo("", &tool, &stage.rita).await.is_some());
        server.delete(&path, &mallory).await.expect(204);
        assert!(stage.scene.narinfo("", &tool, &stage.rita).await.is_none());
    }
}

#[tokio::test]
async fn by_granting_it_to_one_after_the_other() {
    let (stage, mallory) = stage().await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let tool = Item::new("tool", b"mallory's");
    stage.scene.push_as("acme/ext", &mallory, &[&tool]).await;
    let read = json!({ "role": "read" });
    let to_rita = "/api/v1/flakes/acme/ext/grants/rita";
    for token in [&mallory, ann, &mallory] {
        let answer = server.put(to_rita, token, read.clone()).await.expect(200);
        let pending: GrantInfo = answer.json();
        assert_eq!(pending.pending, *token == mallory);
        // What a member gives, the guest does not take back by giving it again.
        let reads = stage.scene.narinfo("", &tool, &stage.rita).await;
        let given = server.get("/api/v1/flakes/acme/ext/grants", ann).await;
        let given: GrantList = given.json();
        let to_rita = |grant: &&GrantInfo| grant.subject.to_string() == "rita";
        let waits = given.grants.iter().find(to_rita).unwrap().pending;
        assert_eq!(reads.is_none(), waits);
        if *token == *ann {
            assert!(reads.is_some());
        }
    }
    // That it counts from then on is in the log, although the role is the same.
    let path = "/api/v1/audit?org=acme&action=grant.set&after=0";
    let log: fh_api::AuditList = server.get(path, ann).await.expect(200).json();
    let confirmed =
        |event: &&fh_api::AuditEvent| event.detail.as_ref().unwrap()["confirmed"] == json!(true);
    let users: Vec<_> = log
        .events
        .iter()
        .filter(confirmed)
        .map(|event| &event.user)
        .collect();
    assert_eq!(users, [&Some("ann".parse().unwrap())]);
    assert!(stage.scene.narinfo("", &tool, &stage.rita).await.is_some());
    // Of another guest's she decides, and of what they have accepted it stays when they become a member.
    let zed = server.user("zed").await;
    let to_zed = "/api/v1/flakes/acme/ext/grants/zed";
    server.put(to_zed, &mallory, read).await.expect(200);
    assert!(stage.scene.narinfo("", &tool, &zed).await.is_none());
    server.accept("acme", "zed").await;
    assert!(stage.scene.narinfo("", &tool, &zed).await.is_some());
    server.member("acme", "zed", "member", ann).await;
    server.accept("acme", "zed").await;
    assert!(stage.scene.narinfo("", &tool, &zed).await.is_some());
}

#[tokio::test]
async fn by_administering_the_whole_organisation_as_a_guest() {
    let (stage, mallory) = stage().await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let admin = json!({ "role": "admin" });
    let whole = "/api/v1/orgs/acme/grants/mallory";
    server.put(whole, ann, admin).await.expect(200);
    for subject in ["@members", "team:ops", "rita"] {
        let path = format!("/api/v1/orgs/acme/grants/{subject}");
        let read = json!({ "role": "read" });
        is_for_members(server.put(&path, &mallory, read).await);
    }
    let make = async |visibility: &str| {
        let body = json!({ "flake": "acme/hers", "visibility": visibility });
        server.post("/api/v1/flakes", &mallory, body).await
    };
    is_for_members(make("public").await);
    make("private").await.expect(201);
}
