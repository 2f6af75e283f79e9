//! Settings in nix.conf: which values stand there because of whom.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::Result;
use crate::nix_conf::{NixConf, SetIfUnset};

/// A value that we added to a list, or gave a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueRecord {
    /// The setting, as it was written.
    name: String,
    value: String,
    /// Never empty.
    owners: BTreeSet<String>,
}

impl ValueRecord {
    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        self.owners.iter().map(String::as_str)
    }
}

/// What became of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListChange {
    /// What was written, in its order; a value that only changed its place is here too.
    pub added: Vec<String>,
    /// What was removed, also to be written elsewhere.
    pub removed: Vec<String>,
}

impl ListChange {
    /// Whether the text is as it was.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

impl Ledger {
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
        let added = conf.add_to_list(name, values)?;
        let records = &mut self.file(path).lists;
        for value in values.iter().map(AsRef::as_ref) {
            note(
                records,
                owner,
                name,
                value,
                added.iter().any(|new| new == value),
            );
        }
        self.prune();
        Ok(added)
    }

    /// Whether a value stands in a list because of an owner.
    #[must_use]
    pub fn has_value(&self, path: &Path, owner: &str, name: &str, value: &str) -> bool {
        let records = self.known_file(path).map_or(&[][..], |file| &file.lists);
        records.iter().any(|record| {
            record.name == name && record.value == value && record.owners.contains(owner)
        })
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
        let records = self.known_file(path).map_or(&[][..], |file| &file.lists);
        let ours = || {
            records
                .iter()
                .filter(|record| record.name == name && record.owners.contains(owner))
        };
        // What nobody else has a part in: only that can change its place.
        let alone: BTreeSet<&str> = ours()
            .filter(|record| record.owners.len() == 1)
            .map(|record| record.value.as_str())
            .collect();
        let ours: BTreeSet<&str> = ours().map(|record| record.value.as_str()).collect();
        let wanted: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        // As they stand in the file, which is how Nix takes them.
        let present = conf.effective_list(name);
        let kept: Vec<&str> = present
            .iter()
            .map(String::as_str)
            .filter(|value| alone.contains(value) && wanted.contains(value))
            .collect();
        let alone_or_new = wanted
            .iter()
            .copied()
            .filter(|value| alone.contains(value) || !conf.list_contains(name, value));
        let in_order = alone_or_new.take(kept.len()).eq(kept.iter().copied());
        let stays = |value: &str| wanted.contains(&value) && (in_order || !alone.contains(value));
        let goes = |value: &str| ours.contains(value) && !stays(value);
        let mut removed = Vec::new();
        let mut edited = conf.clone();
        let mut ledger = self.clone();
        let lists = &mut ledger.file(path).lists;
        for record in lists.iter_mut().rev() {
            if record.name != name || !goes(&record.value) || !record.owners.remove(owner) {
                continue;
            }
            if record.owners.is_empty() && edited.take_from_list(name, &record.value)? {
                removed.push(record.value.clone());
            }
        }
        lists.retain(|record| !record.owners.is_empty());
        let added = ledger.add_to_list(path, owner, &mut edited, name, values)?;
        *self = ledger;
        *conf = edited;
        removed.reverse();
        Ok(ListChange { added, removed })
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
        let outcome = conf.set_if_unset(name, value)?;
        let records = &mut self.file(path).settings;
        match &outcome {
            SetIfUnset::Set => note(records, owner, name, value, true),
            SetIfUnset::AlreadySet(present) => note(records, owner, name, present, false),
        }
        self.prune();
        Ok(outcome)
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
        let removed = conf.remove_public_keys(keys)?;
        if let Some(file) = self.files.iter_mut().find(|file| file.path == path) {
            file.lists.retain(|record| !removed.contains(&record.value));
        }
        Ok(removed)
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
        let Some(index) = self.files.iter().position(|file| file.path == path) else {
            return Ok(Vec::new());
        };
        let mut file = self.files[index].clone();
        let mut edited = conf.clone();
        let mut changed = Vec::new();
        for record in let_go(&mut file.lists, owner).iter().rev() {
            if edited.take_from_list(&record.name, &record.value)? {
                changed.push(record.name.clone());
            }
        }
        for record in let_go(&mut file.settings, owner).iter().rev() {
            if edited.unset(&record.name, &record.value)? {
                changed.push(record.name.clone());
            }
        }
        changed.reverse();
        changed.dedup();
        self.files[index] = file;
        *conf = edited;
        Ok(changed)
    }
}

/// Notes that a value has this owner, if it is new or stands there because of another one.
fn note(records: &mut Vec<ValueRecord>, owner: &str, name: &str, value: &str, is_new: bool) {
    let known = records
        .iter_mut()
        .find(|record| record.name == name && record.value == value);
    match known {
        Some(known) => {
            known.owners.insert(owner.to_owned());
        }
        None if is_new => records.push(ValueRecord {
            name: name.to_owned(),
            value: value.to_owned(),
            owners: BTreeSet::from([owner.to_owned()]),
        }),
        None => {}
    }
}

/// Takes an owner out of the records; gives back those that have no other.
fn let_go(records: &mut Vec<ValueRecord>, owner: &str) -> Vec<ValueRecord> {
    for record in records.iter_mut() {
        record.owners.remove(owner);
    }
    let is_ownerless = |record: &mut ValueRecord| record.owners.is_empty();
    records.extract_if(.., is_ownerless).collect()
}
