//! At random: people ask for things with bodies that drip, and lose what lets them in at some moment of it.
//! What they do stands in the audit log in the order in which it took effect; after the change that took
//! their access away nothing of theirs may follow.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use fh_api::PushRequest;
use fh_persistence::database::DatabaseError;
use futures_util::future::join_all;
use futures_util::stream;
use http::Method;
use serde_json::{Value, json};

use super::request;
use crate::push::tests::Item;
use crate::testing::TestServer;

/// Requests of one person at the same time.
const REQUESTS: u64 = 4;

/// Numbers that can be made again from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn moment(&mut self) -> Duration {
        Duration::from_micros(self.below(8) * self.below(1500))
    }
}

/// How somebody loses what lets them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Removed,
    Demoted,
    Revoked,
    Disabled,
    NoServerAdministrator,
}

impl Loss {
    /// Whether what the audit log calls so needs what was lost.
    fn forbids(self, action: &str) -> bool {
        match self {
            Self::Revoked | Self::Disabled => true,
            Self::NoServerAdministrator => action.starts_with("user."),
            Self::Removed | Self::Demoted => {
                !action.starts_with("user.") && !action.starts_with("token.")
            }
        }
    }
}

/// Something to ask for.
fn any_request(
    random: &mut Random,
    me: &str,
    org: &str,
    token_id: &str,
) -> (Method, String, Value) {
    let number = random.below(1_000_000);
    let org_path = |rest: &str| format!("/api/v1/orgs/{org}{rest}");
    let flake = format!("/api/v1/flakes/{org}/app");
    match random.below(15) {
        0 => (
            Method::PUT,
            org_path(&format!("/members/{me}")),
            json!({ "role": "owner" }),
        ),
        1 => (
            Method::PUT,
            org_path("/members/carl"),
            json!({ "role": "admin" }),
        ),
        2 => (Method::DELETE, org_path("/members/carl"), Value::Null),
        3 => (
            Method::PUT,
            org_path("/grants/carl"),
            json!({ "role": "admin" }),
        ),
        4 => (
            Method::PUT,
            format!("{flake}/grants/carl"),
            json!({ "role": "write" }),
        ),
        5 => (Method::DELETE, format!("{flake}/grants/carl"), Value::Null),
        6 => (
            Method::POST,
            org_path("/teams"),
            json!({ "name": format!("t{number}") }),
        ),
        7 => {
            let body = json!({ "name": format!("s{number}") });
            (Method::POST, org_path("/service-accounts"), body)
        }
        8 => {
            let policy = json!({
                "provider": "github", "role": "write", "flakes": [format!("{org}/app")],
                "conditions": [{ "claim": "repository", "equals": format!("a/b{number}") }],
            });
            (Method::PUT, org_path("/trust/ci"), policy)
        }
        9 => {
            let push = ["members", "builders"][usize::try_from(number % 2).unwrap()];
            (Method::PATCH, org_path(""), json!({ "push": push }))
        }
        10 => {
            let body = json!({ "flake": format!("{org}/f{number}"), "visibility": "private" });
            (Method::POST, "/api/v1/flakes".to_owned(), body)
        }
        11 => (
            Method::POST,
            "/api/v1/users".to_owned(),
            json!({ "name": format!("u{number}") }),
        ),
        12 => {
            let body = json!({ "permissions": ["pull", "mint"] });
            (Method::POST, "/api/v1/tokens".to_owned(), body)
        }
        13 => {
            let path = format!("/api/v1/tokens/{token_id}/rotate");
            (Method::POST, path, json!({ "grace": 1000 }))
        }
        _ => {
            let plan = PushRequest {
                paths: vec![Item::new(&format!("x{number}"), b"contents").info],
                skip_signed_by: Vec::new(),
                dry_run: false,
                logs: Vec::new(),
                realisations: Vec::new(),
            };
            (
                Method::POST,
                format!("{flake}/pushes"),
                serde_json::to_value(plan).unwrap(),
            )
        }
    }
}

/// A body in three pieces, which take their time.
fn dripping(random: &mut Random, body: &Value) -> Body {
    if body.is_null() {
        return Body::empty();
    }
    let text = body.to_string();
    let third = text.len().div_ceil(3);
    let pieces: Vec<(Duration, Bytes)> = text
        .as_bytes()
        .chunks(third)
        .map(|piece| (random.moment(), Bytes::copy_from_slice(piece)))
        .collect();
    Body::from_stream(stream::unfold(pieces.into_iter(), |mut pieces| async {
        let (wait, piece) = pieces.next()?;
        tokio::time::sleep(wait).await;
        Some((Ok::<_, std::io::Error>(piece), pieces))
    }))
}

/// How many things somebody did, and whether any of them stands after their loss.
async fn check(server: &TestServer, seed: u64, me: String, loss: Loss) -> usize {
    let found = server.state.database().read(move |read| {
        let lost: (i64, i64) = read.one(
            "SELECT id, at FROM audit_event WHERE denied = 0 AND user_name <> ?1 \
             AND subject = ?1 ORDER BY id DESC LIMIT 1",
            fh_sql::params![&me],
            |row| Ok::<_, DatabaseError>((row.get(0)?, row.get(1)?)),
        )?;
        let sql = "SELECT id, action FROM audit_event WHERE denied = 0 AND user_name = ?1";
        let done: Vec<(i64, String)> = read.all(sql, fh_sql::params![&me], |row| {
            Ok::<_, DatabaseError>((row.get(0)?, row.get(1)?))
        })?;
        // Plans are not in the log.
        let plans: (i64, i64) = read.one(
            "SELECT COUNT(*), COALESCE(MAX(p.created_at), 0) FROM push p \
             JOIN account a ON a.id = p.account_id WHERE a.name = ?1",
            fh_sql::params![&me],
            |row| Ok::<_, DatabaseError>((row.get(0)?, row.get(1)?)),
        )?;
        Ok::<_, DatabaseError>((lost, done, plans))
    });
    let ((lost, at), done, (plans, last_plan)) = found.await.unwrap();
    for (id, action) in &done {
        assert!(
            *id < lost || !loss.forbids(action),
            "seed {seed}: {action} after {loss:?}"
        );
    }
    assert!(
        last_plan <= at || !loss.forbids("push.plan"),
        "seed {seed}: a plan after {loss:?}"
    );
    done.len() + usize::try_from(plans).unwrap()
}

async fn history(server: &TestServer, ann: &str, seed: u64) -> usize {
    let mut random = Random(seed);
    let (me, org) = (format!("bob{seed}"), format!("o{seed}"));
    let token = server.user(&me).await;
    server.organization(&org, ann).await;
    server.flake(&format!("{org}/app"), "private", ann).await;
    let membership = format!("/api/v1/orgs/{org}/members/{me}");
    let user = format!("/api/v1/users/{me}");
    let admin = &server.admin;
    let owner = json!({ "role": "owner" });
    server.put(&membership, ann, owner).await.expect(200);
    let manages = json!({ "server_admin": true });
    server.patch(&user, admin, manages).await.expect(200);
    let child = server.narrow(&token, &["pull"], &["*"]).await;
    let child = fh_auth::read_unverified(&child).unwrap().jti.to_string();
    let id = fh_auth::read_unverified(&token).unwrap().jti;

    let losses = [
        Loss::Removed,
        Loss::Demoted,
        Loss::Revoked,
        Loss::Disabled,
        Loss::NoServerAdministrator,
    ];
    let loss = losses[usize::try_from(random.below(5)).unwrap()];
    let moment = random.moment() * 2;
    let loses = async {
        tokio::time::sleep(moment).await;
        let answer = match loss {
            Loss::Removed => server.delete(&membership, ann).await,
            Loss::Demoted => {
                server
                    .put(&membership, ann, json!({ "role": "member" }))
                    .await
            }
            Loss::Revoked => server.delete(&format!("/api/v1/tokens/{id}"), admin).await,
            Loss::Disabled => {
                server
                    .patch(&user, admin, json!({ "disabled": true }))
                    .await
            }
            Loss::NoServerAdministrator => {
                server
                    .patch(&user, admin, json!({ "server_admin": false }))
                    .await
            }
        };
        assert!(answer.status.is_success(), "seed {seed}: {answer:?}");
    };
    let requests: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (method, path, body) = any_request(&mut random, &me, &org, &child);
            let start = random.moment();
            let request = request(method, &path, &token, dripping(&mut random, &body));
            async move {
                tokio::time::sleep(start).await;
                let answer = server.send(request).await;
                assert!(
                    answer.status.as_u16() < 500,
                    "seed {seed}: {path} {answer:?}"
                );
            }
        })
        .collect();
    tokio::join!(loses, join_all(requests));
    check(server, seed, me, loss).await
}

/// Runs histories, some at the same time, so that each meets changes that do not concern it.
async fn histories(seeds: std::ops::Range<u64>) {
    const TOGETHER: u64 = 4;
    let server = Arc::new(TestServer::start().await);
    let ann = Arc::new(server.user("ann").await);
    server.user("carl").await;
    let tasks: Vec<_> = (0..TOGETHER)
        .map(|first| {
            let (server, ann, seeds) = (Arc::clone(&server), Arc::clone(&ann), seeds.clone());
            tokio::spawn(async move {
                let mut done = 0;
                for seed in seeds.filter(|seed| seed % TOGETHER == first) {
                    done += history(&server, &ann, seed).await;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    // Half of them come in time, more or less.
    assert!(done > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_takes_effect_that_could_not_be_begun_then() {
    histories(0..200).await;
}

/// As many as `FH_HISTORIES` says, from the seed `FH_SEED` on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn thousands_of_them() {
    let number =
        |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse::<u64>().unwrap());
    let first = number("FH_SEED", 1000);
    histories(first..first + number("FH_HISTORIES", 5000)).await;
}
