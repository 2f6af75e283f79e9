//! Writing a NAR's content into the file system.
//!
//! Everything is created new, relative to the directory that it lies in, whose descriptor is held: nothing that exists is
//! overwritten, and no symbolic link is followed, whoever puts one there while this runs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::decode::NarDecoder;
use super::event::Event;
use crate::error::{Error, Result};

const BUFFER: usize = 256 << 10;

/// Creates `destination`, which must not exist, from the NAR that `reader` gives, and returns the NAR's size in bytes.
///
/// Files get the modes 0666 or 0777, directories 0777, less the process's umask. Nothing is flushed to the disk. When it
/// fails, what was created is removed again.
///
/// # Errors
/// When the NAR is invalid, `reader` fails, `destination` exists, or the file system does not let us.
pub fn unpack<R: Read>(mut reader: R, destination: &Path) -> Result<u64> {
    let mut tree = Tree {
        path: destination.to_owned(),
        created: false,
        levels: Vec::new(),
        file: None,
    };
    let result = tree.fill(&mut reader);
    if result.is_err() && tree.created {
        // The first error is the one to tell. Neither of these follows links.
        let _ = std::fs::remove_dir_all(destination).or_else(|_| std::fs::remove_file(destination));
    }
    result
}

/// The tree that is being created.
struct Tree {
    /// The path of the current node. Of the current directory, between entries.
    path: PathBuf,
    /// Whether anything was created yet.
    created: bool,
    /// The directories we are in.
    levels: Vec<OwnedFd>,
    file: Option<File>,
}

impl Tree {
    fn fill(&mut self, reader: &mut impl Read) -> Result<u64> {
        let mut decoder = NarDecoder::default();
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(Error::Stream {
                        action: "read",
                        source,
                    });
                }
            };
            decoder.feed(&buffer[..read], &mut |event| self.take(event))?;
        }
        let size = decoder.position();
        decoder.finish()?;
        Ok(size)
    }

    fn take(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Entry { name } => self.path.push(OsStr::from_bytes(name)),
            Event::DirectoryStart => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::DIRECTORY;
                self.at_node("create the directory", |directory, name| {
                    rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o777))
                })?;
                let directory = self.at_node("open", |directory, name| {
                    rustix::fs::openat(directory, name, flags, Mode::empty())
                })?;
                self.levels.push(directory);
            }
            Event::DirectoryEnd => {
                self.levels.pop();
                self.end_node();
            }
            Event::RegularStart { executable, .. } => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
                let file = self.at_node("create", |directory, name| {
                    rustix::fs::openat(directory, name, flags, mode)
                })?;
                self.file = Some(file.into());
            }
            Event::Data(data) => {
                if let Some(file) = &mut self.file {
                    file.write_all(data).map_err(|source| Error::Io {
                        action: "write",
                        path: self.path.clone(),
                        source,
                    })?;
                }
            }
            Event::RegularEnd => {
                self.file = None;
                self.end_node();
            }
            Event::Symlink { target } => {
                self.at_node("create the link", |directory, name| {
                    rustix::fs::symlinkat(target, directory, name)
                })?;
                self.end_node();
            }
        }
        Ok(())
    }

    /// Runs `operation` on the current node: its directory, and its name in there.
    fn at_node<T>(
        &mut self,
        action: &'static str,
        operation: impl FnOnce(std::os::fd::BorrowedFd<'_>, &Path) -> rustix::io::Result<T>,
    ) -> Result<T> {
        let result = match self.levels.last() {
            None => operation(rustix::fs::CWD, &self.path),
            Some(directory) => operation(
                directory.as_fd(),
                Path::new(self.path.file_name().unwrap_or_default()),
            ),
        };
        self.created |= result.is_ok();
        result.map_err(|error| Error::Io {
            action,
            path: self.path.clone(),
            source: error.into(),
        })
    }

    fn end_node(&mut self) {
        // The root's own path has no directory to go back to.
        if !self.levels.is_empty() {
            self.path.pop();
        }
    }
}
