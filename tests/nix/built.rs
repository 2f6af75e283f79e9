//! Closures in the machine's own store, and what Nix says of the paths of any store.

use std::path::{Path, PathBuf};

use fh_testkit::nix::closure::{self, Closure};
use fh_testkit::nix::{Home, Nix, ScratchStore, versions};
use tempfile::TempDir;

use super::process::{Ended, run};

/// The version that the machine has installed: what builds closures.
pub(crate) fn builder() -> &'static Nix {
    versions()
        .iter()
        .find(|nix| nix.origin().starts_with("installed"))
        .unwrap_or(&versions()[0])
}

/// The newest version there is.
pub(crate) fn newest() -> &'static Nix {
    versions().last().unwrap()
}

/// Eight paths, about 3 MiB, in the machine's store; deleted on drop.
pub(crate) struct Built {
    pub(crate) closure: Closure,
    home: Home,
    directory: TempDir,
}

impl Built {
    /// Builds them. What is built differs between all names and all processes.
    pub(crate) fn new(name: &str) -> Self {
        let home = Home::new().unwrap();
        let directory = tempfile::Builder::new()
            .prefix("fh-built-")
            .tempdir()
            .unwrap();
        let seed = format!("{name} {}", std::process::id());
        Self {
            closure: closure::small(builder(), &home, &seed, directory.path()).unwrap(),
            home,
            directory,
        }
    }

    /// The path that all others can be reached from.
    pub(crate) fn top(&self) -> &str {
        &self.closure.top
    }

    /// The paths of the closure in full, sorted.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = self.closure.paths.clone();
        paths.sort_unstable();
        paths
    }

    /// The path with this in its name.
    #[track_caller]
    pub(crate) fn path(&self, part: &str) -> &str {
        let found = self.closure.paths.iter().find(|path| path.contains(part));
        found.unwrap_or_else(|| panic!("{part}: {:?}", self.closure.paths))
    }

    /// The size of a path's NAR, in bytes.
    pub(crate) fn nar_size(&self, path: &str) -> u64 {
        let size = in_store(
            builder(),
            "local",
            "nix-store",
            &["--query", "--size", path],
        );
        size.ok().stdout.trim().parse().unwrap()
    }

    /// Where the link `result` is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The Nix expression that it was built from.
    pub(crate) fn expression(&self) -> PathBuf {
        self.directory.path().join("closure.nix")
    }

    /// Checks that a store has the closure, all of it and nothing else of it missing or changed:
    /// its files are hashed again.
    #[track_caller]
    pub(crate) fn assert_arrived(&self, nix: &Nix, store: &ScratchStore) {
        let uri = store.uri();
        let arrived = in_store(
            nix,
            &uri,
            "nix-store",
            &["--query", "--requisites", self.top()],
        );
        assert_eq!(arrived.ok().lines(), self.paths(), "{}", nix.version());
        let paths = self.paths();
        let expected = facts(nix, "local", &paths);
        assert_eq!(facts(nix, &uri, &paths), expected, "{}", nix.version());
        for path in &paths {
            assert!(expected.contains(path.as_str()), "{path}: {expected}");
        }
        in_store(nix, &uri, "nix-store", &["--verify", "--check-contents"]).ok();
    }

    /// Checks that a store has none of its paths.
    #[track_caller]
    pub(crate) fn assert_absent(&self, store: &ScratchStore) {
        for path in &self.closure.paths {
            let there = store.physical(path).symlink_metadata();
            assert!(there.is_err(), "{path} is there");
        }
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        let deleted = std::fs::remove_file(self.directory.path().join("result"))
            .map_err(Into::into)
            .and_then(|()| self.closure.delete(builder(), &self.home));
        // To panic while panicking would hide the failure of the test.
        if let Err(error) = deleted
            && !std::thread::panicking()
        {
            panic!("could not delete {}: {error:#}", self.top());
        }
    }
}

/// NAR hash, NAR size, deriver and references of each path, as Nix has them in its database.
fn facts(nix: &Nix, store: &str, paths: &[String]) -> String {
    let mut arguments = vec!["--dump-db"];
    arguments.extend(paths.iter().map(String::as_str));
    in_store(nix, store, "nix-store", &arguments).ok().stdout
}

/// Runs a tool on a store, as somebody who has configured nothing.
#[track_caller]
pub(crate) fn in_store(nix: &Nix, store: &str, tool: &str, arguments: &[&str]) -> Ended {
    let home = Home::new().unwrap();
    let mut command = nix.command(tool, &home);
    command.env("NIX_REMOTE", store).args(arguments);
    run(command)
}
