//! Compressing what was read into one zstd frame.
//!
//! Each frame carries the size of its content and a checksum of it. The content lies in one piece:
//! zstd's streaming mode would copy it through a ring, and finding matches across the ring's seam
//! costs a quarter of the time.

use fh_nix::NarHash;
use zstd::zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

use super::memory::{BLOCK, Block, Reservation};
use super::options::DEFAULT_COMPRESSION_LEVEL;

/// Contents from this size on are compressed with [`TUNED`] parameters at the default level: below
/// it, zstd chooses well by the size, and there is little to win.
const TUNED_FROM: usize = 256 * 1024;

/// What the default level means for large contents: zstd's fastest strategy with a window above its
/// own choice for it. On store paths (1.3 GB of programs, libraries and data of a Debian system) the
/// frames are 4 % larger than those of level 3, at half to two thirds of the time. A table twice as
/// large makes them 3 % smaller, and no longer fits into a core's cache beside everything else that
/// a push does.
const TUNED: Parameters = Parameters {
    level: 2,
    window_log: 22,
    hash_log: 16,
};

/// What zstd is told. A logarithm of 0 leaves it to the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parameters {
    level: i32,
    window_log: u32,
    hash_log: u32,
}

impl Parameters {
    fn for_content(level: i32, length: usize) -> Self {
        if level == DEFAULT_COMPRESSION_LEVEL && length >= TUNED_FROM {
            TUNED
        } else {
            Self {
                level,
                window_log: 0,
                hash_log: 0,
            }
        }
    }
}

/// A compression context, kept from one frame to the next for its memory.
pub struct Compressor {
    context: CCtx<'static>,
    level: i32,
    applied: Option<Parameters>,
}

/// Why nothing was compressed: zstd's words. With enough room, it can only be want of memory.
#[derive(Debug)]
pub struct CompressError(pub String);

impl From<usize> for CompressError {
    fn from(code: usize) -> Self {
        Self(format!("zstd: {}", get_error_name(code)))
    }
}

impl Compressor {
    /// A compressor of this level.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(level: i32) -> Result<Self, CompressError> {
        let mut context =
            CCtx::try_create().ok_or_else(|| CompressError("zstd: out of memory".to_owned()))?;
        context.set_parameter(CParameter::ChecksumFlag(true))?;
        context.set_parameter(CParameter::ContentSizeFlag(true))?;
        Ok(Self {
            context,
            level,
            applied: None,
        })
    }

    /// Makes one frame of the content and says how long it is. There must be [`frame_bound`] of room.
    ///
    /// # Errors
    /// When there is no memory for it, or no room.
    pub fn frame(&mut self, content: &[u8], room: &mut [u8]) -> Result<usize, CompressError> {
        let parameters = Parameters::for_content(self.level, content.len());
        if self.applied != Some(parameters) {
            self.context
                .set_parameter(CParameter::CompressionLevel(parameters.level))?;
            self.context
                .set_parameter(CParameter::WindowLog(parameters.window_log))?;
            self.context
                .set_parameter(CParameter::HashLog(parameters.hash_log))?;
            self.applied = Some(parameters);
        }
        Ok(self.context.compress2(room, content)?)
    }
}

/// The most bytes that a frame of so much content can have.
#[must_use]
pub fn frame_bound(content: usize) -> usize {
    compress_bound(content)
}

/// Whether a content and its frame fit into a block each.
pub(super) fn fits_a_block(content: u64) -> bool {
    usize::try_from(content).is_ok_and(|content| frame_bound(content) <= BLOCK)
}

/// Copies a frame into blocks.
pub(super) fn into_blocks(
    mut frame: &[u8],
    reservation: &mut Reservation,
) -> Result<Vec<Block>, CompressError> {
    let mut blocks = Vec::with_capacity(frame.len().div_ceil(BLOCK));
    while !frame.is_empty() {
        let mut block = reservation.take().ok_or_else(|| {
            // Cannot be: the bound of the frame was reserved.
            CompressError("the compressed frame does not fit".to_owned())
        })?;
        let count = block.append(frame);
        frame = &frame[count..];
        blocks.push(block);
    }
    Ok(blocks)
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
