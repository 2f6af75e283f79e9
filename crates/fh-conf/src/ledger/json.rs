//! Texts in lists of JSON files: which stand there because of whom.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Ledger;
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
    /// Never empty.
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

impl Ledger {
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
        let made = json.add_to_list(keys, text)?;
        let records = &mut self.file(path).texts;
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
        self.prune();
        Ok(made.is_some())
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
        let mut edited = json.clone();
        let mut records = self.file(path).texts.clone();
        for record in &mut records {
            if record.owners.remove(owner) && record.owners.is_empty() {
                edited.take_from_list(&record.keys(), &record.text, record.made)?;
            }
        }
        records.retain(|record| !record.owners.is_empty());
        self.file(path).texts = records;
        *json = edited;
        Ok(())
    }
}
