//! A server as a process, its administrator, and a store to push from.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use fh_testkit::assert_lacks;
use fh_testkit::nix::{Nix, ScratchStore};
use fh_testkit::random::Random;
use serde_json::json;

use crate::nix::built::{in_store, newest};
use crate::nix::http::Http;
use crate::nix::invariants::{self, Acknowledged, Hashed, Watcher, assert_none};
use crate::nix::process::{Ended, run};
use crate::nix::served::Served;
use crate::nix::stock::Stock;
use crate::nix::{Person, eventually};

/// Small parts and batches, so that a push of a megabyte is made of many requests.
pub(crate) const SMALL_PARTS: [&str; 4] = ["--part-size", "128KiB", "--batched-nar-size", "64KiB"];

/// One push needs about this many requests and bytes.
pub(crate) const SIZES: [usize; 5] = [300, 20_000, 40_000, 700_000, 500];

/// What a version of Nix has in a store is whole: it hashes all files again.
pub(crate) fn assert_sound(nix: &Nix, store: &ScratchStore) {
    let verify = ["--verify", "--check-contents"];
    in_store(nix, &store.uri(), "nix-store", &verify).ok();
}

/// The server, who pushes to it and what, and what it has acknowledged.
pub(crate) struct Scene {
    pub(crate) served: Served,
    pub(crate) watcher: Watcher,
    pub(crate) person: Person,
    pub(crate) stock: Stock,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) random: Random,
    hashed: Hashed,
}

impl Scene {
    /// With these private flakes, which are empty.
    pub(crate) fn new(flakes: &[&str], options: &[&str]) -> Self {
        let options: Vec<&str> = SMALL_PARTS.iter().chain(options).copied().collect();
        Self::with(Served::start(&options), flakes)
    }

    /// Before this server, which has nothing yet.
    pub(crate) fn with(served: Served, flakes: &[&str]) -> Self {
        let admin = served.admin();
        let mut organizations = BTreeSet::new();
        for flake in flakes {
            let (organization, _) = flake.split_once('/').unwrap();
            if organizations.insert(organization) {
                let body = json!({ "name": organization });
                admin.send("POST", "/api/v1/orgs", &body).expect(201);
            }
            let body = json!({ "flake": flake, "visibility": "private" });
            admin.send("POST", "/api/v1/flakes", &body).expect(201);
        }
        let empty = flakes
            .iter()
            .map(|&flake| (flake.to_owned(), BTreeSet::new()));
        Self {
            watcher: Watcher::new(admin),
            person: Person::new(None, newest()),
            stock: Stock::new(),
            acknowledged: empty.collect(),
            random: Random::new(),
            hashed: Hashed::new(),
            served,
        }
    }

    /// A push of these paths with the administrator's token, not started yet. At this address the
    /// server is reached, perhaps through a proxy.
    pub(crate) fn push_command(&self, url: &str, flake: &str, paths: &[String]) -> Command {
        self.push_as(self.served.admin_token(), url, flake, paths)
    }

    /// As [`Self::push_command`], with the token in a file.
    pub(crate) fn push_as(
        &self,
        token: PathBuf,
        url: &str,
        flake: &str,
        paths: &[String],
    ) -> Command {
        let store = self.stock.uri();
        let push = ["push", flake, "--server", url, "--store", &store, "--json"];
        let mut command = self.person.fh_command(push);
        command.args(paths).env("FH_TOKEN_FILE", token);
        command
    }

    /// Pushes without any fault, and checks that only what was missing is sent: what a dry run says.
    #[track_caller]
    pub(crate) fn push_rest(&mut self, flake: &str, paths: &[String]) -> Ended {
        let url = self.served.url();
        let mut dry = self.push_command(&url, flake, paths);
        dry.arg("--dry-run");
        let planned = run(dry).ok().json();
        let ended = run(self.push_command(&url, flake, paths)).ok();
        let pushed = ended.json();
        assert_eq!(pushed["complete"], true, "{ended}");
        // Less where a request of a client that is dead was still being carried out.
        for (sent, missing) in [
            ("uploaded", "to_upload"),
            ("uploaded_nar_size", "to_upload_nar_size"),
        ] {
            assert!(
                pushed[sent].as_u64().unwrap() <= planned[missing].as_u64().unwrap(),
                "{planned} {ended}"
            );
        }
        self.acknowledge(flake, paths);
        ended
    }

    /// A push of these was acknowledged.
    pub(crate) fn acknowledge(&mut self, flake: &str, paths: &[String]) {
        let closure = self.stock.closure(paths);
        let flake = self.acknowledged.get_mut(flake).unwrap();
        flake.extend(closure);
    }

    /// A push may have been committed without anybody's having been told: then it counts from now on.
    /// It is there as a whole or not at all.
    #[track_caller]
    pub(crate) fn settle(&mut self, flake: &str, paths: &[String]) {
        let new: BTreeSet<String> = self
            .stock
            .closure(paths)
            .difference(&self.acknowledged[flake])
            .cloned()
            .collect();
        // A request that was under way may still be carried out: once it is, all are there for good.
        let mut visible = self.watcher.visible(flake, &new);
        if visible != 0 {
            visible = self.watcher.visible(flake, &new);
            assert_eq!(visible, new.len(), "{flake} shows a part of a push");
            self.acknowledge(flake, paths);
        }
    }

    /// Everything that can be seen from outside is as it must be.
    #[track_caller]
    pub(crate) fn check(&self) {
        for (flake, paths) in &self.acknowledged {
            let all = self.stock.paths();
            assert_none(&self.watcher.flake(flake, paths, &self.stock, &all));
        }
    }

    /// One flake is as it must be after a push of these paths: they, what they need, and as many
    /// others by chance.
    #[track_caller]
    pub(crate) fn check_flake(&mut self, flake: &str, paths: &[String]) {
        let mut looked_at = self.stock.closure(paths);
        let others: Vec<String> = self.stock.paths().into_iter().collect();
        for _ in 0..looked_at.len() {
            looked_at.insert(self.random.pick(&others).clone());
        }
        let paths = &self.acknowledged[flake];
        assert_none(&self.watcher.flake(flake, paths, &self.stock, &looked_at));
    }

    /// Kills the server and looks at what it leaves; then starts it again with everything so old that
    /// it collects what nobody needs, and checks that all of that goes and nothing else.
    #[track_caller]
    pub(crate) fn check_storage(&mut self) {
        self.served.kill();
        let data = self.served.data();
        self.check_stored();
        invariants::age_files(&data);
        let quickly = ["--upload-lifetime", "1ms", "--collect-interval", "50ms"];
        self.served.start_again_with(&quickly);
        let needed: BTreeSet<String> = self.acknowledged.values().flatten().cloned().collect();
        eventually("a collection of what nobody needs", || {
            invariants::files_without_row(&data).is_empty()
                && invariants::rows_beyond(&data, &needed, &self.stock).is_empty()
        });
        self.check();
        // The server's own check agrees.
        self.served.check().ok();
        self.served.kill();
        self.check_stored();
        assert_none(&invariants::files_without_row(&data));
        self.check_log();
        self.served.start_again_with(&SMALL_PARTS);
    }

    /// What a server that was killed has left is sound.
    #[track_caller]
    pub(crate) fn check_stored(&mut self) {
        let data = self.served.data();
        assert_none(&invariants::stored(&data, &mut self.hashed));
    }

    /// Nothing panicked, and no secret was written down.
    #[track_caller]
    pub(crate) fn check_log(&self) {
        let log = self.served.log();
        assert_lacks(&log, &["panicked"]);
        let token = std::fs::read_to_string(self.served.admin_token()).unwrap();
        assert!(!log.contains(token.trim()), "the log shows a token");
    }

    /// The administrator, by HTTP.
    pub(crate) fn admin(&self) -> &Http {
        &self.watcher.admin
    }
}
