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

use crate::Result;
use crate::json::JsonText;
use crate::netrc::{Change, Netrc};
use crate::nix_conf::{NixConf, SetIfUnset};
use json::TextRecord;
use mode::ModeRecord;
use netrc::HostRecord;
use nix_conf::ValueRecord;

/// What logins have added to which files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    files: Vec<FileRecord>,
}

/// What stands in one file because of us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    mode: Option<ModeRecord>,
    /// Entries of hosts in a netrc.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<HostRecord>,
    /// Values of lists in nix.conf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lists: Vec<ValueRecord>,
    /// Single settings in nix.conf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    settings: Vec<ValueRecord>,
    /// Texts in lists of a JSON file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    texts: Vec<TextRecord>,
}

impl FileRecord {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// Whether it says nothing: to be forgotten.
    fn is_empty(&self) -> bool {
        !self.created && self.mode.is_none() && self.owners().is_empty()
    }

    fn owners(&self) -> BTreeSet<&str> {
        let hosts = self.hosts.iter().flat_map(HostRecord::owners);
        let values = self.lists.iter().chain(&self.settings);
        hosts
            .chain(values.flat_map(ValueRecord::owners))
            .chain(self.mode.iter().flat_map(ModeRecord::owners))
            .chain(self.texts.iter().flat_map(TextRecord::owners))
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

    /// [`NixConf::add_to_list`] for an owner. A value that stands there because of another owner
    /// gets this one too; one that stands there anyway is the person's own.
    ///
    /// # Errors
    ///
    /// As [`NixConf::add_to_list`]; neither text nor ledger is changed then.
    pub fn add_to_list<V: AsRef<str>>(
        &mut self,
        path: &Path,
        owner: &str,
        conf: &mut NixConf,
        name: &str,
        values: &[V],
    ) -> Result<Vec<String>> {
        self.edit(path, conf, |file, conf| {
            nix_conf::add_to_list(&mut file.lists, owner, conf, name, values)
        })
    }

    /// Whether a value stands in a list because of an owner.
    #[must_use]
    pub fn has_value(&self, path: &Path, owner: &str, name: &str, value: &str) -> bool {
        let lists = self.known_file(path).map_or(&[][..], |file| &file.lists);
        nix_conf::has_value(lists, owner, name, value)
    }

    /// Makes what stands in a list because of an owner these values, in this order: those of its earlier
    /// logins that are not among them go, as far as no other owner has a part in them, and the rest is
    /// added as by [`Ledger::add_to_list`]. What stands there by anybody else stays where it is.
    ///
    /// # Errors
    ///
    /// As [`NixConf::add_to_list`] and [`NixConf::take_from_list`]; neither text nor ledger is changed then.
    pub fn set_list<V: AsRef<str>>(
        &mut self,
        path: &Path,
        owner: &str,
        conf: &mut NixConf,
        name: &str,
        values: &[V],
    ) -> Result<ListChange> {
        self.edit(path, conf, |file, conf| {
            nix_conf::set_list(&mut file.lists, owner, conf, name, values)
        })
    }

    /// [`NixConf::set_if_unset`] for an owner. A value that stands there because of another owner
    /// gets this one too; one that stands there anyway is the person's own.
    ///
    /// # Errors
    ///
    /// As [`NixConf::set_if_unset`]; neither text nor ledger is changed then.
    pub fn set_if_unset(
        &mut self,
        path: &Path,
        owner: &str,
        conf: &mut NixConf,
        name: &str,
        value: &str,
    ) -> Result<SetIfUnset> {
        self.edit(path, conf, |file, conf| {
            nix_conf::set_if_unset(&mut file.settings, owner, conf, name, value)
        })
    }

    /// [`NixConf::remove_public_keys`]: keys that a server has retired. They do not come back.
    ///
    /// # Errors
    ///
    /// As [`NixConf::remove_public_keys`]; neither text nor ledger is changed then.
    pub fn remove_public_keys<K: AsRef<str>>(
        &mut self,
        path: &Path,
        conf: &mut NixConf,
        keys: &[K],
    ) -> Result<Vec<String>> {
        self.edit(path, conf, |file, conf| {
            let removed = conf.remove_public_keys(keys)?;
            nix_conf::forget(&mut file.lists, &removed);
            Ok(removed)
        })
    }

    /// Takes back what an owner's logins did to a nix.conf, as far as no other owner has a part in
    /// it. Gives back the settings that changed, as they are written.
    ///
    /// # Errors
    ///
    /// As [`NixConf::take_from_list`]; neither text nor ledger is changed then.
    pub fn take_back_nix_conf(
        &mut self,
        path: &Path,
        owner: &str,
        conf: &mut NixConf,
    ) -> Result<Vec<String>> {
        self.edit(path, conf, |file, conf| {
            nix_conf::take_back(&mut file.lists, &mut file.settings, owner, conf)
        })
    }

    /// Whose the entry of a host in a netrc is now, so that a person can be asked before another
    /// server's token or somebody's password is replaced.
    #[must_use]
    pub fn netrc_standing(&self, path: &Path, netrc: &Netrc, host: &str) -> Standing {
        let hosts = self.known_file(path).map_or(&[][..], |file| &file.hosts);
        netrc::standing(hosts, netrc, host)
    }

    /// [`Netrc::set`] for an owner, with a note of what it replaces. An entry that is right already
    /// without a login is the person's own, and stays when the owner goes.
    ///
    /// # Errors
    ///
    /// As [`Netrc::set`]; neither text nor ledger is changed then.
    pub fn set_netrc_entry(
        &mut self,
        path: &Path,
        owner: &str,
        netrc: &mut Netrc,
        host: &str,
        login: &str,
        password: &str,
    ) -> Result<Change> {
        self.edit(path, netrc, |file, netrc| {
            netrc::set(&mut file.hosts, owner, netrc, host, login, password)
        })
    }

    /// Puts an owner's new token wherever its former one is: into the entries of hosts, and into what is kept of it
    /// where another owner's has taken its place. Entries that somebody has changed since stay. The hosts whose
    /// entry is another one now.
    ///
    /// # Errors
    ///
    /// As [`Netrc::set`]; neither text nor ledger is changed then.
    pub fn renew_netrc(
        &mut self,
        path: &Path,
        owner: &str,
        netrc: &mut Netrc,
        former: &str,
        token: &str,
    ) -> Result<Vec<String>> {
        self.edit(path, netrc, |file, netrc| {
            netrc::renew(&mut file.hosts, owner, netrc, former, token)
        })
    }

    /// Takes back what an owner's logins did to a netrc, for each host.
    ///
    /// # Errors
    ///
    /// As [`Netrc::put_back`] and [`Netrc::set`]; neither text nor ledger is changed then.
    pub fn take_back_netrc(
        &mut self,
        path: &Path,
        owner: &str,
        netrc: &mut Netrc,
    ) -> Result<Vec<(String, TakenBack)>> {
        self.edit(path, netrc, |file, netrc| {
            netrc::take_back(&mut file.hosts, owner, netrc)
        })
    }

    /// [`JsonText::add_to_list`] for an owner. A text that stands there because of another owner gets this one too; one
    /// that stands there anyway is the person's own. Gives back whether the file changes.
    ///
    /// # Errors
    ///
    /// As [`JsonText::add_to_list`]; neither text nor ledger is changed then.
    pub fn add_to_json(
        &mut self,
        path: &Path,
        owner: &str,
        json: &mut JsonText,
        keys: &[&str],
        text: &str,
    ) -> Result<bool> {
        self.edit(path, json, |file, json| {
            let made = json.add_to_list(keys, text)?;
            json::note(&mut file.texts, owner, keys, text, made);
            Ok(made.is_some())
        })
    }

    /// Whether logins have added to a file as to one of JSON.
    #[must_use]
    pub fn is_json(&self, path: &Path) -> bool {
        let file = self.known_file(path);
        file.is_some_and(|file| !file.texts.is_empty())
    }

    /// Takes out what stands in a JSON file because of an owner alone.
    ///
    /// # Errors
    ///
    /// As [`JsonText::take_from_list`]; neither text nor ledger is changed then.
    pub fn take_back_json(&mut self, path: &Path, owner: &str, json: &mut JsonText) -> Result<()> {
        self.edit(path, json, |file, json| {
            json::take_back(&mut file.texts, owner, json)
        })
    }

    /// Notes that a login changes the permission bits of a netrc from `before` to `set`.
    pub fn will_set_mode(&mut self, path: &Path, owner: &str, before: u32, set: u32) {
        ModeRecord::note(&mut self.file(path).mode, owner, before, set);
    }

    /// Takes back what an owner's logins did to the permission bits of a file, which are `now`. To be
    /// called after the rest was taken back from the file, and before [`Ledger::file_to_remove`].
    /// Gives back the bits that the file is to have again; `None` where they stay.
    pub fn take_back_mode(&mut self, path: &Path, owner: &str, now: u32) -> Option<u32> {
        let file = self.known_file_mut(path)?;
        file.mode.as_mut()?.let_go(owner);
        if !file.owners().is_empty() {
            return None;
        }
        file.mode.take()?.undone(now)
    }

    fn file(&mut self, path: &Path) -> &mut FileRecord {
        let known = self.files.iter().position(|file| file.path == path);
        let index = known.unwrap_or_else(|| {
            self.files.push(FileRecord::new(path));
            self.files.len() - 1
        });
        &mut self.files[index]
    }

    /// Edits what is noted of a file, and its text, in one: on an error both stay as they are.
    fn edit<T: Clone, A>(
        &mut self,
        path: &Path,
        text: &mut T,
        edit: impl FnOnce(&mut FileRecord, &mut T) -> Result<A>,
    ) -> Result<A> {
        let known = self.known_file(path).cloned();
        let mut record = known.unwrap_or_else(|| FileRecord::new(path));
        let mut edited = text.clone();
        let answer = edit(&mut record, &mut edited)?;
        *text = edited;
        if record.is_empty() {
            self.files.retain(|file| file.path != path);
        } else {
            *self.file(path) = record;
        }
        Ok(answer)
    }

    fn known_file(&self, path: &Path) -> Option<&FileRecord> {
        self.files.iter().find(|file| file.path == path)
    }

    fn known_file_mut(&mut self, path: &Path) -> Option<&mut FileRecord> {
        self.files.iter_mut().find(|file| file.path == path)
    }
}

/// Adds directories to those that are known, the uppermost first.
fn adopt(known: &mut Vec<PathBuf>, more: &[PathBuf]) {
    known.extend_from_slice(more);
    known.sort();
    known.dedup();
}
