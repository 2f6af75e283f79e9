//! `--out FILE`: a token goes into a new file that nobody else can read.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::CommandError;

/// A file that did not exist before; it goes again unless it is [filled](NewFile::fill).
///
/// It is made before the token is: where it cannot be, no token is made that nobody has seen.
pub(super) struct NewFile {
    file: File,
    path: PathBuf,
    filled: bool,
}

impl NewFile {
    /// Makes it, with mode 0600. Nothing is overwritten, and no link followed.
    pub(super) fn create(path: &Path) -> Result<Self, CommandError> {
        let opened = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CommandError::failed(format!(
                "{} exists already, and is not overwritten",
                path.display()
            ))
            .hint("Name another file, or remove this one first. No token was created."),
            _ => CommandError::failed(format!("cannot create {}: {error}", path.display()))
                .hint("No token was created."),
        })?;
        Ok(Self {
            file,
            path: path.to_owned(),
            filled: false,
        })
    }

    /// Writes all that it is to hold.
    pub(super) fn fill(mut self, text: &str) -> Result<(), CommandError> {
        let written = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_all());
        written.map_err(|error| {
            CommandError::failed(format!("cannot write {}: {error}", self.path.display()))
        })?;
        self.filled = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.filled {
            // It is empty or half a token; where it cannot go, it is of no use to anybody.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn it_is_the_owners_alone_and_nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        NewFile::create(&path).unwrap().fill("fh1_x\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(NewFile::create(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "fh1_x\n");

        let (link, target) = (
            directory.path().join("link"),
            directory.path().join("target"),
        );
        symlink(&target, &link).unwrap();
        assert!(NewFile::create(&link).is_err());
        assert!(!target.exists());
        assert!(NewFile::create(&directory.path().join("gone/token")).is_err());

        // What is not filled goes again.
        let path = directory.path().join("other");
        drop(NewFile::create(&path).unwrap());
        assert!(!path.exists());
    }
}
