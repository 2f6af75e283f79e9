//! Compressing what was read into one zstd frame.
//!
//! Each frame carries the size of its content and a checksum of it.

use fh_nix::NarHash;
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, SafeResult, get_error_name,
};

use super::memory::{Block, Reservation};

/// Blocks needed besides those that hold the content: one to write into while the first one is
/// read, and one for the little that an incompressible content grows by.
pub(super) const EXTRA_BLOCKS: usize = 2;

/// A compression context, kept from one frame to the next for its memory.
pub(super) struct Compressor {
    context: CCtx<'static>,
}

/// Why nothing was compressed.
#[derive(Debug)]
pub(super) enum CompressError {
    /// The push was stopped.
    Stopped,
    /// zstd refused, which can only be want of memory.
    Failed(String),
}

impl From<usize> for CompressError {
    fn from(code: usize) -> Self {
        Self::Failed(format!("zstd: {}", get_error_name(code)))
    }
}

impl Compressor {
    /// A compressor of this level.
    pub(super) fn new(level: i32) -> Result<Self, CompressError> {
        let mut context = CCtx::try_create()
            .ok_or_else(|| CompressError::Failed("zstd: out of memory".to_owned()))?;
        context.set_parameter(CParameter::CompressionLevel(level))?;
        context.set_parameter(CParameter::ChecksumFlag(true))?;
        context.set_parameter(CParameter::ContentSizeFlag(true))?;
        Ok(Self { context })
    }

    /// Makes one frame of the blocks, one after the other. A block that was read goes back to the
    /// reservation, and what is written is taken from there.
    pub(super) fn frame(
        &mut self,
        content: Vec<Block>,
        reservation: &mut Reservation,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<Block>, CompressError> {
        let length: usize = content.iter().map(|block| block.filled().len()).sum();
        self.context.reset(ResetDirective::SessionOnly)?;
        self.context.set_pledged_src_size(Some(length as u64))?;
        let mut output = Output {
            reservation,
            full: Vec::new(),
        };
        let last = content.len().saturating_sub(1);
        let mut current = output.next()?;
        for (index, block) in content.into_iter().enumerate() {
            if stopped() {
                return Err(CompressError::Stopped);
            }
            let directive = if index == last {
                ZSTD_EndDirective::ZSTD_e_end
            } else {
                ZSTD_EndDirective::ZSTD_e_continue
            };
            let mut input = InBuffer::around(block.filled());
            loop {
                let remaining = write(&mut self.context, &mut current, &mut input, directive)?;
                let done = if index == last {
                    remaining == 0
                } else {
                    input.pos() == block.filled().len()
                };
                if done {
                    break;
                }
                if current.room().is_empty() {
                    let full = std::mem::replace(&mut current, output.next()?);
                    output.full.push(full);
                }
            }
            output.reservation.put_back(block);
        }
        if current.filled().is_empty() {
            output.reservation.put_back(current);
        } else {
            output.full.push(current);
        }
        Ok(output.full)
    }
}

struct Output<'a> {
    reservation: &'a mut Reservation,
    full: Vec<Block>,
}

impl Output<'_> {
    fn next(&mut self) -> Result<Block, CompressError> {
        self.reservation.take().ok_or_else(|| {
            // Cannot be: a frame is larger than its content by less than one block.
            CompressError::Failed("the compressed frame does not fit".to_owned())
        })
    }
}

/// Compresses as much of the input as fits into the rest of the block.
fn write(
    context: &mut CCtx<'static>,
    block: &mut Block,
    input: &mut InBuffer<'_>,
    directive: ZSTD_EndDirective,
) -> SafeResult {
    let mut output = OutBuffer::around(block.room());
    let remaining = context.compress_stream2(&mut output, input, directive)?;
    let written = output.pos();
    block.advance(written);
    Ok(remaining)
}

/// The header of a batch's record, see [`fh_api::NAR_BATCH_RECORD_HEADER`].
pub(super) fn record_header(
    nar: NarHash,
    compressed: u64,
) -> [u8; fh_api::NAR_BATCH_RECORD_HEADER] {
    let mut header = [0; fh_api::NAR_BATCH_RECORD_HEADER];
    let (hash, length) = header.split_at_mut(nar.as_bytes().len());
    hash.copy_from_slice(nar.as_bytes());
    length.copy_from_slice(&compressed.to_le_bytes());
    header
}
