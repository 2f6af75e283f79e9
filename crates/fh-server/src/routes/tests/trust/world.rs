//! What the properties share: servers with equal keys and people, pushes of few paths with few contents,
//! and answers without what differs from one time to the next.

use std::collections::BTreeMap;
use std::path::Path;

use fh_api::{FollowList, InvitationList, LOG_RECORD, PathStatus, PushPlan, PushRealisation};
use fh_nix::{NarHash, SecretKey, StoreDir};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::push::tests::realisations::{address, outputs};
use crate::push::tests::{Item, batch_body, compress, request};
use crate::testing::{Answer, TestServer};

/// How many store paths the people of a history push.
pub(super) const PATHS: usize = 3;

/// How many contents of each, which are NARs of their own but for the last three.
pub(super) const CONTENTS: usize = 6;

/// The NAR of the first one with another reference.
pub(super) const REFERRING: usize = CONTENTS - 3;

/// The first one under another name.
pub(super) const RENAMED: usize = CONTENTS - 2;

/// Signed by a key of elsewhere, and so left out of what is pushed: a fingerprint.
pub(super) const LEFT_OUT: usize = CONTENTS - 1;

fn upstream() -> SecretKey {
    SecretKey::from_seed("upstream-1", [7; 32]).unwrap()
}

/// People by name, with a token each that may do all that they may.
#[derive(Debug, Clone, Default)]
pub(super) struct People(BTreeMap<String, String>);

impl People {
    /// Makes an account.
    pub(super) async fn add(&mut self, server: &TestServer, name: &str) {
        let token = server.user(name).await;
        self.0.insert(name.to_owned(), token);
    }

    /// Lets somebody go by a name, with this token.
    pub(super) fn insert(&mut self, name: String, token: String) {
        self.0.insert(name, token);
    }

    pub(super) fn token(&self, name: &str) -> &str {
        &self.0[name]
    }
}

/// Data that servers are started on: what they sign with, and who is who, is the same on all of them.
pub(super) struct Prepared {
    directory: TempDir,
    pub(super) people: People,
}

impl Prepared {
    /// The data of a server, which stops.
    pub(super) fn of(server: TestServer, people: People) -> Self {
        Self {
            directory: server.stop(),
            people,
        }
    }

    /// A server for many histories.
    pub(super) async fn first() -> TestServer {
        start(TempDir::new().unwrap()).await
    }

    /// A server on a copy.
    pub(super) async fn server(&self) -> TestServer {
        let directory = TempDir::new().unwrap();
        copy(self.directory.path(), directory.path());
        start(directory).await
    }
}

async fn start(directory: TempDir) -> TestServer {
    TestServer::start_with(directory, |settings| {
        settings.limits.tokens = 1_000_000;
        settings.limits.request_rate = 0;
    })
    .await
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A store path of a history with one of its contents.
pub(super) fn item(slot: u64, path: usize, content: usize) -> Item {
    let name = format!("tool{path}-{slot}");
    let number = match content {
        REFERRING | RENAMED => 0,
        content => content,
    };
    let mut item = Item::new(&name, format!("{name} {number}").as_bytes());
    item.info.deriver = Some(deriver(&name));
    match content {
        REFERRING => item.info.references.push(item.base.clone()),
        RENAMED => {
            item.base.push_str("-renamed");
            item.info.path.clone_from(&item.base);
        }
        LEFT_OUT => item = item.signed(&StoreDir::default(), &upstream()),
        _ => {}
    }
    item
}

/// The derivation that builds the path of this name.
fn deriver(name: &str) -> String {
    let hash = NarHash::of(format!("{name}.drv").as_bytes());
    let hash = fh_nix::base32::encode(&hash.as_bytes()[..20]);
    format!("{hash}-{name}.drv")
}

/// The log of a content's build.
fn log_of(item: &Item) -> (NarHash, Vec<u8>) {
    let derivation: fh_nix::StorePath = item.info.deriver.as_ref().unwrap().parse().unwrap();
    let mut record = [0; 32];
    record[..12].copy_from_slice(&LOG_RECORD);
    record[12..].copy_from_slice(derivation.hash().as_bytes());
    let text = format!("built {} {:?}\n", item.nar_name(), item.info.references);
    (NarHash::from_bytes(record), compress(text.as_bytes()))
}

/// What a plan of these is asked with.
pub(super) fn plan(items: &[Item], dry_run: bool) -> Value {
    let items: Vec<&Item> = items.iter().collect();
    let mut wanted = request(&items);
    wanted.dry_run = dry_run;
    wanted.skip_signed_by.push(upstream().public().to_string());
    let derivers = items.iter().filter_map(|item| item.info.deriver.clone());
    wanted.logs = derivers.collect();
    wanted.logs.sort_unstable();
    wanted.logs.dedup();
    wanted.realisations = realisations(&items);
    json!(wanted)
}

/// What a push says of the outputs of its derivations: that each is one of its paths, which one follows from the content.
fn realisations(items: &[&Item]) -> Vec<PushRealisation> {
    let mut said: BTreeMap<String, PushRealisation> = BTreeMap::new();
    for item in items {
        let chosen = usize::from(item.nar_hash().as_bytes()[0]) % items.len();
        for id in outputs(item.info.deriver.as_ref().unwrap()) {
            said.entry(id.clone()).or_insert(PushRealisation {
                id,
                out_path: items[chosen].base.clone(),
                signatures: Vec::new(),
            });
        }
    }
    said.into_values().collect()
}

/// Where it is told which path a content's derivation came to.
pub(super) fn realisations_of(item: &Item) -> [String; 2] {
    outputs(item.info.deriver.as_ref().unwrap()).map(|id| address(&id))
}

/// Pushes from plan to commit, with logs, and gives all answers; the last one tells whether it is done.
pub(super) async fn push(
    server: &TestServer,
    flake: &str,
    token: &str,
    items: &[Item],
) -> Vec<Answer> {
    let base = format!("/api/v1/flakes/{flake}/pushes");
    let answer = server.post(&base, token, plan(items, false)).await;
    if !answer.status.is_success() {
        return vec![answer];
    }
    let planned: PushPlan = answer.json();
    let Some(id) = planned.id else {
        return vec![answer];
    };
    let mut records: Vec<(NarHash, Vec<u8>)> = Vec::new();
    for (item, told) in items.iter().zip(&planned.paths) {
        let known = records.iter().any(|(hash, _)| *hash == item.nar_hash());
        if told.status == PathStatus::Upload && !known {
            records.push((item.nar_hash(), item.compressed()));
        }
        let (record, log) = log_of(item);
        let wanted = planned.logs.contains(item.info.deriver.as_ref().unwrap());
        if wanted && records.iter().all(|(hash, _)| *hash != record) {
            records.push((record, log));
        }
    }
    let mut answers = vec![answer];
    if !records.is_empty() {
        let request = http::Request::post(format!("{base}/{id}/nars"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", fh_api::NAR_BATCH_MEDIA_TYPE)
            .body(batch_body(&records).into());
        answers.push(server.send(request.unwrap()).await);
    }
    if planned.committed.is_none() {
        let path = format!("{base}/{id}/commit");
        answers.push(server.call(Method::POST, &path, token, None).await);
    }
    answers
}

/// An answer without what differs from one time to the next: ids, times and secrets.
pub(super) fn told(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    for name in ["x-request-id", "date", "content-length"] {
        headers.remove(name);
    }
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut value) => {
            normalise(&mut value);
            value.to_string()
        }
        Err(_) => answer.body.escape_ascii().to_string(),
    };
    format!("{} {headers:?} {body}", answer.status)
}

/// Fields that hold numbers of rows, of tokens the text, or what one must not compare.
const DIFFERING: &[&str] = &["next", "request_id", "token"];

fn normalise(value: &mut Value) {
    match value {
        Value::String(text) => {
            let id = Uuid::parse_str(text).is_ok();
            if id || OffsetDateTime::parse(text, &Rfc3339).is_ok() {
                *text = "*".to_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(normalise),
        Value::Object(fields) => {
            for (name, value) in fields {
                if DIFFERING.contains(&name.as_str()) || (name == "id" && value.is_number()) {
                    *value = json!("*");
                } else {
                    normalise(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Sets what an account follows, or what an organisation follows for its members.
async fn follow(
    server: &TestServer,
    token: &str,
    follows: &[String],
    org: Option<&str>,
) -> Vec<Answer> {
    let query = org.map_or(String::new(), |org| format!("?org={org}"));
    let path = format!("/api/v1/follows{query}");
    let answer = server.get(&path, token).await;
    if answer.status != 200 {
        return vec![answer];
    }
    let list: FollowList = answer.json();
    let body = json!({ "follows": follows, "before": list.follows, "org": org });
    vec![answer, server.put("/api/v1/follows", token, body).await]
}

/// Accepts what an organisation offers, whatever it is.
async fn accept(server: &TestServer, token: &str, org: &str) -> Vec<Answer> {
    let answer = server.get("/api/v1/invitations", token).await;
    if answer.status != 200 {
        return vec![answer];
    }
    let list: InvitationList = answer.json();
    let mut offers = list.invitations.into_iter();
    let Some(offer) = offers.find(|offer| offer.organization.as_str() == org) else {
        return Vec::new();
    };
    let path = format!("/api/v1/invitations/{org}");
    let body = json!({ "membership": offer.membership });
    vec![server.put(&path, token, body).await]
}

/// A grant, a membership and the like: what somebody asks for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) by: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

impl Ask {
    pub(super) fn new(by: &str, method: Method, path: String, body: Option<Value>) -> Self {
        let by = by.to_owned();
        Self {
            by,
            method,
            path,
            body,
        }
    }

    /// Asks with the token of who asks.
    pub(super) async fn of(&self, server: &TestServer, people: &People) -> Answer {
        let token = people.token(&self.by);
        let method = self.method.clone();
        server
            .call(method, &self.path, token, self.body.clone())
            .await
    }
}

/// What somebody does.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Ask(Ask),
    /// By whom, to which flake, and the items of [`item`].
    Push(String, String, Vec<(usize, usize)>),
    /// Somebody sets what they follow, or what an organisation of theirs does.
    Follow(String, Vec<String>, Option<String>),
    /// Somebody accepts what an organisation offers to them.
    Accept(String, String),
}

impl Deed {
    /// Does it, and gives all answers.
    pub(super) async fn of(&self, server: &TestServer, people: &People, slot: u64) -> Vec<Answer> {
        match self {
            Self::Ask(ask) => vec![ask.of(server, people).await],
            Self::Push(by, flake, items) => {
                let items: Vec<Item> = items
                    .iter()
                    .map(|(path, content)| item(slot, *path, *content))
                    .collect();
                push(server, flake, people.token(by), &items).await
            }
            Self::Follow(by, follows, org) => {
                follow(server, people.token(by), follows, org.as_deref()).await
            }
            Self::Accept(by, org) => accept(server, people.token(by), org).await,
        }
    }
}

/// Gives or takes a role: on a flake, or on all of an organisation (`org/*`).
pub(super) fn grant(by: &str, on: &str, subject: &str, role: Option<&str>) -> Ask {
    let base = match on.strip_suffix("/*") {
        Some(org) => format!("orgs/{org}"),
        None => format!("flakes/{on}"),
    };
    role_of(by, format!("/api/v1/{base}/grants/{subject}"), role)
}

/// Makes or unmakes a member.
pub(super) fn member(by: &str, org: &str, user: &str, role: Option<&str>) -> Ask {
    role_of(by, format!("/api/v1/orgs/{org}/members/{user}"), role)
}

fn role_of(by: &str, path: String, role: Option<&str>) -> Ask {
    match role {
        Some(role) => Ask::new(by, Method::PUT, path, Some(json!({ "role": role }))),
        None => Ask::new(by, Method::DELETE, path, None),
    }
}

/// Makes a flake.
pub(super) fn create(by: &str, flake: &str, visibility: &str) -> Ask {
    let body = json!({ "flake": flake, "visibility": visibility });
    Ask::new(by, Method::POST, "/api/v1/flakes".to_owned(), Some(body))
}

/// Changes who reads a flake without a grant.
pub(super) fn show(by: &str, flake: &str, visibility: &str) -> Ask {
    let body = json!({ "visibility": visibility });
    let path = format!("/api/v1/flakes/{flake}");
    Ask::new(by, Method::PATCH, path, Some(body))
}

/// Removes a flake.
pub(super) fn remove(by: &str, flake: &str) -> Ask {
    Ask::new(by, Method::DELETE, format!("/api/v1/flakes/{flake}"), None)
}

/// A question.
pub(super) fn get(by: &str, path: String) -> Ask {
    Ask::new(by, Method::GET, path, None)
}
