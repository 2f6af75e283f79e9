//! Which servers this user has logged in to, and the token of each.
//!
//! ```text
//! BASE/config.toml      the servers and which one is meant where none is named; for people to edit
//! BASE/tokens/NAME      one token, one line, 0600
//! ```
//!
//! Invariants: a token is never in `config.toml`, never in a file that others can read, not even
//! for an instant, and never in a message or in Debug output. A file is replaced as a whole or not
//! at all. Comments and order of `config.toml` stay. A token is found by the server's address, so
//! that it cannot be sent to another server by a mix-up of names.

mod files;
#[cfg(test)]
mod tests;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml_edit::{DocumentMut, Item, Table, value};
use zeroize::Zeroizing;

use crate::client::checked_token;
use crate::error::{Error, Result};
use crate::server_url::ServerUrl;
use crate::text::safe_line;

const CONFIG_FILE: &str = "config.toml";
const TOKENS_DIRECTORY: &str = "tokens";
const DEFAULT_KEY: &str = "default-server";
const SERVERS_KEY: &str = "servers";
const URL_KEY: &str = "url";

/// What a new `config.toml` begins with.
const PREAMBLE: &str = "\
# The fh servers that this user has logged in to. `fh login` writes here and keeps your comments.
# Tokens stand in tokens/, one file a server, readable by you alone.
";

/// A server that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// Its name in `config.toml`, and that of its token's file.
    pub name: String,
    /// Its address.
    pub url: ServerUrl,
    /// Whether it is the one meant where none is named.
    pub is_default: bool,
}

/// The servers and tokens below one directory.
///
/// Nothing is read before it is asked for, and nothing is kept: every call sees what is there.
#[derive(Debug, Clone)]
pub struct CredentialStore {
    directory: PathBuf,
}

impl CredentialStore {
    /// The store below this directory, such as `$XDG_CONFIG_HOME/fh`. Need not exist yet.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The file that lists the servers.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.directory.join(CONFIG_FILE)
    }

    /// Where the token of a server is, or would be if it were set now.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn token_path(&self, server: &ServerUrl) -> Result<PathBuf> {
        let document = self.load()?;
        Ok(self.token_file(&document.name_for(server)))
    }

    /// The servers, in the order of the file.
    ///
    /// # Errors
    ///
    /// [`Error::File`], and [`Error::InvalidConfig`] where the file is not what it should be.
    pub fn list(&self) -> Result<Vec<ServerEntry>> {
        Ok(self.load()?.entries)
    }

    /// The server that is meant where none is named: the one logged in to last.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn default_server(&self) -> Result<Option<ServerEntry>> {
        Ok(self.list()?.into_iter().find(|entry| entry.is_default))
    }

    /// The server of this name or address.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn find(&self, name_or_url: &str) -> Result<Option<ServerEntry>> {
        let url = name_or_url.parse::<ServerUrl>().ok();
        let entries = self.list()?;
        let by_url = entries.iter().position(|e| url.as_ref() == Some(&e.url));
        let found = by_url.or_else(|| entries.iter().position(|e| e.name == name_or_url));
        Ok(found.and_then(|index| entries.into_iter().nth(index)))
    }

    /// Keeps this token for this server and makes the server the default one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToken`], [`Error::File`], [`Error::InvalidConfig`].
    pub fn set(&self, server: &ServerUrl, token: &SecretString) -> Result<ServerEntry> {
        let token = checked_token(token)?;
        files::create_private_directory(&self.directory)?;
        let _lock = files::lock(&self.directory)?;
        let mut document = self.load()?;
        let name = document.name_for(server);
        let tokens = self.directory.join(TOKENS_DIRECTORY);
        files::create_private_directory(&tokens)?;
        // The token first: a server that is listed has one.
        files::replace_secret(
            &self.token_file(&name),
            Zeroizing::new(format!("{token}\n")).as_bytes(),
        )?;
        document.set(&name, server);
        self.save(&document)?;
        Ok(ServerEntry {
            name,
            url: server.clone(),
            is_default: true,
        })
    }

    /// Makes a known server the one meant where none is named.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownServer`], [`Error::File`], [`Error::InvalidConfig`].
    pub fn set_default(&self, server: &ServerUrl) -> Result<()> {
        files::create_private_directory(&self.directory)?;
        let _lock = files::lock(&self.directory)?;
        let mut document = self.load()?;
        let Some(entry) = document.entry(server).cloned() else {
            return Err(unknown(server));
        };
        document.set_default(Some(&entry.name));
        self.save(&document)
    }

    /// The token kept for this server, if there is one.
    ///
    /// A file that others can read is tightened to 0600 where it is the user's own.
    ///
    /// # Errors
    ///
    /// [`Error::InsecureTokenFile`] where it cannot be tightened, [`Error::InvalidToken`],
    /// [`Error::File`], [`Error::InvalidConfig`].
    pub fn get_token(&self, server: &ServerUrl) -> Result<Option<SecretString>> {
        let document = self.load()?;
        let Some(entry) = document.entry(server) else {
            return Ok(None);
        };
        let Some(token) = files::read_secret(&self.token_file(&entry.name))? else {
            return Ok(None);
        };
        checked_token(&token)?;
        Ok(Some(token))
    }

    /// Forgets a server and deletes its token. The default, if it was this one, becomes the server
    /// that is left, if only one is.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownServer`], [`Error::File`], [`Error::InvalidConfig`].
    pub fn remove(&self, server: &ServerUrl) -> Result<()> {
        if !self.config_path().exists() {
            return Err(unknown(server));
        }
        let _lock = files::lock(&self.directory)?;
        let mut document = self.load()?;
        let Some(entry) = document.entry(server).cloned() else {
            return Err(unknown(server));
        };
        // The token first: it is what must not stay behind.
        files::remove(&self.token_file(&entry.name))?;
        document.remove(&entry.name);
        self.save(&document)
    }

    fn token_file(&self, name: &str) -> PathBuf {
        self.directory.join(TOKENS_DIRECTORY).join(name)
    }

    fn load(&self) -> Result<Config> {
        let path = self.config_path();
        let text = files::read_text(&path)?.unwrap_or_else(|| PREAMBLE.to_owned());
        Config::parse(&path, &text)
    }

    fn save(&self, config: &Config) -> Result<()> {
        files::replace_text(&self.config_path(), config.document.to_string().as_bytes())
    }
}

fn unknown(server: &ServerUrl) -> Error {
    Error::UnknownServer {
        server: server.to_string(),
    }
}

/// `config.toml`, as text that keeps its form and as what it says.
struct Config {
    document: DocumentMut,
    entries: Vec<ServerEntry>,
}

impl Config {
    fn parse(path: &Path, text: &str) -> Result<Self> {
        let invalid = |reason: String| Error::InvalidConfig {
            path: path.to_owned(),
            reason,
        };
        let document: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| invalid(safe_line(&error.to_string(), 300)))?;
        let default = match document.get(DEFAULT_KEY) {
            None => None,
            Some(item) => Some(
                item.as_str()
                    .ok_or_else(|| invalid(format!("{DEFAULT_KEY} must be a string")))?,
            ),
        };
        let mut entries = Vec::new();
        if let Some(item) = document.get(SERVERS_KEY) {
            let table = item
                .as_table_like()
                .ok_or_else(|| invalid(format!("{SERVERS_KEY} must be a table")))?;
            for (name, server) in table.iter() {
                if !is_file_name(name) {
                    return Err(invalid(format!(
                        "{name:?} cannot name a server: letters, digits, '.', '-' and '_' can, \
                         beginning with a letter or a digit"
                    )));
                }
                let url = server
                    .as_table_like()
                    .and_then(|server| server.get(URL_KEY))
                    .and_then(Item::as_str)
                    .ok_or_else(|| invalid(format!("the server {name} has no {URL_KEY}")))?;
                entries.push(ServerEntry {
                    name: name.to_owned(),
                    url: url
                        .parse()
                        .map_err(|error| invalid(format!("the server {name}: {error}")))?,
                    is_default: default == Some(name),
                });
            }
        }
        Ok(Self { document, entries })
    }

    fn entry(&self, server: &ServerUrl) -> Option<&ServerEntry> {
        self.entries.iter().find(|entry| entry.url == *server)
    }

    /// The name that the server has, or a free one made from its address.
    fn name_for(&self, server: &ServerUrl) -> String {
        if let Some(entry) = self.entry(server) {
            return entry.name.clone();
        }
        let base = name_from(server);
        let taken = |name: &str| self.entries.iter().any(|entry| entry.name == name);
        if !taken(&base) {
            return base;
        }
        (2..)
            .map(|number| format!("{base}-{number}"))
            .find(|name| !taken(name))
            .unwrap_or(base)
    }

    fn set(&mut self, name: &str, server: &ServerUrl) {
        let servers = self.document.entry(SERVERS_KEY).or_insert_with(|| {
            let mut table = Table::new();
            // Only [servers.NAME] is written, not an empty [servers] before it.
            table.set_implicit(true);
            Item::Table(table)
        });
        if let Some(servers) = servers.as_table_like_mut() {
            let known = servers
                .get_mut(name)
                .and_then(Item::as_table_like_mut)
                .is_some_and(|entry| {
                    entry
                        .get(URL_KEY)
                        .and_then(Item::as_str)
                        .is_some_and(|url| {
                            // An address that is spelt otherwise and means the same stays as it is.
                            url.parse::<ServerUrl>().is_ok_and(|url| url == *server)
                        })
                });
            if !known {
                let mut entry = Table::new();
                entry.insert(URL_KEY, value(server.as_str()));
                servers.insert(name, Item::Table(entry));
            }
        }
        self.set_default(Some(name));
    }

    fn set_default(&mut self, name: Option<&str>) {
        match name {
            Some(name) => match self
                .document
                .get_mut(DEFAULT_KEY)
                .and_then(Item::as_value_mut)
            {
                // Assigning to the value keeps the comments around it.
                Some(current) => {
                    let decor = current.decor().clone();
                    *current = name.into();
                    *current.decor_mut() = decor;
                }
                None => {
                    self.document.insert(DEFAULT_KEY, value(name));
                }
            },
            None => {
                self.document.remove(DEFAULT_KEY);
            }
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(servers) = self
            .document
            .get_mut(SERVERS_KEY)
            .and_then(Item::as_table_like_mut)
        {
            servers.remove(name);
        }
        let was_default = self.entries.iter().any(|e| e.name == name && e.is_default);
        self.entries.retain(|entry| entry.name != name);
        if was_default {
            let only = match self.entries.as_slice() {
                [only] => Some(only.name.clone()),
                _ => None,
            };
            self.set_default(only.as_deref());
        }
    }
}

/// Whether a name can be that of a token's file: no hidden file, no other directory.
fn is_file_name(name: &str) -> bool {
    name.len() <= 200
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// `fh.example.org`, `localhost-8484`, `example.org-fh`.
fn name_from(server: &ServerUrl) -> String {
    let address = server.as_str();
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    let mut name = String::new();
    for c in after_scheme.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name: String = name
        .trim_matches(['-', '.', '_'])
        .chars()
        .take(180)
        .collect();
    if name.is_empty() {
        "server".to_owned()
    } else {
        name
    }
}
