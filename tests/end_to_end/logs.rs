//! `nix log` and `nix store ls` against a server that `fh push` has brought logs to, with every version
//! of Nix, through nothing but what `fh login` wrote.

use std::path::Path;

use fh_testkit::assert_lacks;
use fh_testkit::nix::{Home, Nix, ScratchStore, versions};
use fh_testkit::server::TestServer;
use serde_json::Value;

use crate::nix::built::newest;
use crate::nix::site::hash_part;
use crate::nix::{Person, Site};

/// Two paths in the machine's store, of which one was built with something to say, and the other
/// silently. Removed on drop.
struct Logged {
    nix: &'static Nix,
    home: Home,
    directory: tempfile::TempDir,
    /// The path that refers to the other one.
    app: String,
    library: String,
    /// The derivation of `app`.
    derivation: String,
}

const EXPRESSION: &str = r#"
let make = name: script: library: derivation {
  inherit name library;
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-ec" script ];
  preferLocalBuild = true;
};
  library = make "library-@" "echo @ > $out" "";
in make "app+@" "echo building @; printf '\\033[31mred\\033[0m, and \\377\\n' >&2; echo made of $library > $out" library
"#;

/// What the builder of `app` says.
fn said(seed: &str) -> Vec<u8> {
    let mut text = format!("building {seed}\n\x1b[31mred\x1b[0m, and ").into_bytes();
    text.extend(b"\xff\n");
    text
}

impl Logged {
    fn build(nix: &'static Nix, seed: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("fh-logged-")
            .tempdir()
            .unwrap();
        let mut home = Home::new().unwrap();
        home.set_variable("NIX_LOG_DIR", directory.path().join("log"));
        let file = directory.path().join("logged.nix");
        std::fs::write(&file, EXPRESSION.replace('@', seed)).unwrap();
        let link = directory.path().join("result");
        let build = [file.as_os_str(), "--out-link".as_ref(), link.as_os_str()];
        let app = nix
            .run("nix-build", &home, build)
            .unwrap()
            .trim()
            .to_owned();
        let ask = |question: &[&str]| {
            let answer = nix.run("nix-store", &home, question.iter().chain(&[&app[..]]));
            answer.unwrap().trim().to_owned()
        };
        Self {
            library: ask(&["--query", "--references"]),
            derivation: ask(&["--query", "--deriver"]),
            nix,
            home,
            directory,
            app,
        }
    }

    fn logs(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.directory.path().join("result"));
        let library = ["--query", "--deriver", &self.library];
        let library = self.nix.run("nix-store", &self.home, library);
        let library = library.unwrap_or_default();
        // Each before what it refers to.
        let delete = [
            "--delete",
            &self.app,
            &self.library,
            &self.derivation,
            library.trim(),
        ];
        let deleted = self.nix.run("nix-store", &self.home, delete);
        if let Err(error) = deleted
            && !std::thread::panicking()
        {
            panic!("could not delete {}: {error:#}", self.app);
        }
    }
}

fn push(person: &Person, arguments: &[&str]) -> Value {
    let command = ["push", "--json", "--skip-signed-by", "none", "acme/app"];
    person.fh(command.iter().chain(arguments)).ok().json()
}

/// A site whose administrator pushes with the logs of this machine's build.
fn site(logged: &Logged) -> Site {
    let mut site = Site::start(TestServer::builder());
    let logs = logged.logs().join("log");
    site.admin.home.set_variable("NIX_LOG_DIR", logs);
    site.organization("acme");
    site.flake("acme/app", "private");
    site
}

#[test]
fn every_version_reads_logs_and_listings() {
    for (number, builder) in versions().iter().enumerate() {
        let seed = format!("{}-{number}", std::process::id());
        let logged = Logged::build(builder, &seed);
        let site = site(&logged);
        // What every version keeps of a build is found, read and sent; and then no more.
        let pushed = push(&site.admin, &[&logged.app, &logged.derivation]);
        assert_eq!(pushed["complete"], true, "{pushed}");
        assert_eq!(pushed["logs"]["sent"], 2, "{pushed}");
        assert_eq!(pushed["logs"]["failed"], serde_json::json!([]));
        let again = push(&site.admin, &[&logged.app]);
        assert_eq!(again["logs"]["found"], 2, "{again}");
        assert_eq!(again["logs"]["to_send"], 0, "{again}");

        site.admin.fh(["user", "create", "alice"]).ok();
        let grant = ["grant", "add", "acme/app", "alice", "read"];
        site.admin.fh(grant).ok();
        site.admin.fh(["user", "create", "eve"]).ok();
        // Who built it makes no difference to who reads it: all pairs would say the same.
        let all = builder.version() == newest().version();
        let readers = versions()
            .iter()
            .filter(|nix| all || nix.version() == newest().version());
        for nix in readers {
            let alice = site.token(nix, "alice", &["pull"], &[]);
            let narrowed = format!("{}/cache/acme/app", site.url());
            for store in [site.url(), &narrowed] {
                read_everything(&alice, store, &logged, &seed);
            }
            for person in [site.stranger(nix), site.token(nix, "eve", &["pull"], &[])] {
                for what in [&logged.app, &logged.derivation] {
                    let store = ["log", "--store", site.url(), what];
                    let ended = person.nix("nix", store).failed();
                    assert_lacks(&ended.stdout, &["building"]);
                }
                let ls = ["store", "ls", "--store", site.url(), &logged.app];
                person.nix("nix", ls).failed();
            }
            revoked_reads_nothing(&site, nix, &logged);
        }
    }
}

fn read_everything(person: &Person, store: &str, logged: &Logged, seed: &str) {
    let version = person.nix.version();
    for what in [&logged.app, &logged.derivation] {
        let mut command = person.nix.command("nix", &person.home);
        let output = command.args(["log", "--store", store, what]).output();
        let output = output.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{version}: {what}: {stderr}");
        assert_eq!(output.stdout, said(seed), "{version}: {stderr}");
    }
    // A build that said nothing has a log, which is empty.
    let silent = ["log", "--store", store, &logged.library];
    assert_eq!(
        person.nix("nix", silent).ok().stdout.trim(),
        "",
        "{version}"
    );
    let ls = ["store", "ls", "--store", store, "--long", &logged.app];
    let listed = person.nix("nix", ls).ok().stdout;
    assert!(listed.starts_with("-r--r--r--"), "{version}: {listed}");
    let cat = ["store", "cat", "--store", store, &logged.app];
    let content = format!("made of {}\n", logged.library);
    assert_eq!(person.nix("nix", cat).ok().stdout, content, "{version}");
}

/// A token that is revoked reads neither, also where it has read before.
fn revoked_reads_nothing(site: &Site, nix: &'static Nix, logged: &Logged) {
    let person = site.token(nix, "alice", &["pull"], &[]);
    let log = ["log", "--store", site.url(), &logged.app];
    person.nix("nix", log).ok();
    let status = person.fh(["status", "--json"]).ok().json();
    let id = status["token_id"].as_str().unwrap();
    site.admin.fh(["token", "revoke", "--yes", id]).ok();
    let ended = person.nix("nix", log).failed();
    assert_lacks(&ended.stdout, &["building"]);
    let listing = format!("/{}.ls", hash_part(&logged.app));
    let derivation = logged.derivation.strip_prefix("/nix/store/").unwrap();
    for path in [listing, format!("/log/{derivation}")] {
        let token = person.token();
        assert_eq!(site.server.get(&path, Some(&token)).unwrap().status, 401);
        assert_eq!(site.server.get(&path, None).unwrap().status, 404);
        let token = site.server.admin_token();
        site.server
            .get(&path, Some(token))
            .unwrap()
            .expect(200)
            .unwrap();
    }
}

/// The listing is the one that Nix itself writes into a cache.
#[test]
fn listings_are_those_that_nix_writes() {
    let built = crate::nix::Built::new("listings");
    let site = Site::acme(TestServer::builder());
    push(&site.admin, &[built.top()]);
    for nix in versions() {
        let person = Person::new(None, nix);
        let cache = tempfile::tempdir().unwrap();
        let to = format!(
            "file://{}?write-nar-listing=true&compression=none",
            cache.path().display()
        );
        person.nix("nix", ["copy", "--to", &to, built.top()]).ok();
        for path in built.paths() {
            let name = format!("{}.ls", hash_part(&path));
            let theirs = std::fs::read_to_string(cache.path().join(&name)).unwrap();
            let token = Some(site.server.admin_token());
            let ours = site.server.get(&format!("/{name}"), token).unwrap();
            let ours = ours.expect(200).unwrap().text();
            if nix.is_at_least(2, 26) {
                assert_eq!(ours, theirs, "{path}");
            } else {
                let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                assert_eq!(json(&ours), json(&theirs), "{path}");
            }
        }
    }
}

#[test]
fn logs_stay_at_home_where_that_is_wanted() {
    let seed = format!("{}-home", std::process::id());
    let logged = Logged::build(newest(), &seed);
    let site = site(&logged);
    let pushed = push(&site.admin, &["--no-logs", &logged.app]);
    assert_eq!(pushed["logs"]["found"], 0, "{pushed}");
    let log = ["log", "--store", site.url(), &logged.app];
    site.admin.nix("nix", log).failed();
    let dry = push(&site.admin, &["--dry-run", &logged.app]);
    assert_eq!(dry["logs"]["to_send"], 2, "{dry}");
    // They can still be brought later.
    let later = site.admin.fh(["push", "acme/app", &logged.app]).ok();
    later.says(&["2 build logs sent"]);
    site.admin.nix("nix", log).ok();
    // A store with a root has its logs below it: here, none.
    let store = ScratchStore::new().unwrap();
    let copy = ["copy", "--no-check-sigs", "--to", &store.uri(), &logged.app];
    site.admin.nix("nix", copy).ok();
    let chroot = push(&site.admin, &["--store", &store.uri(), &logged.app]);
    assert_eq!(chroot["logs"]["found"], 0, "{chroot}");
}
