//! Texts in lists of JSON files: which stand there because of whom.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::json::JsonText;

/// A text that we added to a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TextRecord {
    /// The keys of the list, from the root on.
    keys: Vec<String>,
    text: String,
    /// How many lists and objects were made for it.
    made: usize,
    /// Who wants it there; never empty.
    owners: BTreeSet<String>,
}

impl TextRecord {
    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        self.owners.iter().map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.keys.iter().map(String::as_str).collect()
    }
}

/// Notes that an owner wants a text in a list, for which `made` lists and objects were made if it was not there.
pub(super) fn note(
    records: &mut Vec<TextRecord>,
    owner: &str,
    keys: &[&str],
    text: &str,
    made: Option<usize>,
) {
    let known = records
        .iter_mut()
        .find(|record| record.text == text && record.keys() == keys);
    match (known, made) {
        (Some(record), made) => {
            record.owners.insert(owner.to_owned());
            // Somebody had taken it out.
            record.made = made.unwrap_or(record.made);
        }
        (None, Some(made)) => records.push(TextRecord {
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            text: text.to_owned(),
            made,
            owners: BTreeSet::from([owner.to_owned()]),
        }),
        (None, None) => {}
    }
}

/// Takes out what stands in a JSON file because of an owner alone.
pub(super) fn take_back(
    records: &mut Vec<TextRecord>,
    owner: &str,
    json: &mut JsonText,
) -> Result<()> {
    for record in records.iter_mut() {
        if record.owners.remove(owner) && record.owners.is_empty() {
            json.take_from_list(&record.keys(), &record.text, record.made)?;
        }
    }
    records.retain(|record| !record.owners.is_empty());
    Ok(())
}
