//! Renewing one's own token: who may, for how long, and what becomes of the former.

use fh_api::{MintedToken, OrganizationInfo, RenewalRule, TokenList, Whoami};
use fh_persistence::database::{DatabaseError, Decided};
use fh_settings::Settings;
use serde_json::{Value, json};
use time::{Duration as Days, OffsetDateTime};
use uuid::Uuid;

use crate::push::tests::{Item, Scene};
use crate::testing::{Answer, TestServer};

const RENEW: &str = "/api/v1/tokens/renew";

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

fn id(token: &str) -> Uuid {
    fh_auth::read_unverified(token).unwrap().jti
}

async fn ask(server: &TestServer, token: &str) -> Answer {
    server.call(http::Method::POST, RENEW, token, None).await
}

async fn renew(server: &TestServer, token: &str) -> MintedToken {
    ask(server, token).await.expect(201).json()
}

async fn whoami(server: &TestServer, token: &str) -> Whoami {
    let answer = server.get("/api/v1/whoami", token).await;
    answer.expect(200).json()
}

/// Lets time pass for all tokens that there are. What they say of themselves lasts longer, and the earlier counts.
async fn pass(server: &TestServer, days: i64) {
    let micros = days * 86_400 * 1_000_000;
    let passed = server
        .state
        .database()
        .change_access(Decided::by_server(), move |change| {
            change.execute(
                "UPDATE token SET created_at = created_at - ?1, expires_at = expires_at - ?1, \
                 first_at = first_at - ?1, renewals_end_by = renewals_end_by - ?1",
                fh_sql::params![micros],
            )?;
            Ok::<_, DatabaseError>(())
        });
    passed.await.unwrap();
}

/// Whether a time is so many days from now, but for what a test takes.
fn is_in(at: OffsetDateTime, days: i64) -> bool {
    let off = at - OffsetDateTime::now_utc() - Days::days(days);
    off.abs() < Days::minutes(10)
}

async fn with(adjust: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::start_with(tempfile::TempDir::new().unwrap(), adjust).await
}

#[tokio::test]
async fn a_new_token_may_do_the_same_for_a_full_lifetime() {
    let server = TestServer::start().await;
    server.user("ann").await;
    let body = json!({
        "user": "ann", "description": "laptop", "permissions": ["pull"],
        "flakes": ["acme/*", "beta/app"], "expires_in": 30 * 86_400,
    });
    let former = server.mint(&server.admin, body).await;
    pass(&server, 25).await;
    let until = whoami(&server, &former.token).await.renewable_until;
    assert!(is_in(until.unwrap(), 30));
    let made = renew(&server, &former.token).await;
    let info = &made.info;
    assert!(is_in(info.expires_at, 30), "{}", info.expires_at);
    assert_eq!(info.parent, Some(former.info.id));
    let told = |info: &fh_api::TokenInfo| {
        let mut told = serde_json::to_value(info).unwrap();
        for name in ["id", "parent", "created_at", "expires_at", "last_used_at"] {
            told[name] = Value::Null;
        }
        told
    };
    assert_eq!(told(info), told(&former.info));
    let claims = fh_auth::read_unverified(&made.token).unwrap();
    assert_eq!(claims.exp, info.expires_at.unix_timestamp());
    // Nothing is taken away, and the former can be renewed again: the answer may have been lost.
    assert!(is_in(whoami(&server, &former.token).await.expires_at, 5));
    renew(&server, &former.token).await;
    assert_eq!(whoami(&server, &made.token).await.user.as_str(), "ann");
    assert_eq!(server.audited("token.renew").await, 2);
    let details = server.state.database().read(|read| {
        let sql = "SELECT detail FROM audit_event WHERE action = 'token.renew' LIMIT 1";
        Ok(read.one(sql, &[], |row| row.get::<_, String>(0))?)
    });
    let details = details.await.unwrap();
    assert!(details.contains(&former.info.id.to_string()), "{details}");
    assert!(!details.contains("fh1_"), "{details}");
}

#[tokio::test]
async fn it_ends_a_year_after_the_first_however_often_it_is_renewed() {
    let server = TestServer::start().await;
    let first = server.user("ann").await;
    let mut token = first.clone();
    // Of 90 days each: days 84, 168, 252 and 336 of 365.
    for left in [90, 90, 90, 29] {
        pass(&server, 84).await;
        let made = renew(&server, &token).await;
        assert!(
            is_in(made.info.expires_at, left),
            "{}",
            made.info.expires_at
        );
        token = made.token;
    }
    let refused = ask(&server, &token).await.expect(409);
    assert!(refused.message().contains("max-renewal"));
    assert!(
        refused.message().contains("1 year"),
        "{}",
        refused.message()
    );
    assert_eq!(whoami(&server, &token).await.renewable_until, None);
    // Nor does a rotation begin anew.
    let path = format!("/api/v1/tokens/{}/rotate", id(&token));
    let rotated = server.post(&path, &token, json!({})).await.expect(201);
    let rotated: MintedToken = rotated.json();
    ask(&server, &rotated.token).await.expect(409);
    // All of it came of the first one, which has long ended.
    ask(&server, &first).await.expect(401);
    server.revoke(&first).await;
    ask(&server, &rotated.token).await.expect(401);
    // A new one of an administrator does.
    let again = json!({ "user": "ann" });
    let again = server.mint(&server.admin, again).await.token;
    renew(&server, &again).await;
}

/// Who decides is asked at each time, and refuses with a reason.
#[tokio::test]
async fn who_may_renew_is_said_by_organisation_and_server() {
    use RenewalRule::{Everybody, Nobody, People};
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    for name in ["acme", "beta"] {
        server.organization(name, &ann).await;
    }
    let accounts = "/api/v1/orgs/acme/service-accounts";
    let named = json!({ "name": "ci" });
    server.post(accounts, &ann, named).await.expect(201);
    let robot = json!({ "name": "robot", "kind": "service" });
    let users = "/api/v1/users";
    server.post(users, &server.admin, robot).await.expect(201);
    let mint = async |user: &str, flakes: &[&str]| {
        let body = json!({ "user": user, "flakes": flakes });
        server.mint(&server.admin, body).await.token
    };
    let everywhere = mint("ann", &["*"]).await;
    let in_acme = mint("ann", &["acme/*"]).await;
    let in_both = mint("ann", &["beta/*", "Acme/app"]).await;
    let in_beta = mint("ann", &["beta/*"]).await;
    let ci = mint("ci", &["acme/*"]).await;
    let robot = mint("robot", &["*"]).await;
    let info: OrganizationInfo = server
        .get("/api/v1/orgs/acme", &ann)
        .await
        .expect(200)
        .json();
    assert_eq!(info.renewal, People);
    let (yes, no) = (201, 403);
    for (rule, people, only_acme, of_acme) in [
        (People, yes, yes, no),
        (Everybody, yes, yes, yes),
        (Nobody, yes, no, no),
    ] {
        let body = json!({ "renewal": rule });
        let changed: OrganizationInfo = server
            .patch("/api/v1/orgs/acme", &ann, body)
            .await
            .expect(200)
            .json();
        assert_eq!(changed.renewal, rule);
        for (what, token, expected) in [
            ("a person's", &everywhere, people),
            ("a person's elsewhere", &in_beta, people),
            ("a person's in acme", &in_acme, only_acme),
            ("a person's in acme and another", &in_both, only_acme),
            ("a service account of acme's", &ci, of_acme),
            ("a service account of nobody's", &robot, no),
        ] {
            let answer = ask(&server, token).await;
            assert_eq!(answer.status, expected, "{rule}: {what}: {:?}", answer.body);
            let told = whoami(&server, token).await.renewable_until;
            assert_eq!(told.is_some(), expected == yes, "{rule}: {what}");
            if expected == no {
                let reason = answer.message();
                let who = if token == &robot {
                    "this server"
                } else {
                    "the organisation acme"
                };
                assert!(reason.starts_with(who), "{rule}: {what}: {reason}");
            }
        }
    }
    assert_eq!(server.audited("organization.update").await, 2);
    // Only its owners say so.
    let bob = server.user("bob").await;
    server.member("acme", "bob", "admin", &ann).await;
    let body = json!({ "renewal": "everybody" });
    server
        .patch("/api/v1/orgs/acme", &bob, body)
        .await
        .expect(403);
}

/// What a token was created with, or how it was ended, bounds its renewals.
#[tokio::test]
async fn no_renewal_outlives_what_the_token_was_created_with() {
    let server = TestServer::start().await;
    let laptop = server.user("ann").await;
    let child = async |with: &str, more: Value| {
        let mut body = json!({ "permissions": ALL, "expires_in": 30 * 86_400 });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        server.mint(with, body).await.token
    };
    let usual = child(&laptop, json!({})).await;
    let renewable = child(&laptop, json!({ "renewable": true })).await;
    // What is renewable within something that is not, is not either.
    let within = json!({ "renewable": true, "expires_in": 29 * 86_400 });
    let within = child(&usual, within).await;
    let rotate = async |token: &str, by: &str, body: Value| -> MintedToken {
        let path = format!("/api/v1/tokens/{}/rotate", id(token));
        server.post(&path, by, body).await.expect(201).json()
    };
    let graceful = child(&laptop, json!({ "renewable": true })).await;
    let heir = rotate(&graceful, &graceful, json!({ "grace": 86_400 * 26 }))
        .await
        .token;
    let desk = child(&laptop, json!({ "renewable": true })).await;
    let replaced = rotate(&desk, &laptop, json!({})).await.token;
    pass(&server, 25).await;
    // The laptop's has 65 days left.
    for (what, token, days) in [
        ("usual", &usual, 30),
        ("renewable", &renewable, 30),
        ("within", &within, 29),
        ("one that replaced itself", &heir, 30),
        ("one that the laptop's has replaced", &replaced, 30),
    ] {
        let made = renew(&server, token).await;
        assert!(
            is_in(made.info.expires_at, days),
            "{what}: {}",
            made.info.expires_at
        );
    }
    let refused = ask(&server, &graceful).await.expect(409);
    assert!(
        refused.message().contains("rotated"),
        "{}",
        refused.message()
    );

    let [mut usual, mut within, mut renewable] = [usual, within, renewable];
    for days in [25, 25] {
        for token in [&mut usual, &mut within, &mut renewable] {
            *token = renew(&server, token).await.token;
        }
        pass(&server, days).await;
    }
    // Day 75: what is bound ends with the laptop's token on day 90 at the latest.
    for (what, token, days) in [
        ("usual", &usual, 15),
        ("within", &within, 15),
        ("free", &renewable, 30),
    ] {
        let made = renew(&server, token).await;
        assert!(
            is_in(made.info.expires_at, days),
            "{what}: {}",
            made.info.expires_at
        );
        let again = ask(&server, &made.token).await.status;
        assert_eq!(again, if days == 15 { 409 } else { 201 }, "{what}");
    }
}

/// A token that somebody makes for another account is renewed for no longer than what made it could be, where that is
/// bound or cannot be renewed. An administrator's login gives others logins of their own.
#[tokio::test]
async fn what_is_made_for_another_does_not_outlive_what_made_it_could() {
    use RenewalRule::{Everybody, People};
    for rule in [People, Everybody] {
        let server = with(|settings| settings.tokens.renewal = rule).await;
        server.user("bob").await;
        let login = server.user("boss").await;
        let robot = json!({ "name": "robot", "kind": "service" });
        let users = "/api/v1/users";
        server.post(users, &server.admin, robot).await.expect(201);
        for name in ["boss", "robot"] {
            let path = format!("{users}/{name}");
            let body = json!({ "server_admin": true });
            server.patch(&path, &server.admin, body).await.expect(200);
        }
        let child = async |with: &str, more: Value| {
            let mut body = json!({ "permissions": ALL, "expires_in": 60 * 86_400 });
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            server.mint(with, body).await.token
        };
        let rotated = async |former: &str, by: &str, body: Value| {
            let path = format!("/api/v1/tokens/{}/rotate", id(former));
            let made: MintedToken = server.post(&path, by, body).await.expect(201).json();
            made.token
        };
        let bound = child(&login, json!({})).await;
        let free = child(&login, json!({ "renewable": true })).await;
        let ending = child(&login, json!({ "renewable": true })).await;
        rotated(&ending, &login, json!({ "grace": 50 * 86_400 })).await;
        let service = child(&server.admin, json!({ "user": "robot" })).await;
        let mut made = Vec::new();
        // Days that are left of what is renewed on day 55: what is bound ends with the login on day 90, or with the
        // service account's token on day 60.
        let of_service = if rule == Everybody { 59 } else { 5 };
        for (what, maker, days) in [
            ("a login", &login, 59),
            ("what is renewed as the login is", &free, 59),
            ("what ends with the login", &bound, 35),
            ("a service account's", &service, of_service),
        ] {
            let body = json!({ "user": "bob", "permissions": ALL, "expires_in": 59 * 86_400 });
            made.push((what, child(maker, body.clone()).await, days));
            let former = server.mint(&server.admin, body).await.token;
            made.push((what, rotated(&former, maker, json!({})).await, days));
        }
        let in_grace = json!({ "user": "bob", "expires_in": 49 * 86_400 });
        let in_grace = child(&ending, in_grace).await;
        pass(&server, 48).await;
        // It lasts a day longer, which its maker does as well.
        let last = renew(&server, &in_grace).await;
        assert!(is_in(last.info.expires_at, 2), "{}", last.info.expires_at);
        ask(&server, &last.token).await.expect(409);
        pass(&server, 7).await;
        for (what, token, days) in made {
            let until = renew(&server, &token).await.info.expires_at;
            assert!(is_in(until, days), "{rule}: {what}: {until}");
        }
    }
}

/// Bad credentials renew nothing, and a request that was let in before its token ended does not either.
#[tokio::test]
async fn what_has_ended_is_not_renewed() {
    let server = with(|settings| settings.limits.login_failures = 0).await;
    let ann = server.user("ann").await;
    let revoked = server.user("bob").await;
    server.revoke(&revoked).await;
    let disabled = server.user("cleo").await;
    let body = json!({ "disabled": true });
    server
        .patch("/api/v1/users/cleo", &server.admin, body)
        .await
        .expect(200);
    for token in [
        "",
        "garbage",
        &server.expired(&ann).await,
        &revoked,
        &disabled,
    ] {
        ask(&server, token).await.expect(401);
    }
    for number in 0..20 {
        let stolen = server.user(&format!("dan{number}")).await;
        let path = format!("/api/v1/tokens/{}", id(&stolen));
        let (renewed, revoked) =
            tokio::join!(ask(&server, &stolen), server.delete(&path, &server.admin));
        revoked.expect(200);
        if renewed.status == 201 {
            let made: MintedToken = renewed.json();
            let answer = server.get("/api/v1/whoami", &made.token).await;
            answer.expect(401);
        } else {
            renewed.expect(401);
        }
    }
}

#[tokio::test]
async fn an_account_has_no_more_tokens_than_it_may() {
    let server = with(|settings| settings.limits.tokens = 2).await;
    let ann = server.user("ann").await;
    let second = renew(&server, &ann).await.token;
    let refused = ask(&server, &second).await.expect(429);
    assert!(refused.message().contains("2 valid tokens"));
    let list: TokenList = server.get("/api/v1/tokens", &ann).await.expect(200).json();
    assert_eq!(list.tokens.len(), 2);
}

/// Who has a token that only reads does not use up what its account may have.
#[tokio::test]
async fn a_login_is_not_renewed_without_end_at_once() {
    let server = with(|settings| settings.limits.request_rate = 0).await;
    server.user("ann").await;
    let body = json!({ "user": "ann", "permissions": ["pull"] });
    let token = server.mint(&server.admin, body.clone()).await.token;
    for _ in 0..100 {
        ask(&server, &token).await.expect(201);
    }
    let refused = ask(&server, &token).await.expect(429);
    assert!(refused.message().contains("100 renewals of this login"));
    server.mint(&server.admin, body).await;
}

/// A token for a closure reads after a renewal what it has read before, and nothing that came later.
#[tokio::test]
async fn a_closure_token_reads_the_same() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let tool = Item::new("tool", b"tool");
    scene.push(&[&tool]).await;
    let body = json!({ "closures": [tool.base], "renewable": true });
    let former = server.mint(&scene.ann, body).await;
    let later = Item::new("later", b"later");
    scene.push(&[&later]).await;
    let made = renew(server, &former.token).await;
    assert_eq!(made.info.closures, former.info.closures);
    for token in [&former.token, &made.token] {
        for (item, expected) in [(&tool, 200), (&later, 404)] {
            let path = format!("/{}.narinfo", item.hash());
            let status = server.get(&path, token).await.status;
            assert_eq!(status, expected, "{}", item.base);
        }
    }
}

/// Tokens of before there were renewals: what was created with another one of the account lasts no longer than that,
/// and what was created for somebody else stands by itself.
#[tokio::test]
async fn tokens_of_before_are_bound_by_what_created_them() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let child = server.narrow(&ann, &["pull"], &["*"]).await;
    let upgraded = server
        .state
        .database()
        .change_access(Decided::by_server(), |change| {
            change.execute("UPDATE token SET renewals_end_by = NULL", &[])?;
            let migration = include_str!(
                "../../../../fh-persistence/src/database/migrations/0016_renewals.sql"
            );
            let begin = migration.find("UPDATE token").unwrap();
            let end = begin + migration[begin..].find(';').unwrap();
            change.batch(&migration[begin..end])?;
            Ok::<_, DatabaseError>(())
        });
    upgraded.await.unwrap();
    ask(&server, &ann).await.expect(201);
    ask(&server, &child).await.expect(409);
}
