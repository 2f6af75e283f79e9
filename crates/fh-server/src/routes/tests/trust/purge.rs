//! *Purge.* A reader is a member of `own`, a guest of `accepted` and follows `open`. A history is done a second
//! time on a server with equal keys, without all that is done in other organisations, their names included.
//! After each step every answer to the reader is the same, byte for byte, at the root and at the addresses of
//! these three.
//!
//! Whoever acts outside may act inside too: `wes` writes in `own` and owns an organisation of his own, and
//! mallory is a member of `own` now and then.

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::model::Random;
use super::world::{
    Ask, CONTENTS, Deed, PATHS, People, Prepared, create, get, grant, item, member, plan,
    realisations_of, remove, show, told,
};
use super::{SLOTS, Seen, histories, many_seeds, usual_seeds};
use crate::testing::{Answer, TestServer};
use crate::tests::workload::issuer::Key;

const STEPS: usize = 12;

const ISSUER: &str = "https://ci.example.org";

const VISIBILITIES: [&str; 3] = ["public", "unlisted", "private"];

const ROLES: [&str; 3] = ["read", "write", "admin"];

/// Who owns what.
const OWNERS: [(&str, &str); 3] = [("own", "olga"), ("accepted", "anna"), ("open", "petra")];

/// A flake of one of the three organisations.
struct Inside {
    name: String,
    owner: &'static str,
    exists: bool,
}

/// An organisation that the reader has nothing to do with.
struct Outside {
    name: String,
    owner: &'static str,
    flakes: Vec<String>,
}

/// What is common to all histories.
struct World {
    prepared: Prepared,
    /// The issuer's of workloads.
    key: Key,
    /// Readers are served contents about which somebody outside disagrees.
    disputed: Seen,
    /// The reader is served something.
    served: Seen,
}

fn named(org: &str, slot: u64) -> String {
    format!("{org}{slot}")
}

/// The reader of a slot. Every other one administers `own`, and so is told more; some are workloads of `own`, whose
/// policy is mirrored outside.
fn reader(slot: u64) -> String {
    named("rita", slot)
}

async fn prepare() -> World {
    let server = Prepared::first().await;
    let key = Key::new("ci");
    let mut people = People::default();
    for name in ["olga", "anna", "petra", "wes", "mallory", "nina"] {
        people.add(&server, name).await;
    }
    for slot in 0..SLOTS {
        let reader = reader(slot);
        let mut asks = Vec::new();
        for (org, owner) in OWNERS {
            let org = named(org, slot);
            server.organization(&org, people.token(owner)).await;
            for (project, visibility) in flakes_of(owner) {
                asks.push(create(owner, &format!("{org}/{project}"), visibility));
            }
        }
        let (own, accepted) = (named("own", slot), named("accepted", slot));
        asks.extend([
            member("olga", &own, "wes", Some("member")),
            grant("olga", &format!("{own}/b"), "@members", Some("read")),
            grant("olga", &format!("{own}/a"), "wes", Some("write")),
        ]);
        if is_workload(slot) {
            asks.push(policy("olga", &own, &reader, &key, json!({})));
            let audience = server.state.keys().audience();
            let now = OffsetDateTime::now_utc().unix_timestamp();
            let claims = json!({
                "iss": ISSUER, "aud": format!("{audience}/cache/{own}"), "iat": now,
                "sub": reader, "exp": now + 36_000,
            });
            people.insert(reader.clone(), key.sign(&claims));
        } else {
            people.add(&server, &reader).await;
            let role = if slot % 2 == 0 { "member" } else { "admin" };
            asks.extend([
                member("olga", &own, &reader, Some(role)),
                grant("olga", &format!("{own}/a"), &reader, Some("write")),
                grant("anna", &format!("{accepted}/a"), &reader, Some("read")),
            ]);
        }
        for ask in asks {
            let answer = ask.of(&server, &people).await;
            assert!(answer.status.is_success(), "{ask:?}: {:?}", answer.body);
        }
        server.accept(&own, "wes").await;
        let (by, org) = follower(slot);
        if !is_workload(slot) {
            server.accept(&own, &reader).await;
            server.accept(&accepted, &reader).await;
        }
        let follows = vec![format!("{}/*", named("open", slot))];
        let answers = Deed::Follow(by, follows, org)
            .of(&server, &people, slot)
            .await;
        assert_eq!(answers.last().unwrap().status, 200);
    }
    World {
        prepared: Prepared::of(server, people),
        key,
        disputed: Seen::default(),
        served: Seen::default(),
    }
}

/// A trust policy for the workload that reads.
#[allow(
    clippy::needless_pass_by_value,
    reason = "called with `json!` throughout"
)]
fn policy(by: &str, org: &str, workload: &str, key: &Key, more: Value) -> Ask {
    let mut policy = json!({
        "provider": "oidc", "issuer": ISSUER, "role": "write", "flakes": [format!("{org}/*")],
        "conditions": [{ "claim": "sub", "equals": workload }], "jwks": { "keys": [key.jwk()] },
    });
    for (name, value) in more.as_object().unwrap() {
        policy[name] = value.clone();
    }
    let path = format!("/api/v1/orgs/{org}/trust/reader");
    Ask::new(by, Method::PUT, path, Some(policy))
}

/// Whether the reader of a slot is a workload, which accepts nothing.
fn is_workload(slot: u64) -> bool {
    slot % 4 == 2
}

/// Who sets what the reader of a slot follows, and of which organisation, if not of themselves.
fn follower(slot: u64) -> (String, Option<String>) {
    if is_workload(slot) {
        ("olga".to_owned(), Some(named("own", slot)))
    } else {
        (reader(slot), None)
    }
}

fn flakes_of(owner: &str) -> [(&'static str, &'static str); 3] {
    match owner {
        "petra" => [("a", "public"), ("b", "public"), ("c", "private")],
        _ => [("a", "private"), ("b", "private"), ("c", "public")],
    }
}

/// One history on the two servers.
struct History<'a> {
    world: &'a World,
    everything: &'a TestServer,
    purged: &'a TestServer,
    random: Random,
    slot: u64,
    seed: u64,
    inside: Vec<Inside>,
    outside: Vec<Outside>,
    made: usize,
    done: Vec<String>,
    /// What was pushed outside: path and content.
    foreign: Vec<(usize, usize)>,
}

impl<'a> History<'a> {
    fn new(world: &'a World, servers: &'a [TestServer; 2], seed: u64) -> Self {
        let slot = seed % SLOTS;
        let flakes = |(org, owner): (&str, &'static str)| {
            let org = named(org, slot);
            let projects = flakes_of(owner).map(|(project, _)| project);
            // One that is not there yet.
            let all = projects.into_iter().map(|project| (project, true));
            all.chain([("d", false)])
                .map(move |(project, exists)| Inside {
                    name: format!("{org}/{project}"),
                    owner,
                    exists,
                })
        };
        Self {
            world,
            everything: &servers[0],
            purged: &servers[1],
            random: Random::new(seed),
            slot,
            seed,
            inside: OWNERS.into_iter().flat_map(flakes).collect(),
            outside: Vec::new(),
            made: 0,
            done: Vec::new(),
            foreign: Vec::new(),
        }
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len())].clone()
    }

    /// One or two paths with contents.
    fn items(&mut self) -> Vec<(usize, usize)> {
        let first = self.random.below(PATHS);
        let mut items = vec![(first, self.random.below(CONTENTS))];
        if self.random.chance(3) {
            let second = (first + 1) % PATHS;
            items.push((second, self.random.below(CONTENTS)));
        }
        items
    }

    fn role(&mut self) -> Option<&'static str> {
        (!self.random.chance(3)).then(|| self.pick(&ROLES))
    }

    /// Something that is done in the reader's own, accepted or followed organisations; whether it counts as
    /// done elsewhere after all.
    fn inside(&mut self) -> (bool, Vec<Deed>) {
        let index = self.random.below(self.inside.len());
        let (flake, owner) = (self.inside[index].name.clone(), self.inside[index].owner);
        let own = named("own", self.slot);
        let reader = reader(self.slot);
        let anybody = [reader.as_str(), "wes", "mallory", "nina", "@members"];
        // A workload accepts nothing.
        let elsewhere = is_workload(self.slot) && owner == "anna";
        let deed = match self.random.below(15) {
            0..=4 => {
                let by = [owner, owner, "wes", "mallory", &reader];
                let by = self.pick(&by).to_owned();
                Deed::Push(by, flake, self.items())
            }
            5 | 6 => {
                let subject = self.pick(&anybody);
                let role = self.role();
                Deed::Ask(grant(owner, &flake, subject, role))
            }
            7 | 8 => Deed::Ask(show(owner, &flake, self.pick(&VISIBILITIES))),
            9 | 10 => {
                let exists = &mut self.inside[index].exists;
                *exists = !*exists;
                let exists = *exists;
                let visibility = self.pick(&VISIBILITIES);
                Deed::Ask(if exists {
                    create(owner, &flake, visibility)
                } else {
                    remove(owner, &flake)
                })
            }
            11 | 12 => {
                let user = self.pick(&["wes", "mallory"]);
                let role = self.pick(&[None, Some("member"), Some("admin")]);
                let deeds = vec![
                    Deed::Ask(member("olga", &own, user, role)),
                    Deed::Accept(user.to_owned(), own),
                ];
                return (false, deeds);
            }
            13 => {
                let org = flake.split_once('/').unwrap().0;
                let role = self.role();
                Deed::Ask(grant(owner, &format!("{org}/*"), self.pick(&anybody), role))
            }
            _ => {
                let open = named("open", self.slot);
                let mut follows = Vec::new();
                for project in ["b", "*", "a"] {
                    if self.random.chance(2) {
                        follows.push(format!("{open}/{project}"));
                    }
                }
                let (by, org) = follower(self.slot);
                return (false, vec![Deed::Follow(by, follows, org)]);
            }
        };
        (elsewhere, vec![deed])
    }

    /// Something that is done elsewhere.
    fn outside(&mut self) -> Vec<Deed> {
        if self.outside.is_empty() || self.random.chance(8) {
            return self.found();
        }
        let index = self.random.below(self.outside.len());
        let org = self.outside[index].name.clone();
        let owner = self.outside[index].owner;
        let reader = reader(self.slot);
        let anybody = [reader.as_str(), "wes", "olga", "nina", "@members"];
        let flakes = self.outside[index].flakes.clone();
        if flakes.is_empty() || self.random.chance(8) {
            self.made += 1;
            let flake = format!("{org}/x{}", self.made);
            self.outside[index].flakes.push(flake.clone());
            let ask = create(owner, &flake, self.pick(&VISIBILITIES));
            return vec![Deed::Ask(ask)];
        }
        let flake = self.pick(&flakes);
        let deed = match self.random.below(13) {
            0..=4 => {
                let items = self.items();
                self.foreign.extend(&items);
                Deed::Push(owner.to_owned(), flake, items)
            }
            5 | 6 => {
                let subject = self.pick(&anybody);
                let role = self.role();
                Deed::Ask(grant(owner, &flake, subject, role))
            }
            7 => {
                let subject = self.pick(&anybody);
                let role = self.role();
                Deed::Ask(grant(owner, &format!("{org}/*"), subject, role))
            }
            8 => Deed::Ask(show(owner, &flake, self.pick(&VISIBILITIES))),
            9 => {
                self.outside[index].flakes.retain(|one| *one != flake);
                Deed::Ask(remove(owner, &flake))
            }
            10 => {
                let user = self.pick(&["olga", "wes", "anna", &reader]).to_owned();
                let role = self.pick(&[None, Some("member"), Some("admin")]);
                let offer = Deed::Ask(member(owner, &org, &user, role));
                if user == reader {
                    return vec![offer];
                }
                return vec![offer, Deed::Accept(user, org)];
            }
            11 => {
                // As if the workload that reads were hers.
                let more = json!({
                    "role": self.pick(&ROLES), "mint": true, "builder": self.random.chance(2),
                    "pin": ["sub"], "max_lifetime": 60,
                });
                Deed::Ask(policy(owner, &org, &reader, &self.world.key, more))
            }
            _ => {
                self.outside.remove(index);
                let flakes = flakes.iter();
                let mut deeds: Vec<Deed> = flakes
                    .map(|flake| Deed::Ask(remove(owner, flake)))
                    .collect();
                let path = format!("/api/v1/orgs/{org}");
                deeds.push(Deed::Ask(Ask::new(owner, Method::DELETE, path, None)));
                return deeds;
            }
        };
        vec![deed]
    }

    /// A new organisation, and something in it for the reader.
    fn found(&mut self) -> Vec<Deed> {
        self.made += 1;
        let name = format!("evil{}-{}", self.slot, self.made);
        let owner = self.pick(&["mallory", "mallory", "wes", "nina"]);
        let flake = format!("{name}/x");
        let visibility = self.pick(&VISIBILITIES);
        let body = Some(json!({ "name": name }));
        let path = "/api/v1/orgs".to_owned();
        let items = self.items();
        self.foreign.extend(&items);
        let deeds = vec![
            Deed::Ask(Ask::new(owner, Method::POST, path, body)),
            Deed::Ask(create(owner, &flake, visibility)),
            Deed::Push(owner.to_owned(), flake.clone(), items),
            Deed::Ask(grant(owner, &flake, &reader(self.slot), Some("read"))),
        ];
        self.outside.push(Outside {
            name,
            owner,
            flakes: vec![flake],
        });
        deeds
    }

    async fn step(&mut self) {
        let (outside, deeds) = if self.random.chance(2) {
            (true, self.outside())
        } else {
            self.inside()
        };
        let people = &self.world.prepared.people;
        for deed in deeds {
            let answers = deed.of(self.everything, people, self.slot).await;
            let status = answers.last().map(|answer| answer.status);
            let place = if outside { "outside" } else { "inside" };
            self.done.push(format!("{place}: {deed:?} → {status:?}"));
            if outside {
                assert!(status.is_none_or(|status| !status.is_server_error()));
                continue;
            }
            let again = deed.of(self.purged, people, self.slot).await;
            let again = again.last().map(|answer| answer.status);
            assert_eq!(status, again, "seed {}: {deed:?}", self.seed);
        }
    }

    /// What the reader asks after a step.
    fn questions(&mut self) -> Vec<Ask> {
        let reader = reader(self.slot);
        let flake = self.random.below(self.inside.len());
        let mut addresses = vec![String::new()];
        if !is_workload(self.slot) {
            addresses.push(format!("/cache/{}", named("accepted", self.slot)));
            addresses.push(format!("/cache/{}", self.inside[flake].name));
        }
        for org in ["own", "open"] {
            addresses.push(format!("/cache/{}", named(org, self.slot)));
        }
        let mut paths = Vec::new();
        for path in 0..PATHS {
            let hash = item(self.slot, path, 0).hash().to_owned();
            for address in &addresses {
                paths.push(format!("{address}/{hash}.narinfo"));
            }
        }
        for address in ["", &self.pick(&addresses)] {
            let any = item(
                self.slot,
                self.random.below(PATHS),
                self.random.below(CONTENTS),
            );
            let log = any.info.deriver.as_ref().unwrap();
            paths.push(format!("{address}/nar/{}.nar.zst", any.nar_name()));
            paths.push(format!("{address}/{}.ls", any.hash()));
            paths.push(format!("{address}/log/{log}"));
            for realisation in realisations_of(&any) {
                paths.push(format!("{address}{realisation}"));
            }
            paths.push(format!("/api/v1/access?path={}", any.base));
        }
        let (own, open) = (named("own", self.slot), named("open", self.slot));
        let flake = self.pick(&["a", "b"]);
        paths.extend([
            "/api/v1/flakes".to_owned(),
            "/api/v1/orgs".to_owned(),
            "/api/v1/whoami".to_owned(),
            "/api/v1/follows".to_owned(),
            "/api/v1/substituters".to_owned(),
            // Who administers `own` is told what they are there, and nothing of what they have elsewhere.
            "/api/v1/users/wes/access".to_owned(),
            "/api/v1/users/mallory/access".to_owned(),
            format!("/api/v1/flakes/{open}/{flake}/paths"),
        ]);
        let mut asks: Vec<Ask> = paths.into_iter().map(|path| get(&reader, path)).collect();
        let items: Vec<_> = (0..PATHS)
            .map(|path| item(self.slot, path, self.random.below(CONTENTS)))
            .collect();
        let path = format!("/api/v1/flakes/{own}/a/pushes");
        let body = Some(plan(&items, true));
        asks.push(Ask::new(&reader, Method::POST, path, body));
        asks
    }

    async fn compare(&mut self) {
        let questions = self.questions();
        let people = &self.world.prepared.people;
        let (answers, again) = tokio::join!(
            ask_all(&questions, self.everything, people),
            ask_all(&questions, self.purged, people)
        );
        for ((ask, answer), other) in questions.iter().zip(&answers).zip(&again) {
            let (answer, other) = (told(answer), told(other));
            assert_eq!(
                answer,
                other,
                "seed {}: to {ask:?}\n{}",
                self.seed,
                self.done.join("\n")
            );
        }
        let narinfos = questions.iter().zip(&answers);
        let at_root = narinfos.filter(|(ask, _)| {
            let path = ask.path.strip_suffix(".narinfo");
            path.is_some_and(|path| !path.starts_with("/cache/"))
        });
        for (path, (_, answer)) in at_root.enumerate() {
            if answer.status != 200 {
                continue;
            }
            self.world.served.count();
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let disputed = self.foreign.iter().any(|(of, content)| {
                let foreign = item(self.slot, *of, *content);
                *of == path && !text.contains(&foreign.nar_name())
            });
            if disputed {
                self.world.disputed.count();
            }
        }
    }

    async fn run(mut self) {
        let flake = format!("{}/a", named("own", self.slot));
        let items = (0..PATHS).map(|path| (path, self.random.below(CONTENTS)));
        let first = Deed::Push("olga".to_owned(), flake, items.collect());
        let people = &self.world.prepared.people;
        for server in [self.everything, self.purged] {
            let answers = first.of(server, people, self.slot).await;
            assert_eq!(answers.last().unwrap().status, 200);
        }
        self.done.push(format!("inside: {first:?}"));
        self.compare().await;
        for _ in 0..STEPS {
            self.step().await;
            self.compare().await;
        }
    }
}

/// Asks all at the same time: a 404 takes a while.
async fn ask_all(questions: &[Ask], server: &TestServer, people: &People) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(questions.len());
    for ask in questions {
        answers.push(ask.of(server, people));
    }
    join_all(answers).await
}

async fn run(seeds: Range<u64>) {
    let world = Arc::new(prepare().await);
    let shared = Arc::clone(&world);
    histories(seeds.clone(), move |seeds| {
        let world = Arc::clone(&shared);
        async move {
            let prepared = &world.prepared;
            let servers = [prepared.server().await, prepared.server().await];
            for seed in seeds {
                History::new(&world, &servers, seed).run().await;
            }
        }
    })
    .await;
    world
        .served
        .at_least(3.0, &seeds, "the reader is served something");
    let what = "somebody outside disagrees with what the reader is served";
    world.disputed.at_least(1.0, &seeds, what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_elsewhere_changes_no_answer() {
    run(usual_seeds()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn thousands_of_histories() {
    run(many_seeds()).await;
}
