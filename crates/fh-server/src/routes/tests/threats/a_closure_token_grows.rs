//! A token for the closure of a path reads that closure as its minter read it, and nothing that somebody gets
//! into it afterwards: not by pushing, not by granting, not by deriving another token, not by rotating.

use std::collections::{BTreeMap, BTreeSet};

use fh_nix::{NarHash, NarInfo, PathInfo, StoreDir, StorePath, StorePathHash};
use fh_persistence::database::nars::{self, Stored};
use fh_persistence::database::slices::{self, Origin};
use fh_persistence::database::{DatabaseError, Decided, contests};
use fh_persistence::storage::Checksum;
use http::StatusCode;
use serde_json::{Value, json};

use crate::push::tests::{Item, Scene};
use crate::testing::TestServer;

async fn narinfo(server: &TestServer, at: &str, item: &Item, token: &str) -> StatusCode {
    let path = format!("{at}/{}.narinfo", item.hash());
    server.get(&path, token).await.status
}

async fn nar(server: &TestServer, at: &str, item: &Item, token: &str) -> StatusCode {
    let path = format!("{at}/nar/{}.nar.zst", item.nar_name());
    server.get(&path, token).await.status
}

async fn closure_token(scene: &Scene, with: &str, item: &Item, more: Value) -> String {
    let mut body = json!({ "closures": [item.base] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    scene.server.mint(with, body).await.token
}

/// Ann's `acme/app` has a tool; `acme/secret`, a secret of which bob has learnt the path. Ann is in acme by
/// ownership; bob has the organisation `bob` with the flake `bob/x`, which ann may read.
struct Attack {
    scene: Scene,
    bob: String,
    tool: Item,
    secret: Item,
}

impl Attack {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let server = &scene.server;
        server.flake("acme/secret", "private", &scene.ann).await;
        let tool = Item::new("tool", b"tool");
        let secret = Item::new("secret", b"secret");
        scene.push(&[&tool]).await;
        scene.push_as("acme/secret", &scene.ann, &[&secret]).await;
        let bob = server.user("bob").await;
        server.organization("bob", &server.admin).await;
        server
            .put(
                "/api/v1/orgs/bob/members/bob",
                &server.admin,
                json!({ "role": "owner" }),
            )
            .await
            .expect(200);
        server.flake("bob/x", "private", &bob).await;
        // By the server's administrator: it is in ann's view, whoever's invitations she accepts.
        let path = "/api/v1/flakes/bob/x/grants/ann";
        let read = json!({ "role": "read" });
        server
            .put(
                "/api/v1/orgs/bob/members/ann",
                &server.admin,
                json!({ "role": "member" }),
            )
            .await
            .expect(200);
        server.put(path, &bob, read).await.expect(200);
        Self {
            scene,
            bob,
            tool,
            secret,
        }
    }

    /// Bob pushes the tool with an invented reference, and something of his own under the secret's path.
    async fn push(&self, contents: &[u8]) -> (Item, Item) {
        let invented = Item::new("secret", b"not the secret");
        let tool = Item::new("tool", contents).referring_to(&invented);
        self.scene
            .push_as("bob/x", &self.bob, &[&invented, &tool])
            .await;
        (tool, invented)
    }
}

#[tokio::test]
async fn by_a_reference_that_somebody_else_has_invented() {
    // With the same content of the tool, and with another.
    for contents in [&b"tool"[..], b"poison"] {
        let attack = Attack::new().await;
        let Attack {
            scene,
            tool,
            secret,
            ..
        } = &attack;
        let server = &scene.server;
        let token = closure_token(scene, &scene.ann, tool, json!({})).await;
        assert_eq!(narinfo(server, "", tool, &token).await, 200);
        assert_eq!(narinfo(server, "", secret, &token).await, 404);
        let (bobs, invented) = attack.push(contents).await;
        // So long it once waited before it looked again.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        for at in ["", "/cache/acme", "/cache/acme/secret", "/cache/bob/x"] {
            for path in [secret, &invented] {
                assert_eq!(narinfo(server, at, path, &token).await, 404, "{at}");
                assert_eq!(nar(server, at, path, &token).await, 404, "{at}");
            }
        }
        // The tool is what it was; bob's is nowhere.
        let served = scene.narinfo("", tool, &token).await.unwrap();
        assert_eq!(served.info.nar_hash, tool.nar_hash());
        assert!(served.info.references.is_empty());
        assert_eq!(nar(server, "", tool, &token).await, 200);
        assert_eq!(narinfo(server, "/cache/bob/x", &bobs, &token).await, 404);
        if bobs.nar_hash() != tool.nar_hash() {
            assert_eq!(nar(server, "", &bobs, &token).await, 404);
        }
        // Nor does a new one lead there, where it is not for bob's flake.
        let acme = ["pull", "mint"];
        let acme = server.narrow(&scene.ann, &acme, &["acme/*"]).await;
        let new = closure_token(scene, &acme, tool, json!({})).await;
        assert_eq!(narinfo(server, "", tool, &new).await, 200);
        assert_eq!(narinfo(server, "", secret, &new).await, 404);
    }
}

/// A content that is there no more is not read, and neither is another one in its place; the very one is read
/// again, wherever it comes back.
#[tokio::test]
async fn by_another_content_in_the_place_of_the_former() {
    let attack = Attack::new().await;
    let Attack { scene, tool, .. } = &attack;
    let server = &scene.server;
    let token = closure_token(scene, &scene.ann, tool, json!({})).await;
    attack.push(b"poison").await;
    server
        .delete("/api/v1/flakes/acme/app", &scene.ann)
        .await
        .expect(204);
    assert_eq!(narinfo(server, "", tool, &token).await, 404);
    assert_eq!(narinfo(server, "", tool, &scene.ann).await, 200);
    server.flake("acme/back", "private", &scene.ann).await;
    scene.push_as("acme/back", &scene.ann, &[tool]).await;
    let served = scene.narinfo("", tool, &token).await.unwrap();
    assert_eq!(served.info.nar_hash, tool.nar_hash());
}

/// In `acme/app` the tool refers to a library, in `acme/other` to a secret one.
async fn two_closures() -> (Scene, [Item; 4]) {
    let scene = Scene::new().await;
    scene
        .server
        .flake("acme/other", "private", &scene.ann)
        .await;
    let library = Item::new("library", b"library");
    let secret = Item::new("secret", b"secret");
    let here = Item::new("tool", b"tool").referring_to(&library);
    let there = Item::new("tool", b"tool").referring_to(&secret);
    scene.push(&[&library, &here]).await;
    scene
        .push_as("acme/other", &scene.ann, &[&secret, &there])
        .await;
    (scene, [library, secret, here, there])
}

#[tokio::test]
async fn by_a_child_for_a_flake_with_other_references() {
    let (scene, [library, secret, here, _]) = two_closures().await;
    let server = &scene.server;
    let mints = json!({ "permissions": ["pull", "mint"] });
    let parent = closure_token(&scene, &scene.ann, &here, mints).await;
    for (item, status) in [(&library, 200), (&secret, 404), (&here, 200)] {
        assert_eq!(narinfo(server, "", item, &parent).await, status);
    }
    let other = json!({ "flakes": ["acme/other"] });
    let named = closure_token(&scene, &parent, &here, other.clone()).await;
    let inherited = server.mint(&parent, other).await.token;
    for child in [&named, &inherited] {
        for at in ["", "/cache/acme/other", "/cache/acme/app"] {
            for item in [&secret, &library, &here] {
                let status = narinfo(server, at, item, child).await;
                assert_eq!(status, 404, "{at} {}", item.base);
            }
        }
        assert_eq!(nar(server, "", &secret, child).await, 404);
    }
    // One that is not for closures itself may say which of the two is meant.
    let other = json!({ "flakes": ["acme/other"] });
    let own = closure_token(&scene, &scene.ann, &here, other).await;
    for (item, status) in [(&secret, 200), (&library, 404), (&here, 200)] {
        assert_eq!(narinfo(server, "", item, &own).await, status);
    }
}

#[tokio::test]
async fn by_rotating_one_with_another_closure() {
    let (scene, [library, secret, here, _]) = two_closures().await;
    let server = &scene.server;
    let mint = async |flake: &str| {
        let more = json!({ "permissions": ["pull", "mint"], "flakes": [flake] });
        closure_token(&scene, &scene.ann, &here, more).await
    };
    let (one, other) = (mint("acme/app").await, mint("acme/other").await);
    let rotate = async |former: &str, by: &str| {
        let id = fh_auth::read_unverified(former).unwrap().jti;
        let path = format!("/api/v1/tokens/{id}/rotate");
        server.post(&path, by, json!({ "grace": 600 })).await
    };
    rotate(&other, &one).await.expect(404);
    // The same roots and flakes, and yet not the same: fixed at another time.
    scene
        .push(&[&Item::new("tool", b"new").referring_to(&secret), &secret])
        .await;
    let next = rotate(&one, &one).await.expect(201);
    let next = next.json::<fh_api::MintedToken>().token;
    for token in [&one, &next] {
        for (item, status) in [(&library, 200), (&secret, 404), (&here, 200)] {
            assert_eq!(narinfo(server, "", item, token).await, status);
        }
    }
}

/// A token of before there were sets: what it reads is fixed when it is used for the first time, and within
/// what its parent reads.
#[tokio::test]
async fn by_being_older_than_the_rule() {
    let attack = Attack::new().await;
    let Attack {
        scene,
        tool,
        secret,
        ..
    } = &attack;
    let server = &scene.server;
    let mints = json!({ "permissions": ["pull", "mint"] });
    let parent = closure_token(scene, &scene.ann, tool, mints).await;
    let child = closure_token(
        scene,
        &parent,
        tool,
        json!({ "flakes": ["bob/x", "acme/app"] }),
    );
    let child = child.await;
    let forgotten = server
        .state
        .database()
        .change_access(Decided::by_server(), |change| {
            change.execute("UPDATE token SET path_set_id = NULL", &[])?;
            change.execute("DELETE FROM path_set", &[])?;
            Ok::<_, DatabaseError>(())
        });
    forgotten.await.unwrap();
    let asked = [
        narinfo(server, "", tool, &child),
        narinfo(server, "", tool, &child),
    ];
    for asked in asked {
        assert_eq!(asked.await, 200);
    }
    attack.push(b"tool").await;
    for token in [&child, &parent] {
        for at in ["", "/cache/acme", "/cache/bob/x"] {
            assert_eq!(narinfo(server, at, secret, token).await, 404);
        }
        assert_eq!(narinfo(server, "", tool, token).await, 200);
    }
    let sets = server.state.database().read(|read| {
        let count = |sql: &str| read.one(sql, &[], |row| row.get::<_, i64>(0));
        Ok((
            count("SELECT COUNT(*) FROM token WHERE path_set_id IS NOT NULL")?,
            count("SELECT COUNT(*) FROM path_set")?,
        ))
    });
    // The two have the same, and share it.
    assert_eq!(sets.await.unwrap(), (2, 1));
    let expired = server
        .state
        .database()
        .change_access(Decided::by_server(), |change| {
            change.execute("DELETE FROM token WHERE path_set_id IS NOT NULL", &[])?;
            Ok::<_, DatabaseError>(())
        });
    expired.await.unwrap();
    let hour = std::time::Duration::from_secs(3600);
    crate::collect::collect(server.state.stock(), hour)
        .await
        .unwrap();
    let left = server.state.database().read(|read| {
        let sql = "SELECT COUNT(*) FROM path_set";
        Ok(read.one(sql, &[], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(left.await.unwrap(), 0);
}

/// Numbers that can be made again from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).unwrap() % bound
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

const FLAKES: usize = 4;
const PATHS: usize = 5;
const CONTENTS: usize = 2;

/// Flakes of two organisations, with paths that have different contents and references in each.
struct Maze<'a> {
    server: &'a TestServer,
    seed: u64,
    random: Random,
    keys: Vec<fh_nix::SecretKey>,
}

/// What a machine runs of a path.
type Content = (NarHash, u64, BTreeSet<StorePath>);

impl Maze<'_> {
    fn flake(&self, index: usize) -> String {
        format!("m{}-{}/f{index}", self.seed, index / 2)
    }

    fn path(&self, index: usize) -> StorePath {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8] = u8::try_from(index).unwrap();
        StorePath::new(StorePathHash::from_bytes(bytes), "x").unwrap()
    }

    /// A NAR that no other path has.
    fn nar(&self, path: usize, content: usize) -> NarHash {
        NarHash::of(format!("{} {path} {content}", self.seed).as_bytes())
    }

    /// Puts a path into a slice, as a commit does.
    async fn put(&mut self) {
        let (flake, path) = (self.random.below(FLAKES), self.random.below(PATHS));
        let content = usize::from(self.random.chance(4));
        let nar_hash = self.nar(path, content);
        // To what is lower, so that closures end. Often the same, so that most slices agree.
        let usual = Random(u64::try_from(7 + path * 2 + content).unwrap());
        let mut random = if self.random.chance(3) {
            Random(u64::try_from(1 + self.random.below(1000)).unwrap())
        } else {
            usual
        };
        let mut references = BTreeSet::new();
        for lower in 0..path {
            if random.chance(2) {
                references.insert(self.path(lower));
            }
        }
        let mut info = PathInfo {
            path: self.path(path),
            nar_hash,
            nar_size: 120,
            references,
            deriver: None,
            signatures: Vec::new(),
            ca: None,
        };
        for key in &self.keys {
            if self.random.chance(2) {
                let signature = info.sign(&StoreDir::default(), key);
                info.signatures.push(signature);
            }
        }
        let id = self.server.flake_id(&self.flake(flake)).await;
        let hash = info.path.hash();
        let written = self
            .server
            .state
            .database()
            .write(Decided::by_server(), move |tx| {
                let stored = Stored {
                    nar_hash,
                    nar_size: 120,
                    file_size: 120,
                    checksum: Checksum::from_column(0),
                };
                nars::record(tx, &stored)?;
                let nar = nars::stored(tx, [&nar_hash])?[&nar_hash].id;
                let sql = "SELECT id FROM account WHERE folded = 'ann'";
                let origin = Origin {
                    pusher_id: tx.one(sql, &[], |row| row.get(0))?,
                    ..Origin::default()
                };
                slices::insert(tx, id, &info, nar, origin)?;
                contests::note(tx, id, &[hash], &[])
            });
        let contested = written.await.unwrap();
        self.server.state.lookup().forget(
            contested.paths.iter().chain([&hash]),
            contested.nars.iter().chain([&nar_hash]),
        );
    }

    fn some_flakes(&mut self) -> Option<Vec<String>> {
        if self.random.chance(3) {
            return None;
        }
        let pattern = |random: &mut Random, maze: &str| match random.below(3) {
            0 => format!("{}/*", maze.split('/').next().unwrap()),
            _ => maze.to_owned(),
        };
        let count = 1 + self.random.below(2);
        let mut flakes = Vec::new();
        for _ in 0..count {
            let index = self.random.below(FLAKES);
            let name = self.flake(index);
            flakes.push(pattern(&mut self.random, &name));
        }
        Some(flakes)
    }

    fn narrowing(&mut self) -> Value {
        let mut body = json!({ "permissions": ["pull", "mint"] });
        if let Some(flakes) = self.some_flakes() {
            body["flakes"] = json!(flakes);
        }
        if !self.random.chance(3) {
            let count = 1 + self.random.below(2);
            let mut roots = Vec::new();
            for _ in 0..count {
                let root = self.random.below(PATHS);
                roots.push(self.path(root).to_string());
            }
            body["closures"] = json!(roots);
        }
        if self.random.chance(4) {
            let key = self.random.below(self.keys.len());
            body["signed_by"] = json!([self.keys[key].public().to_string()]);
        }
        body
    }

    fn addresses(&self) -> Vec<String> {
        let flakes: Vec<String> = (0..FLAKES).map(|index| self.flake(index)).collect();
        let organizations = flakes
            .iter()
            .map(|flake| flake.split('/').next().unwrap().to_owned());
        let all: BTreeSet<String> = flakes.iter().cloned().chain(organizations).collect();
        let narrowed = all.into_iter().map(|name| format!("/cache/{name}"));
        [String::new()].into_iter().chain(narrowed).collect()
    }

    /// All that a token gets, at whatever address. The NARs are those of what it gets, and no others.
    async fn gets(&self, token: &str) -> BTreeMap<usize, BTreeSet<Content>> {
        let mut found: BTreeMap<usize, BTreeSet<Content>> = BTreeMap::new();
        let addresses = self.addresses();
        for at in &addresses {
            for path in 0..PATHS {
                let address = format!("{at}/{}.narinfo", self.path(path).hash());
                let answer = self.server.get(&address, token).await;
                if answer.status == 200 {
                    let text = String::from_utf8(answer.body.to_vec()).unwrap();
                    let info = NarInfo::parse(&text, &StoreDir::default()).unwrap().info;
                    let content = (info.nar_hash, info.nar_size, info.references);
                    found.entry(path).or_default().insert(content);
                } else {
                    answer.expect(404);
                }
            }
        }
        for path in 0..PATHS {
            for content in 0..CONTENTS {
                let nar = self.nar(path, content);
                let gets = found
                    .get(&path)
                    .is_some_and(|contents| contents.iter().any(|(hash, ..)| *hash == nar));
                // There is no file behind the NARs of this scene: who may read one is not asked for it.
                if !gets {
                    for at in &addresses {
                        let address = format!("{at}/nar/{}.nar.zst", nar.to_base32());
                        self.server.get(&address, token).await.expect(404);
                    }
                }
            }
        }
        found
    }
}

/// Whatever scopes tokens have and whatever is pushed between: what a token gets at any address, the one that
/// it was made with gets at some address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_child_reads_what_its_parent_does_not() {
    let adjust = |settings: &mut fh_settings::Settings| settings.limits.tokens = 1_000_000;
    let server = TestServer::start_with(tempfile::TempDir::new().unwrap(), adjust).await;
    let ann = server.user("ann").await;
    let (mut compared, mut read) = (0, 0);
    for seed in 0..15_u64 {
        let keys = [1, 2].map(|byte| fh_nix::SecretKey::from_seed("k", [byte; 32]).unwrap());
        let mut maze = Maze {
            server: &server,
            seed,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            keys: keys.into(),
        };
        for index in [0, 2] {
            let flake = maze.flake(index);
            server
                .organization(flake.split('/').next().unwrap(), &ann)
                .await;
        }
        for index in 0..FLAKES {
            server.flake(&maze.flake(index), "private", &ann).await;
        }
        for _ in 0..8 {
            maze.put().await;
        }
        let mut tokens = vec![(ann.clone(), None)];
        for _ in 0..8 {
            let parent = maze.random.below(tokens.len());
            let body = maze.narrowing();
            let answer = server.post("/api/v1/tokens", &tokens[parent].0, body).await;
            // 403 and 422: not the parent's to give.
            if answer.status == 201 {
                let minted: fh_api::MintedToken = answer.json();
                tokens.push((minted.token, Some(parent)));
            }
            maze.put().await;
        }
        let mut gets = Vec::new();
        for (token, _) in &tokens {
            gets.push(maze.gets(token).await);
        }
        for (child, (_, parent)) in tokens.iter().enumerate() {
            let Some(parent) = *parent else { continue };
            for (path, contents) in &gets[child] {
                let of_parent = gets[parent].get(path);
                assert!(
                    of_parent.is_some_and(|of_parent| contents.is_subset(of_parent)),
                    "seed {seed}: {child} reads {path} as {contents:?}, its parent {parent} as \
                     {of_parent:?}"
                );
                read += contents.len();
            }
            compared += 1;
        }
    }
    assert!(
        compared > 50 && read > 50,
        "{compared} tokens, {read} paths"
    );
}
