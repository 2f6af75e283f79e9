//! A store in which the path of somebody's closure has another content: what an attacker pushes.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use fh_nix::{NarHash, NarReader};
use fh_testkit::nix::{Home, ScratchStore};

use crate::nix::Built;
use crate::nix::built::builder;

/// What stands in each forged path.
pub(crate) const MARK: &str = "#!/bin/sh\necho somebody else decides what runs here\n";

/// The store; it holds the closure's top path alone, without references.
pub(crate) struct Forged {
    store: ScratchStore,
    path: String,
}

impl Forged {
    /// Forges the top path of a closure. `word` makes it differ from other forgeries.
    pub(crate) fn of(built: &Built, word: &str) -> Self {
        let store = ScratchStore::new().unwrap();
        fs::create_dir_all(store.physical("/nix/store")).unwrap();
        let path = built.top().to_owned();
        let physical = store.physical(&path);
        fs::write(&physical, format!("{MARK}# {word}\n")).unwrap();
        let mut nar = Vec::new();
        let mut reader = NarReader::new(&physical).unwrap();
        let size = reader.read_to_end(&mut nar).unwrap();
        let mut registration = String::new();
        let hash = NarHash::of(&nar).to_hex();
        let _ = write!(registration, "{path}\n{hash}\n{size}\n\n0\n");
        let home = Home::new().unwrap();
        let mut child = builder()
            .command("nix-store", &home)
            .env("NIX_REMOTE", store.uri())
            .arg("--load-db")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(registration.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
        Self { store, path }
    }

    /// What `fh push --store` takes.
    pub(crate) fn uri(&self) -> String {
        self.store.uri()
    }

    /// The store path whose content is forged, in full.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}
