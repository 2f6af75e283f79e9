//! Names that nobody is given, or that not everybody is, and what is said then.

use fh_api::{FormerFlakeNameList, ReservedNameList, UserKind};
use fh_persistence::database::{Decided, accounts};

use super::*;

/// Where accounts and organisations are made by the server's administrators, nobody takes a name that is meant for
/// somebody else. What something was called it may be called again.
#[tokio::test]
async fn a_name_is_not_taken_before_its_owner_comes() {
    let administrators = |settings: &mut Settings| {
        settings.organization_creation = OrganizationCreation::Administrators;
    };
    let server = TestServer::start_with(TempDir::new().unwrap(), administrators).await;
    let mal = server.user("mal").await;
    server.organization("acme", &server.admin).await;
    let owner = json!({ "role": "owner" });
    server
        .put("/api/v1/orgs/acme/members/mal", &server.admin, owner)
        .await
        .expect(200);
    let account = json!({ "name": "fleet" });
    server
        .post("/api/v1/orgs/acme/service-accounts", &mal, account)
        .await
        .expect(201);
    server.flake("acme/app", "private", &mal).await;
    for (what, to, token, status) in [
        ("users/mal", "carla", &mal, 403),
        ("users/mal", "Mal", &mal, 200),
        ("users/mal", "mallory", &server.admin, 200),
        ("users/mallory", "mal", &mal, 200),
        ("users/mal", "MALLORY", &mal, 200),
        ("users/mal", "mallory2", &mal, 403),
        ("orgs/acme", "corp", &mal, 403),
        ("orgs/acme", "ACME", &mal, 200),
        ("orgs/acme", "corp", &server.admin, 200),
        ("orgs/corp", "acme", &mal, 200),
        ("orgs/acme", "Corp", &mal, 200),
        ("orgs/corp", "corp2", &mal, 403),
        // Names within an organisation, and of its service accounts, are its own.
        ("flakes/corp/app", "shop", &mal, 200),
        ("orgs/corp/service-accounts/fleet", "machines", &mal, 200),
    ] {
        let path = format!("/api/v1/{what}/rename");
        let answer = server.post(&path, token, json!({ "name": to })).await;
        let told = answer.expect(status);
        if status == 403 {
            let message = told.message();
            assert!(
                message.contains("organization-creation"),
                "{what}: {message}"
            );
        }
    }
}

/// Names `trust-…` are those of the accounts of trust policies; who has had one before keeps it.
#[tokio::test]
async fn a_name_of_the_accounts_of_trust_policies_is_given_to_nobody_else() {
    let scene = scene().await;
    let (server, ann, bob) = (&scene.server, &scene.ann, &scene.bob);
    let users = "/api/v1/users";
    let accounts_of_acme = "/api/v1/orgs/acme/service-accounts";
    let there = server.state.database().write(Decided::by_server(), |tx| {
        let name = "trust-me".parse().unwrap();
        accounts::insert(tx, &name, UserKind::Human, false)
    });
    there.await.unwrap();
    for (path, token, name) in [
        (users, &server.admin, "trust-x"),
        (users, &server.admin, "Trust-0123456789ab"),
        (accounts_of_acme, ann, "TRUST-x"),
        ("/api/v1/users/bob/rename", bob, "trust-bob"),
        ("/api/v1/users/bob/rename", &server.admin, "trust-bob"),
        (
            "/api/v1/orgs/acme/service-accounts/fleet/rename",
            ann,
            "trust-fleet",
        ),
    ] {
        let refused = server.post(path, token, json!({ "name": name })).await;
        let message = refused.expect(409).message();
        assert!(
            message.contains("are those of the accounts of trust policies"),
            "{path}: {message}"
        );
    }
    // What is only like it, and organisations.
    for (path, token, name) in [
        (users, &server.admin, "trusty"),
        (users, &server.admin, "trust"),
        ("/api/v1/orgs", bob, "trust-org"),
    ] {
        server
            .post(path, token, json!({ "name": name }))
            .await
            .expect(201);
    }
    let again = json!({ "name": "trust-me", "exist_ok": true });
    server.post(users, &server.admin, again).await.expect(200);
    for (what, to) in [
        ("users/trust-me", "Trust-Me"),
        ("users/trust-me", "me"),
        ("users/me", "trust-me"),
    ] {
        scene.rename(what, to, &server.admin, 200).await;
    }
    let policy = json!({
        "provider": "github", "flakes": ["acme/app"], "role": "read",
        "conditions": [{ "claim": "repository", "equals": "acme/app" }],
    });
    server
        .put("/api/v1/orgs/acme/trust/ci", ann, policy)
        .await
        .expect(200);
}

/// Whoever asks for a name that something else had is told what that is called now, if they may know it.
#[tokio::test]
async fn what_has_had_a_name_is_told_to_who_may_know_it() {
    let scene = scene().await;
    let (server, ann, bob) = (&scene.server, &scene.ann, &scene.bob);
    scene.rename_everything().await;
    scene.rename("orgs/corp", "hidden", bob, 200).await;
    server.flake("new/other", "private", ann).await;
    let (orgs, users) = ("/api/v1/orgs", "/api/v1/users");
    let reserved = "is reserved until a server administrator frees it";
    for (path, token, name, told) in [
        (
            orgs,
            bob,
            "corp",
            "a former name of the organisation hidden",
        ),
        (
            orgs,
            &server.admin,
            "CORP",
            "a former name of the organisation hidden",
        ),
        (orgs, ann, "corp", reserved),
        // Of new something is public.
        (orgs, bob, "acme", "a former name of the organisation new"),
        ("/api/v1/orgs/new/rename", ann, "corp", reserved),
        (
            "/api/v1/orgs/hidden/rename",
            bob,
            "acme",
            "a former name of the organisation new",
        ),
        (
            users,
            &server.admin,
            "ann",
            "a former name of the account ann2",
        ),
        ("/api/v1/users/bob/rename", bob, "ann", reserved),
        (
            "/api/v1/orgs/hidden/service-accounts",
            bob,
            "fleet",
            reserved,
        ),
        (
            "/api/v1/orgs/new/service-accounts",
            ann,
            "fleet",
            "a former name of the account machines",
        ),
        (
            "/api/v1/flakes/new/other/rename",
            ann,
            "app",
            "new/app is a former name of the flake new/shop",
        ),
    ] {
        let refused = server.post(path, token, json!({ "name": name })).await;
        let message = refused.expect(409).message();
        assert!(message.contains(told), "{path} {name}: {message}");
        let hidden = ["hidden", "ann2", "machines"];
        let tells = hidden.iter().any(|name| message.contains(name));
        assert!(told != reserved || !tells, "{path} {name}: {message}");
    }
    let list: ReservedNameList = server
        .get("/api/v1/reserved-names", &server.admin)
        .await
        .expect(200)
        .json();
    let mut lead: Vec<(String, Option<String>)> = Vec::new();
    for of in &list.names {
        let leads_to = of.leads_to.as_ref().map(ToString::to_string);
        lead.push((of.name.to_string(), leads_to));
    }
    for (name, leads_to) in [
        ("acme", "new"),
        ("ann", "ann2"),
        ("corp", "hidden"),
        ("fleet", "machines"),
    ] {
        let expected = (name.to_owned(), Some(leads_to.to_owned()));
        assert!(lead.contains(&expected), "{name}: {lead:?}");
    }
}

/// The most former names: one of them can be taken back all the same.
#[tokio::test]
async fn at_the_limit_of_former_names_one_of_them_is_taken_back() {
    let scene = scene().await;
    let (server, ann) = (&scene.server, &scene.ann);
    for (what, first) in [
        ("orgs", "acme"),
        ("flakes/acme", "secret"),
        ("users", "ann"),
    ] {
        let mut last = first.to_owned();
        for number in 0..10 {
            let to = format!("{first}-{number}");
            scene.rename(&format!("{what}/{last}"), &to, ann, 200).await;
            last = to;
        }
        let told = scene
            .rename(&format!("{what}/{last}"), "more", ann, 409)
            .await;
        assert!(told.contains("10 former names"), "{what}: {told}");
        scene
            .rename(&format!("{what}/{last}"), first, ann, 200)
            .await;
    }
    server
        .get("/api/v1/flakes/acme-3/secret-5", ann)
        .await
        .expect(200);
}

/// A former name of a flake leads to nothing once it is freed, and another flake of the organisation can have it. Nobody
/// frees it who does not administer the organisation.
#[tokio::test]
async fn a_former_name_of_a_flake_is_freed_by_administrators_of_its_organization() {
    let scene = scene().await;
    let (server, ann, bob) = (&scene.server, &scene.ann, &scene.bob);
    let narrow = server.narrow(ann, &ALL, &["acme/app"]).await;
    scene.rename("flakes/acme/app", "Shop", ann, 200).await;
    scene.rename("flakes/acme/Shop", "store", ann, 200).await;
    let path = "/api/v1/orgs/acme/former-flakes";
    let list: FormerFlakeNameList = server.get(path, ann).await.expect(200).json();
    let found: Vec<(String, String)> = list
        .names
        .iter()
        .map(|name| (name.flake.to_string(), name.leads_to.to_string()))
        .collect();
    let expected = [("acme/app", "acme/store"), ("acme/shop", "acme/store")];
    assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));

    // Strangers, and whoever administers another organisation; the present name, and none.
    for (path, token, status) in [
        ("acme/former-flakes/app", bob, 403),
        ("corp/former-flakes/app", bob, 404),
        ("corp/former-flakes/app", ann, 404),
        ("acme/former-flakes/store", ann, 404),
        ("acme/former-flakes/secret", ann, 404),
        ("acme/former-flakes/%2e", ann, 404),
    ] {
        let path = format!("/api/v1/orgs/{path}");
        server.delete(&path, token).await.expect(status);
    }
    server.get(path, bob).await.expect(403);
    server.get("/api/v1/flakes/acme/app", ann).await.expect(200);

    let name = format!("{path}/APP");
    server.delete(&name, &narrow).await.expect(403);
    server.delete(&name, ann).await.expect(204);
    server.delete(&name, ann).await.expect(404);
    server.get("/api/v1/flakes/acme/app", ann).await.expect(404);
    server
        .get("/api/v1/flakes/acme/shop", ann)
        .await
        .expect(200);
    assert_eq!(server.audited("flake.free-name").await, 1);

    // Another flake has it now, and what was stored by name reaches the former one all the same.
    server.flake("acme/app", "private", ann).await;
    server
        .get("/api/v1/flakes/acme/store", &narrow)
        .await
        .expect(200);
    server
        .get("/api/v1/flakes/acme/app", &narrow)
        .await
        .expect(404);
}
