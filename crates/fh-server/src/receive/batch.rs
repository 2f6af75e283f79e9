//! Receiving a batch of small NARs.
//!
//! Each record is decided upon for itself: a bad one is named in the answer, and the others count.
//! A body that breaks off loses the record that it breaks off in and nothing else, so that a push
//! over a bad line still gets on.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fh_access::ApiError;
use fh_api::{BatchAnswer, NarAnswer, NarRejection};
use fh_nix::NarHash;
use fh_persistence::database::Database;
use fh_persistence::storage::{Checksum, FileStorage, StagedFile};

use super::body::{BodyReader, PIECE};
use super::frames::{FrameDecoder, largest_for};
use super::log::{LogRecord, ReceivedLogs};
use super::open_push::OpenPush;
use super::parser::{BatchFault, BatchParser, Token};
use super::publish::{Arrival, Publisher};
use super::verify::{Expected, Verifiers, verify};
use crate::telemetry::Metrics;

/// Records that are not of the push, or there twice, before the rest of a batch is not looked at.
const STRANGERS: usize = 100;

/// Publishes the good ones, and answers for all.
async fn publish(
    push: &OpenPush,
    outcomes: Vec<Outcome>,
    publisher: &Publisher,
) -> Result<BatchAnswer, ApiError> {
    let mut arrivals = Vec::new();
    let mut nars = Vec::with_capacity(outcomes.len());
    for Outcome { nar_hash, verdict } in outcomes {
        let rejected = match verdict {
            Ok(Good {
                nar_size,
                checksum,
                file,
            }) => {
                arrivals.push(Arrival {
                    flake_id: push.flake_id,
                    account_id: push.account_id,
                    nar_hash,
                    nar_size,
                    checksum,
                    file,
                });
                None
            }
            Err(message) => Some(NarRejection { message }),
        };
        nars.push(NarAnswer {
            nar_hash: nar_hash.to_base32(),
            rejected,
        });
    }
    // What was stored of the batch counts; the rest is sent again with it.
    let published = publisher.publish(arrivals).await?;
    published.into_iter().collect::<Result<(), _>>()?;
    Ok(BatchAnswer {
        nars,
        logs: Vec::new(),
    })
}

/// What became of one record; in the latter case, a sentence that says why.
struct Outcome {
    nar_hash: NarHash,
    verdict: Result<Good, String>,
}

/// A verified NAR.
struct Good {
    nar_size: u64,
    checksum: Checksum,
    file: StagedFile,
}

/// A record that has begun.
struct Current {
    nar_hash: NarHash,
    length: u64,
    intake: Intake,
}

/// Where the bytes of the present record go.
enum Intake {
    /// Nowhere: it is refused already, with this sentence.
    Refused(String),
    /// Into memory, while it is small.
    Memory(Expected, Vec<u8>),
    /// Into its file.
    File(Expected, StagedFile),
}

/// Takes a batch apart, step by step, on blocking threads.
pub(super) struct Receiver {
    parser: BatchParser,
    push: Arc<OpenPush>,
    largest: u64,
    storage: FileStorage,
    metrics: Metrics,
    seen: HashSet<NarHash>,
    strangers: usize,
    current: Option<Current>,
    /// The record that has begun, where it is a log.
    current_log: Option<LogRecord>,
    logs: ReceivedLogs,
    outcomes: Vec<Outcome>,
}

impl Receiver {
    /// A receiver of that body, for that push; of NARs of at most `largest` bytes.
    pub(super) fn new(
        push: Arc<OpenPush>,
        largest: u64,
        storage: &FileStorage,
        metrics: &Metrics,
        body: &BodyReader,
    ) -> Self {
        Self {
            parser: BatchParser::new(body.limit()),
            push,
            largest,
            storage: storage.clone(),
            metrics: metrics.clone(),
            seen: HashSet::new(),
            strangers: 0,
            current: None,
            current_log: None,
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
        database: &Database,
    ) -> Result<BatchAnswer, ApiError> {
        let push = Arc::clone(&self.push);
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
                logs.extend(receiver.logs.store(&push, database).await?);
            }
        };
        logs.extend(receiver.logs.store(&push, database).await?);
        let (outcomes, ended) = receiver.finish();
        let mut answer = publish(&push, outcomes, publisher).await?;
        answer.logs = logs;
        match failure.or(ended.err()) {
            Some(error) => Err(error),
            None => Ok(answer),
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

    fn finish(self) -> (Vec<Outcome>, Result<(), ApiError>) {
        (self.outcomes, self.parser.finish().map_err(ApiError::from))
    }

    fn start(&mut self, nar_hash: NarHash, length: u64) -> Result<(), ApiError> {
        if let Some(log) = LogRecord::begin(&nar_hash, length, &self.push, &self.storage)? {
            if log.is_stranger() {
                self.count_stranger("a log that it is not for")?;
            }
            self.current_log = Some(log);
            return Ok(());
        }
        let intake = match self.admit(nar_hash) {
            Err(message) => {
                self.count_stranger(&message)?;
                Intake::Refused(message)
            }
            Ok(expected) if length > largest_for(expected.nar_size) => Intake::Refused(format!(
                "the NAR of {} was refused: {length} bytes are more than {} of content need",
                expected.path, expected.nar_size
            )),
            Ok(expected) if length <= PIECE as u64 => Intake::Memory(expected, Vec::new()),
            Ok(expected) => Intake::File(expected, self.storage.stage()?),
        };
        self.current = Some(Current {
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
        if let Some(log) = &mut self.current_log {
            return Ok(log.take(data)?);
        }
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        match &mut current.intake {
            Intake::Refused(_) => {}
            Intake::File(_, file) => file.append(data)?,
            // Most records lie in one piece: then they are checked where they lie.
            Intake::Memory(expected, memory)
                if memory.is_empty() && data.len() as u64 == current.length =>
            {
                let verdict = keep(data, expected, &self.storage, decoder, &self.metrics)?;
                let nar_hash = current.nar_hash;
                self.outcomes.push(Outcome { nar_hash, verdict });
                self.current = None;
            }
            Intake::Memory(_, memory) => memory.extend_from_slice(data),
        }
        Ok(())
    }

    fn end(&mut self, decoder: &mut FrameDecoder) -> Result<(), ApiError> {
        if let Some(log) = self.current_log.take() {
            return self.logs.end(log, decoder);
        }
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let verdict = match current.intake {
            Intake::Refused(message) => Err(message),
            Intake::Memory(expected, memory) => {
                keep(&memory, &expected, &self.storage, decoder, &self.metrics)?
            }
            Intake::File(expected, mut file) => {
                file.close();
                let reader = BufReader::with_capacity(PIECE, file.reader()?);
                let nar_size = expected.nar_size;
                let checked = check(decoder, reader, &expected, &self.metrics)?;
                checked.map(|checksum| Good {
                    nar_size,
                    checksum,
                    file,
                })
            }
        };
        self.outcomes.push(Outcome {
            nar_hash: current.nar_hash,
            verdict,
        });
        Ok(())
    }
}

/// Checks a record that is in memory, and writes it to its file.
fn keep(
    compressed: &[u8],
    expected: &Expected,
    storage: &FileStorage,
    decoder: &mut FrameDecoder,
    metrics: &Metrics,
) -> Result<Result<Good, String>, ApiError> {
    let checksum = match check(decoder, compressed, expected, metrics)? {
        Ok(checksum) => checksum,
        Err(message) => return Ok(Err(message)),
    };
    let mut file = storage.stage()?;
    file.append(compressed)?;
    file.close();
    Ok(Ok(Good {
        nar_size: expected.nar_size,
        checksum,
        file,
    }))
}

/// Checks a record: a fault of the sender is a sentence, one of this machine an error.
fn check(
    decoder: &mut FrameDecoder,
    compressed: impl BufRead,
    expected: &Expected,
    metrics: &Metrics,
) -> Result<Result<Checksum, String>, ApiError> {
    let since = Instant::now();
    let frames = decoder.frames(compressed).of_sender();
    let result = verify(frames, expected.nar_hash, expected.nar_size);
    metrics.nar_verified(since.elapsed(), result.is_ok());
    match result {
        Ok(checksum) => Ok(Ok(checksum)),
        Err(fault) if fault.is_senders() => Ok(Err(format!(
            "the NAR of {} was refused: {fault}",
            expected.path
        ))),
        Err(fault) => Err(ApiError::internal(fault)),
    }
}

impl From<BatchFault> for ApiError {
    fn from(fault: BatchFault) -> Self {
        Self::BadRequest(fault.to_string())
    }
}
