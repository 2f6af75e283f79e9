//! Private files: created 0600, replaced as a whole, read only when nobody else can.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fh_conf::regular::{self, Refused};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;

/// Permission bits of the group and of others.
const OTHERS: u32 = 0o077;

/// More than any token has.
const SECRET_LIMIT: u64 = 64 * 1024;

/// More than any list of servers has.
const TEXT_LIMIT: u64 = 8 * 1024 * 1024;

/// For how long the directory of the lock is made again. A number of tries would be used up in a moment
/// where many log out at once.
const MOST_REMAKING: Duration = Duration::from_secs(3);

/// Creates a directory that only the user can enter. One that is there already stays as it is.
pub(super) fn create_private_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIRECTORY)
        .create(path)
        .map_err(|source| Error::file("create the directory", path, source))
}

/// Held while the store is changed; another process that wants to change it waits. The file of the
/// lock goes with it.
#[derive(Debug)]
pub struct StoreLock {
    path: PathBuf,
    _file: File,
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // Still locked, so it is our own, not that of the next process, which notices that the file
        // it waited for is gone. If it cannot be removed it stays, and locks nothing.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a directory may not have been made because another process removed it, or one above it, meanwhile.
fn is_of_a_removal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
    )
}

/// Waits for the other processes that change the store below `directory`, which is made if it is missing.
pub(super) fn lock(directory: &Path) -> Result<StoreLock> {
    let path = directory.join(".lock");
    let failed = |source: io::Error| Error::file("lock", &path, source);
    let begin = Instant::now();
    loop {
        let is_last = begin.elapsed() >= MOST_REMAKING;
        match create_private_directory(directory) {
            // It may have been there, and gone when it was looked at.
            Err(Error::File { source, .. }) if is_of_a_removal(&source) && !is_last => {}
            made => made?,
        }
        let opened = rustix::fs::open(
            &path,
            OFlags::RDWR
                | OFlags::CREATE
                | OFlags::CLOEXEC
                | OFlags::NOFOLLOW
                | OFlags::NONBLOCK
                | OFlags::NOCTTY,
            Mode::RUSR | Mode::WUSR,
        );
        let file = match opened {
            Ok(file) => File::from(file),
            // A logout has removed the directory, in which there was nothing.
            Err(Errno::NOENT) if !is_last => {
                std::thread::yield_now();
                continue;
            }
            Err(errno) => return Err(failed(errno.into())),
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(Refused::NotRegular.into()));
        }
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| failed(errno.into()))?;
        let locked = file.metadata().map_err(failed)?;
        let is_named = fs::symlink_metadata(&path)
            .is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino()));
        if is_named {
            return Ok(StoreLock { path, _file: file });
        }
    }
}

/// The text of a file, none where there is no such file.
pub(super) fn read_text(path: &Path) -> Result<Option<String>> {
    let failed = |error: io::Error| Error::file("read", path, error);
    let Some(text) = regular::read(path, TEXT_LIMIT).map_err(failed)? else {
        return Ok(None);
    };
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8");
    String::from_utf8(text)
        .map(Some)
        .map_err(|error| failed(invalid(error)))
}

/// Puts a secret in the place of a file: 0600, whatever the old one was.
pub(super) fn replace_secret(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, content, |_| PRIVATE_FILE)
}

/// Puts a text in the place of a file. What the user has opened for others stays open.
pub(super) fn replace_text(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, content, |old| old.unwrap_or(PRIVATE_FILE))
}

/// Puts `content` in the place of a file, so that a reader sees the old or the new, whole.
///
/// A symbolic link stays, and the file that it points to is replaced. `mode` gives the new
/// permissions for the old ones; until it has them, the file is the user's alone.
fn replace(path: &Path, content: &[u8], mode: impl Fn(Option<u32>) -> u32) -> Result<()> {
    let target = followed(path)?;
    let failed = |source: io::Error| Error::file("write", &target, source);
    let directory = target.parent().unwrap_or(Path::new("."));
    let old = fs::metadata(&target).ok();
    let mut file = tempfile::Builder::new()
        .prefix(".fh-")
        .permissions(Permissions::from_mode(PRIVATE_FILE))
        .tempfile_in(directory)
        .map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    let mode = mode(old.map(|metadata| metadata.mode() & 0o777));
    if mode != PRIVATE_FILE {
        file.as_file()
            .set_permissions(Permissions::from_mode(mode))
            .map_err(failed)?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|error| failed(error.error))?;
    // The rename itself must be on disk too; a file system that cannot do that is no reason to
    // fail after the new file is in place.
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
    Ok(())
}

/// Where a path leads if it is a symbolic link, even to a file that is not there yet.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut current = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&current) {
            Ok(target) => {
                let parent = current.parent().unwrap_or(Path::new("."));
                current = parent.join(target);
            }
            Err(_) => return Ok(current),
        }
    }
    Err(Error::file(
        "follow the links of",
        path,
        io::Error::other("too many levels of symbolic links"),
    ))
}

/// The secret in a file, none where there is no such file.
///
/// Permissions are looked at on the open file, so that what is checked is what is read.
pub(super) fn read_secret(path: &Path) -> Result<Option<SecretString>> {
    let failed = |source: io::Error| Error::file("read", path, source);
    let Some(file) = regular::open(path).map_err(failed)? else {
        return Ok(None);
    };
    let mode = file.metadata().mode() & 0o777;
    if mode & OTHERS != 0
        && file
            .file()
            .set_permissions(Permissions::from_mode(mode & !OTHERS))
            .is_err()
    {
        return Err(Error::InsecureTokenFile {
            path: path.to_owned(),
            mode,
        });
    }
    let bytes = Zeroizing::new(file.read(SECRET_LIMIT).map_err(failed)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        failed(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not valid UTF-8",
        ))
    })?;
    Ok(Some(SecretString::from(text.trim())))
}
