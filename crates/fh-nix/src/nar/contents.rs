//! A regular file's contents while it is packed.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};

/// From this size on, the kernel is told that a file will be read from start to end.
const READ_AHEAD_FROM: u64 = 1 << 20;

/// A file of which exactly the size is read that it had when it was opened.
#[derive(Debug)]
pub(super) struct Contents {
    file: File,
    size: u64,
    remaining: u64,
}

/// Why the contents cannot be read.
#[derive(Debug)]
pub(super) enum ContentsError {
    System(io::Error),
    /// There is more or less to read than there was.
    Resized,
}

impl Contents {
    /// The contents of `file`, which is `size` bytes long.
    pub(super) fn new(file: OwnedFd, size: u64) -> Self {
        if size >= READ_AHEAD_FROM {
            read_ahead(&file);
        }
        Self {
            file: file.into(),
            size,
            remaining: size,
        }
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Whether everything was read, and the file was found to end there.
    pub(super) const fn is_complete(&self) -> bool {
        self.remaining == 0
    }

    /// Reads at most what remains. Asks for one byte more where there is room, to find out without a further system call
    /// that the file did not grow.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ContentsError> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let asked = wanted.saturating_add(1).min(buffer.len());
        let read = self.read_some(&mut buffer[..asked])?;
        if read > wanted || (read == 0 && wanted > 0) {
            return Err(ContentsError::Resized);
        }
        self.remaining -= read as u64;
        // Less than was asked for: that was the end of the file.
        let at_end = read < asked;
        if self.remaining == 0 && !at_end && self.read_some(&mut [0])? > 0 {
            return Err(ContentsError::Resized);
        }
        Ok(read)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, ContentsError> {
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(ContentsError::System),
            }
        }
    }
}

/// Tells the kernel to read a file ahead. Merely advice: whether it works does not matter.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn read_ahead(file: impl AsFd) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn read_ahead(_file: impl AsFd) {}
