//! Pushes that end early, meet each other, or lose the server: what was sent is not sent again, and
//! nothing is seen before all of it is there.

use std::fs;
use std::sync::{Arc, Mutex, Weak};

use fh_testkit::nix::ScratchStore;
use fh_testkit::proxy::{Proxy, Seen, Verdict};
use fh_testkit::server::TestServer;
use rustix::process::Signal;
use serde_json::Value;

use crate::nix::built::newest;
use crate::nix::process::Running;
use crate::nix::served::Served;
use crate::nix::{Built, Person, Site, counts, proxy, shared};

/// The closure that all tests push, each to a server of its own.
fn closure() -> Arc<Built> {
    static CLOSURE: Mutex<Weak<Built>> = Mutex::new(Weak::new());
    shared(&CLOSURE, || Built::new("resumed"))
}

/// A server that takes large NARs in a dozen parts.
fn site_of_parts() -> Site {
    let builder = TestServer::builder().settings(|settings| {
        settings.limits.part_size = PART;
        settings.limits.batched_nar_size = PART;
    });
    Site::acme(builder)
}

const PART: u64 = 256 << 10;

/// Of what was seen, the parts of NARs that were received.
fn received_parts(seen: &[Seen]) -> Vec<u64> {
    let answered = seen.iter().filter(|seen| seen.status == Some(200));
    let mut parts: Vec<u64> = answered.filter_map(Seen::part).collect();
    parts.sort_unstable();
    parts
}

/// Interrupts a push when four parts of the large NAR and all small NARs were received, and pushes
/// again.
fn interrupted(signal: Signal, check: impl FnOnce(Running)) {
    let (site, built) = (site_of_parts(), closure());
    let first = proxy(site.url(), |request, _| match request.part() {
        Some(4..) => Verdict::Hold,
        _ => Verdict::Pass,
    });
    let push = |proxy: &Proxy| {
        let url = proxy.url();
        // Logs travel in a request of their own, which is not what is counted here.
        let push = ["push", "acme/app", "--server", &url, built.top()];
        let mut command = site
            .admin
            .fh_command(push.iter().chain(&["--json", "--no-logs"]));
        command.env("FH_TOKEN_FILE", site.server.data_dir().join("admin.token"));
        Running::start(command)
    };
    let running = push(&first);
    first.wait_until(|seen| {
        let batch = seen
            .iter()
            .any(|seen| seen.is_batch() && seen.status == Some(200));
        let held = seen.iter().any(|seen| seen.verdict == Verdict::Hold);
        batch && held && received_parts(seen) == [0, 1, 2, 3]
    });
    running.signal(signal);
    check(running);
    assert_eq!(site.paths_in("acme/app"), 0);
    site.assert_invisible(&built.paths());

    let second = proxy(site.url(), |_, _| Verdict::Pass);
    let pushed = push(&second).wait().ok().json();
    assert_eq!(
        counts(&pushed, ["paths", "uploaded", "received"]),
        [8, 1, 7]
    );
    let seen = second.seen();
    let data_size = built.nar_size(built.path("-data-"));
    let parts: Vec<u64> = (4..data_size.div_ceil(PART)).collect();
    assert_eq!(received_parts(&seen), parts);
    assert!(!seen.iter().any(Seen::is_batch), "{seen:#?}");
    assert_eq!(
        counts(&pushed, ["uploaded_nar_size"]),
        [data_size - 4 * PART]
    );
    site.assert_serves(&built);
}

#[test]
fn a_push_stopped_with_ctrl_c_goes_on_where_it_was() {
    interrupted(Signal::INT, |running| {
        running
            .wait()
            .code(130)
            .says(&["interrupted", "continues from there"]);
    });
}

#[test]
fn a_push_that_was_killed_goes_on_where_it_was() {
    interrupted(Signal::KILL, |running| {
        running.wait().killed_by(Signal::KILL);
    });
}

/// Two pushes at the same time, none of which sends a large NAR before both are to. Gives back both
/// summaries.
fn at_the_same_time(site: &Site, built: &Built, pushes: [(&Person, &str); 2]) -> [Value; 2] {
    let proxy = proxy(site.url(), |request, _| match request.part() {
        Some(_) => Verdict::Hold,
        None => Verdict::Pass,
    });
    let running = pushes.map(|(person, flake)| {
        let url = proxy.url();
        let push = ["push", flake, "--server", &url, built.top(), "--json"];
        let mut command = person.fh_command(push);
        // The proxy is another server to fh, for which it has stored no token.
        let token = person.home.config().join("fh/tokens");
        let token = fs::read_dir(token).unwrap().next().unwrap().unwrap().path();
        command.env("FH_TOKEN_FILE", token);
        Running::start(command)
    });
    proxy.wait_until(|seen| seen.iter().filter(|seen| seen.part() == Some(0)).count() == 2);
    proxy.open();
    running.map(|running| running.wait().ok().json())
}

#[test]
fn two_pushes_of_the_same_closure_to_the_same_flake_at_the_same_time() {
    let (site, built) = (site_of_parts(), closure());
    let pushes = [(&site.admin, "acme/app"); 2];
    for pushed in at_the_same_time(&site, &built, pushes) {
        assert_eq!(pushed["complete"], true);
    }
    assert_eq!(site.paths_in("acme/app"), 8);
    site.assert_serves(&built);
}

#[test]
fn two_people_who_push_the_same_closure_at_the_same_time() {
    let (site, built) = (site_of_parts(), closure());
    site.flake("acme/other", "private");
    let may = ["pull", "push"];
    let alice = site.user(newest(), "alice", &[("acme/app", "write")], &may);
    let bob = site.user(newest(), "bob", &[("acme/other", "write")], &may);
    let pushes = [(&alice, "acme/app"), (&bob, "acme/other")];
    for pushed in at_the_same_time(&site, &built, pushes) {
        // Neither may count on what the other has sent.
        assert_eq!(counts(&pushed, ["uploaded", "deduplicated"]), [8, 0]);
    }
    for person in [alice, bob] {
        let store = ScratchStore::new().unwrap();
        person.copy(site.url(), &store.uri(), built.top()).ok();
        built.assert_arrived(person.nix, &store);
    }
}

/// The server is killed in the middle of a push, before the commit, and after it. The client goes on
/// with the one that is started in its place, and what was acknowledged is there.
#[test]
fn a_server_that_is_killed_loses_nothing_and_the_push_goes_on() {
    let built = closure();
    let mut served = Served::start(&["--part-size", "256KiB", "--batched-nar-size", "256KiB"]);
    let admin = Person::new(None, newest());
    admin.log_in(&served.url(), &served.admin_token());
    admin.fh(["org", "create", "acme"]).ok();
    admin.fh(["flake", "create", "acme/app"]).ok();
    let paths_there = || {
        let shown = admin.fh(["flake", "show", "acme/app", "--json"]).ok();
        shown.json()["paths"].as_u64().unwrap()
    };

    let proxy = proxy(&served.url(), |request, _| match request.part() {
        Some(4..) => Verdict::Hold,
        _ if request.path.ends_with("/commit") => Verdict::Hold,
        _ => Verdict::Pass,
    });
    let url = proxy.url();
    let push = ["push", "acme/app", "--server", &url, built.top(), "--json"];
    let mut command = admin.fh_command(push);
    command.env("FH_TOKEN_FILE", served.admin_token());
    let running = Running::start(command);
    proxy.wait_until(|seen| {
        let held = seen.iter().any(|seen| seen.verdict == Verdict::Hold);
        held && received_parts(seen) == [0, 1, 2, 3]
    });
    served.kill_and_start_again();
    assert_eq!(paths_there(), 0);

    let is_commit = |seen: &Seen| seen.path.ends_with("/commit");
    proxy.let_go(move |seen| !is_commit(seen));
    proxy.wait_until(|seen| seen.iter().any(is_commit));
    served.kill_and_start_again();
    assert_eq!(paths_there(), 0);

    proxy.open();
    let pushed = running.wait().ok().json();
    assert_eq!(counts(&pushed, ["paths", "uploaded"]), [8, 8]);
    // Each part once: the first four were received by the first server.
    let parts: Vec<u64> = (0..built.nar_size(built.path("-data-")).div_ceil(PART)).collect();
    assert_eq!(received_parts(&proxy.seen()), parts);

    served.kill_and_start_again();
    assert_eq!(paths_there(), 8);
    let store = ScratchStore::new().unwrap();
    admin.copy(&served.url(), &store.uri(), built.top()).ok();
    built.assert_arrived(admin.nix, &store);
}
