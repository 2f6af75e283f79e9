//! Everything at once: people push over good and bad lines, others read what was pushed, ask for what is about to be,
//! and are given and denied access; flakes with the same contents come and go, and what nobody needs is collected.
//!
//! What must hold: nothing wrong is ever served, what was acknowledged is found by the very next request, also by
//! somebody who was told a moment ago that there is nothing, and a change of access counts at once.

#![allow(clippy::print_stdout, reason = "how much was done is told")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fh_nix::NarHash;
use fh_testkit::assert_lacks;
use fh_testkit::proxy::{Plan, Proxy};
use fh_testkit::random::Random;
use serde_json::json;

use crate::nix::address;
use crate::nix::http::Http;
use crate::nix::served::Served;
use crate::somebody::{Somebody, nar, path_hash};
use crate::waits::Waits;

/// How long in the short form.
const SHORT: Duration = Duration::from_secs(6);

/// How long in the long form.
const LONG: Duration = Duration::from_secs(600);

/// Where everything is pushed to.
const FLAKE: &str = "pats/app";

/// What all of them share.
struct Load {
    served: Served,
    pat: Somebody,
    /// Reads what pat has pushed.
    rita: Http,
    /// Is given the same right and denied it, again and again.
    sam: Http,
    random: Random,
    /// The numbers of the contents whose push was acknowledged.
    pushed: Mutex<Vec<u64>>,
    next: AtomicU64,
    until: Instant,
}

impl Load {
    fn new(length: Duration) -> Self {
        let served = Served::start(&["--collect-interval", "100ms"]);
        let pat = Somebody::new(&served, "pat", "127.0.0.2");
        let [rita, sam] = ["rita", "sam"].map(|name| served.admin().account(name, &["pull"]));
        let load = Self {
            pat,
            rita,
            sam,
            random: Random::new(),
            pushed: Mutex::default(),
            next: AtomicU64::new(0),
            until: Instant::now() + length,
            served,
        };
        load.grant("rita", true);
        let (number, contents) = load.new_contents();
        load.pat.push(FLAKE, &contents);
        load.acknowledge(number);
        load
    }

    /// Gives somebody the right to read what pat pushes, or takes it away.
    fn grant(&self, to: &str, granted: bool) {
        let admin = self.served.admin();
        let grant = format!("/api/v1/flakes/{FLAKE}/grants/{to}");
        if granted {
            let role = json!({ "role": "read" });
            admin.send("PUT", &grant, &role).expect(200);
        } else {
            admin.send("DELETE", &grant, &json!({})).expect(204);
        }
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// What the file of this number contains: mostly little.
    fn contents(&self, number: u64) -> Vec<u8> {
        let mut random = self.random.derived(number);
        let size = random.magnitude_below(200_000);
        let mut contents = format!("{number} ").into_bytes();
        contents.extend(random.bytes(usize::try_from(size).unwrap()));
        contents
    }

    fn new_contents(&self) -> (u64, Vec<u8>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, self.contents(number))
    }

    fn acknowledge(&self, number: u64) {
        let pushed = self.pushed.lock();
        pushed.unwrap_or_else(PoisonError::into_inner).push(number);
    }

    /// One whose push was acknowledged.
    fn any(&self, random: &mut Random) -> Vec<u8> {
        let pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *random.pick(&pushed);
        drop(pushed);
        self.contents(number)
    }

    /// Pushes something new that somebody else keeps asking for, until it is there.
    fn push_what_is_asked_for(&self, push: impl FnOnce(&[u8])) -> Duration {
        let (number, contents) = self.new_contents();
        let narinfo = format!("/{}.narinfo", path_hash(&contents));
        let acknowledged = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                loop {
                    let is_there = acknowledged.load(Ordering::SeqCst);
                    let status = self.rita.get(&narinfo).status;
                    match status {
                        200 => return,
                        404 => assert!(!is_there, "{narinfo}: a 404 after the push"),
                        _ => panic!("{narinfo}: {status}"),
                    }
                }
            });
            let started = Instant::now();
            push(&contents);
            acknowledged.store(true, Ordering::SeqCst);
            self.acknowledge(number);
            started.elapsed()
        })
    }

    /// Pushes over good lines until the time is over: how long each took.
    fn pushes(&self) -> Waits {
        std::iter::from_fn(|| {
            let push = |contents: &[u8]| self.pat.push(FLAKE, contents);
            self.goes_on().then(|| self.push_what_is_asked_for(push))
        })
        .collect()
    }

    /// Lines on which something goes wrong, and one that is good in the end. How often one of the bad ones
    /// was good enough, and how often not.
    fn pushes_over_bad_lines(&self) -> (u64, u64) {
        let mut random = self.random.derived(1 << 63);
        let (mut succeeded, mut failed) = (0, 0);
        while self.goes_on() {
            let lines = random.next_u64();
            let proxy = Proxy::start(address(&self.served.url()), move |number| {
                Plan::random(&mut Random::seeded(lines).derived(number), 100_000)
            });
            let proxy = proxy.unwrap();
            let over = Http {
                address: address(&proxy.url()),
                ..self.pat.http.clone()
            };
            self.push_what_is_asked_for(|contents| {
                match self.pat.try_push(&over, FLAKE, contents) {
                    Ok(()) => succeeded += 1,
                    Err(_) => {
                        failed += 1;
                        self.pat.push(FLAKE, contents);
                    }
                }
            });
        }
        (succeeded, failed)
    }

    /// What was pushed is there, and is what was pushed.
    fn reads(&self, number: u64) -> Waits {
        let mut random = self.random.derived((1 << 60) + number);
        std::iter::from_fn(|| {
            self.goes_on().then(|| {
                let contents = self.any(&mut random);
                let nar = nar(&contents);
                let started = Instant::now();
                let narinfo = self.rita.get(&format!("/{}.narinfo", path_hash(&contents)));
                let narinfo = narinfo.expect(200).text();
                let url = narinfo.lines().find_map(|line| line.strip_prefix("URL: "));
                let stored = self.rita.get(&format!("/{}", url.unwrap())).expect(200);
                let waited = started.elapsed();
                let read = zstd::bulk::decompress(&stored.body, nar.len()).unwrap();
                assert_eq!(NarHash::of(&read), NarHash::of(&nar), "{narinfo}");
                waited
            })
        })
        .collect()
    }

    /// What somebody may read they may read at once, and what they may not read not any more.
    fn changes_of_access(&self) -> u64 {
        let mut random = self.random.derived(1 << 62);
        let mut changes = 0;
        while self.goes_on() {
            let narinfo = format!("/{}.narinfo", path_hash(&self.any(&mut random)));
            for (granted, status) in [(true, 200), (false, 404)] {
                self.grant("sam", granted);
                self.sam.get(&narinfo).expect(status);
                changes += 1;
            }
        }
        changes
    }

    /// Flakes with contents that others have too, which are made and deleted, and what was pushed to them alone is
    /// collected.
    fn flakes_come_and_go(&self) -> u64 {
        let mut random = self.random.derived(1 << 61);
        let mut made = 0;
        while self.goes_on() {
            let flake = format!("pats/part-{made}");
            let admin = self.served.admin();
            let body = json!({ "flake": flake, "visibility": "private" });
            admin.send("POST", "/api/v1/flakes", &body).expect(201);
            let shared = self.any(&mut random);
            self.pat.push(&flake, &shared);
            self.pat.push(&flake, &self.new_contents().1);
            let there = format!("/cache/{flake}/{}.narinfo", path_hash(&shared));
            let of_pat = |path: &str| self.pat.request("GET", path, "", b"");
            of_pat(&there).expect(200);
            let gone = format!("/api/v1/flakes/{flake}?yes=true");
            admin.send("DELETE", &gone, &json!({})).expect(204);
            of_pat(&there).expect(404);
            of_pat(&format!("/{}.narinfo", path_hash(&shared))).expect(200);
            made += 1;
        }
        made
    }
}

fn everything_at_once(length: Duration) {
    let load = Load::new(length);
    std::thread::scope(|threads| {
        let readers = [
            threads.spawn(|| load.reads(1)),
            threads.spawn(|| load.reads(2)),
        ];
        let pushes = threads.spawn(|| load.pushes());
        let bad_lines = threads.spawn(|| load.pushes_over_bad_lines());
        let changes = threads.spawn(|| load.changes_of_access());
        let flakes = threads.spawn(|| load.flakes_come_and_go());
        for reads in readers {
            let reads = reads.join().unwrap();
            println!("{} NARs read: {reads}", reads.count());
        }
        let pushes = pushes.join().unwrap();
        println!("{} pushes: {pushes}", pushes.count());
        let (succeeded, failed) = bad_lines.join().unwrap();
        println!("over bad lines: {succeeded} pushes, {failed} tried again");
        println!("{} changes of access", changes.join().unwrap());
        println!("{} flakes made and deleted", flakes.join().unwrap());
    });
    let mut served = load.served;
    let log = served.log();
    assert_lacks(&log, &["panicked"]);
    served.kill();
    served.check().ok();
}

#[test]
fn everything_at_once_for_a_moment() {
    everything_at_once(SHORT);
}

#[test]
#[ignore = "long: `cargo xtask test --long`"]
fn everything_at_once_for_minutes() {
    everything_at_once(LONG);
}
