//! Random histories of pushes that say to which path a derivation was built, or only bring the path, with its content or
//! without it because a key of elsewhere has signed it; after each push, what a reader is told at each address, compared
//! with rules that are written down here beside the product. One of those whom the reader follows has other contents of
//! the same paths, which the reader does not get where their own organisation has said what these paths are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use fh_nix::SecretKey;

use super::{Random, seeds_of_many};
use crate::push::tests::realisations::{outputs, realised, with_realisations};
use crate::push::tests::{Item, Scene};
use crate::routes::tests::threats::builder;

const STEPS: usize = 12;

/// The flakes; the reader belongs to `acme`, and follows the others in this order.
const FLAKES: [&str; 4] = ["acme/app", "acme/play", "open/x", "good/x"];

/// The flakes of acme.
const OWN: Range<usize> = 0..2;

/// The flake that has other contents.
const OTHER: usize = 2;

/// Addresses, and the flakes that the reader has there.
const ADDRESSES: [(&str, Range<usize>); 6] = [
    ("", 0..4),
    ("/cache/acme", OWN),
    ("/cache/acme/app", 0..1),
    ("/cache/acme/play", 1..2),
    ("/cache/open/x", 2..3),
    ("/cache/good/x", 3..4),
];

/// Who pushes: the flakes to which they may, and whether they are builders.
const PUSHERS: [(&str, Range<usize>, bool); 7] = [
    ("ann", OWN, false),
    ("una", 0..1, false),
    ("vic", 1..2, false),
    ("the builder of app", 0..1, true),
    ("the builder of play", 1..2, true),
    ("petra", 2..3, false),
    ("gus", 3..4, false),
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
    /// The same, without the content.
    leaves_out: BTreeSet<(usize, usize)>,
    words: BTreeMap<usize, Word>,
    age: usize,
}

impl Model {
    fn push(&mut self, pusher: usize, flake: usize, path: usize, leaves_out: bool, says: bool) {
        self.age += 1;
        if leaves_out {
            self.leaves_out.insert((flake, path));
        } else {
            self.holds.insert((flake, path));
        }
        if !says {
            return;
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

    /// Whether a reader of these flakes has a path: that of their own organisation, if it says anything of it.
    fn has(&self, flakes: &Range<usize>, path: usize) -> bool {
        let mut seen = flakes.clone();
        let is_own_word = |flake: usize| {
            let key = (flake, path);
            OWN.contains(&flake) && (self.holds.contains(&key) || self.leaves_out.contains(&key))
        };
        let own_says = flakes.clone().any(is_own_word);
        seen.any(|flake| self.holds.contains(&(flake, path)) && !(own_says && flake == OTHER))
    }

    /// The path that a reader of these flakes is told.
    fn told(&self, flakes: &Range<usize>) -> Option<usize> {
        let seen = self.words.range(flakes.clone()).map(|(_, word)| *word);
        let seen: Vec<Word> = seen.collect();
        let mut deciding = seen.clone();
        deciding.retain(|word| OWN.contains(&word.flake));
        // What is followed says nothing where the reader's own organisation says something; else the first one whose
        // path the reader has.
        if deciding.is_empty() {
            let mut followed = seen.iter();
            let word = followed.find(|word| {
                self.holds.contains(&(word.flake, word.path)) && self.has(flakes, word.path)
            });
            return word.map(|word| word.path);
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
        (seen.iter().any(says) && self.has(flakes, path)).then_some(path)
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
        let gus = server.user("gus").await;
        for (organization, owner) in [("open", &petra), ("good", &gus)] {
            server.organization(organization, owner).await;
            let flake = format!("{organization}/x");
            server.flake(&flake, "public", owner).await;
        }
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
        let follows = ["open/x", "good/x"];
        server.follow(&reader, &follows).await.expect(200);
        for project in ["app", "play"] {
            tokens.push(builder(&scene, project).await);
        }
        tokens.extend([petra, gus]);
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
            let other = format!("other {name}");
            [name.as_bytes(), other.as_bytes()]
                .map(|contents| Item::new(&name, contents).signed(store_dir, &self.upstream))
        });
        // In some histories nobody of the own organisation says anything of the derivation.
        let are_own_silent = random.chance(2);
        let (mut model, mut done) = (Model::default(), Vec::new());
        for _ in 0..STEPS {
            let pusher = random.below(PUSHERS.len());
            let (name, flakes, _) = &PUSHERS[pusher];
            let flake = flakes.start + random.below(flakes.len());
            let (path, leaves_out) = (random.below(items.len()), random.chance(2));
            let says = !(OWN.contains(&flake) && are_own_silent || random.chance(4));
            done.push(format!(
                "{name} → {}: {path}, left out: {leaves_out}, says: {says}",
                FLAKES[flake]
            ));
            let item = &items[path][usize::from(flake == OTHER)];
            let mut wanted = with_realisations(&[item], realised(&derivation, item));
            if !says {
                wanted.realisations.clear();
            }
            if leaves_out {
                wanted.skip_signed_by = vec![self.upstream.public().to_string()];
            }
            let (to, token) = (FLAKES[flake], &self.tokens[pusher]);
            let answer = self.scene.plan_answer(to, token, &wanted).await;
            assert!(answer.status.is_success(), "seed {seed}: {:?}", answer.body);
            self.scene.finish(to, token, answer.json(), &[item]).await;
            model.push(pusher, flake, path, leaves_out, says);
            for (address, flakes) in &ADDRESSES {
                let expected = model.told(flakes).map(|path| items[path][0].base.clone());
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
