//! Requests of HTTP/1.1, judged one by one: recorded, cut short in the answer, or held back until the
//! test says otherwise.
//!
//! One request to a connection, so that each is judged by itself: both sides are told to close.

use std::io::{self, Write};
use std::time::Duration;

use super::count::{Direction, Tally};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, and so does its answer.
    Pass,
    /// It goes on, and the connection ends after so many bytes of the answer's body.
    Cut(u64),
    /// It goes on, this much later.
    Delay(Duration),
    /// It stays here until [`Proxy::open`](super::Proxy::open), or for ever.
    Hold,
    /// It ends here with 413 and a page, as at a proxy for which its body is too large.
    TooLarge,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In capitals, as it came.
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// The header of this name.
    pub range: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// The answer's status, once the answer went to the client as far as it was to go.
    pub status: Option<u16>,
}

impl Seen {
    /// The number of the part of a NAR that was put.
    #[must_use]
    pub fn part(&self) -> Option<u64> {
        if self.method != "PUT" {
            return None;
        }
        self.path.rsplit_once("/parts/")?.1.parse().ok()
    }

    /// Whether it is a batch of NARs.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.method == "POST" && self.path.ends_with("/nars")
    }

    /// Whether it is a NAR that somebody reads.
    #[must_use]
    pub fn is_nar(&self) -> bool {
        self.method == "GET" && self.path.contains("/nar/")
    }
}

pub(super) type Judge = Box<dyn Fn(&Seen, &[Seen]) -> Verdict + Send + Sync>;

pub(super) type Which = Box<dyn Fn(&Seen) -> bool + Send>;

#[derive(Default)]
pub(super) struct Requests {
    pub(super) seen: Vec<Seen>,
    /// What is held no longer.
    pub(super) free: Option<Which>,
}

impl Requests {
    pub(super) fn is_free(&self, number: usize) -> bool {
        self.free
            .as_ref()
            .is_some_and(|free| free(&self.seen[number]))
    }
}

/// The lines before the empty one.
pub(super) fn read_head(from: &mut impl io::BufRead) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => return Ok(lines),
            line => lines.push(line.to_owned()),
        }
    }
}

pub(super) fn field<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub(super) fn write_closing(
    to: &mut impl Write,
    head: &[String],
    tally: &Tally,
    direction: Direction,
) -> io::Result<()> {
    let mut text = String::new();
    for line in head {
        if !line.to_ascii_lowercase().starts_with("connection:") {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text.push_str("Connection: close\r\n\r\n");
    tally.add(direction, text.len() as u64);
    to.write_all(text.as_bytes())
}
