//! Reading a file that others read or write at the same time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Reads a file from a place on, without the position that its handle has.
#[derive(Debug)]
pub struct FileReader<'a> {
    file: &'a File,
    offset: u64,
}

impl<'a> FileReader<'a> {
    pub(super) fn new(file: &'a File, offset: u64) -> Self {
        Self { file, offset }
    }
}

impl io::Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
