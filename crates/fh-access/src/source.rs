//! Where a request comes from.

use std::net::IpAddr;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source {
    /// The client's address; none where it is not known.
    pub address: Option<IpAddr>,
}
