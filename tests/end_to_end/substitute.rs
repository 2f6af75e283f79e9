//! What was pushed comes back with every version of Nix: over HTTP and over TLS, with a daemon and
//! without, by each of the commands that substitute, through nothing but what `fh login` wrote.

use std::sync::{Arc, Mutex, Weak};

use fh_testkit::nix::{Daemon, Home, Nix, ScratchStore, versions};
use fh_testkit::proxy::Verdict;
use fh_testkit::server::TestServer;

use crate::nix::built::newest;
use crate::nix::{Built, Person, Site, process, proxy, shared};

/// A server with one private flake, which has a closure, and somebody who may read it.
struct World {
    site: Site,
    built: Built,
}

impl World {
    fn start(name: &str, tls: bool) -> Self {
        let builder = TestServer::builder();
        let site = Site::acme(if tls { builder.tls() } else { builder });
        let built = Built::new(name);
        site.admin.fh(["push", "acme/app", built.top()]).ok();
        site.admin.fh(["user", "create", "alice"]).ok();
        site.admin
            .fh(["grant", "add", "acme/app", "alice", "read"])
            .ok();
        Self { site, built }
    }

    /// Alice, logged in on a new machine that has this version of Nix.
    fn reader(&self, nix: &'static Nix) -> Person {
        self.site.token(nix, "alice", &["pull"], &[])
    }

    /// A machine whose daemon is set up as the lines say that `fh login` wrote for alice, and who
    /// works on it: nobody in particular, whom the daemon does not trust.
    fn daemon(&self, nix: &'static Nix) -> (Daemon, Person, Person) {
        let alice = self.reader(nix);
        let mut home = Home::new().unwrap();
        if let Some(authority) = self.site.server.authority_file() {
            home.set_variable("NIX_SSL_CERT_FILE", authority);
        }
        let lines = std::fs::read_to_string(alice.nix_conf()).unwrap();
        home.configure(&format!("{lines}trusted-users =\nmax-jobs = 0"))
            .unwrap();
        let daemon = Daemon::start_in(nix, home).unwrap();
        let nobody = Person::new(None, nix);
        (daemon, nobody, alice)
    }
}

fn http() -> Arc<World> {
    static HTTP: Mutex<Weak<World>> = Mutex::new(Weak::new());
    shared(&HTTP, || World::start("http", false))
}

fn tls() -> Arc<World> {
    static TLS: Mutex<Weak<World>> = Mutex::new(Weak::new());
    shared(&TLS, || World::start("tls", true))
}

fn every_command_without_a_daemon(world: &World) {
    let built = &world.built;
    for nix in versions() {
        let alice = world.reader(nix);
        let url = world.site.url();

        let store = ScratchStore::new().unwrap();
        alice.copy(url, &store.uri(), built.top()).ok();
        built.assert_arrived(nix, &store);
        // Signed by a key that alice trusts, as stored.
        alice
            .nix(
                "nix",
                [
                    "store",
                    "verify",
                    "--recursive",
                    "--store",
                    &store.uri(),
                    built.top(),
                ],
            )
            .ok();

        let store = ScratchStore::new().unwrap();
        alice.build(&store.uri(), &[built.top()]).ok();
        built.assert_arrived(nix, &store);

        let store = ScratchStore::new().unwrap();
        let expression = built.expression();
        alice
            .build(&store.uri(), &["--file", expression.to_str().unwrap()])
            .ok();
        built.assert_arrived(nix, &store);

        let store = ScratchStore::new().unwrap();
        let realised = alice.realise(&store.uri(), built.top()).ok();
        assert_eq!(realised.stdout.trim(), built.top());
        built.assert_arrived(nix, &store);
    }
}

#[test]
fn every_command_over_http() {
    every_command_without_a_daemon(&http());
}

#[test]
fn every_command_over_tls() {
    every_command_without_a_daemon(&tls());
}

fn every_command_with_a_daemon(world: &World) {
    let built = &world.built;
    for nix in versions() {
        // The client downloads by itself, and the daemon checks what it is given.
        let (daemon, _, alice) = world.daemon(nix);
        alice
            .copy(world.site.url(), &daemon.uri(), built.top())
            .ok();
        built.assert_arrived(nix, daemon.store());

        // From here on it is the daemon that downloads, for somebody who has no token.
        let (daemon, nobody, _alice) = world.daemon(nix);
        nobody.build(&daemon.uri(), &[built.top()]).ok();
        built.assert_arrived(nix, daemon.store());

        let (daemon, nobody, _alice) = world.daemon(nix);
        let expression = built.expression();
        nobody
            .build(&daemon.uri(), &["--file", expression.to_str().unwrap()])
            .ok();
        built.assert_arrived(nix, daemon.store());

        let (daemon, nobody, _alice) = world.daemon(nix);
        nobody.realise(&daemon.uri(), built.top()).ok();
        built.assert_arrived(nix, daemon.store());
        assert!(daemon.log().contains("accepted connection"));
    }
}

#[test]
fn every_command_through_a_daemon_over_http() {
    every_command_with_a_daemon(&http());
}

#[test]
fn every_command_through_a_daemon_over_tls() {
    every_command_with_a_daemon(&tls());
}

/// A daemon that trusts nobody, and a home to log in from in which Nix goes through it.
fn distrusting_daemon(world: &World, nix: &'static Nix, home: Home) -> (Daemon, Person) {
    home.configure("trusted-users =\nmax-jobs = 0").unwrap();
    let daemon = Daemon::start_in(nix, home).unwrap();
    let mut user = world.site.stranger(nix);
    user.home.set_variable("NIX_REMOTE", daemon.uri());
    (daemon, user)
}

/// `fh login` says what an administrator has to do where a daemon ignores what it wrote. Done to
/// the letter, it works.
#[test]
fn the_advice_for_a_daemon_that_does_not_trust_is_good() {
    let world = http();
    let token = world.reader(newest()).token();
    let mut advice = None;
    for nix in versions() {
        let (daemon, user) = distrusting_daemon(&world, nix, Home::new().unwrap());
        std::fs::write(user.token_file(), &token).unwrap();
        let login = ["login", "--scope", "user", "--server", world.site.url()];
        let login = user.fh(login.iter().chain(&["--token-file", "token"])).ok();
        user.realise(&daemon.uri(), world.built.top()).failed();
        // It does say so from 2.15 on; before, what Nix told left the question open.
        if nix.is_at_least(2, 15) {
            let said = login.says(&["the Nix daemon does not trust"]).stderr;
            // The token that it names is in the user's home.
            advice = Some((said, user));
        }
    }
    let Some((advice, _user)) = advice else {
        fh_testkit::skipped("advice on a daemon: there is no Nix 2.15 or later");
        return;
    };
    let commands: Vec<Vec<&str>> = advice
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.first() == Some(&"sudo"))
        .collect();
    assert_eq!(commands.len(), 1, "{advice}");
    for nix in versions() {
        let home = Home::new().unwrap();
        let mut command = std::process::Command::new(commands[0][1]);
        nix.adopt(&mut command, &home);
        command.args(&commands[0][2..]);
        process::run(command).ok();
        let (daemon, user) = distrusting_daemon(&world, nix, home);
        user.realise(&daemon.uri(), world.built.top()).ok();
        world.built.assert_arrived(nix, daemon.store());
    }
}

#[test]
fn what_no_trusted_key_has_signed_is_not_taken() {
    let world = http();
    let (url, top) = (world.site.url(), world.built.top());
    for nix in versions() {
        let alice = world.reader(nix);
        let lines = std::fs::read_to_string(alice.nix_conf()).unwrap();
        let (keys, rest): (Vec<&str>, Vec<&str>) = lines
            .lines()
            .partition(|line| line.starts_with("extra-trusted-public-keys"));
        assert_eq!(keys.len(), 1);
        std::fs::write(alice.nix_conf(), rest.join("\n")).unwrap();

        let store = ScratchStore::new().unwrap();
        alice
            .copy(url, &store.uri(), top)
            .failed()
            .says(&["signature"]);
        let unsigned = "not signed by any of the keys";
        alice.build(&store.uri(), &[top]).failed().says(&[unsigned]);
        alice.realise(&store.uri(), top).failed().says(&[unsigned]);
        world.built.assert_absent(&store);

        // A daemon that trusts neither of them, whatever the client trusts.
        let home = Home::new().unwrap();
        home.configure("trusted-users =").unwrap();
        let daemon = Daemon::start_in(nix, home).unwrap();
        let alice = world.reader(nix);
        alice
            .copy(url, &daemon.uri(), top)
            .failed()
            .says(&["signature"]);
        world.built.assert_absent(daemon.store());
    }
}

#[test]
fn a_server_whose_authority_is_not_known_is_not_believed() {
    let world = tls();
    let url = world.site.url();
    for nix in versions() {
        let alice = world.reader(nix);
        let store = ScratchStore::new().unwrap();
        let mut command = alice.nix.command("nix", &alice.home);
        command
            .env_remove("NIX_SSL_CERT_FILE")
            .args(["copy", "--from", url, "--to", &store.uri()])
            .arg(world.built.top());
        process::run(command).failed().says(&["certificate"]);
        world.built.assert_absent(&store);
    }
    let stranger = Person::new(None, &versions()[0]);
    std::fs::write(stranger.token_file(), world.site.server.admin_token()).unwrap();
    stranger
        .typed(format!(
            "login --scope user --server {url} --token-file token"
        ))
        .code(1)
        .says(&["certificate", "NIX_SSL_CERT_FILE"]);
    assert!(!stranger.nix_conf().exists());
}

#[test]
fn a_download_that_breaks_twice_goes_on_where_it_was() {
    const PIECE: u64 = 600_000;
    let world = http();
    for nix in versions() {
        let alice = world.reader(nix);
        let proxy = proxy(world.site.url(), |request, before| {
            let again = before.iter().filter(|seen| seen.path == request.path);
            if request.is_nar() && again.count() < 2 {
                Verdict::Cut(PIECE)
            } else {
                Verdict::Pass
            }
        });
        let store = ScratchStore::new().unwrap();
        alice
            .copy(&proxy.url(), &store.uri(), world.built.top())
            .ok();
        world.built.assert_arrived(nix, &store);

        // Only one of the NARs is longer than a piece.
        let seen = proxy.seen();
        let long = seen
            .iter()
            .find(|seen| seen.is_nar() && seen.range.is_some());
        let long = &long.unwrap().path;
        let asked: Vec<_> = seen
            .iter()
            .filter(|seen| seen.path == *long)
            .map(|seen| (seen.range.as_deref(), seen.status))
            .collect();
        let (second, third) = (format!("bytes={PIECE}-"), format!("bytes={}-", 2 * PIECE));
        assert_eq!(
            asked,
            [
                (None, Some(200)),
                (Some(second.as_str()), Some(206)),
                (Some(third.as_str()), Some(206)),
            ]
        );
        let others = seen
            .iter()
            .filter(|seen| seen.is_nar() && seen.path != *long);
        assert_eq!(others.count(), world.built.paths().len() - 1);
    }
}

#[test]
fn what_a_cache_says_of_its_paths() {
    let world = http();
    let (url, top) = (world.site.url(), world.built.top());
    let trusted = world.site.trust();
    for nix in versions() {
        let alice = world.reader(nix);
        let said = alice.nix("nix", ["path-info", "--recursive", "--store", url, top]);
        assert_eq!(said.ok().lines(), world.built.paths());

        let said = alice.nix(
            "nix",
            ["path-info", "--recursive", "--json", "--store", url, top],
        );
        let store_dir = fh_nix::StoreDir::default();
        let there = fh_nix::parse_path_infos(said.ok().stdout.as_bytes(), &store_dir).unwrap();
        let here = alice.nix("nix", ["path-info", "--recursive", "--json", top]);
        let here = fh_nix::parse_path_infos(here.ok().stdout.as_bytes(), &store_dir).unwrap();
        assert_eq!(there.valid.len(), 8);
        assert_eq!(there.invalid, []);
        for mut info in there.valid {
            let signed = info.signatures.iter().any(|signature| {
                let key = format!("{}:", signature.key_name());
                trusted.contains(&key)
            });
            assert!(signed, "{}", info.path);
            info.signatures.clear();
            assert!(here.valid.contains(&info), "{info:?}");
        }

        let stranger = world.site.stranger(nix);
        stranger
            .nix("nix", ["path-info", "--store", url, top])
            .failed()
            .says(&["is not valid"]);
    }
}

#[test]
fn a_server_that_was_restarted_has_everything() {
    let mut world = World::start("restart", false);
    let before: Vec<Person> = versions().iter().map(|nix| world.reader(nix)).collect();
    world.site.server.restart().unwrap();
    for alice in &before {
        let store = ScratchStore::new().unwrap();
        alice
            .copy(world.site.url(), &store.uri(), world.built.top())
            .ok();
        world.built.assert_arrived(alice.nix, &store);
    }
    let again = world
        .site
        .admin
        .fh(["push", "acme/app", world.built.top(), "--json"])
        .ok()
        .json();
    assert_eq!(again["present"], 8);
    assert_eq!(again["sent"], 0);
}
