//! Settings in nix.conf: which values stand there because of whom.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::nix_conf::{NixConf, SetIfUnset};

/// A value that we added to a list, or gave a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueRecord {
    /// The setting, as it was written.
    name: String,
    value: String,
    /// Who wants it there; never empty.
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

/// [`NixConf::add_to_list`] for an owner; what was added.
pub(super) fn add_to_list<V: AsRef<str>>(
    records: &mut Vec<ValueRecord>,
    owner: &str,
    conf: &mut NixConf,
    name: &str,
    values: &[V],
) -> Result<Vec<String>> {
    let added = conf.add_to_list(name, values)?;
    for value in values.iter().map(AsRef::as_ref) {
        let is_new = added.iter().any(|new| new == value);
        note(records, owner, name, value, is_new);
    }
    Ok(added)
}

/// Whether a value stands in a list because of an owner.
pub(super) fn has_value(records: &[ValueRecord], owner: &str, name: &str, value: &str) -> bool {
    records
        .iter()
        .any(|record| record.name == name && record.value == value && record.owners.contains(owner))
}

/// Makes what stands in a list because of an owner these values, in this order.
pub(super) fn set_list<V: AsRef<str>>(
    records: &mut Vec<ValueRecord>,
    owner: &str,
    conf: &mut NixConf,
    name: &str,
    values: &[V],
) -> Result<ListChange> {
    let before = records.clone();
    let ours = || {
        before
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
    for record in records.iter_mut().rev() {
        if record.name != name || !goes(&record.value) || !record.owners.remove(owner) {
            continue;
        }
        if record.owners.is_empty() && conf.take_from_list(name, &record.value)? {
            removed.push(record.value.clone());
        }
    }
    records.retain(|record| !record.owners.is_empty());
    let added = add_to_list(records, owner, conf, name, values)?;
    removed.reverse();
    Ok(ListChange { added, removed })
}

/// [`NixConf::set_if_unset`] for an owner.
pub(super) fn set_if_unset(
    records: &mut Vec<ValueRecord>,
    owner: &str,
    conf: &mut NixConf,
    name: &str,
    value: &str,
) -> Result<SetIfUnset> {
    let outcome = conf.set_if_unset(name, value)?;
    match &outcome {
        SetIfUnset::Set => note(records, owner, name, value, true),
        SetIfUnset::AlreadySet(present) => note(records, owner, name, present, false),
    }
    Ok(outcome)
}

/// Forgets values that were removed from the file for good.
pub(super) fn forget(records: &mut Vec<ValueRecord>, removed: &[String]) {
    records.retain(|record| !removed.contains(&record.value));
}

/// Takes back what an owner's logins did to a nix.conf; the settings that changed, as they are written.
pub(super) fn take_back(
    lists: &mut Vec<ValueRecord>,
    settings: &mut Vec<ValueRecord>,
    owner: &str,
    conf: &mut NixConf,
) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for ValueRecord { name, value, .. } in let_go(lists, owner).into_iter().rev() {
        if conf.take_from_list(&name, &value)? {
            changed.push(name);
        }
    }
    for ValueRecord { name, value, .. } in let_go(settings, owner).into_iter().rev() {
        if conf.unset(&name, &value)? {
            changed.push(name);
        }
    }
    changed.reverse();
    changed.dedup();
    Ok(changed)
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
