//! Making objects of staged files, each for itself.

use std::collections::HashMap;
use std::fs;
#[cfg(target_os = "linux")]
use std::io;
use std::path::{Path, PathBuf};

use fh_nix::NarHash;

use super::{Context as _, FileStorage, StagedFile, StorageError, names};
use fh_file as files;

/// From how many files on, one flush of the whole file system is cheaper than one of each file and
/// directory: measured on ext4, 500 files in 390 directories take 12 ms against 80 ms with eight
/// threads and 200 ms one after the other.
#[cfg(target_os = "linux")]
const FLUSH_ALL_FROM: usize = 8;

/// An object that is on disk for good and that no row tells of yet. It has to be [taken back](Self::take_back) where
/// none ever will: else it lies there until it is collected.
#[derive(Debug)]
pub struct PlacedFile {
    path: PathBuf,
    /// Where it came from, if it is to go back there.
    origin: Option<PathBuf>,
    flushed: bool,
}

impl PlacedFile {
    /// Undoes its placing: received parts lie where they lay before, so that the upload can go on with them; any
    /// other file is removed. Only where it is certain that no row tells of it.
    pub fn take_back(self) -> Result<(), StorageError> {
        match self.origin {
            Some(origin) => fs::rename(&self.path, &origin).context("move back", &self.path),
            None => names::clear(&self.path),
        }
    }

    fn directory(&self) -> Option<&Path> {
        self.path.parent()
    }
}

impl FileStorage {
    /// Makes objects of staged files: each of them when it is on disk for good, or why it is not. What failed is
    /// where it was before, or gone.
    ///
    /// What lay under an object's name is replaced.
    pub fn place(
        &self,
        files: impl IntoIterator<Item = (NarHash, StagedFile)>,
    ) -> Vec<(NarHash, Result<PlacedFile, StorageError>)> {
        let mut placed = Vec::new();
        let mut directory_made = false;
        for (nar_hash, file) in files {
            let renamed = self.rename(&nar_hash, file, &mut directory_made);
            placed.push((nar_hash, renamed));
        }
        let flushed_all = self.flush_all(&placed).and_then(|done| {
            if directory_made && !done {
                names::sync_directory(&self.shared.objects)?;
            }
            Ok(done)
        });
        match flushed_all {
            Ok(true) => return placed,
            Ok(false) => {}
            Err(error) => {
                for (_, one) in &mut placed {
                    fail(one, || error.again());
                }
                return placed;
            }
        }
        let mut directories: HashMap<PathBuf, Result<(), StorageError>> = HashMap::new();
        for (_, one) in &mut placed {
            let Ok(file) = one else { continue };
            let flushed = if file.flushed {
                Ok(())
            } else {
                files::open_regular(&file.path)
                    .and_then(|open| open.sync_all())
                    .context("flush", &file.path)
            };
            let flushed = flushed.and_then(|()| match file.directory() {
                None => Ok(()),
                Some(directory) => directories
                    .entry(directory.to_owned())
                    .or_insert_with(|| names::sync_directory(directory))
                    .as_ref()
                    .map(|&()| ())
                    .map_err(StorageError::again),
            });
            if let Err(error) = flushed {
                fail(one, || error);
            }
        }
        placed
    }

    fn rename(
        &self,
        nar_hash: &NarHash,
        file: StagedFile,
        directory_made: &mut bool,
    ) -> Result<PlacedFile, StorageError> {
        let path = self.object_path(nar_hash);
        let flushed = file.is_flushed();
        *directory_made |= names::put(file.path(), &path)?;
        let origin = file.forget();
        Ok(PlacedFile {
            path,
            origin,
            flushed,
        })
    }

    /// Makes sure that all of these are on disk, where that is cheaper than one after the other: whether it was.
    fn flush_all(
        &self,
        placed: &[(NarHash, Result<PlacedFile, StorageError>)],
    ) -> Result<bool, StorageError> {
        #[cfg(target_os = "linux")]
        {
            let good = placed.iter().filter_map(|(_, one)| one.as_ref().ok());
            let files = good.clone().filter(|file| !file.flushed).count();
            let mut directories: Vec<_> = good.filter_map(PlacedFile::directory).collect();
            directories.sort_unstable();
            directories.dedup();
            if files + directories.len() < FLUSH_ALL_FROM {
                return Ok(false);
            }
            rustix::fs::syncfs(&self.shared.root)
                .map_err(io::Error::from)
                .context("flush the file system of", &self.shared.objects)?;
            Ok(true)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = placed;
            Ok(false)
        }
    }
}

/// What was placed is taken back, as it failed after that.
fn fail(placed: &mut Result<PlacedFile, StorageError>, error: impl FnOnce() -> StorageError) {
    if placed.is_err() {
        return;
    }
    if let Ok(file) = std::mem::replace(placed, Err(error()))
        && let Err(error) = file.take_back()
    {
        tracing::warn!(error = %fh_api::with_causes(&error), "a file without a row stays behind");
    }
}
