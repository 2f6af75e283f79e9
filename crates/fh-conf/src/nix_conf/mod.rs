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

mod edit;
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

pub use include::read_include;
pub use layout::{
    Decision, FileToEdit, Generator, ModuleValue, Seen, file_to_edit, module_settings,
};

#[cfg(doc)]
use crate::Error;
use crate::Result;
use include::{Assignment, Edited, Included, Reader};
use line::Setting;
use value::{base_name, key_name, same_cache};

/// The variable whose settings Nix reads after all files; also the `path` that stands for it in errors
/// and in [`NixConf::set_by`].
pub const VARIABLE: &str = "NIX_CONFIG";

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
        let edited = Edited { path, text };
        let read = Reader::new(edited, BTreeMap::new(), load).read(roots)?;
        Ok(Self {
            path: path.to_owned(),
            text: text.to_vec(),
            roots: roots.to_vec(),
            own: read.own,
            assignments: read.assignments,
            variable: Vec::new(),
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
    fn with_text(&self, text: Vec<u8>) -> Result<Self> {
        let edited = Edited {
            path: &self.path,
            text: &text,
        };
        let known = self.included.clone();
        let read = Reader::new(edited, known, &mut |_| Ok(None)).read(&self.roots)?;
        let mut assignments = read.assignments;
        assignments.extend(self.variable.iter().cloned());
        Ok(Self {
            path: self.path.clone(),
            text,
            roots: self.roots.clone(),
            own: read.own,
            assignments,
            variable: self.variable.clone(),
            included: read.known,
        })
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
        let last = self
            .assignments_of(name)
            .rfind(|assignment| !assignment.extra)?;
        Some((last.path.as_ref(), last.line))
    }

    /// Where a list gets this value, letter by letter: the last `NAME = …` or `extra-NAME = …` with it, by the file (or
    /// [`VARIABLE`]) and the line, counted from 1.
    #[must_use]
    pub fn given_by(&self, name: &str, value: &str) -> Option<(&Path, usize)> {
        let last = self
            .assignments_of(name)
            .rfind(|assignment| assignment.words.iter().any(|word| word == value))?;
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

    /// The public keys that count and have the name of one of these, but are another key: Nix goes
    /// by the name and takes the first, so that the second has no effect.
    #[must_use]
    pub fn other_keys_of_these_names<K: AsRef<str>>(&self, keys: &[K]) -> Vec<String> {
        let mut others = self.effective_list("trusted-public-keys");
        others.retain(|present| {
            key_name(present).is_some()
                && keys
                    .iter()
                    .map(AsRef::as_ref)
                    .any(|key| key_name(key) == key_name(present))
                && keys.iter().all(|key| key.as_ref() != present)
        });
        others
    }

    /// The other files that were found: those that are included, directly or through others, and
    /// the roots.
    pub fn included(&self) -> impl Iterator<Item = &Path> {
        let present = self
            .included
            .iter()
            .filter(|(_, included)| !matches!(included, Included::Missing));
        present.map(|(path, _)| path.as_path())
    }

    /// The files that exist but could not be read, so that what they set is not known here. Root
    /// may well read them: a file with access tokens is often included this way.
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
