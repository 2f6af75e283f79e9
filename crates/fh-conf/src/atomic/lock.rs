//! The lock beside a file.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;

use super::{resolve, write};
use crate::{Error, Result};

/// How long to sleep between two tries. `flock` has no time limit of its own.
const PAUSE: Duration = Duration::from_millis(5);

/// For how long a directory that is gone again is made anew: there are places in which none can be made, and
/// which say the same. A number of tries would be used up in a moment where many log out at once.
const MOST_REMAKING: Duration = Duration::from_secs(3);

/// Holds the lock until it is dropped.
pub(super) struct Lock {
    path: PathBuf,
    /// Closing it ends the lock.
    _file: File,
}

impl Lock {
    /// Takes the lock of the file that a path means, and makes its directory where it is missing. `check`
    /// may refuse that file; it is asked each time that a link may lead elsewhere.
    pub(super) fn take_making(
        path: &Path,
        directory_mode: u32,
        timeout: Duration,
        check: impl Fn(&Path) -> Result<()>,
    ) -> Result<(PathBuf, Self)> {
        let begin = Instant::now();
        let mut changed = Vec::new();
        loop {
            let target = resolve::resolve(path)?;
            check(&target)?;
            let made = write::make_directory(resolve::directory(&target)?, directory_mode);
            // What did not exist may exist now, and a link may lead elsewhere.
            let locked = made.and_then(|with_entry| {
                changed.extend(with_entry);
                let target = resolve::resolve(path)?;
                check(&target)?;
                let lock = Self::take_since(begin, &target, timeout)?;
                Ok((target, lock))
            });
            match locked {
                // Another process has removed the directory, in which there was nothing.
                Err(error)
                    if was_removed(&error) && begin.elapsed() < timeout.min(MOST_REMAKING) =>
                {
                    std::thread::yield_now();
                }
                Ok(locked) => {
                    changed
                        .iter()
                        .try_for_each(|above| write::sync_directory(above))?;
                    return Ok(locked);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the lock of a file whose directory exists.
    pub(super) fn take(target: &Path, timeout: Duration) -> Result<Self> {
        Self::take_since(Instant::now(), target, timeout)
    }

    /// The same, where the time has run since `begin`.
    fn take_since(begin: Instant, target: &Path, timeout: Duration) -> Result<Self> {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(".fh-lock");
        let path = target.with_file_name(name);
        loop {
            if let Some(file) = attempt(target, &path)? {
                return Ok(Self { path, _file: file });
            }
            let waited = begin.elapsed();
            if waited >= timeout {
                return Err(Error::Locked { path, waited });
            }
            std::thread::sleep(PAUSE.min(timeout - waited));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked, so this removes our own lock file, not that of the next process. If it
        // cannot be removed, it stays as an empty file that locks nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a directory is missing that was there or was made before.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound)
}

/// The same while it is made: it may have been there, and gone when it was looked at.
fn was_removed(error: &Error) -> bool {
    is_gone(error)
        || matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists)
}

/// Tries once; `None` if another process has the lock, or had it and removed the lock file.
fn attempt(target: &Path, path: &Path) -> Result<Option<File>> {
    let failed = |errno: Errno| {
        // Where no lock file can be made, neither can the file itself, which is what a person knows.
        let is_of_directory = matches!(
            errno,
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOSPC | Errno::DQUOT
        );
        let (action, path) = if is_of_directory {
            ("write", target)
        } else {
            ("lock", path)
        };
        Error::io(action, path)(errno)
    };
    // Never through a link, which could make a file elsewhere.
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    let file = File::from(open(path, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?);
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        }
    }
    let locked = file.metadata().map_err(Error::io("lock", path))?;
    if !locked.is_file() {
        return Err(Error::NotRegular {
            path: path.to_owned(),
        });
    }
    let same = path
        .symlink_metadata()
        .is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino()));
    Ok(same.then_some(file))
}
