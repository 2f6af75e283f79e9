//! An HTTP/1.1 proxy between a client and the test server, which records what passes, cuts answers
//! short, and holds requests back until the test says otherwise.
//!
//! One request to a connection, so that each is judged by itself: both sides are told to close.

use std::io::{self, BufReader, Read as _, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For whatever a test waits for, and for every read.
const LIMIT: Duration = Duration::from_secs(60);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on, and so does its answer.
    Pass,
    /// It goes on, and the connection ends after so many bytes of the answer's body.
    Cut(u64),
    /// It stays here until [`Proxy::open`], or for ever.
    Hold,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) verdict: Verdict,
    /// The answer's status, once the answer went to the client as far as it was to go.
    pub(crate) status: Option<u16>,
}

impl Seen {
    /// The number of the part of a NAR that was put.
    pub(crate) fn part(&self) -> Option<u64> {
        if self.method != "PUT" {
            return None;
        }
        self.path.rsplit_once("/parts/")?.1.parse().ok()
    }

    /// Whether it is a batch of NARs.
    pub(crate) fn is_batch(&self) -> bool {
        self.method == "POST" && self.path.ends_with("/nars")
    }

    /// Whether it is a NAR that somebody reads.
    pub(crate) fn is_nar(&self) -> bool {
        self.method == "GET" && self.path.contains("/nar/")
    }
}

type Judge = Box<dyn Fn(&Seen, &[Seen]) -> Verdict + Send + Sync>;

struct Inner {
    server: SocketAddr,
    judge: Judge,
    state: Mutex<State>,
    changed: Condvar,
}

type Which = Box<dyn Fn(&Seen) -> bool + Send>;

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    /// What is held no longer.
    free: Option<Which>,
    closed: bool,
}

impl State {
    fn is_free(&self, number: usize) -> bool {
        self.free
            .as_ref()
            .is_some_and(|free| free(&self.seen[number]))
    }
}

/// The proxy; on drop it lets go of everything.
pub(crate) struct Proxy {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl Proxy {
    /// Starts one before the server at `url`. `judge` is given each request and those before it.
    pub(crate) fn start(
        url: &str,
        judge: impl Fn(&Seen, &[Seen]) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let server = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            server,
            judge: Box::new(judge),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.lock().closed {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // What breaks here breaks for the client, who says so.
                    if let Ok(client) = client {
                        let _ = shared.serve(client);
                    }
                });
            }
        });
        Self { address, inner }
    }

    /// What clients take for the server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order in which they came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.lock().seen.clone()
    }

    /// Waits until what was seen satisfies the test.
    #[track_caller]
    pub(crate) fn wait_until(&self, mut enough: impl FnMut(&[Seen]) -> bool) {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.inner.lock();
        while !enough(&state.seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not seen: {:#?}", state.seen);
            state = self.inner.wait(state, left);
        }
    }

    /// Lets go on what is held, and whatever comes to be held.
    pub(crate) fn open(&self) {
        self.let_go(|_| true);
    }

    /// Lets go on those of the requests held, now or later.
    pub(crate) fn let_go(&self, which: impl Fn(&Seen) -> bool + Send + 'static) {
        self.inner.lock().free = Some(Box::new(which));
        self.inner.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.inner.lock().closed = true;
        self.inner.changed.notify_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, limit);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(LIMIT))?;
        let mut from_client = BufReader::new(client.try_clone()?);
        let head = read_head(&mut from_client)?;
        let (number, verdict) = self.judge(&head);
        if verdict == Verdict::Hold && !self.held(number) {
            return Ok(());
        }
        let mut server = TcpStream::connect(self.server)?;
        server.set_read_timeout(Some(LIMIT))?;
        write_closing(&mut server, &head)?;
        let length = field(&head, "content-length").map_or(Ok(0), str::parse);
        let length = length.map_err(io::Error::other)?;
        io::copy(&mut from_client.take(length), &mut server)?;

        let mut from_server = BufReader::new(server);
        let head = read_head(&mut from_server)?;
        write_closing(&mut client, &head)?;
        let most = match verdict {
            Verdict::Cut(most) => most,
            _ => u64::MAX,
        };
        io::copy(&mut from_server.take(most), &mut client)?;
        client.flush()?;
        let status = head.first().and_then(|line| line.split(' ').nth(1));
        self.lock().seen[number].status = status.and_then(|status| status.parse().ok());
        self.changed.notify_all();
        client.shutdown(Shutdown::Both)
    }

    fn judge(&self, head: &[String]) -> (usize, Verdict) {
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
        seen.verdict = (self.judge)(&seen, &state.seen);
        let verdict = seen.verdict;
        state.seen.push(seen);
        self.changed.notify_all();
        (state.seen.len() - 1, verdict)
    }

    /// Waits; whether the request may then go on.
    fn held(&self, number: usize) -> bool {
        let mut state = self.lock();
        while !state.is_free(number) && !state.closed {
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

fn write_closing(to: &mut impl Write, head: &[String]) -> io::Result<()> {
    let mut text = String::new();
    for line in head {
        if !line.to_ascii_lowercase().starts_with("connection:") {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text.push_str("Connection: close\r\n\r\n");
    to.write_all(text.as_bytes())
}
