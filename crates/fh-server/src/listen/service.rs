//! Accepting connections, and the graceful stop.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use fh_api::Network;
use fh_settings::{Limits, Timeouts};
use fh_shares::{Holders, Share, Shares};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body::Bounds;
use super::connection::{self, Shared};
use super::pace::AnyStream;
use super::socket::{Listener, Socket};
use super::{Certificates, ListenError, Sockets};
use crate::peer::{Peer, Proxies};
use crate::telemetry::{Metrics, metrics_routes, observed};

/// Connections to the metrics address: kept apart, so that a full server can still be watched.
const METRICS_CONNECTIONS: u64 = 16;

/// How often idle connections are looked at where others wait for their places.
const SCARCE_TICK: Duration = Duration::from_millis(250);

/// How long a socket rests when the system cannot give it a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long connections have to end once they were told to end at once.
const CUT_TIME: Duration = Duration::from_secs(5);

/// What is served, and how.
pub(crate) struct Service {
    /// The routes of all addresses.
    pub(crate) router: Router,
    /// On TCP, where given.
    pub(crate) certificates: Option<Certificates>,
    /// How much is taken.
    pub(crate) limits: Limits,
    /// How long is waited.
    pub(crate) timeouts: Timeouts,
    /// Proxies, which speak for many: their connections do not count as those of one address, and they name
    /// the client for the log.
    pub(crate) proxies: Proxies,
    /// Where connections are counted.
    pub(crate) metrics: Metrics,
}

/// Sockets that accept connections, until [`Serving::stop`].
pub(crate) struct Serving {
    tasks: TaskTracker,
    /// The loops that accept; each closes its socket in the end.
    accepting: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
    certificates: Option<Certificates>,
}

impl Serving {
    /// Accepts on all sockets from now on.
    pub(crate) fn start(sockets: Sockets, service: Service) -> Result<Self, ListenError> {
        let Service {
            router,
            certificates,
            limits,
            timeouts,
            proxies,
            metrics,
        } = service;
        let (tasks, accepting) = (TaskTracker::new(), TaskTracker::new());
        let stop = CancellationToken::new();
        let cut = CancellationToken::new();
        let bounds = Bounds {
            size: limits.body_size.max(limits.plan_size),
            stall: timeouts.stall,
            rate: limits.body_rate,
        };
        let entrance = |router, places: u64, waiting, acceptor| Entrance {
            shared: Arc::new(Shared {
                router,
                http: connection::http_builder(&timeouts),
                timeouts,
                bounds,
                places: Shares::of_parts(places, u64::MAX),
                scarce: Notify::new(),
                stop: stop.clone(),
                cut: cut.clone(),
            }),
            metrics: metrics.clone(),
            acceptor,
            waiting_room: Shares::of_parts(waiting, 0),
            proxies: Arc::clone(&proxies.trusted),
            tasks: tasks.clone(),
        };
        let acceptor = certificates.as_ref().map(Certificates::acceptor);
        let main = entrance(
            observed(router, metrics.clone(), proxies.clone()),
            limits.connections as u64,
            waiting_room(limits.connections),
            acceptor.transpose()?,
        );
        let until_stop = || stop.clone();
        tasks.spawn(until_stop().run_until_cancelled_owned(watch(Arc::clone(&main.shared))));
        for socket in sockets.main {
            tracing::info!(address = %socket.address, tls = main.speaks_tls(&socket), "listening");
            accepting.spawn(accept(main.clone(), socket));
        }
        if let Some(socket) = sockets.metrics {
            tracing::info!(address = %socket.address, "listening for metrics");
            let routes = metrics_routes(metrics.clone());
            let entrance = entrance(routes, METRICS_CONNECTIONS, METRICS_CONNECTIONS, None);
            accepting.spawn(accept(entrance, socket));
        }
        tasks.spawn(until_stop().run_until_cancelled_owned(metrics.clone().upkeep()));
        if let Some(certificates) = certificates.clone() {
            tasks.spawn(until_stop().run_until_cancelled_owned(certificates.follow()));
        }
        accepting.close();
        Ok(Self {
            tasks,
            accepting,
            stop,
            cut,
            certificates,
        })
    }

    /// Reads the TLS certificate again, if there is one.
    pub(crate) async fn reload_certificates(&self) {
        if let Some(certificates) = self.certificates.clone() {
            // A panic in there was logged, and the former certificate stays.
            let _ = tokio::task::spawn_blocking(move || certificates.reload()).await;
        }
    }

    /// Accepts nothing new: the sockets are closed when this returns.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.accepting.wait().await;
    }

    /// Accepts nothing new and waits for the running requests, until `limit` has passed or
    /// `at_once` completes; then ends the rest. True when nothing had to be ended.
    pub(crate) async fn stop(&self, limit: Duration, at_once: impl Future<Output = ()>) -> bool {
        let ended = async {
            self.close().await;
            self.tasks.close();
            self.tasks.wait().await;
        };
        let finished = tokio::select! {
            () = ended => true,
            () = tokio::time::sleep(limit) => {
                tracing::warn!("the time for running requests is over, they are ended");
                false
            }
            () = at_once => {
                tracing::warn!("told to stop at once, running requests are ended");
                false
            }
        };
        self.cut.cancel();
        if !finished
            && tokio::time::timeout(CUT_TIME, self.tasks.wait())
                .await
                .is_err()
        {
            tracing::error!("some connections did not end");
        }
        finished
    }
}

impl Drop for Serving {
    /// Nobody can stop it any more: ends it at once.
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut.cancel();
    }
}

/// Where the connections of a socket come in.
#[derive(Clone)]
struct Entrance {
    shared: Arc<Shared>,
    metrics: Metrics,
    acceptor: Option<TlsAcceptor>,
    /// For connections that were accepted and wait for a place. Whoever finds no room here is sent away.
    waiting_room: Shares,
    proxies: Arc<[Network]>,
    tasks: TaskTracker,
}

/// How many connections may wait, beside so many that are served. They take up file descriptors.
fn waiting_room(places: usize) -> u64 {
    (places as u64 / 2).max(16)
}

/// Has connections looked at again and again while places are scarce; never returns.
async fn watch(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SCARCE_TICK).await;
        if shared.places.is_scarce() {
            shared.scarce.notify_waiters();
        }
    }
}

impl Entrance {
    fn speaks_tls(&self, socket: &Socket) -> bool {
        self.acceptor.is_some() && matches!(socket.listener, Listener::Tcp(_))
    }

    /// For whom a connection counts.
    fn holders(&self, peer: Peer) -> Holders {
        let address = match peer {
            Peer::Unix => None,
            Peer::Tcp(address) => Some(address.ip().to_canonical()),
        };
        let trusted = |address: &IpAddr| self.proxies.iter().any(|known| known.contains(*address));
        Holders::new(None, address.filter(|address| !trusted(address)))
    }
}

async fn accept(entrance: Entrance, socket: Socket) {
    let stop = entrance.shared.stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = accept_one(&socket.listener) => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let holders = entrance.holders(peer);
                let Some(seat) = entrance.waiting_room.try_take(holders, 1) else {
                    tracing::debug!(%peer, "too many connections of this address wait, one is closed");
                    continue;
                };
                entrance
                    .tasks
                    .spawn(admit(entrance.clone(), stream, peer, holders, seat));
            }
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(address = %socket.address, %error, "a connection ended before it was accepted");
            }
            Err(error) => {
                tracing::error!(address = %socket.address, %error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    socket.close();
}

/// A connection that was accepted and has not spoken yet.
enum Accepted {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept_one(listener: &Listener) -> io::Result<(Accepted, Peer)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // Small answers must not wait for the acknowledgement of earlier ones.
            stream.set_nodelay(true)?;
            Ok((Accepted::Tcp(stream), Peer::Tcp(address)))
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            Ok((Accepted::Unix(stream), Peer::Unix))
        }
    }
}

/// True where the next connection may well be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotConnected
    )
}

/// Waits until a connection may be served, and serves it.
async fn admit(entrance: Entrance, stream: Accepted, peer: Peer, holders: Holders, seat: Share) {
    let shared = Arc::clone(&entrance.shared);
    let place = tokio::select! {
        place = shared.places.take(holders, 1) => place,
        () = shared.stop.cancelled() => return,
        // Nobody knows whether it is still there.
        () = tokio::time::sleep(shared.timeouts.stall) => return,
    };
    drop(seat);
    if let Ok(place) = place {
        serve(entrance, stream, peer, holders, place).await;
    }
}

async fn serve(entrance: Entrance, stream: Accepted, peer: Peer, holders: Holders, place: Share) {
    let _open = entrance.metrics.connection_opened();
    let stream: AnyStream = match (stream, &entrance.acceptor) {
        (Accepted::Unix(stream), _) => Box::new(stream),
        (Accepted::Tcp(stream), None) => Box::new(stream),
        (Accepted::Tcp(stream), Some(acceptor)) => {
            let handshake =
                tokio::time::timeout(entrance.shared.timeouts.header, acceptor.accept(stream));
            let handshake = tokio::select! {
                handshake = handshake => handshake,
                () = entrance.shared.stop.cancelled() => return,
            };
            match handshake {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "TLS handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!(%peer, "TLS handshake took too long");
                    return;
                }
            }
        }
    };
    connection::serve(entrance.shared, stream, peer, holders).await;
    drop(place);
}
