//! Receiving build logs, which travel as records of the batches of NARs. See `fh_api::push`.
//!
//! A log that cannot be taken is named in the answer like a NAR that cannot, and nothing else fails for
//! it.

use std::io::BufRead;

use fh_access::ApiError;
use fh_api::{LOG_RECORD, LogAnswer, NarRejection};
use fh_nix::{NarHash, StorePath, StorePathHash};
use fh_persistence::database::logs::{self, Log};
use fh_persistence::database::{Database, Decided};
use fh_persistence::storage::{FileStorage, StorageError};

use super::frames::{FrameDecoder, FrameFault, largest_for};
use super::open_push::OpenPush;
use super::record::RecordBytes;

/// Longest log that is taken, in uncompressed bytes: some hundred thousand lines. Whoever has a longer
/// one leaves out its middle.
pub(crate) const LOG_SIZE: u64 = 8 << 20;

/// Compressed bytes of logs that wait in memory or in files before they are stored.
const WAITING: u64 = 1 << 20;

/// Why a log is not taken. The messages are for the one who sent it.
#[derive(Debug, thiserror::Error)]
enum LogFault {
    /// Where this is noticed, nothing further is decompressed.
    #[error("it is longer than {LOG_SIZE} bytes")]
    TooLong,
    /// It takes up more room than its content does.
    #[error("{stored} bytes are more than {size} of content need")]
    Padded { stored: u64, size: u64 },
    /// It is not zstd, or cannot be read.
    #[error(transparent)]
    Frames(#[from] FrameFault),
}

/// A record that is a log, as far as it has come.
pub(super) struct LogRecord {
    /// The derivation's path hash.
    hash: StorePathHash,
    /// Which derivation it is of; else a sentence.
    derivation: Result<StorePath, String>,
    content: RecordBytes,
}

/// A log that has come to its end.
struct Arrived {
    hash: StorePathHash,
    /// Why it is refused, else what it is.
    verdict: Result<Good, String>,
}

struct Good {
    derivation: StorePath,
    log_hash: NarHash,
    log_size: u64,
    content: RecordBytes,
}

impl LogRecord {
    /// The record that begins with this hash and has so many bytes, if it is a log.
    pub(super) fn begin(
        record: &NarHash,
        length: u64,
        push: &OpenPush,
        storage: &FileStorage,
    ) -> Result<Option<Self>, ApiError> {
        let Some(hash) = record.as_bytes().strip_prefix(&LOG_RECORD) else {
            return Ok(None);
        };
        let hash = <[u8; 20]>::try_from(hash).map_err(ApiError::internal)?;
        let hash = StorePathHash::from_bytes(hash);
        let derivation = match push.deriver(&hash) {
            None => Err("no path of the push was built by this derivation".to_owned()),
            Some(derivation) if length > largest_for(LOG_SIZE) => Err(format!(
                "the log of {derivation} was refused: {}",
                LogFault::TooLong
            )),
            Some(derivation) => Ok(derivation.clone()),
        };
        let length = if derivation.is_ok() { length } else { 0 };
        let content = RecordBytes::of(length, storage)?;
        Ok(Some(Self {
            hash,
            derivation,
            content,
        }))
    }

    /// Whether it is refused whatever it says.
    pub(super) fn is_stranger(&self) -> bool {
        self.derivation.is_err()
    }

    /// Takes more of its bytes.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), StorageError> {
        if self.derivation.is_err() {
            return Ok(());
        }
        self.content.append(data)
    }
}

/// The logs of one batch.
#[derive(Default)]
pub(super) struct ReceivedLogs {
    arrived: Vec<Arrived>,
    waiting: u64,
}

impl ReceivedLogs {
    /// Checks a log that is here as a whole.
    pub(super) fn end(
        &mut self,
        record: LogRecord,
        decoder: &mut FrameDecoder,
    ) -> Result<(), ApiError> {
        let LogRecord {
            hash,
            derivation,
            mut content,
        } = record;
        let verdict = match derivation {
            Err(message) => Err(message),
            Ok(derivation) => {
                let length = content.length();
                let checked = check(decoder, content.reader()?, length);
                match checked {
                    Ok((log_hash, log_size)) => {
                        self.waiting += length;
                        Ok(Good {
                            derivation,
                            log_hash,
                            log_size,
                            content,
                        })
                    }
                    Err(LogFault::Frames(FrameFault::Read(error))) => {
                        return Err(ApiError::internal(error));
                    }
                    Err(fault) => Err(format!("the log of {derivation} was refused: {fault}")),
                }
            }
        };
        self.arrived.push(Arrived { hash, verdict });
        Ok(())
    }

    /// Whether so much waits that it should be stored before more comes.
    pub(super) fn is_much(&self) -> bool {
        self.waiting >= WAITING
    }

    /// Stores what has come, and answers for it. One log at a time is in memory as a whole.
    pub(super) async fn store(
        &mut self,
        push: &OpenPush,
        database: &Database,
    ) -> Result<Vec<LogAnswer>, ApiError> {
        self.waiting = 0;
        let arrived = std::mem::take(&mut self.arrived);
        if arrived.is_empty() {
            return Ok(Vec::new());
        }
        let (id, decided) = (push.id, push.logs_decided);
        database
            .write(decided.unwrap_or(Decided::later()), move |tx| {
                let target = logs::target(tx, id)?.ok_or(ApiError::NotFound)?;
                if target.is_committed() && decided.is_none() {
                    return Err(ApiError::Conflict(
                        "the push was committed meanwhile; nothing can be added to it".to_owned(),
                    ));
                }
                let mut answers = Vec::with_capacity(arrived.len());
                for Arrived { hash, verdict } in arrived {
                    let rejected = match verdict {
                        Ok(good) => {
                            let log = Log {
                                log_hash: good.log_hash,
                                log_size: good.log_size,
                                content: good.content.into_memory()?,
                            };
                            logs::receive(tx, target, &good.derivation, &log)?;
                            None
                        }
                        Err(message) => Some(NarRejection { message }),
                    };
                    answers.push(LogAnswer {
                        derivation: hash.to_string(),
                        rejected,
                    });
                }
                Ok::<_, ApiError>(answers)
            })
            .await
    }
}

/// Reads through a log that came in so many bytes: its hash and its size.
fn check(
    decoder: &mut FrameDecoder,
    compressed: impl BufRead,
    stored: u64,
) -> Result<(NarHash, u64), LogFault> {
    let frames = decoder.frames(compressed).of_sender();
    let (hash, size) = frames.content(LOG_SIZE)?.ok_or(LogFault::TooLong)?;
    if stored > largest_for(size) {
        return Err(LogFault::Padded { stored, size });
    }
    Ok((hash, size))
}
