//! Random histories: the lists say what people can really do.

use std::collections::{BTreeMap, BTreeSet};

use fh_api::{AccessList, FlakeInfo, FlakeList, Role};
use http::Method;
use serde_json::json;

use super::super::model::Random;
use super::{access, list};
use crate::testing::TestServer;

const USERS: [&str; 5] = ["ann", "bob", "cleo", "dan", "eva"];
const ORGS: [&str; 2] = ["one", "two"];
const FLAKES: [&str; 4] = ["one/a", "one/b", "two/a", "two/b"];

/// One random change, by the owner of what it changes.
async fn change(server: &TestServer, random: &mut Random, tokens: &[String]) -> String {
    let org = random.below(ORGS.len());
    // Ann and bob own one each.
    let (name, owner) = (ORGS[org], &tokens[org]);
    let user = USERS[random.below(USERS.len())];
    let flake = FLAKES[org * 2 + random.below(2)];
    let role = ["read", "write", "admin"][random.below(3)];
    let subject = match random.below(4) {
        0 => "@members".to_owned(),
        1 => "team:team".to_owned(),
        _ => user.to_owned(),
    };
    let on = if random.chance(2) {
        format!("flakes/{flake}")
    } else {
        format!("orgs/{name}")
    };
    let is_owner = |user: &str| user == USERS[org];
    let (method, path, body, by) = match random.below(12) {
        0..=3 => {
            let body = json!({ "role": role });
            (Method::PUT, format!("{on}/grants/{subject}"), body, owner)
        }
        4 => (
            Method::DELETE,
            format!("{on}/grants/{subject}"),
            json!(null),
            owner,
        ),
        5 | 6 if !is_owner(user) => {
            let role = ["member", "admin", "owner"][random.below(3)];
            let body = json!({ "role": role });
            (
                Method::PUT,
                format!("orgs/{name}/members/{user}"),
                body,
                owner,
            )
        }
        7 if !is_owner(user) => (
            Method::DELETE,
            format!("orgs/{name}/members/{user}"),
            json!(null),
            owner,
        ),
        8 => {
            let path = format!("orgs/{name}/teams/team/members/{user}");
            let method = if random.chance(3) {
                Method::DELETE
            } else {
                Method::PUT
            };
            (method, path, json!({}), owner)
        }
        9 => {
            let visibility = ["public", "unlisted", "private"][random.below(3)];
            let body = json!({ "visibility": visibility });
            (Method::PATCH, format!("flakes/{flake}"), body, owner)
        }
        10 => {
            let body = json!({ "disabled": random.chance(2) });
            let user = USERS[2 + random.below(3)];
            (Method::PATCH, format!("users/{user}"), body, &server.admin)
        }
        _ => {
            // Whoever is offered something accepts it, with a token of their own.
            let index = random.below(USERS.len());
            let path = format!("/api/v1/invitations/{name}");
            let offers = server.get("/api/v1/invitations", &tokens[index]).await;
            let membership = if offers.status == 200 {
                let offers: fh_api::InvitationList = offers.json();
                let offers = offers.invitations.into_iter();
                let mut of_this = offers.filter(|offer| offer.organization.as_str() == name);
                of_this.next().and_then(|offer| offer.membership)
            } else {
                None
            };
            let body = json!({ "membership": membership });
            let answer = server.put(&path, &tokens[index], body).await;
            return format!("{} accepts {name}: {}", USERS[index], answer.status);
        }
    };
    let path = format!("/api/v1/{path}");
    let answer = server.call(method.clone(), &path, by, Some(body)).await;
    format!("{method} {path}: {}", answer.status)
}

/// The role that each person has on a flake when they use it, of those who can see it by a role; none for those whose
/// tokens are refused.
async fn really(server: &TestServer, tokens: &[String], flake: &str) -> BTreeMap<String, Role> {
    let mut roles = BTreeMap::new();
    for (user, token) in USERS.iter().zip(tokens) {
        let answer = server.get(&format!("/api/v1/flakes/{flake}"), token).await;
        if answer.status == 200
            && let Some(role) = answer.json::<FlakeInfo>().role
        {
            roles.insert((*user).to_owned(), role);
        }
    }
    roles
}

/// The roles that a list gives, the highest of each account.
fn by_list(list: &AccessList) -> BTreeMap<String, Role> {
    let mut roles = BTreeMap::new();
    for source in &list.sources {
        let Some(role) = source.role else { continue };
        for user in &source.users {
            let held = roles.entry(user.to_string()).or_insert(role);
            *held = role.max(*held);
        }
        assert!(!source.pending || source.users.is_empty(), "{source:?}");
    }
    roles
}

/// Random histories: after each step the lists say what people can really do, no more and no less.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_agree_with_what_people_can_do() {
    let server = TestServer::start_with(tempfile::TempDir::new().unwrap(), |settings| {
        settings.limits.request_rate = 0;
        settings.limits.login_failures = 0;
    })
    .await;
    let mut tokens = Vec::new();
    for user in USERS {
        tokens.push(server.user(user).await);
    }
    for (org, owner) in ORGS.iter().zip(&tokens) {
        server.organization(org, owner).await;
        let teams = format!("/api/v1/orgs/{org}/teams");
        server
            .post(&teams, owner, json!({ "name": "team" }))
            .await
            .expect(201);
    }
    for (flake, owner) in FLAKES.iter().zip([0, 0, 1, 1]) {
        server.flake(flake, "private", &tokens[owner]).await;
    }
    let mut seen = BTreeSet::new();
    // Cleo follows what she can; nobody else is told of it.
    for seed in 0..8 {
        let mut random = Random::new(seed + 1);
        let mut done = vec![format!("seed {seed}")];
        for _ in 0..12 {
            done.push(change(&server, &mut random, &tokens).await);
            let follows = server.get("/api/v1/follows", &tokens[2]).await;
            if follows.status == 200 {
                // Where nothing is public there is nothing to follow.
                let _ = server.follow(&tokens[2], &["one/*", "two/a"]).await;
            }
            for (flake, owner) in FLAKES.iter().zip([0, 0, 1, 1]) {
                let real = really(&server, &tokens, flake).await;
                let path = format!("flakes/{flake}");
                let listed = by_list(&list(&server, &path, &tokens[owner]).await);
                assert_eq!(listed, real, "{flake}\n{}", done.join("\n"));
                seen.extend(real.into_values());
            }
            for (user, token) in USERS.iter().zip(&tokens) {
                let path = "/api/v1/flakes";
                let view = server.get(path, token).await;
                let told = access(&server, user, &server.admin).await;
                assert_eq!(told.disabled, view.status == 401, "{}", done.join("\n"));
                if told.disabled {
                    continue;
                }
                // Their own list is their view; what others are told is that but for what they follow.
                let view: FlakeList = view.json();
                let read =
                    |role: Option<Role>, flake: &fh_api::FlakeName| (flake.to_string(), role);
                let real: BTreeSet<_> = view
                    .flakes
                    .iter()
                    .map(|it| read(it.role, &it.flake))
                    .collect();
                let own = access(&server, user, token).await;
                let listed: BTreeSet<_> = own
                    .flakes
                    .iter()
                    .map(|it| read(it.role, &it.flake))
                    .collect();
                assert_eq!(listed, real, "{user}\n{}", done.join("\n"));
                let unfollowed = own
                    .flakes
                    .iter()
                    .filter(|it| it.standing != fh_api::Standing::Followed);
                let unfollowed: Vec<_> = unfollowed.cloned().collect();
                assert_eq!(told.flakes, unfollowed, "{user}\n{}", done.join("\n"));
                assert_eq!(told.organizations, own.organizations, "{user}");
            }
        }
    }
    assert!(seen.len() > 1, "the histories give roles: {seen:?}");
}
