use http::{Method, Request};
use serde_json::{Value, json};

use super::*;
use crate::listen::Peer;
use crate::testing::TestServer;

fn denial(address: &str) -> Denial {
    Denial {
        at: now(),
        action: "denied.GET /users".to_owned(),
        actor: None,
        address: Some(address.parse().unwrap()),
        request_id: None,
        organization: None,
        project: None,
        subject: String::new(),
        detail: json!({}),
    }
}

#[test]
fn of_one_origin_so_many_a_minute_are_told_apart_and_the_rest_is_counted() {
    let mut noted = Noted::default();
    let start = Instant::now();
    for _ in 0..100 {
        noted.note(denial("192.0.2.1"), start);
        // Others are not silenced by it.
        noted.note(denial("2001:db8::1"), start);
    }
    noted.note(denial("198.51.100.1"), start);
    assert_eq!(noted.take(false, start).len(), 121);
    // Nothing new within the minute.
    noted.note(denial("192.0.2.1"), start + WINDOW / 2);
    assert!(noted.take(false, start + WINDOW / 2).is_empty());
    let later = noted.take(false, start + WINDOW);
    let mut counts: Vec<u64> = later
        .iter()
        .map(|event| {
            assert_eq!(event.action, MORE);
            event.detail["count"].as_u64().unwrap()
        })
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [40, 41]);
    noted.note(denial("192.0.2.1"), start + WINDOW);
    assert_eq!(noted.take(false, start + WINDOW).len(), 1);
}

#[test]
fn a_new_minute_of_an_origin_tells_of_the_one_before() {
    let mut noted = Noted::default();
    let start = Instant::now();
    for _ in 0..70 {
        noted.note(denial("192.0.2.1"), start);
    }
    noted.note(denial("192.0.2.1"), start + WINDOW);
    let events = noted.take(false, start + WINDOW);
    let told: Vec<_> = events[60..].iter().map(|event| &event.detail).collect();
    assert_eq!(
        told,
        [
            &json!({ "count": 10, "last": "denied.GET /users" }),
            &json!({})
        ]
    );
}

#[test]
fn what_has_no_room_is_counted() {
    let mut noted = Noted::default();
    let start = Instant::now();
    let total = (ORIGINS + WAITING) as u32;
    for number in 0..total {
        let address = std::net::Ipv4Addr::from_bits(number).to_string();
        noted.note(denial(&address), start);
    }
    assert!(noted.windows.len() <= ORIGINS);
    let events = noted.take(true, start);
    assert!(events.len() <= WAITING + 1);
    let lost = events.last().unwrap().detail["count"].as_u64().unwrap();
    assert_eq!(events.len() as u64 - 1 + lost, u64::from(total));
    // And what could not be written is not lost.
    noted.put_back(&events[..10]);
    assert_eq!(noted.take(true, start).len(), 10);
}

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
            json!(["denied.GET /users", "bob", null, "", 403]),
            json!([
                "denied.DELETE /flakes/{org}/{project}",
                "bob",
                "acme/App",
                "ACME/app",
                404
            ]),
            json!([
                "denied.PATCH /flakes/{org}/{project}",
                "bob",
                "acme/open",
                "acme/open",
                403
            ]),
            json!([
                "denied.DELETE /flakes/{org}/{project}",
                "bob",
                null,
                "no/where",
                404
            ]),
            json!(["denied.GET /whoami", null, null, "", 401]),
            json!(["denied.GET /whoami", null, null, "", 401]),
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
