use fh_api::oauth::ExchangeAnswer;
use fh_api::{MintedToken, TokenInfo, TokenList, Whoami};
use fh_persistence::database::Decided;
use serde_json::{Value, json};

use super::World;

async fn exchanged(world: &World, identity: &str, fields: &[(&str, &str)]) -> ExchangeAnswer {
    world.exchange(identity, fields).await.expect(200).json()
}

#[tokio::test]
async fn an_identity_is_exchanged_for_a_token_once() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let identity = world.identity(json!({ "jti": "1" }));
    let answer = world.exchange(&identity, &[]).await.expect(200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let answer: ExchangeAnswer = answer.json();
    assert_eq!(answer.token_type, "Bearer");
    assert_eq!(answer.expires_in, 3600);
    assert_eq!(answer.scope, "pull push");
    let token = &answer.access_token;
    assert!(token.starts_with("fh1_"));
    assert_eq!(world.pushes("acme/app", token).await, 200);
    assert_eq!(world.reads("acme/lib", token).await, 404);
    let who: Whoami = world.whoami(token).await.expect(200).json();
    assert_eq!(who.workload.unwrap().policies, ["acme/ci"]);
    let again = world.exchange(&identity, &[]).await.expect(400);
    assert!(!again.headers.contains_key("www-authenticate"));
    let again: Value = again.json();
    assert_eq!(again["error"], "invalid_grant");
    assert!(
        again["error_description"]
            .as_str()
            .unwrap()
            .contains("already")
    );
    // Itself it is good until it ends.
    world.whoami(&identity).await.expect(200);
    assert_eq!(world.server.audited("token.exchange").await, 1);
    let workload = world.server.state.database().read(|read| {
        let sql = "SELECT workload FROM audit_event WHERE action = 'token.exchange'";
        Ok(read.one(sql, &[], |row| row.get::<_, String>(0))?)
    });
    assert!(workload.await.unwrap().contains("builder"));
}

#[tokio::test]
async fn a_token_of_a_workload_holds_what_the_policies_give_now() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    world
        .trust("second", json!({ "flakes": ["acme/lib"] }))
        .await;
    let token = exchanged(&world, &world.identity(json!({})), &[])
        .await
        .access_token;
    assert_eq!(world.pushes("acme/lib", &token).await, 200);
    world
        .trust("second", json!({ "flakes": ["acme/lib"], "role": "read" }))
        .await;
    assert_eq!(world.pushes("acme/lib", &token).await, 403);
    assert_eq!(world.reads("acme/lib", &token).await, 200);
    let conditions = json!([{ "claim": "sub", "equals": "another" }]);
    let change = json!({ "flakes": ["acme/lib"], "conditions": conditions });
    world.trust("second", change).await;
    assert_eq!(world.reads("acme/lib", &token).await, 404);
    assert_eq!(world.pushes("acme/app", &token).await, 200);
    let gone = world
        .server
        .delete("/api/v1/orgs/acme/trust/ci", &world.ann);
    gone.await.expect(204);
    world.whoami(&token).await.expect(401);
}

#[tokio::test]
async fn a_workload_mints_only_where_its_policy_says_so_and_never_more_than_it_holds() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let token = exchanged(&world, &world.identity(json!({ "jti": "1" })), &[]).await;
    let mint = |token: String, body: Value| {
        let server = &world.server;
        async move { server.post("/api/v1/tokens", &token, body).await }
    };
    mint(token.access_token, json!({})).await.expect(403);
    world.trust("ci", json!({ "mint": true })).await;
    let token = exchanged(&world, &world.identity(json!({ "jti": "2" })), &[]).await;
    assert_eq!(token.scope, "pull push mint");
    let token = token.access_token;
    mint(token.clone(), json!({ "flakes": ["acme/*"] }))
        .await
        .expect(403);
    mint(token.clone(), json!({ "permissions": ["admin"] }))
        .await
        .expect(403);
    let derived: MintedToken = mint(token, json!({})).await.expect(201).json();
    assert_eq!(world.reads("acme/app", &derived.token).await, 200);
    assert_eq!(world.pushes("acme/app", &derived.token).await, 403);
    let info: TokenInfo = derived.info;
    assert_eq!(info.workload.unwrap().subject, "builder");
    world
        .trust(
            "ci",
            json!({ "conditions": [{ "claim": "sub", "equals": "x" }] }),
        )
        .await;
    world.whoami(&derived.token).await.expect(401);
}

#[tokio::test]
async fn workloads_of_one_policy_do_not_deal_with_each_others_tokens() {
    let world = World::new().await;
    let conditions = json!([{ "claim": "sub", "one_of": ["build1", "build2"] }]);
    let change = json!({ "mint": true, "conditions": conditions });
    world.trust("ci", change).await;
    let ours = exchanged(&world, &world.identity(json!({ "sub": "build1" })), &[]).await;
    let theirs = exchanged(&world, &world.identity(json!({ "sub": "build2" })), &[]).await;
    let id = fh_auth::read_unverified(&theirs.access_token).unwrap().jti;
    let path = format!("/api/v1/tokens/{id}");
    let server = &world.server;
    for token in [
        &ours.access_token,
        &world.identity(json!({ "sub": "build1" })),
    ] {
        server.get(&path, token).await.expect(404);
        server.delete(&path, token).await.expect(404);
        let list: TokenList = server.get("/api/v1/tokens", token).await.expect(200).json();
        assert!(list.tokens.iter().all(|token| token.id != id));
    }
    let rotate = format!("{path}/rotate");
    let rotated = server.post(&rotate, &ours.access_token, json!({})).await;
    rotated.expect(404);
    // With their own they do.
    let rotated = server.post(&rotate, &theirs.access_token, json!({})).await;
    let rotated: MintedToken = rotated.expect(201).json();
    assert_eq!(world.reads("acme/app", &rotated.token).await, 200);
    world.whoami(&theirs.access_token).await.expect(401);
}

#[tokio::test]
async fn the_shortest_lifetime_counts_and_less_can_be_asked_for() {
    let world = World::new().await;
    world.trust("ci", json!({ "max_lifetime": 600 })).await;
    world
        .trust(
            "second",
            json!({ "max_lifetime": 300, "flakes": ["acme/lib"] }),
        )
        .await;
    for (asked, given) in [("900", 300), ("120", 120)] {
        let identity = world.identity(json!({ "jti": asked }));
        let answer = exchanged(&world, &identity, &[("expires_in", asked)]).await;
        assert_eq!(answer.expires_in, given);
    }
}

#[tokio::test]
async fn a_scope_can_be_narrowed_and_not_widened() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let identity = world.identity(json!({}));
    let wide: Value = world
        .exchange(&identity, &[("scope", "pull admin")])
        .await
        .expect(400)
        .json();
    assert_eq!(wide["error"], "invalid_scope");
    let odd: Value = world
        .exchange(&identity, &[("scope", "openid")])
        .await
        .expect(400)
        .json();
    assert_eq!(odd["error"], "invalid_scope");
    // What was refused was not used up.
    let answer = exchanged(&world, &identity, &[("scope", "pull")]).await;
    assert_eq!(answer.scope, "pull");
    assert_eq!(world.pushes("acme/app", &answer.access_token).await, 403);
    let listed = world
        .server
        .get("/api/v1/tokens", &answer.access_token)
        .await;
    let listed: TokenList = listed.expect(200).json();
    assert_eq!(listed.tokens.len(), 1, "itself");
}

#[tokio::test]
async fn what_is_no_exchange_is_refused_in_the_words_of_oauth() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let identity = world.identity(json!({}));
    let send = |content_type: &'static str, body: String| {
        let request = http::Request::post("/oauth/token")
            .header("content-type", content_type)
            .body(axum::body::Body::from(body));
        world.server.send(request.unwrap())
    };
    let form = "application/x-www-form-urlencoded";
    let exchange = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
    let kind = "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";
    for (content_type, body, word) in [
        ("application/json", "{}".to_owned(), "invalid_request"),
        (form, String::new(), "unsupported_grant_type"),
        (
            form,
            "grant_type=password".to_owned(),
            "unsupported_grant_type",
        ),
        (form, exchange.to_owned(), "invalid_request"),
        (form, format!("{exchange}&{kind}"), "invalid_grant"),
        (
            form,
            format!("{exchange}&{kind}&subject_token=x"),
            "invalid_grant",
        ),
        (
            form,
            format!("{exchange}&{exchange}&{kind}"),
            "invalid_request",
        ),
        (
            form,
            format!("{exchange}&{kind}&audience=x"),
            "invalid_request",
        ),
        (
            form,
            format!("{exchange}&{kind}&expires_in=x"),
            "invalid_request",
        ),
    ] {
        let answer: Value = send(content_type, body.clone()).await.expect(400).json();
        assert_eq!(answer["error"], word, "{body}");
        assert_eq!(answer["code"], 400);
    }
    send(form, "x".repeat(64 << 10)).await.expect(413);
    let zero = world.exchange(&identity, &[("expires_in", "0")]).await;
    zero.expect(400);
    exchanged(&world, &identity, &[]).await;
}

#[tokio::test]
async fn the_collection_forgets_what_has_ended() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let identity = world.identity(json!({ "exp": now + 1 }));
    exchanged(&world, &identity, &[]).await;
    let count = async |sql: &'static str| {
        let counted = world
            .server
            .state
            .database()
            .read(move |read| Ok(read.one(sql, &[], |row| row.get::<_, i64>(0))?));
        counted.await.unwrap()
    };
    let used = "SELECT COUNT(*) FROM used_assertion";
    assert_eq!(count(used).await, 1);
    let tokens = count("SELECT COUNT(*) FROM token").await;
    let old = world
        .server
        .state
        .database()
        .write(Decided::by_server(), |tx| {
            // Of the exchanged token alone.
            tx.execute(
                "UPDATE token SET expires_at = 1 WHERE claims IS NOT NULL",
                &[],
            )
            .map_err(fh_persistence::database::DatabaseError::from)
        });
    old.await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let age = std::time::Duration::from_secs(3600);
    let collected = crate::collect::collect(world.server.state.stock(), age)
        .await
        .unwrap();
    assert_eq!(collected.tokens, 2);
    assert_eq!(count(used).await, 0);
    assert_eq!(count("SELECT COUNT(*) FROM token").await, tokens - 1);
}

#[tokio::test]
async fn a_refused_exchange_is_in_the_audit_log_with_what_the_issuer_has_signed() {
    let world = World::new().await;
    world.trust("ci", json!({})).await;
    let identity = world.identity(json!({ "jti": "1" }));
    exchanged(&world, &identity, &[]).await;
    // Once more; for more than the policy gives; by one whom no policy knows; and by nobody.
    world.exchange(&identity, &[]).await.expect(400);
    let another = world.identity(json!({ "jti": "2" }));
    let admin = [("scope", "pull admin")];
    world.exchange(&another, &admin).await.expect(400);
    let stranger = world.identity(json!({ "sub": "stranger", "jti": "3" }));
    world.exchange(&stranger, &[]).await.expect(400);
    let (signed, _) = stranger.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    world.exchange(&forged, &[]).await.expect(400);
    // A form that is wrong is no refusal.
    let unknown = [("grant_type", "password")];
    world.exchange(&another, &unknown).await.expect(400);
    let server = &world.server;
    server.state.denials().flush(true).await.unwrap();
    let found = server.state.database().read(|read| {
        let sql = "SELECT subject, detail, denied FROM audit_event \
                   WHERE action = 'denied.token.exchange' ORDER BY id";
        read.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    });
    let found: Vec<(String, String, bool)> = found.await.unwrap();
    let found: Vec<(String, Value)> = found
        .into_iter()
        .map(|(subject, detail, denied)| {
            assert!(denied);
            (subject, serde_json::from_str(&detail).unwrap())
        })
        .collect();
    let told = |subject: &str, error: &str, issuer: Option<&str>| {
        let detail = json!({ "error": error, "issuer": issuer });
        (subject.to_owned(), detail)
    };
    let issuer = Some(world.issuer.url.as_str());
    assert_eq!(
        found,
        [
            told("builder", "invalid_grant", issuer),
            told("builder", "invalid_scope", issuer),
            told("stranger", "invalid_grant", issuer),
            told("", "invalid_grant", None),
        ]
    );
}

/// A workload has a new identity whenever it needs one; what it holds, and what came of that, lasts no longer than it
/// was exchanged for.
#[tokio::test]
async fn what_a_workload_holds_is_not_renewed() {
    let world = World::new().await;
    world.trust("ci", json!({ "mint": true })).await;
    let identity = world.identity(json!({ "jti": "1" }));
    let token = exchanged(&world, &world.identity(json!({ "jti": "2" })), &[]).await;
    let token = token.access_token;
    let body = json!({ "renewable": true });
    let derived = world.server.post("/api/v1/tokens", &token, body).await;
    let derived: MintedToken = derived.expect(201).json();
    for shown in [&identity, &token, &derived.token] {
        let path = "/api/v1/tokens/renew";
        let answer = world
            .server
            .call(http::Method::POST, path, shown, None)
            .await;
        let refused = answer.expect(403);
        assert!(refused.message().contains("/oauth/token"));
        let who: Whoami = world.whoami(shown).await.expect(200).json();
        assert_eq!(who.renewable_until, None);
    }
    assert_eq!(world.server.audited("token.renew").await, 0);
}
