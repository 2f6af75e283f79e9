//! Organisations, their members, teams and service accounts: who may do what, and what it brings
//! about on the next request.

mod owners;
mod service_accounts;

use fh_api::{
    GrantList, MemberList, MintedToken, OrganizationInfo, OrganizationRole, PushRule, TeamDetails,
    TeamList, TokenList, UserInfo, UserList,
};
use http::Method;
use serde_json::json;

use crate::push::tests::{Item, Scene};
use crate::testing::TestServer;

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

/// Ann owns acme, Bob administers it, Cleo is a member, Dan is a stranger.
struct Acme {
    server: TestServer,
    ann: String,
    bob: String,
    cleo: String,
    dan: String,
}

async fn acme() -> Acme {
    let server = TestServer::start().await;
    let mut tokens = Vec::new();
    for user in ["ann", "bob", "cleo", "dan"] {
        tokens.push(server.user(user).await);
    }
    let [ann, bob, cleo, dan] = <[String; 4]>::try_from(tokens).unwrap();
    server.organization("acme", &ann).await;
    let acme = Acme {
        server,
        ann,
        bob,
        cleo,
        dan,
    };
    acme.member("bob", "admin", &acme.ann, 200).await;
    acme.member("cleo", "member", &acme.bob, 200).await;
    acme
}

impl Acme {
    async fn member(&self, user: &str, role: &str, token: &str, status: u16) -> String {
        let path = format!("/api/v1/orgs/acme/members/{user}");
        let answer = self.server.put(&path, token, json!({ "role": role })).await;
        let answer = answer.expect(status);
        if status < 300 {
            self.server.accept("acme", user).await;
            String::new()
        } else {
            answer.message()
        }
    }

    async fn leave(&self, user: &str, token: &str, status: u16) {
        let path = format!("/api/v1/orgs/acme/members/{user}");
        self.server.delete(&path, token).await.expect(status);
    }

    async fn members(&self) -> Vec<(String, OrganizationRole)> {
        let path = "/api/v1/orgs/acme/members";
        let list: MemberList = self.server.get(path, &self.cleo).await.expect(200).json();
        let members = list.members.into_iter();
        members.map(|m| (m.user.to_string(), m.role)).collect()
    }
}

#[tokio::test]
async fn administrators_make_members_and_owners_make_administrators() {
    let acme = acme().await;
    let sentence = acme.member("dan", "admin", &acme.bob, 403).await;
    assert_eq!(
        sentence,
        "only owners of acme can appoint or remove its administrators and owners"
    );
    acme.member("bob", "owner", &acme.bob, 403).await;
    acme.member("ann", "member", &acme.bob, 403).await;
    acme.member("bob", "member", &acme.bob, 403).await;
    acme.leave("ann", &acme.bob, 403).await;
    acme.member("dan", "member", &acme.cleo, 403).await;
    acme.leave("bob", &acme.cleo, 403).await;
    acme.member("nobody", "member", &acme.bob, 422).await;
    // What is so already needs nobody's leave, and is no event.
    let events = acme.server.audited("member.set").await;
    acme.member("BOB", "admin", &acme.bob, 200).await;
    acme.member("cleo", "member", &acme.bob, 200).await;
    assert_eq!(acme.server.audited("member.set").await, events);

    acme.member("dan", "admin", &acme.ann, 200).await;
    acme.member("dan", "member", &acme.ann, 200).await;
    let (admin, member) = (OrganizationRole::Admin, OrganizationRole::Member);
    let expected = [
        ("ann", OrganizationRole::Owner),
        ("bob", admin),
        ("cleo", member),
        ("dan", member),
    ];
    assert_eq!(
        acme.members().await,
        expected.map(|(name, role)| (name.to_owned(), role))
    );
    acme.leave("dan", &acme.bob, 204).await;
    acme.leave("dan", &acme.bob, 204).await;
    assert_eq!(acme.server.audited("member.remove").await, 1);
    // Everybody may leave, administrators too.
    acme.leave("bob", &acme.bob, 204).await;
    acme.leave("bob", &acme.bob, 404).await;
}

#[tokio::test]
async fn the_last_owner_stays() {
    let acme = acme().await;
    for role in ["admin", "member"] {
        let sentence = acme.member("ann", role, &acme.ann, 409).await;
        assert_eq!(
            sentence,
            "this is the last owner of acme: add another one first"
        );
    }
    acme.leave("ann", &acme.ann, 409).await;
    acme.member("bob", "owner", &acme.ann, 200).await;
    // One who is disabled does not count.
    let body = json!({ "disabled": true });
    let path = "/api/v1/users/bob";
    let admin = acme.server.admin.clone();
    acme.server.patch(path, &admin, body).await.expect(200);
    acme.leave("ann", &acme.ann, 409).await;
    let body = json!({ "disabled": false });
    acme.server.patch(path, &admin, body).await.expect(200);
    acme.member("ann", "member", &acme.ann, 200).await;
    acme.member("ann", "owner", &acme.ann, 403).await;
    acme.leave("bob", &acme.bob, 409).await;
}

#[tokio::test]
async fn strangers_cannot_tell_an_organisation_from_none() {
    let acme = acme().await;
    let server = &acme.server;
    server.flake("acme/secret", "private", &acme.ann).await;
    let elsewhere = server.narrow(&acme.ann, &ALL, &["other/*"]).await;
    let calls = [
        (Method::GET, "", None),
        (Method::PATCH, "", Some(json!({ "push": "builders" }))),
        (Method::PATCH, "", Some(json!({ "nonsense": 1 }))),
        (Method::DELETE, "", None),
        (Method::GET, "/members", None),
        (
            Method::PUT,
            "/members/dan",
            Some(json!({ "role": "owner" })),
        ),
        (Method::DELETE, "/members/ann", None),
        (Method::GET, "/teams", None),
        (Method::POST, "/teams", Some(json!({ "name": "x" }))),
        (Method::GET, "/teams/x", None),
        (Method::DELETE, "/teams/x", None),
        (Method::PUT, "/teams/x/members/dan", None),
        (Method::DELETE, "/teams/x/members/dan", None),
        (Method::GET, "/service-accounts", None),
        (
            Method::POST,
            "/service-accounts",
            Some(json!({ "name": "x" })),
        ),
        (Method::DELETE, "/service-accounts/x", None),
        (Method::GET, "/grants", None),
        (Method::PUT, "/grants/dan", Some(json!({ "role": "admin" }))),
        (Method::DELETE, "/grants/ann", None),
    ];
    for (method, tail, body) in calls {
        for token in [&acme.dan, &elsewhere] {
            let ask = async |org: &str| {
                let path = format!("/api/v1/orgs/{org}{tail}");
                let answer = server.call(method.clone(), &path, token, body.clone());
                answer.await.expect(404).fingerprint()
            };
            let hidden = ask("acme").await;
            for absent in ["absent", "..%2f", "a..b"] {
                assert_eq!(ask(absent).await, hidden, "{method} {tail} {absent}");
            }
        }
        let path = format!("/api/v1/orgs/acme{tail}");
        let anonymous = server.call(method.clone(), &path, "", body.clone()).await;
        anonymous.expect(401);
        // A token for a part of it manages nothing of the whole, and sees none of its people.
        let part = server.narrow(&acme.ann, &ALL, &["acme/secret"]).await;
        let narrowed = server
            .call(method.clone(), &path, &part, body.clone())
            .await;
        narrowed.expect(403);
        let pull = server.narrow(&acme.ann, &["pull"], &["*"]).await;
        let answer = server.call(method.clone(), &path, &pull, body).await;
        // Nor does one without the permission; what members see, it sees.
        let seen = method == Method::GET && !["/grants", "/service-accounts"].contains(&tail);
        let expected = match tail {
            "/teams/x" if seen => 404,
            _ if seen => 200,
            _ => 403,
        };
        answer.expect(expected);
    }
    // Who reads something there knows of it, and is told what they lack.
    server.grant("acme/secret", "dan", "read", &acme.ann).await;
    let path = "/api/v1/orgs/acme/members";
    let answer = server.get(path, &acme.dan).await.expect(403);
    assert_eq!(answer.message(), "only members of acme may see this");
}

#[tokio::test]
async fn owners_decide_about_the_organisation() {
    let acme = acme().await;
    let server = &acme.server;
    let path = "/api/v1/orgs/acme";
    let body = json!({ "push": "builders" });
    server
        .patch(path, &acme.bob, body.clone())
        .await
        .expect(403);
    let info: OrganizationInfo = server.patch(path, &acme.ann, body).await.expect(200).json();
    assert_eq!(info.push, PushRule::Builders);
    let info: OrganizationInfo = server.get(path, &acme.cleo).await.expect(200).json();
    assert_eq!(info.push, PushRule::Builders);
    assert_eq!(info.role, Some(OrganizationRole::Member));
    let info: OrganizationInfo = server.get(path, &server.admin).await.expect(200).json();
    assert_eq!(info.role, None);

    let make = async |token: &str, body| server.post("/api/v1/orgs", token, body).await;
    let again = json!({ "name": "ACME", "exist_ok": true });
    let there: OrganizationInfo = make(&acme.ann, again.clone()).await.expect(200).json();
    assert_eq!(there.id, info.id);
    make(&acme.bob, again).await.expect(409);
    make(&acme.ann, json!({ "name": "acme" })).await.expect(409);

    server.flake("acme/app", "private", &acme.ann).await;
    let answer = server.delete(path, &acme.ann).await.expect(409);
    assert_eq!(
        answer.message(),
        "the organisation acme still has flakes (1): delete them first"
    );
    let flake = "/api/v1/flakes/acme/app";
    server.delete(flake, &acme.ann).await.expect(204);
    server.delete(path, &acme.bob).await.expect(403);
    server.delete(path, &acme.ann).await.expect(204);
    server.get(path, &acme.ann).await.expect(404);
    assert_eq!(server.audited("organization.delete").await, 1);
}

#[tokio::test]
async fn teams_are_of_members_and_go_with_their_grants() {
    let acme = acme().await;
    let server = &acme.server;
    let teams = "/api/v1/orgs/acme/teams";
    let team = json!({ "name": "Builders" });
    server
        .post(teams, &acme.cleo, team.clone())
        .await
        .expect(403);
    server
        .post(teams, &acme.bob, team.clone())
        .await
        .expect(201);
    server.post(teams, &acme.bob, team).await.expect(409);
    let again = json!({ "name": "builders", "exist_ok": true });
    server.post(teams, &acme.bob, again).await.expect(200);
    let one = format!("{teams}/builders");
    let add = async |user: &str| {
        let path = format!("{one}/members/{user}");
        server.call(Method::PUT, &path, &acme.bob, None).await
    };
    let answer = add("dan").await.expect(422);
    assert_eq!(
        answer.message(),
        "dan is not a member of acme, and only members can be in its teams"
    );
    add("nobody").await.expect(422);
    for _ in 0..2 {
        add("cleo").await.expect(200);
    }
    assert_eq!(server.audited("team.add").await, 1);
    let details: TeamDetails = server.get(&one, &acme.cleo).await.expect(200).json();
    assert_eq!(
        (details.team.name.as_str(), details.team.members),
        ("Builders", 1)
    );
    assert_eq!(details.members[0].user.as_str(), "cleo");

    server.flake("acme/app", "private", &acme.ann).await;
    let flake = "/api/v1/flakes/acme/app";
    let grant = format!("{flake}/grants/team:BUILDERS");
    let write = json!({ "role": "write" });
    server
        .put(&grant, &acme.ann, write.clone())
        .await
        .expect(200);
    let absent = format!("{flake}/grants/team:nobody");
    let answer = server.put(&absent, &acme.ann, write).await.expect(422);
    assert_eq!(
        answer.message(),
        "the organisation has no team named \"nobody\""
    );
    server.get(flake, &acme.cleo).await.expect(200);
    // Out of the organisation is out of its teams, also for one who comes back.
    acme.leave("cleo", &acme.bob, 204).await;
    server.get(flake, &acme.cleo).await.expect(404);
    acme.member("cleo", "member", &acme.bob, 200).await;
    server.get(flake, &acme.cleo).await.expect(404);
    add("cleo").await.expect(200);
    server.get(flake, &acme.cleo).await.expect(200);
    let out = format!("{one}/members/cleo");
    for _ in 0..2 {
        server.delete(&out, &acme.bob).await.expect(204);
    }
    server.get(flake, &acme.cleo).await.expect(404);
    add("cleo").await.expect(200);
    server.delete(&one, &acme.bob).await.expect(204);
    server.get(flake, &acme.cleo).await.expect(404);
    server.delete(&one, &acme.bob).await.expect(404);
    let list: GrantList = server
        .get(&format!("{flake}/grants"), &acme.ann)
        .await
        .expect(200)
        .json();
    assert!(list.grants.is_empty());
    let list: TeamList = server.get(teams, &acme.cleo).await.expect(200).json();
    assert!(list.teams.is_empty());
}

#[tokio::test]
async fn grants_on_the_whole_organisation_count_on_every_flake_of_it() {
    let acme = acme().await;
    let server = &acme.server;
    server.flake("acme/app", "private", &acme.ann).await;
    let base = "/api/v1/orgs/acme/grants";
    let (read, admin) = (json!({ "role": "read" }), json!({ "role": "admin" }));
    let on = async |subject: &str, token: &str, body: &serde_json::Value| {
        let path = format!("{base}/{subject}");
        server.put(&path, token, body.clone()).await
    };
    on("@members", &acme.bob, &read).await.expect(200);
    on("user:dan", &acme.bob, &read).await.expect(200);
    server.accept("acme", "dan").await;
    // Administrators are made by owners, this way too.
    let answer = on("dan", &acme.bob, &admin).await.expect(403);
    assert!(
        answer.message().contains("only its owners"),
        "{:?}",
        answer.body
    );
    server.flake("acme/new", "private", &acme.ann).await;
    for flake in ["acme/app", "acme/new"] {
        let path = format!("/api/v1/flakes/{flake}");
        server.get(&path, &acme.cleo).await.expect(200);
        server.get(&path, &acme.dan).await.expect(200);
    }
    on("dan", &acme.ann, &admin).await.expect(200);
    let dan = format!("{base}/dan");
    server.delete(&dan, &acme.bob).await.expect(403);
    let list: GrantList = server.get(base, &acme.bob).await.expect(200).json();
    let shown: Vec<_> = list
        .grants
        .iter()
        .map(|grant| format!("{} {} {}", grant.subject, grant.role, grant.on))
        .collect();
    assert_eq!(shown, ["dan admin acme/*", "@members read acme/*"]);
    for _ in 0..2 {
        server.delete(&dan, &acme.ann).await.expect(204);
    }
    server
        .get("/api/v1/flakes/acme/app", &acme.dan)
        .await
        .expect(404);
    acme.leave("cleo", &acme.cleo, 204).await;
    server
        .get("/api/v1/flakes/acme/app", &acme.cleo)
        .await
        .expect(404);
    assert_eq!(server.audited("grant.set").await, 3);
    assert_eq!(server.audited("grant.remove").await, 1);
}

#[tokio::test]
async fn the_last_administrator_of_the_server_stays() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let update = async |user: &str, body| {
        let path = format!("/api/v1/users/{user}");
        server.patch(&path, &server.admin, body).await
    };
    for body in [
        json!({ "disabled": true }),
        json!({ "server_admin": false }),
    ] {
        let answer = update("admin", body).await.expect(409);
        assert_eq!(
            answer.message(),
            "admin is the last administrator of the server: add another one first"
        );
    }
    update("ann", json!({ "server_admin": true }))
        .await
        .expect(200);
    server.get("/api/v1/users/ADMIN", &ann).await.expect(200);
    let disabled: UserInfo = update("ann", json!({ "disabled": true }))
        .await
        .expect(200)
        .json();
    assert!(disabled.disabled_at.is_some());
    server.get("/api/v1/whoami", &ann).await.expect(401);
    update("admin", json!({ "server_admin": false }))
        .await
        .expect(409);
    let again: UserInfo = update("ann", json!({ "disabled": true }))
        .await
        .expect(200)
        .json();
    assert_eq!(again.disabled_at, disabled.disabled_at);
    assert_eq!(server.audited("user.update").await, 2);
    update("ann", json!({ "disabled": false }))
        .await
        .expect(200);
    update("admin", json!({ "server_admin": false }))
        .await
        .expect(200);
    update("ann", json!({ "disabled": true })).await.expect(403);
    server.get("/api/v1/users/nobody", &ann).await.expect(404);
    let made = json!({ "name": "ann", "exist_ok": true });
    server.post("/api/v1/users", &ann, made).await.expect(200);
    let made = json!({ "name": "ann", "kind": "service", "exist_ok": true });
    server.post("/api/v1/users", &ann, made).await.expect(409);
}

#[tokio::test]
async fn a_flake_that_is_there_already_is_as_good_as_made_unless_it_is_more_open() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "public", &ann).await;
    let make = async |visibility: &str| {
        let body = json!({ "flake": "acme/app", "visibility": visibility, "exist_ok": true });
        server.post("/api/v1/flakes", &ann, body).await
    };
    make("public").await.expect(200);
    let answer = make("private").await.expect(409);
    assert_eq!(
        answer.message(),
        "the flake acme/app exists already, and is public"
    );
    assert_eq!(server.audited("flake.create").await, 1);
}

/// What is served, not what the API says of it.
#[tokio::test]
async fn each_change_of_membership_team_and_grant_counts_for_the_next_narinfo() {
    let scene = Scene::new().await;
    let item = Item::new("secret", b"for those who were granted it");
    scene.push(&[&item]).await;
    let (server, ann) = (&scene.server, &scene.ann);
    let eve = server.user("eve").await;
    let reads = async || scene.narinfo("", &item, &eve).await.is_some();
    let put = async |path: &str, body| {
        server.put(path, ann, body).await.expect(200);
    };
    let delete = async |path: &str| {
        server.delete(path, ann).await.expect(204);
    };
    let read = json!({ "role": "read" });
    let member = json!({ "role": "member" });
    let eve_in_acme = "/api/v1/orgs/acme/members/eve";
    assert!(!reads().await);

    put("/api/v1/orgs/acme/grants/@members", read.clone()).await;
    assert!(!reads().await);
    put(eve_in_acme, member.clone()).await;
    assert!(!reads().await);
    server.accept("acme", "eve").await;
    assert!(reads().await);
    delete("/api/v1/orgs/acme/grants/@members").await;
    assert!(!reads().await);

    let team = json!({ "name": "ops" });
    server
        .post("/api/v1/orgs/acme/teams", ann, team)
        .await
        .expect(201);
    put("/api/v1/flakes/acme/app/grants/team:ops", read.clone()).await;
    assert!(!reads().await);
    put("/api/v1/orgs/acme/teams/ops/members/eve", json!(null)).await;
    assert!(reads().await);
    delete(eve_in_acme).await;
    assert!(!reads().await);

    put("/api/v1/orgs/acme/grants/eve", read).await;
    assert!(!reads().await);
    server.accept("acme", "eve").await;
    assert!(reads().await);
    delete("/api/v1/orgs/acme/grants/eve").await;
    assert!(!reads().await);
    put(eve_in_acme, json!({ "role": "admin" })).await;
    assert!(!reads().await);
    server.accept("acme", "eve").await;
    assert!(reads().await);
    put(eve_in_acme, member).await;
    assert!(!reads().await);
}
