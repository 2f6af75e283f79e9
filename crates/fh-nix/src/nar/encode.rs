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
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use super::{MAX_DEPTH, padding, strings};
use crate::error::{Error, Result};

const MAGIC: [u8; 24] = strings(&[b"nix-archive-1"]);
const REGULAR: [u8; 64] = strings(&[b"(", b"type", b"regular", b"contents"]);
const EXECUTABLE: [u8; 96] = strings(&[b"(", b"type", b"regular", b"executable", b"", b"contents"]);
const SYMLINK: [u8; 64] = strings(&[b"(", b"type", b"symlink", b"target"]);
const DIRECTORY: [u8; 56] = strings(&[b"(", b"type", b"directory"]);
const ENTRY: [u8; 48] = strings(&[b"entry", b"(", b"name"]);
const NODE: [u8; 16] = strings(&[b"node"]);
const CLOSE: [u8; 16] = strings(&[b")"]);

/// The buffer of [`pack`].
const BUFFER: usize = 256 << 10;

/// From this size on, the kernel is told that a file will be read from start to end.
const READ_AHEAD_FROM: u64 = 1 << 20;

/// The NAR of a path in the file system, as a stream.
///
/// Give [`Read::read`] large buffers, 64 KiB or more: each call fills as much of one as the NAR has, and file contents are
/// not buffered in between. After an error, every further read is an error too, so that a failed NAR can never be taken
/// for a complete one. An [`io::Error`] from here holds an [`Error`], which names the file.
#[derive(Debug)]
pub struct NarReader {
    root: PathBuf,
    /// The directories we are in, outermost first.
    levels: Vec<Level>,
    /// What was made and not handed out yet: never file contents.
    pending: Vec<u8>,
    /// How much of `pending` was handed out.
    handed_out: usize,
    file: Option<OpenFile>,
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

/// A directory that we are in.
#[derive(Debug)]
struct Level {
    directory: Dir,
    /// The names of all entries, each with its NUL.
    names: Vec<u8>,
    /// The entries, sorted by name.
    entries: Vec<DirectoryEntry>,
    /// The entry to come next.
    next: usize,
}

/// An entry of a directory. Its name is a part of the level's `names`.
#[derive(Clone, Copy, Debug)]
struct DirectoryEntry {
    start: usize,
    end: usize,
    kind: FileType,
}

/// A regular file whose contents are being read.
#[derive(Debug)]
struct OpenFile {
    file: File,
    size: u64,
    remaining: u64,
}

impl NarReader {
    /// The NAR of whatever `path` is; a symbolic link is not followed.
    ///
    /// # Errors
    /// When there is nothing at `path`, it cannot be read, or it is of a kind that a NAR cannot hold.
    pub fn new(path: &Path) -> Result<Self> {
        let mut reader = Self {
            root: path.to_owned(),
            levels: Vec::new(),
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
        for level in &self.levels {
            if let Some(entry) = level.current() {
                path.push(OsStr::from_bytes(level.name(entry)));
            }
        }
        path
    }

    fn io_error(&self, action: &'static str) -> impl FnOnce(rustix::io::Errno) -> Error + '_ {
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
        let result = match self.levels.last() {
            None => rustix::path::Arg::into_with_c_str(self.root.as_path(), |path| {
                operation(rustix::fs::CWD, path)
            }),
            Some(level) => match (level.directory.fd(), level.current_name()) {
                (Ok(directory), Some(name)) => operation(directory, name),
                (Err(error), _) => Err(error),
                (_, None) => Err(rustix::io::Errno::NOENT),
            },
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
            .map_err(|_| self.unpackable("the file system tells a negative size"))?;
        if size >= READ_AHEAD_FROM {
            read_ahead(&file);
        }
        self.pending.extend_from_slice(if executable {
            &EXECUTABLE[..]
        } else {
            &REGULAR[..]
        });
        self.pending.extend_from_slice(&size.to_le_bytes());
        self.file = Some(OpenFile {
            file: file.into(),
            size,
            remaining: size,
        });
        Ok(())
    }

    fn start_directory(&mut self) -> Result<()> {
        if self.levels.len() == MAX_DEPTH {
            return Err(
                self.unpackable(&format!("it is nested deeper than {MAX_DEPTH} directories"))
            );
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let level = self.at_node("read the directory", |directory, name| {
            Level::read(rustix::fs::openat(directory, name, flags, Mode::empty())?)
        })?;
        self.pending.extend_from_slice(&DIRECTORY);
        self.levels.push(level);
        Ok(())
    }

    /// Ends the node that we were at. In a directory, its entry ends with it.
    fn end_node(&mut self) {
        match self.levels.last_mut() {
            None => self.state = State::Complete,
            Some(level) => {
                self.pending.extend_from_slice(&CLOSE);
                level.next += 1;
            }
        }
    }

    /// Makes some more of the NAR: into `pending`, or, of a file, into `buffer`, and returns how much of it.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if let Some(file) = &mut self.file {
            return match file.read(buffer) {
                Ok(read) => {
                    if file.remaining == 0 {
                        let zeros = padding(file.size);
                        self.file = None;
                        self.pending.extend_from_slice(&[0; 8][..zeros]);
                        self.pending.extend_from_slice(&CLOSE);
                        self.end_node();
                    }
                    Ok(read)
                }
                Err(ReadError::Io(source)) => Err(Error::Io {
                    action: "read",
                    path: self.current_path(),
                    source,
                }),
                Err(ReadError::Changed) => {
                    Err(self.unpackable("its size changed while it was read"))
                }
            };
        }
        let Some(level) = self.levels.last() else {
            self.state = State::Complete;
            return Ok(0);
        };
        let Some(entry) = level.current() else {
            self.levels.pop();
            self.pending.extend_from_slice(&CLOSE);
            self.end_node();
            return Ok(0);
        };
        self.pending.extend_from_slice(&ENTRY);
        push_string(&mut self.pending, level.name(entry));
        self.pending.extend_from_slice(&NODE);
        let kind = match entry.kind {
            // Some file systems do not tell.
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

impl Level {
    fn read(directory: impl Into<std::os::fd::OwnedFd>) -> rustix::io::Result<Self> {
        let mut level = Self {
            directory: Dir::new(directory)?,
            names: Vec::new(),
            entries: Vec::new(),
            next: 0,
        };
        while let Some(entry) = level.directory.read() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let start = level.names.len();
            level.names.extend_from_slice(name.to_bytes_with_nul());
            let end = level.names.len() - 1;
            level.entries.push(DirectoryEntry {
                start,
                end,
                kind: entry.file_type(),
            });
        }
        let names = &level.names;
        level
            .entries
            .sort_unstable_by(|a, b| names[a.start..a.end].cmp(&names[b.start..b.end]));
        Ok(level)
    }

    fn current(&self) -> Option<DirectoryEntry> {
        self.entries.get(self.next).copied()
    }

    fn name(&self, entry: DirectoryEntry) -> &[u8] {
        &self.names[entry.start..entry.end]
    }

    fn current_name(&self) -> Option<&CStr> {
        let entry = self.current()?;
        CStr::from_bytes_with_nul(&self.names[entry.start..=entry.end]).ok()
    }
}

/// Why the contents of a file cannot be read.
enum ReadError {
    Io(io::Error),
    Changed,
}

impl OpenFile {
    /// Reads at most what remains. Asks for one byte more where there is room, to find out without a further system call
    /// that the file did not grow.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let asked = wanted.saturating_add(1).min(buffer.len());
        let read = self.read_some(&mut buffer[..asked])?;
        if read > wanted || (read == 0 && wanted > 0) {
            return Err(ReadError::Changed);
        }
        self.remaining -= read as u64;
        // Less than was asked for: that was the end of the file.
        let at_end = read < asked;
        if self.remaining == 0 && !at_end && self.read_some(&mut [0])? > 0 {
            return Err(ReadError::Changed);
        }
        Ok(read)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(ReadError::Io),
            }
        }
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

/// Tells the kernel to read a file ahead. Merely advice: whether it works does not matter.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn read_ahead(file: impl AsFd) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn read_ahead(_file: impl AsFd) {}

/// Writes the NAR of `path` to `writer` and returns its size in bytes.
///
/// # Errors
/// As [`NarReader::new`]; when anything below `path` cannot be packed, and when `writer` fails.
pub fn pack<W: Write>(path: &Path, writer: &mut W) -> Result<u64> {
    let mut reader = NarReader::new(path)?;
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        let read = reader.read(&mut buffer).map_err(unwrap_error)?;
        if read == 0 {
            return Ok(size);
        }
        writer
            .write_all(&buffer[..read])
            .map_err(|source| Error::Stream {
                action: "write",
                source,
            })?;
        size += read as u64;
    }
}

/// The error of this crate that an error of [`NarReader`]'s holds.
fn unwrap_error(error: io::Error) -> Error {
    match error.downcast() {
        Ok(error) => error,
        Err(source) => Error::Stream {
            action: "read",
            source,
        },
    }
}
