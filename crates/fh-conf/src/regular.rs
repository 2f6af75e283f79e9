//! Reading a file whose place somebody else may have given to something else.
//!
//! A pipe would be waited for, a device has effects of its own when it is opened, and a file without end
//! fills the memory. So what is there is looked at before it is opened, opened without waiting, and looked
//! at again when it is open; and no more than a limit is read of it.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open as open_file};
use rustix::io::Errno;

/// Why a file is not read, inside of an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is a directory, a pipe, a socket or a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// It is longer than any file of its kind.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The most that is read, in bytes.
        limit: u64,
    },
}

impl Refused {
    /// What an error of this module says, where it is no error of the operating system.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::NotRegular => io::ErrorKind::InvalidInput,
            Refused::TooLong { .. } => io::ErrorKind::InvalidData,
        };
        Self::new(kind, refused)
    }
}

/// What the operating system says of a file that is not there.
#[must_use]
pub fn missing() -> io::Error {
    Errno::NOENT.into()
}

/// A regular file that is open for reading.
#[derive(Debug)]
pub struct Regular {
    file: File,
    metadata: Metadata,
}

/// Opens a regular file, symbolic links followed; `None` if there is none.
///
/// # Errors
///
/// [`Refused::NotRegular`]; the operating system's.
pub fn open(path: &Path) -> io::Result<Option<Regular>> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => return Err(Refused::NotRegular.into()),
        // Also where it is gone a moment later.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match open_file(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        // A socket, or a device without driver.
        Err(Errno::NXIO | Errno::NODEV) => return Err(Refused::NotRegular.into()),
        Err(errno) => return Err(errno.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Refused::NotRegular.into());
    }
    Ok(Some(Regular { file, metadata }))
}

/// The content of a regular file, at most `limit` bytes; `None` if there is none.
///
/// # Errors
///
/// Those of [`open`]; [`Refused::TooLong`].
pub fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    open(path)?.map(|file| file.read(limit)).transpose()
}

impl Regular {
    /// What the open file is.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The open file, for questions about it.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file, to be read piece by piece.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// Its content, at most `limit` bytes. A file that does not grow meanwhile is read into one piece of
    /// memory, so that a secret leaves no copies behind.
    ///
    /// # Errors
    ///
    /// [`Refused::TooLong`]; the operating system's.
    pub fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        let refused = Refused::TooLong { limit };
        let length = self.metadata.len();
        if length > limit {
            return Err(refused.into());
        }
        // One byte more, so that the end is met without growing.
        let room = usize::try_from(length.saturating_add(1)).unwrap_or(usize::MAX);
        let mut content = Vec::with_capacity(room);
        (&self.file)
            .take(limit.saturating_add(1))
            .read_to_end(&mut content)?;
        if content.len() as u64 > limit {
            return Err(refused.into());
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let socket = directory.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let begin = Instant::now();
        for path in [
            pipe.as_path(),
            socket.as_path(),
            directory.path(),
            Path::new("/dev/zero"),
            Path::new("/dev/tty"),
        ] {
            let error = read(path, 10).unwrap_err();
            assert_eq!(Refused::of(&error), Some(Refused::NotRegular), "{path:?}");
            assert_eq!(error.to_string(), "it is not a regular file");
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_file_is_read_up_to_a_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert_eq!(read(&path, 10).unwrap(), None);
        std::fs::write(&path, b"0123456789").unwrap();
        assert_eq!(read(&path, 10).unwrap().unwrap(), b"0123456789");
        let error = read(&path, 9).unwrap_err();
        assert_eq!(Refused::of(&error), Some(Refused::TooLong { limit: 9 }));
        assert_eq!(error.to_string(), "it is longer than 9 bytes");
        // Sparse, so that it costs nothing.
        let file = File::create(&path).unwrap();
        file.set_len(300 << 20).unwrap();
        let begin = Instant::now();
        assert!(read(&path, 1 << 20).is_err());
        assert!(begin.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_file_of_the_kernel_that_tells_no_length_is_read() {
        let text = read(Path::new("/proc/self/status"), 64 * 1024).unwrap();
        assert!(!text.unwrap().is_empty());
    }
}
