//! Going through all objects, for the collection and for checks.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fh_nix::NarHash;

use super::listing::LISTING_SUFFIX;
use super::{Context as _, FileStorage, OBJECT_SUFFIX, StorageError, names};

/// A file in a directory of objects.
#[derive(Debug)]
pub struct FoundFile {
    /// The path to open it by.
    pub path: PathBuf,
    /// What it is called after; none where it is not named like an object.
    pub nar_hash: Option<NarHash>,
    /// Its size in bytes.
    pub size: u64,
}

impl FileStorage {
    /// The directories that objects lie in, for a walk through all of them.
    pub fn object_directories(&self) -> Result<Vec<PathBuf>, StorageError> {
        let objects = &self.shared.objects;
        let mut directories = Vec::new();
        for entry in fs::read_dir(objects).context("list", objects)? {
            let path = entry.context("list", objects)?.path();
            if path.is_dir() {
                directories.push(path);
            }
        }
        Ok(directories)
    }

    /// Where an object lies, below the data directory.
    pub fn object_name(&self, nar_hash: &NarHash) -> String {
        self.below_data(&self.object_path(nar_hash))
    }

    /// A path as seen from the data directory, for a person.
    pub fn below_data(&self, path: &Path) -> String {
        let data = self.shared.objects.parent().and_then(Path::parent);
        let below = data.and_then(|data| path.strip_prefix(data).ok());
        below.unwrap_or(path).display().to_string()
    }

    /// The objects in one of [`Self::object_directories`] that were written at least so long ago, each
    /// once; those too of which there is nothing but the listing.
    pub fn objects_older_than(
        &self,
        directory: &Path,
        age: Duration,
    ) -> Result<Vec<NarHash>, StorageError> {
        // A name that is no hash was put there by a person, and is left to that person.
        let files = self.files_older_than(directory, age)?.into_iter();
        let objects: BTreeSet<NarHash> = files.filter_map(|file| file.nar_hash).collect();
        Ok(objects.into_iter().collect())
    }

    /// The files in one of [`Self::object_directories`] that were written at least so long ago.
    pub fn files_older_than(
        &self,
        directory: &Path,
        age: Duration,
    ) -> Result<Vec<FoundFile>, StorageError> {
        let nar_hash = |name: &OsStr| {
            let name = name.to_str()?;
            let name = name
                .strip_suffix(OBJECT_SUFFIX)
                .or_else(|| name.strip_suffix(LISTING_SUFFIX))?;
            NarHash::from_base32(name).ok()
        };
        let files = names::older_than(directory, age, |name| Some(nar_hash(name)))?;
        let found = files.into_iter().map(|(path, size, nar_hash)| FoundFile {
            path,
            nar_hash,
            size,
        });
        Ok(found.collect())
    }
}
