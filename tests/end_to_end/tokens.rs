//! Each kind of token through real Nix: for the closures of certain paths, for what a key has signed, for
//! certain networks, derived from another, and one that is revoked between a narinfo and its NAR.

use std::thread;

use fh_testkit::nix::{Nix, ScratchStore, versions};
use fh_testkit::proxy::Verdict;
use fh_testkit::server::TestServer;

use crate::nix::site::hash_part;
use crate::nix::{Built, Person, Site, eventually, proxy};

/// A private flake with two closures, which alice may read.
struct World {
    site: Site,
    one: Built,
    other: Built,
}

impl World {
    fn start(name: &str) -> Self {
        let site = Site::acme(TestServer::builder());
        let [one, other] = ["one", "other"].map(|which| Built::new(&format!("{name} {which}")));
        for built in [&one, &other] {
            site.admin.fh(["push", "acme/app", built.top()]).ok();
        }
        site.admin.fh(["user", "create", "alice"]).ok();
        site.admin
            .fh(["grant", "add", "acme/app", "alice", "read"])
            .ok();
        Self { site, one, other }
    }

    fn alice(&self, nix: &'static Nix, options: &[&str]) -> Person {
        self.site.token(nix, "alice", &["pull"], options)
    }

    /// The person gets the first closure, whole, and nothing of the second.
    fn assert_gets_one(&self, person: &Person, nix: &Nix) {
        for address in ["", "/cache/acme", "/cache/acme/app"] {
            let url = format!("{}{address}", self.site.url());
            let store = ScratchStore::new().unwrap();
            person.copy(&url, &store.uri(), self.one.top()).ok();
            self.one.assert_arrived(nix, &store);
            person.copy(&url, &store.uri(), self.other.top()).failed();
            self.other.assert_absent(&store);
        }
        let store = ScratchStore::new().unwrap();
        person.build(&store.uri(), &[self.one.top()]).ok();
        self.one.assert_arrived(nix, &store);
        person.build(&store.uri(), &[self.other.top()]).failed();
        person.realise(&store.uri(), self.other.top()).failed();
        self.other.assert_absent(&store);
    }

    /// What is refused cannot be told from what is nowhere: narinfos, listings, and NARs by a hash that
    /// somebody else has learnt.
    fn assert_hides_other(&self, person: &Person) {
        let token = Some(person.token());
        let get = |path: &str| {
            let answer = self.site.server.get(path, token.as_deref()).unwrap();
            (answer.status, answer.text())
        };
        let nowhere = get("/00000000000000000000000000000000.narinfo");
        assert_eq!(nowhere.0, 404);
        for path in self.other.paths() {
            let narinfo = format!("/{}.narinfo", hash_part(&path));
            let known = self
                .site
                .server
                .get(&narinfo, Some(self.site.server.admin_token()))
                .unwrap();
            let url = known
                .text()
                .lines()
                .find_map(|line| line.strip_prefix("URL: ").map(str::to_owned))
                .unwrap();
            // A path may be in both closures.
            if self.one.paths().contains(&path) {
                continue;
            }
            assert_eq!(get(&narinfo), nowhere, "{path}");
            assert_eq!(get(&format!("/{}.ls", hash_part(&path))), nowhere, "{path}");
            assert_eq!(get(&format!("/{url}")), nowhere, "{path}");
        }
    }
}

#[test]
fn a_token_for_a_closure_reads_that_closure_alone() {
    let world = World::start("closure");
    for nix in versions() {
        let alice = world.alice(nix, &["--closure", world.one.top()]);
        world.assert_gets_one(&alice, nix);
        world.assert_hides_other(&alice);
    }
    // It shows what it is, and gives no more away.
    let alice = world.alice(&versions()[0], &["--closure", world.one.top()]);
    let shown = alice.fh(["token", "inspect"]).ok();
    assert!(
        shown
            .stdout
            .contains(&world.one.top()["/nix/store/".len()..])
    );
    world
        .site
        .admin
        .fh(["token", "create", "--permission", "push", "--closure"])
        .code(2);
    world
        .site
        .admin
        .typed(format!(
            "token create --permission push --closure {}",
            world.one.top()
        ))
        .code(1)
        .says(&["read and mint"]);
    // What was never pushed cannot be named.
    let never = Built::new("never pushed");
    world
        .site
        .admin
        .fh(["token", "create", "--closure", never.top()])
        .code(1)
        .says(&["no flake that this token reads holds"]);
}

#[test]
fn a_token_for_signed_paths_reads_what_the_key_has_signed() {
    let site = Site::acme(TestServer::builder());
    let [one, other] = ["signed", "unsigned"].map(Built::new);
    let directory = tempfile::tempdir().unwrap();
    let [secret, public] = ["secret", "public"].map(|name| directory.path().join(name));
    let (secret, public) = (secret.to_str().unwrap(), public.to_str().unwrap());
    site.admin
        .nix(
            "nix-store",
            ["--generate-binary-cache-key", "builder-1", secret, public],
        )
        .ok();
    site.admin
        .nix(
            "nix",
            [
                "store",
                "sign",
                "--recursive",
                "--key-file",
                secret,
                one.top(),
            ],
        )
        .ok();
    for built in [&one, &other] {
        site.admin.fh(["push", "acme/app", built.top()]).ok();
    }
    site.admin.fh(["user", "create", "alice"]).ok();
    site.admin
        .fh(["grant", "add", "acme/app", "alice", "read"])
        .ok();
    let world = World { site, one, other };
    let key = std::fs::read_to_string(public).unwrap();
    for nix in versions() {
        let alice = world.alice(nix, &["--signed-by", key.trim()]);
        world.assert_gets_one(&alice, nix);
        world.assert_hides_other(&alice);
    }
    // Another key of the same name opens nothing.
    let forged = format!("builder-1:{}", "A".repeat(43) + "=");
    world
        .site
        .admin
        .fh(["token", "create", "--signed-by", &forged])
        .failed();
    // The server's own key signs whatever it serves, and so says nothing.
    let trust = world.site.trust();
    let own = trust.rsplit(' ').next().unwrap();
    world
        .site
        .admin
        .fh(["token", "create", "--signed-by", own])
        .code(1)
        .says(&["is a key of this server"]);
}

#[test]
fn a_token_for_a_network_is_good_there_and_nowhere_else() {
    let world = World::start("network");
    for nix in versions() {
        let here = world.alice(nix, &["--network", "127.0.0.0/8", "--network", "::1"]);
        let store = ScratchStore::new().unwrap();
        here.copy(world.site.url(), &store.uri(), world.one.top())
            .ok();
        world.one.assert_arrived(nix, &store);
    }
    let elsewhere = world
        .site
        .admin
        .typed("token create --user alice --network 192.0.2.0/24")
        .ok()
        .stdout;
    let answer = world
        .site
        .server
        .get("/nix-cache-info", Some(elsewhere.trim()))
        .unwrap();
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("127.0.0.1"), "{}", answer.text());
}

#[test]
fn a_derived_token_is_narrower_and_ends_with_the_one_it_was_derived_from() {
    let world = World::start("derived");
    for nix in versions() {
        let alice = world
            .site
            .token(nix, "alice", &["pull", "mint"], &["--flake", "acme/*"]);
        let narrower = format!(
            "token create --permission pull --closure {}",
            world.one.top()
        );
        let text = alice.typed(&narrower).ok().stdout;
        let friend = world.site.stranger(nix);
        std::fs::write(friend.token_file(), text).unwrap();
        friend.log_in(world.site.url(), &friend.token_file());
        world.assert_gets_one(&friend, nix);
        world.assert_hides_other(&friend);
        alice
            .fh(["token", "create", "--flake", "*"])
            .code(1)
            .says(&["does not reach"]);
        let status = alice.fh(["status", "--json"]).ok().json();
        let id = status["token_id"].as_str().unwrap();
        world.site.admin.fh(["token", "revoke", "--yes", id]).ok();
        let store = ScratchStore::new().unwrap();
        friend
            .copy(world.site.url(), &store.uri(), world.one.top())
            .failed();
        world.one.assert_absent(&store);
        friend.fh(["status"]).code(3).says(&["revoked"]);
    }
}

#[test]
fn a_token_that_is_revoked_between_a_narinfo_and_its_nar_gets_no_nar() {
    let world = World::start("between");
    for nix in versions() {
        let alice = world.alice(nix, &[]);
        // NARs wait at the proxy; narinfos have gone through by then.
        let proxy = proxy(world.site.url(), |request, _| {
            if request.path.contains("/nar/") {
                Verdict::Hold
            } else {
                Verdict::Pass
            }
        });
        let store = ScratchStore::new().unwrap();
        let url = proxy.url();
        // The netrc has the host alone, so that it holds for the proxy's port as well.
        thread::scope(|scope| {
            let copying = scope.spawn(|| alice.copy(&url, &store.uri(), world.one.top()));
            eventually("a NAR is asked for", || {
                proxy
                    .seen()
                    .iter()
                    .any(|seen| seen.verdict == Verdict::Hold)
            });
            let status = alice.fh(["status", "--json"]).ok().json();
            let id = status["token_id"].as_str().unwrap();
            world.site.admin.fh(["token", "revoke", "--yes", id]).ok();
            proxy.open();
            copying.join().unwrap().failed();
        });
        world.one.assert_absent(&store);
        let nars: Vec<Option<u16>> = proxy
            .seen()
            .iter()
            .filter(|seen| seen.path.contains("/nar/"))
            .map(|seen| seen.status)
            .collect();
        assert!(!nars.is_empty());
        assert!(
            nars.iter()
                .all(|status| status.is_none_or(|status| status == 401)),
            "{nars:?}"
        );
    }
}
