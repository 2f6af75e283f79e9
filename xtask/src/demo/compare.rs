//! Whether what arrived is what was built.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fh_testkit::nix::ScratchStore;
use fh_testkit::nix::closure::Closure;

/// All that a store path consists of.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    Link(PathBuf),
    File { executable: bool, content: Vec<u8> },
}

/// Fails at the first path of the closure that is not the same in the store.
pub(super) fn closure(closure: &Closure, store: &ScratchStore) -> Result<()> {
    for path in &closure.paths {
        let built = entries(Path::new(path))?;
        let arrived = entries(&store.physical(path))?;
        ensure!(
            built.keys().eq(arrived.keys()),
            "{path} holds other files than what was built"
        );
        for (name, entry) in &built {
            ensure!(
                arrived.get(name) == Some(entry),
                "{path}: {} is not what was built",
                name.display()
            );
        }
    }
    Ok(())
}

/// Everything at and below `path`, by relative names.
fn entries(path: &Path) -> Result<BTreeMap<PathBuf, Entry>> {
    let mut all = BTreeMap::new();
    let mut pending = vec![path.to_owned()];
    while let Some(current) = pending.pop() {
        let metadata = current
            .symlink_metadata()
            .with_context(|| format!("{} is missing", current.display()))?;
        let entry = if metadata.is_dir() {
            for child in fs::read_dir(&current)? {
                pending.push(child?.path());
            }
            Entry::Directory
        } else if metadata.is_symlink() {
            Entry::Link(fs::read_link(&current)?)
        } else {
            Entry::File {
                executable: metadata.permissions().mode() & 0o100 != 0,
                content: fs::read(&current)?,
            }
        };
        all.insert(current.strip_prefix(path)?.to_owned(), entry);
    }
    Ok(all)
}
