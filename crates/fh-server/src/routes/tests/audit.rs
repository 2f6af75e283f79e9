//! Who reads the audit log, which part of it, and that nobody can change it.

use std::time::{Duration, Instant};

use fh_api::{AuditEvent, AuditList};
use fh_persistence::database::audit::{self, Denial};
use fh_persistence::database::{Decided, now};
use http::Method;
use serde_json::json;

use crate::testing::TestServer;

async fn events(server: &TestServer, query: &str, token: &str) -> Vec<AuditEvent> {
    let path = format!("/api/v1/audit{query}");
    let list: AuditList = server.get(&path, token).await.expect(200).json();
    list.events
}

fn actions(events: &[AuditEvent]) -> Vec<&str> {
    events.iter().map(|event| event.action.as_str()).collect()
}

/// Ann's organisation with a flake that Bob reads, and one of Bob's.
async fn scene() -> (TestServer, String, String) {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    server.grant("acme/app", "bob", "read", &ann).await;
    server.organization("other", &bob).await;
    server.flake("other/app", "private", &bob).await;
    (server, ann, bob)
}

#[tokio::test]
async fn an_administrator_of_an_organisation_reads_what_happened_in_it_alone() {
    let (server, ann, bob) = scene().await;
    let all = events(&server, "?after=0", &server.admin).await;
    assert!(actions(&all).contains(&"token.create"), "{all:?}");
    let mine = events(&server, "?org=ACME", &ann).await;
    assert_eq!(
        actions(&mine),
        ["organization.create", "flake.create", "grant.set"]
    );
    let cleo = server.user("cleo").await;
    for (token, query, status) in [
        ("", "?org=acme", 401),
        // Bob reads something there, so he may know of it.
        (bob.as_str(), "?org=acme", 403),
        (cleo.as_str(), "?org=acme", 404),
        (bob.as_str(), "?org=absent", 404),
        (ann.as_str(), "", 403),
        (ann.as_str(), "?org=other", 404),
    ] {
        let path = format!("/api/v1/audit{query}");
        server.get(&path, token).await.expect(status);
    }
    let without = server.narrow(&ann, &["pull", "push", "mint"], &["*"]).await;
    server
        .get("/api/v1/audit?org=acme", &without)
        .await
        .expect(403);
    let narrow = server.narrow(&ann, &["admin"], &["acme/app"]).await;
    server
        .get("/api/v1/audit?org=acme", &narrow)
        .await
        .expect(404);
    let of_the_whole = server.narrow(&ann, &["admin"], &["acme/*"]).await;
    assert_eq!(events(&server, "?org=acme", &of_the_whole).await, mine);
    let narrow = server.narrow(&server.admin, &["admin"], &["acme/*"]).await;
    server.get("/api/v1/audit", &narrow).await.expect(403);
}

#[tokio::test]
async fn a_later_organisation_of_the_same_name_sees_nothing_of_the_former() {
    let (server, _, bob) = scene().await;
    let removed = server
        .state
        .database()
        .change_access(Decided::by_server(), |change| {
            change.execute("DELETE FROM flake", &[])?;
            change.execute("DELETE FROM organization", &[])?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        });
    removed.await.unwrap();
    // The directory is read anew with the next organisation.
    server.organization("acme", &bob).await;
    let seen = events(&server, "?org=acme", &bob).await;
    assert_eq!(actions(&seen), ["organization.create"]);
    let seen = events(&server, "?org=acme", &server.admin).await;
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[tokio::test]
async fn filters_narrow_and_pages_follow_each_other() {
    let (server, ann, _) = scene().await;
    let admin = &server.admin;
    let all = events(&server, "?after=0&limit=1000", admin).await;
    let of = async |query: &str| events(&server, query, &server.admin).await;
    for (query, expected) in [
        ("?flake=Acme/App", vec!["flake.create", "grant.set"]),
        ("?user=ANN&action=grant", vec!["grant.set"]),
        ("?action=organization.", vec!["organization.create"; 2]),
        ("?denied=true", vec![]),
        ("?user=nobody", vec![]),
        ("?until=2000-01-01T00:00:00Z", vec![]),
        ("?since=2999-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(actions(&of(query).await), expected, "{query}");
    }
    assert_eq!(of("?since=2000-01-01T00:00:00Z").await, all);
    let id = fh_auth::read_unverified(&ann).unwrap().jti;
    let by_token = of(&format!("?token={id}")).await;
    assert_eq!(by_token.len(), 3);
    // The newest, in the order in which they happened.
    assert_eq!(of("?limit=2").await, all[all.len() - 2..]);
    let mut paged = Vec::new();
    let mut after = 0;
    loop {
        let path = format!("/api/v1/audit?after={after}&limit=2");
        let page: AuditList = server.get(&path, admin).await.expect(200).json();
        if page.events.is_empty() {
            assert_eq!(page.next, after);
            break;
        }
        after = page.next;
        paged.extend(page.events);
    }
    assert_eq!(paged, all);
    for query in ["limit=0", "limit=1001", "wait=31", "x=1", "since=yesterday"] {
        let path = format!("/api/v1/audit?{query}");
        server.get(&path, admin).await.expect(400);
    }
}

#[tokio::test]
async fn who_waits_is_told_at_once_and_not_after_a_revocation() {
    let (server, ann, _) = scene().await;
    let last: AuditList = server
        .get("/api/v1/audit?limit=1", &server.admin)
        .await
        .json();
    let path = format!("/api/v1/audit?action=grant&wait=20&after={}", last.next);
    let started = Instant::now();
    let (answer, ()) = tokio::join!(server.get(&path, &server.admin), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Something else wakes nobody for good.
        server.flake("acme/second", "private", &ann).await;
        server.grant("acme/second", "bob", "read", &ann).await;
    });
    let list: AuditList = answer.expect(200).json();
    assert_eq!(actions(&list.events), ["grant.set"]);
    assert!(started.elapsed() < Duration::from_secs(10));

    let path = format!("/api/v1/audit?org=acme&wait=20&after={}", list.next);
    let reader = server.narrow(&ann, &["admin"], &["acme/*"]).await;
    let (answer, ()) = tokio::join!(server.get(&path, &reader), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.revoke(&reader).await;
        server.grant("acme/app", "bob", "write", &ann).await;
    });
    answer.expect(401);

    // Nothing comes: an empty answer after the time, or when the server stops.
    let now: AuditList = server
        .get("/api/v1/audit?limit=1", &server.admin)
        .await
        .json();
    let path = format!("/api/v1/audit?wait=1&after={}", now.next);
    let none: AuditList = server.get(&path, &server.admin).await.expect(200).json();
    assert!(none.events.is_empty());
    let path = format!("/api/v1/audit?wait=30&after={}", none.next);
    let started = Instant::now();
    let (answer, ()) = tokio::join!(server.get(&path, &server.admin), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.state.stopping().cancel();
    });
    answer.expect(200);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn nobody_changes_or_removes_what_was_written() {
    let (server, _, _) = scene().await;
    for sql in [
        "DELETE FROM audit_event",
        "DELETE FROM audit_event WHERE id = (SELECT MAX(id) FROM audit_event)",
        "UPDATE audit_event SET user_name = 'mallory'",
        "UPDATE audit_event SET detail = NULL WHERE id = 1",
        "INSERT OR REPLACE INTO audit_event (id, at, action) VALUES (1, 0, 'x')",
    ] {
        let refused = server
            .state
            .database()
            .write(Decided::by_server(), move |tx| {
                // As every transaction of the server has it.
                tx.execute(sql, &[])?;
                Ok::<_, fh_persistence::database::DatabaseError>(())
            });
        let error = fh_api::with_causes(&refused.await.expect_err(sql));
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn no_secret_gets_into_the_log() {
    let (server, ann, bob) = scene().await;
    let revoked = server.narrow(&bob, &["pull"], &["*"]).await;
    server.revoke(&revoked).await;
    let described = server
        .mint(&ann, json!({ "description": "laptop", "expires_in": 60 }))
        .await
        .token;
    server
        .post("/api/v1/keys/rotate", &server.admin, json!({}))
        .await
        .expect(200);
    // Tokens wherever they do not belong.
    server
        .delete(&format!("/api/v1/tokens/{ann}"), &bob)
        .await
        .expect(404);
    server
        .delete(&format!("/api/v1/flakes/acme/{ann}"), &bob)
        .await
        .expect(404);
    server.get("/api/v1/users", &revoked).await.expect(401);
    let path = format!("/api/v1/flakes/acme/app/grants/{}", &described[4..]);
    server
        .put(&path, &ann, json!({ "role": "read" }))
        .await
        .expect(422);
    server
        .put(&path, &bob, json!({ "role": "read" }))
        .await
        .expect(403);
    server.state.denials().flush(true).await.unwrap();

    let dump = server.state.database().read(|read| {
        let texts = crate::testing::dump(read, "audit_event")?;
        let sql = "SELECT secret FROM signing_key WHERE state <> 'retired'";
        let secrets = read.all(sql, &[], |row| row.get::<_, String>(0))?;
        Ok((texts, secrets))
    });
    let (dump, mut secrets) = dump.await.unwrap();
    for token in [&server.admin, &ann, &bob, &revoked, &described] {
        secrets.push(token.clone());
        // Its parts too: the signature alone would do.
        secrets.extend(token.split('.').skip(1).map(str::to_owned));
    }
    assert!(
        dump.contains("key.rotate") && dump.contains("denied."),
        "{dump}"
    );
    assert_eq!(secrets.len(), 3 + 5 * 3);
    for secret in secrets {
        let secret = secret.rsplit(':').next().unwrap().to_owned();
        assert!(!dump.contains(&secret), "{dump}");
    }
    assert!(!dump.contains(fh_api::TOKEN_PREFIX), "{dump}");
}

/// Who filters for what was done finds what was refused by the same words, whenever it was written down.
#[tokio::test]
async fn refusals_are_told_by_the_names_of_what_was_refused() {
    let (server, _, bob) = scene().await;
    let role = json!({ "role": "read" });
    for (method, path, body, action) in [
        (
            Method::PUT,
            "/flakes/acme/app/grants/bob",
            role.clone(),
            "grant.set",
        ),
        (Method::PUT, "/orgs/acme/members/bob", role, "member.set"),
        (
            Method::DELETE,
            "/orgs/acme/teams/ops/members/bob",
            json!(null),
            "team.remove",
        ),
        (Method::GET, "/orgs/acme/access", json!(null), "access.list"),
        (Method::POST, "/keys/rotate", json!({}), "key.rotate"),
        (Method::GET, "/users", json!(null), "user.list"),
        // Of a pattern that ends in the same words as another.
        (
            Method::POST,
            "/orgs/acme/keys/rotate",
            json!({}),
            "key.rotate",
        ),
    ] {
        let path = format!("/api/v1{path}");
        let refused = server.call(method, &path, &bob, Some(body)).await;
        refused.expect(403);
        server.state.denials().flush(true).await.unwrap();
        let told = events(&server, "?denied=true&limit=1", &server.admin).await;
        assert_eq!(actions(&told), [format!("denied.{action}")], "{path}");
        for prefix in [action.to_owned(), format!("denied.{action}")] {
            let query = format!("?denied=true&action={prefix}&limit=1");
            assert_eq!(events(&server, &query, &server.admin).await, told);
        }
        // Without that it is what was done.
        let query = format!("?action={action}");
        let done = events(&server, &query, &server.admin).await;
        assert!(done.iter().all(|event| !event.denied), "{done:?}");
    }
    // As a server of before has written them.
    for (written, detail) in [
        (
            "denied.DELETE /orgs/{org}/service-accounts/{user}",
            json!({ "status": 403 }),
        ),
        ("denied.HEAD /reserved-names", json!({ "status": 403 })),
        (
            "denied.more",
            json!({ "count": 9, "last": "denied.POST /orgs/{org}/roots" }),
        ),
    ] {
        let denial = Denial {
            at: now(),
            action: written.to_owned(),
            actor: None,
            address: None,
            request_id: None,
            organization: None,
            project: None,
            subject: String::new(),
            detail,
        };
        let database = server.state.database();
        let writing = database.write(Decided::by_server(), move |tx| {
            audit::record_denial(tx, &denial)
        });
        writing.await.unwrap();
    }
    let told = events(&server, "?denied=true&limit=3", &server.admin).await;
    assert_eq!(
        actions(&told),
        [
            "denied.service-account.remove",
            "denied.name.list",
            "denied.more"
        ]
    );
    let detail = json!({ "count": 9, "last": "denied.root.request" });
    assert_eq!(told[2].detail, Some(detail));
    for (query, found) in [
        ("?denied=true&action=service-account", 1),
        ("?action=denied.service-account.remove", 1),
        ("?action=denied.name", 1),
        ("?denied=true&action=key", 2),
        ("?action=denied.DELETE", 1),
        ("?action=service-account", 0),
    ] {
        let told = events(&server, query, &server.admin).await;
        assert_eq!(told.len(), found, "{query}: {told:?}");
    }
}
