//! Permission bits: what a login has made of them, and what they were before.
//!
//! The logins of several servers share the bits of one file. They come back when the last owner of
//! anything in the file goes, and only if they are still what a login made of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

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

    /// Notes in `noted` that an owner's login changes the bits from `before` to `set`.
    pub(super) fn note(noted: &mut Option<Self>, owner: &str, before: u32, set: u32) {
        let record = noted.get_or_insert_with(|| Self {
            before,
            set: before,
            owners: BTreeSet::new(),
        });
        // Bits that are not those of the last login are somebody else's, and what comes back.
        if record.set != before {
            record.before = before;
        }
        record.set = set;
        record.owners.insert(owner.to_owned());
    }

    /// Forgets that an owner's logins have changed the bits.
    pub(super) fn let_go(&mut self, owner: &str) {
        self.owners.remove(owner);
    }

    /// The bits from before, if they are `now` still what a login made of them.
    pub(super) fn undone(&self, now: u32) -> Option<u32> {
        (self.set == now).then_some(self.before)
    }
}
