//! Requests of HTTP/1.1, judged one by one: recorded, cut short in the answer, or held back until the
//! test says otherwise.
//!
//! One request to a connection, so that each is judged by itself: both sides are told to close.

use std::io::{self, BufReader, Read as _, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::count::{Direction, Tally};
use super::{Proxy, Shared, State};

/// For whatever a test waits for, and for every read.
const LIMIT: Duration = Duration::from_secs(60);

/// What nginx answers, with its headers.
const TOO_LARGE: &str = "HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: text/html\r\n\
     Content-Length: 62\r\nConnection: close\r\n\r\n<html><h1>413 Request Entity Too Large</h1>nginx/1.28.0</html>";

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, and so does its answer.
    Pass,
    /// It goes on, and the connection ends after so many bytes of the answer's body.
    Cut(u64),
    /// It goes on, this much later.
    Delay(Duration),
    /// It stays here until [`Proxy::open`], or for ever.
    Hold,
    /// It ends here with 413 and a page, as at a proxy for which its body is too large.
    TooLarge,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
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

type Which = Box<dyn Fn(&Seen) -> bool + Send>;

#[derive(Default)]
pub(super) struct Requests {
    seen: Vec<Seen>,
    /// What is held no longer.
    free: Option<Which>,
}

impl Requests {
    fn is_free(&self, number: usize) -> bool {
        self.free
            .as_ref()
            .is_some_and(|free| free(&self.seen[number]))
    }
}

/// Of a proxy that looks at requests.
impl Proxy {
    /// All requests so far, in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().requests.seen.clone()
    }

    /// Waits until what was seen satisfies the test.
    ///
    /// # Panics
    /// When that does not happen within a minute.
    #[track_caller]
    pub fn wait_until(&self, mut enough: impl FnMut(&[Seen]) -> bool) {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.shared.lock();
        while !enough(&state.requests.seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not seen: {:#?}", state.requests.seen);
            state = self.shared.wait(state, left);
        }
    }

    /// Lets go on what is held, and whatever comes to be held.
    pub fn open(&self) {
        self.let_go(|_| true);
    }

    /// Lets go on those of the requests held, now or later.
    pub fn let_go(&self, which: impl Fn(&Seen) -> bool + Send + 'static) {
        self.shared.lock().requests.free = Some(Box::new(which));
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, limit);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn serve_request(
        &self,
        judge: &Judge,
        mut client: TcpStream,
        tally: &Tally,
    ) -> io::Result<()> {
        client.set_read_timeout(Some(LIMIT))?;
        let mut from_client = BufReader::new(client.try_clone()?);
        let head = read_head(&mut from_client)?;
        tally.turn(Direction::ToServer);
        let (number, verdict) = self.judge(judge, &head);
        match verdict {
            Verdict::Hold if !self.held(number) => return Ok(()),
            Verdict::Delay(time) => thread::sleep(time),
            _ => {}
        }
        let length = field(&head, "content-length").map_or(Ok(0), str::parse);
        let length = length.map_err(io::Error::other)?;
        if verdict == Verdict::TooLarge {
            io::copy(&mut from_client.take(length), &mut io::sink())?;
            client.write_all(TOO_LARGE.as_bytes())?;
            return client.shutdown(Shutdown::Both);
        }
        let mut server = TcpStream::connect(self.server)?;
        server.set_read_timeout(Some(LIMIT))?;
        write_closing(&mut server, &head, tally, Direction::ToServer)?;
        let body = io::copy(&mut from_client.take(length), &mut server)?;
        tally.add(Direction::ToServer, body);

        let mut from_server = BufReader::new(server);
        let head = read_head(&mut from_server)?;
        tally.turn(Direction::ToClient);
        write_closing(&mut client, &head, tally, Direction::ToClient)?;
        let most = match verdict {
            Verdict::Cut(most) => most,
            _ => u64::MAX,
        };
        let body = io::copy(&mut from_server.take(most), &mut client)?;
        tally.add(Direction::ToClient, body);
        client.flush()?;
        let status = head.first().and_then(|line| line.split(' ').nth(1));
        self.lock().requests.seen[number].status = status.and_then(|status| status.parse().ok());
        self.changed.notify_all();
        client.shutdown(Shutdown::Both)
    }

    fn judge(&self, judge: &Judge, head: &[String]) -> (usize, Verdict) {
        let line = head.first().map(String::as_str).unwrap_or_default();
        let mut words = line.split(' ').map(str::to_owned);
        let mut seen = Seen {
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            range: field(head, "range").map(str::to_owned),
            verdict: Verdict::Pass,
            status: None,
        };
        let mut state = self.lock();
        let before = &mut state.requests.seen;
        seen.verdict = judge(&seen, before);
        let verdict = seen.verdict;
        before.push(seen);
        let number = before.len() - 1;
        self.changed.notify_all();
        (number, verdict)
    }

    /// Waits; whether the request may then go on.
    fn held(&self, number: usize) -> bool {
        let mut state = self.lock();
        while !state.requests.is_free(number) && !state.closed {
            state = self.wait(state, LIMIT);
        }
        !state.closed
    }
}

/// The lines before the empty one.
fn read_head(from: &mut impl io::BufRead) -> io::Result<Vec<String>> {
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

fn field<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn write_closing(
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
