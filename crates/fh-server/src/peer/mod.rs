//! The other end of a connection, and the client behind it.

mod address;
mod source;

pub use self::address::Peer;
pub(crate) use self::source::{Proxies, source};
