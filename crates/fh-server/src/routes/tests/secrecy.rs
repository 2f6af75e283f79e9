//! Nobody can tell what they may not read from what is not there.

use http::Method;
use serde_json::json;

use crate::testing::TestServer;

#[tokio::test]
async fn an_unreadable_flake_is_answered_as_one_that_does_not_exist() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    server.organization("acme", &ann).await;
    server.flake("acme/secret", "private", &ann).await;
    let narrowed = server
        .narrow(&ann, &["pull", "push", "mint", "admin"], &["acme/x"])
        .await;

    for token in ["", bob.as_str(), server.admin.as_str(), narrowed.as_str()] {
        for (method, tail, body) in [
            (Method::GET, "", None),
            (Method::HEAD, "", None),
            (Method::PATCH, "", Some(json!({ "visibility": "public" }))),
            // A body that is wrong is not even looked at.
            (Method::PATCH, "", Some(json!({ "nonsense": 1 }))),
            (Method::DELETE, "", None),
            (Method::GET, "/grants", None),
            (Method::PUT, "/grants/bob", Some(json!({ "role": "read" }))),
            (
                Method::PUT,
                "/grants/nobody",
                Some(json!({ "role": "read" })),
            ),
            (Method::DELETE, "/grants/bob", None),
        ] {
            let ask = async |flake: &str| {
                let path = format!("/api/v1/flakes/{flake}{tail}");
                server
                    .call(method.clone(), &path, token, body.clone())
                    .await
                    .expect(404)
                    .fingerprint()
            };
            let hidden = ask("acme/secret").await;
            for absent in [
                "acme/absent",
                "absent/secret",
                "ACME/Secret",
                "a..b/%2e%2e",
                "acme/-x",
            ] {
                assert_eq!(ask(absent).await, hidden, "{method} {tail} {absent}");
            }
        }
    }
}

#[tokio::test]
async fn the_404_of_no_route_is_the_same_too() {
    let server = TestServer::start().await;
    let hidden = server
        .get("/api/v1/flakes/acme/secret", "")
        .await
        .expect(404)
        .fingerprint();
    for path in [
        "/api/v1/flakes/a/b/c/d/e",
        "/api/v1/nothing",
        "/api/v1/flakes/acme/%ff",
    ] {
        let answer = server.get(path, "").await.expect(404).fingerprint();
        assert_eq!(answer, hidden, "{path}");
    }
}

#[tokio::test]
async fn organisations_are_known_to_those_who_see_something_in_them() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    server.organization("acme", &ann).await;
    server.flake("acme/secret", "private", &ann).await;

    let make = async |flake: &str| {
        server
            .post("/api/v1/flakes", &bob, json!({ "flake": flake }))
            .await
    };
    let hidden = make("acme/mine").await.expect(404).fingerprint();
    assert_eq!(make("absent/mine").await.expect(404).fingerprint(), hidden);
    server.grant("acme/secret", "bob", "read", &ann).await;
    make("acme/mine").await.expect(403);

    let orgs = async |token: &str| -> Vec<String> {
        let list: fh_api::OrganizationList = server.get("/api/v1/orgs", token).await.json();
        list.orgs
            .into_iter()
            .map(|org| org.name.to_string())
            .collect()
    };
    assert_eq!(orgs(&bob).await, Vec::<String>::new());
    assert_eq!(orgs(&ann).await, ["acme"]);
    assert_eq!(orgs(&server.admin).await, ["acme"]);
    let elsewhere = server.narrow(&ann, &["pull"], &["other/*"]).await;
    assert_eq!(orgs(&elsewhere).await, Vec::<String>::new());
}

#[tokio::test]
async fn managing_the_server_is_not_reading() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    server.organization("acme", &ann).await;
    server.flake("acme/secret", "private", &ann).await;
    server
        .get("/api/v1/flakes/acme/secret", &server.admin)
        .await
        .expect(404);
    let list: fh_api::FlakeList = server.get("/api/v1/flakes", &server.admin).await.json();
    assert!(list.flakes.is_empty());
    let id = server.flake_id("acme/secret").await;
    let mut headers = http::HeaderMap::new();
    let credentials = format!("Bearer {}", server.admin);
    headers.insert("authorization", credentials.parse().unwrap());
    let caller = server
        .state
        .access()
        .authenticate(
            crate::routes::credentials::token(&headers),
            fh_access::Source::default(),
        )
        .await
        .unwrap();
    assert_eq!(caller.view().rank(id), None);
}

#[tokio::test]
async fn tokens_of_others_and_wider_ones_are_not_there() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    let narrow = server.narrow(&ann, &["pull", "mint"], &["acme/*"]).await;
    let id = |token: &str| fh_auth::read_unverified(token).unwrap().jti;
    let ask = async |method: Method, id: uuid::Uuid, token: &str| {
        let path = format!("/api/v1/tokens/{id}");
        server
            .call(method, &path, token, None)
            .await
            .expect(404)
            .fingerprint()
    };
    for method in [Method::GET, Method::DELETE] {
        let absent = ask(method.clone(), uuid::Uuid::nil(), &bob).await;
        assert_eq!(ask(method.clone(), id(&ann), &bob).await, absent);
        assert_eq!(ask(method.clone(), id(&ann), &narrow).await, absent);
    }
    server.get("/api/v1/whoami", &ann).await.expect(200);
    let list: fh_api::TokenList = server.get("/api/v1/tokens", &narrow).await.json();
    assert_eq!(
        list.tokens.iter().map(|token| token.id).collect::<Vec<_>>(),
        [id(&narrow)]
    );
}
