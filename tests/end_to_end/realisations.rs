//! Content-addressed derivations with every version of Nix: what was pushed is substituted by whoever evaluates the same
//! expression in a fresh store, which can build nothing.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fh_testkit::nix::{Nix, ScratchStore, versions};
use fh_testkit::server::TestServer;

use crate::nix::{Person, Site};

/// What everybody here has in their nix.conf. What is not there yet may come.
const FEATURE: &str =
    "extra-experimental-features = ca-derivations\nnarinfo-cache-negative-ttl = 0";

/// `a` and `b` are content-addressed, and `b` needs `a`; `c` is not, and needs `b`; `d` is not, and needs `b` only while it
/// is built: nothing of its closure has a content address.
const EXPRESSION: &str = r#"
    let
        make = name: more: derivation ({
            name = "SEED-${name}"; system = builtins.currentSystem; preferLocalBuild = true;
            builder = "/bin/sh"; PATH = "/bin:/usr/bin";
        } // more);
        addressed = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
    in rec {
        a = make "a" (addressed // { args = [ "-euc" "echo SEED > $out" ]; });
        b = make "b" (addressed // {
            outputs = [ "out" "dev" ]; args = [ "-euc" "echo SEED ${a} > $out; echo dev $out > $dev" ];
        });
        c = make "c" { args = [ "-euc" "echo SEED ${b} > $out" ]; };
        d = make "d" { inherit b; args = [ "-euc" "test -e $b; echo SEED > $out" ]; };
    }
"#;

/// A server with the private flake `acme/app`, somebody who builds and pushes there, and a reader.
struct World {
    site: Site,
    pusher: Person,
    reader: Person,
    expression: PathBuf,
}

impl World {
    /// What is built differs between all names, versions and processes.
    fn new(nix: &'static Nix, name: &str) -> Self {
        let site = Site::acme(TestServer::builder());
        let pusher = site.user(nix, "bob", &[("acme/app", "write")], &["pull", "push"]);
        let reader = site.user(nix, "rita", &[("acme/app", "read")], &["pull"]);
        for person in [&pusher, &reader] {
            person.home.configure(FEATURE).unwrap();
        }
        let version = nix.version().replace('.', "-");
        let seed = format!("realised-{name}-{}-{version}", std::process::id());
        let expression = pusher.home.path().join("addressed.nix");
        fs::write(&expression, EXPRESSION.replace("SEED", &seed)).unwrap();
        Self {
            site,
            pusher,
            reader,
            expression,
        }
    }

    fn file(&self) -> &str {
        self.expression.to_str().unwrap()
    }

    /// Builds an attribute in the machine's store: its path.
    #[track_caller]
    fn built(&self, attribute: &str) -> String {
        // Nix 2.8.0 closes a file descriptor twice while it builds such a derivation, and where it asks caches at the
        // same time, that is another one's.
        let nowhere = ["--option", "substituters", ""];
        let build = [
            &[self.file(), "--no-out-link", "-A", attribute][..],
            &nowhere,
        ]
        .concat();
        let ended = self.pusher.nix("nix-build", build).ok();
        ended.stdout.trim().to_owned()
    }

    /// Gives an attribute to somebody in a fresh store, and checks that this path is there then.
    #[track_caller]
    fn arrives(&self, attribute: &str, path: &str) {
        let store = ScratchStore::new().unwrap();
        let installable = ["--file", self.file(), attribute];
        self.reader.build(&store.uri(), &installable).ok();
        let there = store.physical(path).symlink_metadata();
        assert!(there.is_ok(), "{attribute}: {path} did not come");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let remove = "nix-store --delete $(nix-build \"$1\" --no-out-link -A a -A b -A b.dev -A c -A d --max-jobs 0)";
        let mut command = Command::new("sh");
        self.pusher.nix.adopt(&mut command, &self.pusher.home);
        command.args(["-c", remove, "sh"]).arg(&self.expression);
        // What is left is a few bytes.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

#[test]
fn what_was_pushed_as_a_path_is_substituted_by_its_expression() {
    for nix in versions() {
        let world = World::new(nix, "path");
        // By itself: its closure does not show that something of it is content-addressed.
        let d = world.built("d");
        world
            .pusher
            .fh(["push", "acme/app", &d])
            .ok()
            .says(&["2 realisations added"]);
        world.arrives("d", &d);

        let (a, b, dev, c) = (
            world.built("a"),
            world.built("b"),
            world.built("b.dev"),
            world.built("c"),
        );
        let pushed = world.pusher.fh(["push", "acme/app", &dev, &c, "--json"]);
        let summary = pushed.ok().json();
        let told = &summary["realisations"];
        assert_eq!(told["unknown"], serde_json::json!([]), "{summary}");
        // `a` under both keys; `b` and `b.dev` as they were built and as they were evaluated; `c` as evaluated.
        assert_eq!(told["added"], 12, "{summary}");
        for (attribute, path) in [("a", &a), ("b", &b), ("b.dev", &dev), ("c", &c)] {
            world.arrives(attribute, path);
        }
        // Nothing is new the second time, and that is said as ever.
        let again = world.pusher.fh(["push", "acme/app", &dev, &c]).ok();
        again.says(&["Nothing to push to acme/app"]);

        // Whoever may not read the flake has to build.
        let stranger = world.site.user(nix, "eve", &[], &["pull"]);
        stranger.home.configure(FEATURE).unwrap();
        let store = ScratchStore::new().unwrap();
        let installable = ["--file", world.file(), "c"];
        stranger.build(&store.uri(), &installable).failed();
        assert!(store.physical(&c).symlink_metadata().is_err());
    }
}

#[test]
fn what_a_command_builds_is_substituted_by_its_expression() {
    for nix in versions() {
        let world = World::new(nix, "watch");
        let mut words = vec![
            "push",
            "acme/app",
            "--watch-exec",
            "--fail-on-push-error",
            "--",
        ];
        words.extend(["nix-build", world.file(), "--no-out-link", "-A", "c"]);
        // As in `built`.
        words.extend(["--option", "substituters", ""]);
        world.pusher.fh(words).ok().says(&["4 paths built; 4 sent"]);
        world.arrives("c", &world.built("c"));
    }
}

/// `nix copy` takes realisations along where it is given a derivation that the cache has as well, and up to 2.26 it checks
/// their signatures.
///
/// 2.34 substitutes a derivation's outputs *into* the cache that it is to copy from, and registers them there
/// (`worker.store.registerDrvOutput` in `src/libstore/build/derivation-goal.cc`): it fails, as it does with any cache
/// that is only read. Paths it copies as the others do.
#[test]
fn nix_copy_brings_realisations_along() {
    for nix in versions() {
        let world = World::new(nix, "copy");
        let (b, dev) = (world.built("b"), world.built("b.dev"));
        let instantiate = [world.file(), "-A", "b"];
        let derivation = world.pusher.nix("nix-instantiate", instantiate).ok();
        let derivation = derivation.stdout.trim().to_owned();
        let push = ["push", "acme/app", &b, &dev, &derivation];
        world.pusher.fh(push).ok();

        let store = ScratchStore::new().unwrap();
        world.reader.copy(world.site.url(), &store.uri(), &b).ok();
        assert!(store.physical(&b).symlink_metadata().is_ok());

        let outputs = if nix.is_at_least(2, 13) {
            format!("{derivation}^*")
        } else {
            derivation
        };
        let from = world.site.url();
        let copy = |store: &ScratchStore, options: &[&str]| {
            let to = store.uri();
            let mut words = vec!["copy", "--from", from, "--to", &to, "--eval-store", "auto"];
            words.extend(options);
            words.push(&outputs);
            world.reader.nix("nix", words)
        };
        let store = ScratchStore::new().unwrap();
        let copied = copy(&store, &[]);
        if nix.is_at_least(2, 27) && !copied.status.success() {
            copied.says(&["unable to upload"]);
            continue;
        }
        copied.ok();
        // What was copied is enough: nothing is asked of anybody.
        let offline = ["--option", "substituters", "", "--file", world.file(), "b"];
        world.reader.build(&store.uri(), &offline).ok();
        // The paths prove themselves by their content, and the realisations by our signature alone.
        if !nix.is_at_least(2, 27) {
            let store = ScratchStore::new().unwrap();
            copy(&store, &["--option", "trusted-public-keys", ""])
                .failed()
                .says(&["cannot register realisation"]);
        }
    }
}
