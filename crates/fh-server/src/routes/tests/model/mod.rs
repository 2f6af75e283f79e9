//! Random histories of grants, memberships, visibilities, minted and revoked tokens, and after each step
//! what callers can really read, push and manage, compared with a model that is written beside the
//! product. No sequence may let anybody do what the model forbids, nor keep them from what it allows.
//!
//! Each history has organisations of its own; many run at the same time on one server, with the same
//! people, so that caches see changes of others all the time.

mod realisations;
mod reference;
mod tokens;
mod views;

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::Arc;

use fh_nix::{NarHash, PathInfo, StorePath, StorePathHash};
use fh_persistence::database::Decided;
use fh_persistence::database::nars::{self, Stored};
use fh_persistence::database::slices;
use fh_persistence::storage::Checksum;
use fh_settings::Settings;
use serde_json::{Value, json};

use self::reference::{
    Model, On, PERMISSIONS, Path, ROLES, Reach, Token, VISIBILITIES, Whom, organization_of,
};
use crate::testing::TestServer;

const USERS: usize = 4;
const FLAKES: usize = 4;
const STEPS: usize = 14;

/// Numbers that can be made again from a seed (xorshift64*).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).unwrap() % bound
    }

    pub(super) fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// A history and its server.
struct History {
    server: Arc<TestServer>,
    random: Random,
    seed: u64,
    model: Model,
    /// The texts of the model's tokens.
    texts: Vec<String>,
    /// What was done, for whoever has to find out why.
    done: Vec<String>,
}

impl History {
    fn organization(&self, index: usize) -> String {
        format!("h{}-{index}", self.seed)
    }

    fn flake(&self, index: usize) -> String {
        format!("{}/f{index}", self.organization(organization_of(index)))
    }

    fn path(&self, path: Path) -> StorePath {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8] = match path {
            Path::Own(flake) => u8::try_from(flake).unwrap(),
            Path::Common => 99,
        };
        StorePath::new(StorePathHash::from_bytes(bytes), "x").unwrap()
    }

    fn reach(&self, reach: Reach) -> String {
        match reach {
            Reach::All => "*".to_owned(),
            Reach::Organization(index) => format!("{}/*", self.organization(index)),
            Reach::Flake(index) => self.flake(index),
        }
    }

    /// A scene: two organisations of two flakes each, owned by the users 0 and 1.
    async fn begin(server: Arc<TestServer>, people: &[String], seed: u64) -> Self {
        let all: BTreeSet<usize> = (0..PERMISSIONS.len()).collect();
        let root = |user| Token {
            user,
            parent: None,
            permissions: all.clone(),
            reach: vec![Reach::All],
            closure: None,
            ended: false,
            renewable: true,
        };
        let history = Self {
            random: Random::new(seed),
            seed,
            model: Model {
                members: vec![(0, 0, 2), (1, 1, 2)],
                team: Vec::new(),
                guests: Vec::new(),
                invited: Vec::new(),
                follows: vec![Vec::new(); 2],
                grants: Vec::new(),
                visibility: vec![2; FLAKES],
                builders_only: vec![false; 2],
                tokens: (0..USERS).map(root).collect(),
            },
            texts: people.to_vec(),
            done: Vec::new(),
            server,
        };
        for (index, owner) in people.iter().take(2).enumerate() {
            let name = history.organization(index);
            history.server.organization(&name, owner).await;
            let teams = format!("/api/v1/orgs/{name}/teams");
            history
                .server
                .post(&teams, owner, json!({ "name": "team" }))
                .await
                .expect(201);
        }
        for index in 0..FLAKES {
            let owner = &people[organization_of(index)];
            history
                .server
                .flake(&history.flake(index), "private", owner)
                .await;
        }
        history.fill().await;
        history
    }

    /// Puts each flake's own path and the common one into the slices, as a commit does.
    async fn fill(&self) {
        let mut ids = Vec::new();
        for index in 0..FLAKES {
            ids.push(self.server.flake_id(&self.flake(index)).await);
        }
        let common = self.path(Path::Common);
        let own: Vec<StorePath> = (0..FLAKES)
            .map(|index| self.path(Path::Own(index)))
            .collect();
        let written = self
            .server
            .state
            .database()
            .write(Decided::by_server(), move |tx| {
                let info = |path: &StorePath, references: &[&StorePath]| PathInfo {
                    path: path.clone(),
                    nar_hash: nar_hash(path),
                    nar_size: 120,
                    references: references.iter().map(|path| (*path).clone()).collect(),
                    deriver: None,
                    signatures: Vec::new(),
                    ca: None,
                };
                for (id, path) in ids.iter().zip(&own) {
                    for info in [info(path, &[&common]), info(&common, &[])] {
                        let stored = Stored {
                            nar_hash: info.nar_hash,
                            nar_size: info.nar_size,
                            file_size: info.nar_size,
                            checksum: Checksum::from_column(0),
                        };
                        nars::record(tx, &stored)?;
                        let nar = nars::stored(tx, [&info.nar_hash])?[&info.nar_hash].id;
                        slices::insert(tx, *id, &info, nar, Default::default())?;
                    }
                }
                Ok::<_, fh_persistence::database::DatabaseError>(())
            });
        written.await.unwrap();
    }

    /// One random step, carried out and told to the model.
    async fn step(&mut self) {
        match self.random.below(18) {
            0..=2 => self.change_grant().await,
            3 => self.change_membership().await,
            4 => self.change_team().await,
            5 => self.change_visibility().await,
            6 => self.change_push_rule().await,
            7..=9 => self.mint().await,
            10 => self.rotate().await,
            11 => self.revoke().await,
            12..=13 => self.accept().await,
            14 => self.decline().await,
            15 => self.leave().await,
            16 => self.renew().await,
            _ => self.follow().await,
        }
    }

    fn any_token(&mut self) -> usize {
        self.random.below(self.texts.len())
    }

    /// By any token at all: whether it may is for the model to say.
    async fn change_grant(&mut self) {
        let flake = self.random.below(FLAKES);
        let organization = organization_of(flake);
        let wide = self.random.chance(4);
        let by = if wide { organization } else { self.any_token() };
        let whom = match self.random.below(4) {
            0 => Whom::Team,
            1 => Whom::Members,
            _ => Whom::User(self.random.below(USERS)),
        };
        let on = if wide {
            On::Organization(organization)
        } else {
            On::Flake(flake)
        };
        let role = (!self.random.chance(3)).then(|| self.random.below(ROLES.len()));
        let subject = match whom {
            Whom::User(user) => format!("u{user}"),
            Whom::Team => "team:team".to_owned(),
            Whom::Members => "@members".to_owned(),
        };
        let base = match on {
            On::Flake(flake) => format!("flakes/{}", self.flake(flake)),
            On::Organization(organization) => format!("orgs/{}", self.organization(organization)),
        };
        let path = format!("/api/v1/{base}/grants/{subject}");
        let text = self.texts[by].clone();
        let answer = match role {
            Some(role) => {
                let body = json!({ "role": ROLES[role] });
                self.server.put(&path, &text, body).await
            }
            None => self.server.delete(&path, &text).await,
        };
        self.done.push(format!(
            "{by}: {subject} on {on:?}: {role:?} → {}",
            answer.status
        ));
        let dead = self.model.is_dead(by);
        let may = !dead
            && match on {
                On::Flake(flake) => {
                    let one_view = role.is_none() || matches!(whom, Whom::User(_));
                    self.model.administers(by, flake)
                        && (one_view || self.model.belongs(by, organization))
                }
                On::Organization(_) => true,
            };
        self.expect(
            answer.status.is_success() == may,
            "a grant by whom it is due",
        );
        if may {
            self.model
                .grants
                .retain(|(at, of, who, _)| !(*at == on && *of == organization && *who == whom));
            if let Some(role) = role {
                self.model.grants.push((on, organization, whom, role));
            }
        }
    }

    async fn change_membership(&mut self) {
        let organization = self.random.below(2);
        let user = 2 + self.random.below(USERS - 2);
        let role = (!self.random.chance(3)).then(|| self.random.below(2));
        let path = format!(
            "/api/v1/orgs/{}/members/u{user}",
            self.organization(organization)
        );
        let owner = self.texts[organization].clone();
        let answer = match role {
            Some(role) => {
                let word = ["member", "admin"][role];
                let body = json!({ "role": word });
                self.server.put(&path, &owner, body).await
            }
            None => self.server.delete(&path, &owner).await,
        };
        self.done.push(format!(
            "u{user} in {organization}: {role:?} → {}",
            answer.status
        ));
        self.expect(answer.status.is_success(), "an owner decides about members");
        match role {
            Some(role) if self.model.is_member(organization, user) => {
                let members = &mut self.model.members;
                members.retain(|(of, who, _)| !(*of == organization && *who == user));
                members.push((organization, user, role));
            }
            Some(role) => {
                let invited = &mut self.model.invited;
                invited.retain(|(of, who, _)| !(*of == organization && *who == user));
                invited.push((organization, user, role));
            }
            None => {
                self.forget(organization, user);
                self.forget_grants(organization, user);
            }
        }
    }

    async fn change_team(&mut self) {
        let organization = self.random.below(2);
        let user = self.random.below(USERS);
        let adds = !self.random.chance(3);
        let path = format!(
            "/api/v1/orgs/{}/teams/team/members/u{user}",
            self.organization(organization)
        );
        let owner = self.texts[organization].clone();
        let answer = if adds {
            self.server.put(&path, &owner, json!({})).await
        } else {
            self.server.delete(&path, &owner).await
        };
        self.done.push(format!(
            "u{user} in the team of {organization}: {adds} → {}",
            answer.status
        ));
        let is_member = self
            .model
            .members
            .iter()
            .any(|(of, who, _)| *of == organization && *who == user);
        if adds {
            self.expect(
                answer.status.is_success() == is_member,
                "members alone come into a team",
            );
        }
        if answer.status.is_success() {
            self.model.team.retain(|one| *one != (organization, user));
            if adds {
                self.model.team.push((organization, user));
            }
        }
    }

    async fn change_visibility(&mut self) {
        let flake = self.random.below(FLAKES);
        let visibility = self.random.below(VISIBILITIES.len());
        let path = format!("/api/v1/flakes/{}", self.flake(flake));
        let owner = self.texts[organization_of(flake)].clone();
        let body = json!({ "visibility": VISIBILITIES[visibility] });
        self.server.patch(&path, &owner, body).await.expect(200);
        self.done
            .push(format!("{flake} is {}", VISIBILITIES[visibility]));
        self.model.visibility[flake] = visibility;
    }

    async fn change_push_rule(&mut self) {
        let organization = self.random.below(2);
        let builders = self.random.chance(2);
        let path = format!("/api/v1/orgs/{}", self.organization(organization));
        let owner = self.texts[organization].clone();
        let body = json!({ "push": if builders { "builders" } else { "writers" } });
        self.server.patch(&path, &owner, body).await.expect(200);
        self.done.push(format!(
            "{organization} takes pushes of builders only: {builders}"
        ));
        self.model.builders_only[organization] = builders;
    }

    /// What one caller can do with one path and one flake.
    async fn check(&self, token: Option<usize>, path: Path, flake: usize) {
        let text = token.map_or("", |token| &self.texts[token]);
        let dead = token.is_some_and(|token| self.model.is_dead(token));
        let hash = self.path(path).hash();
        let nar = nar_hash(&self.path(path)).to_base32();
        let below = format!("/cache/{}", self.flake(flake));
        for (address, at) in [(String::new(), None), (below, Some(flake))] {
            let reads = !dead && self.model.reads(token, path, at);
            let expected = match (dead, reads) {
                (true, _) => 401,
                (false, true) => 200,
                (false, false) => 404,
            };
            let narinfo = format!("{address}/{hash}.narinfo");
            let answer = self.server.get(&narinfo, text).await;
            self.expect(
                answer.status == expected,
                &format!("{token:?} reads {path:?} at {at:?}: {}", answer.status),
            );
            // There is no file behind the NARs of this scene: who may read one is not asked for it.
            if expected != 200 {
                let nar = format!("{address}/nar/{nar}.nar.zst");
                let answer = self.server.get(&nar, text).await;
                self.expect(
                    answer.status == expected,
                    &format!("{token:?} reads the NAR of {path:?}: {}", answer.status),
                );
            }
        }
        let Some(token) = token else { return };
        let pushes = format!("/api/v1/flakes/{}/pushes", self.flake(flake));
        let body: Value = json!({ "paths": [], "dry_run": true });
        let answer = self.server.post(&pushes, text, body).await;
        let may = !dead && self.model.pushes(token, flake);
        let refused = matches!(answer.status.as_u16(), 401 | 403 | 404);
        self.expect(
            may != refused,
            &format!("{token} pushes to {flake}: {}", answer.status),
        );
    }

    #[track_caller]
    fn expect(&self, holds: bool, what: &str) {
        assert!(
            holds,
            "seed {}: {what}\n{}\n{:#?}",
            self.seed,
            self.done.join("\n"),
            self.model
        );
    }

    async fn run(mut self) {
        for _ in 0..STEPS {
            self.step().await;
            for _ in 0..4 {
                let token = (!self.random.chance(6)).then(|| self.any_token());
                let path = match self.random.below(3) {
                    0 => Path::Common,
                    _ => Path::Own(self.random.below(FLAKES)),
                };
                let flake = self.random.below(FLAKES);
                self.check(token, path, flake).await;
            }
        }
        self.model.assert_narrowing();
        for token in 0..self.texts.len() {
            for flake in 0..FLAKES {
                self.check(Some(token), Path::Own(flake), flake).await;
            }
        }
    }
}

/// The NAR of a path: that of no other.
fn nar_hash(path: &StorePath) -> NarHash {
    let mut bytes = [7; 32];
    bytes[..20].copy_from_slice(path.hash().as_bytes());
    NarHash::from_bytes(bytes)
}

/// Runs histories, a few at the same time.
async fn histories(seeds: std::ops::Range<u64>) {
    const TOGETHER: u64 = 4;
    let directory = tempfile::TempDir::new().unwrap();
    // Everybody has a part in all histories.
    let adjust = |settings: &mut Settings| settings.limits.tokens = 1_000_000;
    let server = Arc::new(TestServer::start_with(directory, adjust).await);
    let mut people = Vec::new();
    for user in 0..USERS {
        people.push(server.user(&format!("u{user}")).await);
    }
    let people = Arc::new(people);
    let tasks: Vec<_> = (0..TOGETHER)
        .map(|first| {
            let (server, people) = (Arc::clone(&server), Arc::clone(&people));
            let seeds = seeds.clone();
            tokio::spawn(async move {
                for seed in seeds.filter(|seed| seed % TOGETHER == first) {
                    let history = History::begin(Arc::clone(&server), &people, seed).await;
                    history.run().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_history_gives_or_takes_more_than_the_model_says() {
    histories(0..120).await;
}

/// Thousands: as many as `FH_HISTORIES` says, from the seed `FH_SEED` on.
fn seeds_of_many() -> std::ops::Range<u64> {
    let number =
        |name: &str, usual| std::env::var(name).map_or(usual, |text| u64::from_str(&text).unwrap());
    let first = number("FH_SEED", 1_000);
    first..first + number("FH_HISTORIES", 4_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn thousands_of_histories() {
    // Everybody's login has only so many valid renewals, which is no part of the model.
    const OF_ONE_SERVER: usize = 100;
    let all = seeds_of_many();
    for first in all.clone().step_by(OF_ONE_SERVER) {
        let next = first + OF_ONE_SERVER as u64;
        histories(first..next.min(all.end)).await;
    }
}
