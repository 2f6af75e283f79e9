//! What a server speaks, which decides how it is logged in to and pushed to.

use crate::words::words;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ServerKind {
    /// This project's own API. A push is one plan, few large requests, all visible at once.
    #[default]
    Fh,
    /// FlakeHub's API, and attic's protocol for its cache.
    FlakeHub,
    /// Attic's protocol; the address that is logged in to ends with the name of a cache.
    Attic,
}

impl ServerKind {
    /// Its words, in the order in which people are told of them.
    pub const WORDS: &'static [&'static str] = &["fh", "attic", "flakehub"];
}

words!(
    ServerKind,
    "fh, flakehub, attic",
    Fh = "fh",
    FlakeHub = "flakehub",
    Attic = "attic"
);
