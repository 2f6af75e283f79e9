//! What applies, as lists: that they agree with what people can really do, and who is told what.

mod histories;

use std::collections::BTreeMap;

use fh_api::{AccessList, AccessSource, Affiliation, Role, Subject, UserAccess};
use serde_json::{Value, json};

use crate::push::tests::{Item, Scene};
use crate::testing::TestServer;

async fn list(server: &TestServer, path: &str, token: &str) -> AccessList {
    let path = format!("/api/v1/{path}/access");
    server.get(&path, token).await.expect(200).json()
}

async fn access(server: &TestServer, user: &str, token: &str) -> UserAccess {
    let path = format!("/api/v1/users/{user}/access");
    server.get(&path, token).await.expect(200).json()
}

/// `subject role on, from (users)`.
fn told(source: &AccessSource) -> String {
    let subject = source.subject.as_ref().map(ToString::to_string);
    let role = source.role.map_or("-", Role::as_str);
    let from = match (source.membership, &source.trust_policy) {
        (Some(membership), _) => membership.to_string(),
        (None, Some(policy)) => format!("{} {policy}", source.by),
        (None, None) => source.by.clone(),
    };
    let users: Vec<_> = source.users.iter().map(ToString::to_string).collect();
    let state = match (source.pending, source.applies) {
        (false, true) => "",
        (true, false) => " pending",
        (false, false) => " nothing",
        (true, true) => " both",
    };
    format!(
        "{} {role} {}, {from} ({}){state}",
        subject.unwrap_or_default(),
        source.on,
        users.join(" ")
    )
}

fn all_told(list: &AccessList) -> Vec<String> {
    list.sources.iter().map(told).collect()
}

/// Ann owns acme and carl administers it; bob is a member and in `ops`, dora a member who is disabled; gus is a
/// guest who administers acme/app, and ines is invited. `empty` is a team of nobody.
async fn scene() -> (Scene, BTreeMap<&'static str, String>) {
    let scene = Scene::new().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let mut people = BTreeMap::new();
    for name in ["bob", "carl", "dora", "gus", "ines", "zoe"] {
        people.insert(name, server.user(name).await);
    }
    for (name, role) in [("bob", "member"), ("carl", "admin"), ("dora", "member")] {
        server.member("acme", name, role, ann).await;
    }
    for team in ["ops", "empty"] {
        let body = json!({ "name": team });
        let teams = "/api/v1/orgs/acme/teams";
        server.post(teams, ann, body).await.expect(201);
    }
    let put = async |path: &str, body: Value| {
        let path = format!("/api/v1/{path}");
        server.put(&path, ann, body).await.expect(200);
    };
    put("orgs/acme/teams/ops/members/bob", json!({})).await;
    put("orgs/acme/teams/ops/members/dora", json!({})).await;
    for (path, role) in [
        ("flakes/acme/app/grants/team:ops", "write"),
        ("flakes/acme/app/grants/team:empty", "admin"),
        ("flakes/acme/app/grants/dora", "read"),
        ("flakes/acme/app/grants/ines", "read"),
        ("orgs/acme/grants/@members", "read"),
        ("orgs/acme/grants/ines", "write"),
    ] {
        put(path, json!({ "role": role })).await;
    }
    server.grant("acme/app", "gus", "admin", ann).await;
    for (name, flakes) in [("ci", "acme/*"), ("other", "acme/other")] {
        let policy = json!({
            "provider": "github", "flakes": [flakes], "role": "write",
            "conditions": [{ "claim": "repository", "equals": "acme/app" }],
        });
        put(&format!("orgs/acme/trust/{name}"), policy).await;
    }
    let off = json!({ "disabled": true });
    let admin = &server.admin;
    let patched = server.patch("/api/v1/users/dora", admin, off).await;
    patched.expect(200);
    (scene, people)
}

#[tokio::test]
async fn a_list_has_everything_that_gives_a_role_and_where_it_is_from() {
    let (scene, people) = scene().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let on_all = [
        "ines write acme/*, grant () pending",
        "@members read acme/*, grant (ann bob carl)",
    ];
    let memberships = [
        "ann admin acme/*, owner (ann)",
        "carl admin acme/*, admin (carl)",
    ];
    let on_app = [
        "dora read acme/app, grant () nothing",
        "gus admin acme/app, grant (gus)",
        "ines read acme/app, grant () pending",
        "team:empty admin acme/app, grant () nothing",
        "team:ops write acme/app, grant (bob)",
    ];
    let policy = [" write acme/*, trust policy ci ()"];
    let of_flake = list(server, "flakes/acme/app", ann).await;
    let expected = [&on_app[..], &on_all, &memberships, &policy].concat();
    assert_eq!(all_told(&of_flake), expected);
    assert!(of_flake.complete);
    assert!(of_flake.sources.iter().all(|source| {
        source.created_at.is_some() == (source.by == "grant" || source.by == "membership")
    }));
    // Of all flakes: what counts for one alone is not in it.
    let of_all = list(server, "orgs/acme", ann).await;
    let expected = [&on_all[..], &memberships, &policy].concat();
    assert_eq!(all_told(&of_all), expected);
    assert_eq!(of_all.visibility, None);
    // What is open is read by everybody.
    let open = json!({ "visibility": "unlisted" });
    server
        .patch("/api/v1/flakes/acme/app", ann, open)
        .await
        .expect(200);
    let of_flake = list(server, "flakes/acme/app", ann).await;
    assert_eq!(
        all_told(&of_flake).last().unwrap(),
        " - acme/app, visibility ()"
    );

    // A guest who administers the flake is told of nobody who belongs there, nor whether a team is empty.
    let told_to_guest = list(server, "flakes/acme/app", &people["gus"]).await;
    assert!(!told_to_guest.complete);
    assert_eq!(
        all_told(&told_to_guest),
        [
            "dora read acme/app, grant () pending",
            "gus admin acme/app, grant (gus)",
            "ines read acme/app, grant () pending",
            "team:empty admin acme/app, grant ()",
            "team:ops write acme/app, grant ()",
            " - acme/app, visibility ()",
        ]
    );
    // Nor does a narrower token of the owner show more than the lists of the organisation do to it.
    let narrow = server.narrow(ann, &["admin"], &["acme/app"]).await;
    let told_to_narrow = list(server, "flakes/acme/app", &narrow).await;
    assert!(!told_to_narrow.complete);
    let people_named: Vec<_> = told_to_narrow
        .sources
        .iter()
        .filter(|source| {
            source.by == "membership" || !matches!(source.subject, Some(Subject::User(_)))
        })
        .flat_map(|source| &source.users)
        .collect();
    assert!(people_named.is_empty(), "{people_named:?}");
}

#[tokio::test]
async fn an_account_has_everything_that_it_is_in_holds_and_reaches() {
    let (scene, people) = scene().await;
    let (server, ann) = (&scene.server, &scene.ann);
    server.flake("acme/open", "public", ann).await;
    server.flake("acme/closed", "private", ann).await;
    let zoe = &people["zoe"];
    server.organization("zoo", zoe).await;
    server.flake("zoo/tools", "public", zoe).await;
    server
        .follow(&people["bob"], &["zoo/tools"])
        .await
        .expect(200);
    let robot = json!({ "name": "robot" });
    let robots = "/api/v1/orgs/acme/service-accounts";
    server.post(robots, ann, robot).await.expect(201);
    server.offer("zoo/tools", "robot", "write", zoe).await;
    let path = "/api/v1/orgs/zoo/members/bob";
    let admin = json!({ "role": "admin" });
    server.put(path, zoe, admin).await.expect(200);
    use Affiliation::{Admin, Guest, Invited, Member, Owner, ServiceAccount};
    // What each is where, and what they reach with which role: as a server administrator is told.
    for (user, organizations, flakes) in [
        (
            "ann",
            vec![("acme", Owner)],
            "acme/app admin, acme/closed admin, acme/open admin",
        ),
        (
            "carl",
            vec![("acme", Admin)],
            "acme/app admin, acme/closed admin, acme/open admin",
        ),
        (
            "bob",
            vec![("acme", Member), ("zoo", Invited)],
            "acme/app write, acme/closed read, acme/open read",
        ),
        ("gus", vec![("acme", Guest)], "acme/app admin"),
        ("ines", vec![("acme", Invited)], ""),
        (
            "robot",
            vec![("acme", ServiceAccount), ("zoo", Invited)],
            "acme/open -",
        ),
        ("zoe", vec![("zoo", Owner)], "zoo/tools admin"),
    ] {
        let found = access(server, user, &server.admin).await;
        let told: Vec<_> = found
            .organizations
            .iter()
            .map(|org| (org.organization.as_str(), org.affiliation))
            .collect();
        assert_eq!(told, organizations, "{user}");
        let told: Vec<String> = found
            .flakes
            .iter()
            .map(|flake| format!("{} {}", flake.flake, flake.role.map_or("-", Role::as_str)))
            .collect();
        assert_eq!(told.join(", "), flakes, "{user}");
        assert!(found.complete && !found.disabled, "{user}");
        assert_eq!(found.account.unwrap().name.as_str(), user);
        // Each role is one of its reasons', and the highest of them.
        for flake in &found.flakes {
            let by_reasons = flake.reasons.iter().filter_map(|reason| reason.role).max();
            assert_eq!(by_reasons, flake.role, "{user}: {flake:?}");
        }
    }
    let bob = access(server, "bob", &people["bob"]).await;
    let teams: Vec<_> = bob.organizations[0]
        .teams
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(teams, ["ops"]);
    assert_eq!(
        bob.organizations[1].invited_as,
        Some(fh_api::OrganizationRole::Admin)
    );
    // What they follow is told to themselves alone.
    let followed = bob.flakes.last().unwrap();
    assert_eq!(followed.flake.to_string(), "zoo/tools");
    assert_eq!(followed.standing, fh_api::Standing::Followed);
    let robot = access(server, "robot", &server.admin).await;
    assert_eq!(
        robot.organizations[1].pending[0].on.to_string(),
        "zoo/tools"
    );
    let dora = access(server, "dora", &server.admin).await;
    assert!(dora.disabled);
    server
        .get("/api/v1/users/nobody/access", &server.admin)
        .await
        .expect(404);
}

/// Ann administers acme, and is told of each what they are there: whatever happens elsewhere changes no byte of it.
#[tokio::test]
async fn who_administers_an_organisation_is_told_of_that_alone() {
    let (scene, people) = scene().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let zoe = &people["zoe"];
    server.user("yan").await;
    let users = ["bob", "gus", "ines", "yan", "zoe"];
    let asked = async |token: &str| {
        let mut told = Vec::new();
        for user in users {
            let path = format!("/api/v1/users/{user}/access");
            told.push(server.get(&path, token).await.expect(200).fingerprint());
        }
        told
    };
    let before = asked(ann).await;
    server.organization("zoo", zoe).await;
    server.flake("zoo/secret", "private", zoe).await;
    server.flake("zoo/open", "public", zoe).await;
    for user in ["bob", "gus", "ines"] {
        server.member("zoo", user, "owner", zoe).await;
        let path = format!("/api/v1/orgs/zoo/grants/{user}");
        server
            .put(&path, zoe, json!({ "role": "admin" }))
            .await
            .expect(200);
        server.follow(&people[user], &["zoo/*"]).await.expect(200);
    }
    let promoted = json!({ "server_admin": true });
    server
        .patch("/api/v1/users/bob", &server.admin, promoted)
        .await
        .expect(200);
    server.show_everybody(&["zoo/open"]).await;
    let off = json!({ "disabled": true });
    let disabled = server.patch("/api/v1/users/yan", &server.admin, off).await;
    disabled.expect(200);
    assert_eq!(asked(ann).await, before);
    for told in &before {
        assert!(!told.contains("zoo"), "{told}");
    }
    // Of a stranger nothing is told but that there is nothing.
    let stranger = access(server, "zoe", ann).await;
    assert!(stranger.organizations.is_empty() && stranger.flakes.is_empty());
    assert!(stranger.account.is_none() && !stranger.complete);
    // Within acme it is the same that she is told as a server administrator.
    let bob = access(server, "bob", ann).await;
    let whole = access(server, "bob", &server.admin).await;
    let of_acme = |found: &UserAccess| -> Vec<_> {
        let flakes = found.flakes.iter();
        let flakes = flakes.filter(|flake| flake.flake.org.as_str() == "acme");
        flakes.cloned().collect()
    };
    assert_eq!(of_acme(&bob), of_acme(&whole));
    // Who administers nothing learns not even which accounts there are.
    let eve = server.user("eve").await;
    let narrow = server.narrow(ann, &["pull", "admin"], &["acme/app"]).await;
    let no_admin = server.narrow(ann, &["pull"], &["*"]).await;
    for (token, status) in [
        (&eve, 403),
        (&people["gus"], 200),
        (&narrow, 403),
        (&no_admin, 403),
    ] {
        let of = async |user: &str| {
            let path = format!("/api/v1/users/{user}/access");
            server.get(&path, token).await
        };
        // Gus owns the organisation zoo by now, and so may ask.
        let (there, absent) = (of("carl").await, of("absent").await);
        assert_eq!(there.status, status);
        if status == 403 {
            assert_eq!(there.message(), absent.message());
            assert_eq!(there.status, absent.status);
        }
    }
}

/// A token that sees a part of what its owner has is told of that part.
#[tokio::test]
async fn a_token_is_told_of_its_owner_what_it_reaches() {
    let (scene, people) = scene().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let item = Item::new("tool", b"tool");
    scene.push(&[&item]).await;
    let zoe = &people["zoe"];
    server.organization("zoo", zoe).await;
    server.flake("zoo/app", "private", zoe).await;
    server.flake("zoo/beta", "private", zoe).await;
    server.grant("zoo/app", "bob", "read", zoe).await;
    server.flake("acme/closed", "private", ann).await;
    let bob = &people["bob"];
    for (flakes, orgs, teams, told) in [
        (vec!["*"], "acme zoo", 1, "acme/app acme/closed zoo/app"),
        (vec!["acme/*"], "acme", 1, "acme/app acme/closed"),
        (vec!["acme/app"], "acme", 0, "acme/app"),
        (vec!["zoo/app"], "zoo", 0, "zoo/app"),
        (vec!["else/where"], "", 0, ""),
    ] {
        let token = server.narrow(bob, &["pull"], &flakes).await;
        let found = access(server, "BOB", &token).await;
        let names: Vec<_> = found.flakes.iter().map(|it| it.flake.to_string()).collect();
        assert_eq!(names.join(" "), told, "{flakes:?}");
        let organizations = found.organizations.iter();
        let names: Vec<_> = organizations
            .map(|it| it.organization.to_string())
            .collect();
        assert_eq!(names.join(" "), orgs, "{flakes:?}");
        let told: usize = found.organizations.iter().map(|org| org.teams.len()).sum();
        assert_eq!(told, teams, "{flakes:?}");
        assert_eq!(found.complete, flakes == ["*"]);
        assert_eq!(found.narrowed_by.is_empty(), flakes == ["*"]);
    }
    // What is offered tells names of private flakes.
    server.offer("zoo/beta", "ines", "read", zoe).await;
    let ines = &people["ines"];
    let narrow = server.narrow(ines, &["pull"], &["zoo/*", "acme/*"]).await;
    assert!(
        access(server, "ines", &narrow)
            .await
            .organizations
            .is_empty()
    );
    let whole = access(server, "ines", ines).await;
    let offered: Vec<String> = whole
        .organizations
        .iter()
        .flat_map(|org| org.pending.iter().map(|grant| grant.on.to_string()))
        .collect();
    assert_eq!(offered, ["acme/*", "acme/app", "zoo/beta"]);
    // A token for certain paths is told of nothing.
    let body = json!({ "permissions": ["pull"], "closures": [item.base] });
    let certain = server.mint(bob, body).await.token;
    server
        .get("/api/v1/users/bob/access", &certain)
        .await
        .expect(404);
}
