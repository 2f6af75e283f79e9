//! A server that is known, in values.

use std::path::PathBuf;

use fh_api::Name;

use crate::server_kind::ServerKind;
use crate::server_url::ServerUrl;
use crate::words::words;

/// The name of FlakeHub itself.
pub(super) const FLAKEHUB_NAME: &str = "flakehub";

/// The address by which FlakeHub is known.
pub(crate) const FLAKEHUB_API: &str = "https://api.flakehub.com";

/// Where a token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum TokenStore {
    /// In a file that only its owner can read.
    #[default]
    File,
    /// In the system's keyring.
    Keyring,
}

words!(
    TokenStore,
    "file, keyring",
    File = "file",
    Keyring = "keyring"
);

/// Which addresses of a server a person wants Nix to read from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reading {
    /// Those that the server names.
    #[default]
    Usual,
    /// The root, whatever the server names.
    Root,
    /// Exactly these organisations, in this order.
    Organizations(Vec<Name>),
}

/// A server that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// Its name in `config.toml`, and that of its token's file.
    pub name: String,
    /// The address by which it is found, and to which its token goes.
    pub url: ServerUrl,
    /// What it speaks, as its login has found out.
    pub kind: ServerKind,
    /// Where its token is kept.
    pub store: TokenStore,
    /// Its substituter, where a login has learnt it.
    pub substituter: Option<ServerUrl>,
    /// The addresses that Nix reads from, where a login has written others than the substituter alone.
    pub substituters: Vec<ServerUrl>,
    /// Which addresses are wanted.
    pub reading: Reading,
    /// Its public keys as nix.conf wants them, where a login has learnt them.
    pub public_keys: Vec<String>,
    /// The audience that its tokens name, where a login has learnt it.
    pub audience: Option<String>,
    /// A PEM file with certificates that are trusted for this server besides the system's; an absolute path.
    pub ca_file: Option<PathBuf>,
    /// Whether it is the one meant where none is named.
    pub is_default: bool,
}

impl ServerEntry {
    /// A server of which only this is known; its token is kept in a file.
    #[must_use]
    pub fn new(name: String, url: ServerUrl, kind: ServerKind) -> Self {
        Self {
            name,
            url,
            kind,
            store: TokenStore::File,
            substituter: None,
            substituters: Vec::new(),
            reading: Reading::Usual,
            public_keys: Vec::new(),
            audience: None,
            ca_file: None,
            is_default: false,
        }
    }

    /// FlakeHub, which is known before anybody has logged in to it.
    #[must_use]
    pub fn flakehub() -> Option<Self> {
        let url = FLAKEHUB_API.parse::<ServerUrl>().ok()?;
        let name = FLAKEHUB_NAME.to_owned();
        Some(Self::new(name, url, ServerKind::FlakeHub))
    }

    /// Whether a request to this address is one to this server, or to its cache.
    pub(super) fn is_at(&self, address: &ServerUrl) -> bool {
        std::iter::once(&self.url)
            .chain(&self.substituter)
            .chain(&self.substituters)
            .any(|own| own.is_same_origin(address))
    }
}
