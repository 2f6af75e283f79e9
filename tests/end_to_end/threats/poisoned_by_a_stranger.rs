//! Mallory makes an organisation of her own, pushes her content under the store path of acme's tool, and
//! grants it to alice, or makes it public. Alice's Nix installs acme's content, whatever mallory does.

use fh_testkit::nix::{ScratchStore, versions};
use fh_testkit::server::TestServer;

use super::forged::Forged;
use crate::nix::{Built, Person, Site};

/// Acme's tool; alice is a member of acme, mallory owns evil.
struct World {
    site: Site,
    tool: Built,
    forged: Forged,
    mallory: Person,
}

fn world() -> World {
    let site = Site::start(TestServer::builder());
    site.organization("acme");
    site.flake("acme/tool", "private");
    let tool = Built::new("tool of a stranger");
    site.admin.fh(["push", "acme/tool", tool.top()]).ok();
    for user in ["alice", "mallory"] {
        site.admin.fh(["user", "create", user]).ok();
    }
    site.admin.fh(["member", "set", "acme", "alice"]).ok();
    site.admin
        .fh(["grant", "add", "acme/*", "@members", "read"])
        .ok();
    site.organization("evil");
    site.admin
        .fh(["member", "set", "evil", "mallory", "owner"])
        .ok();
    let permissions = ["pull", "push", "mint", "admin"];
    let mallory = site.token(&versions()[0], "mallory", &permissions, &[]);
    let forged = Forged::of(&tool, "mallory");
    World {
        site,
        tool,
        forged,
        mallory,
    }
}

impl World {
    /// Mallory pushes her content into a flake of hers.
    fn push(&self, flake: &str, visibility: &str) {
        self.mallory
            .fh(["flake", "create", flake, "--visibility", visibility])
            .ok();
        let push = format!(
            "push {flake} --store {} {}",
            self.forged.uri(),
            self.forged.path()
        );
        self.mallory.typed(&push).ok();
    }

    /// What each version of Nix installs for alice is acme's.
    fn assert_alice_gets_acmes(&self) {
        for nix in versions() {
            let alice = self.site.token(nix, "alice", &["pull"], &[]);
            let store = ScratchStore::new().unwrap();
            alice.realise(&store.uri(), self.tool.top()).ok();
            self.tool.assert_arrived(nix, &store);
        }
    }
}

#[test]
fn a_grant_that_nobody_accepted_changes_nothing() {
    let world = world();
    world.push("evil/x", "private");
    world
        .mallory
        .fh(["grant", "add", "evil/x", "alice", "read"])
        .ok();
    world
        .mallory
        .fh(["member", "set", "evil", "alice", "admin"])
        .ok();
    world.assert_alice_gets_acmes();
    // Once alice has accepted evil as a guest, her own organisation still goes before it.
    let permissions = ["pull", "admin"];
    let alice = world.site.token(&versions()[0], "alice", &permissions, &[]);
    world
        .mallory
        .fh(["member", "remove", "evil", "alice", "--yes"])
        .ok();
    world
        .mallory
        .fh(["grant", "add", "evil/x", "alice", "read"])
        .ok();
    alice.fh(["invitation", "accept", "evil"]).ok();
    world.assert_alice_gets_acmes();
}

#[test]
fn a_public_flake_is_not_trusted_by_everybody() {
    let world = world();
    world.push("evil/open", "public");
    world.assert_alice_gets_acmes();
    // Nor by somebody who has nothing of acme's, and so nothing else under that path.
    world.site.admin.fh(["user", "create", "bob"]).ok();
    for nix in versions() {
        let bob = world.site.token(nix, "bob", &["pull"], &[]);
        let store = ScratchStore::new().unwrap();
        bob.realise(&store.uri(), world.tool.top()).failed();
        // Whoever names it gets it.
        let named = format!("{}/cache/evil/open", world.site.url());
        bob.copy(&named, &store.uri(), world.tool.top()).ok();
    }
}
