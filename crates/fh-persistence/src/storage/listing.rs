//! Listings, beside the objects that they are of. They can be made again: losing one loses nothing.

use std::fs::File;
use std::path::PathBuf;

use fh_file::{self as files, NotRegular};
use fh_nix::NarHash;

use super::{Context as _, FileStorage, StagedFile, StorageError, names};

/// What the name of a listing ends with.
pub(super) const LISTING_SUFFIX: &str = ".ls.zst";

impl FileStorage {
    /// Opens a listing for reading, and tells its size in bytes; `None` where there is none.
    pub fn listing(&self, nar_hash: &NarHash) -> Result<Option<(File, u64)>, StorageError> {
        let path = self.listing_path(nar_hash);
        let file = match files::open_regular(&path) {
            Err(error) if names::is_absence(&error) => return Ok(None),
            Err(error) if NotRegular::of(&error).is_some() => {
                names::clear(&path)?;
                return Ok(None);
            }
            result => result.context("open", &path)?,
        };
        let size = file.metadata().context("examine", &path)?.len();
        Ok(Some((file, size)))
    }

    /// Keeps the listing of an object, in place of one that there may be. The file has been flushed: a
    /// power cut leaves all of it or nothing.
    pub fn place_listing(&self, nar_hash: &NarHash, file: StagedFile) -> Result<(), StorageError> {
        file.rename_to(&self.listing_path(nar_hash))?;
        drop(file.forget());
        Ok(())
    }

    /// Removes a listing; one that is not there is no error.
    pub fn remove_listing(&self, nar_hash: &NarHash) -> Result<(), StorageError> {
        names::clear(&self.listing_path(nar_hash))
    }

    pub(super) fn listing_path(&self, nar_hash: &NarHash) -> PathBuf {
        self.path_of(nar_hash, LISTING_SUFFIX)
    }
}
