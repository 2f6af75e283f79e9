//! Clocks that are wrong, and clocks that jump while somebody pushes.
//!
//! A process is given a clock of its own by libfaketime, which reads from a file how far it is off, at
//! each look. Files keep the machine's time, as on a disk of another machine.

use std::fs;
use std::path::{Path, PathBuf};

use fh_testkit::assert_contains;
use fh_testkit::nix::Home;
use fh_testkit::proxy::{Proxy, Seen, Verdict};
use serde_json::json;

use crate::nix::process::{Running, run};
use crate::nix::proxy;
use crate::nix::served::Served;
use crate::scene::{SIZES, SMALL_PARTS, Scene};

const FLAKE: &str = "acme/app";

/// How far a clock is off, and the variables that make a process believe it.
struct Clock {
    file: tempfile::NamedTempFile,
    library: PathBuf,
}

impl Clock {
    /// One that is right. None where there is no libfaketime, which is told.
    fn new() -> Option<Self> {
        let Some(library) = library() else {
            fh_testkit::skipped(
                "clocks that jump: there is no libfaketime (on Debian, `apt-get install faketime`)",
            );
            return None;
        };
        let clock = Self {
            file: tempfile::NamedTempFile::new().unwrap(),
            library,
        };
        clock.set("+0");
        Some(clock)
    }

    /// Sets it off by so much: `+2d`, `-1h`.
    fn set(&self, offset: &str) {
        // Replaced as a whole, so that nobody reads half of it.
        let new = self.file.path().with_extension("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, self.file.path()).unwrap();
    }

    fn give(&self, home: &mut Home) {
        home.set_variable("LD_PRELOAD", &self.library);
        home.set_variable("FAKETIME_TIMESTAMP_FILE", self.file.path());
        home.set_variable("FAKETIME_NO_CACHE", "1");
        home.set_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        home.set_variable("FAKETIME_DISABLE_SHM", "1");
    }

    /// A scene whose server goes by it, and collects all the time.
    fn scene(&self) -> Scene {
        let mut home = Home::new().unwrap();
        self.give(&mut home);
        let data = home.path().join("data");
        let options: Vec<&str> = SMALL_PARTS
            .into_iter()
            .chain(["--collect-interval", "50ms"])
            .collect();
        Scene::with(Served::start_at(home, data, &options), &[FLAKE])
    }
}

/// The one for processes with several threads.
fn library() -> Option<PathBuf> {
    let directories = fs::read_dir("/usr/lib").ok()?;
    let below = directories.flatten().map(|directory| directory.path());
    below
        .chain([Path::new("/usr/lib").to_owned()])
        .map(|directory| directory.join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
}

/// Begins a push, and holds it when two parts of its large NAR are there.
fn held_push(scene: &Scene, token: PathBuf, paths: &[String]) -> (Proxy, Running) {
    let proxy = proxy(&scene.served.url(), |request, _| match request.part() {
        Some(2..) => Verdict::Hold,
        _ => Verdict::Pass,
    });
    let running = Running::start(scene.push_as(token, &proxy.url(), FLAKE, paths));
    proxy.wait_until(|seen| {
        let received = |part| {
            let mut answered = seen.iter().filter(|seen| seen.status == Some(200));
            answered.any(|seen| seen.part() == Some(part))
        };
        let batch = seen
            .iter()
            .any(|seen| seen.is_batch() && seen.status == Some(200));
        let held = seen.iter().any(|seen| seen.verdict == Verdict::Hold);
        batch && held && received(0) && received(1)
    });
    (proxy, running)
}

/// A token of the administrator's with a lifetime in seconds, in a file.
fn token(scene: &Scene, lifetime: u64) -> PathBuf {
    let body = json!({ "expires_in": lifetime, "permissions": ["pull", "push"] });
    let minted = scene
        .admin()
        .send("POST", "/api/v1/tokens", &body)
        .expect(201);
    let file = scene.person.token_file();
    fs::write(&file, minted.json()["token"].as_str().unwrap()).unwrap();
    file
}

/// The top of new paths, which a push takes along.
fn stock(scene: &mut Scene) -> Vec<String> {
    let new = scene.stock.add(&mut scene.random, &SIZES);
    vec![new.last().unwrap().clone()]
}

#[test]
fn a_server_whose_clock_jumps_past_the_end_of_a_token_says_when_it_ended() {
    let Some(clock) = Clock::new() else { return };
    let mut scene = clock.scene();
    let there = stock(&mut scene);
    scene.push_rest(FLAKE, &there);

    let paths = stock(&mut scene);
    let hour = token(&scene, 3600);
    let (proxy, running) = held_push(&scene, hour.clone(), &paths);
    clock.set("+2h");
    proxy.open();
    running
        .wait()
        .code(1)
        .says(&["Error: ", "the token expired at"]);
    scene.check();

    // The clock was wrong, and is put right: the token is good again, and nothing was lost.
    clock.set("+0");
    let url = scene.served.url();
    let pushed = run(scene.push_as(hour, &url, FLAKE, &paths)).ok().json();
    assert!(
        pushed["uploaded_nar_size"].as_u64() < pushed["nar_size"].as_u64(),
        "{pushed}"
    );
    scene.acknowledge(FLAKE, &paths);
    scene.check();
    scene.check_storage();
}

#[test]
fn a_token_of_a_server_whose_clock_was_ahead_names_the_clock() {
    let Some(clock) = Clock::new() else { return };
    clock.set("+2d");
    let mut scene = clock.scene();
    let there = stock(&mut scene);
    scene.push_rest(FLAKE, &there);
    let week = token(&scene, 7 * 86400);
    clock.set("+0");
    let paths = stock(&mut scene);
    let url = scene.served.url();
    let push = scene.push_as(week.clone(), &url, FLAKE, &paths);
    run(push)
        .code(1)
        .says(&["Error: ", "is not valid before", "clock"]);
    // So do the administrator's own, until the clock is as it was.
    let refused = scene.admin().get("/api/v1/whoami").expect(401);
    assert!(refused.text().contains("clock"), "{}", refused.text());
    clock.set("+2d");
    scene.check();
    scene.push_rest(FLAKE, &paths);
    scene.check();
    scene.check_storage();
}

/// Whether the server has forgotten the push, which it does when it collects.
fn gone(proxy: &Proxy) -> bool {
    let answered = |seen: &Seen| matches!(seen.status, Some(404 | 409 | 410));
    proxy.seen().iter().any(answered)
}

#[test]
fn a_clock_that_jumps_days_in_mid_upload_costs_at_most_what_was_not_committed() {
    let Some(clock) = Clock::new() else { return };
    // The tokens are older than any of the jumps.
    clock.set("-9d");
    let mut scene = clock.scene();
    clock.set("+0");
    let there = stock(&mut scene);
    scene.push_rest(FLAKE, &there);
    let admin = scene.served.admin_token();
    for (offset, back) in [("+3d", "+0"), ("-3d", "+0"), ("+3d", "+3d")] {
        let paths = stock(&mut scene);
        let (proxy, running) = held_push(&scene, admin.clone(), &paths);
        let collections = |scene: &Scene| scene.served.log().matches("\"collected\"").count();
        let before = collections(&scene);
        clock.set(offset);
        // Long enough for collections, as the log says; a clock that goes back makes nothing old.
        if offset.starts_with('+') {
            crate::nix::eventually("a collection after the jump", || {
                collections(&scene) > before
            });
        }
        proxy.open();
        let ended = running.wait();
        clock.set(back);
        if ended.status.success() {
            scene.acknowledge(FLAKE, &paths);
        } else {
            assert!(gone(&proxy), "{ended}");
            assert_contains(&ended.stderr, &["Error: "]);
            scene.settle(FLAKE, &paths);
        }
        scene.check();
        scene.push_rest(FLAKE, &paths);
        scene.check();
    }
    scene.check_storage();
}

#[test]
fn a_client_whose_clock_is_wrong_pushes_and_is_told_when_it_logs_in() {
    let Some(clock) = Clock::new() else { return };
    let mut scene = Scene::new(&[FLAKE], &[]);
    clock.give(&mut scene.person.home);
    for offset in ["+3d", "-3d"] {
        clock.set(offset);
        let paths = stock(&mut scene);
        scene.push_rest(FLAKE, &paths);
        scene.check();
        let url = scene.served.url();
        let login = ["login", "--scope", "user", "--server", &url, "--token-file"];
        let mut login = scene.person.fh_command(login);
        login.arg(scene.served.admin_token());
        run(login).ok().says(&["clock"]);
    }
}
