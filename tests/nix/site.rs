//! A server, and people who use it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use fh_testkit::nix::{Home, Nix, ScratchStore};
use fh_testkit::server::{Builder, TestServer};

use super::built::{Built, newest};
use super::process::{Ended, run};

/// A server, whose administrator is logged in.
pub(crate) struct Site {
    pub(crate) server: TestServer,
    pub(crate) admin: Person,
}

impl Site {
    pub(crate) fn start(builder: Builder) -> Self {
        let server = builder.start().unwrap();
        let token = server.data_dir().join("admin.token");
        let admin = Person::new(server.authority_file().as_deref(), newest());
        admin.log_in(server.url(), &token);
        Self { server, admin }
    }

    /// With the organisation acme and its private flake acme/app, which is empty.
    pub(crate) fn acme(builder: Builder) -> Self {
        let site = Self::start(builder);
        site.organization("acme");
        site.flake("acme/app", "private");
        site
    }

    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    /// Makes an organisation, which the administrator owns.
    pub(crate) fn organization(&self, name: &str) {
        self.admin.fh(["org", "create", name]).ok();
    }

    /// Makes a flake: `public`, `unlisted` or `private`.
    pub(crate) fn flake(&self, name: &str, visibility: &str) {
        self.admin
            .fh(["flake", "create", name, "--visibility", visibility])
            .ok();
    }

    /// Makes a user with these roles, and logs them in with a token for these permissions.
    pub(crate) fn user(
        &self,
        nix: &'static Nix,
        name: &str,
        grants: &[(&str, &str)],
        permissions: &[&str],
    ) -> Person {
        self.admin.fh(["user", "create", name]).ok();
        for (flake, role) in grants {
            self.admin.fh(["grant", "add", flake, name, role]).ok();
        }
        self.token(nix, name, permissions, &[])
    }

    /// Makes another token for a user, with more options, and logs in with it somewhere else.
    pub(crate) fn token(
        &self,
        nix: &'static Nix,
        user: &str,
        permissions: &[&str],
        options: &[&str],
    ) -> Person {
        let mut arguments = vec!["token", "create", "--user", user];
        for permission in permissions {
            arguments.extend(["--permission", permission]);
        }
        arguments.extend(options);
        let token = self.admin.fh(&arguments).ok().stdout;
        let person = self.stranger(nix);
        std::fs::write(person.token_file(), token).unwrap();
        person.log_in(self.url(), &person.token_file());
        person
    }

    /// Somebody who has not logged in, but knows the server's certificate authority.
    pub(crate) fn stranger(&self, nix: &'static Nix) -> Person {
        Person::new(self.server.authority_file().as_deref(), nix)
    }

    /// `nix.conf` lines with the server's two public keys, as anybody can learn them.
    pub(crate) fn trust(&self) -> String {
        let discovery = self.server.get("/.well-known/fh", None).unwrap();
        let discovery = discovery.expect(200).unwrap().json().unwrap();
        let keys: Vec<&str> = discovery["public_keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["public_key"].as_str().unwrap())
            .collect();
        assert_eq!(keys.len(), 2);
        format!("trusted-public-keys = {}", keys.join(" "))
    }

    /// How many paths a flake holds.
    pub(crate) fn paths_in(&self, flake: &str) -> u64 {
        let shown = self.admin.fh(["flake", "show", flake, "--json"]).ok();
        shown.json()["paths"].as_u64().unwrap()
    }

    /// Whether nobody, not even the administrator, gets any of these store paths.
    #[track_caller]
    pub(crate) fn assert_invisible(&self, paths: &[String]) {
        for path in paths {
            let narinfo = format!("/{}.narinfo", hash_part(path));
            let token = Some(self.server.admin_token());
            let answer = self.server.get(&narinfo, token).unwrap();
            assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        }
    }

    /// Somebody who reads all of a site gets all of a closure.
    #[track_caller]
    pub(crate) fn assert_serves(&self, built: &Built) {
        let store = ScratchStore::new().unwrap();
        self.admin.copy(self.url(), &store.uri(), built.top()).ok();
        built.assert_arrived(self.admin.nix, &store);
    }
}

/// Somebody with a home of their own and one version of Nix.
pub(crate) struct Person {
    pub(crate) home: Home,
    pub(crate) nix: &'static Nix,
}

impl Person {
    pub(crate) fn new(authority: Option<&Path>, nix: &'static Nix) -> Self {
        let mut home = Home::new().unwrap();
        if let Some(authority) = authority {
            home.set_variable("NIX_SSL_CERT_FILE", authority);
        }
        Self { home, nix }
    }

    /// `fh login`, in the scope of the user, with the token in a file.
    #[track_caller]
    pub(crate) fn log_in(&self, url: &str, token_file: &Path) {
        let login = ["login", "--scope", "user", "--server", url, "--token-file"].map(OsStr::new);
        self.fh(login.iter().copied().chain([token_file.as_os_str()]))
            .ok();
    }

    /// Where this person keeps their token.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.home.path().join("token")
    }

    /// The text of the token in that file.
    pub(crate) fn token(&self) -> String {
        let text = std::fs::read_to_string(self.token_file()).unwrap();
        text.trim().to_owned()
    }

    /// The `nix.conf` that `fh login` wrote.
    pub(crate) fn nix_conf(&self) -> PathBuf {
        self.home.config().join("nix/nix.conf")
    }

    /// `fh`, not started yet.
    pub(crate) fn fh_command<I, A>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fh"));
        self.nix.adopt(&mut command, &self.home);
        command.args(arguments).current_dir(self.home.path());
        command
    }

    /// Runs `fh` to its end in their home directory.
    #[track_caller]
    pub(crate) fn fh<I, A>(&self, arguments: I) -> Ended
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        run(self.fh_command(arguments))
    }

    /// Runs a command line of `fh` as it is typed: words with blanks between them, and no quotes.
    #[track_caller]
    pub(crate) fn typed(&self, line: impl AsRef<str>) -> Ended {
        self.fh(line.as_ref().split_whitespace())
    }

    /// Runs a tool of Nix, with nothing said about stores.
    #[track_caller]
    pub(crate) fn nix<I, A>(&self, tool: &str, arguments: I) -> Ended
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = self.nix.command(tool, &self.home);
        command.args(arguments);
        run(command)
    }

    /// `nix copy --from` a cache into a store.
    #[track_caller]
    pub(crate) fn copy(&self, from: &str, store: &str, path: &str) -> Ended {
        self.nix("nix", ["copy", "--from", from, "--to", store, path])
    }

    /// `nix build` in a store that can build nothing, only substitute.
    #[track_caller]
    pub(crate) fn build(&self, store: &str, what: &[&str]) -> Ended {
        let build = ["build", "--store", store, "--max-jobs", "0", "--no-link"];
        self.nix("nix", build.iter().chain(what))
    }

    /// `nix-store --realise` in a store that can build nothing, only substitute.
    #[track_caller]
    pub(crate) fn realise(&self, store: &str, path: &str) -> Ended {
        let mut command = self.nix.command("nix-store", &self.home);
        command
            .env("NIX_REMOTE", store)
            .args(["--realise", "--max-jobs", "0", path]);
        run(command)
    }
}

/// The hash part of a full store path.
pub(crate) fn hash_part(path: &str) -> &str {
    &path["/nix/store/".len()..][..32]
}
