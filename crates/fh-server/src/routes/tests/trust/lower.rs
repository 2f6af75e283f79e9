//! *Lower never moves higher.* If a reader is served a path from slice t, a push into slice s changes nothing of
//! it where s has the lower standing; or is of the same organisation, and the push has the lower class, or the
//! same one and comes from somebody who cannot write t. There is one exception, where the path is not served any
//! more: no builder has pushed the two rows, and neither pusher may write the other's slice.
//!
//! Who may write what, and whose row stands where, is written down here beside the product. From which slice the
//! reader is served is what the server tells them.
//!
//! After each push it is also looked at that the NARs which the reader gets are exactly those of the narinfo.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use fh_api::AccessExplanation;
use serde_json::json;

use super::super::model::Random;
use super::world::{
    Ask, CONTENTS, Deed, LEFT_OUT, PATHS, People, Prepared, REFERRING, RENAMED, create, get, grant,
    item, member,
};
use super::{SLOTS, Seen, histories, many_seeds, usual_seeds};
use crate::testing::TestServer;
use crate::tests::workload::issuer::Key;

const STEPS: usize = 14;

const ISSUER: &str = "https://ci.example.org";

/// An organisation: its owner, and its flakes with the standing that they have for the reader.
type Organization = (&'static str, &'static str, &'static [(&'static str, u8)]);

const ORGANIZATIONS: [Organization; 6] = [
    ("own", "olga", &[("a", 0), ("b", 0), ("c", 0)]),
    ("second", "otto", &[("a", 0)]),
    ("accepted", "anna", &[("a", 1), ("b", 1)]),
    ("other", "alma", &[("a", 1)]),
    ("open", "petra", &[("a", 2), ("b", 4), ("c", 4)]),
    ("wide", "paul", &[("a", 3)]),
];

/// Who writes to which flakes at the beginning, beside the owners. They are members of these organisations.
const WRITERS: [(&str, &[&str]); 8] = [
    ("una", &["own/a"]),
    ("vic", &["own/b"]),
    ("wes", &["own/a", "own/b", "second/a"]),
    ("ida", &["accepted/a"]),
    ("jon", &["accepted/b"]),
    ("kai", &["open/a"]),
    ("leo", &["open/b", "accepted/b"]),
    ("max", &["open/c"]),
];

/// Two of an organisation who cannot write each other's flake, most of the time.
const RIVALS: [(&str, &str); 4] = [
    ("una", "own/a"),
    ("vic", "own/b"),
    ("ida", "accepted/a"),
    ("jon", "accepted/b"),
];

/// Workloads: the policy that lets each in, its flakes, and whether it is a builder.
const WORKLOADS: [(&str, &[&str], bool); 6] = [
    ("build-a", &["own/a"], true),
    ("build-b", &["own/b"], true),
    ("build-all", &["own/*"], true),
    ("deploy", &["own/a", "own/c"], false),
    ("build-accepted", &["accepted/a"], true),
    ("build-open", &["open/b"], true),
];

fn organization(flake: &str) -> &str {
    flake.split_once('/').unwrap().0
}

fn standing(flake: &str) -> u8 {
    let (org, project) = flake.split_once('/').unwrap();
    let (_, _, flakes) = ORGANIZATIONS
        .iter()
        .find(|(name, ..)| *name == org)
        .unwrap();
    flakes.iter().find(|(name, _)| *name == project).unwrap().1
}

fn owner(flake: &str) -> &'static str {
    let org = organization(flake);
    ORGANIZATIONS
        .iter()
        .find(|(name, ..)| *name == org)
        .unwrap()
        .1
}

fn flakes() -> Vec<String> {
    let of = |(org, _, flakes): &Organization| {
        let names = flakes.iter().map(|(project, _)| format!("{org}/{project}"));
        names.collect::<Vec<_>>()
    };
    ORGANIZATIONS.iter().flat_map(of).collect()
}

/// With the number of the slot in the organisation's name.
fn named(flake: &str, slot: u64) -> String {
    let (org, project) = flake.split_once('/').unwrap();
    format!("{org}{slot}/{project}")
}

fn reader(slot: u64) -> String {
    format!("rita{slot}")
}

struct World {
    prepared: Prepared,
    /// Pushes of which the property says something, of another content than is served.
    lower: Seen,
    /// Those after which the path is not served any more.
    ambiguous: Seen,
    /// Builders' pushes that change what is served.
    raised: Seen,
}

async fn prepare() -> World {
    let server = Prepared::first().await;
    let key = Key::new("ci");
    let mut people = People::default();
    let owners = ORGANIZATIONS.map(|(_, owner, _)| owner);
    let writers = WRITERS.map(|(writer, _)| writer);
    for name in owners.iter().chain(&writers) {
        people.add(&server, name).await;
    }
    for slot in 0..SLOTS {
        let reader = reader(slot);
        people.add(&server, &reader).await;
        let mut asks = Vec::new();
        for (org, owner, projects) in ORGANIZATIONS {
            let org = format!("{org}{slot}");
            server.organization(&org, people.token(owner)).await;
            let open = ["petra", "paul"].contains(&owner);
            let visibility = if open { "public" } else { "private" };
            for (project, _) in projects {
                asks.push(create(owner, &format!("{org}/{project}"), visibility));
            }
            let all = format!("{org}/*");
            if ["olga", "otto"].contains(&owner) {
                asks.push(member(owner, &org, &reader, Some("member")));
                asks.push(grant(owner, &all, "@members", Some("read")));
            } else if !open {
                asks.push(grant(owner, &all, &reader, Some("read")));
            }
        }
        for (writer, flakes) in WRITERS {
            for flake in flakes {
                let (by, flake) = (owner(flake), named(flake, slot));
                asks.push(member(by, organization(&flake), writer, Some("member")));
                asks.push(grant(by, &flake, writer, Some("write")));
            }
        }
        for (workload, flakes, builder) in WORKLOADS {
            let org = organization(flakes[0]);
            let flakes: Vec<_> = flakes.iter().map(|flake| named(flake, slot)).collect();
            let policy = json!({
                "provider": "oidc", "issuer": ISSUER, "role": "write", "flakes": flakes,
                "conditions": [{ "claim": "sub", "equals": format!("{workload}{slot}") }],
                "builder": builder, "jwks": { "keys": [key.jwk()] },
            });
            let path = format!("/api/v1/orgs/{org}{slot}/trust/{workload}");
            let by = owner(&format!("{org}/a"));
            asks.push(Ask::new(by, http::Method::PUT, path, Some(policy)));
            let now = time::OffsetDateTime::now_utc().unix_timestamp();
            let claims = json!({
                "iss": ISSUER, "aud": server.state.keys().audience(), "iat": now,
                "sub": format!("{workload}{slot}"), "exp": now + 36_000,
            });
            people.insert(format!("{workload}{slot}"), key.sign(&claims));
        }
        for ask in asks {
            let answer = ask.of(&server, &people).await;
            assert!(answer.status.is_success(), "{ask:?}: {:?}", answer.body);
        }
        for org in ["own", "second", "accepted", "other"] {
            server.accept(&format!("{org}{slot}"), &reader).await;
        }
        for (writer, flakes) in WRITERS {
            let organizations: BTreeSet<_> = flakes.iter().copied().map(organization).collect();
            for org in organizations {
                server.accept(&format!("{org}{slot}"), writer).await;
            }
        }
        let follows = ["open/a", "wide/*", "open/*"].map(|flake| named(flake, slot));
        let follows: Vec<&str> = follows.iter().map(String::as_str).collect();
        server
            .follow(people.token(&reader), &follows)
            .await
            .expect(200);
    }
    World {
        prepared: Prepared::of(server, people),
        lower: Seen::default(),
        ambiguous: Seen::default(),
        raised: Seen::default(),
    }
}

/// What stands in a slice for a path.
#[derive(Debug, Clone)]
struct Row {
    content: usize,
    pusher: String,
    builder: bool,
}

/// What the reader is served for a path: NAR and references, and from which slice.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Served {
    content: String,
    slice: String,
}

struct History<'a> {
    world: &'a World,
    server: &'a TestServer,
    random: Random,
    slot: u64,
    seed: u64,
    /// Person and flake, without owners and workloads.
    writes: BTreeSet<(String, String)>,
    /// By flake and path.
    rows: BTreeMap<(String, usize), Row>,
    done: Vec<String>,
}

impl<'a> History<'a> {
    fn new(world: &'a World, server: &'a TestServer, seed: u64) -> Self {
        let of = |(writer, flakes): (&str, &'static [&'static str])| {
            let writer = writer.to_owned();
            let flakes = flakes.iter();
            flakes.map(move |flake| (writer.clone(), (*flake).to_owned()))
        };
        Self {
            world,
            server,
            random: Random::new(seed),
            slot: seed % SLOTS,
            seed,
            writes: WRITERS.into_iter().flat_map(of).collect(),
            rows: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len())].clone()
    }

    fn may_write(&self, who: &str, flake: &str) -> bool {
        let workload = WORKLOADS.iter().find(|(name, ..)| *name == who);
        if let Some((_, flakes, _)) = workload {
            return flakes.iter().any(|pattern| {
                let all = pattern.strip_suffix("/*");
                *pattern == flake || all == Some(organization(flake))
            });
        }
        owner(flake) == who || self.writes.contains(&(who.to_owned(), flake.to_owned()))
    }

    /// The name by which somebody's token is known.
    fn holder(&self, who: &str) -> String {
        if WORKLOADS.iter().any(|(name, ..)| *name == who) {
            format!("{who}{}", self.slot)
        } else {
            who.to_owned()
        }
    }

    fn people(&self) -> &'a People {
        &self.world.prepared.people
    }

    async fn ask(&self, ask: Ask) -> crate::testing::Answer {
        ask.of(self.server, self.people()).await
    }

    /// A writer gets or loses a flake of an organisation of theirs.
    async fn change_grant(&mut self) {
        let (writer, flakes_of) = self.pick(&WRITERS);
        let of = organization(flakes_of[0]);
        let all = flakes();
        let all: Vec<_> = all
            .iter()
            .filter(|flake| organization(flake) == of)
            .collect();
        let flake = self.pick(&all).clone();
        let key = (writer.to_owned(), flake.clone());
        let takes = self.writes.contains(&key);
        let role = (!takes).then_some("write");
        let here = named(&flake, self.slot);
        let ask = grant(owner(&flake), &here, writer, role);
        let answer = self.ask(ask).await;
        assert!(answer.status.is_success(), "{:?}", answer.body);
        self.done.push(format!("{writer} on {flake}: {role:?}"));
        if takes {
            self.writes.remove(&key);
        } else {
            self.writes.insert(key);
        }
    }

    /// What the reader is served for a path; and that they get its NAR, and no other one of the path.
    async fn served(&self, path: usize) -> Option<Served> {
        let reader = reader(self.slot);
        let any = item(self.slot, path, 0);
        let narinfo = self
            .ask(get(&reader, format!("/{}.narinfo", any.hash())))
            .await;
        let text = String::from_utf8(narinfo.body.to_vec()).unwrap();
        let found = narinfo.status == 200;
        for content in (0..CONTENTS).filter(|content| ![REFERRING, RENAMED].contains(content)) {
            let nar = item(self.slot, path, content).nar_name();
            let answer = self.ask(get(&reader, format!("/nar/{nar}.nar.zst"))).await;
            let of_narinfo = found && text.contains(&nar);
            self.expect(
                (answer.status == 200) == of_narinfo,
                &format!("NAR {content} of path {path}: {}", answer.status),
            );
        }
        if !found {
            self.expect(narinfo.status == 404, "a narinfo or none");
            return None;
        }
        let lines = text.lines();
        let content = lines
            .filter(|line| {
                ["StorePath: ", "NarHash: ", "References: "]
                    .iter()
                    .any(|field| line.starts_with(field))
            })
            .collect::<Vec<_>>()
            .join(" ");
        let why = format!("/api/v1/access?path={}", any.base);
        let why: AccessExplanation = self.ask(get(&reader, why)).await.expect(200).json();
        self.expect(
            why.readable && why.slices[0].served,
            "it is told from where",
        );
        let told = why.slices[0].flake.to_string();
        let slice = flakes()
            .into_iter()
            .find(|flake| named(flake, self.slot) == told);
        let slice = slice.unwrap_or_else(|| panic!("served from {told}"));
        Some(Served { content, slice })
    }

    /// Whether the property says something of a push.
    fn is_lower(&self, (who, builder): (&str, bool), s: &str, t: &str, row: &Row) -> bool {
        let same_organization = organization(s) == organization(t) && standing(s) == standing(t);
        let same_class = builder == row.builder;
        let lower_class = !builder && row.builder;
        standing(s) > standing(t)
            || (same_organization && (lower_class || (same_class && !self.may_write(who, t))))
    }

    /// Who pushes next, and to which flake; nobody where nobody may.
    fn pusher(&mut self) -> Option<(&'static str, String)> {
        if self.random.chance(3) {
            let (who, flake) = self.pick(&RIVALS);
            return self.may_write(who, flake).then(|| (who, flake.to_owned()));
        }
        let all = flakes();
        let flake = self.pick(&all);
        let writers = WRITERS.iter().map(|(writer, _)| *writer);
        let mut pushers: Vec<&str> = writers.chain([owner(&flake)]).collect();
        if self.random.chance(2) {
            pushers = WORKLOADS.iter().map(|(workload, ..)| *workload).collect();
        }
        pushers.retain(|who| self.may_write(who, &flake));
        (!pushers.is_empty()).then(|| (self.pick(&pushers), flake))
    }

    async fn push(&mut self) {
        let Some((who, flake)) = self.pusher() else {
            return;
        };
        let builder = WORKLOADS
            .iter()
            .any(|(name, _, builds)| *name == who && *builds);
        let (path, content) = (self.random.below(PATHS - 1), self.random.below(CONTENTS));
        let before = self.served(path).await;
        let key = (flake.clone(), path);
        let (t, row) = match &before {
            Some(served) => {
                let row = self.rows.get(&(served.slice.clone(), path));
                self.expect(row.is_some(), "somebody has pushed what is served");
                (served.slice.clone(), row.cloned())
            }
            None => (String::new(), None),
        };
        let deed = Deed::Push(
            self.holder(who),
            named(&flake, self.slot),
            vec![(path, content)],
        );
        let answers = deed.of(self.server, self.people(), self.slot).await;
        let status = answers.last().unwrap().status;
        self.done.push(format!(
            "{who} pushes {content} of {path} to {flake} → {status}"
        ));
        // A slice has one name for a hash.
        let other_name = self
            .rows
            .get(&key)
            .is_some_and(|there| (there.content == RENAMED) != (content == RENAMED));
        let refused = other_name && status == 400;
        self.expect(status.is_success() || refused, "a writer pushes");
        let after = self.served(path).await;
        self.done.push(format!("    served: {after:?}"));
        if let (Some(before), Some(row)) = (&before, &row) {
            let changed = after.as_ref().map(|after| &after.content) != Some(&before.content);
            if self.is_lower((who, builder), &flake, &t, row) {
                if row.content != content {
                    self.world.lower.count();
                }
                let neither = organization(&flake) == organization(&t)
                    && !builder
                    && !row.builder
                    && !self.may_write(who, &t)
                    && !self.may_write(&row.pusher, &flake);
                let unserved = after.is_none() && neither;
                self.expect(
                    !changed || unserved,
                    &format!("served was {before:?} of {row:?}, then {after:?}"),
                );
                if unserved {
                    self.world.ambiguous.count();
                }
            } else if changed && builder {
                self.world.raised.count();
            }
        }
        if refused || content == LEFT_OUT {
            return;
        }
        let pushed = Row {
            content,
            pusher: who.to_owned(),
            builder,
        };
        match self.rows.get_mut(&key) {
            Some(there) if builder && !there.builder => *there = pushed,
            Some(_) => {}
            None => {
                self.rows.insert(key, pushed);
            }
        }
    }

    #[track_caller]
    fn expect(&self, holds: bool, what: &str) {
        assert!(
            holds,
            "seed {}: {what}\n{}\n{:#?}",
            self.seed,
            self.done.join("\n"),
            self.rows
        );
    }

    async fn run(mut self) {
        for _ in 0..STEPS {
            if self.random.chance(6) {
                self.change_grant().await;
            } else {
                self.push().await;
            }
        }
    }
}

async fn run(seeds: Range<u64>) {
    let world = Arc::new(prepare().await);
    let shared = Arc::clone(&world);
    histories(seeds.clone(), move |seeds| {
        let world = Arc::clone(&shared);
        async move {
            let server = world.prepared.server().await;
            for seed in seeds {
                History::new(&world, &server, seed).run().await;
            }
        }
    })
    .await;
    let what = "a push of lower standing or class, of another content";
    world.lower.at_least(2.0, &seeds, what);
    world
        .ambiguous
        .at_least(0.15, &seeds, "two persons disagree");
    world.raised.at_least(0.1, &seeds, "a builder decides");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lower_never_moves_higher() {
    run(usual_seeds()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn thousands_of_histories() {
    run(many_seeds()).await;
}
