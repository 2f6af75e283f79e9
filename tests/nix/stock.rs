//! A scratch store that is filled with random paths as fast as they can be written: no builders.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use fh_nix::{NarHash, NarReader, PathInfo, StoreDir};
use fh_testkit::nix::{Home, Nix, ScratchStore};
use fh_testkit::random::Random;

use super::built::builder;

/// The store and what is in it. Real Nix knows the paths, with references and NAR hashes.
pub(crate) struct Stock {
    store: ScratchStore,
    home: Home,
    nix: &'static Nix,
    infos: BTreeMap<String, PathInfo>,
}

impl Stock {
    /// A store without any path.
    pub(crate) fn new() -> Self {
        let store = ScratchStore::new().unwrap();
        fs::create_dir_all(store.physical("/nix/store")).unwrap();
        Self {
            store,
            home: Home::new().unwrap(),
            nix: builder(),
            infos: BTreeMap::new(),
        }
    }

    /// The store as `--store` of Nix and `fh` takes it.
    pub(crate) fn uri(&self) -> String {
        self.store.uri()
    }

    /// Where a path really lies.
    pub(crate) fn physical(&self, path: &str) -> std::path::PathBuf {
        self.store.physical(path)
    }

    /// The paths of the store in full.
    pub(crate) fn paths(&self) -> BTreeSet<String> {
        self.infos.keys().cloned().collect()
    }

    /// What is true of a path.
    pub(crate) fn info(&self, path: &str) -> &PathInfo {
        &self.infos[path]
    }

    /// The uncompressed size of these paths' NARs, in bytes.
    pub(crate) fn nar_size<'a>(&self, paths: impl IntoIterator<Item = &'a String>) -> u64 {
        paths.into_iter().map(|path| self.info(path).nar_size).sum()
    }

    /// Adds paths with about so many bytes each. Each refers to some of those before it, by chance,
    /// and the last one to all of the new ones. Gives back the new paths, the last of them last.
    pub(crate) fn add(&mut self, random: &mut Random, sizes: &[usize]) -> Vec<String> {
        let directory = StoreDir::default();
        let before: Vec<String> = self.infos.keys().cloned().collect();
        let mut new: Vec<String> = Vec::new();
        let mut registration = String::new();
        for (index, &size) in sizes.iter().enumerate() {
            let hash = fh_nix::base32::encode(&random.bytes(20));
            let path = format!("/nix/store/{hash}-stock-{index}");
            let mut references: BTreeSet<String> = BTreeSet::new();
            if index + 1 == sizes.len() {
                references.extend(new.iter().cloned());
            }
            for among in [&before, &new] {
                if !among.is_empty() && random.one_in(3) {
                    references.insert(random.pick(among).clone());
                }
            }
            self.write(random, &path, size, &references);
            let mut nar = Vec::new();
            let mut reader = NarReader::new(&self.store.physical(&path)).unwrap();
            let nar_size = reader.read_to_end(&mut nar).unwrap() as u64;
            let nar_hash = NarHash::of(&nar);
            let _ = write!(
                registration,
                "{path}\n{}\n{nar_size}\n\n{}\n",
                nar_hash.to_hex(),
                references.len()
            );
            for reference in &references {
                let _ = writeln!(registration, "{reference}");
            }
            let info = PathInfo {
                path: directory.parse_path(&path).unwrap(),
                nar_hash,
                nar_size,
                references: references
                    .iter()
                    .map(|reference| directory.parse_path(reference).unwrap())
                    .collect(),
                deriver: None,
                signatures: Vec::new(),
                ca: None,
            };
            self.infos.insert(path.clone(), info);
            new.push(path);
        }
        let mut register = self.nix.command("nix-store", &self.home);
        let mut child = register
            .env("NIX_REMOTE", self.uri())
            .arg("--load-db")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(registration.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
        new
    }

    /// A directory or a file; half of the bytes compress.
    fn write(&self, random: &mut Random, path: &str, size: usize, references: &BTreeSet<String>) {
        let physical = self.store.physical(path);
        let mut content = random.bytes(size / 2);
        content.resize(size, b'.');
        for reference in references {
            content.extend_from_slice(reference.as_bytes());
        }
        if random.one_in(3) {
            fs::write(physical, content).unwrap();
            return;
        }
        fs::create_dir_all(physical.join("share/empty")).unwrap();
        fs::write(physical.join("share/content"), content).unwrap();
        std::os::unix::fs::symlink("share/content", physical.join("link")).unwrap();
    }

    /// These paths and all that they need.
    pub(crate) fn closure<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a String>,
    ) -> BTreeSet<String> {
        let directory = StoreDir::default();
        let mut closure = BTreeSet::new();
        let mut open: Vec<String> = paths.into_iter().cloned().collect();
        while let Some(path) = open.pop() {
            if closure.insert(path.clone()) {
                let references = &self.info(&path).references;
                open.extend(references.iter().map(|path| directory.display(path)));
            }
        }
        closure
    }
}
