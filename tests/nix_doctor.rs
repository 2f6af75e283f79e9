//! `fh doctor` with real Nix: it says yes only where Nix really substitutes, and else names the link
//! that is broken.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod nix;

use fh_testkit::nix::{Daemon, Home, Nix, versions};
use fh_testkit::server::TestServer;
use nix::process::Ended;
use nix::{Built, Person, Site};
use serde_json::Value;

/// A server with one private flake that has a small closure.
fn site(name: &str) -> Site {
    let site = Site::start(TestServer::builder());
    let built = Built::new(name);
    site.organization("acme");
    site.flake("acme/app", "private");
    site.admin.fh(["push", "acme/app", built.top()]).ok();
    site
}

fn reader(site: &Site, nix: &'static Nix, name: &str) -> Person {
    site.user(nix, name, &[("acme/app", "read")], &["pull"])
}

/// What a check came to, and what was said.
fn check<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["check"] == name);
    let found = found.unwrap_or_else(|| panic!("no check {name}: {report:#}"));
    (
        found["outcome"].as_str().unwrap(),
        found["about"].as_str().unwrap(),
    )
}

#[track_caller]
fn works(ended: Ended) -> Value {
    let report = ended.ok().json();
    assert_eq!(report["works"], true, "{report:#}");
    report
}

#[track_caller]
fn broken(ended: Ended, name: &str, words: &str) -> Value {
    let report = ended.code(1).json();
    assert_eq!(report["works"], false, "{report:#}");
    let (outcome, about) = check(&report, name);
    assert_eq!(outcome, "failed", "{report:#}");
    assert!(about.contains(words), "{report:#}");
    for check in report["checks"].as_array().unwrap() {
        let needs_fix = check["outcome"] == "failed";
        assert!(!needs_fix || check["fix"].is_string(), "{report:#}");
    }
    report
}

#[test]
fn after_a_login_every_version_substitutes_and_it_says_so() {
    let site = site("doctor-well");
    for nix in versions() {
        let name = format!("u{}", nix.version().replace('.', "-"));
        let person = reader(&site, nix, &name);
        let report = works(person.fh(["doctor", "--json"]));
        for name in [
            "server",
            "token",
            "netrc",
            "substituter",
            "keys",
            "substitution",
        ] {
            assert_eq!(check(&report, name).0, "ok", "{report:#}");
        }
        let said = person.fh(["doctor"]).ok().stdout;
        assert!(
            said.contains("ok       substitution Nix substituted"),
            "{said}"
        );
        assert!(!said.contains(&person.token()), "{said}");
    }
}

#[test]
fn every_link_that_breaks_is_named_with_what_puts_it_right() {
    let site = site("doctor-ill");
    let nix = versions().last().unwrap();
    let person = reader(&site, nix, "ill");
    let netrc = person.home.config().join("nix/netrc");
    let conf = person.nix_conf();
    let (well_netrc, well_conf) = (
        std::fs::read_to_string(&netrc).unwrap(),
        std::fs::read_to_string(&conf).unwrap(),
    );
    let doctor = || person.fh(["doctor", "--json"]);

    std::fs::write(&netrc, well_netrc.replace(&person.token(), "another")).unwrap();
    let report = broken(doctor(), "netrc", "has another token");
    // The proof fails as well, and says what Nix said.
    assert_eq!(check(&report, "substitution").0, "failed", "{report:#}");

    std::fs::write(&netrc, "machine other.example login a password b\n").unwrap();
    broken(doctor(), "netrc", "has no entry for 127.0.0.1");

    std::fs::remove_file(&netrc).unwrap();
    broken(doctor(), "netrc", "which is not there");
    std::fs::write(&netrc, &well_netrc).unwrap();

    let without = |setting: &str| -> String {
        let kept = well_conf.lines().filter(|line| !line.contains(setting));
        kept.map(|line| format!("{line}\n")).collect()
    };
    std::fs::write(&conf, without("extra-substituters")).unwrap();
    let report = broken(doctor(), "substituter", "does not ask");
    let fix = report["checks"].as_array().unwrap().iter();
    let fix: Vec<&Value> = fix
        .filter(|check| check["check"] == "substituter")
        .collect();
    assert_eq!(fix[0]["fix"], format!("fh login --server {}", site.url()));

    std::fs::write(&conf, without("extra-trusted-public-keys")).unwrap();
    let report = broken(doctor(), "keys", "does not trust");
    assert_eq!(check(&report, "substitution").0, "failed", "{report:#}");

    std::fs::write(&conf, format!("{well_conf}substitute = false\n")).unwrap();
    broken(doctor(), "substitute", "builds everything itself");
    // Nix itself does not start any more, and says why.
    std::fs::write(&conf, format!("{well_conf}garbage\n")).unwrap();
    let report = broken(doctor(), "daemon", "Nix does not answer: ");
    let (_, told) = check(&report, "daemon");
    assert!(told.contains("nix.conf"), "{report:#}");
    assert!(!told.contains("install"), "{report:#}");
    std::fs::write(&conf, &well_conf).unwrap();

    // What it says to do, done, is the cure.
    person.log_in(site.url(), &person.token_file());
    works(doctor());
}

#[test]
fn what_is_revoked_or_empty_or_gone_is_told_apart() {
    let site = site("doctor-token");
    let nix = versions().last().unwrap();

    // A view with nothing in it proves nothing, and that is no yes.
    let empty = site.user(nix, "empty", &[], &["pull"]);
    let report = empty.fh(["doctor", "--json"]).code(1).json();
    assert_eq!(check(&report, "substitution").0, "skipped", "{report:#}");

    let revoked = reader(&site, nix, "revoked");
    let id = revoked.fh(["status", "--json"]).ok().json()["token_id"].clone();
    site.admin
        .fh(["token", "revoke", "--yes", id.as_str().unwrap()])
        .ok();
    broken(revoked.fh(["doctor", "--json"]), "token", "revoked");

    let nobody = site.stranger(nix);
    let said = nobody.fh(["doctor"]).code(1).stdout;
    assert!(said.contains("fh login --server URL"), "{said}");

    let alone = reader(&site, nix, "alone");
    drop(site);
    let report = broken(alone.fh(["doctor", "--json"]), "server", "cannot reach");
    let fix = report["checks"][0]["fix"].as_str().unwrap();
    assert!(fix.contains("curl -v http://127.0.0.1"), "{report:#}");
}

#[test]
fn a_daemon_is_asked_itself() {
    let site = site("doctor-daemon");
    for nix in versions() {
        let name = format!("d{}", nix.version().replace('.', "-"));
        let alice = reader(&site, nix, &name);
        let lines = std::fs::read_to_string(alice.nix_conf()).unwrap();
        let home = Home::new().unwrap();
        home.configure(&format!("{lines}trusted-users = root\nmax-jobs = 0"))
            .unwrap();
        let daemon = Daemon::start_in(nix, home).unwrap();
        let mut command = alice.fh_command(["doctor", "--json"]);
        command
            .env("NIX_REMOTE", daemon.uri())
            .env("NIX_CONF_DIR", daemon.home().system_configuration());
        let report = works(nix::process::run(command));
        let about = check(&report, "substitution").1;
        assert!(about.contains("the Nix daemon substituted"), "{report:#}");
    }
}
