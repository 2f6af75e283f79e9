use fh_access::denials::{A_WINDOW, MORE};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::testing::TestServer;

/// What the log holds, newest last: action, user, flake, subject, status, address.
async fn denied(server: &TestServer) -> Vec<Value> {
    server.state.denials().flush(true).await.unwrap();
    let path = "/api/v1/audit?denied=true&after=0";
    let answer = server.get(path, &server.admin).await.expect(200);
    let list: Value = answer.json();
    let events = list["events"].as_array().unwrap();
    let told = events.iter().map(|event| {
        json!([
            event["action"],
            event["user"],
            event["flake"],
            event["subject"],
            event["detail"]["status"],
        ])
    });
    told.collect()
}

#[tokio::test]
async fn whatever_is_refused_is_told_with_who_and_what() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    server.organization("acme", &ann).await;
    server.flake("acme/App", "private", &ann).await;
    server.flake("acme/open", "public", &ann).await;
    let revoked = server.narrow(&bob, &["pull"], &["*"]).await;
    server.revoke(&revoked).await;

    // None of these are noted: they are allowed, unknown to everybody, or ask for what is not there.
    server.get("/api/v1/flakes", &bob).await.expect(200);
    server
        .get("/api/v1/flakes/acme/app", &bob)
        .await
        .expect(404);
    server.get("/api/v1/users", "").await.expect(401);
    server
        .delete("/api/v1/flakes/acme/app", "")
        .await
        .expect(404);
    server
        .post("/api/v1/orgs", &bob, json!({ "name": "-" }))
        .await
        .expect(400);
    assert_eq!(denied(&server).await, Vec::<Value>::new());

    server.get("/api/v1/users", &bob).await.expect(403);
    server
        .delete("/api/v1/flakes/ACME/app", &bob)
        .await
        .expect(404);
    server
        .patch("/api/v1/flakes/acme/open", &bob, json!({}))
        .await
        .expect(403);
    server
        .delete("/api/v1/flakes/no/where", &bob)
        .await
        .expect(404);
    server.get("/api/v1/whoami", &revoked).await.expect(401);
    server.get("/api/v1/whoami", "garbage").await.expect(401);
    assert_eq!(
        denied(&server).await,
        [
            json!(["denied.user.list", "bob", null, "", 403]),
            json!(["denied.flake.delete", "bob", "acme/App", "ACME/app", 404]),
            json!(["denied.flake.update", "bob", "acme/open", "acme/open", 403]),
            json!(["denied.flake.delete", "bob", null, "no/where", 404]),
            json!(["denied.token.whoami", null, null, "", 401]),
            json!(["denied.token.whoami", null, null, "", 401]),
        ]
    );
}

#[tokio::test]
async fn an_event_tells_from_where_and_never_a_token_or_a_query() {
    let server = TestServer::start().await;
    let bob = server.user("bob").await;
    let path = format!("/api/v1/tokens/{bob}?secret=s3cr3t");
    let mut request = Request::builder()
        .method(Method::DELETE)
        .uri(path)
        .header("authorization", format!("Bearer {bob}"))
        .body(axum::body::Body::from("body-s3cr3t"))
        .unwrap();
    let peer = Peer::Tcp("[2001:db8::7]:99".parse().unwrap());
    request.extensions_mut().insert(peer);
    let answer = server.send(request).await.expect(404);
    server.state.denials().flush(true).await.unwrap();
    let list: fh_api::AuditList = server
        .get("/api/v1/audit?action=denied.", &server.admin)
        .await
        .expect(200)
        .json();
    let [event] = list.events.as_slice() else {
        panic!("{list:?}")
    };
    assert_eq!(event.address.as_deref(), Some("2001:db8::7"));
    assert_eq!(event.user.as_deref(), Some("bob"));
    let id = fh_auth::read_unverified(&bob).unwrap().jti;
    assert_eq!(event.token, Some(id));
    assert!(event.request_id.is_some());
    assert_eq!(
        answer.headers["x-request-id"],
        event.request_id.clone().unwrap()
    );
    assert_eq!(
        event.subject.as_deref(),
        Some("(withheld: it looks like a token)")
    );
    let text = format!("{event:?}");
    assert!(!text.contains("s3cr3t") && !text.contains(&bob), "{text}");
}

/// Somebody makes noise where nothing is, and then tries what they may not in an organisation.
#[tokio::test]
async fn noise_elsewhere_keeps_nothing_out_of_an_organisations_log() {
    let server = TestServer::start_with(tempfile::TempDir::new().unwrap(), |settings| {
        settings.limits.request_rate = 0;
    })
    .await;
    let ann = server.user("ann").await;
    let mallory = server.user("mallory").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    server.organization("hers", &mallory).await;
    for path in ["/api/v1/flakes/nowhere/x", "/api/v1/flakes/hers/x"] {
        for _ in 0..A_WINDOW + 10 {
            server.delete(path, &mallory).await.expect(404);
        }
    }
    server
        .delete("/api/v1/flakes/acme/app", &mallory)
        .await
        .expect(404);
    let owner = json!({ "role": "owner" });
    for _ in 0..A_WINDOW + 4 {
        let path = "/api/v1/orgs/acme/members/mallory";
        server.put(path, &mallory, owner.clone()).await.expect(404);
    }
    server.state.denials().flush(true).await.unwrap();
    let path = "/api/v1/audit?org=acme&denied=true&after=0&limit=1000";
    let list: fh_api::AuditList = server.get(path, &ann).await.expect(200).json();
    let told: Vec<&str> = list
        .events
        .iter()
        .map(|event| event.action.as_str())
        .collect();
    assert_eq!(told.len(), A_WINDOW as usize + 1, "{told:?}");
    assert_eq!(told[0], "denied.flake.delete");
    let last = list.events.last().unwrap();
    assert_eq!(
        (last.action.as_str(), last.user.as_deref()),
        (MORE, Some("mallory"))
    );
    let detail = last.detail.as_ref().unwrap();
    assert_eq!(detail["count"], json!(5));
    assert_eq!(detail["last"], json!("denied.member.set"));
}
