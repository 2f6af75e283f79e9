//! The protocols in which a server takes a push, and the words for them.

use std::fmt;
use std::str::FromStr;

/// How a server is pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// An fh server: one plan, few large requests, all visible at once.
    Fh,
    /// An attic server.
    Attic,
    /// FlakeHub and its cache.
    FlakeHub,
}

impl Protocol {
    /// All words that [`str::parse`] takes, in the order of their importance.
    pub const WORDS: &'static [&'static str] = &["fh", "attic", "flakehub"];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fh => "fh",
            Self::Attic => "attic",
            Self::FlakeHub => "flakehub",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the protocol must be one of fh, attic and flakehub")]
pub struct UnknownProtocol;

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "fh" => Ok(Self::Fh),
            "attic" => Ok(Self::Attic),
            "flakehub" => Ok(Self::FlakeHub),
            _ => Err(UnknownProtocol),
        }
    }
}
