//! What a decoder reports, and what it accepts at most.

/// What a decoder accepts at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a directory entry's name.
    pub name: usize,
    /// Bytes of a symbolic link's target.
    pub target: usize,
    /// Directories inside of one another.
    pub depth: usize,
    /// Bytes of the whole NAR.
    pub size: u64,
}

impl Default for Limits {
    /// What Linux can hold (names of 255 bytes, link targets of 4095), [`MAX_DEPTH`](super::MAX_DEPTH), and any size.
    fn default() -> Self {
        Self {
            name: 255,
            target: 4095,
            depth: super::MAX_DEPTH,
            size: u64::MAX,
        }
    }
}

/// What a [`NarDecoder`](super::NarDecoder) found. Names and targets are bytes: a NAR need not hold UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A directory begins. Its entries follow, then its [`Event::DirectoryEnd`].
    DirectoryStart,
    /// The next node lies in the current directory under this name: not empty, `.` or `..`, without `/` and NUL, and
    /// greater than the one before.
    Entry {
        /// The file name, as bytes.
        name: &'a [u8],
    },
    /// The current directory has no further entries.
    DirectoryEnd,
    /// A regular file begins. Its bytes follow, then its [`Event::RegularEnd`].
    RegularStart {
        /// Whether the file may be executed.
        executable: bool,
        /// How many bytes follow, if the NAR is not cut short.
        size: u64,
        /// Where in the NAR the first of them stands, counted from its start.
        offset: u64,
    },
    /// More bytes of the current file; never empty.
    Data(&'a [u8]),
    /// All bytes of the current file were reported.
    RegularEnd,
    /// A symbolic link: not empty, without NUL.
    Symlink {
        /// Where it points, as bytes.
        target: &'a [u8],
    },
}
