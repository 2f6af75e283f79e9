//! Random histories of pushes that say to which path a derivation was built, with the path or without it because a key
//! of elsewhere has signed it; after each push, what a reader is told at each address, compared with rules that are
//! written down here beside the product.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use fh_nix::SecretKey;

use super::{Random, seeds_of_many};
use crate::push::tests::realisations::{outputs, realised, with_realisations};
use crate::push::tests::{Item, Scene};
use crate::routes::tests::threats::builder;

const STEPS: usize = 10;

/// The flakes; the reader belongs to `acme`, and follows the last one.
const FLAKES: [&str; 3] = ["acme/app", "acme/play", "open/x"];

/// The flakes of acme.
const OWN: Range<usize> = 0..2;

/// Addresses, and the flakes that the reader has there.
const ADDRESSES: [(&str, Range<usize>); 5] = [
    ("", 0..3),
    ("/cache/acme", OWN),
    ("/cache/acme/app", 0..1),
    ("/cache/acme/play", 1..2),
    ("/cache/open/x", 2..3),
];

/// Who pushes: the flakes to which they may, and whether they are builders.
const PUSHERS: [(&str, Range<usize>, bool); 6] = [
    ("ann", OWN, false),
    ("una", 0..1, false),
    ("vic", 1..2, false),
    ("the builder of app", 0..1, true),
    ("the builder of play", 1..2, true),
    ("petra", 2..3, false),
];

/// What a slice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    flake: usize,
    path: usize,
    pusher: usize,
    age: usize,
}

impl Word {
    fn is_builders(&self) -> bool {
        PUSHERS[self.pusher].2
    }

    /// Whether a person's word decides against another person's.
    fn beats(&self, other: &Self) -> bool {
        let writes = |word: &Self, flake: usize| PUSHERS[word.pusher].1.contains(&flake);
        writes(self, other.flake) && (self.age < other.age || !writes(other, self.flake))
    }
}

/// What there is, by the rules.
#[derive(Debug, Default)]
struct Model {
    /// Flake and path.
    holds: BTreeSet<(usize, usize)>,
    words: BTreeMap<usize, Word>,
    age: usize,
}

impl Model {
    fn push(&mut self, pusher: usize, flake: usize, path: usize, leaves_out: bool) {
        self.age += 1;
        if !leaves_out {
            self.holds.insert((flake, path));
        }
        let said = Word {
            flake,
            path,
            pusher,
            age: self.age,
        };
        let there = self.words.entry(flake).or_insert(said);
        if said.is_builders() && !there.is_builders() {
            *there = said;
        }
    }

    /// The path that a reader of these flakes is told.
    fn told(&self, flakes: &Range<usize>) -> Option<usize> {
        let seen = self.words.range(flakes.clone()).map(|(_, word)| *word);
        let seen: Vec<Word> = seen.collect();
        let mut deciding = seen.clone();
        // What is followed says nothing where the reader's own organisation says something.
        if seen.iter().any(|word| OWN.contains(&word.flake)) {
            deciding.retain(|word| OWN.contains(&word.flake));
        }
        let builders = deciding.iter().filter(|word| word.is_builders());
        let decides = match builders.min_by_key(|word| word.age) {
            Some(builder) => Some(builder),
            None => deciding.iter().find(|word| {
                let mut others = deciding.iter().filter(|other| other.path != word.path);
                others.all(|other| word.beats(other))
            }),
        };
        let path = decides?.path;
        // That path, by a slice which has it and says so, or nothing.
        let says = |word: &Word| word.path == path && self.holds.contains(&(word.flake, path));
        seen.iter().any(says).then_some(path)
    }
}

struct World {
    scene: Scene,
    reader: String,
    /// As [`PUSHERS`].
    tokens: Vec<String>,
    upstream: SecretKey,
}

impl World {
    async fn new() -> Self {
        let scene = Scene::with(|settings| settings.limits.request_rate = 0).await;
        let (server, ann) = (&scene.server, &scene.ann);
        server.flake("acme/play", "private", ann).await;
        let petra = server.user("petra").await;
        server.organization("open", &petra).await;
        server.flake("open/x", "public", &petra).await;
        let mut tokens = vec![ann.clone()];
        for (name, flake) in [("una", "acme/app"), ("vic", "acme/play"), ("rita", "")] {
            tokens.push(server.user(name).await);
            server.member("acme", name, "member", ann).await;
            server.accept("acme", name).await;
            if !flake.is_empty() {
                server.grant(flake, name, "write", ann).await;
            }
        }
        let reader = tokens.pop().unwrap();
        for flake in &FLAKES[OWN] {
            server.grant(flake, "rita", "read", ann).await;
        }
        server.follow(&reader, &["open/x"]).await.expect(200);
        for project in ["app", "play"] {
            tokens.push(builder(&scene, project).await);
        }
        tokens.push(petra);
        Self {
            scene,
            reader,
            tokens,
            upstream: SecretKey::from_seed("upstream-1", [7; 32]).unwrap(),
        }
    }

    async fn history(&self, seed: u64) {
        let mut random = Random::new(seed);
        let derivation = format!("tool-{seed}");
        let store_dir = self.scene.server.state.store_dir();
        let items = ["a", "b"].map(|which| {
            let name = format!("{derivation}-{which}");
            Item::new(&name, name.as_bytes()).signed(store_dir, &self.upstream)
        });
        let (mut model, mut done) = (Model::default(), Vec::new());
        for _ in 0..STEPS {
            let pusher = random.below(PUSHERS.len());
            let (name, flakes, _) = &PUSHERS[pusher];
            let flake = flakes.start + random.below(flakes.len());
            let (path, leaves_out) = (random.below(items.len()), random.chance(2));
            done.push(format!(
                "{name} → {}: {path}, left out: {leaves_out}",
                FLAKES[flake]
            ));
            let item = &items[path];
            let mut wanted = with_realisations(&[item], realised(&derivation, item));
            if leaves_out {
                wanted.skip_signed_by = vec![self.upstream.public().to_string()];
            }
            let (to, token) = (FLAKES[flake], &self.tokens[pusher]);
            let answer = self.scene.plan_answer(to, token, &wanted).await;
            assert!(answer.status.is_success(), "seed {seed}: {:?}", answer.body);
            self.scene.finish(to, token, answer.json(), &[item]).await;
            model.push(pusher, flake, path, leaves_out);
            for (address, flakes) in &ADDRESSES {
                let expected = model.told(flakes).map(|path| items[path].base.clone());
                for id in outputs(&derivation) {
                    let told = self.scene.out_path(address, &id, &self.reader).await;
                    assert_eq!(
                        told,
                        expected,
                        "seed {seed}: {address} {id}\n{}\n{model:#?}",
                        done.join("\n")
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn no_history_tells_of_an_output_what_the_model_does_not() {
    let world = World::new().await;
    for seed in 0..40 {
        world.history(seed).await;
    }
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn thousands_of_histories() {
    let world = World::new().await;
    for seed in seeds_of_many() {
        world.history(seed).await;
    }
}
