//! Organisations, flakes, users and grants: what is made, and what is refused.

use fh_api::{FlakeInfo, FlakeList, GrantInfo, GrantList, OrganizationInfo, UserInfo, UserList};
use serde_json::json;

use crate::testing::TestServer;

#[tokio::test]
async fn names_are_unique_without_regard_to_case() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let org: OrganizationInfo = server
        .post("/api/v1/orgs", &ann, json!({ "name": "Acme" }))
        .await
        .expect(201)
        .json();
    assert_eq!(org.name.as_str(), "Acme");
    let again = server
        .post("/api/v1/orgs", &ann, json!({ "name": "aCME" }))
        .await
        .expect(409);
    assert_eq!(again.message(), "the organisation aCME exists already");
    server.flake("acme/App", "private", &ann).await;
    let body = json!({ "flake": "ACME/app" });
    let again = server.post("/api/v1/flakes", &ann, body).await.expect(409);
    assert_eq!(again.message(), "the flake Acme/App exists already");
    let info: FlakeInfo = server
        .get("/api/v1/flakes/aCmE/aPP", &ann)
        .await
        .expect(200)
        .json();
    assert_eq!(info.flake.to_string(), "Acme/App");
    let body = json!({ "name": "ANN" });
    let again = server
        .post("/api/v1/users", &server.admin, body)
        .await
        .expect(409);
    assert_eq!(again.message(), "the user ANN exists already");
    assert_eq!(server.audited("organization.create").await, 1);
    assert_eq!(server.audited("flake.create").await, 1);
}

#[tokio::test]
async fn hostile_names_are_refused_where_they_are_given() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    server.organization("acme", &ann).await;
    for bad in [
        "..", ".", "a..b", "../x", "a/b", "-x", "", "a b", "a\u{0}", "ä", "x\ny",
    ] {
        for (path, field) in [("/api/v1/orgs", "name"), ("/api/v1/users", "name")] {
            let token = if field == "name" { &server.admin } else { &ann };
            let answer = server
                .post(path, token, json!({ field: bad }))
                .await
                .expect(400);
            assert!(
                answer
                    .message()
                    .starts_with("the body's field name is invalid"),
                "{bad:?}: {}",
                answer.message()
            );
        }
        let body = json!({ "flake": format!("acme/{bad}") });
        server.post("/api/v1/flakes", &ann, body).await.expect(400);
        let body = json!({ "flake": format!("{bad}/app") });
        server.post("/api/v1/flakes", &ann, body).await.expect(400);
    }
    for path in [
        "/api/v1/flakes/acme/..",
        "/api/v1/flakes/acme/%2e%2e",
        "/api/v1/flakes/%2e%2e/app",
        "/api/v1/flakes/acme/app%2f..%2fother",
        "/api/v1/flakes/acme/%00",
    ] {
        server.get(path, &ann).await.expect(404);
    }
    let list: FlakeList = server.get("/api/v1/flakes", &ann).await.json();
    assert!(list.flakes.is_empty());
}

#[tokio::test]
async fn flakes_are_listed_in_order_and_changed_in_part() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    for org in ["b-org", "A-org"] {
        server.organization(org, &ann).await;
        for project in ["z", "Y"] {
            server
                .flake(&format!("{org}/{project}"), "private", &ann)
                .await;
        }
    }
    let list = async |path: &str| -> Vec<String> {
        let list: FlakeList = server.get(path, &ann).await.expect(200).json();
        list.flakes
            .into_iter()
            .map(|flake| flake.flake.to_string())
            .collect()
    };
    assert_eq!(
        list("/api/v1/flakes").await,
        ["A-org/Y", "A-org/z", "b-org/Y", "b-org/z"]
    );
    assert_eq!(
        list("/api/v1/flakes?org=a-ORG").await,
        ["A-org/Y", "A-org/z"]
    );
    assert_eq!(
        list("/api/v1/flakes?org=absent").await,
        Vec::<String>::new()
    );
    server.get("/api/v1/flakes?owner=x", &ann).await.expect(400);

    let path = "/api/v1/flakes/a-org/z";
    let changed: FlakeInfo = server
        .patch(path, &ann, json!({ "description": "one line" }))
        .await
        .expect(200)
        .json();
    assert_eq!(changed.description.as_deref(), Some("one line"));
    assert_eq!(changed.visibility.as_str(), "private");
    let changed: FlakeInfo = server
        .patch(path, &ann, json!({ "visibility": "public" }))
        .await
        .expect(200)
        .json();
    assert_eq!(changed.description.as_deref(), Some("one line"));
    let changed: FlakeInfo = server
        .patch(path, &ann, json!({ "description": "" }))
        .await
        .expect(200)
        .json();
    assert_eq!(changed.description, None);
    assert_eq!(server.audited("flake.update").await, 3);
    server.delete(path, &ann).await.expect(204);
    assert_eq!(server.audited("flake.delete").await, 1);
}

#[tokio::test]
async fn grants_are_set_listed_and_removed() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    server.user("bob").await;
    server.user("Cleo").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    let base = "/api/v1/flakes/acme/app/grants";
    let grant: GrantInfo = server
        .put(&format!("{base}/cleo"), &ann, json!({ "role": "write" }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (grant.subject.to_string(), grant.role.as_str()),
        ("Cleo".to_owned(), "write")
    );
    server.grant("acme/app", "bob", "read", &ann).await;
    let again: GrantInfo = server
        .put(&format!("{base}/CLEO"), &ann, json!({ "role": "admin" }))
        .await
        .expect(200)
        .json();
    assert_eq!(again.created_at, grant.created_at);
    let list: GrantList = server.get(base, &ann).await.expect(200).json();
    let shown: Vec<_> = list
        .grants
        .iter()
        .map(|g| (g.subject.to_string(), g.role.as_str()))
        .collect();
    assert_eq!(
        shown,
        [("bob".to_owned(), "read"), ("Cleo".to_owned(), "admin")]
    );

    for user in ["nobody", "%2e%2e", "a%20b"] {
        let path = format!("{base}/{user}");
        let answer = server
            .put(&path, &ann, json!({ "role": "read" }))
            .await
            .expect(422);
        assert!(
            answer.message().starts_with("there is no user named"),
            "{}",
            answer.message()
        );
        server.delete(&path, &ann).await.expect(422);
    }
    for _ in 0..2 {
        server
            .delete(&format!("{base}/bob"), &ann)
            .await
            .expect(204);
    }
    assert_eq!(server.audited("grant.set").await, 3);
    assert_eq!(server.audited("grant.remove").await, 1);
}

#[tokio::test]
async fn users_are_made_and_listed_by_the_server_administrator() {
    let server = TestServer::start().await;
    let body = json!({ "name": "ci", "kind": "service" });
    let made: UserInfo = server
        .post("/api/v1/users", &server.admin, body)
        .await
        .expect(201)
        .json();
    assert_eq!(made.kind, fh_api::UserKind::Service);
    assert!(!made.server_admin);
    let list: UserList = server
        .get("/api/v1/users", &server.admin)
        .await
        .expect(200)
        .json();
    let names: Vec<_> = list.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["admin", "ci"]);
    assert_eq!(list.users[1], made);
}
