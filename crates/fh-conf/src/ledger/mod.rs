//! What logins have added to the files of a person or machine, so that it can be taken back.
//!
//! A [`Ledger`] is kept for all files and all servers together, because these share more than is
//! seen at first: the line `netrc-file` that the first login wrote serves the second as well; two
//! servers on one host have one netrc entry; a file that the first login made is empty only when
//! the last one is gone. So everything here has *owners* (the addresses of servers, or whatever the
//! caller tells them apart by), and goes when its last owner does.
//!
//! It is a plain value with serde's traits. The caller keeps it, in a file that only the owner can
//! read: it may hold netrc entries that were replaced, with their passwords. A login is
//!
//! ```text
//! hold the lock → read ledger and files → edit texts and ledger by the methods here
//!     → write the ledger → write the files → let go of the lock
//! ```
//!
//! in this order, because a ledger that names what a killed login did not come to write does no
//! harm: what is not there (any more) is not taken back.
//!
//! # Invariants
//!
//! - After any logins and logouts in any order, once the last owner is gone, the files are as they
//!   were before the first, byte for byte, unless somebody else has changed them since.
//! - What somebody else has changed since is theirs: a netrc entry with another password stays, and
//!   so does a value that stood there before us.
//! - So are their permission bits, unless somebody else has changed them since.
//! - One change is not undone: that keys which a server has retired came out.

mod json;
mod mode;
mod netrc;
mod nix_conf;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use netrc::{Standing, TakenBack};
pub use nix_conf::ListChange;

/// What logins have added to which files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    files: Vec<FileRecord>,
}

/// What stands in one file because of us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRecord {
    path: PathBuf,
    /// Whether a login made the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    created: bool,
    /// The directories that were made for it, the uppermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    directories: Vec<PathBuf>,
    /// Permission bits that a login has changed. Absent in ledgers of before they were noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<mode::ModeRecord>,
    /// Netrc entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<netrc::HostRecord>,
    /// Values of lists in nix.conf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lists: Vec<nix_conf::ValueRecord>,
    /// Single settings in nix.conf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    settings: Vec<nix_conf::ValueRecord>,
    /// Texts in lists of a JSON file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    texts: Vec<json::TextRecord>,
}

impl FileRecord {
    fn owners(&self) -> BTreeSet<&str> {
        let hosts = self.hosts.iter().flat_map(netrc::HostRecord::owners);
        let values = self.lists.iter().chain(&self.settings);
        hosts
            .chain(values.flat_map(nix_conf::ValueRecord::owners))
            .chain(self.mode.iter().flat_map(mode::ModeRecord::owners))
            .chain(self.texts.iter().flat_map(json::TextRecord::owners))
            .collect()
    }
}

impl Ledger {
    /// Notes that a login makes this file, and these directories for it, as
    /// [`crate::atomic::missing_directories`] names them. To be called where there is no file.
    pub fn will_create(&mut self, path: &Path, directories: &[PathBuf]) {
        let record = self.file(path);
        record.created = true;
        adopt(&mut record.directories, directories);
    }

    /// The files in which something stands because of this owner.
    #[must_use]
    pub fn files_of(&self, owner: &str) -> Vec<&Path> {
        let files = self
            .files
            .iter()
            .filter(|file| file.owners().contains(owner));
        files.map(|file| file.path.as_path()).collect()
    }

    /// Whether a file is a netrc, as far as logins have changed it.
    #[must_use]
    pub fn is_netrc(&self, path: &Path) -> bool {
        let file = self.known_file(path);
        // Of a nix.conf no login changes the permission bits.
        file.is_some_and(|file| !file.hosts.is_empty() || file.mode.is_some())
    }

    /// All owners of anything.
    #[must_use]
    pub fn owners(&self) -> BTreeSet<&str> {
        self.files.iter().flat_map(FileRecord::owners).collect()
    }

    /// To be called with the text that a file has after something was taken back from it: if it
    /// should be removed now, because a login made it and nothing is left in it, the directories
    /// that were made for it, which can go if they are empty
    /// ([`crate::atomic::remove_empty_directories`]). `None` for a file that stays.
    pub fn file_to_remove(&mut self, path: &Path, text: &[u8]) -> Option<Vec<PathBuf>> {
        let index = self.files.iter().position(|file| file.path == path)?;
        if !self.files[index].owners().is_empty() {
            return None;
        }
        let record = self.files.remove(index);
        if !record.created || !text.is_empty() {
            return None;
        }
        // A directory goes with the last of our files in it.
        for directory in &record.directories {
            let inside = self
                .files
                .iter_mut()
                .filter(|file| file.created && file.path.starts_with(directory));
            for file in inside {
                adopt(&mut file.directories, std::slice::from_ref(directory));
            }
        }
        Some(record.directories)
    }

    fn file(&mut self, path: &Path) -> &mut FileRecord {
        let index = match self.files.iter().position(|file| file.path == path) {
            Some(index) => index,
            None => {
                self.files.push(FileRecord {
                    path: path.to_owned(),
                    created: false,
                    directories: Vec::new(),
                    mode: None,
                    hosts: Vec::new(),
                    lists: Vec::new(),
                    settings: Vec::new(),
                    texts: Vec::new(),
                });
                self.files.len() - 1
            }
        };
        &mut self.files[index]
    }

    /// Drops what says nothing.
    fn prune(&mut self) {
        self.files
            .retain(|file| file.created || !file.owners().is_empty());
    }

    fn known_file(&self, path: &Path) -> Option<&FileRecord> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// Adds directories to those that are known, the uppermost first.
fn adopt(known: &mut Vec<PathBuf>, more: &[PathBuf]) {
    known.extend_from_slice(more);
    known.sort();
    known.dedup();
}
