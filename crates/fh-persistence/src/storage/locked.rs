//! A file that this process alone works on.

use std::fs::File;

/// A file whose lock ends with this, also where a copy of its handle still waits for the disk.
#[derive(Debug)]
pub(super) struct LockedFile(pub(super) File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing the last handle does the same, later.
        let _ = self.0.unlock();
    }
}
