//! A store of files made for a test, with the path infos that Nix would have.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use fh_client::{Closure, ClosurePath};
use fh_nix::{NarHash, NarReader, PathInfo, StoreDir, StorePath, StorePathHash};

/// Where the paths lie, and what is known of them.
pub(crate) struct TestStore {
    directory: tempfile::TempDir,
    paths: Vec<ClosurePath>,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            paths: Vec::new(),
        }
    }

    /// Adds a path that is one file.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) -> PathInfo {
        let path = self.next_path(name);
        fs::write(self.file(&path), content).unwrap();
        self.register(path)
    }

    /// Adds a path that is a directory of these files and a symbolic link.
    pub(crate) fn add_tree(&mut self, name: &str, files: &[(&str, &[u8])]) -> PathInfo {
        let path = self.next_path(name);
        let root = self.file(&path);
        for (file, content) in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        std::os::unix::fs::symlink("elsewhere", root.join("link")).unwrap();
        self.register(path)
    }

    fn next_path(&self, name: &str) -> StorePath {
        let mut bytes = [0; 20];
        bytes[19] = u8::try_from(self.paths.len() / 256).unwrap();
        bytes[18] = u8::try_from(self.paths.len() % 256).unwrap();
        StorePath::new(StorePathHash::from_bytes(bytes), name).unwrap()
    }

    fn register(&mut self, path: StorePath) -> PathInfo {
        let nar = self.nar(&path);
        let info = PathInfo {
            nar_hash: NarHash::of(&nar),
            nar_size: nar.len() as u64,
            references: BTreeSet::from([path.clone()]),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            path,
        };
        self.paths.push(ClosurePath {
            info: info.clone(),
            context: false,
        });
        info
    }

    /// Says that a path was built by a derivation of that name: the derivation.
    pub(crate) fn derive(&mut self, path: &StorePath, name: &str) -> StorePath {
        let mut hash = *path.hash().as_bytes();
        hash[0] = 1;
        let hash = StorePathHash::from_bytes(hash);
        let derivation = StorePath::new(hash, &format!("{name}.drv")).unwrap();
        for known in &mut self.paths {
            if known.info.path == *path {
                known.info.deriver = Some(derivation.clone());
            }
        }
        derivation
    }

    /// The place of a path's files.
    pub(crate) fn file(&self, path: &StorePath) -> PathBuf {
        self.directory.path().join(path.to_string())
    }

    /// The NAR of a path, as its files are now.
    pub(crate) fn nar(&self, path: &StorePath) -> Vec<u8> {
        let mut nar = Vec::new();
        let mut reader = NarReader::new(&self.file(path)).unwrap();
        reader.read_to_end(&mut nar).unwrap();
        nar
    }

    /// Says that a path is told only because others refer to it.
    pub(crate) fn make_context(&mut self, path: &StorePath) {
        for known in &mut self.paths {
            known.context |= known.info.path == *path;
        }
    }

    pub(crate) fn closure(&self) -> Closure {
        let mut paths = self.paths.clone();
        paths.sort_by(|a, b| a.info.path.cmp(&b.info.path));
        Closure {
            store_dir: StoreDir::default(),
            real_store_dir: self.directory.path().to_owned(),
            paths,
        }
    }
}

/// Bytes that do not compress, always the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Bytes that compress about three to one.
pub(crate) fn prose(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 300);
    for chunk in noise(seed, length / 3 + 100).chunks(100) {
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(&[b'a'; 200]);
    }
    bytes.truncate(length);
    bytes
}
