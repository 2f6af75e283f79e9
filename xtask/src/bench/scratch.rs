//! Where a benchmark's servers store things.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// A directory below the workspace's `target`, so on the disk that holds the project, removed in the
/// end.
///
/// Deleting gigabytes makes ext4 busy for a while after the deletion returned, which the next run
/// would pay for: so each run gets a new directory, and all are deleted together.
pub(super) struct Scratch {
    directory: TempDir,
    next: AtomicUsize,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let parent = fh_testkit::target().join("bench");
        fs::create_dir_all(&parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
        Ok(Self {
            directory: tempfile::Builder::new().prefix("run-").tempdir_in(parent)?,
            next: AtomicUsize::new(0),
        })
    }

    /// The directory that holds them all.
    pub(super) fn root(&self) -> &Path {
        self.directory.path()
    }

    /// A new, empty directory for one run.
    pub(super) fn directory(&self) -> Result<PathBuf> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let directory = self.directory.path().join(number.to_string());
        fs::create_dir(&directory)?;
        Ok(directory)
    }
}

/// The bytes of all files below `directory`, as long as they say they are.
pub(super) fn bytes_below(directory: &Path) -> Result<u64> {
    let mut total = 0;
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
        {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                pending.push(entry.path());
            } else if metadata.is_file() {
                total += metadata.len();
            }
        }
    }
    Ok(total)
}
