//! The server that a command means.

use fh_client::{FlakeHub, ServerEntry, ServerKind, ServerUrl};

/// The server that is meant.
#[derive(Debug, Clone)]
pub(crate) enum Selected {
    /// FlakeHub, which needs no introduction.
    FlakeHub(FlakeHub),
    /// A server that `config.toml` has from an earlier login.
    Known(ServerEntry),
    /// An address of which nothing is known yet.
    New(ServerUrl),
}

impl Selected {
    /// The address by which it is known here.
    pub(crate) fn url(&self) -> &ServerUrl {
        match self {
            Self::FlakeHub(addresses) => &addresses.api,
            Self::Known(entry) => &entry.url,
            Self::New(url) => url,
        }
    }

    /// What it speaks, where that is known.
    pub(crate) fn kind(&self) -> Option<ServerKind> {
        match self {
            Self::FlakeHub(_) => Some(ServerKind::FlakeHub),
            Self::Known(entry) => Some(entry.kind),
            Self::New(_) => None,
        }
    }
}
