//! A listing as it is stored.

use std::fs::File;

/// A listing that is kept: one zstd frame of JSON.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Open for reading, at its start.
    pub(crate) file: File,
    /// Bytes of the file.
    pub(crate) file_size: u64,
    /// Bytes of the JSON.
    pub(crate) size: u64,
}
