//! A rotation of the signing keys, as every version of Nix sees it: who has both keys loses nothing, not
//! even what was fetched and remembered before; who has missed two rotations is refused, and a login mends it.

use fh_testkit::nix::{Nix, ScratchStore, versions};
use fh_testkit::server::TestServer;

use crate::nix::{Built, Person, Site};

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
    let site = Site::acme(TestServer::builder());
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

    site.admin.fh(["key", "rotate", "--yes"]).failed();
    site.admin.fh(["key", "rotate", "--force", "--yes"]).ok();
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

#[test]
fn the_key_of_an_organisation_says_nothing_to_who_trusts_another() {
    let per_organization = |settings: &mut fh_settings::Settings| {
        settings.signing = fh_api::Signing::PerOrganization;
    };
    let site = Site::start(TestServer::builder().settings(per_organization));
    for organization in ["acme", "beta"] {
        site.organization(organization);
        site.flake(&format!("{organization}/app"), "private");
    }
    let ours = Built::new("of-acme");
    let theirs = Built::new("of-beta");
    site.admin.fh(["push", "acme/app", ours.top()]).ok();
    site.admin.fh(["push", "beta/app", theirs.top()]).ok();
    let [acme, beta] =
        ["acme", "beta"].map(|organization| format!("{}/cache/{organization}", site.url()));
    for nix in versions() {
        // Two organisations: a line for each, and each is substituted from.
        let person = site.stranger(nix);
        std::fs::write(person.token_file(), site.server.admin_token()).unwrap();
        person.log_in(site.url(), &person.token_file());
        substitutes(&person, &acme, &ours);
        substitutes(&person, &beta, &theirs);

        // Who reads acme alone does not trust what beta has signed, wherever it comes from.
        let login = ["login", "--scope", "user", "--server", site.url()];
        let narrow = ["--token-file", "token", "--organizations", "acme"];
        person.fh(login.iter().chain(&narrow)).ok();
        forget(&person);
        substitutes(&person, &acme, &ours);
        for cache in [&beta, &site.url().to_owned()] {
            let store = ScratchStore::new().unwrap();
            person
                .copy(cache, &store.uri(), theirs.top())
                .failed()
                .says(&["signature"]);
        }
        person.fh(["logout"]).ok();
        assert!(!person.nix_conf().exists());
    }
}
