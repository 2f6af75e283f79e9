//! The fh server: an axum application over one database and one store of NARs.
//!
//! ```text
//! config ─▶ server (start) ─▶ bootstrap (keys, administrator) ─▶ state ─▶ routes
//!                  │                                                      │
//!               listen, telemetry                       access ── database ── storage
//! ```
//!
//! Invariants:
//! - one process accepts connections for a data directory; one that is stopping may be beside it;
//! - a request is authenticated before anything is looked up for it;
//! - nothing here reads the process environment or a terminal: all of that comes in [`fh_settings::Settings`].

mod answer;
mod background;
mod bootstrap;
pub mod check;
mod collect;
mod integrity;
mod listen;
mod listing;
mod lookup;
mod peer;
mod push;
mod receive;
mod routes;
mod server;
mod server_error;
mod signatures;
mod state;
mod telemetry;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timing;

pub use fh_persistence::database::DatabaseError;
pub use listen::{BoundAddress, InheritedSocket, ListenError};
pub use peer::Peer;
pub use routes::openapi;
pub use server::{RunningServer, Server, run};
pub use server_error::ServerError;
pub use telemetry::WithRequestId;
