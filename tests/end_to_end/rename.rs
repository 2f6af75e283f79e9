//! Machines that were set up before an organisation and its flake got other names, with every version of Nix.

use fh_testkit::nix::{ScratchStore, versions};
use fh_testkit::server::TestServer;

use crate::nix::{Built, Person, Site};

#[test]
fn a_machine_goes_on_to_substitute_after_a_rename() {
    let site = Site::acme(TestServer::builder());
    let built = Built::new("renamed");
    site.admin.fh(["push", "acme/app", built.top()]).ok();
    site.admin.fh(["user", "create", "alice"]).ok();
    site.admin
        .fh(["grant", "add", "acme/app", "alice", "read"])
        .ok();
    let machines: Vec<Person> = versions()
        .iter()
        .map(|nix| site.token(nix, "alice", &["pull"], &["--flake", "acme/app"]))
        .collect();
    for rename in [
        ["flake", "rename", "acme/app", "shop"],
        ["org", "rename", "acme", "corp"],
    ] {
        site.admin.fh(rename).ok();
    }
    for alice in &machines {
        let store = ScratchStore::new().unwrap();
        alice.build(&store.uri(), &[built.top()]).ok();
        built.assert_arrived(alice.nix, &store);
        // The lines of a machine name the former names.
        for named in ["acme", "acme/app"] {
            let cache = format!("{}/cache/{named}", site.url());
            let only = ["--option", "substituters", &cache, "--option"];
            let only = [&only[..], &["extra-substituters", "", built.top()]].concat();
            let store = ScratchStore::new().unwrap();
            alice.build(&store.uri(), &only).ok();
            built.assert_arrived(alice.nix, &store);
        }
        for named in ["acme", "acme/app", "corp/app", "acme/shop", "corp/shop"] {
            let store = ScratchStore::new().unwrap();
            let cache = format!("{}/cache/{named}", site.url());
            alice.copy(&cache, &store.uri(), built.top()).ok();
            built.assert_arrived(alice.nix, &store);
        }
    }
    // So does what pushes.
    let more = Built::new("after-the-rename");
    site.admin.fh(["push", "acme/app", more.top()]).ok();
    assert!(site.paths_in("corp/shop") > 0);
}
