//! What a request looks like: credentials, bodies, methods, answers of health.

use axum::body::Body;
use data_encoding::BASE64;
use fh_persistence::database::Decided;
use http::{Method, Request};
use serde_json::json;

use crate::testing::{Answer, TestServer};

async fn with_header(server: &TestServer, value: &str) -> Answer {
    let request = Request::builder()
        .uri("/api/v1/whoami")
        .header("authorization", value)
        .body(Body::empty());
    server.send(request.unwrap()).await
}

#[tokio::test]
async fn a_token_is_taken_as_bearer_and_as_password_with_and_without_prefix() {
    let server = TestServer::start().await;
    let token = &server.admin;
    let bare = fh_auth::strip_prefix(token);
    for token in [token.as_str(), bare] {
        with_header(&server, &format!("Bearer {token}"))
            .await
            .expect(200);
        with_header(&server, &format!("bearer {token}"))
            .await
            .expect(200);
        for login in ["", "fh", "admin"] {
            let credentials = BASE64.encode(format!("{login}:{token}").as_bytes());
            with_header(&server, &format!("Basic {credentials}"))
                .await
                .expect(200);
            with_header(&server, &format!("BASIC {credentials}"))
                .await
                .expect(200);
        }
    }
    for bad in ["", "Bearer", "Digest x", "Basic x", "Negotiate abc"] {
        with_header(&server, bad).await.expect(401);
    }
    let request = Request::builder()
        .uri("/api/v1/flakes")
        .header("authorization", format!("Bearer {token}"))
        .header("authorization", "Bearer other")
        .body(Body::empty());
    server.send(request.unwrap()).await.expect(401);
}

#[tokio::test]
async fn a_wrong_body_is_refused_with_its_field() {
    let server = TestServer::start().await;
    let token = server.admin.clone();
    let post = async |content_type: &str, body: Body| {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/tokens")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", content_type)
            .body(body);
        server.send(request.unwrap()).await
    };
    let json = "application/json; charset=utf-8";
    for (body, sentence) in [
        (
            r#"{"flakes":["a/b","../c"]}"#,
            "the body's field flakes[1] is invalid",
        ),
        (
            r#"{"permissions":["all"]}"#,
            "the body's field permissions[0] is invalid",
        ),
        (
            r#"{"expires_in":-1}"#,
            "the body's field expires_in is invalid",
        ),
        (
            r#"{"admin":true}"#,
            "the body's field admin is invalid: unknown field",
        ),
        (
            r#"{"user":"ann","user":"bob"}"#,
            "the body is invalid: duplicate field",
        ),
        ("", "the body is invalid"),
        ("[", "the body is invalid"),
        ("{} {}", "the body continues after its JSON value"),
    ] {
        let answer = post(json, Body::from(body)).await.expect(400);
        assert!(
            answer.message().starts_with(sentence),
            "{body}: {}",
            answer.message()
        );
        assert!(answer.message().len() < 500);
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        post(content_type, Body::from("{}")).await.expect(400);
    }
    let limit = usize::try_from(server.state.settings().limits.json_size).unwrap();
    let large = json!({ "description": "x".repeat(limit) }).to_string();
    post(json, Body::from(large.clone())).await.expect(413);
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(large)]);
    post(json, Body::from_stream(chunks)).await.expect(413);
    let hostile = "x".repeat(10_000);
    let answer = post(json, Body::from(format!("{{\"{hostile}\":1}}")))
        .await
        .expect(400);
    assert!(answer.message().len() < 1000);
}

#[tokio::test]
async fn permission_comes_before_the_body() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let pull = server.narrow(&ann, &["pull"], &["*"]).await;
    for path in [
        "/api/v1/orgs",
        "/api/v1/users",
        "/api/v1/flakes",
        "/api/v1/tokens",
    ] {
        server
            .post(path, "", json!({ "nonsense": 1 }))
            .await
            .expect(401);
        server
            .post(path, &pull, json!({ "nonsense": 1 }))
            .await
            .expect(403);
    }
}

/// `nix copy --to` shows the first line of what it is answered.
#[tokio::test]
async fn an_upload_by_put_is_told_how_to_push() {
    let server = TestServer::start().await;
    for path in [
        "/nix-cache-info",
        "/00000000000000000000000000000000.narinfo",
        "/cache/acme/00000000000000000000000000000000.narinfo",
        "/nar/0000000000000000000000000000000000000000000000000000.nar.zst",
    ] {
        let answer = server.put(path, "", json!({})).await.expect(405);
        let told = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(
            told.contains("push with `fh push ORG/PROJECT PATH`"),
            "{path}: {told}"
        );
    }
}

#[tokio::test]
async fn another_method_is_told_which_ones_there_are() {
    let server = TestServer::start().await;
    let answer = server.delete("/api/v1/orgs", "").await.expect(405);
    assert_eq!(
        answer.json::<fh_api::ErrorBody>().error,
        fh_api::ErrorCode::MethodNotAllowed
    );
    let allowed = answer.headers["allow"].to_str().unwrap();
    assert!(
        allowed.contains("GET") && allowed.contains("POST"),
        "{allowed}"
    );
}

#[tokio::test]
async fn answers_are_not_kept_by_caches_and_name_their_request() {
    let server = TestServer::start().await;
    let answer = server
        .get("/api/v1/whoami", &server.admin)
        .await
        .expect(200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let answer = server.get("/api/v1/whoami", "").await.expect(401);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body: fh_api::ErrorBody = answer.json();
    let id = body.request_id.expect("an id");
    assert_eq!(answer.headers["x-request-id"], id.as_str());
}

#[tokio::test]
async fn readiness_asks_the_storage() {
    let server = TestServer::start().await;
    server.get("/readyz", "").await.expect(200);
    let staging = server.directory.path().join("data/objects/staging");
    std::fs::remove_dir_all(&staging).unwrap();
    // A success is remembered for some seconds.
    tokio::time::sleep(std::time::Duration::from_millis(5200)).await;
    let answer = server.get("/readyz", "").await.expect(503);
    assert_eq!(answer.body, "not ready: the storage accepts no data\n");
    server.get("/healthz", "").await.expect(200);
}

#[tokio::test]
async fn a_failure_of_the_server_tells_nothing_of_itself() {
    let server = TestServer::start().await;
    let broken = server
        .state
        .database()
        .change_access(Decided::by_server(), |change| {
            change.execute("DROP TABLE access_grant", &[])?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        });
    broken.await.unwrap();
    let answer = server
        .get("/api/v1/whoami", &server.admin)
        .await
        .expect(500);
    let body: fh_api::ErrorBody = answer.json();
    assert_eq!(
        body.message,
        "the server failed to answer; its log has more under the request id"
    );
    assert!(body.request_id.is_some());
}

/// What the OpenAPI document does not allow, and what schemathesis has found to be taken.
#[tokio::test]
async fn what_the_document_does_not_allow_is_refused() {
    let server = TestServer::start().await;
    let too_large = u64::try_from(i64::MAX).unwrap() + 1;
    for body in [
        json!([null, null]),
        json!([]),
        json!({ "expires_in": too_large }),
        json!({ "description": "two\nlines" }),
        json!({ "description": "one line\n" }),
        json!({ "description": "x".repeat(301) }),
    ] {
        let answer = server.post("/api/v1/tokens", &server.admin, body).await;
        answer.expect(400);
    }
    let path = format!("/api/v1/audit?after={too_large}");
    server.get(&path, &server.admin).await.expect(400);
}
