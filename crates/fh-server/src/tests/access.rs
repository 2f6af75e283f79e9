use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fh_access::{ApiError, Caller, FlakeRef, Scope, Source, candidates_by_rank};
use fh_api::{Permission, Role, Visibility};
use fh_auth::FlakeFacts;
use fh_persistence::database::{Decided, flakes, organizations, renames};
use http::HeaderMap;
use serde_json::json;

use crate::testing::TestServer;

async fn caller(server: &TestServer, token: &str) -> Caller {
    let mut headers = HeaderMap::new();
    if !token.is_empty() {
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    server
        .state
        .access()
        .authenticate(
            crate::routes::credentials::token(&headers),
            Source::default(),
        )
        .await
        .unwrap()
}

/// `acme` with a flake of each visibility, `open/lib` public, all of Ann's.
async fn world() -> (TestServer, String) {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    for org in ["acme", "open"] {
        server.organization(org, &ann).await;
    }
    for (flake, visibility) in [
        ("acme/private", "private"),
        ("acme/unlisted", "unlisted"),
        ("acme/public", "public"),
        ("open/lib", "public"),
    ] {
        server.flake(flake, visibility, &ann).await;
    }
    (server, ann)
}

#[tokio::test]
async fn a_rank_is_how_near_a_slice_is_to_its_reader() {
    let (server, ann) = world().await;
    let bob = server.user("bob").await;
    let cleo = server.user("cleo").await;
    server.grant("acme/public", "bob", "read", &ann).await;
    let mut ids = Vec::new();
    for flake in ["acme/private", "acme/unlisted", "acme/public", "open/lib"] {
        ids.push(server.flake_id(flake).await);
    }
    let ranks = async |token: &str| -> Vec<Option<u32>> {
        let caller = caller(&server, token).await;
        ids.iter().map(|id| caller.view().rank(*id)).collect()
    };
    assert_eq!(ranks("").await, [None; 4]);
    assert_eq!(ranks(&bob).await, [None, None, Some(1), None]);
    assert_eq!(ranks(&ann).await, [Some(0); 4]);
    server
        .follow(&bob, &["acme/*", "open/lib"])
        .await
        .expect(200);
    assert_eq!(ranks(&bob).await, [None, None, Some(1), Some(2)]);
    server.offer("acme/private", "cleo", "read", &ann).await;
    assert_eq!(ranks(&cleo).await, [None; 4]);
    server.member("acme", "cleo", "member", &ann).await;
    assert_eq!(ranks(&cleo).await, [Some(0), None, Some(0), None]);

    let narrow = server
        .narrow(&ann, &["pull"], &["acme/private", "open/*"])
        .await;
    assert_eq!(ranks(&narrow).await, [Some(0), None, None, Some(0)]);
    let no_pull = server.narrow(&ann, &["push"], &["*"]).await;
    assert_eq!(ranks(&no_pull).await, [None; 4]);
    server.show_everybody(&["open/*"]).await;
    assert_eq!(ranks("").await, [None, None, None, Some(2)]);
    assert_eq!(ranks(&no_pull).await, [None, None, None, Some(2)]);
    assert_eq!(ranks(&ann).await, [Some(0); 4]);
    assert_eq!(caller(&server, &ann).await.view().rank(i64::MAX), None);
}

#[tokio::test]
async fn an_address_narrows_the_view_and_opens_what_it_names() {
    let (server, ann) = world().await;
    let private = server.flake_id("acme/private").await;
    let unlisted = server.flake_id("acme/unlisted").await;
    let public = server.flake_id("acme/public").await;
    let lib = server.flake_id("open/lib").await;

    let anonymous = caller(&server, "").await;
    let view = anonymous.view();
    let acme = view.narrow(Scope::Organization("ACME")).unwrap();
    assert_eq!(
        (acme.rank(public), acme.rank(lib), acme.rank(unlisted)),
        (Some(2), None, None)
    );
    let named = view.narrow(Scope::Flake("acme", "Unlisted")).unwrap();
    assert_eq!((named.rank(unlisted), named.rank(public)), (Some(2), None));
    for scope in [
        Scope::Flake("acme", "private"),
        Scope::Flake("acme", "absent"),
        Scope::Flake("..", ".."),
        Scope::Organization("absent"),
        Scope::Organization(""),
    ] {
        assert!(view.narrow(scope).is_none(), "{scope:?}");
    }
    assert!(
        named.narrow(Scope::Flake("acme", "public")).is_none(),
        "narrowing never widens"
    );

    let ann = caller(&server, &ann).await;
    let own = ann.view().narrow(Scope::Flake("acme", "private")).unwrap();
    assert_eq!((own.rank(private), own.rank(public)), (Some(0), None));
    let listed = ann.view().narrow(Scope::Organization("acme")).unwrap();
    assert_eq!(listed.flakes().count(), 3);
    assert_eq!(ann.view().flakes().count(), 4);
}

#[tokio::test]
async fn an_organisation_without_anything_readable_is_not_there() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    server.organization("acme", &ann).await;
    server.flake("acme/private", "private", &ann).await;
    let anonymous = caller(&server, "").await;
    assert!(
        anonymous
            .view()
            .narrow(Scope::Organization("acme"))
            .is_none()
    );
    let ann = caller(&server, &ann).await;
    assert!(ann.view().narrow(Scope::Organization("acme")).is_some());
}

#[tokio::test]
async fn a_flake_is_opened_by_role_and_permission_together() {
    let (server, ann) = world().await;
    let bob = server.user("bob").await;
    server.grant("acme/private", "bob", "write", &ann).await;
    let push_only = server.narrow(&bob, &["push"], &["*"]).await;
    let kind = |result: Result<FlakeRef, ApiError>| match result {
        Ok(_) => "ok",
        Err(ApiError::NotFound) => "404",
        Err(ApiError::Forbidden(_)) => "403",
        Err(ApiError::Unauthorized(_)) => "401",
        Err(_) => "other",
    };
    let (pull, push, admin) = (Permission::Pull, Permission::Push, Permission::Admin);
    for (token, project, role, permission, expected) in [
        ("", "private", Role::Read, pull, "404"),
        ("", "absent", Role::Read, pull, "404"),
        ("", "unlisted", Role::Read, pull, "ok"),
        ("", "public", Role::Read, pull, "ok"),
        ("", "public", Role::Write, push, "401"),
        (&bob, "private", Role::Write, push, "ok"),
        (&bob, "private", Role::Admin, admin, "403"),
        (&bob, "public", Role::Write, push, "403"),
        (&push_only, "private", Role::Write, push, "ok"),
        (&push_only, "private", Role::Read, pull, "403"),
        (&push_only, "public", Role::Read, pull, "ok"),
        (&server.admin, "private", Role::Read, pull, "404"),
    ] {
        let caller = caller(&server, token).await;
        let found = kind(caller.flake("Acme", project, role, permission));
        assert_eq!(found, expected, "{project} {role} {permission}");
    }
    let none = server.narrow(&bob, &["mint"], &["*"]).await;
    for (token, project, role, permission, sentence) in [
        (
            &bob,
            "private",
            Role::Admin,
            admin,
            "the role admin on acme/private (yours is write) and a token with the permission \"admin\" (this one has it)",
        ),
        (
            &none,
            "private",
            Role::Write,
            push,
            "the role write on acme/private (yours is write) and a token with the permission \"write\" (this one lacks it)",
        ),
        (
            &none,
            "public",
            Role::Write,
            push,
            "the role write on acme/public (you have none) and a token with the permission \"write\" (this one lacks it)",
        ),
    ] {
        let caller = self::caller(&server, token).await;
        let error = caller.flake("acme", project, role, permission).unwrap_err();
        assert_eq!(error.to_string(), format!("this needs {sentence}"));
    }
}

#[tokio::test]
async fn copies_are_shared_until_something_changes() {
    let (server, ann) = world().await;
    let first = caller(&server, &ann).await;
    let second = caller(&server, &ann).await;
    assert!(std::ptr::eq(
        first.principal().unwrap(),
        second.principal().unwrap()
    ));
    assert!(std::ptr::eq(first.directory(), second.directory()));

    server.user("bob").await;
    let unrelated = caller(&server, &ann).await;
    assert!(std::ptr::eq(
        first.principal().unwrap(),
        unrelated.principal().unwrap()
    ));
    server.grant("acme/private", "bob", "read", &ann).await;
    let after = caller(&server, &ann).await;
    assert!(!std::ptr::eq(
        first.principal().unwrap(),
        after.principal().unwrap()
    ));
    assert!(
        std::ptr::eq(first.directory(), after.directory()),
        "no name has changed"
    );
}

/// A guard against a lookup that grows with the size of a view, far above what it takes.
#[tokio::test]
async fn ranking_does_not_grow_with_the_number_of_flakes() {
    let (server, ann) = world().await;
    let many = server
        .state
        .database()
        .change_access(Decided::by_server(), |change| {
            let acme: fh_api::Name = "many".parse().unwrap();
            let acme = fh_persistence::database::organizations::insert(change, &acme)?.id;
            for number in 0..10_000 {
                let name: fh_api::Name = format!("flake-{number}").parse().unwrap();
                let public = Visibility::Public;
                fh_persistence::database::flakes::insert(change, acme, &name, public, None)?;
            }
            Ok::<_, fh_persistence::database::DatabaseError>(())
        });
    many.await.unwrap();
    let id = server.flake_id("many/flake-9999").await;
    let view = caller(&server, &ann).await.view().clone();
    assert_eq!(view.rank(id), None);
    let view = view.narrow(Scope::Organization("many")).unwrap();
    let began = Instant::now();
    for _ in 0..10_000 {
        assert_eq!(view.rank(id), Some(2));
    }
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
}

/// What [`candidates_by_rank`] lists is what [`View::rank`] says, for every way to hold something, each token
/// and each address.
#[tokio::test]
async fn a_view_lists_what_it_ranks() {
    let (server, ann) = world().await;
    for flake in ["open/app", "open/tool", "acme/more"] {
        server.flake(flake, "private", &ann).await;
    }
    let mut tokens = vec![String::new(), ann.clone()];
    for name in [
        "by-flake",
        "by-organization",
        "by-team",
        "by-membership",
        "nobody",
    ] {
        tokens.push(server.user(name).await);
    }
    for flake in ["acme/private", "acme/public", "open/tool"] {
        server.grant(flake, "by-flake", "read", &ann).await;
    }
    server
        .grant("acme/more", "by-organization", "read", &ann)
        .await;
    let granted = server.state.database().change_access(Decided::by_server(), |change| {
        change.batch(
            "INSERT INTO team (id, uuid, organization_id, name, folded, created_at) \
             SELECT 1, 't', id, 't', 't', 0 FROM organization WHERE folded = 'open'; \
             INSERT INTO membership (organization_id, account_id, role, created_at) \
             SELECT o.id, a.id, 'member', 0 FROM organization o, account a \
             WHERE o.folded = 'open' AND a.folded = 'by-team'; \
             INSERT INTO membership (organization_id, account_id, role, created_at) \
             SELECT o.id, a.id, 'admin', 0 FROM organization o, account a \
             WHERE o.folded = 'open' AND a.folded = 'by-membership'; \
             INSERT INTO team_member (team_id, account_id, created_at) \
             SELECT 1, id, 0 FROM account WHERE folded = 'by-team'; \
             INSERT INTO access_grant (uuid, organization_id, flake_id, subject, team_id, role, created_at) \
             SELECT 'g' || id, organization_id, id, 'team', 1, 'read', 0 FROM flake \
             WHERE folded IN ('app', 'lib'); \
             INSERT INTO access_grant (uuid, organization_id, subject, account_id, role, created_at) \
             SELECT 'o', o.id, 'account', a.id, 'read', 0 FROM organization o, account a \
             WHERE o.folded = 'open' AND a.folded = 'by-organization'; \
             INSERT INTO guest (account_id, organization_id, accepted_at) \
             SELECT a.id, o.id, 0 FROM organization o, account a \
             WHERE o.folded = 'open' AND a.folded = 'by-organization'",
        )
        .map_err(fh_persistence::database::DatabaseError::from)
    });
    granted.await.unwrap();
    server
        .follow(&tokens[2], &["acme/public", "open/*"])
        .await
        .expect(200);
    server.show_everybody(&["open/lib"]).await;
    let whole = tokens[1..].to_vec();
    for token in &whole {
        for flakes in [
            &["acme/*"][..],
            &["open/*", "acme/private", "OPEN/app"],
            &["acme/unlisted", "acme/absent", "absent/*"],
        ] {
            tokens.push(server.narrow(token, &["pull"], flakes).await);
        }
        tokens.push(server.narrow(token, &["push"], &["*"]).await);
    }
    let (mut listed, mut ranks_seen) = (0, std::collections::BTreeSet::new());
    for token in &tokens {
        let caller = caller(&server, token).await;
        for scope in [
            Scope::All,
            Scope::Organization("acme"),
            Scope::Organization("open"),
            Scope::Flake("acme", "private"),
            Scope::Flake("acme", "unlisted"),
            Scope::Flake("open", "app"),
            Scope::Flake("open", "lib"),
        ] {
            let Some(view) = caller.view().narrow(scope) else {
                continue;
            };
            let mut all: Vec<i64> = caller.directory().all().map(|flake| flake.id).collect();
            all.sort_unstable();
            for (rank, candidates) in (0..).zip(candidates_by_rank(&view)) {
                let mut ranked = all.clone();
                ranked.retain(|id| view.rank(*id) == Some(rank));
                assert_eq!(candidates.flake_ids(), ranked, "{scope:?}, rank {rank}");
                assert!(candidates.at_most() >= ranked.len());
                listed += ranked.len();
                ranks_seen.extend((!ranked.is_empty()).then_some(rank));
            }
        }
    }
    assert!(listed > 100, "{listed}");
    assert_eq!(ranks_seen.len(), 3);
}

/// Two servers write beside each other while the one is stopping.
#[tokio::test]
async fn what_another_server_writes_counts_for_who_asks_next() {
    let (server, ann) = world().await;
    let bob = server.user("bob").await;
    server.grant("acme/private", "bob", "read", &ann).await;
    server.state.tenure().begin_to_end().unwrap();
    let other =
        fh_persistence::database::Database::open(&server.directory.path().join("data")).unwrap();
    let asked = async || {
        let path = "/api/v1/flakes/acme/private";
        server.get(path, &bob).await.status.as_u16()
    };
    assert_eq!(asked().await, 200);
    for (change, status) in [
        ("DELETE FROM access_grant", 404),
        ("UPDATE flake SET visibility = 'public'", 200),
        ("UPDATE flake SET visibility = 'private'", 404),
        (
            "UPDATE account SET disabled_at = 1 WHERE folded = 'bob'",
            401,
        ),
        (
            "UPDATE account SET disabled_at = NULL WHERE folded = 'bob'",
            404,
        ),
        ("UPDATE token SET revoked_at = 1", 401),
    ] {
        let written = other.write(Decided::by_server(), move |tx| {
            Ok::<_, fh_persistence::database::DatabaseError>(tx.execute(change, &[])?)
        });
        assert!(written.await.unwrap() > 0, "{change}");
        assert_eq!(asked().await, status, "{change}");
    }
}

/// Between the commit of a rename and its being told: what is readable before and after is so in between.
#[tokio::test]
async fn while_something_is_renamed_a_narrowed_token_reads_what_it_read() {
    let former = "/api/v1/flakes/acme/app";
    let names = [
        former,
        "/api/v1/flakes/corp/app",
        "/cache/corp/app/nix-cache-info",
    ];
    for renames_the_flake in [false, true] {
        for names_are_told in [false, true] {
            let server = TestServer::start().await;
            let ann = server.user("ann").await;
            server.organization("acme", &ann).await;
            server.flake("acme/app", "private", &ann).await;
            let to = |name: &str| json!({ "name": name });
            // Both names lead there, before and after.
            for (path, name) in [("orgs/acme", "corp"), ("flakes/corp/app", "shop")] {
                let path = format!("/api/v1/{path}/rename");
                server.post(&path, &ann, to(name)).await.expect(200);
            }
            let scopes: [&[&str]; 4] = [&["corp/*"], &["corp/shop"], &["x/y", "acme/app"], &["*"]];
            let mut tokens = Vec::new();
            for scope in scopes {
                // Of one there is a copy before, of the other none.
                let known = server.narrow(&ann, &["pull"], scope).await;
                server.get(former, &known).await.expect(200);
                tokens.extend([known, server.narrow(&ann, &["pull"], scope).await]);
            }
            server.get(former, &ann).await.expect(200);
            let id = server.flake_id("corp/shop").await;
            let changed = server
                .state
                .database()
                .change_untold(names_are_told, move |change| {
                    let [acme, corp, app] =
                        ["acme", "corp", "app"].map(|name| name.parse().unwrap());
                    let organization = organizations::find(change, &corp)?.unwrap();
                    if !renames_the_flake {
                        return renames::organization(change, organization.id, &corp, &acme);
                    }
                    let flake = flakes::get(change, id)?.unwrap();
                    let facts = FlakeFacts {
                        id,
                        organization: organization.id,
                        visibility: flake.visibility,
                    };
                    renames::flake(change, facts, &flake.name, &app)
                });
            changed.await.unwrap();
            for (number, token) in tokens.iter().enumerate() {
                for path in names {
                    let answer = server.get(path, token).await;
                    let what = (renames_the_flake, names_are_told, number, path);
                    assert_eq!(answer.status, 200, "{what:?}");
                }
            }
        }
    }
}

/// The same by requests alone, while renames go to and fro.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_name_that_goes_to_and_fro_always_leads_there() {
    let server = Arc::new(TestServer::start().await);
    let ann = server.user("ann").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    let rename = async |path: &str, name: &str| {
        let path = format!("/api/v1/{path}/rename");
        let body = json!({ "name": name });
        server.post(&path, &ann, body).await.expect(200);
    };
    rename("orgs/acme", "corp").await;
    rename("flakes/corp/app", "shop").await;
    let done = Arc::new(AtomicBool::new(false));
    let readers = ["acme/*", "acme/app"].map(|scope| {
        let (server, ann, done) = (Arc::clone(&server), ann.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut read = 0;
            // One account may have 1 000 tokens.
            while read == 0 || (!done.load(Ordering::SeqCst) && read < 1600) {
                // Of a new token there is no copy yet.
                let token = server.narrow(&ann, &["pull"], &[scope]).await;
                for name in ["acme/app", "corp/shop", "acme/shop", "corp/app"] {
                    let path = format!("/api/v1/flakes/{name}");
                    server.get(&path, &token).await.expect(200);
                    read += 1;
                }
            }
        })
    });
    for _ in 0..15 {
        rename("orgs/acme", "acme").await;
        rename("flakes/acme/app", "app").await;
        rename("orgs/acme", "corp").await;
        rename("flakes/acme/app", "shop").await;
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
}
