//! A developer may write to acme/playground. She pushes her content under the store path of the tool that
//! acme/app holds, before or after it. Nobody who reads all of acme gets her content: not while it is only her
//! word against another's, and not once the owner of both has pushed.

use fh_testkit::assert_contains;
use fh_testkit::nix::{ScratchStore, versions};
use fh_testkit::server::TestServer;

use super::forged::{Forged, MARK};
use crate::nix::{Built, Site};

#[test]
fn one_who_writes_elsewhere_does_not_decide() {
    let site = Site::start(TestServer::builder());
    site.organization("acme");
    for flake in ["acme/app", "acme/playground"] {
        site.flake(flake, "private");
    }
    let nix = &versions()[0];
    for user in ["dev", "releaser", "alice"] {
        site.admin.fh(["user", "create", user]).ok();
        site.admin.fh(["member", "set", "acme", user]).ok();
    }
    site.admin
        .fh(["grant", "add", "acme/*", "@members", "read"])
        .ok();
    site.admin
        .fh(["grant", "add", "acme/playground", "dev", "write"])
        .ok();
    site.admin
        .fh(["grant", "add", "acme/app", "releaser", "write"])
        .ok();
    let dev = site.token(nix, "dev", &["pull", "push"], &[]);
    let releaser = site.token(nix, "releaser", &["pull", "push"], &[]);
    let tool = Built::new("tool of a colleague");
    let forged = Forged::of(&tool, "dev");

    // She is the first.
    let push = [
        "push",
        "acme/playground",
        "--store",
        &forged.uri(),
        forged.path(),
    ];
    dev.fh(push).ok();
    releaser.fh(["push", "acme/app", tool.top()]).ok();
    for nix in versions() {
        let alice = site.token(nix, "alice", &["pull"], &[]);
        let store = ScratchStore::new().unwrap();
        // Neither decides for the other: at the root it is nobody's.
        alice.realise(&store.uri(), tool.top()).failed();
        assert!(store.physical(tool.top()).symlink_metadata().is_err());
        // Where the slice is named, its content is served.
        let app = format!("{}/cache/acme/app", site.url());
        alice.copy(&app, &store.uri(), tool.top()).ok();
        tool.assert_arrived(nix, &store);
        let playground = format!("{}/cache/acme/playground", site.url());
        let store = ScratchStore::new().unwrap();
        alice.copy(&playground, &store.uri(), tool.top()).ok();
        let content = std::fs::read_to_string(store.physical(tool.top())).unwrap();
        assert!(content.starts_with(MARK), "{content}");
    }
    let why = site.admin.fh(["why", tool.top(), "--json"]).ok();
    assert_contains(&why.stdout, &["acme/playground"]);

    // Somebody who may write to both decides for both.
    site.flake("acme/release", "private");
    site.admin.fh(["push", "acme/release", tool.top()]).ok();
    for nix in versions() {
        let alice = site.token(nix, "alice", &["pull"], &[]);
        let store = ScratchStore::new().unwrap();
        alice.realise(&store.uri(), tool.top()).ok();
        tool.assert_arrived(nix, &store);
    }
    let audit = site.admin.fh(["audit", "--json"]).ok();
    assert_contains(&audit.stdout, &["push.clash"]);
}
