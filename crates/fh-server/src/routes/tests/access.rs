//! Why somebody can read a path: what is told to whom.

use fh_api::{AccessExplanation, AccessReason};
use fh_persistence::database::Decided;
use serde_json::json;

use crate::push::tests::{Item, Scene};

async fn why(scene: &Scene, token: &str, query: &str) -> AccessExplanation {
    let path = format!("/api/v1/access?path={query}");
    scene.server.get(&path, token).await.expect(200).json()
}

/// `by subject role (users)`.
fn told(reason: &AccessReason) -> String {
    let mut text = reason.by.clone();
    if let Some(subject) = &reason.subject {
        text = format!("{text} {subject}");
    }
    if let Some(policy) = &reason.trust_policy {
        text = format!("{text} {policy}");
    }
    if let Some(role) = reason.role {
        text = format!("{text} {role}");
    }
    if reason.organization_wide {
        text.push_str(" wide");
    }
    let users: Vec<_> = reason.users.iter().map(ToString::to_string).collect();
    format!("{text} ({})", users.join(" "))
}

fn reasons(explanation: &AccessExplanation) -> Vec<String> {
    assert_eq!(explanation.slices.len(), 1, "{explanation:?}");
    explanation.slices[0].reasons.iter().map(told).collect()
}

async fn scene_with_people() -> (Scene, Item, String, String) {
    let scene = Scene::new().await;
    let item = Item::new("secret", b"for those who were granted it");
    scene.push(&[&item]).await;
    let (server, ann) = (&scene.server, &scene.ann);
    let bob = server.user("bob").await;
    let eve = server.user("eve").await;
    let put = async |path: &str, body| {
        server.put(path, ann, body).await.expect(200);
    };
    server.member("acme", "bob", "member", ann).await;
    let team = json!({ "name": "ops" });
    server
        .post("/api/v1/orgs/acme/teams", ann, team)
        .await
        .expect(201);
    put("/api/v1/orgs/acme/teams/ops/members/bob", json!(null)).await;
    put(
        "/api/v1/flakes/acme/app/grants/team:ops",
        json!({ "role": "write" }),
    )
    .await;
    put(
        "/api/v1/orgs/acme/grants/@members",
        json!({ "role": "read" }),
    )
    .await;
    (scene, item, bob, eve)
}

#[tokio::test]
async fn an_administrator_learns_which_grant_lets_whom_read() {
    let (scene, item, bob, eve) = scene_with_people().await;
    let everybody = why(&scene, &scene.ann, item.hash()).await;
    assert_eq!(everybody.path, item.base);
    assert_eq!(everybody.user, None);
    assert!(!everybody.readable);
    assert!(!everybody.slices[0].served);
    assert_eq!(
        reasons(&everybody),
        [
            "membership admin wide (ann)",
            "grant team:ops write (bob)",
            "grant @members read wide (ann bob)",
        ]
    );
    let of_bob = why(&scene, &scene.ann, &format!("{}&user=BOB", item.base)).await;
    assert!(of_bob.readable && of_bob.slices[0].served);
    assert_eq!(of_bob.user.as_ref().unwrap().as_str(), "bob");
    assert_eq!(
        reasons(&of_bob),
        [
            "grant team:ops write (bob)",
            "grant @members read wide (bob)"
        ]
    );
    let path = format!("/nix/store/{}&user=eve", item.base);
    let of_eve = why(&scene, &scene.ann, &path).await;
    assert!(!of_eve.readable && !of_eve.slices[0].served);
    assert!(reasons(&of_eve).is_empty());
    assert_eq!(
        of_eve.message,
        "eve cannot read it through any flake that you administer."
    );
    let nobody = format!("/api/v1/access?path={}&user=nobody", item.hash());
    scene.server.get(&nobody, &scene.ann).await.expect(422);

    // It says what is so: the flake's own answer is the proof.
    assert!(scene.narinfo("", &item, &bob).await.is_some());
    assert!(scene.narinfo("", &item, &eve).await.is_none());
    let off = json!({ "disabled": true });
    let admin = &scene.server.admin;
    scene
        .server
        .patch("/api/v1/users/bob", admin, off)
        .await
        .expect(200);
    let of_bob = why(&scene, &scene.ann, &format!("{}&user=bob", item.hash())).await;
    assert!(!of_bob.readable);
    assert_eq!(of_bob.message, "bob is disabled, and can read nothing.");
    let everybody = why(&scene, &scene.ann, item.hash()).await;
    assert_eq!(
        reasons(&everybody),
        [
            "membership admin wide (ann)",
            "grant @members read wide (ann)"
        ]
    );
}

#[tokio::test]
async fn open_flakes_and_trust_policies_are_reasons_too() {
    let (scene, item, _, eve) = scene_with_people().await;
    let flake = "/api/v1/flakes/acme/app";
    let written = scene
        .server
        .state
        .database()
        .write(Decided::by_server(), |tx| {
            for (id, flakes) in [(1, "acme/app"), (2, "acme/other"), (3, "acme/*")] {
                tx.execute(
                "INSERT INTO trust_policy (uuid, organization_id, name, folded, provider, issuer, \
                 audiences, conditions, pins, flakes, role, mint, pull_requests, max_lifetime, \
                 created_at) \
                 VALUES ('policy' || ?1, 1, 'ci' || ?1, 'ci' || ?1, 'oidc', 'https://issuer', \
                 '[]', '[]', '{}', ?2, 'write', 0, 0, 300, 0)",
                fh_sql::params![id, flakes],
            )?;
            }
            Ok::<_, fh_persistence::database::DatabaseError>(())
        });
    written.await.unwrap();
    for (visibility, sentence) in [
        (
            "unlisted",
            "Everybody who knows the name acme/app can read it at /cache/acme/app: it is unlisted.",
        ),
        (
            "public",
            "Everybody can read it at /cache/acme/app: acme/app is public. At the root address, those who \
             follow it can read it.",
        ),
    ] {
        let body = json!({ "visibility": visibility });
        scene
            .server
            .patch(flake, &scene.ann, body)
            .await
            .expect(200);
        let everybody = why(&scene, &scene.ann, item.hash()).await;
        assert!(everybody.readable);
        assert!(!everybody.slices[0].served);
        assert_eq!(everybody.message, sentence);
        assert_eq!(
            reasons(&everybody),
            [
                "visibility ()",
                "membership admin wide (ann)",
                "grant team:ops write (bob)",
                "grant @members read wide (ann bob)",
                "trust policy ci1 write ()",
                "trust policy ci3 write wide ()",
            ]
        );
        assert!(!why(&scene, &eve, item.hash()).await.readable);
    }
    scene.server.follow(&eve, &["acme/*"]).await.expect(200);
    assert!(why(&scene, &eve, item.hash()).await.readable);
    scene.server.show_everybody(&["acme/app"]).await;
    let everybody = why(&scene, &scene.ann, item.hash()).await;
    assert!(everybody.slices[0].served);
    let of_eve = why(&scene, &scene.ann, &format!("{}&user=eve", item.hash())).await;
    assert!(of_eve.readable && of_eve.slices[0].served);
}

/// What somebody follows, or an organisation of theirs, is theirs to know.
#[tokio::test]
async fn an_administrator_does_not_learn_what_somebody_else_follows() {
    let scene = Scene::new().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let item = Item::new("tool", b"public");
    for flake in ["acme/one", "acme/two"] {
        server.flake(flake, "public", ann).await;
        scene.push_as(flake, ann, &[&item]).await;
    }
    let (rita, olga) = (server.user("rita").await, server.user("olga").await);
    server.organization("hers", &olga).await;
    server.member("hers", "rita", "member", &olga).await;
    let asked = async || {
        let path = format!("/api/v1/access?path={}&user=rita", item.hash());
        server.get(&path, ann).await.expect(200).fingerprint()
    };
    let before = asked().await;
    for follows in [&["acme/one"][..], &["acme/two", "acme/one"], &["acme/*"]] {
        server.follow(&rita, follows).await.expect(200);
        assert!(scene.narinfo("", &item, &rita).await.is_some());
        assert_eq!(asked().await, before, "{follows:?}");
    }
    let body = json!({ "follows": ["acme/two"], "before": [], "org": "hers" });
    server.put("/api/v1/follows", &olga, body).await.expect(200);
    assert_eq!(asked().await, before);
    // What she was given is told.
    server.grant("acme/two", "rita", "read", ann).await;
    assert_ne!(asked().await, before);
}

/// Who administers one flake, and is nobody in its organisation, sees no list of its people and policies, and
/// `why` is none.
#[tokio::test]
async fn who_administers_a_flake_alone_learns_of_nobody_in_its_organisation() {
    let (scene, item, bob, _) = scene_with_people().await;
    let (server, ann) = (&scene.server, &scene.ann);
    let gus = server.user("gus").await;
    server.grant("acme/app", "gus", "admin", ann).await;
    let policy = json!({
        "provider": "github", "flakes": ["acme/app"], "role": "write",
        "conditions": [{ "claim": "repository", "equals": "acme/app" }],
    });
    server
        .put("/api/v1/orgs/acme/trust/ci", ann, policy)
        .await
        .expect(200);
    let everybody = why(&scene, &gus, item.hash()).await;
    assert_eq!(
        reasons(&everybody),
        ["grant gus admin (gus)", "grant team:ops write ()"]
    );
    let own = why(&scene, &gus, &format!("{}&user=gus", item.hash())).await;
    assert!(own.readable);
    assert_eq!(reasons(&own), ["grant gus admin (gus)"]);
    // Bob reads it by a team and ann by owning the organisation: of both he is told what he is told of eve.
    for user in ["bob", "ann", "eve"] {
        let told = why(&scene, &gus, &format!("{}&user={user}", item.hash())).await;
        assert!(!told.readable && reasons(&told).is_empty(), "{user}");
        assert_eq!(
            told.message,
            format!(
                "{user} cannot read it by a grant in their name; only people of the organisation can see who \
                 else reads it."
            )
        );
    }
    // A member is shown members and teams, and no policies.
    server.grant("acme/app", "bob", "admin", ann).await;
    assert_eq!(
        reasons(&why(&scene, &bob, item.hash()).await),
        [
            "membership admin wide (ann)",
            "grant bob admin (bob)",
            "grant gus admin (gus)",
            "grant team:ops write (bob)",
        ]
    );
    // Nor does a token of the owner that is narrowed to the flake show more than the lists do.
    let narrow = server.narrow(ann, &["pull", "admin"], &["acme/app"]).await;
    assert_eq!(
        reasons(&why(&scene, &narrow, item.hash()).await),
        [
            "grant bob admin (bob)",
            "grant gus admin (gus)",
            "grant team:ops write ()",
        ]
    );
    assert_eq!(reasons(&why(&scene, ann, item.hash()).await).len(), 6);
}

#[tokio::test]
async fn a_user_learns_by_what_they_read_and_nothing_of_what_they_cannot() {
    let (scene, item, bob, eve) = scene_with_people().await;
    let absent = Item::new("absent", b"never pushed");
    let own = why(&scene, &bob, item.hash()).await;
    assert!(own.readable && own.slices[0].served);
    assert_eq!(own.message, "You read it from acme/app.");
    assert_eq!(
        reasons(&own),
        [
            "grant team:ops write (bob)",
            "grant @members read wide (bob)"
        ]
    );

    let server = &scene.server;
    let elsewhere = server
        .narrow(&bob, &["pull", "admin"], &["acme/other"])
        .await;
    let no_pull = server.narrow(&bob, &["push"], &["*"]).await;
    for (token, query) in [
        (&eve, ""),
        (&eve, "&user=eve"),
        (&eve, "&user=bob"),
        (&eve, "&user=nobody"),
        (&bob, "&user=eve"),
        (&elsewhere, ""),
        (&elsewhere, "&user=ann"),
        (&no_pull, ""),
        (&server.admin, ""),
        (&server.admin, "&user=bob"),
    ] {
        let ask = async |item: &Item| {
            let path = format!("/api/v1/access?path={}{query}", item.base);
            let answer = server.get(&path, token).await.expect(200);
            answer.fingerprint().replace(item.hash(), "HASH")
        };
        let hidden = ask(&item).await;
        assert_eq!(hidden, ask(&absent).await, "{query}");
        assert!(!hidden.contains("secret"), "{hidden}");
    }
    let narrowed = why(&scene, &elsewhere, item.hash()).await;
    assert_eq!(
        narrowed.narrowed_by,
        ["This token reaches only acme/other."]
    );
    let narrowed = why(&scene, &no_pull, item.hash()).await;
    assert_eq!(
        narrowed.narrowed_by,
        ["This token lacks the permission \"read\": it reads only what everybody may."]
    );
    // One that may not manage asks for nobody else, whoever its account is.
    let pull = server.narrow(&scene.ann, &["pull"], &["*"]).await;
    let path = format!("/api/v1/access?path={}&user=bob", item.hash());
    server.get(&path, &pull).await.expect(403);
    let own = why(&scene, &pull, item.hash()).await;
    assert_eq!(own.user.as_ref().unwrap().as_str(), "ann");
    server.get(&path, "").await.expect(401);
    for bad in ["", "x", "/nix/store/..%2f..%2fetc", "e%20e"] {
        let path = format!("/api/v1/access?path={bad}");
        server.get(&path, &bob).await.expect(400);
    }
}

#[tokio::test]
async fn a_token_for_certain_paths_is_told_of_these_alone() {
    let (scene, item, bob, _) = scene_with_people().await;
    let other = Item::new("other", b"in the same flake");
    scene.push(&[&other]).await;
    let absent = Item::new("absent", b"never pushed");
    let body = json!({ "permissions": ["pull"], "closures": [item.base] });
    let token = scene.server.mint(&bob, body).await.token;
    let inside = why(&scene, &token, item.hash()).await;
    assert!(inside.readable);
    assert_eq!(
        inside.narrowed_by,
        [format!(
            "This token reads only the closures of {}.",
            item.base
        )]
    );
    let ask = async |item: &Item| {
        let path = format!("/api/v1/access?path={}", item.hash());
        let answer = scene.server.get(&path, &token).await.expect(200);
        answer.fingerprint().replace(item.hash(), "HASH")
    };
    assert_eq!(ask(&other).await, ask(&absent).await);
}

/// What a token for certain paths is told beside them, and itself, is what somebody is told who may see nothing:
/// it is given away so that these paths are read.
#[tokio::test]
async fn a_token_for_certain_paths_lists_no_names() {
    let (scene, item, bob, eve) = scene_with_people().await;
    let (server, ann) = (&scene.server, &scene.ann);
    server.flake("acme/open", "public", ann).await;
    scene.push_as("acme/open", ann, &[&item]).await;
    let key = fh_nix::SecretKey::generate("k-1").unwrap().public();
    let closures = json!({ "permissions": ["pull"], "closures": [item.base] });
    let signed = json!({ "permissions": ["pull"], "signed_by": [key.to_string()] });
    for (maker, limits) in [(ann, &closures), (&bob, &closures), (&bob, &signed)] {
        let token = server.mint(maker, limits.clone()).await.token;
        // As of an account that was given nothing, to the byte.
        for (there, nowhere) in [
            ("/orgs/acme", "/orgs/absent"),
            ("/orgs/acme/members", "/orgs/absent/members"),
            ("/orgs/acme/teams", "/orgs/absent/teams"),
            (
                "/orgs/acme/teams/ops/members",
                "/orgs/absent/teams/ops/members",
            ),
            ("/follows?org=acme", "/follows?org=absent"),
            ("/flakes/acme/app", "/flakes/acme/absent"),
            ("/flakes/acme/open", "/flakes/acme/absent"),
        ] {
            let asked = async |path: &str, token: &str| {
                let path = format!("/api/v1{path}");
                server.get(&path, token).await.expect(404).fingerprint()
            };
            let nothing = asked(nowhere, &eve).await;
            assert_eq!(asked(there, &token).await, nothing, "{there}");
        }
        for path in ["/orgs/acme/grants", "/orgs/acme/trust", "/audit?org=acme"] {
            let path = format!("/api/v1{path}");
            server.get(&path, &token).await.expect(403);
        }
        let flakes = server.get("/api/v1/flakes", &token).await.expect(200);
        assert!(flakes.json::<fh_api::FlakeList>().flakes.is_empty());
        let flakes = server.get("/api/v1/flakes?org=acme", &token).await;
        let flakes: fh_api::FlakeList = flakes.expect(200).json();
        assert!(flakes.flakes.is_empty());
        let orgs = server.get("/api/v1/orgs", &token).await.expect(200);
        assert!(orgs.json::<fh_api::OrganizationList>().orgs.is_empty());
        server.get("/api/v1/whoami", &token).await.expect(200);
    }
    // The paths themselves are read as before.
    let token = server.mint(&bob, closures).await.token;
    assert!(scene.narinfo("", &item, &token).await.is_some());
    assert!(
        scene
            .narinfo("/cache/acme/app", &item, &token)
            .await
            .is_some()
    );
    assert!(scene.nar(&item, &token).await.is_some());
    let path = format!("/{}.ls", item.hash());
    server.get(&path, &token).await.expect(200);
    let path = "/api/v1/flakes/acme/app/paths";
    let paths: fh_api::PathList = server.get(path, &token).await.expect(200).json();
    assert_eq!(paths.paths.len(), 1);
}
