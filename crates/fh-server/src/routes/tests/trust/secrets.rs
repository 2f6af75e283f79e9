//! *Secrets are independent.* Two servers differ only in the content of slices that mallory cannot read. To any
//! program of her requests all answers are equal, but for ids and times.
//!
//! She is a member of `acme` and writes to its flake `play`, where her pushes clash with what acme's secret flakes
//! hold, and she owns `evil`. What she pushes, plans and guesses is chosen among the paths and contents that are
//! pushed to the secret slices too.

use std::ops::Range;
use std::sync::Arc;

use http::Method;
use serde_json::json;

use super::super::model::Random;
use super::world::{
    Ask, CONTENTS, Deed, PATHS, People, Prepared, create, get, grant, item, member, plan,
    realisations_of, show, told,
};
use super::{SLOTS, Seen, histories, many_seeds, usual_seeds};
use crate::testing::TestServer;

const STEPS: usize = 14;

/// The slices that mallory cannot read, and who writes to each.
const SECRETS: [(&str, &str, &str); 3] = [
    ("acme", "secret", "ann"),
    ("acme", "other", "bob"),
    ("hidden", "x", "carl"),
];

struct World {
    prepared: Prepared,
    /// What differs was pushed.
    secrets: Seen,
    /// Mallory pushes what stands in a secret slice of one server and not of the other.
    differing: Seen,
    /// Mallory's pushes that were committed.
    pushed: Seen,
}

async fn prepare() -> World {
    let server = Prepared::first().await;
    let mut people = People::default();
    for name in ["ann", "bob", "carl", "mallory", "nina"] {
        people.add(&server, name).await;
    }
    for slot in 0..SLOTS {
        let [acme, hidden, evil] = ["acme", "hidden", "evil"].map(|org| format!("{org}{slot}"));
        for (org, owner) in [(&acme, "ann"), (&hidden, "carl"), (&evil, "mallory")] {
            server.organization(org, people.token(owner)).await;
        }
        let asks = [
            create("ann", &format!("{acme}/secret"), "private"),
            create("ann", &format!("{acme}/other"), "private"),
            create("ann", &format!("{acme}/play"), "private"),
            create("ann", &format!("{acme}/open"), "public"),
            create("carl", &format!("{hidden}/x"), "private"),
            create("mallory", &format!("{evil}/x"), "private"),
            create("mallory", &format!("{evil}/y"), "public"),
            member("ann", &acme, "mallory", Some("member")),
            member("ann", &acme, "bob", Some("member")),
            grant("ann", &format!("{acme}/play"), "mallory", Some("admin")),
            grant("ann", &format!("{acme}/other"), "bob", Some("write")),
        ];
        for ask in asks {
            let answer = ask.of(&server, &people).await;
            assert!(answer.status.is_success(), "{ask:?}: {:?}", answer.body);
        }
        for user in ["mallory", "bob"] {
            server.accept(&acme, user).await;
        }
    }
    World {
        prepared: Prepared::of(server, people),
        secrets: Seen::default(),
        differing: Seen::default(),
        pushed: Seen::default(),
    }
}

/// What stands in the secret slices of one server: path and content.
type Known = Vec<(usize, usize)>;

struct History<'a> {
    world: &'a World,
    servers: &'a [TestServer; 2],
    /// Mallory's choices.
    random: Random,
    /// What is done to the secret slices of each server.
    theirs: [Random; 2],
    known: [Known; 2],
    slot: u64,
    seed: u64,
    /// Names of tokens of mallory's, of which the first is not narrowed.
    tokens: Vec<String>,
    people: [People; 2],
    done: Vec<String>,
}

impl<'a> History<'a> {
    fn new(world: &'a World, servers: &'a [TestServer; 2], seed: u64) -> Self {
        let people = || world.prepared.people.clone();
        Self {
            world,
            servers,
            random: Random::new(seed),
            theirs: [
                Random::new(seed * 2 + 1_000_001),
                Random::new(seed * 2 + 1_000_002),
            ],
            known: [Vec::new(), Vec::new()],
            slot: seed % SLOTS,
            seed,
            tokens: vec!["mallory".to_owned()],
            people: [people(), people()],
            done: Vec::new(),
        }
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len())].clone()
    }

    fn items(&mut self) -> Vec<(usize, usize)> {
        let first = self.random.below(PATHS);
        let mut items = vec![(first, self.random.below(CONTENTS))];
        if self.random.chance(3) {
            items.push(((first + 1) % PATHS, self.random.below(CONTENTS)));
        }
        items
    }

    /// Somebody pushes to secret slices, on each server something else, or nothing.
    async fn secrets(&mut self) {
        for index in 0..2 {
            let random = &mut self.theirs[index];
            if !random.chance(2) {
                continue;
            }
            let (org, project, by) = SECRETS[random.below(SECRETS.len())];
            let flake = format!("{org}{}/{project}", self.slot);
            let one = (random.below(PATHS), random.below(CONTENTS));
            let deed = Deed::Push(by.to_owned(), flake, vec![one]);
            let answers = deed
                .of(&self.servers[index], &self.people[index], self.slot)
                .await;
            // A slice has one name for a hash.
            let status = answers.last().unwrap().status;
            assert!(status.is_success() || status == 400);
            self.done
                .push(format!("server {index}: {deed:?} → {status}"));
            if status == 400 {
                continue;
            }
            self.known[index].push(one);
            self.world.secrets.count();
        }
    }

    /// One of the things that mallory does.
    fn deed(&mut self) -> Deed {
        let slot = self.slot;
        let by = self.pick(&self.tokens.clone());
        let hers = [
            format!("acme{slot}/play"),
            format!("evil{slot}/x"),
            format!("evil{slot}/y"),
        ];
        let others = SECRETS.map(|(org, project, _)| format!("{org}{slot}/{project}"));
        let absent = [format!("acme{slot}/absent"), format!("absent{slot}/x")];
        let mut anywhere = hers.to_vec();
        anywhere.extend(others);
        anywhere.extend(absent);
        let flake = if self.random.chance(4) {
            self.pick(&anywhere)
        } else {
            self.pick(&hers)
        };
        let items = self.items();
        match self.random.below(16) {
            0..=4 => Deed::Push(by, flake, items),
            5 | 6 => {
                let items: Vec<_> = items
                    .into_iter()
                    .map(|(path, content)| item(slot, path, content))
                    .collect();
                let dry_run = self.random.chance(2);
                let path = format!("/api/v1/flakes/{flake}/pushes");
                let plan = Some(plan(&items, dry_run));
                Deed::Ask(Ask::new(&by, Method::POST, path, plan))
            }
            7 => {
                let subject = self.pick(&["ann", "bob", "nina", "@members", "nobody"]);
                let role = self.pick(&[None, Some("read"), Some("write")]);
                Deed::Ask(grant(&by, &flake, subject, role))
            }
            8 => Deed::Ask(show(&by, &flake, self.pick(&["public", "private"]))),
            9 => {
                let org = self.pick(&["acme", "evil", "hidden"]);
                let policy = json!({
                    "provider": "github", "role": "write", "flakes": [format!("{org}{slot}/*")],
                    "conditions": [{ "claim": "repository", "equals": "acme/app" }],
                });
                let path = format!("/api/v1/orgs/{org}{slot}/trust/mirror");
                Deed::Ask(Ask::new(&by, Method::PUT, path, Some(policy)))
            }
            10 => {
                let org = self.pick(&["acme", "evil", "hidden", "absent"]);
                let rest = self.pick(&["", "/members", "/grants", "/access", "/trust", "/teams"]);
                Deed::Ask(get(&by, format!("/api/v1/orgs/{org}{slot}{rest}")))
            }
            _ => Deed::Ask(get(&by, self.look(&flake, items[0]))),
        }
    }

    /// An address that she looks at.
    fn look(&mut self, flake: &str, (path, content): (usize, usize)) -> String {
        let any = item(self.slot, path, content);
        let org = flake.split_once('/').unwrap().0;
        let address = self.pick(&[
            String::new(),
            format!("/cache/{org}"),
            format!("/cache/{flake}"),
        ]);
        match self.random.below(10) {
            0 | 1 => format!("{address}/{}.narinfo", any.hash()),
            2 | 3 => format!("{address}/nar/{}.nar.zst", any.nar_name()),
            4 => format!("{address}/{}.ls", any.hash()),
            5 => {
                let [hashed, by_path] = realisations_of(&any);
                let log = format!("/log/{}", any.info.deriver.unwrap());
                let which = self.pick(&[hashed, by_path, log]);
                format!("{address}{which}")
            }
            6 => format!("/api/v1/access?path={}", any.base),
            7 => self.pick(&[
                "/api/v1/flakes".to_owned(),
                format!("/api/v1/flakes?org={org}"),
            ]),
            8 => self.pick(&[
                format!("/api/v1/flakes/{flake}"),
                format!("/api/v1/flakes/{flake}/paths"),
                format!("/api/v1/flakes/{flake}/grants"),
                format!("/api/v1/flakes/{flake}/access"),
                "/api/v1/orgs".to_owned(),
                "/api/v1/tokens".to_owned(),
                "/api/v1/substituters".to_owned(),
                "/api/v1/follows".to_owned(),
                "/api/v1/invitations".to_owned(),
                "/api/v1/whoami".to_owned(),
            ]),
            _ => format!("/api/v1/audit?org={org}"),
        }
    }

    /// She does something on both servers, and is told the same.
    async fn step(&mut self) {
        if self.random.chance(8) {
            return self.mint().await;
        }
        let deed = self.deed();
        let [one, other] = self.servers;
        let (answers, again) = tokio::join!(
            deed.of(one, &self.people[0], self.slot),
            deed.of(other, &self.people[1], self.slot)
        );
        if let Deed::Push(_, _, items) = &deed {
            if answers
                .last()
                .is_some_and(|answer| answer.status.is_success())
            {
                self.world.pushed.count();
            }
            let knows = |known: &Known| items.iter().any(|item| known.contains(item));
            if knows(&self.known[0]) != knows(&self.known[1]) {
                self.world.differing.count();
            }
        }
        self.done.push(format!(
            "mallory: {deed:?} → {:?}",
            answers.last().map(|answer| answer.status)
        ));
        let told = |answers: &[crate::testing::Answer]| -> Vec<String> {
            answers.iter().map(told).collect()
        };
        self.assert_equal(&told(&answers), &told(&again));
    }

    /// A token of hers for a closure, or for a flake.
    async fn mint(&mut self) {
        let any = item(self.slot, self.random.below(PATHS), 0);
        let body = if self.random.chance(2) {
            json!({ "permissions": ["pull"], "closures": [any.base] })
        } else {
            let flakes = format!("acme{}/*", self.slot);
            json!({ "permissions": ["pull", "push"], "flakes": [flakes] })
        };
        let mut answers = Vec::new();
        for index in 0..2 {
            let token = self.people[index].token("mallory").to_owned();
            let server = &self.servers[index];
            answers.push(server.post("/api/v1/tokens", &token, body.clone()).await);
        }
        self.done
            .push(format!("mallory mints {body} → {}", answers[0].status));
        self.assert_equal(&[told(&answers[0])], &[told(&answers[1])]);
        if answers[0].status == 201 {
            let name = format!("mallory-{}", self.tokens.len());
            for (index, answer) in answers.iter().enumerate() {
                let minted: fh_api::MintedToken = answer.json();
                self.people[index].insert(name.clone(), minted.token);
            }
            self.tokens.push(name);
        }
    }

    #[track_caller]
    fn assert_equal(&self, one: &[String], other: &[String]) {
        assert_eq!(one, other, "seed {}\n{}", self.seed, self.done.join("\n"));
    }

    async fn run(mut self) {
        for _ in 0..3 {
            self.secrets().await;
        }
        for _ in 0..STEPS {
            self.step().await;
            if self.random.chance(3) {
                self.secrets().await;
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
            let prepared = &world.prepared;
            let servers = [prepared.server().await, prepared.server().await];
            for seed in seeds {
                History::new(&world, &servers, seed).run().await;
            }
        }
    })
    .await;
    world.secrets.at_least(3.0, &seeds, "secrets differ");
    world.pushed.at_least(1.0, &seeds, "mallory pushes");
    let what = "mallory pushes what is secret on one server";
    world.differing.at_least(0.5, &seeds, what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_cannot_read_changes_no_answer() {
    run(usual_seeds()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn thousands_of_histories() {
    run(many_seeds()).await;
}
