//! The body of a batch, as it arrives: records of a NAR hash (32 bytes), a length (u64, little
//! endian) and that many bytes of compressed NAR. See `fh_api::push`.
//!
//! The parser keeps nothing but one header, whatever a length claims.

use fh_api::NAR_BATCH_RECORD_HEADER;
use fh_nix::NarHash;

/// Why a body is no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchFault {
    /// A record is longer than any body may be.
    #[error(
        "the record of NAR {} says that it has {length} bytes, but a body has at most {limit}",
        .nar_hash.to_base32()
    )]
    TooLong {
        nar_hash: NarHash,
        /// Bytes that it says it has.
        length: u64,
        /// Bytes that a body may have.
        limit: u64,
    },
    /// The body ends within a record.
    #[error("the body ends in the middle of a record")]
    Truncated,
}

/// What comes next in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A record begins with its header.
    Start {
        /// Which NAR it is said to be.
        nar_hash: NarHash,
        /// How many bytes of compressed NAR follow.
        length: u64,
    },
    /// More of the record's bytes, never empty.
    Data(&'a [u8]),
    /// The record is complete.
    End,
}

/// Takes a batch apart.
#[derive(Debug)]
pub(crate) struct BatchParser {
    limit: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Header {
        bytes: [u8; NAR_BATCH_RECORD_HEADER],
        filled: usize,
    },
    Data {
        left: u64,
    },
}

const BETWEEN_RECORDS: State = State::Header {
    bytes: [0; NAR_BATCH_RECORD_HEADER],
    filled: 0,
};

impl BatchParser {
    /// A parser of a body of at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            state: BETWEEN_RECORDS,
        }
    }

    /// Takes the next token off the front of `input`; `None` where more input is needed.
    pub(crate) fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Token<'i>>, BatchFault> {
        match &mut self.state {
            State::Header { bytes, filled } => {
                let missing = &mut bytes[*filled..];
                let (taken, rest) = input.split_at(missing.len().min(input.len()));
                missing[..taken.len()].copy_from_slice(taken);
                *filled += taken.len();
                *input = rest;
                if *filled < NAR_BATCH_RECORD_HEADER {
                    return Ok(None);
                }
                let (nar_hash, length) = read_header(bytes);
                if length > self.limit {
                    return Err(BatchFault::TooLong {
                        nar_hash,
                        length,
                        limit: self.limit,
                    });
                }
                self.state = State::Data { left: length };
                Ok(Some(Token::Start { nar_hash, length }))
            }
            State::Data { left: 0 } => {
                self.state = BETWEEN_RECORDS;
                Ok(Some(Token::End))
            }
            State::Data { left } => {
                let length = usize::try_from(*left).map_or(input.len(), |n| n.min(input.len()));
                let (data, rest) = input.split_at(length);
                *left -= length as u64;
                *input = rest;
                Ok((!data.is_empty()).then_some(Token::Data(data)))
            }
        }
    }

    /// Ends the body, which must not be within a record.
    pub(crate) fn finish(self) -> Result<(), BatchFault> {
        match self.state {
            State::Header { filled: 0, .. } => Ok(()),
            State::Header { .. } | State::Data { .. } => Err(BatchFault::Truncated),
        }
    }
}

fn read_header(bytes: &[u8; NAR_BATCH_RECORD_HEADER]) -> (NarHash, u64) {
    let mut hash = [0; 32];
    let mut length = [0; 8];
    let (first, second) = bytes.split_at(hash.len());
    hash.copy_from_slice(first);
    length.copy_from_slice(second);
    (NarHash::from_bytes(hash), u64::from_le_bytes(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Record = (NarHash, Vec<u8>);

    fn encode(records: &[Record]) -> Vec<u8> {
        let mut body = Vec::new();
        for (hash, data) in records {
            body.extend_from_slice(hash.as_bytes());
            body.extend_from_slice(&(data.len() as u64).to_le_bytes());
            body.extend_from_slice(data);
        }
        body
    }

    fn parse<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
        limit: u64,
    ) -> (Vec<Record>, Result<(), BatchFault>) {
        let mut parser = BatchParser::new(limit);
        let mut records = Vec::new();
        let mut current: Option<(NarHash, u64, Vec<u8>)> = None;
        for mut piece in pieces {
            loop {
                match parser.next(&mut piece) {
                    Err(fault) => return (records, Err(fault)),
                    Ok(None) => break,
                    Ok(Some(Token::Start { nar_hash, length })) => {
                        assert!(current.replace((nar_hash, length, Vec::new())).is_none());
                    }
                    Ok(Some(Token::Data(data))) => {
                        assert!(!data.is_empty());
                        current.as_mut().unwrap().2.extend_from_slice(data);
                    }
                    Ok(Some(Token::End)) => {
                        let (hash, length, data) = current.take().unwrap();
                        assert_eq!(data.len() as u64, length);
                        records.push((hash, data));
                    }
                }
            }
            assert!(piece.is_empty());
        }
        (records, parser.finish())
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let record = (
            any::<[u8; 32]>(),
            proptest::collection::vec(any::<u8>(), 0..100),
        )
            .prop_map(|(hash, data)| (NarHash::from_bytes(hash), data));
        proptest::collection::vec(record, 0..6)
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_at_once() {
        let hash = NarHash::from_bytes([1; 32]);
        let body = [hash.as_bytes().as_slice(), &u64::MAX.to_le_bytes()].concat();
        let (_, result) = parse([body.as_slice()], 1000);
        let error = result.unwrap_err();
        assert!(matches!(
            error,
            BatchFault::TooLong {
                length: u64::MAX,
                limit: 1000,
                ..
            }
        ));
        assert!(error.to_string().contains(&hash.to_base32()));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(records in records(), piece in 1_usize..70) {
            let body = encode(&records);
            let (parsed, result) = parse(body.chunks(piece), 1000);
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(parsed, records);
        }

        #[test]
        fn a_cut_body_keeps_its_whole_records(
            records in records(),
            cut in any::<prop::sample::Index>(),
            piece in 1_usize..70,
        ) {
            let body = encode(&records);
            let cut = cut.index(body.len() + 1);
            let (parsed, result) = parse(body[..cut].chunks(piece), 1000);
            prop_assert!(records.starts_with(&parsed));
            let whole = encode(&parsed).len();
            prop_assert_eq!(result, if cut == whole { Ok(()) } else { Err(BatchFault::Truncated) });
        }

        #[test]
        fn any_bytes(body: Vec<u8>, piece in 1_usize..70) {
            let _ = parse(body.chunks(piece), 100);
        }
    }
}
