//! A disk without room: what is refused, with which words, and that taking access away is always done.
//!
//! Here the reserve is given up by hand; `tests/faults/disks.rs` fills a disk.

use fh_persistence::database::{Decided, settings};
use fh_persistence::room::Level;
use http::Method;
use serde_json::{Value, json};

use crate::push::tests::{Item, Scene, request};
use crate::testing::Answer;

#[track_caller]
fn no_room(answer: Answer) {
    assert!(answer.headers.contains_key("retry-after"));
    let message = answer.expect(503).message();
    assert!(message.contains("no room left on its disk"), "{message}");
}

#[tokio::test]
async fn where_the_reserve_is_used_access_is_taken_away_and_nothing_else_is_done() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let room = server.state.database().room().clone();
    assert!(room.keep().unwrap());
    server.get("/readyz", "").await.expect(200);
    let bob = server.user("bob").await;
    server.grant("acme/app", "bob", "read", &scene.ann).await;
    server.member("acme", "bob", "member", &scene.ann).await;
    server.flake("acme/gone", "public", &scene.ann).await;
    let item = Item::new("x", b"x");
    scene.push(&[&item]).await;
    let new = Item::new("new", b"new");
    let id = scene.plan(&[&new]).await.id.unwrap();
    let narrow = server.narrow(&bob, &["pull"], &["*"]).await;

    assert!(room.give_up());
    assert_eq!(room.level().await, Level::GivenUp);
    let ready = server.get("/readyz", "").await.expect(503);
    assert_eq!(
        ready.body,
        "not ready: there is no space left on the disk\n"
    );
    let body = json!({ "flake": "acme/other", "visibility": "private" });
    no_room(server.post("/api/v1/flakes", &scene.ann, body).await);
    let body = json!({ "permissions": ["pull"], "flakes": ["*"] });
    no_room(server.post("/api/v1/tokens", &scene.ann, body).await);
    no_room(
        scene
            .plan_answer(
                "acme/app",
                &scene.ann,
                &request(&[&new, &Item::new("y", b"y")]),
            )
            .await,
    );
    let records = [(new.nar_hash(), new.compressed())];
    let body = crate::push::tests::batch_body(&records);
    no_room(scene.batch_answer("acme/app", &scene.ann, id, body).await);
    // Reading goes on.
    assert_eq!(scene.nar(&item, &bob).await.unwrap(), item.nar);

    server.revoke(&narrow).await;
    server.get("/api/v1/whoami", &narrow).await.expect(401);
    for path in [
        "/api/v1/flakes/acme/app/grants/bob",
        "/api/v1/orgs/acme/members/bob",
        "/api/v1/flakes/acme/gone",
    ] {
        let removed = server.delete(path, &scene.ann).await;
        assert!(removed.status.is_success(), "{path}: {:?}", removed.body);
    }
    assert_eq!(scene.nar(&item, &bob).await, None);
    let path = "/api/v1/users/bob";
    let body = json!({ "disabled": true });
    server
        .call(Method::PATCH, path, &server.admin, Some(body))
        .await
        .expect(200);
    server.get("/api/v1/whoami", &bob).await.expect(401);
    // That gives something.
    let body = json!({ "disabled": false });
    no_room(
        server
            .call(Method::PATCH, path, &server.admin, Some(body))
            .await,
    );

    assert!(room.keep().unwrap());
    let body = json!({ "flake": "acme/other", "visibility": "private" });
    server
        .post("/api/v1/flakes", &scene.ann, body)
        .await
        .expect(201);
}

#[tokio::test]
async fn what_the_server_writes_by_itself_waits_where_it_can() {
    let scene = Scene::new().await;
    let database = scene.server.state.database();
    let room = database.room();
    room.keep().unwrap();
    room.give_up();
    let write = async |decided: Decided| {
        let written: Result<(), fh_persistence::database::DatabaseError> = database
            .write(decided, |tx| settings::set(tx, "a", "1"))
            .await;
        written.is_ok()
    };
    assert!(write(Decided::by_server()).await);
    assert!(!write(Decided::later()).await);
    assert!(!write(Decided::by_server().with_room()).await);
    assert!(write(Decided::at(database.generation()).taking_away()).await);
    assert!(!write(Decided::at(database.generation())).await);
}

#[tokio::test]
async fn where_the_reserve_is_used_access_is_lowered_and_not_raised() {
    let scene = Scene::new().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let room = server.state.database().room().clone();
    assert!(room.keep().unwrap());
    let bob = server.user("bob").await;
    server.grant("acme/app", "bob", "admin", ann).await;
    server.member("acme", "bob", "admin", ann).await;
    server.flake("acme/shown", "public", ann).await;
    let members = "/api/v1/orgs/acme/grants/@members";
    server
        .put(members, ann, json!({ "role": "write" }))
        .await
        .expect(200);
    // Of a guest, of whom nobody has accepted anything.
    server.user("eve").await;
    server.offer("acme/app", "eve", "write", ann).await;
    let policy = |change: Value| {
        let mut policy = json!({
            "provider": "github", "flakes": ["acme/app", "acme/shown"], "role": "write", "max_lifetime": 600,
            "conditions": [{ "claim": "repository", "equals": "acme/app" }, { "claim": "ref", "glob": "refs/heads/*" }],
        });
        policy
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        policy
    };
    for name in ["role", "both", "conditions"] {
        let path = format!("/api/v1/orgs/acme/trust/{name}");
        server.put(&path, ann, policy(json!({}))).await.expect(200);
    }
    assert!(room.give_up());
    let repository = json!({ "claim": "repository", "equals": "acme/app" });
    let on = |reference: &str| json!([repository, { "claim": "ref", "equals": reference }]);

    for (method, path, less, more) in [
        (
            Method::PUT,
            "/api/v1/orgs/acme/trust/role",
            policy(json!({ "role": "read" })),
            policy(json!({ "role": "admin" })),
        ),
        // Less of one thing, and more of another.
        (
            Method::PUT,
            "/api/v1/orgs/acme/trust/both",
            policy(json!({ "max_lifetime": 300 })),
            policy(json!({ "flakes": ["acme/app"], "max_lifetime": 301 })),
        ),
        (
            Method::PUT,
            "/api/v1/orgs/acme/trust/conditions",
            policy(json!({ "conditions": on("refs/heads/main") })),
            policy(json!({ "conditions": on("refs/heads/other") })),
        ),
        (
            Method::PUT,
            "/api/v1/flakes/acme/app/grants/bob",
            json!({ "role": "read" }),
            json!({ "role": "write" }),
        ),
        (
            Method::PUT,
            "/api/v1/flakes/acme/app/grants/eve",
            json!({ "role": "read" }),
            json!({ "role": "write" }),
        ),
        (
            Method::PUT,
            members,
            json!({ "role": "read" }),
            json!({ "role": "admin" }),
        ),
        (
            Method::PUT,
            "/api/v1/orgs/acme/members/bob",
            json!({ "role": "member" }),
            json!({ "role": "owner" }),
        ),
        (
            Method::PATCH,
            "/api/v1/flakes/acme/shown",
            json!({ "visibility": "unlisted" }),
            json!({ "visibility": "public" }),
        ),
        (
            Method::PATCH,
            "/api/v1/orgs/acme",
            json!({ "push": "builders" }),
            json!({ "push": "writers" }),
        ),
        (
            Method::PATCH,
            "/api/v1/orgs/acme",
            json!({ "renewal": "nobody" }),
            json!({ "renewal": "everybody" }),
        ),
    ] {
        let ask = async |body: &Value| {
            let body = Some(body.clone());
            server.call(method.clone(), path, ann, body).await
        };
        let lowered = ask(&less).await;
        assert!(lowered.status.is_success(), "{path}: {:?}", lowered.body);
        no_room(ask(&more).await);
        // Whatever comes beside it would have to wait.
        let mut both = less.clone();
        if method == Method::PATCH {
            let more_of_it = json!({ "description": "x", "renewal": "people" });
            let key = if path.contains("/flakes/") {
                "description"
            } else {
                "renewal"
            };
            both[key] = more_of_it[key].clone();
            no_room(ask(&both).await);
        }
    }
    // What is new gives something, whatever it says.
    let path = "/api/v1/orgs/acme/trust/new";
    no_room(
        server
            .put(path, ann, policy(json!({ "role": "read" })))
            .await,
    );
    // And it has taken effect.
    let new = request(&[&Item::new("new", b"new")]);
    scene.plan_answer("acme/app", &bob, &new).await.expect(403);
}

/// What is so already is not written once more, whether the reserve is used or not: else who repeats it uses that up.
#[tokio::test]
async fn what_is_so_already_is_not_written_again() {
    for is_given_up in [false, true] {
        let scene = Scene::new().await;
        let (server, ann) = (&scene.server, &scene.ann);
        let room = server.state.database().room().clone();
        assert!(room.keep().unwrap());
        let bob = server.user("bob").await;
        server.grant("acme/app", "bob", "admin", ann).await;
        server.member("acme", "bob", "admin", ann).await;
        for visibility in ["public", "unlisted", "private"] {
            server
                .flake(&format!("acme/{visibility}"), visibility, ann)
                .await;
        }
        let team = json!({ "name": "crew" });
        server
            .post("/api/v1/orgs/acme/teams", ann, team)
            .await
            .expect(201);
        let crew = "/api/v1/orgs/acme/teams/crew";
        let token = fh_auth::read_unverified(&server.narrow(&bob, &["pull"], &["*"]).await);
        let token = format!("/api/v1/tokens/{}", token.unwrap().jti);
        if is_given_up {
            assert!(room.give_up());
        }
        let written = async || -> i64 {
            let counted = server.state.database().read(|read| {
                let sql = "SELECT COUNT(*) FROM audit_event";
                Ok(read.one(sql, &[], |row| row.get(0))?)
            });
            counted.await.unwrap()
        };
        let admin = &server.admin;
        let (patch, put, delete) = (Method::PATCH, Method::PUT, Method::DELETE);
        let private = json!({ "visibility": "private" });
        for (method, path, by, body) in [
            (&patch, "/api/v1/flakes/acme/private", ann, private.clone()),
            (
                &patch,
                "/api/v1/flakes/acme/unlisted",
                ann,
                json!({ "visibility": "unlisted" }),
            ),
            (
                &patch,
                "/api/v1/flakes/acme/public",
                ann,
                json!({ "visibility": "public" }),
            ),
            (&patch, "/api/v1/flakes/acme/public", ann, private),
            (&patch, "/api/v1/flakes/acme/private", ann, json!({})),
            (
                &patch,
                "/api/v1/flakes/acme/private",
                ann,
                json!({ "description": "one line" }),
            ),
            (
                &put,
                "/api/v1/flakes/acme/app/grants/bob",
                ann,
                json!({ "role": "read" }),
            ),
            (
                &delete,
                "/api/v1/flakes/acme/app/grants/bob",
                ann,
                json!({}),
            ),
            (
                &put,
                "/api/v1/orgs/acme/members/bob",
                ann,
                json!({ "role": "member" }),
            ),
            (
                &delete,
                format!("{crew}/members/bob").as_str(),
                ann,
                json!({}),
            ),
            (&delete, crew, ann, json!({})),
            (&delete, "/api/v1/orgs/acme/members/bob", ann, json!({})),
            (&delete, "/api/v1/orgs/acme/members/ann", ann, json!({})),
            (
                &patch,
                "/api/v1/orgs/acme",
                ann,
                json!({ "push": "builders" }),
            ),
            (
                &patch,
                "/api/v1/orgs/acme",
                ann,
                json!({ "renewal": "nobody" }),
            ),
            (&patch, "/api/v1/orgs/acme", ann, json!({})),
            (&delete, "/api/v1/orgs/acme/trust/absent", ann, json!({})),
            (
                &delete,
                "/api/v1/orgs/acme/service-accounts/absent",
                ann,
                json!({}),
            ),
            (
                &delete,
                "/api/v1/orgs/acme/roots?root=github:acme",
                admin,
                json!({}),
            ),
            (&delete, "/api/v1/invitations/acme", ann, json!({})),
            (&delete, token.as_str(), &bob, json!({})),
            (
                &patch,
                "/api/v1/users/bob",
                admin,
                json!({ "disabled": true }),
            ),
        ] {
            let ask = async || {
                let body = Some(body.clone()).filter(|_| *method != Method::DELETE);
                server.call(method.clone(), path, by, body).await
            };
            ask().await;
            let before = written().await;
            for _ in 0..3 {
                let answer = ask().await;
                assert_ne!(answer.status, 500, "{method} {path}: {:?}", answer.body);
                assert_eq!(
                    written().await,
                    before,
                    "{method} {path} {body} {is_given_up}"
                );
            }
        }
    }
}

/// Who has very much to take away does not take from others what is kept for them.
#[tokio::test]
async fn one_account_does_not_use_the_reserve_up() {
    let scene = Scene::new().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let room = server.state.database().room().clone();
    assert!(room.keep().unwrap());
    let bob = server.user("bob").await;
    server.member("acme", "bob", "owner", ann).await;
    for name in ["carl", "dora", "eve"] {
        server.user(name).await;
        server.grant("acme/app", name, "admin", ann).await;
    }
    let child = server.narrow(ann, &["pull"], &["*"]).await;
    let found = server.state.database().read(|read| {
        let sql = "SELECT id FROM account WHERE folded = 'ann'";
        Ok(read.one(sql, &[], |row| row.get::<_, i64>(0))?)
    });
    let account = Some(found.await.unwrap());
    // With the reserve there, nothing is counted.
    assert!((0..100_000).all(|_| room.is_for(account, 0)));
    assert!(room.give_up());
    let grant = |name: &str| format!("/api/v1/flakes/acme/app/grants/{name}");
    server.delete(&grant("carl"), ann).await.expect(204);
    while room.is_for(account, 0) {}

    // What takes nothing away is not counted, nor refused.
    server.delete(&grant("carl"), ann).await.expect(204);
    let read = json!({ "role": "read" });
    for refused in [
        server.delete(&grant("dora"), ann).await,
        server.put(&grant("dora"), ann, read.clone()).await,
        server.delete("/api/v1/flakes/acme/app", ann).await,
    ] {
        let told = refused.expect(429).message();
        assert!(told.contains("no room left on its disk"), "{told}");
    }
    server.delete(&grant("carl"), ann).await.expect(204);
    // Whatever was done with a stolen token of theirs, they can revoke it.
    let id = fh_auth::read_unverified(&child).unwrap().jti;
    server
        .delete(&format!("/api/v1/tokens/{id}"), ann)
        .await
        .expect(200);
    server.get("/api/v1/whoami", &child).await.expect(401);
    // Others go on, and so does who manages the server.
    server.put(&grant("dora"), &bob, read).await.expect(200);
    server.delete(&grant("dora"), &bob).await.expect(204);
    let body = json!({ "disabled": true });
    server
        .patch("/api/v1/users/eve", &server.admin, body)
        .await
        .expect(200);

    assert!(room.keep().unwrap());
    server.delete(&grant("eve"), ann).await.expect(204);
}

/// It is room that is shared, and not a number of changes: what is told of one change may be very long.
#[tokio::test]
async fn what_lets_the_database_grow_by_much_counts_for_much() {
    let scene = Scene::with(|settings| settings.limits.json_size = 1 << 20).await;
    let (server, ann) = (&scene.server, &scene.ann);
    let room = server.state.database().room().clone();
    assert!(room.keep().unwrap());
    let conditions = |texts: usize| {
        let text = |number: usize| format!("{number:01000}");
        let texts: Vec<String> = (0..texts).map(text).collect();
        let mut all = vec![json!({ "claim": "repository", "equals": "acme/app" })];
        all.extend((0..4).map(|it| json!({ "claim": format!("claim-{it}"), "one_of": texts })));
        json!(all)
    };
    let policy = |texts: usize| {
        json!({
            "provider": "github", "flakes": ["acme/app"], "role": "write", "conditions": conditions(texts),
        })
    };
    for (name, texts) in [("short", 2), ("long", 95)] {
        let path = format!("/api/v1/orgs/acme/trust/{name}");
        server.put(&path, ann, policy(texts)).await.expect(200);
    }
    assert!(room.give_up());
    // It would be told what it was, and what it is.
    let path = "/api/v1/orgs/acme/trust/long";
    let told = server.put(path, ann, policy(94)).await.expect(429);
    assert!(told.message().contains("has used its part"));
    let short = "/api/v1/orgs/acme/trust/short";
    server.put(short, ann, policy(1)).await.expect(200);
    // Where it was there is room for what is told of it.
    server.delete(path, ann).await.expect(204);
    server.get(path, ann).await.expect(404);
}
