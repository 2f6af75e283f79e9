//! A large NAR as far as its parts were received and checked.
//!
//! Each part is a whole number of zstd frames, so the parts lie end to end in one file and what is
//! there can be found out by decompressing it: after a restart the file is read again, up to the last
//! part that is whole. What a power cut has changed within a part is noticed there where its frames
//! carry checksums, and else when the whole is compared with its hash: then it is begun anew.

use std::io::BufReader;
use std::time::{Duration, Instant};

use fh_persistence::storage::{
    Checksum, FileStorage, OpenPartial, PartialFile, RunningChecksum, StorageError, UploadKey,
};

use super::body::PIECE;
use super::frames::{FrameDecoder, FrameFault, Step};
use super::verify::{Expected, NarCheck, NarFault};

/// Why a part does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartFault {
    /// It is not what it must be. For the sender.
    #[error(transparent)]
    Content(#[from] NarFault),
    /// It does not have as many bytes as a part has. For the sender.
    #[error("it decompresses to {found} bytes, but this part must have {expected}")]
    Length {
        found: u64,
        /// Bytes that it must have.
        expected: u64,
    },
    /// A file could not be used; no fault of the sender.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Bytes of content that a part of a NAR has.
pub(crate) fn content_of(number: u64, nar_size: u64, part_size: u64) -> u64 {
    let before = number.saturating_mul(part_size);
    nar_size.saturating_sub(before).min(part_size)
}

/// The state of one upload in parts.
#[derive(Debug)]
pub(crate) struct PartialNar {
    expected: Expected,
    part_size: u64,
    file: PartialFile,
    good: Good,
    /// How long it took to decompress and check what came, all in all.
    verifying: Duration,
}

/// The parts that were checked: all that counts.
#[derive(Clone, Debug)]
struct Good {
    parts: u64,
    /// Bytes of the file that they fill.
    length: u64,
    /// Checksum of these bytes.
    sum: RunningChecksum,
    check: NarCheck,
}

impl Good {
    fn nothing(nar_size: u64) -> Self {
        Self {
            parts: 0,
            length: 0,
            sum: RunningChecksum::new(),
            check: NarCheck::new(nar_size),
        }
    }
}

impl PartialNar {
    /// An upload as far as its file tells; one that has not begun where there is none.
    pub(crate) fn resume(
        storage: &FileStorage,
        key: &UploadKey,
        expected: Expected,
        part_size: u64,
        decoder: &mut FrameDecoder,
    ) -> Result<Self, StorageError> {
        let file = storage.partial(key);
        let mut partial = Self {
            good: Good::nothing(expected.nar_size),
            expected,
            part_size,
            file,
            verifying: Duration::ZERO,
        };
        if partial.file.length()? > 0 {
            partial.read_again(decoder)?;
        }
        Ok(partial)
    }

    /// Reads the file for the parts that it holds. The last part is never taken from it: what
    /// completes a NAR is a request that asks for that.
    fn read_again(&mut self, decoder: &mut FrameDecoder) -> Result<(), StorageError> {
        let open = self.file.open_to_read()?;
        let reader = BufReader::with_capacity(PIECE, open.reader(0));
        let mut frames = decoder.frames(reader);
        let mut check = self.good.check.clone();
        let last = self.part_count() - 1;
        // Whatever is wrong with the rest, it is not there.
        while let Ok(Some(step)) = frames.next() {
            match step {
                Step::Data(bytes) => {
                    if check.take(bytes).is_err() {
                        break;
                    }
                }
                Step::FrameEnd { consumed } => {
                    let parts = check.taken() / self.part_size;
                    let whole = check.taken().is_multiple_of(self.part_size) && parts > 0;
                    if whole && parts <= last {
                        self.good = Good {
                            parts,
                            length: consumed,
                            sum: frames.sum().clone(),
                            check: check.clone(),
                        };
                    }
                }
            }
            if check.taken() > last * self.part_size {
                break;
            }
        }
        Ok(())
    }

    /// Whether the file is as it was left here, or another process is adding to it: then what was read of it still
    /// holds.
    pub(crate) fn is_current(&self) -> Result<bool, StorageError> {
        Ok(self.file.length()? == self.good.length || self.file.is_taken()?)
    }

    /// How many parts the NAR has.
    pub(crate) fn part_count(&self) -> u64 {
        fh_api::part_count(self.expected.nar_size, self.part_size)
    }

    /// How many parts were received and checked.
    pub(crate) fn parts(&self) -> u64 {
        self.good.parts
    }

    /// How long it took to decompress and check what came, all in all.
    pub(crate) fn verifying(&self) -> Duration {
        self.verifying
    }

    /// Opens the file for the next part. What a part that broke off left there is cut away.
    pub(crate) fn open(&self) -> Result<OpenPartial, StorageError> {
        self.file.open_at(self.good.length)
    }

    /// Gives back the room of what was added and not counted.
    pub(crate) fn cut_off(&self) -> Result<(), StorageError> {
        if self.good.length == 0 {
            return self.file.remove();
        }
        self.open().map(drop)
    }

    /// Checks the part that was added since [`Self::open`], and counts it. After a fault it is as if
    /// the part had not come.
    pub(crate) fn accept(
        &mut self,
        open: &OpenPartial,
        decoder: &mut FrameDecoder,
    ) -> Result<(), PartFault> {
        let since = Instant::now();
        let accepted = self.check_part(open, decoder);
        self.verifying += since.elapsed();
        accepted
    }

    fn check_part(
        &mut self,
        open: &OpenPartial,
        decoder: &mut FrameDecoder,
    ) -> Result<(), PartFault> {
        let expected = content_of(self.good.parts, self.expected.nar_size, self.part_size);
        let mut check = self.good.check.clone();
        let start = check.taken();
        let reader = BufReader::with_capacity(PIECE, open.reader(self.good.length));
        let mut frames = decoder
            .frames_after(self.good.sum.clone(), reader)
            .of_sender();
        let mut found = 0;
        while let Some(step) = frames.next().map_err(NarFault::from)? {
            if let Step::Data(bytes) = step {
                found += bytes.len() as u64;
                if found > expected {
                    return Err(PartFault::Length { found, expected });
                }
                check.take(bytes)?;
            }
        }
        if check.taken() - start != expected {
            return Err(PartFault::Length { found, expected });
        }
        self.good = Good {
            parts: self.good.parts + 1,
            length: open.length(),
            sum: frames.sum().clone(),
            check,
        };
        Ok(())
    }

    /// Compares the whole with what was announced, when all parts are there: the checksum of its file.
    pub(crate) fn check_whole(&self) -> Result<Checksum, NarFault> {
        self.good.check.clone().finish(self.expected.nar_hash)?;
        Ok(self.good.sum.value())
    }

    /// Throws all parts away, and their file.
    pub(crate) fn reset(&mut self) -> Result<(), StorageError> {
        self.good = Good::nothing(self.expected.nar_size);
        self.file.remove()
    }
}

impl PartFault {
    /// Whether the sender is at fault, and not this machine.
    pub(crate) fn is_senders(&self) -> bool {
        match self {
            Self::Content(fault) => fault.is_senders(),
            Self::Length { .. } => true,
            Self::Storage(_) => false,
        }
    }

    /// Whether the parts that were taken before may be to blame as well: they were found to have their size, and to
    /// be the beginning of some NAR, not of the right one.
    pub(crate) fn is_of_the_whole(&self) -> bool {
        match self {
            Self::Content(fault) => fault.is_of_the_whole(),
            Self::Length { .. } | Self::Storage(_) => false,
        }
    }
}

impl From<FrameFault> for PartFault {
    fn from(fault: FrameFault) -> Self {
        Self::Content(fault.into())
    }
}
