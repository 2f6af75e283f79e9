//! Where requests come in: sockets, TLS, HTTP/1.1 and HTTP/2, time-outs, and the graceful stop.
//!
//! ```text
//! Sockets::bind ─ TCP, Unix, inherited ──> accept loop, one a socket ──> connection task
//!                                           (connection limit)            TLS → HTTP → router
//! ```
//!
//! Invariants:
//! - a client cannot hold a connection for nothing: the TLS handshake and the headers of a request
//!   have a time limit, an idle connection another, a transfer that stands still a third;
//! - the number of connections is bounded; at the bound the system's queue fills, nothing is lost;
//! - what goes wrong on one connection ends that connection alone, and is logged without the
//!   client's data;
//! - after the stop signal nothing new is accepted, and every request whose headers are in is
//!   answered, unless the time limit passes or a second signal comes.

mod body;
mod connection;
mod error;
mod pace;
mod pieces;
mod rate;
mod service;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use body::body_failure;
pub use error::ListenError;
pub(crate) use pieces::Pieces;
pub(crate) use service::{Service, Serving};
pub use socket::{BoundAddress, InheritedSocket};
pub(crate) use socket::{Sockets, probe};
pub(crate) use tls::{Certificates, load_pair};
