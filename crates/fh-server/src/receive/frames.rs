//! Decompressing zstd frames that somebody sent.
//!
//! Stricter than the command line tool: only plain zstd frames (RFC 8878, section 3.1.1), laid end to
//! end, none cut short. Skippable frames and other formats are refused: not every reader of the
//! stored object knows them. What somebody sends to be stored is held to more: no frame of it is empty, and all of
//! it is hardly larger than its content ([`largest_for`]). Else a few bytes of content would be stored, and sent to
//! each reader, as many megabytes of nothing.

use std::io::{self, BufRead};

use fh_nix::{Hasher, NarHash};
use fh_persistence::storage::RunningChecksum;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

/// The first bytes of each frame.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// The largest window (a power of two) that is decompressed: what readers accept by default, and what
/// `zstd --ultra -22` and `--long` use. Memory is touched only as far as content is written to it, so
/// what a frame costs is bounded by the content that the caller takes.
const WINDOW_LOG: u32 = 27;

/// Where the descriptor of a frame's header stands, and behind it that of its window (RFC 8878, section 3.1.1.1).
const DESCRIPTOR: usize = 4;
const WINDOW_DESCRIPTOR: usize = 5;

/// The bit of the descriptor that says that there is no other: the content is the window.
const SINGLE_SEGMENT: u8 = 1 << 5;

/// Bytes of the window that a descriptor asks for.
fn window(descriptor: u8) -> u64 {
    let base = 1_u64 << (10 + (descriptor >> 3));
    base + base / 8 * u64::from(descriptor & 7)
}

/// A context that has grown beyond this many bytes is not kept for the next stream.
const KEPT_MEMORY: usize = 12 << 20;

/// The most bytes in which so much content is taken. The reference implementation makes at most a 256th of the
/// content more of it, and 22 bytes for each frame; so even frames of 2 KiB each that do not compress at all are
/// taken.
pub(crate) fn largest_for(content: u64) -> u64 {
    content.saturating_add(content / 64).saturating_add(1 << 10)
}

/// Why bytes are no sequence of zstd frames.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameFault {
    /// Something else stands where a frame must begin.
    #[error("at byte {offset}, there is something other than a zstd frame")]
    NoFrame {
        /// Where, in compressed bytes.
        offset: u64,
    },
    /// The reference implementation refuses it.
    #[error("it cannot be decompressed: {problem}")]
    Corrupt { problem: &'static str },
    /// Its window is larger than readers take.
    #[error("at byte {offset}, a zstd frame needs too much memory: a window of {window} bytes")]
    Window {
        /// Where, in compressed bytes.
        offset: u64,
        window: u64,
    },
    /// The last frame is not whole.
    #[error("it ends in the middle of a zstd frame")]
    Truncated,
    /// A frame without content, where that is refused.
    #[error("at byte {offset}, there is an empty zstd frame")]
    Empty {
        /// Where, in compressed bytes.
        offset: u64,
    },
    /// The compressed bytes cannot be had: no fault of theirs.
    #[error("the compressed bytes cannot be read")]
    Read(#[source] io::Error),
}

/// A decompressor, kept from one stream to the next for its memory.
pub(crate) struct FrameDecoder {
    context: DCtx<'static>,
    output: Box<[u8]>,
}

impl FrameDecoder {
    /// A decompressor; `None` where there is no memory for one.
    pub(crate) fn new() -> Option<Self> {
        let mut context = DCtx::try_create()?;
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
            .ok()?;
        Some(Self {
            context,
            output: vec![0; DCtx::out_size()].into(),
        })
    }

    /// Decompresses what `input` holds.
    pub(crate) fn frames<R: BufRead>(&mut self, input: R) -> Frames<'_, R> {
        self.frames_after(RunningChecksum::new(), input)
    }

    /// Decompresses what `input` holds, where `sum` is the checksum of what stands before it.
    pub(crate) fn frames_after<R: BufRead>(
        &mut self,
        sum: RunningChecksum,
        input: R,
    ) -> Frames<'_, R> {
        // Whatever the last stream left behind.
        let _ = self.context.reset(ResetDirective::SessionOnly);
        Frames {
            decoder: self,
            input,
            sum,
            consumed: 0,
            frame_start: 0,
            descriptor: 0,
            unfinished: false,
            output_full: false,
            ended: false,
            refuses_empty: false,
            has_content: false,
            empty: None,
        }
    }

    /// Whether it has grown so large that it should be dropped rather than kept.
    pub(crate) fn is_bloated(&self) -> bool {
        self.context.sizeof() > KEPT_MEMORY
    }
}

/// What comes out of a stream of frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Decompressed bytes, never empty.
    Data(&'a [u8]),
    /// A frame is complete.
    FrameEnd {
        /// Compressed bytes from the stream's start up to here.
        consumed: u64,
    },
}

/// A stream of frames. After an error it is of no use.
pub(crate) struct Frames<'d, R> {
    decoder: &'d mut FrameDecoder,
    input: R,
    /// Of the compressed bytes consumed.
    sum: RunningChecksum,
    consumed: u64,
    frame_start: u64,
    /// Of the present frame, once it was seen.
    descriptor: u8,
    /// Bytes of the present frame were consumed, and it is not complete.
    unfinished: bool,
    /// There may be more output than there was room for.
    output_full: bool,
    /// The frame is complete, which is still to be told.
    ended: bool,
    /// Whether frames without content are refused.
    refuses_empty: bool,
    /// Whether the present frame has any.
    has_content: bool,
    /// Where a frame without content began: there is to be no other frame beside it.
    empty: Option<u64>,
}

impl<R: BufRead> Frames<'_, R> {
    /// The same stream of somebody who wants it stored: no frame may be without content, unless it is the only one,
    /// which then is the stream of nothing.
    pub(crate) fn of_sender(self) -> Self {
        Self {
            refuses_empty: true,
            ..self
        }
    }

    /// Reads all of it: the hash and the size of the content; `None` where it is more than `most` bytes, of which nothing
    /// further is decompressed then.
    pub(crate) fn content(mut self, most: u64) -> Result<Option<(NarHash, u64)>, FrameFault> {
        let mut hasher = Hasher::new();
        let mut size = 0;
        while let Some(step) = self.next()? {
            if let Step::Data(bytes) = step {
                size += bytes.len() as u64;
                if size > most {
                    return Ok(None);
                }
                hasher.update(bytes);
            }
        }
        Ok(Some((hasher.finish(), size)))
    }

    /// The checksum of the compressed bytes so far, of those before the stream too.
    pub(crate) fn sum(&self) -> &RunningChecksum {
        &self.sum
    }

    /// The next step; `None` where the input ends with the end of a frame.
    pub(crate) fn next(&mut self) -> Result<Option<Step<'_>>, FrameFault> {
        loop {
            if std::mem::take(&mut self.ended) {
                if !std::mem::take(&mut self.has_content) {
                    if self.refuses_empty && self.frame_start > 0 {
                        return Err(FrameFault::Empty {
                            offset: self.frame_start,
                        });
                    }
                    self.empty = Some(self.frame_start);
                }
                self.frame_start = self.consumed;
                return Ok(Some(Step::FrameEnd {
                    consumed: self.consumed,
                }));
            }
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.map_err(FrameFault::Read)?,
            };
            if input.is_empty() && !self.output_full {
                return if self.unfinished {
                    Err(FrameFault::Truncated)
                } else {
                    Ok(None)
                };
            }
            if let Some(offset) = self.empty.filter(|_| self.refuses_empty) {
                return Err(FrameFault::Empty { offset });
            }
            let position = usize::try_from(self.consumed - self.frame_start).unwrap_or(usize::MAX);
            let magic = MAGIC.get(position..).unwrap_or_default();
            if input.iter().zip(magic).any(|(byte, magic)| byte != magic) {
                return Err(FrameFault::NoFrame {
                    offset: self.frame_start,
                });
            }
            // zstd asks this only of frames that it does not decompress in one go, as it does where input and output
            // are large enough; what readers have is another matter.
            for (at, &byte) in (position..=WINDOW_DESCRIPTOR).zip(input) {
                if at == DESCRIPTOR {
                    self.descriptor = byte;
                }
                let is_window = at == WINDOW_DESCRIPTOR && self.descriptor & SINGLE_SEGMENT == 0;
                if is_window && window(byte) > 1 << WINDOW_LOG {
                    return Err(FrameFault::Window {
                        offset: self.frame_start,
                        window: window(byte),
                    });
                }
            }
            let decoder = &mut *self.decoder;
            let mut from = InBuffer::around(input);
            let mut to = OutBuffer::around(&mut *decoder.output);
            let hint = decoder
                .context
                .decompress_stream(&mut to, &mut from)
                .map_err(|code| FrameFault::Corrupt {
                    problem: get_error_name(code),
                })?;
            let (taken, made) = (from.pos(), to.pos());
            self.sum.update(&input[..taken]);
            self.input.consume(taken);
            self.consumed += taken as u64;
            self.ended = hint == 0;
            self.unfinished = hint != 0;
            self.output_full = made == decoder.output.len() && hint != 0;
            if made > 0 {
                self.has_content = true;
                return Ok(Some(Step::Data(&self.decoder.output[..made])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn decode(input: impl BufRead) -> Result<(Vec<u8>, Vec<u64>), FrameFault> {
        let mut decoder = FrameDecoder::new().unwrap();
        let mut frames = decoder.frames(input);
        let (mut data, mut ends) = (Vec::new(), Vec::new());
        while let Some(step) = frames.next()? {
            match step {
                Step::Data(bytes) => data.extend_from_slice(bytes),
                Step::FrameEnd { consumed } => ends.push(consumed),
            }
        }
        Ok((data, ends))
    }

    fn compress(data: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(data, 3).unwrap()
    }

    #[test]
    fn several_frames_are_one_stream() {
        let large = vec![7; 3 << 20];
        let parts: [&[u8]; 4] = [b"one", b"", &large, b"four"];
        let frames: Vec<_> = parts.iter().map(|part| compress(part)).collect();
        let (data, ends) = decode(frames.concat().as_slice()).unwrap();
        assert_eq!(data, parts.concat());
        let mut at = 0;
        let expected: Vec<u64> = frames
            .iter()
            .map(|frame| {
                at += frame.len() as u64;
                at
            })
            .collect();
        assert_eq!(ends, expected);
        assert_eq!(decode(&[][..]).unwrap(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_sender_cannot_have_frames_stored_that_hold_nothing() {
        let (full, empty) = (compress(b"content"), compress(b""));
        let decode = |frames: &[&[u8]]| {
            let mut decoder = FrameDecoder::new().unwrap();
            let bytes = frames.concat();
            let mut frames = decoder.frames(bytes.as_slice()).of_sender();
            while frames.next()?.is_some() {}
            Ok::<_, FrameFault>(())
        };
        decode(&[&full, &full]).unwrap();
        // The one way to write nothing.
        decode(&[&empty]).unwrap();
        for (frames, at) in [
            ([&empty, &empty], 0),
            ([&empty, &full], 0),
            ([&full, &empty], full.len()),
        ] {
            let frames: Vec<&[u8]> = frames.iter().map(|frame| frame.as_slice()).collect();
            let error = decode(&frames).unwrap_err();
            let told = format!("at byte {at}, there is an empty zstd frame");
            assert_eq!(error.to_string(), told);
        }
    }

    #[test]
    fn what_a_sender_makes_of_any_content_is_never_too_large() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .take(3 << 20)
        .collect();
        for length in [0, 1, 100, 4096, 100_000, 3 << 20] {
            let whole = compress(&noise[..length]).len() as u64;
            assert!(whole <= largest_for(length as u64), "{length}: {whole}");
            let pieces = noise[..length].chunks(2048).map(compress);
            let pieces: usize = pieces.map(|frame| frame.len()).sum();
            assert!(
                pieces as u64 <= largest_for(length as u64),
                "{length}: {pieces}"
            );
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let good = compress(b"content");
        for (bad, name) in [
            (b"plain text".to_vec(), "no zstd"),
            (vec![0; 100], "zeros"),
            // A skippable frame of four bytes.
            (
                [
                    &[0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4],
                    good.as_slice(),
                ]
                .concat(),
                "skippable",
            ),
            ([good.as_slice(), b"x"].concat(), "garbage after a frame"),
            ([good.as_slice(), &[0; 8]].concat(), "zeros after a frame"),
        ] {
            let error = decode(bad.as_slice()).unwrap_err();
            assert!(
                matches!(error, FrameFault::NoFrame { .. }),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused() {
        // Frame header: no single segment, no content size, window descriptor of 2^28.
        let header = [0x28, 0xB5, 0x2F, 0xFD, 0x00, (28 - 10) << 3, 0, 0, 0];
        let error = decode(&header[..]).unwrap_err();
        assert!(matches!(error, FrameFault::Window { .. }), "{error}");
        // A whole one, which is decompressed in one go: a block without content, the last.
        let frame = |log: u8, mantissa: u8| {
            [
                0x28,
                0xB5,
                0x2F,
                0xFD,
                0x00,
                (log - 10) << 3 | mantissa,
                1,
                0,
                0,
            ]
        };
        let whole = [compress(b"content"), frame(31, 0).to_vec()].concat();
        let at = whole.len() - 9;
        for piece in [1, 5, 100] {
            let error = decode(BufReader::with_capacity(piece, whole.as_slice())).unwrap_err();
            let told = format!(
                "at byte {at}, a zstd frame needs too much memory: a window of 2147483648 bytes"
            );
            assert_eq!(error.to_string(), told);
        }
        decode(&frame(27, 0)[..]).unwrap();
        decode(&frame(27, 1)[..]).unwrap_err();
    }

    proptest! {
        #[test]
        fn cuts_are_noticed_and_pieces_do_not_matter(
            data in proptest::collection::vec(any::<u8>(), 0..5000),
            cut in any::<prop::sample::Index>(),
            piece in 1_usize..64,
        ) {
            let whole = compress(&data);
            let (decoded, _) = decode(BufReader::with_capacity(piece, whole.as_slice())).unwrap();
            prop_assert_eq!(&decoded, &data);
            let cut = cut.index(whole.len());
            if cut > 0 {
                let result = decode(BufReader::with_capacity(piece, &whole[..cut]));
                prop_assert!(matches!(result, Err(FrameFault::Truncated)));
            }
        }

        #[test]
        fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..200), magic: bool) {
            let mut input = if magic { MAGIC.to_vec() } else { Vec::new() };
            input.extend(data);
            let _ = decode(input.as_slice());
        }
    }
}
