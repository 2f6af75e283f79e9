//! Which lines `fh login` is told to write for whom.

use fh_api::{KeyList, Signing, Standing, SubstituterList};
use serde_json::json;
use tempfile::TempDir;

use crate::testing::TestServer;

const ROOT: &str = "https://cache.example.org";

async fn list(server: &TestServer, query: &str, token: &str) -> SubstituterList {
    let path = format!("/api/v1/substituters{query}");
    server.get(&path, token).await.expect(200).json()
}

/// The addresses, without the server's own.
fn addresses(list: &SubstituterList) -> Vec<&str> {
    let urls = list.substituters.iter();
    urls.map(|line| line.url.strip_prefix(ROOT).unwrap())
        .collect()
}

async fn keys(server: &TestServer, path: &str, token: &str) -> Vec<String> {
    let list: KeyList = server.get(path, token).await.expect(200).json();
    let good = list.keys.into_iter().filter(|key| key.state != "retired");
    good.map(|key| key.public_key).collect()
}

/// What no route of these tests can do.
async fn change(server: &TestServer, sql: &'static str) {
    let changed = server.state.database().change_access(
        fh_persistence::database::Decided::by_server(),
        move |change| {
            change.execute(sql, &[])?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        },
    );
    changed.await.unwrap();
}

async fn per_organization() -> TestServer {
    TestServer::start_with(TempDir::new().unwrap(), |settings| {
        settings.signing = Signing::PerOrganization;
    })
    .await
}

#[tokio::test]
async fn a_person_of_several_organisations_gets_one_line_for_each_in_the_order_of_joining() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    let shared = keys(&server, "/api/v1/keys", "").await;
    for token in ["", ann.as_str()] {
        let list = list(&server, "", token).await;
        assert_eq!(list.signing, Signing::Shared);
        assert_eq!(addresses(&list), [""]);
        assert_eq!(list.substituters[0].public_keys, shared);
        assert_eq!(list.substituters[0].organization, None);
    }
    server.organization("Zeta", &ann).await;
    assert_eq!(addresses(&list(&server, "", &ann).await), [""]);
    server.organization("beta", &bob).await;
    server.organization("alpha", &ann).await;
    change(
        &server,
        "INSERT INTO membership (organization_id, account_id, role, created_at) \
         SELECT o.id, a.id, 'member', 9000000000000000 FROM organization o, account a \
         WHERE o.folded = 'beta' AND a.folded = 'ann'",
    )
    .await;
    let told = list(&server, "", &ann).await;
    assert_eq!(
        addresses(&told),
        ["/cache/Zeta", "/cache/alpha", "/cache/beta"]
    );
    for line in &told.substituters {
        assert_eq!(line.public_keys, shared);
        assert_eq!(line.standing, Some(Standing::Own));
    }
    assert_eq!(
        told.substituters[0].organization.as_ref().unwrap().as_str(),
        "Zeta"
    );
    // Nix may ask there before there is anything.
    for line in addresses(&told) {
        let path = format!("{line}/nix-cache-info");
        server.get(&path, &ann).await.expect(200);
        server.get(&path, "").await.expect(404);
    }

    assert_eq!(addresses(&list(&server, "?root=true", &ann).await), [""]);
    let chosen = list(&server, "?organizations=beta,zeta", &ann).await;
    assert_eq!(addresses(&chosen), ["/cache/beta", "/cache/Zeta"]);
    // A token says what it reads.
    let narrow = server.narrow(&ann, &["pull"], &["alpha/*"]).await;
    assert_eq!(addresses(&list(&server, "", &narrow).await), [""]);
    let two = server.narrow(&ann, &["pull"], &["alpha/*", "beta/x"]).await;
    assert_eq!(
        addresses(&list(&server, "", &two).await),
        ["/cache/alpha", "/cache/beta"]
    );
    let blind = server.narrow(&ann, &["push"], &["*"]).await;
    assert_eq!(addresses(&list(&server, "", &blind).await), [""]);
}

#[tokio::test]
async fn what_cannot_be_read_is_no_line() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    server.organization("other", &bob).await;
    let hidden = server
        .get("/api/v1/substituters?organizations=acme", &bob)
        .await;
    let absent = server
        .get("/api/v1/substituters?organizations=none", &bob)
        .await;
    assert_eq!(hidden.fingerprint(), absent.fingerprint());
    hidden.expect(404);
    for query in [
        "?organizations=",
        "?organizations=other,none",
        "?organizations=acme,,",
    ] {
        let path = format!("/api/v1/substituters{query}");
        server.get(&path, &bob).await.expect(404);
    }
    server
        .get("/api/v1/substituters?root=true&organizations=other", &bob)
        .await
        .expect(400);
    server
        .get("/api/v1/substituters?root=perhaps", &bob)
        .await
        .expect(400);
    let many = ["other"; 101].join(",");
    let path = format!("/api/v1/substituters?organizations={many}");
    server.get(&path, &bob).await.expect(400);
    // What is public is read by name, and is nobody's standing.
    server.flake("acme/open", "public", &ann).await;
    let named = list(&server, "?organizations=acme", &bob).await;
    assert_eq!(addresses(&named), ["/cache/acme"]);
    assert_eq!(named.substituters[0].standing, None);
}

#[tokio::test]
async fn with_keys_of_their_own_each_line_has_those_of_its_organisation() {
    let server = per_organization().await;
    let ann = server.user("ann").await;
    assert_eq!(addresses(&list(&server, "", &ann).await), [""; 0]);
    server.organization("acme", &ann).await;
    let acme = keys(&server, "/api/v1/orgs/acme/keys", &ann).await;
    let told = list(&server, "", &ann).await;
    assert_eq!(told.signing, Signing::PerOrganization);
    assert_eq!(addresses(&told), ["/cache/acme"]);
    assert_eq!(told.substituters[0].public_keys, acme);

    server.organization("beta", &ann).await;
    let beta = keys(&server, "/api/v1/orgs/beta/keys", &ann).await;
    let root = list(&server, "?root=true", &ann).await;
    assert_eq!(addresses(&root), [""]);
    assert_eq!(
        root.substituters[0].public_keys,
        [acme.clone(), beta].concat()
    );
    // Rotated keys are told at once.
    server
        .post("/api/v1/orgs/acme/keys/rotate", &ann, json!({}))
        .await
        .expect(200);
    let told = list(&server, "?organizations=acme", &ann).await;
    assert_eq!(told.substituters[0].public_keys[0], acme[1]);
    // The anonymous read nothing that they do not name.
    assert_eq!(addresses(&list(&server, "", "").await), [""; 0]);
}

#[tokio::test]
async fn accepted_organisations_and_follows_stand_behind_the_own_ones() {
    let server = per_organization().await;
    let ann = server.user("ann").await;
    let bob = server.user("bob").await;
    for name in ["acme", "many", "one"] {
        server.organization(name, &ann).await;
    }
    server.flake("acme/app", "private", &ann).await;
    server.flake("many/a", "public", &ann).await;
    server.flake("one/x", "public", &ann).await;
    server.flake("one/y", "public", &ann).await;
    server.organization("zoo", &bob).await;
    server.offer("acme/app", "bob", "read", &ann).await;
    // Nobody else puts a line there: not by a grant, not by what is public.
    assert_eq!(addresses(&list(&server, "", &bob).await), ["/cache/zoo"]);

    change(
        &server,
        "INSERT INTO guest (account_id, organization_id, accepted_at) \
         SELECT a.id, o.id, 1 FROM account a, organization o \
         WHERE a.folded = 'bob' AND o.folded = 'acme'",
    )
    .await;
    change(
        &server,
        "INSERT INTO follow (account_id, position, organization_id, project, created_at) \
         SELECT a.id, 1, o.id, 'y', 1 FROM account a, organization o \
         WHERE a.folded = 'bob' AND o.folded = 'one'",
    )
    .await;
    change(
        &server,
        "INSERT INTO follow (position, organization_id, created_at) \
         SELECT 1, id, 1 FROM organization WHERE folded IN ('many', 'zoo')",
    )
    .await;
    // A change that is noticed.
    server.flake("zoo/late", "private", &bob).await;
    let told = list(&server, "", &bob).await;
    assert_eq!(
        addresses(&told),
        ["/cache/zoo", "/cache/acme", "/cache/one/y", "/cache/many"]
    );
    let standings = told.substituters.iter().map(|line| line.standing.unwrap());
    use Standing::{Accepted, Followed, Own};
    assert_eq!(
        standings.collect::<Vec<_>>(),
        [Own, Accepted, Followed, Followed]
    );
    for line in &told.substituters {
        let organization = line.organization.as_ref().unwrap();
        let path = format!("/api/v1/orgs/{organization}/keys");
        assert_eq!(line.public_keys, keys(&server, &path, &bob).await);
    }
    // Who shows no token reads what everybody follows.
    let anonymous = list(&server, "", "").await;
    assert_eq!(addresses(&anonymous), ["/cache/many"]);
    let narrow = server.narrow(&bob, &["pull"], &["acme/*"]).await;
    assert_eq!(
        addresses(&list(&server, "", &narrow).await),
        ["/cache/acme"]
    );
}

#[tokio::test]
async fn service_accounts_read_as_one_what_their_organisation_reads() {
    for signing in [Signing::Shared, Signing::PerOrganization] {
        let server = TestServer::start_with(TempDir::new().unwrap(), |settings| {
            settings.signing = signing;
        })
        .await;
        let ann = server.user("ann").await;
        server.organization("acme", &ann).await;
        server.organization("beta", &ann).await;
        let body = json!({ "name": "bot" });
        server
            .post("/api/v1/orgs/acme/service-accounts", &ann, body)
            .await
            .expect(201);
        let body = json!({ "user": "bot", "permissions": ["pull"] });
        let bot = server.mint(&ann, body).await.token;
        let expected = match signing {
            Signing::Shared => "",
            Signing::PerOrganization => "/cache/acme",
        };
        let told = list(&server, "", &bot).await;
        assert_eq!(addresses(&told), [expected]);
        let path = "/cache/acme/nix-cache-info";
        server.get(path, &bot).await.expect(200);
    }
}
