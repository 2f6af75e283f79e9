//! Where a request comes from.

use std::net::IpAddr;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Source {
    /// The client's address; none where it is not known.
    pub(crate) address: Option<IpAddr>,
}
