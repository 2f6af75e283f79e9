//! A directory while it is packed: its entries in the order of a NAR.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

/// Where Nix tells apart, on a file system that does not, names that differ in case only: it appends this and a number.
/// In a NAR, the names stand without it. `src/libutil/archive.cc` (`caseHackSuffix`); the setting `use-case-hack` is on
/// by default on macOS alone.
const CASE_HACK_SUFFIX: &[u8] = b"~nix~case~hack~";

/// A directory that we are in, and how far we are.
#[derive(Debug)]
pub(super) struct Directory {
    directory: Dir,
    /// The file names of all entries, each with its NUL.
    names: Vec<u8>,
    /// The entries, ascending by the name that they have in a NAR.
    entries: Vec<Entry>,
    /// The number of the current entry.
    next: usize,
}

/// An entry. Its names are parts of the directory's `names`.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    /// The end of the name in a NAR.
    end: usize,
    /// The end of the file name, where its NUL stands.
    file_end: usize,
    kind: FileType,
}

/// Why a directory cannot be packed.
#[derive(Debug)]
pub(super) enum ListError {
    System(Errno),
    /// Two files that would have this name in the NAR.
    Collision(Vec<u8>),
}

impl From<Errno> for ListError {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

impl Directory {
    /// Lists an open directory.
    pub(super) fn list(directory: OwnedFd, case_hack: bool) -> Result<Self, ListError> {
        let mut directory = Self {
            directory: Dir::new(directory)?,
            names: Vec::new(),
            entries: Vec::new(),
            next: 0,
        };
        while let Some(entry) = directory.directory.read() {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                directory.add(name, entry.file_type(), case_hack);
            }
        }
        let names = directory.names.as_slice();
        let name = |entry: &Entry| &names[entry.start..entry.end];
        directory
            .entries
            .sort_unstable_by(|a, b| name(a).cmp(name(b)));
        let twins = directory
            .entries
            .windows(2)
            .find(|pair| name(&pair[0]) == name(&pair[1]));
        match twins {
            Some(pair) => Err(ListError::Collision(name(&pair[0]).to_vec())),
            None => Ok(directory),
        }
    }

    fn add(&mut self, name: &CStr, kind: FileType, case_hack: bool) {
        let bytes = name.to_bytes();
        let suffix = bytes
            .windows(CASE_HACK_SUFFIX.len())
            .position(|window| case_hack && window == CASE_HACK_SUFFIX);
        let start = self.names.len();
        self.names.extend_from_slice(name.to_bytes_with_nul());
        self.entries.push(Entry {
            start,
            end: start + suffix.unwrap_or(bytes.len()),
            file_end: start + bytes.len(),
            kind,
        });
    }

    /// The current entry's kind, [`FileType::Unknown`] where the file system does not tell, and its name in a NAR.
    pub(super) fn current(&self) -> Option<(FileType, &[u8])> {
        let entry = self.entries.get(self.next)?;
        Some((entry.kind, &self.names[entry.start..entry.end]))
    }

    /// What opens the current entry: this directory, and the file's name in it.
    pub(super) fn locate(&self) -> Result<(BorrowedFd<'_>, &CStr), Errno> {
        let name = self
            .entries
            .get(self.next)
            .and_then(|entry| self.names.get(entry.start..=entry.file_end))
            .and_then(|name| CStr::from_bytes_with_nul(name).ok())
            .ok_or(Errno::NOENT)?;
        Ok((self.directory.fd()?, name))
    }

    /// The current entry's file name, for messages.
    pub(super) fn file_name(&self) -> &[u8] {
        self.locate().map_or(b"", |(_, name)| name.to_bytes())
    }

    /// Goes on to the next entry.
    pub(super) fn advance(&mut self) {
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn names(files: &[&str], case_hack: bool) -> Result<Vec<(String, String)>, ListError> {
        let scratch = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(scratch.path().join(file), "").unwrap();
        }
        let open = File::open(scratch.path()).unwrap();
        let mut directory = Directory::list(open.into(), case_hack)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut names = Vec::new();
        while let Some((_, name)) = directory.current() {
            names.push((text(name), text(directory.file_name())));
            directory.advance();
        }
        assert_eq!(directory.file_name(), b"");
        Ok(names)
    }

    fn pair(name: &str, file: &str) -> (String, String) {
        (name.to_owned(), file.to_owned())
    }

    #[test]
    fn the_case_hack_is_undone_where_it_is_done() {
        let files = ["b", "a~nix~case~hack~1", "A", "a.x"];
        let hacked = names(&files, true).unwrap();
        let expected = [
            pair("A", "A"),
            pair("a", "a~nix~case~hack~1"),
            pair("a.x", "a.x"),
            pair("b", "b"),
        ];
        assert_eq!(hacked, expected);
        assert_eq!(
            names(&files, false).unwrap()[2],
            pair("a~nix~case~hack~1", "a~nix~case~hack~1")
        );
    }

    #[test]
    fn two_files_of_one_name() {
        let files = ["a", "a~nix~case~hack~1"];
        assert!(matches!(names(&files, true), Err(ListError::Collision(name)) if name == b"a"));
        assert_eq!(names(&files, false).unwrap().len(), 2);
    }
}
