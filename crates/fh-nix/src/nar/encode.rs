//! Making the NAR of something in the file system.
//!
//! Built for throughput. File contents are read by the kernel straight into the caller's buffer; everything else about a
//! file is some 200 bytes, made of constants. One call of `read` fills the buffer across as many files as fit. A small file
//! costs four system calls (open, stat, read, close), all relative to its directory, which the kernel need not look up again.
//! Memory: the names in each of the directories that we are in, and nothing of the files.
//!
//! Symbolic links are never followed. What changes while it is read is an error, as far as it would make a NAR that is not
//! well-formed; who needs to know that it is the *right* NAR compares its hash.

use std::ffi::{CStr, OsStr};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::contents::{Contents, ContentsError};
use super::directory::{Directory, ListError};
use super::{MAX_DEPTH, padding, strings};
use crate::error::{Error, Result, quoted_bytes};

const MAGIC: [u8; 24] = strings(&[b"nix-archive-1"]);
const REGULAR: [u8; 64] = strings(&[b"(", b"type", b"regular", b"contents"]);
const EXECUTABLE: [u8; 96] = strings(&[b"(", b"type", b"regular", b"executable", b"", b"contents"]);
const SYMLINK: [u8; 64] = strings(&[b"(", b"type", b"symlink", b"target"]);
const DIRECTORY: [u8; 56] = strings(&[b"(", b"type", b"directory"]);
const ENTRY: [u8; 48] = strings(&[b"entry", b"(", b"name"]);
const NODE: [u8; 16] = strings(&[b"node"]);
const CLOSE: [u8; 16] = strings(&[b")"]);

/// Whether Nix's case hack is to be undone: where it is on by default.
const CASE_HACK: bool = cfg!(target_os = "macos");

/// The NAR of a path in the file system, as a stream.
///
/// Give [`Read::read`] large buffers, best of 64 to 256 KiB, which stay in the processor's cache: each call fills as much of
/// one as the NAR has, and file contents are not buffered in between. After an error, every further read is an error too, so that a failed NAR can never be taken
/// for a complete one. An [`io::Error`] from here holds an [`Error`], which names the file.
#[derive(Debug)]
pub struct NarReader {
    root: PathBuf,
    /// The directories we are in, outermost first.
    directories: Vec<Directory>,
    /// What was made and not handed out yet: never file contents.
    pending: Vec<u8>,
    /// How much of `pending` was handed out.
    handed_out: usize,
    file: Option<Contents>,
    state: State,
}

/// How far a [`NarReader`] is.
#[derive(Debug)]
enum State {
    Running,
    /// Everything is in `pending` or was handed out.
    Complete,
    /// Failed, and the caller has yet to be told.
    Failing(Error),
    Failed,
}

impl NarReader {
    /// The NAR of whatever `path` is; a symbolic link is not followed.
    ///
    /// # Errors
    /// When there is nothing at `path`, it cannot be read, or it is of a kind that a NAR cannot hold.
    pub fn new(path: &Path) -> Result<Self> {
        let mut reader = Self {
            root: path.to_owned(),
            directories: Vec::new(),
            pending: Vec::with_capacity(1024),
            handed_out: 0,
            file: None,
            state: State::Running,
        };
        reader.pending.extend_from_slice(&MAGIC);
        let kind = file_type(rustix::fs::CWD, path).map_err(|error| Error::Io {
            action: "read",
            path: path.to_owned(),
            source: error.into(),
        })?;
        reader.start_node(kind)?;
        Ok(reader)
    }

    /// The path that is being packed right now, for messages.
    fn current_path(&self) -> PathBuf {
        let mut path = self.root.clone();
        for directory in &self.directories {
            // A directory whose entries are all packed has no current one.
            if directory.current().is_some() {
                path.push(OsStr::from_bytes(directory.file_name()));
            }
        }
        path
    }

    fn io_error(&self, action: &'static str) -> impl FnOnce(Errno) -> Error + '_ {
        move |source| Error::Io {
            action,
            path: self.current_path(),
            source: source.into(),
        }
    }

    fn unpackable(&self, problem: &str) -> Error {
        Error::Unpackable {
            path: self.current_path(),
            problem: problem.to_owned(),
        }
    }

    /// Runs `operation` on the node that we are at: its directory, and its name in there.
    fn at_node<T>(
        &self,
        action: &'static str,
        operation: impl Fn(BorrowedFd<'_>, &CStr) -> rustix::io::Result<T>,
    ) -> Result<T> {
        let result = match self.directories.last() {
            None => rustix::path::Arg::into_with_c_str(self.root.as_path(), |path| {
                operation(rustix::fs::CWD, path)
            }),
            Some(directory) => directory
                .locate()
                .and_then(|(directory, name)| operation(directory, name)),
        };
        result.map_err(self.io_error(action))
    }

    /// Begins the node that we are at, which is of this kind.
    fn start_node(&mut self, kind: FileType) -> Result<()> {
        match kind {
            FileType::RegularFile => self.start_regular(),
            FileType::Symlink => {
                let target = self.at_node("read the link", |directory, name| {
                    rustix::fs::readlinkat(directory, name, Vec::new())
                })?;
                self.pending.extend_from_slice(&SYMLINK);
                push_string(&mut self.pending, target.as_bytes());
                self.pending.extend_from_slice(&CLOSE);
                self.end_node();
                Ok(())
            }
            FileType::Directory => self.start_directory(),
            _ => {
                Err(self
                    .unpackable("it is neither a regular file nor a directory nor a symbolic link"))
            }
        }
    }

    fn start_regular(&mut self) -> Result<()> {
        // Not blocking, in case that somebody puts a pipe in its place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = self.at_node("open", |directory, name| {
            rustix::fs::openat(directory, name, flags, Mode::empty())
        })?;
        let stat = rustix::fs::fstat(&file).map_err(self.io_error("read"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.unpackable("it was replaced while it was read"));
        }
        let executable = Mode::from_raw_mode(stat.st_mode).contains(Mode::XUSR);
        let size = u64::try_from(stat.st_size)
            .map_err(|_| self.unpackable("the file system reports a negative size"))?;
        self.pending.extend_from_slice(if executable {
            &EXECUTABLE[..]
        } else {
            &REGULAR[..]
        });
        self.pending.extend_from_slice(&size.to_le_bytes());
        self.file = Some(Contents::new(file, size));
        Ok(())
    }

    fn start_directory(&mut self) -> Result<()> {
        if self.directories.len() == MAX_DEPTH {
            return Err(
                self.unpackable(&format!("it is nested deeper than {MAX_DEPTH} directories"))
            );
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let directory = self.at_node("read the directory", |directory, name| {
            rustix::fs::openat(directory, name, flags, Mode::empty())
        })?;
        let directory = Directory::list(directory, CASE_HACK).map_err(|error| match error {
            ListError::System(error) => self.io_error("read the directory")(error),
            ListError::Collision(name) => self.unpackable(&format!(
                "it has two files for the name {}",
                quoted_bytes(&name)
            )),
        })?;
        self.pending.extend_from_slice(&DIRECTORY);
        self.directories.push(directory);
        Ok(())
    }

    /// Ends the node that we were at. In a directory, its entry ends with it.
    fn end_node(&mut self) {
        match self.directories.last_mut() {
            None => self.state = State::Complete,
            Some(directory) => {
                self.pending.extend_from_slice(&CLOSE);
                directory.advance();
            }
        }
    }

    /// Makes some more of the NAR: into `pending`, or, of a file, into `buffer`, and returns how much of it.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if let Some(file) = &mut self.file {
            let read = match file.read(buffer) {
                Ok(read) => read,
                Err(ContentsError::System(source)) => {
                    let path = self.current_path();
                    return Err(Error::Io {
                        action: "read",
                        path,
                        source,
                    });
                }
                Err(ContentsError::Resized) => {
                    return Err(self.unpackable("its size changed while it was read"));
                }
            };
            if file.is_complete() {
                let zeros = padding(file.size());
                self.file = None;
                self.pending.extend_from_slice(&[0; 8][..zeros]);
                self.pending.extend_from_slice(&CLOSE);
                self.end_node();
            }
            return Ok(read);
        }
        let Some(directory) = self.directories.last() else {
            self.state = State::Complete;
            return Ok(0);
        };
        let Some((kind, name)) = directory.current() else {
            self.directories.pop();
            self.pending.extend_from_slice(&CLOSE);
            self.end_node();
            return Ok(0);
        };
        self.pending.extend_from_slice(&ENTRY);
        push_string(&mut self.pending, name);
        self.pending.extend_from_slice(&NODE);
        let kind = match kind {
            FileType::Unknown => {
                self.at_node("read", |directory, name| file_type(directory, name))?
            }
            kind => kind,
        };
        self.start_node(kind)?;
        Ok(0)
    }
}

impl Read for NarReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let waiting = &self.pending[self.handed_out..];
            if !waiting.is_empty() {
                let length = waiting.len().min(buffer.len() - filled);
                buffer[filled..filled + length].copy_from_slice(&waiting[..length]);
                filled += length;
                self.handed_out += length;
                continue;
            }
            self.pending.clear();
            self.handed_out = 0;
            match std::mem::replace(&mut self.state, State::Failed) {
                State::Complete => {
                    self.state = State::Complete;
                    break;
                }
                State::Running => {
                    self.state = State::Running;
                    match self.step(&mut buffer[filled..]) {
                        Ok(read) => filled += read,
                        Err(error) => {
                            // Of the node that failed, nothing more is handed out.
                            self.pending.clear();
                            self.state = State::Failing(error);
                        }
                    }
                }
                State::Failing(error) if filled == 0 => return Err(io::Error::other(error)),
                failing @ State::Failing(_) => {
                    self.state = failing;
                    break;
                }
                State::Failed => {
                    return Err(io::Error::other(
                        self.unpackable("reading it failed before"),
                    ));
                }
            }
        }
        Ok(filled)
    }
}

fn file_type(directory: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<FileType> {
    let stat = rustix::fs::statat(directory, path, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

/// Appends a string as it stands in a NAR.
fn push_string(bytes: &mut Vec<u8>, string: &[u8]) {
    let length = string.len() as u64;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(string);
    bytes.extend_from_slice(&[0; 8][..padding(length)]);
}
