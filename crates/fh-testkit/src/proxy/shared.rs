//! What the proxy and its threads share, and how they carry a connection: by bytes, or by requests of HTTP/1.1.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::count::{Direction, Tally};
use super::plan::Plan;
use super::requests::{Judge, Requests, Seen, Verdict, field, read_head, write_closing};
use super::wire::{self, Link};

/// For whatever a test waits for, and for every read.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// What nginx answers, with its headers.
const TOO_LARGE: &str = "HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: text/html\r\n\
     Content-Length: 62\r\nConnection: close\r\n\r\n<html><h1>413 Request Entity Too Large</h1>nginx/1.28.0</html>";

pub(super) type Plans = Mutex<Box<dyn FnMut(u64) -> Plan + Send>>;

/// How connections are carried.
pub(super) enum Carriage {
    Bytes(Plans),
    Requests(Judge),
}

/// What the proxy and its threads share.
pub(super) struct Shared {
    pub(super) server: SocketAddr,
    pub(super) carriage: Carriage,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) closed: bool,
    pub(super) tallies: Vec<Arc<Tally>>,
    pub(super) links: Vec<Weak<Link>>,
    pub(super) requests: Requests,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries one connection to its end.
    pub(super) fn serve(&self, client: TcpStream) -> io::Result<()> {
        let (number, tally) = {
            let mut state = self.lock();
            let tally = Arc::new(Tally::default());
            state.tallies.push(Arc::clone(&tally));
            (state.tallies.len() as u64 - 1, tally)
        };
        let plans = match &self.carriage {
            Carriage::Requests(judge) => return self.serve_request(judge, client, &tally),
            Carriage::Bytes(plans) => plans,
        };
        let plan = plans.lock().unwrap_or_else(PoisonError::into_inner)(number);
        let server = match TcpStream::connect(self.server) {
            Ok(server) => server,
            Err(error) => {
                // As if it had been refused, as nearly as one that was accepted can be.
                SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO))?;
                return Err(error);
            }
        };
        let link = Link::new(client, server, tally)?;
        {
            let mut state = self.lock();
            if state.closed {
                return Ok(());
            }
            state.links.retain(|link| link.strong_count() > 0);
            state.links.push(Arc::downgrade(&link));
        }
        wire::carry(&link, plan)
    }

    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        limit: Duration,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, limit);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn serve_request(&self, judge: &Judge, mut client: TcpStream, tally: &Tally) -> io::Result<()> {
        client.set_read_timeout(Some(LIMIT))?;
        let mut from_client = BufReader::new(client.try_clone()?);
        let head = read_head(&mut from_client)?;
        tally.direction_seen(Direction::ToServer);
        let (number, verdict) = self.judge(judge, &head);
        match verdict {
            Verdict::Hold if !self.may_go_on(number) => return Ok(()),
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
        tally.direction_seen(Direction::ToClient);
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
    fn may_go_on(&self, number: usize) -> bool {
        let mut state = self.lock();
        while !state.requests.is_free(number) && !state.closed {
            state = self.wait(state, LIMIT);
        }
        !state.closed
    }
}
