//! An identity acts for the organisation that it names, and what others' policies say of it changes nothing.

use fh_api::oauth::ExchangeAnswer;
use fh_api::{AuditList, MintedToken, TrustTest, Whoami};
use fh_settings::DefaultOrganization;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::World;
use crate::testing::TestServer;

/// A world in which mallory owns the organisation `evil` with the private flake `evil/x`.
struct Attacked {
    world: World,
    mallory: String,
}

impl Attacked {
    /// Her policy is there before acme's, with what she would like to do to acme's jobs.
    async fn new() -> Self {
        let world = World::new().await;
        let mallory = world.server.user("mallory").await;
        world.server.organization("evil", &mallory).await;
        world.server.flake("evil/x", "private", &mallory).await;
        let attacked = Self { world, mallory };
        attacked
            .evil(
                json!({ "max_lifetime": 60, "mint": true, "pull_requests": true, "pin": ["run"] }),
            )
            .await;
        attacked
            .world
            .trust("ci", json!({ "max_lifetime": 1800 }))
            .await;
        attacked
    }

    async fn evil(&self, change: Value) {
        let mut policy = self.world.policy(json!({ "flakes": ["evil/x"] }));
        super::extend(&mut policy, change);
        let path = "/api/v1/orgs/evil/trust/catch";
        let server = &self.world.server;
        server.put(path, &self.mallory, policy).await.expect(200);
    }

    async fn no_evil(&self) {
        let path = "/api/v1/orgs/evil/trust/catch";
        let server = &self.world.server;
        server.delete(path, &self.mallory).await.expect(204);
    }

    async fn audit(&self, org: &str, token: &str) -> AuditList {
        let state = &self.world.server.state;
        state.denials().flush(true).await.unwrap();
        let path = format!("/api/v1/audit?org={org}&limit=1000");
        self.world.server.get(&path, token).await.expect(200).json()
    }

    /// Everything of an identity in the audit log that mallory reads.
    async fn told_to_mallory(&self) -> Vec<String> {
        let told = self.audit("evil", &self.mallory).await.events;
        told.iter()
            .filter(|event| event.user.as_deref() != Some("mallory"))
            .map(|event| serde_json::to_string(event).unwrap())
            .collect()
    }

    async fn exchanged(&self, run: &str, fields: &[(&str, &str)]) -> ExchangeAnswer {
        let identity = self.world.identity(json!({ "jti": run, "run": run }));
        let answer = self.world.exchange(&identity, fields).await;
        answer.expect(200).json()
    }
}

fn names(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn a_stranger_s_policy_gives_nothing_and_takes_nothing() {
    let attacked = Attacked::new().await;
    let world = &attacked.world;
    // By itself, at the root and at acme's addresses.
    let identity = world.identity(json!({ "run": "1" }));
    let who: Whoami = world.whoami(&identity).await.expect(200).json();
    let workload = who.workload.unwrap();
    assert_eq!(workload.organization.unwrap().as_str(), "acme");
    assert_eq!(workload.policies, ["acme/ci"]);
    assert_eq!(world.pushes("acme/app", &identity).await, 200);
    let list: Value = world
        .server
        .get("/api/v1/flakes", &identity)
        .await
        .expect(200)
        .json();
    assert_eq!(list["flakes"].as_array().unwrap().len(), 1, "{list}");
    for fields in [&[][..], &[("organization", "ACME")]] {
        let token = attacked
            .exchanged(&format!("e{}", fields.len()), fields)
            .await;
        assert_eq!(token.expires_in, 1800, "her lifetime counts for hers");
        assert_eq!(token.scope, "pull push", "her mint gives nothing");
        let token = token.access_token;
        assert_eq!(world.pushes("acme/app", &token).await, 200);
        assert_eq!(world.reads("evil/x", &token).await, 404);
        let who: Whoami = world.whoami(&token).await.expect(200).json();
        assert_eq!(who.workload.unwrap().policies, ["acme/ci"]);
        // Neither what is refused there.
        let path = "/api/v1/flakes/evil/x";
        world.server.delete(path, &token).await.expect(404);
    }
    assert_eq!(attacked.told_to_mallory().await, [""; 0]);
    let told = attacked.audit("acme", &world.ann).await.events;
    let exchanged = told.iter().filter(|event| event.action == "token.exchange");
    assert_eq!(exchanged.count(), 2);
    // Nor was anything remembered for her.
    assert_eq!(world.server.audited("trust.pin").await, 0);
}

#[tokio::test]
async fn a_stranger_s_policy_is_deleted_and_nothing_of_acme_s_breaks() {
    let attacked = Attacked::new().await;
    let world = &attacked.world;
    let token = attacked.exchanged("1", &[]).await.access_token;
    let bare = world.identity(json!({}));
    let plan = async |token: &str| {
        let path = "/api/v1/flakes/acme/app/pushes";
        let paths = json!([{
            "path": "1qyvj2cmbpqcwx1y1ff1r4bsgifngnrv-x", "nar_hash": format!("sha256:{}", "0".repeat(52)),
            "nar_size": 8, "references": [], "signatures": [],
        }]);
        let answer = world
            .server
            .post(path, token, json!({ "paths": paths }))
            .await;
        answer.expect(201).json::<Value>()
    };
    plan(&token).await;
    plan(&bare).await;
    let rows = async |table: &'static str| {
        let counted = world.server.state.database().read(move |read| {
            let sql = format!(
                "SELECT COUNT(*) FROM {table} t JOIN account a ON a.id = t.account_id \
                 JOIN trust_policy p ON p.id = a.trust_policy_id \
                 JOIN organization o ON o.id = p.organization_id WHERE o.folded = 'acme'"
            );
            Ok(read.one(&sql, &[], |row| row.get::<_, i64>(0))?)
        });
        counted.await.unwrap()
    };
    assert_eq!((rows("token").await, rows("push").await), (1, 2));
    attacked.no_evil().await;
    assert_eq!((rows("token").await, rows("push").await), (1, 2));
    assert_eq!(world.pushes("acme/app", &token).await, 200);
    assert_eq!(world.pushes("acme/app", &bare).await, 200);
    // And of a whole organisation that is read besides.
    attacked.evil(json!({})).await;
    let fields = [("organization", "acme"), ("organization", "evil")];
    let both = attacked.exchanged("2", &fields).await.access_token;
    assert_eq!(world.reads("evil/x", &both).await, 200);
    let server = &world.server;
    let delete = server.delete("/api/v1/flakes/evil/x", &attacked.mallory);
    delete.await.expect(204);
    let delete = server.delete("/api/v1/orgs/evil", &attacked.mallory);
    delete.await.expect(204);
    assert_eq!(world.pushes("acme/app", &both).await, 200);
}

#[tokio::test]
async fn an_organisation_that_is_named_besides_is_read_by_its_own_policies_alone() {
    let attacked = Attacked::new().await;
    let world = &attacked.world;
    attacked
        .evil(json!({ "role": "admin", "mint": true, "builder": true }))
        .await;
    let fields = [("organization", "acme"), ("organization", "evil")];
    let token = attacked.exchanged("1", &fields).await;
    assert_eq!(
        (token.expires_in, token.scope.as_str()),
        (1800, "pull push")
    );
    let token = token.access_token;
    let who: Whoami = world.whoami(&token).await.expect(200).json();
    let workload = who.workload.unwrap();
    assert_eq!(workload.organization.unwrap().as_str(), "acme");
    assert_eq!(workload.policies, ["acme/ci", "evil/catch"]);
    assert_eq!(world.reads("evil/x", &token).await, 200);
    assert_eq!(world.pushes("evil/x", &token).await, 403);
    assert_eq!(world.pushes("acme/app", &token).await, 200);
    // What she hears is what she granted, and nothing of who it is.
    assert_eq!(attacked.told_to_mallory().await, [""; 0]);
    attacked.evil(json!({ "pin": ["run"] })).await;
    assert_eq!(world.reads("evil/x", &token).await, 200);
    attacked.exchanged("2", &fields).await;
    let told = attacked.told_to_mallory().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("trust.pin") && !told[0].contains("builder"),
        "{told:?}"
    );
    // Her policy goes, and with it what it gave.
    attacked.no_evil().await;
    assert_eq!(world.reads("evil/x", &token).await, 404);
    assert_eq!(world.pushes("acme/app", &token).await, 200);
    // The other way round it is hers.
    attacked.evil(json!({ "max_lifetime": 60 })).await;
    let fields = [("organization", "evil"), ("organization", "acme")];
    let hers = attacked.exchanged("3", &fields).await;
    assert_eq!(hers.expires_in, 60);
    assert_eq!(world.pushes("acme/app", &hers.access_token).await, 403);
    assert_eq!(world.reads("acme/app", &hers.access_token).await, 200);
    // One that does not exist, or lets nobody in, is read as nothing; to act for it is refused.
    let fields = [
        ("organization", "acme"),
        ("organization", "nowhere"),
        ("organization", "??"),
    ];
    attacked.exchanged("4", &fields).await;
    let identity = world.identity(json!({}));
    for name in ["nowhere", "??", ""] {
        let refused = world.exchange(&identity, &[("organization", name)]).await;
        let refused: Value = refused.expect(400).json();
        assert_eq!(refused["error"], "invalid_grant", "{name}");
    }
    let many = vec![("organization", "acme"); 21];
    world.exchange(&identity, &many).await.expect(400);
}

#[tokio::test]
async fn the_address_says_for_whom_a_bare_identity_acts() {
    let attacked = Attacked::new().await;
    let world = &attacked.world;
    let identity = world.identity(json!({ "run": "1" }));
    let status = async |path: &str| world.server.get(path, &identity).await.status.as_u16();
    assert_eq!(status("/api/v1/flakes/evil/x").await, 200);
    assert_eq!(status("/api/v1/flakes/%65vil/x").await, 200);
    assert_eq!(status("/api/v1/flakes/acme/app").await, 200);
    assert_eq!(status("/cache/evil/nix-cache-info").await, 200);
    assert_eq!(status("/cache/EVIL/x/nix-cache-info").await, 200);
    assert_eq!(status("/cache/acme/app/nix-cache-info").await, 200);
    // Each with what it acts for there, whatever is remembered.
    assert_eq!(status("/cache/acme/lib/nix-cache-info").await, 404);
    let at_root: Value = world
        .server
        .get("/api/v1/flakes", &identity)
        .await
        .expect(200)
        .json();
    assert_eq!(at_root["flakes"][0]["flake"], "acme/app");
    assert_eq!(at_root["flakes"].as_array().unwrap().len(), 1);
    // Nobody is there: as one that nobody lets in.
    let stranger = world.identity(json!({ "sub": "stranger" }));
    let refused = world.server.get("/api/v1/flakes/acme/app", &stranger).await;
    let refused = refused.expect(401).message();
    for path in ["/api/v1/flakes/nowhere/x", "/api/v1/orgs/nowhere"] {
        let answer = world.server.get(path, &identity).await.expect(401);
        assert_eq!(answer.message(), refused, "{path}");
    }
    assert_eq!(status("/cache/nowhere/nix-cache-info").await, 401);
    // Where one lets it in no more, it does not fall back on another.
    attacked.no_evil().await;
    assert_eq!(status("/api/v1/flakes/evil/x").await, 401);
    assert_eq!(status("/api/v1/flakes/acme/app").await, 200);
}

#[tokio::test]
async fn an_audience_that_carries_an_organisation_binds() {
    let attacked = Attacked::new().await;
    let world = &attacked.world;
    let urn = world.server.state.keys().audience().to_owned();
    let url = world.server.state.public_url().to_owned();
    world
        .server
        .flake("evil/open", "public", &attacked.mallory)
        .await;
    for (number, audience) in [
        json!(format!("{url}/cache/acme")),
        json!(format!("{urn}/cache/Acme")),
        json!([format!("{url}/cache/acme"), url, "https://other.example"]),
    ]
    .into_iter()
    .enumerate()
    {
        let claims = json!({ "aud": audience, "run": "1", "jti": number.to_string() });
        let identity = world.identity(claims);
        assert_eq!(world.pushes("acme/app", &identity).await, 200);
        world.whoami(&identity).await.expect(200);
        // Elsewhere it reads what is open there, and no more.
        assert_eq!(world.reads("evil/x", &identity).await, 404);
        assert_eq!(world.reads("evil/open", &identity).await, 200);
        assert_eq!(world.reads("nowhere/x", &identity).await, 404);
        for name in ["evil", "nowhere"] {
            let refused = world.exchange(&identity, &[("organization", name)]).await;
            let refused: Value = refused.expect(400).json();
            assert_eq!(refused["error"], "invalid_target");
            let sentence = refused["error_description"].as_str().unwrap();
            assert!(sentence.contains("audience"), "{sentence}");
        }
        let fields = [("organization", "acme")];
        world.exchange(&identity, &fields).await.expect(200);
    }
    let evils = world.identity(json!({ "aud": format!("{url}/cache/evil"), "run": "1" }));
    assert_eq!(world.reads("acme/app", &evils).await, 404);
    assert_eq!(world.reads("evil/x", &evils).await, 200);
    for audience in ["/cache/nowhere", "/cache/acme/app", "/cache/"] {
        let identity = world.identity(json!({ "aud": format!("{url}{audience}") }));
        world.whoami(&identity).await.expect(401);
    }
}

#[tokio::test]
async fn who_names_none_acts_for_the_first_organisation_or_for_whom_the_operator_says() {
    let attacked = Attacked::new().await;
    let world = &attacked.world;
    let discovery =
        async || -> fh_api::Discovery { world.server.get("/.well-known/fh", "").await.json() };
    assert_eq!(
        discovery().await.default_organization.unwrap().as_str(),
        "acme"
    );
    let identity = world.identity(json!({ "run": "1" }));
    world.whoami(&identity).await.expect(200);
    // No other takes its place, whosever policies there are.
    let server = &world.server;
    for flake in ["acme/app", "acme/lib"] {
        let path = format!("/api/v1/flakes/{flake}");
        server.delete(&path, &world.ann).await.expect(204);
    }
    server
        .delete("/api/v1/orgs/acme", &world.ann)
        .await
        .expect(204);
    world.whoami(&identity).await.expect(401);
    world.exchange(&identity, &[]).await.expect(400);
    assert_eq!(discovery().await.default_organization, None);
    assert_eq!(world.reads("evil/x", &identity).await, 200);
    for (default, expected) in [
        (DefaultOrganization::FirstMade, Some("evil")),
        (
            DefaultOrganization::Named("EVIL".parse().unwrap()),
            Some("evil"),
        ),
        (DefaultOrganization::Named("nowhere".parse().unwrap()), None),
        (DefaultOrganization::Nobody, None),
    ] {
        let server = TestServer::start_with(TempDir::new().unwrap(), |settings| {
            settings.workloads.default_organization = default;
        })
        .await;
        let found: fh_api::Discovery = server.get("/.well-known/fh", "").await.json();
        assert_eq!(found.default_organization, None);
        let ann = server.user("ann").await;
        server.organization("evil", &ann).await;
        let found: fh_api::Discovery = server.get("/.well-known/fh", "").await.json();
        let name = found.default_organization.map(|name| name.to_string());
        assert_eq!(name.as_deref(), expected);
    }
}

#[tokio::test]
async fn tokens_of_before_act_for_the_organisation_of_their_policy() {
    let attacked = Attacked::new().await;
    let world = &attacked.world;
    let token = attacked.exchanged("1", &[]).await.access_token;
    let without = world.server.state.database().change_access(
        fh_persistence::database::Decided::by_server(),
        |change| {
            change.execute("UPDATE token SET acting_organization_id = NULL", &[])?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        },
    );
    without.await.unwrap();
    world.whoami(&token).await.expect(401);
    let upgraded = world.server.state.database().change_access(
        fh_persistence::database::Decided::by_server(),
        |change| {
            let migration =
                include_str!("../../../../fh-persistence/src/database/migrations/0010_acting.sql");
            let begin = migration.find("UPDATE token").unwrap();
            let end = begin + migration[begin..].find(';').unwrap();
            change.batch(&migration[begin..end])?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        },
    );
    upgraded.await.unwrap();
    let who: Whoami = world.whoami(&token).await.expect(200).json();
    assert_eq!(who.workload.unwrap().policies, ["acme/ci"]);
}

#[tokio::test]
async fn a_token_that_is_minted_or_rotated_acts_for_the_same_organisations() {
    let attacked = Attacked::new().await;
    let world = &attacked.world;
    world
        .trust("ci", json!({ "mint": true, "builder": true }))
        .await;
    let fields = [("organization", "acme"), ("organization", "evil")];
    let token = attacked.exchanged("1", &fields).await.access_token;
    let server = &world.server;
    let child: MintedToken = server
        .post("/api/v1/tokens", &token, json!({}))
        .await
        .expect(201)
        .json();
    assert_eq!(world.reads("evil/x", &child.token).await, 200);
    assert_eq!(world.reads("acme/app", &child.token).await, 200);
    assert_eq!(
        child.info.workload.unwrap().organization.unwrap().as_str(),
        "acme"
    );
    let id = fh_auth::read_unverified(&token).unwrap().jti;
    let path = format!("/api/v1/tokens/{id}/rotate");
    let rotated: MintedToken = server
        .post(&path, &token, json!({ "grace": 60 }))
        .await
        .expect(201)
        .json();
    assert_eq!(world.reads("evil/x", &rotated.token).await, 200);
    assert_eq!(world.pushes("acme/app", &rotated.token).await, 200);
}

#[tokio::test]
async fn owners_alone_say_who_the_builders_are() {
    let world = World::new().await;
    let server = &world.server;
    let adam = server.user("adam").await;
    let path = "/api/v1/orgs/acme/members/adam";
    let member = json!({ "role": "admin" });
    server.put(path, &world.ann, member).await.expect(200);
    server.accept("acme", "adam").await;
    let set = async |token: &str, name: &str, change: Value| {
        let path = format!("/api/v1/orgs/acme/trust/{name}");
        let policy = world.policy(change);
        server.put(&path, token, policy).await.status.as_u16()
    };
    assert_eq!(set(&adam, "plain", json!({})).await, 200);
    assert_eq!(set(&adam, "plain", json!({ "builder": true })).await, 403);
    assert_eq!(set(&adam, "new", json!({ "builder": true })).await, 403);
    assert_eq!(set(&world.ann, "ci", json!({ "builder": true })).await, 200);
    for change in [
        json!({}),
        json!({ "builder": true }),
        json!({ "role": "read" }),
    ] {
        assert_eq!(set(&adam, "ci", change).await, 403);
    }
    let identity = world.identity(json!({}));
    let body = json!({ "token": identity });
    let test: TrustTest = server
        .post("/api/v1/orgs/acme/trust-test", &adam, body)
        .await
        .expect(200)
        .json();
    let builders: Vec<_> = test
        .policies
        .iter()
        .filter(|verdict| verdict.builder)
        .map(|verdict| verdict.policy.to_string())
        .collect();
    assert_eq!(builders, names(&["ci"]));
    // To take it away needs no owner.
    let delete = server.delete("/api/v1/orgs/acme/trust/ci", &adam);
    delete.await.expect(204);
    let told = server.state.database().read(|read| {
        let sql = "SELECT detail FROM audit_event WHERE action = 'trust.create' AND subject = 'ci'";
        Ok(read.one(sql, &[], |row| row.get::<_, String>(0))?)
    });
    let told: Value = serde_json::from_str(&told.await.unwrap()).unwrap();
    assert_eq!(told["to"]["builder"], true);
}

#[tokio::test]
async fn an_identity_that_names_the_former_name_acts_for_the_same_organisation() {
    let world = World::new().await;
    let server = &world.server;
    world.trust("ci", json!({})).await;
    let (url, urn) = (server.state.public_url(), server.state.keys().audience());
    let exchanged = async |run: &str, audience: Value, fields: &[(&str, &str)]| {
        let identity = world.identity(json!({ "jti": run, "run": run, "aud": audience }));
        world.exchange(&identity, fields).await
    };
    let before = exchanged("1", json!(url), &[("organization", "acme")]).await;
    let before: ExchangeAnswer = before.expect(200).json();
    let body = json!({ "name": "corp" });
    server
        .post("/api/v1/orgs/acme/rename", &world.ann, body)
        .await
        .expect(200);
    let organization = async |token: &str| {
        let who: Whoami = world.whoami(token).await.expect(200).json();
        let workload = who.workload.unwrap();
        (
            workload.organization.unwrap().to_string(),
            workload.policies,
        )
    };
    let corp = ("corp".to_owned(), names(&["corp/ci"]));
    assert_eq!(organization(&before.access_token).await, corp);
    for (number, (audience, fields)) in [
        (json!(url), &[("organization", "ACME")][..]),
        (json!(format!("{url}/cache/acme")), &[]),
        (
            json!(format!("{urn}/cache/Acme")),
            &[("organization", "corp")],
        ),
        (
            json!(format!("{url}/cache/corp")),
            &[("organization", "acme")],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = exchanged(&format!("r{number}"), audience.clone(), fields).await;
        let token: ExchangeAnswer = answer.expect(200).json();
        assert_eq!(organization(&token.access_token).await, corp, "{audience}");
    }
    // Bare, by the address.
    let bare = world.identity(json!({ "aud": format!("{url}/cache/acme") }));
    server
        .get("/cache/acme/app/nix-cache-info", &bare)
        .await
        .expect(200);
    assert_eq!(world.pushes("acme/app", &bare).await, 200);
    let refused = exchanged(
        "x",
        json!(format!("{url}/cache/acme")),
        &[("organization", "evil")],
    );
    refused.await.expect(400);
    // Once it was freed and somebody else has it, it is theirs alone.
    let path = "/api/v1/reserved-names/organization/acme";
    server.delete(path, &server.admin).await.expect(204);
    let mallory = server.user("mallory").await;
    server.organization("acme", &mallory).await;
    assert_eq!(world.reads("corp/app", &bare).await, 401);
    assert_eq!(organization(&before.access_token).await, corp);
}
