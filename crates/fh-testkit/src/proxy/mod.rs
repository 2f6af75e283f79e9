//! A TCP proxy on loopback, which stands between a client and a server and counts, delays, throttles,
//! stalls, cuts and refuses.
//!
//! ```text
//! Proxy::start      by bytes: each connection gets a Plan, for each direction a Line
//! Proxy::requests   by requests of HTTP/1.1, one to a connection: a judge lets each pass, cuts its
//!                   answer short, or holds it back until the test says otherwise
//! ```
//!
//! It has threads of its own and needs no asynchronous runtime; on drop all connections end.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use std::time::Duration;
//! use fh_testkit::proxy::{Plan, Proxy};
//!
//! let server = "127.0.0.1:8080".parse().unwrap();
//! let proxy = Proxy::start(server, |_| Plan::round_trip(Duration::from_millis(50)))?;
//! // … let a client work with proxy.url() …
//! println!("{:?}", proxy.counts());
//! # Ok(())
//! # }
//! ```

mod count;
mod plan;
mod requests;
mod shared;
#[cfg(test)]
mod tests;
mod wire;

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Instant;

use socket2::{Domain, SockRef, Socket, Type};

pub use count::Counts;
pub use plan::{End, Fault, Line, Plan};
pub use requests::{Seen, Verdict};

use shared::{Carriage, LIMIT, Shared};

/// A proxy that listens, with all connections that it carries.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Keeps the port while nobody listens on it.
    _placeholder: Socket,
    listener: Mutex<Option<TcpListener>>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .field("server", &self.shared.server)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts one before a server on this machine. `plans` is asked for each connection, by its number
    /// from 0.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(
        server: SocketAddr,
        plans: impl FnMut(u64) -> Plan + Send + 'static,
    ) -> io::Result<Self> {
        Self::with(server, Carriage::Bytes(Mutex::new(Box::new(plans))))
    }

    /// Starts one that looks at requests of HTTP/1.1. `judge` is given each and those before it.
    ///
    /// # Errors
    /// When there is no port.
    pub fn requests(
        server: SocketAddr,
        judge: impl Fn(&Seen, &[Seen]) -> Verdict + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::with(server, Carriage::Requests(Box::new(judge)))
    }

    fn with(server: SocketAddr, carriage: Carriage) -> io::Result<Self> {
        let placeholder = bound(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = placeholder
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("the port has no address"))?;
        let proxy = Self {
            address,
            shared: Arc::new(Shared {
                server,
                carriage,
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
            _placeholder: placeholder,
            listener: Mutex::new(None),
        };
        proxy.accept()?;
        Ok(proxy)
    }

    /// What clients take for the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as an address of HTTP, without a final slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has passed on all connections so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts_by_connection().into_iter().sum()
    }

    /// What has passed on each connection, in the order in which they came.
    #[must_use]
    pub fn counts_by_connection(&self) -> Vec<Counts> {
        let state = self.shared.lock();
        state.tallies.iter().map(|tally| tally.counts()).collect()
    }

    /// Ends all connections there are. New ones are accepted.
    pub fn cut_all(&self, end: End) {
        for link in self.shared.lock().links.iter().filter_map(Weak::upgrade) {
            link.end(end);
        }
    }

    /// From now on connections are refused, as by a machine on which no server runs. Those there are
    /// stay.
    ///
    /// # Errors
    /// When the system does not do it.
    pub fn refuse(&self) -> io::Result<()> {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = listener.take() {
            // Ends the thread that accepts; Linux refuses from then on.
            SockRef::from(&listener).shutdown(Shutdown::Both)?;
        }
        Ok(())
    }

    /// Connections are accepted again after [`Self::refuse`].
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub fn accept(&self) -> io::Result<()> {
        let mut slot = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() {
            return Ok(());
        }
        let socket = bound(self.address)?;
        socket.listen(1024)?;
        let listener = TcpListener::from(socket);
        let accepting = listener.try_clone()?;
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("proxy-accept".to_owned());
        thread.spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // What breaks here breaks for the client, who says so.
                    let _ = shared.serve(client);
                });
            }
        })?;
        *slot = Some(listener);
        Ok(())
    }

    // Of a proxy that looks at requests.

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

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        // Nobody can be told here.
        let _ = self.refuse();
        self.cut_all(End::Reset);
    }
}

/// A socket that has the port and does not listen.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
