//! The NAR of a store path, read to be sent, and compared with what Nix has recorded of it.

use std::io::{self, Read as _};
use std::path::Path;

use fh_api::with_causes;
use fh_nix::{Hasher, NarHash, NarReader};

use super::report::FailureKind;

/// A NAR of which a part was read, and hashed.
pub(crate) struct CheckedNar {
    reader: NarReader,
    hasher: Hasher,
    hash: NarHash,
    size: u64,
}

/// Why a NAR cannot be sent.
#[derive(Debug, Clone)]
pub(crate) struct Unusable {
    pub(crate) kind: FailureKind,
    /// Why, in one sentence.
    pub(crate) reason: String,
}

impl CheckedNar {
    /// Opens the files of a path, of whose NAR Nix has recorded this hash and size.
    pub(crate) fn open(files: &Path, hash: NarHash, size: u64) -> Result<Self, Unusable> {
        Ok(Self {
            reader: NarReader::new(files)?,
            hasher: Hasher::new(),
            hash,
            size,
        })
    }

    /// Fills the buffer with the next bytes, which have to be there.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Unusable> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..])? {
                0 => return Err(self.wrong_size("fewer")),
                count => filled += count,
            }
        }
        self.hasher.update(buffer);
        Ok(())
    }

    /// Compares a NAR of which all expected bytes were read with what Nix has recorded of it.
    pub(crate) fn check(mut self) -> Result<(), Unusable> {
        if self.reader.read(&mut [0])? != 0 {
            return Err(self.wrong_size("more"));
        }
        let found = self.hasher.finish();
        if found == self.hash {
            return Ok(());
        }
        Err(Unusable {
            kind: FailureKind::Corrupted,
            reason: format!(
                "its files are not what Nix recorded: the NAR hash is {found}, recorded is {}",
                self.hash
            ),
        })
    }

    fn wrong_size(&self, word: &str) -> Unusable {
        Unusable {
            kind: FailureKind::Corrupted,
            reason: format!(
                "its files are not what Nix recorded: the NAR has {word} than the recorded {} bytes",
                self.size
            ),
        }
    }
}

impl From<fh_nix::Error> for Unusable {
    fn from(error: fh_nix::Error) -> Self {
        Self {
            kind: FailureKind::Unreadable,
            reason: with_causes(&error),
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self {
            kind: FailureKind::Unreadable,
            // The reader wraps its own errors, which name the file.
            reason: match error.get_ref() {
                Some(inner) => with_causes(inner),
                None => error.to_string(),
            },
        }
    }
}
