//! An object that is open for reading, and how it is told from another one of the same name.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use time::Duration;

use super::reader::FileReader;
use super::{Checksum, RunningChecksum};
use crate::clock;

/// Bytes that are read at once where a whole object is read to check it.
const CHECKED_AT_ONCE: usize = 256 << 10;

/// A file that was changed less long ago may be changed again without its times telling: many kernels
/// count them in steps of a clock that ticks every few milliseconds, some file systems in seconds.
const SETTLED: Duration = Duration::seconds(1);

/// What a file looks like from outside. As long as it stays the same, nobody has written to the file:
/// the time of the last change cannot be set by a program. Only for files that [are
/// settled](Self::is_settled).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileIdentity {
    /// Whether any further change would show. Not where the clock was set back since the last one.
    pub fn is_settled(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let changed = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        clock::now().unix_timestamp_nanos() - changed > SETTLED.whole_nanoseconds()
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Why there is no object under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoObject {
    /// There is no file.
    #[error("its file is missing")]
    Missing,
    /// There is something that is no regular file.
    #[error("in the place of its file is {0}")]
    Strange(&'static str),
}

/// An object that is open for reading.
#[derive(Debug)]
pub struct OpenObject {
    file: File,
    identity: FileIdentity,
}

impl OpenObject {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let identity = FileIdentity::of(&file.metadata()?);
        Ok(Self { file, identity })
    }

    /// Its size in bytes, when it was opened.
    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// What it looked like when it was opened.
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Whether nobody has written to it since it was opened.
    pub fn is_untouched(&self) -> io::Result<bool> {
        Ok(FileIdentity::of(&self.file.metadata()?) == self.identity)
    }

    /// Whether that is the same file, whatever was written to it since.
    pub(super) fn is_same_file(&self, metadata: &Metadata) -> bool {
        (self.identity.device, self.identity.inode) == (metadata.dev(), metadata.ino())
    }

    /// Fills the buffer from a place in the file.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Reads what the system has in memory of a place in the file: how many bytes; 0 where it would have to
    /// wait for the disk, or cannot tell.
    pub fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        #[cfg(target_os = "linux")]
        {
            use rustix::io::{ReadWriteFlags, preadv2};
            let buffers = &mut [io::IoSliceMut::new(buffer)];
            // Whatever is wrong is found again by whoever waits.
            preadv2(&self.file, buffers, offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (buffer, offset);
            0
        }
    }

    /// A reader of it from its start, which does not share its position with others.
    pub fn reader(&self) -> FileReader<'_> {
        FileReader::new(&self.file, 0)
    }

    /// Reads all of it, for its checksum; `progress` hears of the bytes as they are read.
    pub fn checksum(&self, mut progress: impl FnMut(u64)) -> io::Result<Checksum> {
        let mut buffer = vec![0; CHECKED_AT_ONCE];
        let mut sum = RunningChecksum::new();
        let mut reader = self.reader();
        loop {
            match io::Read::read(&mut reader, &mut buffer) {
                Ok(0) => return Ok(sum.value()),
                Ok(read) => {
                    sum.update(&buffer[..read]);
                    progress(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
