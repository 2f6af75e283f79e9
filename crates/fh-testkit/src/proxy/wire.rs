//! Bytes of one connection, carried in two directions by threads of their own.
//!
//! No thread ever waits longer than [`SLICE`] without a look at whether the connection is over.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::count::{Direction, Tally};
use super::plan::{End, Fault, Line, Plan};

/// The longest that anything waits without a look around.
const SLICE: Duration = Duration::from_millis(50);

/// Read at a time.
const CHUNK: usize = 16 * 1024;

/// Chunks that are under way on a line with a delay: 8 MiB, more than any test or benchmark needs to
/// fill such a line.
const UNDER_WAY: usize = 512;

/// What the kernel may hold for each socket of a throttled connection, in bytes: little, so that the
/// sender feels the throttle and not the buffers.
const THROTTLED_BUFFER: usize = 32 * 1024;

/// Both sockets of one connection.
#[derive(Debug)]
pub(super) struct Link {
    client: TcpStream,
    server: TcpStream,
    tally: Arc<Tally>,
    accepted: Instant,
    over: AtomicBool,
}

impl Link {
    pub(super) fn new(
        client: TcpStream,
        server: TcpStream,
        tally: Arc<Tally>,
    ) -> io::Result<Arc<Self>> {
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(SLICE))?;
            socket.set_write_timeout(Some(SLICE))?;
        }
        Ok(Arc::new(Self {
            client,
            server,
            tally,
            accepted: Instant::now(),
            over: AtomicBool::new(false),
        }))
    }

    /// Ends both sides; the sockets are closed when the threads have seen it.
    pub(super) fn end(&self, end: End) {
        // First, so that nobody takes what follows for an end that came from outside.
        self.over.store(true, Ordering::SeqCst);
        for socket in [&self.client, &self.server] {
            // Whoever is on the other side may have ended it before.
            let _ = match end {
                End::Close => socket.shutdown(Shutdown::Both),
                // Only wakes who reads here; with no time to linger, closing it is a reset.
                End::Reset => SockRef::from(socket)
                    .set_linger(Some(Duration::ZERO))
                    .and_then(|()| socket.shutdown(Shutdown::Read)),
            };
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Waits until then, or until the connection is over; for ever where there is no then.
    fn rest_until(&self, then: Option<Instant>) {
        while !self.is_over() {
            let left = then.map(|then| then.saturating_duration_since(Instant::now()));
            match left {
                Some(Duration::ZERO) => return,
                Some(left) => std::thread::sleep(left.min(SLICE)),
                None => std::thread::sleep(SLICE),
            }
        }
    }
}

/// Carries a connection to its end.
pub(super) fn carry(link: &Arc<Link>, plan: Plan) -> io::Result<()> {
    if plan.to_server.bytes_per_second.is_some() || plan.to_client.bytes_per_second.is_some() {
        for socket in [&link.client, &link.server] {
            let socket = SockRef::from(socket);
            socket.set_recv_buffer_size(THROTTLED_BUFFER)?;
            socket.set_send_buffer_size(THROTTLED_BUFFER)?;
        }
    }
    // The client takes its connection for established; on a long line it would still wait for that.
    let established = link.accepted + plan.to_server.delay + plan.to_client.delay;
    let other = Arc::clone(link);
    let thread = std::thread::Builder::new().name("proxy-to-client".to_owned());
    let to_client = thread.spawn(move || {
        carry_line(&other, Direction::ToClient, plan.to_client, established);
    })?;
    carry_line(link, Direction::ToServer, plan.to_server, established);
    // A thread that panicked has said so.
    let _ = to_client.join();
    Ok(())
}

fn carry_line(link: &Arc<Link>, direction: Direction, line: Line, established: Instant) {
    let mut delivery = Delivery {
        link,
        direction,
        line,
        delivered: 0,
    };
    if delivery.fault_if_due().is_break() {
        return;
    }
    if line.delay.is_zero() {
        read_all(link, direction, |bytes| delivery.deliver(bytes));
        delivery.finish();
        return;
    }
    let (sender, under_way) = mpsc::sync_channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (due, bytes) in under_way {
                link.rest_until(Some(due));
                if delivery.deliver(&bytes).is_break() {
                    return;
                }
            }
            delivery.finish();
        });
        let mut last = link.accepted;
        read_all(link, direction, |bytes| {
            last = Instant::now().max(established) + line.delay;
            match sender.send((last, bytes.to_vec())) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        // The end of the stream is under way as long as its bytes.
        let end = Instant::now() + line.delay;
        let _ = sender.send((end.max(last), Vec::new()));
        drop(sender);
    });
}

/// Reads to the end of the stream.
fn read_all(link: &Link, direction: Direction, mut taken: impl FnMut(&[u8]) -> ControlFlow<()>) {
    let mut from = match direction {
        Direction::ToServer => &link.client,
        Direction::ToClient => &link.server,
    };
    let mut buffer = vec![0; CHUNK];
    while !link.is_over() {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                link.tally.direction_seen(direction);
                if taken(&buffer[..count]).is_break() {
                    return;
                }
            }
            Err(error) if is_pause(&error) => {}
            Err(_) => return link.end(End::Reset),
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// What has passed in one direction.
struct Delivery<'a> {
    link: &'a Link,
    direction: Direction,
    line: Line,
    delivered: u64,
}

impl Delivery<'_> {
    fn to(&self) -> &TcpStream {
        match self.direction {
            Direction::ToServer => &self.link.server,
            Direction::ToClient => &self.link.client,
        }
    }

    fn deliver(&mut self, mut bytes: &[u8]) -> ControlFlow<()> {
        while !bytes.is_empty() {
            if self.link.is_over() {
                return ControlFlow::Break(());
            }
            let most = self.most_at_once().min(bytes.len());
            let begin = Instant::now();
            let count = match self.to().write(&bytes[..most]) {
                Ok(count) => count,
                Err(error) if is_pause(&error) => continue,
                Err(_) => {
                    self.link.end(End::Reset);
                    return ControlFlow::Break(());
                }
            };
            bytes = &bytes[count..];
            self.delivered += count as u64;
            self.link.tally.add(self.direction, count as u64);
            if let Some(rate) = self.line.bytes_per_second {
                let time = Duration::from_secs_f64(count as f64 / rate.max(1) as f64);
                self.link.rest_until(Some(begin + time));
            }
            self.fault_if_due()?;
        }
        ControlFlow::Continue(())
    }

    /// How many bytes may be written before there is something else to do.
    fn most_at_once(&self) -> usize {
        let until_fault = match self.line.fault {
            Some((after, _)) => after - self.delivered,
            None => u64::MAX,
        };
        // Twenty pieces a second, so that it is a stream and no series of bursts.
        let throttled = match self.line.bytes_per_second {
            Some(rate) => (rate / 20).max(1),
            None => u64::MAX,
        };
        usize::try_from(until_fault.min(throttled)).unwrap_or(usize::MAX)
    }

    fn fault_if_due(&mut self) -> ControlFlow<()> {
        let Some((_, fault)) = self
            .line
            .fault
            .take_if(|(after, _)| *after <= self.delivered)
        else {
            return ControlFlow::Continue(());
        };
        self.link.tally.fault();
        match fault {
            Fault::Cut(end) => {
                self.link.end(end);
                ControlFlow::Break(())
            }
            Fault::Stall(time) => {
                self.link.rest_until(time.map(|time| Instant::now() + time));
                ControlFlow::Continue(())
            }
        }
    }

    /// Tells the other side that nothing more comes from this one.
    fn finish(&self) {
        if !self.link.is_over() {
            // It may have gone meanwhile.
            let _ = self.to().shutdown(Shutdown::Write);
        }
    }
}
