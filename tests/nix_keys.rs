//! A rotation of the signing keys, as every version of Nix sees it: who has both keys loses nothing, not
//! even what was fetched and remembered before; who has missed two rotations is refused, and a login mends it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod nix;

use fh_testkit::nix::{Nix, ScratchStore, versions};
use fh_testkit::server::TestServer;
use nix::{Built, Person, Site};

fn substitutes(person: &Person, url: &str, built: &Built) {
    let store = ScratchStore::new().unwrap();
    person.build(&store.uri(), &[built.top()]).ok();
    built.assert_arrived(person.nix, &store);
    let store = ScratchStore::new().unwrap();
    person.copy(url, &store.uri(), built.top()).ok();
    built.assert_arrived(person.nix, &store);
}

/// Nix has forgotten what it knew of the server's paths.
fn forget(person: &Person) {
    let cache = person.home.path().join(".cache");
    std::fs::remove_dir_all(&cache).unwrap();
    std::fs::create_dir(&cache).unwrap();
}

#[test]
fn a_client_with_both_keys_loses_nothing_and_one_that_missed_two_rotations_is_refused() {
    let site = Site::start(TestServer::builder());
    site.organization("acme");
    site.flake("acme/app", "private");
    site.admin.fh(["user", "create", "alice"]).ok();
    site.admin
        .fh(["grant", "add", "acme/app", "alice", "read"])
        .ok();
    let before = Built::new("before-the-rotation");
    site.admin.fh(["push", "acme/app", before.top()]).ok();
    let trusted = site.trust();

    // Set up, and with everything fetched once, under the first two keys.
    let people: Vec<(&'static Nix, Person)> = versions()
        .iter()
        .map(|nix| (nix, site.token(nix, "alice", &["pull"], &[])))
        .collect();
    for (_, person) in &people {
        substitutes(person, site.url(), &before);
    }

    site.admin.fh(["key", "rotate", "--yes"]).ok();
    assert_ne!(site.trust(), trusted);
    let after = Built::new("after-the-rotation");
    site.admin.fh(["push", "acme/app", after.top()]).ok();
    for (_, person) in &people {
        // Remembered with the signature of the key that has retired, and new.
        substitutes(person, site.url(), &before);
        substitutes(person, site.url(), &after);
        forget(person);
        substitutes(person, site.url(), &before);
    }

    site.admin.fh(["key", "rotate", "--yes"]).ok();
    for (_, person) in &people {
        forget(person);
        let store = ScratchStore::new().unwrap();
        person
            .copy(site.url(), &store.uri(), before.top())
            .failed()
            .says(&["signature"]);
        // It learns the present keys by logging in again.
        person.log_in(site.url(), &person.token_file());
        substitutes(person, site.url(), &before);
        substitutes(person, site.url(), &after);
    }
}
