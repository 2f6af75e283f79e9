//! Other names: the former one leads to the same thing, and to nothing else.

mod taken;

use fh_api::{
    FlakeInfo, FlakePattern, FollowList, GrantInfo, MintedToken, OrganizationInfo, TrustPolicyInfo,
    UserInfo, Whoami,
};
use fh_settings::{OrganizationCreation, Settings};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::testing::TestServer;

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

/// A server with the organisation acme of Ann, its flake app, and bob, who owns corp.
struct Scene {
    server: TestServer,
    ann: String,
    bob: String,
}

async fn scene() -> Scene {
    let anyone = |settings: &mut Settings| {
        settings.organization_creation = OrganizationCreation::Anyone;
    };
    let server = TestServer::start_with(TempDir::new().unwrap(), anyone).await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "public", &ann).await;
    server.flake("acme/secret", "private", &ann).await;
    server.organization("corp", &bob).await;
    let body = json!({ "name": "fleet" });
    server
        .post("/api/v1/orgs/acme/service-accounts", &ann, body)
        .await
        .expect(201);
    Scene { server, ann, bob }
}

impl Scene {
    async fn rename(&self, what: &str, to: &str, token: &str, status: u16) -> String {
        let path = format!("/api/v1/{what}/rename");
        let body = json!({ "name": to });
        let answer = self.server.post(&path, token, body).await.expect(status);
        match status {
            200 => String::new(),
            _ => answer.message(),
        }
    }

    /// Everything gets another name: acme is new, its flake app is shop, ann is ann2, fleet is machines.
    async fn rename_everything(&self) {
        self.rename("flakes/acme/app", "shop", &self.ann, 200).await;
        self.rename("orgs/acme", "new", &self.ann, 200).await;
        self.rename("users/ann", "ann2", &self.ann, 200).await;
        let account = "orgs/acme/service-accounts/fleet";
        self.rename(account, "machines", &self.ann, 200).await;
    }

    async fn scope(&self, token: &str) -> Vec<String> {
        let info = self.server.inspect(token).await;
        info.flakes.iter().map(ToString::to_string).collect()
    }
}

#[tokio::test]
async fn a_former_name_leads_to_what_had_it_and_answers_have_the_new_one() {
    let scene = scene().await;
    let server = &scene.server;
    scene.rename_everything().await;
    let ann = scene.ann.as_str();
    let name = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let grant = json!({ "role": "read" });
    let token = json!({ "user": "ann", "flakes": ["acme/app"] });
    let few = server.narrow(ann, &["pull"], &["*"]).await;
    let why = format!("/api/v1/access?user=ann&path={}", "0".repeat(32));
    for (method, path, token, body, key, told) in [
        (Method::GET, "/api/v1/orgs/ACME", ann, None, "name", "new"),
        (
            Method::GET,
            "/api/v1/flakes/acme/app",
            ann,
            None,
            "flake",
            "new/shop",
        ),
        (
            Method::GET,
            "/api/v1/flakes/acme/shop",
            "",
            None,
            "flake",
            "new/shop",
        ),
        (
            Method::GET,
            "/api/v1/flakes/new/App",
            "",
            None,
            "flake",
            "new/shop",
        ),
        (
            Method::GET,
            "/api/v1/users/Ann",
            server.admin.as_str(),
            None,
            "name",
            "ann2",
        ),
        // Their own: they need to be no administrator, by whichever name they ask.
        (
            Method::GET,
            "/api/v1/users/ANN/access",
            few.as_str(),
            None,
            "user",
            "ann2",
        ),
        (
            Method::GET,
            why.as_str(),
            few.as_str(),
            None,
            "user",
            "ann2",
        ),
        (
            Method::PUT,
            "/api/v1/flakes/acme/app/grants/fleet",
            ann,
            Some(grant.clone()),
            "subject",
            "machines",
        ),
        (
            Method::PUT,
            "/api/v1/orgs/acme/grants/fleet",
            ann,
            Some(grant),
            "on",
            "new/*",
        ),
        // Whoever says it again, or makes what is there if it is missing, is not told of a failure.
        (
            Method::POST,
            "/api/v1/orgs/acme/rename",
            ann,
            Some(json!({ "name": "new" })),
            "name",
            "new",
        ),
        (
            Method::POST,
            "/api/v1/orgs",
            ann,
            Some(json!({ "name": "acme", "exist_ok": true })),
            "name",
            "new",
        ),
        (
            Method::POST,
            "/api/v1/flakes",
            ann,
            Some(json!({ "flake": "acme/app", "visibility": "public", "exist_ok": true })),
            "flake",
            "new/shop",
        ),
    ] {
        let answer = server.call(method, path, token, body).await;
        assert!(answer.status.is_success(), "{path}: {:?}", answer.body);
        assert_eq!(name(&answer.json(), key), told, "{path}");
    }
    // One's own former name is oneself: no administrator is needed.
    let minted: MintedToken = server
        .post("/api/v1/tokens", ann, token)
        .await
        .expect(201)
        .json();
    assert_eq!(scene.scope(&minted.token).await, ["new/shop"]);
    for path in [
        "/cache/acme",
        "/cache/acme/app",
        "/cache/new/app",
        "/cache/new/shop",
    ] {
        let path = format!("{path}/nix-cache-info");
        server.get(&path, "").await.expect(200);
    }
    // What is not there stays so under every name.
    for path in ["/api/v1/flakes/acme/other", "/api/v1/flakes/corp/app"] {
        server.get(path, ann).await.expect(404);
    }
    server
        .get("/api/v1/flakes/acme/secret", &scene.bob)
        .await
        .expect(404);
    for action in [
        "organization.rename",
        "flake.rename",
        "user.rename",
        "service-account.rename",
    ] {
        assert_eq!(server.audited(action).await, 1, "{action}");
    }
}

#[tokio::test]
async fn what_is_stored_by_name_reaches_the_same_as_before_and_no_more() {
    let scene = scene().await;
    let (server, ann, bob) = (&scene.server, &scene.ann, &scene.bob);
    let flake = server.narrow(ann, &ALL, &["ACME/App"]).await;
    let whole = server.narrow(ann, &ALL, &["acme/*", "corp/x"]).await;
    let secret = server.narrow(ann, &ALL, &["acme/secret"]).await;
    server.follow(bob, &["acme/app"]).await.expect(200);
    server.show_everybody(&["acme/*"]).await;
    let policy = json!({
        "provider": "github", "flakes": ["acme/app", "acme/secret"], "role": "read",
        "conditions": [{ "claim": "repository", "equals": "acme/app" }],
    });
    let path = "/api/v1/orgs/acme/trust/ci";
    server.put(path, ann, policy.clone()).await.expect(200);
    scene.rename_everything().await;
    assert_eq!(scene.scope(&flake).await, ["new/shop"]);
    assert_eq!(scene.scope(&whole).await, ["new/*", "corp/x"]);
    assert_eq!(scene.scope(&secret).await, ["new/secret"]);
    for (token, path, status) in [
        (&flake, "new/shop", 200),
        (&flake, "acme/app", 200),
        (&flake, "acme/secret", 404),
        (&whole, "new/secret", 200),
        (&secret, "acme/secret", 200),
    ] {
        let path = format!("/api/v1/flakes/{path}");
        server.get(&path, token).await.expect(status);
    }
    // A child that names the former name is within its parent.
    let child = server.narrow(&whole, &["pull"], &["acme/app"]).await;
    assert_eq!(scene.scope(&child).await, ["new/shop"]);
    let follows: FollowList = server.get("/api/v1/follows", bob).await.expect(200).json();
    let shop: FlakePattern = "new/shop".parse().unwrap();
    assert_eq!(follows.follows, std::slice::from_ref(&shop));
    // The same list under its former name is the same list.
    let before = json!({ "follows": ["acme/app"], "before": ["acme/app"] });
    let same: FollowList = server
        .put("/api/v1/follows", bob, before)
        .await
        .expect(200)
        .json();
    assert_eq!(same.follows, [shop]);
    let found: TrustPolicyInfo = server.get(path, ann).await.expect(200).json();
    let flakes: Vec<String> = found.flakes.iter().map(ToString::to_string).collect();
    assert_eq!(flakes, ["new/secret", "new/shop"]);
    // A file that says the former names goes on to say the same policy.
    let mut again = policy;
    again["only_new"] = json!(true);
    server.put(path, ann, again).await.expect(200);

    // Freed, the former name is somebody else's: nothing that was stored is for them.
    let path = "/api/v1/reserved-names/organization/acme";
    server.delete(path, &server.admin).await.expect(204);
    server.get("/api/v1/orgs/acme", ann).await.expect(404);
    server.organization("acme", bob).await;
    server.flake("acme/app", "private", bob).await;
    for (token, path, status) in [
        (&flake, "new/shop", 200),
        (&flake, "acme/app", 404),
        (&whole, "acme/app", 404),
        (ann, "acme/app", 404),
        (bob, "acme/app", 200),
    ] {
        let path = format!("/api/v1/flakes/{path}");
        server.get(&path, token).await.expect(status);
    }
}

#[tokio::test]
async fn nobody_takes_a_name_that_something_has_had_or_given_up() {
    let scene = scene().await;
    let (server, ann, bob) = (&scene.server, &scene.ann, &scene.bob);
    server.organization("gone", bob).await;
    server.delete("/api/v1/orgs/gone", bob).await.expect(204);
    scene.rename_everything().await;
    server.flake("corp/x", "private", bob).await;
    server.flake("new/other", "private", ann).await;
    for (what, to, token) in [
        ("orgs/corp", "new", bob),
        ("orgs/corp", "ACME", bob),
        ("orgs/corp", "gone", bob),
        ("users/bob", "ann", bob),
        ("users/bob", "ann2", bob),
        ("users/bob", "Fleet", bob),
        ("orgs/new/service-accounts/machines", "ann", ann),
        ("flakes/new/other", "shop", ann),
        ("flakes/new/other", "APP", ann),
    ] {
        scene.rename(what, to, token, 409).await;
    }
    for (path, body) in [
        ("/api/v1/orgs", json!({ "name": "acme" })),
        ("/api/v1/flakes", json!({ "flake": "new/app" })),
        (
            "/api/v1/orgs/corp/service-accounts",
            json!({ "name": "fleet" }),
        ),
    ] {
        let token = if path.ends_with("flakes") { ann } else { bob };
        server.post(path, token, body).await.expect(409);
    }
    let user = json!({ "name": "ann" });
    server
        .post("/api/v1/users", &server.admin, user)
        .await
        .expect(409);
    // Another organisation's flakes have names of their own; one's own former name can be taken back; only the case
    // may change.
    scene.rename("flakes/corp/x", "app", bob, 200).await;
    scene.rename("orgs/new", "acme", ann, 200).await;
    scene.rename("orgs/acme", "Acme", ann, 200).await;
    let found: OrganizationInfo = server.get("/api/v1/orgs/new", ann).await.expect(200).json();
    assert_eq!(found.name.as_str(), "Acme");
}

/// Names are not reserved without end. What has as many former names as it may have can still be called by each of
/// them again, and whoever renames it is told who frees one.
#[tokio::test]
async fn what_has_had_many_names_gets_one_of_these_back() {
    let scene = scene().await;
    let (server, ann, bob) = (&scene.server, &scene.ann, &scene.bob);
    for (under, first, token, kind) in [
        ("users", "bob", bob, Some("account")),
        ("orgs", "corp", bob, Some("organization")),
        ("orgs/acme/service-accounts", "fleet", ann, Some("account")),
        ("flakes/acme", "app", ann, None),
    ] {
        let name = |number: usize| match number {
            0 => first.to_owned(),
            number => format!("{first}-{number}"),
        };
        for number in 0..10 {
            let what = format!("{under}/{}", name(number));
            scene.rename(&what, &name(number + 1), token, 200).await;
        }
        // By its first name, which leads to it.
        let what = format!("{under}/{first}");
        let refused = scene.rename(&what, &name(11), token, 409).await;
        for told in [
            "10 former names",
            "the limit",
            "free-name",
            "`fh flake free-name`",
        ] {
            assert!(refused.contains(told), "{refused}");
        }
        for back in [3, 0, 10] {
            scene.rename(&what, &name(back), token, 200).await;
        }
        scene.rename(&what, &name(11), token, 409).await;
        // A name that is freed makes room for another one.
        let (path, by) = match kind {
            Some(kind) => (format!("reserved-names/{kind}"), &server.admin),
            None => ("orgs/acme/former-flakes".to_owned(), ann),
        };
        let path = format!("/api/v1/{path}/{}", name(4));
        server.delete(&path, by).await.expect(204);
        scene.rename(&what, &name(11), token, 200).await;
    }
}

/// A private flake is called by whoever may not see it as they call it, whether it is there, renamed, or not there.
#[tokio::test]
async fn what_a_stranger_names_keeps_the_name_that_they_gave_it() {
    let scene = scene().await;
    let (server, ann, bob) = (&scene.server, &scene.ann, &scene.bob);
    let flakes = async |token: &str| -> Vec<FlakePattern> {
        let info: Whoami = server.get("/api/v1/whoami", token).await.expect(200).json();
        info.flakes
    };
    let patterns = |names: &[&str]| -> Vec<FlakePattern> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    };
    let before = server
        .narrow(bob, &ALL, &["acme/Secret", "acme/none"])
        .await;
    server
        .put(
            "/api/v1/follows",
            bob,
            json!({ "follows": ["acme/app"], "before": [] }),
        )
        .await
        .expect(200);
    let private = json!({ "visibility": "private" });
    server
        .call(Method::PATCH, "/api/v1/flakes/acme/app", ann, Some(private))
        .await
        .expect(200);
    scene.rename("flakes/acme/secret", "merger", ann, 200).await;
    scene.rename("flakes/acme/app", "spin-off", ann, 200).await;
    let after = server
        .narrow(bob, &ALL, &["acme/SECRET", "acme/NONE", "acme/MERGER"])
        .await;
    assert_eq!(
        flakes(&before).await,
        patterns(&["acme/Secret", "acme/none"])
    );
    let mut found = flakes(&after).await;
    found.sort();
    let mut expected = patterns(&["acme/SECRET", "acme/NONE", "acme/MERGER"]);
    expected.sort();
    assert_eq!(found, expected);
    let follows: FollowList = server.get("/api/v1/follows", bob).await.expect(200).json();
    assert_eq!(follows.follows.len(), 1);
    assert_eq!(follows.follows[0].to_string(), "acme/app");
    for name in ["acme/SECRET", "acme/NONE"] {
        let body = json!({ "follows": [name], "before": ["acme/app"] });
        server.put("/api/v1/follows", bob, body).await.expect(404);
    }
    // Who sees it is told what it is called now.
    let own = server.narrow(ann, &ALL, &["acme/SECRET"]).await;
    assert_eq!(flakes(&own).await, patterns(&["acme/merger"]));
}

#[tokio::test]
async fn who_renames_what() {
    let scene = scene().await;
    let (server, ann, bob) = (&scene.server, &scene.ann, &scene.bob);
    server.member("acme", "bob", "admin", ann).await;
    server.user("cleo").await;
    let few = server.narrow(ann, &ALL, &["acme/*"]).await;
    let machine: MintedToken = server
        .post(
            "/api/v1/tokens",
            ann,
            json!({ "user": "fleet", "permissions": ["pull", "admin"] }),
        )
        .await
        .expect(201)
        .json();
    for (what, token, status) in [
        // An organisation is its owners' to rename, and the server's administrators'.
        ("orgs/acme", bob.as_str(), 403),
        ("orgs/acme", server.admin.as_str(), 200),
        ("orgs/corp", ann, 404),
        ("flakes/acme/app", bob, 200),
        ("flakes/acme/secret", &server.admin, 404),
        // An account is its person's, or the server's administrators'.
        ("users/cleo", ann, 403),
        ("users/ann", &few, 403),
        ("users/fleet", &machine.token, 403),
        ("users/fleet", &server.admin, 404),
        ("users/cleo", &server.admin, 200),
        ("orgs/acme/service-accounts/cleo", bob, 404),
        ("orgs/acme/service-accounts/fleet", bob, 200),
        ("orgs/corp/service-accounts/fleet", bob, 404),
        ("orgs/acme", &few, 200),
    ] {
        let to = format!("{}-2", what.rsplit('/').next().unwrap());
        scene.rename(what, &to, token, status).await;
    }
    // Its tokens stay good, and it is called by its new name.
    let who: Whoami = server
        .get("/api/v1/whoami", &machine.token)
        .await
        .expect(200)
        .json();
    assert_eq!(who.user.as_str(), "fleet-2");
    // Whoever administers one flake alone takes no names of the organisation.
    server.grant("acme-2/secret", "cleo-2", "admin", bob).await;
    let cleo = server
        .mint(&server.admin, json!({ "user": "cleo", "permissions": ALL }))
        .await;
    scene
        .rename("flakes/acme/secret", "x", &cleo.token, 403)
        .await;
    let info: FlakeInfo = server
        .get("/api/v1/flakes/acme/app", ann)
        .await
        .expect(200)
        .json();
    assert_eq!(info.flake.to_string(), "acme-2/app-2");
    let grants: fh_api::GrantList = server
        .get("/api/v1/flakes/acme/secret/grants", ann)
        .await
        .expect(200)
        .json();
    let subjects: Vec<String> = grants
        .grants
        .iter()
        .map(|grant: &GrantInfo| grant.subject.to_string())
        .collect();
    assert_eq!(subjects, ["cleo-2"]);
    let found: UserInfo = server
        .get("/api/v1/users/cleo", &server.admin)
        .await
        .expect(200)
        .json();
    assert_eq!(found.name.as_str(), "cleo-2");
}

/// Whoever can make somebody a member is told what an account is called, and nobody else whether it is there.
#[tokio::test]
async fn the_present_name_of_an_account_is_told_to_who_names_accounts() {
    let administrators = |settings: &mut Settings| {
        settings.organization_creation = OrganizationCreation::Administrators;
    };
    let server = TestServer::start_with(TempDir::new().unwrap(), administrators).await;
    let (ann, bob) = (server.user("ann").await, server.user("bob").await);
    let body = json!({ "name": "acme", "owner": "ann" });
    let path = "/api/v1/orgs";
    server.post(path, &server.admin, body).await.expect(201);
    server.flake("acme/app", "private", &ann).await;
    // Bob administers a flake, and no organisation.
    server.member("acme", "bob", "member", &ann).await;
    server.offer("acme/app", "bob", "admin", &ann).await;
    server
        .post(
            "/api/v1/orgs/acme/service-accounts",
            &ann,
            json!({ "name": "fleet" }),
        )
        .await
        .expect(201);
    let scene = Scene { server, ann, bob };
    let (server, ann) = (&scene.server, &scene.ann);
    scene.rename("users/bob", "rob", &server.admin, 200).await;
    let account = "orgs/acme/service-accounts/fleet";
    scene.rename(account, "machines", ann, 200).await;
    let narrowed = server.narrow(ann, &ALL, &["acme/app"]).await;
    let reading = server.narrow(ann, &["pull", "push", "mint"], &["*"]).await;
    let (mine, admin) = (ann.as_str(), server.admin.as_str());
    for (asked, token, answer) in [
        ("Bob", mine, Ok(("rob", false))),
        ("rob", admin, Ok(("rob", false))),
        ("fleet", mine, Ok(("machines", true))),
        ("machines", admin, Ok(("machines", true))),
        ("nobody", mine, Err(404)),
        ("a%20b", mine, Err(404)),
        // Whether there is such an account or not.
        ("ann", scene.bob.as_str(), Err(403)),
        ("nobody", scene.bob.as_str(), Err(403)),
        ("bob", narrowed.as_str(), Err(403)),
        ("bob", reading.as_str(), Err(403)),
        ("bob", "", Err(401)),
    ] {
        let path = format!("/api/v1/accounts/{asked}");
        let found = server.get(&path, token).await;
        match answer {
            Err(status) => assert_eq!(found.status, status, "{asked}"),
            Ok((name, of_organization)) => {
                let found: fh_api::AccountInfo = found.expect(200).json();
                assert_eq!(found.name.as_str(), name, "{asked}");
                assert_eq!(found.of_organization, of_organization, "{asked}");
            }
        }
    }
}
