//! What becomes of a connection.

use std::time::Duration;

use crate::random::Random;

/// Both directions of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// From the client to the server.
    pub to_server: Line,
    /// From the server to the client.
    pub to_client: Line,
}

/// One direction of a connection. The default passes everything on at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How long each byte is under way. Many are under way at the same time, as on a long line.
    pub delay: Duration,
    /// How many bytes pass in a second, where that is limited.
    pub bytes_per_second: Option<u64>,
    /// What happens after so many bytes have passed.
    pub fault: Option<(u64, Fault)>,
}

/// What breaks on a line, once its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The whole connection ends.
    Cut(End),
    /// Nothing more passes in this direction for so long, or for ever; what comes is not read either.
    Stall(Option<Duration>),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides are told that nothing more comes (FIN).
    Close,
    /// Both sides are told that the connection is broken (RST); what is under way may be lost.
    Reset,
}

impl Plan {
    /// Both directions pass everything on at once.
    pub const CLEAR: Self = Self {
        to_server: Line::CLEAR,
        to_client: Line::CLEAR,
    };

    /// A line on which a question and its answer take this long, half of it each way. Setting up the
    /// connection takes as long once more.
    #[must_use]
    pub fn round_trip(time: Duration) -> Self {
        let line = Line {
            delay: time / 2,
            ..Line::CLEAR
        };
        Self {
            to_server: line,
            to_client: line,
        }
    }

    /// So many bytes a second in each direction.
    #[must_use]
    pub fn throttled(bytes_per_second: u64) -> Self {
        let line = Line {
            bytes_per_second: Some(bytes_per_second),
            ..Line::CLEAR
        };
        Self {
            to_server: line,
            to_client: line,
        }
    }

    /// A connection on which something may go wrong in either direction within the first `bytes`. It
    /// never stalls for ever, and a throttled one passes `bytes` within seconds.
    pub fn random(random: &mut Random, bytes: u64) -> Self {
        Self {
            to_server: Line::random(random, bytes),
            to_client: Line::random(random, bytes),
        }
    }
}

impl Line {
    /// Passes everything on at once.
    pub const CLEAR: Self = Self {
        delay: Duration::ZERO,
        bytes_per_second: None,
        fault: None,
    };

    /// One that is cut after so many bytes.
    #[must_use]
    pub fn cut(after: u64, end: End) -> Self {
        Self {
            fault: Some((after, Fault::Cut(end))),
            ..Self::CLEAR
        }
    }

    /// One that stalls after so many bytes: for so long, or for ever.
    #[must_use]
    pub fn stalled(after: u64, time: Option<Duration>) -> Self {
        Self {
            fault: Some((after, Fault::Stall(time))),
            ..Self::CLEAR
        }
    }

    fn random(random: &mut Random, bytes: u64) -> Self {
        let mut line = Self::CLEAR;
        if random.one_in(4) {
            line.delay = Duration::from_millis(random.below(20));
        }
        if random.one_in(6) {
            line.bytes_per_second = Some(bytes / 4 + random.below(bytes * 4) + 1);
        }
        if random.one_in(2) {
            let fault = match random.below(5) {
                0 | 1 => Fault::Cut(End::Close),
                2 | 3 => Fault::Cut(End::Reset),
                _ => Fault::Stall(Some(Duration::from_millis(random.below(300)))),
            };
            // Heads of requests are as interesting as the bodies, and much shorter.
            line.fault = Some((random.magnitude_below(bytes), fault));
        }
        line
    }
}
