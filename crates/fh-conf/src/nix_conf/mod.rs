//! A lossless editor for `nix.conf`.
//!
//! The format is Nix's own (`AbstractConfig::applyConfig` in `src/libutil/config.cc`, from 2.20 on
//! `configuration.cc`): a line at a time, `#` begins a comment wherever it stands, words are
//! separated by space, tab and CR. A line is empty, or `include FILE`, or `!include FILE`, or `NAME
//! = WORDS…`; anything else is an error, there and here. `NAME = …` replaces what was set before,
//! `extra-NAME = …` adds to it, so `extra-NAME` *above* a `NAME` is lost. An included file counts
//! at the place of its `include` line (Nix 2.9 to 2.19: before the whole file); its name is
//! relative to the directory of the including file.
//!
//! # Invariants
//!
//! - Only lines of the file itself are edited, never included ones, and only where they have an
//!   effect: an addition goes behind everything that would undo it, in every version of Nix.
//! - What has an effect already is not added again: aliases (`binary-caches`) count, as do URLs
//!   that differ by a closing slash.
//! - Taking back what was added to a file that has not changed since gives back the bytes from
//!   before.
//! - The text of a line is never part of `Debug` output or of an error: it may be an access token.

mod include;
mod line;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use include::read_include;

#[cfg(doc)]
use crate::Error;
use crate::Result;
use crate::text::{append_line, splice};
use include::{Assignment, Included, Reader};
use line::Setting;
use value::{
    base_name, check_list_name, check_list_value, check_value, same_substituter, same_value,
};

/// The text of a `nix.conf`, with what its includes say.
#[derive(Clone)]
pub struct NixConf {
    path: PathBuf,
    text: Vec<u8>,
    /// The file's own settings.
    own: Vec<Setting>,
    /// All settings in the order in which they count.
    assignments: Vec<Assignment>,
    included: BTreeMap<PathBuf, Included>,
}

/// What [`NixConf::set_if_unset`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetIfUnset {
    /// The setting had no value; it has the given one now.
    Set,
    /// The setting has this value already, be it the given one or another; nothing was changed.
    AlreadySet(String),
}

impl NixConf {
    /// Reads the text of a configuration file (an absent file is the empty text) and of the files
    /// that it includes.
    ///
    /// `path` is the name by which Nix opens the file: names of included files are relative to its
    /// directory, which for a symbolic link is that of the link. `load` gets the paths of included
    /// files and answers with their text, with `None` for a file that does not exist, or with an
    /// error for one that cannot be read, which counts as empty, as it does for Nix;
    /// [`read_include`] does that for the file system.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfSyntax`], [`Error::IncludeMissing`], [`Error::IncludeCycle`],
    /// [`Error::IncludeLimit`].
    pub fn parse(
        text: &[u8],
        path: &Path,
        load: &mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
    ) -> Result<Self> {
        Self::read(text.to_vec(), path.to_owned(), BTreeMap::new(), load)
    }

    fn read(
        text: Vec<u8>,
        path: PathBuf,
        included: BTreeMap<PathBuf, Included>,
        load: &mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
    ) -> Result<Self> {
        let mut reader = Reader::new(included, load);
        let own = reader.read(&path, &text)?;
        let (assignments, included) = reader.finish();
        Ok(Self {
            path,
            text,
            own,
            assignments,
            included,
        })
    }

    /// Reads an edited text again; the included files are remembered.
    fn replace(&mut self, text: Vec<u8>) -> Result<()> {
        let included = self.included.clone();
        *self = Self::read(text, self.path.clone(), included, &mut |_| Ok(None))?;
        Ok(())
    }

    /// The value that this file, with its includes, gives a setting; `None` if it says nothing
    /// about it (then Nix's own default or another file counts). For a list, what `NAME` and
    /// `extra-NAME` make together, separated by spaces. `extra-NAME` and aliases ask the same
    /// question as `NAME`.
    #[must_use]
    pub fn effective(&self, name: &str) -> Option<String> {
        self.effective_words(name).map(|words| words.join(" "))
    }

    /// The words of [`NixConf::effective`]; none if the file says nothing about the setting.
    #[must_use]
    pub fn effective_list(&self, name: &str) -> Vec<String> {
        self.effective_words(name)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn effective_words(&self, name: &str) -> Option<Vec<&str>> {
        let name = base_name(name);
        let mut value: Option<Vec<&str>> = None;
        for assignment in self
            .assignments
            .iter()
            .filter(|assignment| assignment.base == name)
        {
            let words = assignment.words.iter().map(String::as_str);
            match &mut value {
                Some(value) if assignment.extra => value.extend(words),
                _ => value = Some(words.collect()),
            }
        }
        value
    }

    /// Whether a list has a value; URLs are compared without a closing slash and without `?…`
    /// options.
    #[must_use]
    pub fn list_contains(&self, name: &str, value: &str) -> bool {
        let words = self.effective_words(name).unwrap_or_default();
        words
            .into_iter()
            .any(|present| same_substituter(present, value))
    }

    /// Adds values to a list setting, given as `extra-NAME`: those that [`NixConf::list_contains`]
    /// does not find go to the end of an own `extra-NAME` line that has an effect, or else on a new
    /// line at the end. Gives back what was added; with nothing to add, no byte changes.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for a name that is not `extra-…` or a value that is not one word;
    /// nothing is changed then.
    pub fn add_to_list<V: AsRef<str>>(&mut self, name: &str, values: &[V]) -> Result<Vec<String>> {
        check_list_name(name)?;
        let mut added: Vec<String> = Vec::new();
        for value in values.iter().map(AsRef::as_ref) {
            check_list_value(name, value)?;
            let twice = added.iter().any(|other| same_substituter(other, value));
            if !twice && !self.list_contains(name, value) {
                added.push(value.to_owned());
            }
        }
        if added.is_empty() {
            return Ok(added);
        }
        let words = added.join(" ");
        let text = if let Some(end) = self.effective_extra_line(base_name(name)) {
            splice(&self.text, &[(end..end, format!(" {words}").into_bytes())])
        } else {
            let mut text = self.text.clone();
            append_line(&mut text, format!("{name} = {words}").as_bytes());
            text
        };
        self.replace(text)?;
        Ok(added)
    }

    /// The end of the last word of the last own `extra-…` line that no later `NAME = …` undoes and
    /// that is not empty.
    fn effective_extra_line(&self, base: &str) -> Option<usize> {
        let of_list = self
            .assignments
            .iter()
            .rev()
            .filter(|assignment| assignment.base == base);
        let mut counting = of_list.take_while(|assignment| assignment.extra);
        let own = counting
            .find_map(|assignment| assignment.own.filter(|_| !assignment.words.is_empty()))?;
        self.own.get(own)?.words.last().map(|word| word.end)
    }

    /// Removes values from the file's own lines of a list setting (`NAME` or `extra-NAME`, or its
    /// alias, as given), and a line that has no value left, unless a comment stands on it; also
    /// where they have no effect. Gives back what was removed.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for a name or value that cannot be in the file; nothing is changed
    /// then.
    pub fn remove_from_list<V: AsRef<str>>(
        &mut self,
        name: &str,
        values: &[V],
    ) -> Result<Vec<String>> {
        for value in values {
            check_list_value(name, value.as_ref())?;
        }
        let mut removed = Vec::new();
        let mut text = self.text.clone();
        // From the end, so that places further up stay right.
        for setting in self
            .own
            .iter()
            .rev()
            .filter(|setting| setting.is(&self.text, name))
        {
            let mut cuts = Vec::new();
            let mut before = setting.equals_end;
            for word in &setting.words {
                let present = String::from_utf8_lossy(&self.text[word.clone()]);
                if values
                    .iter()
                    .any(|value| same_value(&present, value.as_ref()))
                {
                    cuts.push((before..word.end, Vec::new()));
                    removed.push(present.into_owned());
                }
                before = word.end;
            }
            if !cuts.is_empty() && cuts.len() == setting.words.len() && !setting.has_comment {
                cuts = vec![(setting.lines(&text), Vec::new())];
            }
            text = splice(&text, &cuts);
        }
        if !removed.is_empty() {
            self.replace(text)?;
        }
        Ok(removed)
    }

    /// Gives a setting a value on a new line at the end, if nothing in the file and its includes
    /// sets it.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for what cannot stand in the file; nothing is changed then.
    pub fn set_if_unset(&mut self, name: &str, value: &str) -> Result<SetIfUnset> {
        check_value(name, value)?;
        if let Some(present) = self.effective(name) {
            return Ok(SetIfUnset::AlreadySet(present));
        }
        let mut text = self.text.clone();
        append_line(&mut text, format!("{name} = {value}").as_bytes());
        self.replace(text)?;
        Ok(SetIfUnset::Set)
    }

    /// Removes the file's own lines that give a setting exactly this value; whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for what cannot stand in the file; nothing is changed then.
    pub fn unset(&mut self, name: &str, value: &str) -> Result<bool> {
        check_value(name, value)?;
        let mut text = self.text.clone();
        for setting in self
            .own
            .iter()
            .rev()
            .filter(|setting| setting.is(&self.text, name))
        {
            if setting.value(&self.text) == value {
                text = splice(&text, &[(setting.lines(&text), Vec::new())]);
            }
        }
        let changed = text != self.text;
        self.replace(text)?;
        Ok(changed)
    }

    /// The files that are included, directly or through others, and exist.
    pub fn included(&self) -> impl Iterator<Item = &Path> {
        let present = self
            .included
            .iter()
            .filter(|(_, included)| !matches!(included, Included::Missing));
        present.map(|(path, _)| path.as_path())
    }

    /// The included files that exist but could not be read, so that what they set is not known
    /// here. Root may well read them: a file with access tokens is often included this way.
    pub fn unreadable(&self) -> impl Iterator<Item = &Path> {
        let unreadable = self
            .included
            .iter()
            .filter(|(_, included)| matches!(included, Included::Unreadable));
        unreadable.map(|(path, _)| path.as_path())
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// A copy of the text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.text.clone()
    }
}

impl fmt::Debug for NixConf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NixConf")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
