//! Permission bits: what a login has made of them, and what they were before.
//!
//! The logins of several servers share the bits of one file. They come back when the last owner of
//! anything in the file goes, and only if they are still what a login made of them.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Ledger;

/// The permission bits of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModeRecord {
    /// Before the first login.
    before: u32,
    /// What a login has made of them.
    set: u32,
    /// Whose logins have changed them and are still there; may be empty while others have something
    /// else in the file.
    owners: BTreeSet<String>,
}

impl ModeRecord {
    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        self.owners.iter().map(String::as_str)
    }
}

impl Ledger {
    /// Notes that a login changes the permission bits of a netrc from `before` to `set`.
    pub fn will_set_mode(&mut self, path: &Path, owner: &str, before: u32, set: u32) {
        let record = &mut self.file(path).mode;
        let mut noted = record.take().unwrap_or_else(|| ModeRecord {
            before,
            set: before,
            owners: BTreeSet::new(),
        });
        // Bits that are not those of the last login are somebody else's, and what comes back.
        if noted.set != before {
            noted.before = before;
        }
        noted.set = set;
        noted.owners.insert(owner.to_owned());
        *record = Some(noted);
    }

    /// Takes back what an owner's logins did to the permission bits of a file, which are `now`. To be
    /// called after the rest was taken back from the file, and before [`Ledger::file_to_remove`].
    /// Gives back the bits that the file is to have again; `None` where they stay.
    pub fn take_back_mode(&mut self, path: &Path, owner: &str, now: u32) -> Option<u32> {
        let file = self.files.iter_mut().find(|file| file.path == path)?;
        file.mode.as_mut()?.owners.remove(owner);
        if !file.owners().is_empty() {
            return None;
        }
        let noted = file.mode.take()?;
        (noted.set == now).then_some(noted.before)
    }
}
