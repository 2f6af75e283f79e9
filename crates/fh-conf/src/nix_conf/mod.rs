//! A lossless editor for `nix.conf`.
//!
//! The format is Nix's own (`AbstractConfig::applyConfig` in `src/libutil/config.cc`, from 2.20 on
//! `configuration.cc`): a line at a time, `#` begins a comment wherever it stands, words are
//! separated by space, tab and CR. A line is empty, or `include FILE`, or `!include FILE`, or `NAME
//! = WORDS…`; anything else is an error, there and here. `NAME = …` replaces what was set before,
//! `extra-NAME = …` adds to it, so `extra-NAME` *above* a `NAME` is lost. An included file counts
//! at the place of its `include` line (Nix 2.9 to 2.19: before the whole file); its name is
//! relative to the directory of the including file. Nix 2.8, 2.26 and 2.34, which the tests ask
//! (`show-config`, from 2.20 on `config show`), agree on all of this, and on what they refuse; they
//! differ only in which settings they know, and in whether a list names a value twice.
//!
//! After all files Nix reads the text of the variable `NIX_CONFIG`, in the same format; an `include`
//! there needs an absolute path. [`NixConf::parse_variable`] reads it too, and
//! [`NixConf::followed_by`] tells what counts then.
//!
//! # Invariants
//!
//! - Only lines of the file itself are edited, never included ones, and only where they have an
//!   effect: an addition goes behind everything that would undo it, in every version of Nix.
//! - What has an effect already is not added again: files that Nix reads before and around this one
//!   count ([`NixConf::parse_among`]), as do aliases (`binary-caches`), and addresses that differ by
//!   a closing slash, the case of the host or the scheme's own port.
//! - What would have no effect, because a file that is not the one to edit undoes it, is an
//!   [`Error::NixConfUndone`].
//! - Taking back what was added to a file that has not changed since gives back the bytes from
//!   before.
//! - The text of a line is never part of `Debug` output or of an error: it may be an access token.

mod include;
mod layout;
mod line;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use include::{VARIABLE, read_include};
pub use layout::{
    Decision, FileToEdit, Generator, ModuleValue, Seen, file_to_edit, module_settings,
};

use crate::text::{append_line, splice};
use crate::{Error, Result};
use include::{Assignment, Edited, Included};
use line::Setting;
use value::{base_name, check_list_name, check_list_value, check_value, same_cache, same_value};

/// The text of a `nix.conf`, with what its includes and the files around it say.
#[derive(Clone)]
pub struct NixConf {
    path: PathBuf,
    text: Vec<u8>,
    /// The files with which Nix begins.
    roots: Vec<PathBuf>,
    /// The file's own settings.
    own: Vec<Setting>,
    /// All settings in the order in which they count.
    assignments: Vec<Assignment>,
    /// The last of them: those of the variable, which no edit of the file changes.
    variable: Vec<Assignment>,
    /// All files but the edited one.
    included: BTreeMap<PathBuf, Included>,
}

/// What [`NixConf::set_if_unset`] found in the place of the setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetIfUnset {
    /// The setting had no value; it has the given one now.
    Set,
    /// The setting has this value already, be it the given one or another; nothing was changed.
    AlreadySet(String),
}

impl NixConf {
    /// Reads the text of a configuration file (an absent file is the empty text) and of the files
    /// that it includes, as if Nix read no other.
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
        Self::parse_among(text, path, &[], load)
    }

    /// The same among all the files that Nix reads, so that what *they* say decides what is there
    /// already and what has an effect: `roots` are the files with which Nix begins, the one that it
    /// heeds most last (`/etc/nix/nix.conf`, then those of the user). The edited file is one of
    /// them, or is included by one; if neither, it counts as the last of them. Roots that do not
    /// exist or cannot be read count as empty.
    ///
    /// # Errors
    ///
    /// As [`NixConf::parse`], for the other files too: Nix would refuse them.
    pub fn parse_among(
        text: &[u8],
        path: &Path,
        roots: &[PathBuf],
        load: &mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
    ) -> Result<Self> {
        Self::read(text, path, roots, &[], BTreeMap::new(), load)
    }

    /// `known` files are not loaded again.
    fn read(
        text: &[u8],
        path: &Path,
        roots: &[PathBuf],
        variable: &[Assignment],
        known: BTreeMap<PathBuf, Included>,
        load: &mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
    ) -> Result<Self> {
        let read = include::read(roots, Edited { path, text }, known, load)?;
        let mut assignments = read.assignments;
        assignments.extend(variable.iter().cloned());
        Ok(Self {
            path: path.to_owned(),
            text: text.to_vec(),
            roots: roots.to_vec(),
            own: read.own,
            assignments,
            variable: variable.to_vec(),
            included: read.known,
        })
    }

    /// Reads the text of the variable [`VARIABLE`] and of the files that it includes, alone.
    ///
    /// # Errors
    ///
    /// As [`NixConf::parse`], with [`VARIABLE`] as the path; [`Error::NixConfSyntax`] also for an
    /// `include` of a relative path, which Nix refuses there.
    pub fn parse_variable(
        text: &[u8],
        load: &mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
    ) -> Result<Self> {
        Self::parse(text, Path::new(VARIABLE), load)
    }

    /// The same file where Nix reads this variable too, after all files. An edit of the file that
    /// the variable undoes is an [`Error::NixConfUndone`] with the path [`VARIABLE`].
    #[must_use]
    pub fn followed_by(&self, variable: &Self) -> Self {
        let mut all = self.clone();
        all.variable = variable.assignments.clone();
        for assignment in &mut all.variable {
            assignment.own = None;
        }
        all.assignments.extend(all.variable.iter().cloned());
        all
    }

    /// The file with another text; the other files are remembered.
    fn with_text(&self, text: &[u8]) -> Result<Self> {
        let known = self.included.clone();
        let load = &mut |_: &Path| Ok(None);
        Self::read(text, &self.path, &self.roots, &self.variable, known, load)
    }

    /// The name by which Nix opens the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value that a setting gets; `None` if nothing that was read says anything about it (then
    /// Nix's own default counts). For a list, what `NAME` and `extra-NAME` make together, separated
    /// by spaces. `extra-NAME` and aliases ask the same question as `NAME`.
    #[must_use]
    pub fn effective(&self, name: &str) -> Option<String> {
        self.effective_words(name).map(|words| words.join(" "))
    }

    /// The words of [`NixConf::effective`]; none if nothing is said about the setting.
    #[must_use]
    pub fn effective_list(&self, name: &str) -> Vec<String> {
        self.effective_words(name)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn effective_words(&self, name: &str) -> Option<Vec<&str>> {
        let mut value: Option<Vec<&str>> = None;
        for assignment in self.assignments_of(name) {
            let words = assignment.words.iter().map(String::as_str);
            match &mut value {
                Some(value) if assignment.extra => value.extend(words),
                _ => value = Some(words.collect()),
            }
        }
        value
    }

    /// What sets this setting or adds to it, in the order in which it counts.
    fn assignments_of(&self, name: &str) -> impl DoubleEndedIterator<Item = &Assignment> {
        let base = base_name(name);
        self.assignments
            .iter()
            .filter(move |assignment| assignment.base == base)
    }

    /// Where a setting gets its value, or a list what `extra-NAME` adds to: the last `NAME = …`, by
    /// the file (or [`VARIABLE`]) and the line, counted from 1.
    #[must_use]
    pub fn set_by(&self, name: &str) -> Option<(&Path, usize)> {
        self.last_of(name, |assignment| !assignment.extra)
    }

    /// Where a list gets this value, letter by letter: the last `NAME = …` or `extra-NAME = …` with it, by the file (or
    /// [`VARIABLE`]) and the line, counted from 1.
    #[must_use]
    pub fn given_by(&self, name: &str, value: &str) -> Option<(&Path, usize)> {
        self.last_of(name, |assignment| {
            assignment.words.iter().any(|word| word == value)
        })
    }

    fn last_of(&self, name: &str, is: impl Fn(&Assignment) -> bool) -> Option<(&Path, usize)> {
        let last = self
            .assignments_of(name)
            .rfind(|assignment| is(assignment))?;
        Some((last.path.as_ref(), last.line))
    }

    /// Whether a list has a value. Addresses of caches are compared without closing slash, case of
    /// the host, the scheme's own port and `?…` options.
    #[must_use]
    pub fn list_contains(&self, name: &str, value: &str) -> bool {
        let words = self.effective_words(name).unwrap_or_default();
        words
            .into_iter()
            .any(|present| same_cache(name, present, value))
    }

    /// The files that exist but could not be read, so that what they set is not known here. Root
    /// may well read them: a file with access tokens is often included this way.
    pub fn unreadable(&self) -> impl Iterator<Item = &Path> {
        let included = self.included.iter();
        let unreadable = included.filter(|(_, it)| matches!(it, Included::Unreadable));
        unreadable.map(|(path, _)| path.as_path())
    }

    /// The text with all edits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// A copy of the text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.text.clone()
    }

    /// Adds values to a list setting, given as `extra-NAME`: those that [`NixConf::list_contains`]
    /// does not find go to the end of an own `extra-NAME` line that has an effect, or else on a new
    /// line at the end. Gives back what was added; with nothing to add, no byte changes.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for a name that is not `extra-…` or a value that is not one word,
    /// [`Error::NixConfUndone`]; nothing is changed then.
    pub fn add_to_list<V: AsRef<str>>(&mut self, name: &str, values: &[V]) -> Result<Vec<String>> {
        check_list_name(name)?;
        let mut added: Vec<String> = Vec::new();
        for value in values.iter().map(AsRef::as_ref) {
            check_list_value(name, value)?;
            let twice = added.iter().any(|other| same_cache(name, other, value));
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
        let edited = self.with_text(&text)?;
        if !added.iter().all(|value| edited.list_contains(name, value)) {
            return Err(edited.undone(name));
        }
        *self = edited;
        Ok(added)
    }

    /// What undoes an addition to a list.
    fn undone(&self, name: &str) -> Error {
        let (path, line) = self.set_by(name).unwrap_or((self.path.as_path(), 1));
        Error::NixConfUndone {
            name: base_name(name).to_owned(),
            path: path.to_owned(),
            line,
        }
    }

    /// The end of the last word of the last own `extra-…` line that no later `NAME = …` undoes and
    /// that is not empty.
    fn effective_extra_line(&self, base: &str) -> Option<usize> {
        let of_list = self.assignments_of(base).rev();
        let mut counting = of_list.take_while(|assignment| assignment.extra);
        let own = counting
            .find_map(|assignment| assignment.own.filter(|_| !assignment.words.is_empty()))?;
        self.own.get(own)?.words.last().map(|word| word.end)
    }

    /// Removes values from the file's own lines of a list setting (`NAME` or `extra-NAME`, or its
    /// alias, as given), also where they have no effect. An `extra-NAME` line that has no value
    /// left goes too, unless a comment stands on it; `NAME =` stays, because it makes the list
    /// empty. Gives back what was removed.
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
        let wanted = |present: &str| {
            let mut values = values.iter().map(AsRef::as_ref);
            values.any(|value| same_value(name, present, value))
        };
        self.cut(name, usize::MAX, wanted)
    }

    /// Removes the last value of the file's own lines of a list that is exactly this one: what
    /// [`NixConf::add_to_list`] added, while others that stand there without effect stay. Whether
    /// there was one.
    ///
    /// # Errors
    ///
    /// As [`NixConf::remove_from_list`].
    pub fn take_from_list(&mut self, name: &str, value: &str) -> Result<bool> {
        check_list_value(name, value)?;
        let removed = self.cut(name, 1, |present| present == value)?;
        Ok(!removed.is_empty())
    }

    /// Removes public keys that a server has retired from the file's own lines, given whole, with
    /// their names; a key of that name with another value is somebody else's. Gives back those that
    /// were there.
    ///
    /// # Errors
    ///
    /// As [`NixConf::remove_from_list`].
    pub fn remove_public_keys<K: AsRef<str>>(&mut self, keys: &[K]) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in ["extra-trusted-public-keys", "trusted-public-keys"] {
            removed.extend(self.remove_from_list(name, keys)?);
        }
        removed.sort();
        removed.dedup();
        Ok(removed)
    }

    /// Removes up to `most` values from own lines, the last first.
    fn cut(
        &mut self,
        name: &str,
        most: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        let mut text = self.text.clone();
        for setting in self.own_backwards(name) {
            let mut cuts = Vec::new();
            for (index, word) in setting.words.iter().enumerate().rev() {
                let present = String::from_utf8_lossy(&self.text[word.clone()]);
                if removed.len() < most && wanted(&present) {
                    let before = match index.checked_sub(1) {
                        Some(before) => setting.words[before].end,
                        None => setting.equals_end,
                    };
                    cuts.insert(0, (before..word.end, Vec::new()));
                    removed.push(present.into_owned());
                }
            }
            let empties = !cuts.is_empty() && cuts.len() == setting.words.len();
            if empties && !setting.has_comment && setting.is_extra(&self.text) {
                cuts = vec![(setting.lines(&text), Vec::new())];
            }
            text = splice(&text, &cuts);
        }
        if !removed.is_empty() {
            *self = self.with_text(&text)?;
        }
        removed.reverse();
        Ok(removed)
    }

    /// The file's own lines of a setting, from the end, so that while they are edited places further up stay right.
    fn own_backwards(&self, name: &str) -> impl Iterator<Item = &Setting> {
        let own = self.own.iter().rev();
        own.filter(move |setting| setting.is(&self.text, name))
    }

    /// Gives a setting a value on a new line at the end, if nothing that was read sets it.
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
        *self = self.with_text(&text)?;
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
        for setting in self.own_backwards(name) {
            if setting.value(&self.text) == value {
                text = splice(&text, &[(setting.lines(&text), Vec::new())]);
            }
        }
        let changed = text != self.text;
        *self = self.with_text(&text)?;
        Ok(changed)
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
