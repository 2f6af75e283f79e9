//! What is finished after the caller has lost what they began it with: it does nothing, and is answered
//! as it would be if it were begun then.

mod random;

use std::time::Duration;

use axum::body::{Body, Bytes};
use fh_api::PushRequest;
use fh_persistence::database::DatabaseError;
use fh_persistence::database::Decided;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::push::tests::Item;
use crate::testing::{Answer, TestServer};

/// A request with JSON, which comes as this stream.
pub(super) fn request(method: Method, path: &str, token: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

/// Sends a request whose body stands still in its middle until something else has happened.
pub(super) async fn interrupted(
    server: &TestServer,
    (method, path, token): (Method, &str, &str),
    body: &Value,
    meanwhile: impl Future<Output = ()>,
) -> Answer {
    let text = body.to_string();
    let (first, second) = text.split_at(text.len() / 2);
    let (first, second) = (
        Bytes::from(first.to_owned()),
        Bytes::from(second.to_owned()),
    );
    let (reached, reading) = oneshot::channel();
    let (done, go) = oneshot::channel::<()>();
    let rest = stream::once(async move {
        reached.send(()).unwrap();
        go.await.unwrap();
        Ok::<_, std::io::Error>(second)
    });
    let body = stream::iter([Ok(first)]).chain(rest);
    let request = request(method, path, token, Body::from_stream(body));
    let interruption = async {
        reading.await.expect("the body is read");
        meanwhile.await;
        done.send(()).unwrap();
    };
    tokio::join!(server.send(request), interruption).0
}

/// Two owners of acme, which has a private flake, and carl, who holds nothing.
struct Scene {
    server: TestServer,
    ann: String,
    bob: String,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (ann, bob) = (server.user("ann").await, server.user("bob").await);
        server.user("carl").await;
        server.organization("acme", &ann).await;
        server.flake("acme/app", "private", &ann).await;
        let scene = Self { server, ann, bob };
        scene.set_bob("owner").await;
        scene
    }

    async fn set_bob(&self, role: &str) {
        let path = "/api/v1/orgs/acme/members/bob";
        let answer = self
            .server
            .put(path, &self.ann, json!({ "role": role }))
            .await;
        let member: fh_api::MemberInfo = answer.expect(200).json();
        if member.invited {
            self.server.accept("acme", "bob").await;
        }
    }

    async fn remove_bob(&self) {
        let path = "/api/v1/orgs/acme/members/bob";
        self.server.delete(path, &self.ann).await.expect(204);
    }

    /// Everything that was done, by bob or by others, but for what was refused.
    async fn done(&self) -> Vec<String> {
        let rows = self.server.state.database().read(|read| {
            let sql = "SELECT user_name || ' ' || action FROM audit_event \
                       WHERE denied = 0 AND user_name IS NOT NULL ORDER BY id";
            Ok(read.all(sql, &[], |row| row.get::<_, String>(0))?)
        });
        rows.await.unwrap()
    }

    /// Bob's request is as if it was never sent, where he is removed before its body ends.
    async fn refuses(&self, method: Method, path: &str, body: Value) {
        let before = self.done().await;
        let asked = (method, path, self.bob.as_str());
        let answer = interrupted(&self.server, asked, &body, self.remove_bob()).await;
        let answer = answer.expect(404);
        assert_eq!(
            answer.message(),
            "not found, or you do not have access",
            "{path}"
        );
        let mut after = self.done().await;
        assert_eq!(after.pop().unwrap(), "ann member.remove", "{path}");
        assert_eq!(after, before, "{path}");
        self.set_bob("owner").await;
    }
}

#[tokio::test]
async fn members() {
    let scene = Scene::new().await;
    let owner = json!({ "role": "owner" });
    scene
        .refuses(Method::PUT, "/api/v1/orgs/acme/members/bob", owner.clone())
        .await;
    scene
        .refuses(Method::PUT, "/api/v1/orgs/acme/members/carl", owner)
        .await;
}

#[tokio::test]
async fn grants() {
    let scene = Scene::new().await;
    let admin = json!({ "role": "admin" });
    for path in [
        "/api/v1/orgs/acme/grants/bob",
        "/api/v1/orgs/acme/grants/carl",
        "/api/v1/flakes/acme/app/grants/bob",
    ] {
        scene.refuses(Method::PUT, path, admin.clone()).await;
    }
}

#[tokio::test]
async fn teams_service_accounts_organizations_and_flakes() {
    let scene = Scene::new().await;
    for (method, path, body) in [
        (
            Method::POST,
            "/api/v1/orgs/acme/teams",
            json!({ "name": "core" }),
        ),
        (
            Method::POST,
            "/api/v1/orgs/acme/service-accounts",
            json!({ "name": "acme-ci" }),
        ),
        (
            Method::PATCH,
            "/api/v1/orgs/acme",
            json!({ "push": "builders" }),
        ),
        (
            Method::PATCH,
            "/api/v1/flakes/acme/app",
            json!({ "visibility": "public" }),
        ),
        (
            Method::POST,
            "/api/v1/flakes",
            json!({ "flake": "acme/new", "visibility": "public" }),
        ),
    ] {
        scene.refuses(method, path, body).await;
    }
}

#[tokio::test]
async fn trust() {
    let scene = Scene::new().await;
    let policy = json!({
        "provider": "github", "role": "write", "flakes": ["acme/app"],
        "conditions": [{ "claim": "repository", "equals": "bob/app" }],
    });
    scene
        .refuses(Method::PUT, "/api/v1/orgs/acme/trust/ci", policy)
        .await;
}

#[tokio::test]
async fn plans() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"contents");
    let plan = PushRequest {
        paths: vec![item.info.clone()],
        skip_signed_by: Vec::new(),
        dry_run: false,
        logs: Vec::new(),
        realisations: Vec::new(),
    };
    let plan = serde_json::to_value(plan).unwrap();
    let path = "/api/v1/flakes/acme/app/pushes";
    scene.refuses(Method::POST, path, plan.clone()).await;
    let pushes = scene.server.state.database().read(|read| {
        let count = "SELECT COUNT(*) FROM push";
        Ok(read.one(count, &[], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(pushes.await.unwrap(), 0);
    // Of a flake that was made anew under the same name, the caller is asked anew as well.
    let anew = async {
        let flake = "/api/v1/flakes/acme/app";
        scene.server.delete(flake, &scene.ann).await.expect(204);
        scene.server.flake("acme/app", "private", &scene.ann).await;
    };
    let asked = (Method::POST, path, scene.bob.as_str());
    interrupted(&scene.server, asked, &plan, anew)
        .await
        .expect(201);
}

#[tokio::test]
async fn users() {
    let scene = Scene::new().await;
    let set = async |server_admin: bool| {
        let path = "/api/v1/users/bob";
        let body = json!({ "server_admin": server_admin });
        let answer = scene.server.patch(path, &scene.server.admin, body).await;
        answer.expect(200);
    };
    for (method, path, body) in [
        (Method::POST, "/api/v1/users", json!({ "name": "dora" })),
        (
            Method::PATCH,
            "/api/v1/users/bob",
            json!({ "server_admin": true }),
        ),
        (
            Method::PATCH,
            "/api/v1/users/ann",
            json!({ "disabled": true }),
        ),
    ] {
        set(true).await;
        let before = scene.done().await;
        let asked = (method, path, scene.bob.as_str());
        interrupted(&scene.server, asked, &body, set(false))
            .await
            .expect(403);
        let after = scene.done().await;
        assert_eq!(after[..after.len() - 1], before, "{path}");
    }
}

#[tokio::test]
async fn mint_and_rotation() {
    let scene = Scene::new().await;
    for rotates in [false, true] {
        let all = ["pull", "push", "mint", "admin"];
        let token = scene.server.narrow(&scene.bob, &all, &["*"]).await;
        let child = scene.server.narrow(&token, &["pull"], &["*"]).await;
        let id = fh_auth::read_unverified(&child).unwrap().jti;
        let (path, body) = if rotates {
            (
                format!("/api/v1/tokens/{id}/rotate"),
                json!({ "grace": 86_400 }),
            )
        } else {
            (
                "/api/v1/tokens".to_owned(),
                json!({ "permissions": ["pull"] }),
            )
        };
        let before = scene.done().await;
        let asked = (Method::POST, path.as_str(), token.as_str());
        let answer = interrupted(&scene.server, asked, &body, scene.server.revoke(&token)).await;
        assert!(
            answer
                .expect(401)
                .message()
                .starts_with("the token was revoked")
        );
        let after = scene.done().await;
        assert_eq!(after[..after.len() - 1], before);
    }
}

#[tokio::test]
async fn a_token_that_ends_while_the_body_comes_in() {
    let scene = Scene::new().await;
    let body = json!({ "permissions": ["pull", "admin"], "expires_in": 1 });
    let token = scene.server.mint(&scene.bob, body).await.token;
    let asked = (Method::POST, "/api/v1/orgs/acme/teams", token.as_str());
    let ends = tokio::time::sleep(Duration::from_millis(1100));
    let answer = interrupted(&scene.server, asked, &json!({ "name": "core" }), ends).await;
    assert!(
        answer
            .expect(401)
            .message()
            .starts_with("the token expired")
    );
    assert_eq!(scene.server.audited("team.create").await, 0);
}

#[tokio::test]
async fn what_concerns_others_costs_nothing_but_a_further_run() {
    let scene = Scene::new().await;
    let asked = (Method::POST, "/api/v1/orgs/acme/teams", scene.bob.as_str());
    let other = scene.server.organization("other", &scene.ann);
    let answer = interrupted(&scene.server, asked, &json!({ "name": "core" }), other).await;
    answer.expect(201);
    // One who is demoted may still do what is left to them.
    let asked = (Method::POST, "/api/v1/orgs/acme/teams", scene.bob.as_str());
    let demoted = scene.set_bob("admin");
    interrupted(&scene.server, asked, &json!({ "name": "more" }), demoted)
        .await
        .expect(201);
}

#[tokio::test]
async fn many_changes_at_once_all_come_to_their_end() {
    let scene = Scene::new().await;
    let names: Vec<String> = (0..24)
        .map(|n| format!("/api/v1/orgs/acme/members/m{n}"))
        .collect();
    for name in &names {
        scene.server.user(name.rsplit('/').next().unwrap()).await;
    }
    let member = || json!({ "role": "member" });
    let changes = names
        .iter()
        .map(|path| scene.server.put(path, &scene.ann, member()));
    for answer in futures_util::future::join_all(changes).await {
        answer.expect(200);
    }
}

/// What has no body waits for the writing connection, and may be overtaken there.
#[tokio::test]
async fn what_waits_for_the_database_while_access_changes() {
    let scene = Scene::new().await;
    let team = json!({ "name": "core" });
    let teams = "/api/v1/orgs/acme/teams";
    scene.server.post(teams, &scene.ann, team).await.expect(201);
    for (method, path, body) in [
        (Method::DELETE, "/api/v1/flakes/acme/app", None),
        // A body that nobody reads is no hindrance.
        (
            Method::PUT,
            "/api/v1/orgs/acme/teams/core/members/ann",
            Some(json!({})),
        ),
        (Method::DELETE, "/api/v1/orgs/acme/members/ann", None),
        (
            Method::PUT,
            "/api/v1/orgs/acme/members/bob",
            Some(json!({ "role": "owner" })),
        ),
    ] {
        let (entered, begun) = oneshot::channel();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let database = scene.server.state.database().clone();
        let holder = tokio::spawn(async move {
            let held = database.write(Decided::by_server(), move |_| {
                entered.send(()).unwrap();
                held.recv().unwrap();
                Ok::<_, DatabaseError>(())
            });
            held.await.unwrap();
        });
        begun.await.unwrap();
        let overtaken = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            scene.server.call(method, path, &scene.bob, body).await
        };
        let release = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            release.send(()).unwrap();
        };
        let ((), answer, ()) = tokio::join!(scene.remove_bob(), overtaken, release);
        answer.expect(404);
        holder.await.unwrap();
        assert_eq!(
            scene.done().await.last().unwrap(),
            "ann member.remove",
            "{path}"
        );
        scene.set_bob("owner").await;
    }
}

#[tokio::test]
async fn a_body_that_drips_has_a_time_as_a_whole() {
    let server = TestServer::start_with(TempDir::new().unwrap(), |settings| {
        settings.timeouts.body = Duration::from_millis(300);
        settings.timeouts.plan = Duration::from_millis(600);
    })
    .await;
    let ann = server.user("ann").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    for (path, after) in [
        ("/api/v1/tokens", 0.3),
        ("/api/v1/flakes/acme/app/pushes", 0.6),
    ] {
        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        let request = request(Method::POST, path, &ann, Body::from_stream(drops));
        let since = std::time::Instant::now();
        let answer = server.send(request).await.expect(408);
        assert!(since.elapsed().as_secs_f32() >= after);
        let sentence = format!("the body was not complete within {after} seconds");
        assert_eq!(answer.message(), sentence);
    }
}

#[tokio::test]
async fn who_may_not_ask_is_refused_before_the_body() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    server.organization("acme", &ann).await;
    for (method, path, token, status) in [
        (Method::POST, "/api/v1/tokens", "nonsense", 401),
        (
            Method::PUT,
            "/api/v1/orgs/acme/members/bob",
            bob.as_str(),
            404,
        ),
        (Method::POST, "/api/v1/users", bob.as_str(), 403),
    ] {
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let answer = server.send(request(method, path, token, never)).await;
        answer.expect(status);
    }
}
