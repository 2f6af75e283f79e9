//! Who gets what: through real Nix, and compared byte for byte where it is refused.

use std::sync::{Arc, Mutex, Weak};

use fh_testkit::nix::{Nix, ScratchStore, versions};
use fh_testkit::server::{Answer, Method, TestServer};
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::json;

use crate::nix::site::hash_part;
use crate::nix::{Built, Person, Site, eventually, shared};

/// A private flake and a public one, each with a closure; alice may read the private one, bob was
/// granted nothing.
struct World {
    site: Site,
    private: Built,
    public: Built,
}

fn world() -> Arc<World> {
    static WORLD: Mutex<Weak<World>> = Mutex::new(Weak::new());
    shared(&WORLD, World::start)
}

impl World {
    fn start() -> Self {
        let site = Site::acme(TestServer::builder());
        let private = Built::new("private");
        site.admin.fh(["push", "acme/app", private.top()]).ok();
        let public = Built::new("public");
        site.flake("acme/open", "public");
        site.admin.fh(["push", "acme/open", public.top()]).ok();
        for user in ["alice", "bob"] {
            site.admin.fh(["user", "create", user]).ok();
        }
        site.admin
            .fh(["grant", "add", "acme/app", "alice", "read"])
            .ok();
        Self {
            site,
            private,
            public,
        }
    }

    fn alice(&self, nix: &'static Nix) -> Person {
        self.site.token(nix, "alice", &["pull"], &[])
    }
}

/// None of the commands that read gets any of the paths, whichever part of the server is named.
fn assert_gets_nothing(person: &Person, url: &str, built: &Built) {
    let store = ScratchStore::new().unwrap();
    for narrowed in ["", "/cache/acme", "/cache/acme/app"] {
        person
            .copy(&format!("{url}{narrowed}"), &store.uri(), built.top())
            .failed();
    }
    person.build(&store.uri(), &[built.top()]).failed();
    person.realise(&store.uri(), built.top()).failed();
    person
        .nix("nix", ["path-info", "--store", url, built.top()])
        .failed();
    built.assert_absent(&store);
}

#[test]
fn a_token_without_a_grant_gets_nothing() {
    let world = world();
    let url = world.site.url();
    for nix in versions() {
        let bob = world.site.token(nix, "bob", &["pull", "push"], &[]);
        assert_gets_nothing(&bob, url, &world.private);

        // The token is a good one all the same.
        let store = ScratchStore::new().unwrap();
        let open = format!("{url}/cache/acme/open");
        bob.copy(&open, &store.uri(), world.public.top()).ok();
        world.public.assert_arrived(nix, &store);
        let flakes = bob.fh(["list", "flakes", "--json"]).ok();
        assert_lacks(&flakes.stdout, &["acme/open", "acme/app"]);
    }

    let bob = world
        .site
        .token(&versions()[0], "bob", &["pull", "push"], &[]);
    let refusal = |arguments: &[&str], flake: &str| {
        let refused = bob.fh(arguments.iter().chain(&[flake])).failed();
        (refused.status, refused.stderr.replace(flake, "FLAKE"))
    };
    for arguments in [
        ["flake", "show"].as_slice(),
        &["grant", "list"],
        &["flake", "set", "--visibility", "public"],
        &["push", "--stdin", "--no-closure"],
    ] {
        assert_eq!(
            refusal(arguments, "acme/app"),
            refusal(arguments, "acme/absent"),
            "{arguments:?}"
        );
    }
    bob.fh(["push", "acme/app", world.public.top()])
        .code(1)
        .says(&["acme/app"]);
}

#[test]
fn a_token_for_another_flake_gets_nothing_of_this_one() {
    let world = world();
    for nix in versions() {
        let only_open = ["--flake", "acme/open"];
        let alice = world.site.token(nix, "alice", &["pull"], &only_open);
        assert_gets_nothing(&alice, world.site.url(), &world.private);
        // What is public is read by name.
        let open = format!("{}/cache/acme/open", world.site.url());
        let store = ScratchStore::new().unwrap();
        alice.copy(&open, &store.uri(), world.public.top()).ok();
        world.public.assert_arrived(nix, &store);
    }
}

#[test]
fn without_a_token_a_private_flake_is_not_there_and_a_public_one_is_read_by_name() {
    let world = world();
    let url = world.site.url();
    for nix in versions() {
        let stranger = world.site.stranger(nix);
        let open = format!("{url}/cache/acme/open");
        stranger
            .home
            .configure(&format!("substituters = {open}\n{}", world.site.trust()))
            .unwrap();
        assert_gets_nothing(&stranger, url, &world.private);

        let store = ScratchStore::new().unwrap();
        // At the root nobody has put it into everybody's view.
        stranger
            .copy(url, &store.uri(), world.public.top())
            .failed();
        stranger.copy(&open, &store.uri(), world.public.top()).ok();
        world.public.assert_arrived(nix, &store);
        let store = ScratchStore::new().unwrap();
        stranger.realise(&store.uri(), world.public.top()).ok();
        world.public.assert_arrived(nix, &store);
        assert!(!stranger.home.config().join("nix").exists());
        assert!(!stranger.home.system_configuration().join("netrc").exists());
    }
}

#[test]
fn a_narrowed_substituter_serves_its_own_flake_only() {
    let world = world();
    let url = world.site.url();
    for nix in versions() {
        let alice = world.alice(nix);
        for (narrowed, serves, hides) in [
            ("/cache/acme/app", &world.private, &world.public),
            ("/cache/acme/open", &world.public, &world.private),
        ] {
            let cache = format!("{url}{narrowed}");
            let store = ScratchStore::new().unwrap();
            alice.copy(&cache, &store.uri(), serves.top()).ok();
            serves.assert_arrived(nix, &store);
            alice.copy(&cache, &store.uri(), hides.top()).failed();
            hides.assert_absent(&store);
            // The same as the only substituter of a machine.
            let store = ScratchStore::new().unwrap();
            let only = ["--option", "substituters", &cache, "--option"];
            let only = [&only[..], &["extra-substituters", ""]].concat();
            alice
                .build(&store.uri(), &[&only[..], &[hides.top()]].concat())
                .failed();
            alice
                .build(&store.uri(), &[&only[..], &[serves.top()]].concat())
                .ok();
            serves.assert_arrived(nix, &store);
        }
        let organization = format!("{url}/cache/acme");
        for built in [&world.private, &world.public] {
            let store = ScratchStore::new().unwrap();
            alice.copy(&organization, &store.uri(), built.top()).ok();
            built.assert_arrived(nix, &store);
        }
    }
}

/// An answer without what differs from one to the next.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort_unstable();
    let mut body = answer.text();
    if let Some(id) = answer.header("x-request-id") {
        body = body.replace(id, "ID");
    }
    (answer.status, headers, body)
}

#[test]
fn what_may_not_be_read_answers_as_what_does_not_exist() {
    let world = world();
    let server = &world.site.server;
    let bob = world
        .site
        .token(&versions()[0], "bob", &["pull", "push"], &[]);
    let bob = bob.token();
    let narinfo = format!("{}.narinfo", hash_part(world.private.top()));
    let nar = server
        .get(&format!("/{narinfo}"), Some(server.admin_token()))
        .and_then(|answer| answer.expect(200))
        .unwrap()
        .text();
    let nar = nar.lines().find_map(|line| line.strip_prefix("URL: "));
    let nar = nar.unwrap().to_owned();
    let absent_narinfo = format!("{}.narinfo", "0".repeat(32));
    let absent_nar = format!("nar/{}.nar.zst", "0".repeat(52));

    let mut pairs = Vec::new();
    for prefix in ["", "/cache/acme", "/cache/acme/app", "/cache/acme/open"] {
        pairs.push((
            format!("{prefix}/{narinfo}"),
            format!("{prefix}/{absent_narinfo}"),
        ));
        pairs.push((format!("{prefix}/{nar}"), format!("{prefix}/{absent_nar}")));
    }
    for what in [narinfo.as_str(), &nar, "nix-cache-info"] {
        for absent in ["/cache/acme/absent", "/cache/absent/app"] {
            pairs.push((
                format!("/cache/acme/app/{what}"),
                format!("{absent}/{what}"),
            ));
        }
    }
    for below in ["", "/grants"] {
        let of = |flake: &str| format!("/api/v1/flakes/{flake}{below}");
        pairs.push((of("acme/app"), of("acme/absent")));
        pairs.push((of("acme/app"), of("absent/app")));
    }
    // Who may read it does get it, where it is.
    for (there, _) in pairs.iter().filter(|(there, _)| !there.contains("/open/")) {
        let answer = server.get(there, Some(server.admin_token())).unwrap();
        assert_eq!(answer.status, 200, "{there}");
    }
    for token in [Some(bob.as_str()), None] {
        for method in [Method::GET, Method::HEAD] {
            for (there, absent) in &pairs {
                let ask = |path: &str| server.request(method.clone(), path, token, None).unwrap();
                let (there, absent) = (ask(there), ask(absent));
                assert!([401, 404, 405].contains(&there.status), "{}", there.text());
                assert_eq!(comparable(&there), comparable(&absent));
            }
        }
        // Where the question is a push, knowing all about a path does not help.
        let push = json!({ "paths": [{
            "path": world.private.top(),
            "nar_hash": format!("sha256:{}", "0".repeat(52)),
            "nar_size": 120,
        }] });
        let ask = |flake: &str| {
            let path = format!("/api/v1/flakes/{flake}/pushes");
            comparable(&server.post(&path, token, &push).unwrap())
        };
        assert_eq!(ask("acme/app"), ask("acme/absent"));
        assert!([401, 404].contains(&ask("acme/app").0));
    }
}

/// Nix goes on without the server: what another cache has comes from there, and what none has ends
/// in an error that says why. `memory`: also what Nix still remembers of the server is in its way.
fn assert_nix_copes(person: &Person, world: &World, why: &str, memory: bool) {
    let (url, built) = (world.site.url(), &world.private);
    let other = tempfile::tempdir().unwrap();
    let other = format!("file://{}", other.path().display());
    person
        .nix(
            "nix",
            [
                "copy",
                "--to",
                &format!("{other}?compression=none"),
                built.top(),
            ],
        )
        .ok();

    let store = ScratchStore::new().unwrap();
    let refused = person.copy(url, &store.uri(), built.top()).failed();
    if !memory {
        // Old versions throw the server's words away.
        let old = !person.nix.is_at_least(2, 26);
        refused.says(&[if old { "binary cache" } else { why }]);
    }
    person.build(&store.uri(), &[built.top()]).failed();
    person.realise(&store.uri(), built.top()).failed();
    assert!(store.physical(built.top()).symlink_metadata().is_err());

    person
        .home
        .configure(&format!("substituters = {other}?trusted=1"))
        .unwrap();
    person.build(&store.uri(), &[built.top()]).ok();
    built.assert_arrived(person.nix, &store);
    let store = ScratchStore::new().unwrap();
    person.realise(&store.uri(), built.top()).ok();
    built.assert_arrived(person.nix, &store);
}

#[test]
fn a_revoked_token_is_refused_at_once_and_nix_copes() {
    let world = world();
    for nix in versions() {
        for memory in [false, true] {
            let alice = world.alice(nix);
            if memory {
                let store = ScratchStore::new().unwrap();
                alice
                    .copy(world.site.url(), &store.uri(), world.private.top())
                    .ok();
            }
            let status = alice.fh(["status", "--json"]).ok().json();
            let id = status["token_id"].as_str().unwrap();
            world.site.admin.fh(["token", "revoke", "--yes", id]).ok();

            let token = alice.token();
            let answer = world.site.server.get("/nix-cache-info", Some(&token));
            assert_eq!(answer.unwrap().status, 401);
            assert_nix_copes(&alice, &world, "the token was revoked", memory);
            alice.fh(["status"]).code(3).says(&["revoked"]);
        }
    }
}

#[test]
fn an_expired_token_is_refused_and_nix_copes() {
    let world = world();
    let readers: Vec<Person> = versions().iter().map(|nix| world.alice(nix)).collect();
    // As lines for a netrc file, which need no login that might come too late.
    let create = ["token", "create", "--user", "alice", "--expires", "1s"];
    let netrc = world
        .site
        .admin
        .fh(create.iter().chain(&["--output", "netrc"]))
        .ok()
        .stdout;
    let token = netrc.split_whitespace().last().unwrap();
    let ask = || {
        let answer = world.site.server.get("/nix-cache-info", Some(token));
        answer.unwrap().status
    };
    eventually("the token expires", || ask() == 401);
    for alice in &readers {
        std::fs::write(alice.home.config().join("nix/netrc"), &netrc).unwrap();
        assert_nix_copes(alice, &world, "expired", false);
    }

    let late = world.site.stranger(&versions()[0]);
    std::fs::write(late.token_file(), token).unwrap();
    late.typed(format!(
        "login --scope user --server {} --token-file token",
        world.site.url()
    ))
    .code(1)
    .says(&["expired"]);
    assert!(!late.home.config().join("nix").exists());
    assert!(!late.home.config().join("fh").exists());
}

/// Of a path that was pushed, and as itself is found in any store: who reads it, and why somebody does not.
#[test]
fn the_reason_is_told_to_whom_it_may_be_told() {
    let world = world();
    let path = world.private.top();
    let why = |person: &Person, arguments: &[&str]| {
        let asked = [&["why", path][..], arguments].concat();
        person.fh(asked).ok().stdout
    };
    let everybody = why(&world.site.admin, &[]);
    assert_contains(
        &everybody,
        &["acme/app", "private", "grant on acme/app to alice"],
    );
    let alices = why(&world.site.admin, &["--user", "alice"]);
    assert_contains(&alices, &["alice can read it"]);
    let bobs = why(&world.site.admin, &["--user", "bob"]);
    assert_contains(&bobs, &["bob cannot read it"]);
    // Who may not see it learns no more than of what is nowhere.
    let nix = crate::nix::built::builder();
    let bob = world.site.token(nix, "bob", &["pull"], &[]);
    let hidden = why(&bob, &[]);
    assert_lacks(&hidden, &["acme/app"]);
    let nowhere = format!("/nix/store/{}-nowhere", "0".repeat(32));
    let absent = bob.fh(["why", &nowhere]).ok().stdout;
    let shown = hash_part(path);
    assert_eq!(hidden.replace(shown, &"0".repeat(32)), absent);
    let own = why(&world.alice(nix), &[]);
    assert_contains(&own, &["acme/app"]);
}
