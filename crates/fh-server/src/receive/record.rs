//! The compressed bytes of one record of a batch while they come.

use std::io::{BufRead, BufReader, Read as _};

use fh_access::ApiError;
use fh_persistence::storage::{FileStorage, StagedFile, StorageError};

use super::body::PIECE;

/// In memory while they are few, else in a file.
pub(super) enum RecordBytes {
    Memory(Vec<u8>),
    File(StagedFile),
}

impl RecordBytes {
    /// Room for so many bytes.
    pub(super) fn of(length: u64, storage: &FileStorage) -> Result<Self, StorageError> {
        if length <= PIECE as u64 {
            return Ok(Self::Memory(Vec::new()));
        }
        storage.stage().map(Self::File)
    }

    pub(super) fn append(&mut self, data: &[u8]) -> Result<(), StorageError> {
        match self {
            Self::Memory(memory) => memory.extend_from_slice(data),
            Self::File(file) => file.append(data)?,
        }
        Ok(())
    }

    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Memory(memory) => memory.len() as u64,
            Self::File(file) => file.length(),
        }
    }

    /// Ends writing, and reads from the start.
    pub(super) fn reader(&mut self) -> Result<Box<dyn BufRead + '_>, StorageError> {
        Ok(match self {
            Self::Memory(memory) => Box::new(memory.as_slice()),
            Self::File(file) => {
                file.close();
                Box::new(BufReader::with_capacity(PIECE, file.reader()?))
            }
        })
    }

    /// All of them in a file.
    pub(super) fn into_file(self, storage: &FileStorage) -> Result<StagedFile, StorageError> {
        match self {
            Self::Memory(memory) => staged(storage, &memory),
            Self::File(file) => Ok(file),
        }
    }

    /// All of them in memory.
    pub(super) fn into_memory(self) -> Result<Vec<u8>, ApiError> {
        let file = match self {
            Self::Memory(memory) => return Ok(memory),
            Self::File(file) => file,
        };
        let mut content = Vec::new();
        let read = file.reader()?.read_to_end(&mut content);
        read.map_err(ApiError::internal)?;
        Ok(content)
    }
}

/// A file with these bytes.
pub(super) fn staged(storage: &FileStorage, bytes: &[u8]) -> Result<StagedFile, StorageError> {
    let mut file = storage.stage()?;
    file.append(bytes)?;
    file.close();
    Ok(file)
}
