//! Which servers this user has logged in to, and the token of each that is kept in a file.
//!
//! ```text
//! BASE/config.toml      the servers and which one is meant where none is named; for people to edit
//! BASE/tokens/NAME      one token, one line, 0600
//! ```
//!
//! FlakeHub's token stands where the existing `fh` keeps it, so that both find it; a server may keep
//! its token in the system's keyring instead, which is not this crate's business.
//!
//! Invariants: a token is never in `config.toml`, never in a file that others can read, not even
//! for an instant, and never in a message or in Debug output. A file is replaced as a whole or not
//! at all. Comments and order of `config.toml` stay. A token is found by the server's address, so
//! that it cannot be sent to another server by a mix-up of names.

mod entry;
mod files;
mod list;
#[cfg(test)]
mod tests;
use std::path::PathBuf;

use secrecy::SecretString;
use zeroize::Zeroizing;

pub(crate) use entry::FLAKEHUB_API;
pub use entry::{Reading, ServerEntry, TokenStore};
pub use files::StoreLock;
pub use list::ServerList;

use crate::error::{Error, Result};
use crate::server_kind::ServerKind;
use crate::server_url::ServerUrl;
use crate::token::checked_token;

const CONFIG_FILE: &str = "config.toml";
const TOKENS_DIRECTORY: &str = "tokens";

/// The servers and tokens below one directory.
///
/// Nothing is read before it is asked for, and nothing is kept: every call sees what is there.
#[derive(Debug, Clone)]
pub struct CredentialStore {
    directory: PathBuf,
    flakehub_token: PathBuf,
}

impl CredentialStore {
    /// The store below this directory, such as `$XDG_CONFIG_HOME/fh`. Need not exist yet.
    /// `flakehub_token` is the file in which the existing `fh` keeps FlakeHub's token.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, flakehub_token: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            flakehub_token: flakehub_token.into(),
        }
    }

    /// The file that lists the servers.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.directory.join(CONFIG_FILE)
    }

    /// Where the token of a server is, or would be if it were kept in a file now.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn token_path(&self, server: &ServerUrl) -> Result<PathBuf> {
        let servers = self.load()?;
        let kind = servers
            .entry(server)
            .map_or(ServerKind::default(), |entry| entry.kind);
        Ok(self.token_file(&servers.name_for(server), kind))
    }

    /// The file of a server's token, by the name of the server.
    #[must_use]
    pub fn token_file(&self, name: &str, kind: ServerKind) -> PathBuf {
        // Another FlakeHub than the public one is no business of the existing fh.
        if kind == ServerKind::FlakeHub && name == entry::FLAKEHUB_NAME {
            return self.flakehub_token.clone();
        }
        self.directory.join(TOKENS_DIRECTORY).join(name)
    }

    /// The servers, in the order of the file, behind them FlakeHub where the existing `fh` has logged
    /// in there and this one has not.
    ///
    /// # Errors
    ///
    /// [`Error::File`], and [`Error::InvalidConfig`] where the file is not what it should be.
    pub fn list(&self) -> Result<Vec<ServerEntry>> {
        Ok(self.load()?.entries().to_vec())
    }

    /// The same as text that can be edited.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn load(&self) -> Result<ServerList> {
        let path = self.config_path();
        let text = files::read_text(&path)?;
        let mut servers = ServerList::parse(&path, text.as_deref())?;
        if self.flakehub_token.is_file() {
            servers.know_flakehub();
        }
        Ok(servers)
    }

    /// Holds off the other processes that change the store, until it is dropped. The other methods
    /// of this store that change something wait for it too.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn lock(&self) -> Result<StoreLock> {
        files::lock(&self.directory)
    }

    /// The server that is meant where none is named: the one logged in to last.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn default_server(&self) -> Result<Option<ServerEntry>> {
        Ok(self.list()?.into_iter().find(|entry| entry.is_default))
    }

    /// The server of this name or address. The beginning of a name will do up to one of its dots or
    /// dashes, where only one server's begins like that.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn find(&self, name_or_url: &str) -> Result<Option<ServerEntry>> {
        Ok(self.load()?.find(name_or_url).cloned())
    }

    /// Keeps this token in a file for this fh server and makes the server the default one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToken`], [`Error::File`], [`Error::InvalidConfig`].
    pub fn set(&self, server: &ServerUrl, token: &SecretString) -> Result<ServerEntry> {
        let token = checked_token(token)?;
        let _lock = self.lock()?;
        let mut servers = self.load()?;
        let mut entry = match servers.entry(server) {
            Some(entry) => entry.clone(),
            None => ServerEntry::new(servers.name_for(server), server.clone(), ServerKind::Fh),
        };
        entry.is_default = true;
        entry.store = TokenStore::File;
        let file = self.token_file(&entry.name, entry.kind);
        if let Some(directory) = file.parent() {
            files::create_private_directory(directory)?;
        }
        // The token first: a server that is listed has one.
        files::replace_secret(&file, Zeroizing::new(format!("{token}\n")).as_bytes())?;
        servers.record(&entry);
        self.save(&servers)?;
        Ok(entry)
    }

    /// Makes a known server, or FlakeHub, the one meant where none is named. A server that is it already is no
    /// reason to write.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownServer`], [`Error::File`], [`Error::InvalidConfig`].
    pub fn set_default(&self, server: &ServerUrl) -> Result<()> {
        let known = |servers: &ServerList| {
            let built_in = || ServerEntry::flakehub().filter(|entry| entry.url == *server);
            let entry = servers.entry(server).cloned().or_else(built_in);
            entry.ok_or_else(|| unknown(server))
        };
        // Nothing is made where there is nothing to change.
        if known(&self.load()?)?.is_default {
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut servers = self.load()?;
        let mut entry = known(&servers)?;
        entry.is_default = true;
        servers.record(&entry);
        self.save(&servers)
    }

    /// The token kept in a file for this server, if there is one.
    ///
    /// A file that others can read is tightened to 0600 where it is the user's own.
    ///
    /// # Errors
    ///
    /// [`Error::InsecureTokenFile`] where it cannot be tightened, [`Error::InvalidToken`],
    /// [`Error::File`], [`Error::InvalidConfig`].
    pub fn get_token(&self, server: &ServerUrl) -> Result<Option<SecretString>> {
        let servers = self.load()?;
        let Some(entry) = servers.entry(server) else {
            return Ok(None);
        };
        let Some(token) = files::read_secret(&self.token_file(&entry.name, entry.kind))? else {
            return Ok(None);
        };
        checked_token(&token)?;
        Ok(Some(token))
    }

    fn save(&self, servers: &ServerList) -> Result<()> {
        files::replace_text(&self.config_path(), servers.to_text().as_bytes())
    }
}

fn unknown(server: &ServerUrl) -> Error {
    Error::UnknownServer {
        server: server.to_string(),
    }
}
