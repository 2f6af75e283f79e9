//! Receiving a batch of small NARs.
//!
//! Each record is decided upon for itself: a bad one is named in the answer, and the others count.
//! A body that breaks off loses the record that it breaks off in and nothing else, so that a push
//! over a bad line still gets on.

use std::collections::HashSet;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fh_access::ApiError;
use fh_api::{BatchAnswer, NarAnswer, NarRejection};
use fh_nix::NarHash;
use fh_persistence::storage::{Checksum, FileStorage, StagedFile, StorageError};

use super::backend::Backend;
use super::body::BodyReader;
use super::frames::{FrameDecoder, largest_for};
use super::log::{LogRecord, ReceivedLogs};
use super::open_push::OpenPush;
use super::parser::{BatchFault, BatchParser, Token};
use super::publish::{Arrival, Publisher};
use super::record::{RecordBytes, staged};
use super::verify::{Expected, Verifiers, verify};

/// Records that are not of the push, or there twice, before the rest of a batch is not looked at.
const STRANGERS: usize = 100;

/// What became of one record; in the latter case, a sentence that says why.
struct Outcome {
    nar_hash: NarHash,
    verdict: Result<Arrival, String>,
}

/// A record that has begun.
enum Current {
    /// Where its bytes go; nowhere if it is refused already, with this sentence.
    Nar {
        nar_hash: NarHash,
        length: u64,
        intake: Result<(Expected, RecordBytes), String>,
    },
    Log(LogRecord),
}

/// Takes a batch apart, step by step, on blocking threads.
pub(super) struct Receiver {
    parser: BatchParser,
    push: Arc<OpenPush>,
    largest: u64,
    backend: Backend,
    seen: HashSet<NarHash>,
    strangers: usize,
    /// None after a record that was in one piece, too.
    current: Option<Current>,
    logs: ReceivedLogs,
    outcomes: Vec<Outcome>,
}

impl Receiver {
    /// A receiver of that body, for that push; of NARs of at most `largest` bytes.
    pub(super) fn new(
        push: Arc<OpenPush>,
        largest: u64,
        backend: &Backend,
        body: &BodyReader,
    ) -> Self {
        Self {
            parser: BatchParser::new(body.limit()),
            push,
            largest,
            backend: backend.clone(),
            seen: HashSet::new(),
            strangers: 0,
            current: None,
            logs: ReceivedLogs::default(),
            outcomes: Vec::new(),
        }
    }

    /// Receives the body, publishes what is good, and answers for each record.
    pub(super) async fn receive(
        self,
        body: &mut BodyReader,
        verifiers: &Verifiers,
        publisher: &Publisher,
    ) -> Result<BatchAnswer, ApiError> {
        let (push, database) = (Arc::clone(&self.push), self.backend.database.clone());
        let mut logs = Vec::new();
        let mut receiver = self;
        let failure = loop {
            let pieces = match body.gather().await {
                Ok(pieces) if pieces.is_empty() => break None,
                Ok(pieces) => pieces,
                Err(error) => break Some(error),
            };
            let fed;
            (receiver, fed) = verifiers
                .run(move |decoder| {
                    let fed = receiver.feed(&pieces, decoder);
                    (receiver, fed)
                })
                .await?;
            if let Err(error) = fed {
                break Some(error);
            }
            if receiver.logs.is_much() {
                logs.extend(receiver.logs.store(&push, &database).await?);
            }
        };
        logs.extend(receiver.logs.store(&push, &database).await?);
        let Self {
            outcomes, parser, ..
        } = receiver;
        let nars = publish(outcomes, publisher).await?;
        match failure.or(parser.finish().err().map(ApiError::from)) {
            Some(error) => Err(error),
            None => Ok(BatchAnswer { nars, logs }),
        }
    }

    fn feed(&mut self, pieces: &[Bytes], decoder: &mut FrameDecoder) -> Result<(), ApiError> {
        for piece in pieces {
            let mut input = &piece[..];
            while let Some(token) = self.parser.next(&mut input)? {
                match token {
                    Token::Start { nar_hash, length } => self.start(nar_hash, length)?,
                    Token::Data(data) => self.take(data, decoder)?,
                    Token::End => self.end(decoder)?,
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, nar_hash: NarHash, length: u64) -> Result<(), ApiError> {
        let storage = &self.backend.storage;
        if let Some(log) = LogRecord::begin(&nar_hash, length, &self.push, storage)? {
            if log.is_stranger() {
                self.count_stranger("a log that it is not for")?;
            }
            self.current = Some(Current::Log(log));
            return Ok(());
        }
        let intake = match self.admit(nar_hash) {
            Err(message) => {
                self.count_stranger(&message)?;
                Err(message)
            }
            Ok(expected) if length > largest_for(expected.nar_size) => Err(format!(
                "the NAR of {} was refused: {length} bytes are more than {} of content need",
                expected.path, expected.nar_size
            )),
            Ok(expected) => Ok((expected, RecordBytes::of(length, &self.backend.storage)?)),
        };
        self.current = Some(Current::Nar {
            nar_hash,
            length,
            intake,
        });
        Ok(())
    }

    fn count_stranger(&mut self, message: &str) -> Result<(), ApiError> {
        self.strangers += 1;
        if self.strangers > STRANGERS {
            return Err(ApiError::BadRequest(format!(
                "more than {STRANGERS} records do not belong in the batch; the last one: {message}"
            )));
        }
        Ok(())
    }

    /// Whether a NAR may travel in this batch, and what it must be; else a sentence.
    fn admit(&mut self, nar_hash: NarHash) -> Result<Expected, String> {
        let expected = self
            .push
            .expected(&nar_hash)
            .ok_or_else(|| "this NAR is not one that the push's plan asks for".to_owned())?;
        if expected.nar_size > self.largest {
            return Err(format!(
                "the NAR of {} has {} bytes, and NARs of more than {} are sent in parts",
                expected.path, expected.nar_size, self.largest
            ));
        }
        if !self.seen.insert(nar_hash) {
            return Err(format!(
                "the NAR of {} is in the batch already",
                expected.path
            ));
        }
        Ok(expected)
    }

    fn take(&mut self, data: &[u8], decoder: &mut FrameDecoder) -> Result<(), ApiError> {
        let whole = |length: u64, memory: &[u8]| memory.is_empty() && data.len() as u64 == length;
        match self.current.take() {
            // Most records lie in one piece: then they are checked where they lie.
            Some(Current::Nar {
                nar_hash,
                length,
                intake: Ok((expected, RecordBytes::Memory(memory))),
            }) if whole(length, &memory) => {
                let checked = self.check(decoder, &expected, data)?;
                let keep = |storage: &FileStorage| staged(storage, data);
                let verdict = self.verdict(&expected, checked, keep)?;
                self.outcomes.push(Outcome { nar_hash, verdict });
            }
            mut other => {
                match &mut other {
                    Some(Current::Nar {
                        intake: Ok((_, bytes)),
                        ..
                    }) => bytes.append(data)?,
                    Some(Current::Log(log)) => log.take(data)?,
                    Some(Current::Nar { intake: Err(_), .. }) | None => {}
                }
                self.current = other;
            }
        }
        Ok(())
    }

    fn end(&mut self, decoder: &mut FrameDecoder) -> Result<(), ApiError> {
        match self.current.take() {
            None => {}
            Some(Current::Log(log)) => self.logs.end(log, decoder)?,
            Some(Current::Nar {
                nar_hash, intake, ..
            }) => {
                let verdict = match intake {
                    Err(message) => Err(message),
                    Ok((expected, mut bytes)) => {
                        let checked = self.check(decoder, &expected, bytes.reader()?)?;
                        self.verdict(&expected, checked, |storage| bytes.into_file(storage))?
                    }
                };
                self.outcomes.push(Outcome { nar_hash, verdict });
            }
        }
        Ok(())
    }

    /// Checks a NAR: a fault of the sender is a sentence, one of this machine an error.
    fn check(
        &self,
        decoder: &mut FrameDecoder,
        expected: &Expected,
        compressed: impl BufRead,
    ) -> Result<Result<Checksum, String>, ApiError> {
        let since = Instant::now();
        let frames = decoder.frames(compressed).of_sender();
        let result = verify(frames, expected.nar_hash, expected.nar_size);
        self.backend
            .metrics
            .nar_verified(since.elapsed(), result.is_ok());
        match result {
            Ok(checksum) => Ok(Ok(checksum)),
            Err(fault) if fault.is_senders() => Ok(Err(format!(
                "the NAR of {} was refused: {fault}",
                expected.path
            ))),
            Err(fault) => Err(ApiError::internal(fault)),
        }
    }

    /// A NAR that was found to be good is kept in a file.
    fn verdict(
        &self,
        expected: &Expected,
        checked: Result<Checksum, String>,
        keep: impl FnOnce(&FileStorage) -> Result<StagedFile, StorageError>,
    ) -> Result<Result<Arrival, String>, ApiError> {
        let checksum = match checked {
            Ok(checksum) => checksum,
            Err(message) => return Ok(Err(message)),
        };
        Ok(Ok(Arrival {
            key: self.push.upload_key(expected),
            checksum,
            file: keep(&self.backend.storage)?,
        }))
    }
}

/// Publishes the good ones, and answers for all.
async fn publish(
    outcomes: Vec<Outcome>,
    publisher: &Publisher,
) -> Result<Vec<NarAnswer>, ApiError> {
    let mut arrivals = Vec::new();
    let mut nars = Vec::with_capacity(outcomes.len());
    for Outcome { nar_hash, verdict } in outcomes {
        let rejected = verdict.map(|arrival| arrivals.push(arrival)).err();
        nars.push(NarAnswer {
            nar_hash: nar_hash.to_base32(),
            rejected: rejected.map(|message| NarRejection { message }),
        });
    }
    // What was stored of the batch counts; the rest is sent again with it.
    let published = publisher.publish(arrivals).await?;
    published.into_iter().collect::<Result<(), _>>()?;
    Ok(nars)
}

impl From<BatchFault> for ApiError {
    fn from(fault: BatchFault) -> Self {
        Self::BadRequest(fault.to_string())
    }
}
