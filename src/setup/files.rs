//! What was seen of the files, so that a plan needs no file system.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fh_conf::atomic;
use fh_conf::nix_conf::read_include;
use fh_conf::regular::Refused;

use crate::error::CommandError;

/// One file as it was seen.
#[derive(Clone)]
enum Seen {
    Missing,
    /// It exists, and this user cannot read it.
    Unreadable(io::ErrorKind),
    File {
        content: Vec<u8>,
        mode: u32,
        of_root: bool,
    },
}

/// The files that were looked at. What was not looked at does not exist.
#[derive(Clone, Default)]
pub(crate) struct Files {
    seen: BTreeMap<PathBuf, Seen>,
    missing_directories: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl std::fmt::Debug for Files {
    /// Names only: the content is made of secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.seen.keys()).finish()
    }
}

impl Files {
    /// Looks at a file that is to be edited.
    pub(crate) fn look(&mut self, path: &Path) -> Result<Option<&[u8]>, CommandError> {
        if !self.seen.contains_key(path) {
            let seen = match atomic::read_private(path)? {
                None => {
                    let missing = atomic::missing_directories(path)?;
                    self.missing_directories.insert(path.to_owned(), missing);
                    Seen::Missing
                }
                Some(file) => {
                    let metadata = std::fs::metadata(path)
                        .map_err(|error| CommandError::file("read", path, error))?;
                    Seen::File {
                        content: file.content,
                        mode: metadata.mode() & 0o7777,
                        of_root: metadata.uid() == 0,
                    }
                }
            };
            self.seen.insert(path.to_owned(), seen);
        }
        Ok(self.content(path))
    }

    /// Looks at a file that Nix reads, and that is not to be edited: whether it can be read is
    /// Nix's business.
    pub(crate) fn look_included(&mut self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        if !self.seen.contains_key(path) {
            let seen = match read_include(path) {
                Ok(None) => Seen::Missing,
                Ok(Some(content)) => Seen::File {
                    content,
                    mode: 0o644,
                    of_root: false,
                },
                // Nix would wait for it, or read it without end: that is no file to go on with.
                Err(error) if Refused::of(&error).is_some() => return Err(error),
                Err(error) => Seen::Unreadable(error.kind()),
            };
            self.seen.insert(path.to_owned(), seen);
        }
        self.included(path)
    }

    /// A file that was looked at, as an editor of nix.conf asks for it.
    pub(crate) fn included(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match self.seen.get(path) {
            Some(Seen::Unreadable(kind)) => Err((*kind).into()),
            Some(Seen::File { content, .. }) => Ok(Some(content.clone())),
            Some(Seen::Missing) | None => Ok(None),
        }
    }

    /// The content, the permission bits, and whether it belongs to root.
    fn file(&self, path: &Path) -> Option<(&[u8], u32, bool)> {
        match self.seen.get(path)? {
            Seen::File {
                content,
                mode,
                of_root,
            } => Some((content, *mode, *of_root)),
            Seen::Missing | Seen::Unreadable(_) => None,
        }
    }

    /// The content of a file.
    pub(crate) fn content(&self, path: &Path) -> Option<&[u8]> {
        Some(self.file(path)?.0)
    }

    /// The permission bits of a file.
    pub(crate) fn mode(&self, path: &Path) -> Option<u32> {
        Some(self.file(path)?.1)
    }

    /// Whether a file belongs to root.
    pub(crate) fn is_of_root(&self, path: &Path) -> bool {
        self.file(path).is_some_and(|(_, _, of_root)| of_root)
    }

    /// The directories that would have to be made for a file.
    pub(crate) fn missing_directories(&self, path: &Path) -> &[PathBuf] {
        self.missing_directories
            .get(path)
            .map_or(&[], Vec::as_slice)
    }

    /// A file of root that is there, for plans of tests.
    #[cfg(test)]
    pub(crate) fn with(mut self, path: &str, content: &str, mode: u32) -> Self {
        self.seen.insert(
            path.into(),
            Seen::File {
                content: content.into(),
                mode,
                of_root: true,
            },
        );
        self
    }

    /// The same files, none of which is root's.
    #[cfg(test)]
    pub(crate) fn of_nobody(mut self) -> Self {
        for seen in self.seen.values_mut() {
            if let Seen::File { of_root, .. } = seen {
                *of_root = false;
            }
        }
        self
    }
}
