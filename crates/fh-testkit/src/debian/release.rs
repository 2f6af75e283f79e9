//! Which system the machine has: `os-release(5)`.

use std::fs;

use anyhow::{Context as _, Result};

/// What `/etc/os-release` says about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_CODENAME`, such as `bookworm`; empty where the file has none.
    pub codename: String,
    /// Its name and version as people write them (`PRETTY_NAME`).
    pub pretty_name: String,
}

impl Release {
    /// Reads `/etc/os-release`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read() -> Result<Self> {
        let text = fs::read_to_string("/etc/os-release")
            .context("cannot tell which system this is: /etc/os-release is not readable")?;
        Ok(Self::parse(&text))
    }

    pub(super) fn parse(text: &str) -> Self {
        let field = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
                .unwrap_or_default()
        };
        Self {
            id: field("ID"),
            codename: field("VERSION_CODENAME"),
            pretty_name: field("PRETTY_NAME"),
        }
    }
}
