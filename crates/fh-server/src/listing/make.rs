//! Making one listing, on a blocking thread.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, Write as _};

use fh_nix::{Hasher, Limits, ListingWriter, NarDecoder, NarHash};
use fh_persistence::cause::Cause;
use fh_persistence::database::nars::Nar;
use fh_persistence::storage::{FileStorage, StagedFile, StorageError};
use zstd::stream::write::Encoder;
use zstd::zstd_safe::get_frame_content_size;

use super::stored::Listing;
use crate::receive::{FrameDecoder, FrameFault, Step};

/// Bytes that are read and written at once.
const PIECE: usize = 128 << 10;

/// How hard a listing is compressed: names compress well at any level.
const LEVEL: i32 = 3;

/// The longest header of a zstd frame (RFC 8878, section 3.1.1.1), which tells the content's size.
const FRAME_HEADER: usize = 18;

/// Why there is no listing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// There is no such NAR, or it has another size than its row says.
    #[error("the NAR is not there")]
    NoNar,
    /// The NAR is not the one that was stored.
    #[error("the NAR's content differs from what was stored")]
    Altered,
    /// The NAR is no NAR any more.
    #[error(transparent)]
    Structure(#[from] fh_nix::Error),
    /// The NAR cannot be decompressed any more.
    #[error(transparent)]
    Frames(#[from] FrameFault),
    /// A file cannot be written or read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Compression fails, for want of memory.
    #[error("the listing cannot be compressed")]
    Compress(#[source] io::Error),
    /// The thread broke off.
    #[error("the work broke off")]
    Broke(#[source] Cause),
}

impl Fault {
    /// Whether there is no room left.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_full())
    }

    /// Whether the stored NAR is to blame.
    pub(super) fn is_of_the_nar(&self) -> bool {
        match self {
            Self::NoNar | Self::Altered | Self::Structure(_) | Self::Frames(_) => true,
            Self::Storage(_) | Self::Compress(_) | Self::Broke(_) => false,
        }
    }
}

/// Opens a listing that is kept, and reads through it: what is damaged is removed, to be made again.
pub(super) fn open(
    storage: &FileStorage,
    nar_hash: &NarHash,
) -> Result<Option<Listing>, StorageError> {
    let Some((mut file, file_size)) = storage.listing(nar_hash)? else {
        return Ok(None);
    };
    if let Some(size) = size_if_good(&file)
        && file.rewind().is_ok()
    {
        return Ok(Some(Listing {
            file,
            file_size,
            size,
        }));
    }
    tracing::warn!(nar_hash = %nar_hash.to_base32(), "a stored listing is damaged and is created again");
    storage.remove_listing(nar_hash)?;
    Ok(None)
}

/// The size of a listing's content, if all of it is what its checksum says.
fn size_if_good(file: &File) -> Option<u64> {
    let mut header = Vec::with_capacity(FRAME_HEADER);
    let mut start = file.take(FRAME_HEADER as u64);
    start.read_to_end(&mut header).ok()?;
    let size = get_frame_content_size(&header).ok()??;
    let mut reader = file;
    reader.rewind().ok()?;
    let mut decoder = FrameDecoder::new()?;
    let mut frames = decoder.frames(BufReader::with_capacity(PIECE, reader));
    let mut found = 0;
    while let Some(step) = frames.next().ok()? {
        if let Step::Data(bytes) = step {
            found += bytes.len() as u64;
            if found > size {
                return None;
            }
        }
    }
    (found == size).then_some(size)
}

/// Makes the listing of a stored NAR, and keeps it.
pub(super) fn make(storage: &FileStorage, nar: &Nar) -> Result<(), Fault> {
    let mut plain = storage.stage()?;
    write_json(storage, nar, &mut plain)?;
    plain.close();
    let compressed = compress(storage, &plain)?;
    plain.discard()?;
    storage.place_listing(&nar.nar_hash, compressed)?;
    Ok(())
}

/// Decodes the NAR to its end, and writes its listing as it goes.
fn write_json(storage: &FileStorage, nar: &Nar, plain: &mut StagedFile) -> Result<(), Fault> {
    let Ok(object) = storage.object(&nar.nar_hash)? else {
        return Err(Fault::NoNar);
    };
    if object.size() != nar.file_size {
        return Err(Fault::NoNar);
    }
    let no_memory = || Fault::Compress(io::ErrorKind::OutOfMemory.into());
    let mut frames = FrameDecoder::new().ok_or_else(no_memory)?;
    let mut frames = frames.frames(BufReader::with_capacity(PIECE, object.reader()));
    let mut nar_decoder = NarDecoder::new(Limits {
        size: nar.nar_size,
        ..Limits::default()
    });
    let mut hasher = Hasher::new();
    let mut listing = ListingWriter::default();
    let mut json = Vec::with_capacity(2 * PIECE);
    while let Some(step) = frames.next()? {
        let Step::Data(bytes) = step else { continue };
        hasher.update(bytes);
        nar_decoder.feed(bytes, &mut |event| {
            listing.write(event, &mut json);
            Ok(())
        })?;
        if json.len() >= PIECE {
            plain.append(&json)?;
            json.clear();
        }
    }
    plain.append(&json)?;
    let right_size = nar_decoder.position() == nar.nar_size;
    nar_decoder.finish()?;
    if right_size && hasher.finish() == nar.nar_hash {
        Ok(())
    } else {
        Err(Fault::Altered)
    }
}

/// One frame, which tells its content's size and has a checksum.
fn compress(storage: &FileStorage, plain: &StagedFile) -> Result<StagedFile, Fault> {
    let mut staged = storage.stage()?;
    let mut reader = plain.reader()?;
    let mut encoder = Encoder::new(Vec::with_capacity(PIECE), LEVEL).map_err(Fault::Compress)?;
    encoder
        .set_pledged_src_size(Some(plain.length()))
        .and_then(|()| encoder.include_contentsize(true))
        .and_then(|()| encoder.include_checksum(true))
        .map_err(Fault::Compress)?;
    let mut piece = vec![0; PIECE];
    loop {
        let count = reader.read(&mut piece).map_err(Fault::Compress)?;
        if count == 0 {
            break;
        }
        encoder
            .write_all(&piece[..count])
            .map_err(Fault::Compress)?;
        staged.append(encoder.get_ref())?;
        encoder.get_mut().clear();
    }
    staged.append(&encoder.finish().map_err(Fault::Compress)?)?;
    staged.flush()?;
    staged.close();
    Ok(staged)
}
