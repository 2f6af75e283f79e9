//! What was built, seen by looking at the store's directory: for users to whom Nix's daemon does not
//! listen, so that they cannot have a hook.
//!
//! A new name is a path that is being built, substituted or added. While it is, a lock file lies beside
//! it; afterwards Nix is asked whether it is valid, and whether it was built. The directory is listed
//! only when it has changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fh_client::NixTools;
use fh_nix::StorePath;

/// The paths that come into a store.
pub(super) struct StoreWatch {
    directory: PathBuf,
    /// Names that were there before, or that were told apart.
    known: BTreeSet<StorePath>,
    /// Names that came, and of which it is not known yet what they are.
    candidates: BTreeSet<StorePath>,
    changed: Option<SystemTime>,
}

impl StoreWatch {
    /// Begins: what is there now is not new.
    pub(super) fn new(directory: &Path) -> std::io::Result<Self> {
        let changed = changed(directory);
        let (known, _) = list(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            known,
            candidates: BTreeSet::new(),
            changed,
        })
    }

    /// What was built since the last call, in full. With `thorough`, no matter whether anything seems
    /// to have changed.
    pub(super) async fn built(&mut self, tools: &NixTools, thorough: bool) -> Vec<String> {
        let now = changed(&self.directory);
        if !thorough && now == self.changed {
            return Vec::new();
        }
        let Ok((there, locked)) = list(&self.directory) else {
            return Vec::new();
        };
        let new = there.difference(&self.known).cloned();
        self.candidates.extend(new);
        // What is gone was a failed build's.
        self.candidates.retain(|path| there.contains(path));
        let ready: BTreeSet<StorePath> = self.candidates.difference(&locked).cloned().collect();
        // Nix is asked again at the next change where it does not answer.
        let Ok(told) = tools.built(&ready).await else {
            return Vec::new();
        };
        self.changed = now;
        for path in told.built.iter().chain(&told.others) {
            self.candidates.remove(path);
            self.known.insert(path.clone());
        }
        let full = |path: &StorePath| tools.store_dir.display(path);
        told.built.iter().map(full).collect()
    }
}

fn changed(directory: &Path) -> Option<SystemTime> {
    directory.metadata().and_then(|m| m.modified()).ok()
}

/// The store paths of a directory, and those beside which a lock lies. Derivations are never outputs.
fn list(directory: &Path) -> std::io::Result<(BTreeSet<StorePath>, BTreeSet<StorePath>)> {
    let (mut paths, mut locked) = (BTreeSet::new(), BTreeSet::new());
    for entry in directory.read_dir()? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        match name.strip_suffix(".lock") {
            Some(of) => locked.extend(of.parse::<StorePath>()),
            None if [".drv", ".chroot", ".check"]
                .iter()
                .any(|end| name.ends_with(end)) => {}
            None => paths.extend(name.parse::<StorePath>()),
        }
    }
    Ok((paths, locked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_derivations_are_no_paths() {
        let directory = tempfile::tempdir().unwrap();
        let hash = "a".repeat(32);
        for name in ["x", "x.lock", "y.drv", "y.drv.chroot", "z.check", "w.lock"] {
            std::fs::write(directory.path().join(format!("{hash}-{name}")), "").unwrap();
        }
        for name in [".links", "trash", "tmp-1-2"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let (paths, locked) = list(directory.path()).unwrap();
        let names = |paths: BTreeSet<StorePath>| -> Vec<String> {
            paths.iter().map(|path| path.name().to_owned()).collect()
        };
        assert_eq!(names(paths), ["x"]);
        assert_eq!(names(locked), ["w", "x"]);
    }
}
