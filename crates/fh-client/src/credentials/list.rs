//! `config.toml`: as text that keeps its form, and as what it says.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, TomlError, Value, value};

use super::entry::{FLAKEHUB_API, FLAKEHUB_NAME, Reading, ServerEntry, TokenStore};
use crate::error::{Error, Result};
use crate::server_kind::ServerKind;
use crate::server_url::ServerUrl;
use crate::text::safe_line;

const DEFAULT_KEY: &str = "default-server";
const STORE_KEY: &str = "token-store";
const SERVERS_KEY: &str = "servers";
const URL_KEY: &str = "url";
const KIND_KEY: &str = "kind";
const SUBSTITUTER_KEY: &str = "substituter";
const AUDIENCE_KEY: &str = "audience";
const KEYS_KEY: &str = "public-keys";
const SUBSTITUTERS_KEY: &str = "substituters";
const ORGANIZATIONS_KEY: &str = "organizations";
const ROOT_KEY: &str = "root";
const CA_FILE_KEY: &str = "ca-file";

/// What a new `config.toml` begins with.
const PREAMBLE: &str = "\
# The servers that this user has logged in to. `fh login` writes here and keeps your comments.
# Tokens are in tokens/, one file per server, readable only by you, or in the system's keyring.
";

/// The servers of a `config.toml`, and its text.
#[derive(Debug, Clone)]
pub struct ServerList {
    document: DocumentMut,
    entries: Vec<ServerEntry>,
    preferred_store: Option<TokenStore>,
}

impl ServerList {
    /// Reads the text of the file; without one, there are no servers. `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidConfig`].
    pub fn parse(path: &Path, text: Option<&str>) -> Result<Self> {
        let invalid = |reason: String| Error::InvalidConfig {
            path: path.to_owned(),
            reason,
        };
        let document: DocumentMut = text
            .unwrap_or(PREAMBLE)
            .parse()
            .map_err(|error| invalid(syntax(&error, text.unwrap_or_default())))?;
        let default = text_of(document.as_table(), DEFAULT_KEY).map_err(invalid)?;
        let preferred_store = word_of(document.as_table(), STORE_KEY).map_err(invalid)?;
        let mut entries = Vec::new();
        if let Some(item) = document.get(SERVERS_KEY) {
            let table = item
                .as_table_like()
                .ok_or_else(|| invalid(format!("{SERVERS_KEY} must be a table")))?;
            for (name, server) in table.iter() {
                let mut entry = entry(name, server)
                    .map_err(|reason| invalid(format!("the server {name}: {reason}")))?;
                entry.is_default = default == Some(name);
                entries.push(entry);
            }
        }
        Ok(Self {
            preferred_store,
            entries,
            document,
        })
    }

    /// The servers, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[ServerEntry] {
        &self.entries
    }

    /// Where tokens of new servers are kept, if that was chosen: by a person in the file, or for the
    /// default server.
    #[must_use]
    pub fn preferred_store(&self) -> Option<TokenStore> {
        let default = self.entries.iter().find(|entry| entry.is_default);
        self.preferred_store.or(default.map(|entry| entry.store))
    }

    /// The server at this address.
    #[must_use]
    pub fn entry(&self, server: &ServerUrl) -> Option<&ServerEntry> {
        self.entries.iter().find(|entry| entry.url == *server)
    }

    /// The file of certificates that are trusted besides the system's for requests to this address: that of the server
    /// there, else of one with the same host and port, or whose cache is there.
    #[must_use]
    pub fn ca_file(&self, address: &ServerUrl) -> Option<&Path> {
        match self.entry(address) {
            Some(entry) => entry.ca_file.as_deref(),
            None => self
                .entries
                .iter()
                .filter(|entry| entry.is_at(address))
                .find_map(|entry| entry.ca_file.as_deref()),
        }
    }

    /// The server of this name or address; see [`super::CredentialStore::find`].
    #[must_use]
    pub fn find(&self, name_or_url: &str) -> Option<&ServerEntry> {
        let url = name_or_url.parse::<ServerUrl>().ok();
        // Without a scheme it is the one that is known with that host, port and path.
        let schemes = ["https", "http"].into_iter();
        let mut known = schemes
            .filter(|_| !name_or_url.contains("://"))
            .filter_map(|scheme| format!("{scheme}://{}", name_or_url.trim()).parse().ok())
            .filter_map(|url: ServerUrl| self.entry(&url));
        let by_url = url
            .and_then(|url| self.entry(&url))
            .or_else(|| known.next());
        let by_name = || self.entries.iter().find(|entry| entry.name == name_or_url);
        by_url.or_else(by_name).or_else(|| {
            let mut begun = self.entries.iter().filter(|entry| {
                entry
                    .name
                    .strip_prefix(name_or_url)
                    .is_some_and(|rest| rest.starts_with(['.', '-', '_']))
            });
            begun.next().filter(|_| begun.next().is_none())
        })
    }

    /// The name that the server has, or a free one made from its address.
    #[must_use]
    pub fn name_for(&self, server: &ServerUrl) -> String {
        if let Some(entry) = self.entry(server) {
            return entry.name.clone();
        }
        let base = if *server.as_str() == *FLAKEHUB_API {
            FLAKEHUB_NAME.to_owned()
        } else {
            name_from(server)
        };
        let taken = |name: &str| self.entries.iter().any(|entry| entry.name == name);
        if !taken(&base) {
            return base;
        }
        (2..)
            .map(|number| format!("{base}-{number}"))
            .find(|name| !taken(name))
            .unwrap_or(base)
    }

    /// Lists FlakeHub, whose token is there, where the file does not. It is the one that is meant
    /// where there is no other.
    pub(super) fn know_flakehub(&mut self) {
        let Some(mut entry) = ServerEntry::flakehub() else {
            return;
        };
        let known = |known: &ServerEntry| known.url == entry.url || known.name == entry.name;
        if !self.entries.iter().any(known) {
            entry.is_default = self.entries.is_empty();
            self.entries.push(entry);
        }
    }

    /// Writes down a server, replacing what is known of it; the rest of the text stays.
    pub fn record(&mut self, entry: &ServerEntry) {
        let servers = self.document.entry(SERVERS_KEY).or_insert_with(|| {
            let mut table = Table::new();
            // Only [servers.NAME] is written, not an empty [servers] before it.
            table.set_implicit(true);
            Item::Table(table)
        });
        if let Some(servers) = servers.as_table_like_mut() {
            if servers
                .get(&entry.name)
                .is_none_or(|item| !item.is_table_like())
            {
                servers.insert(&entry.name, Item::Table(Table::new()));
            }
            if let Some(table) = servers
                .get_mut(&entry.name)
                .and_then(Item::as_table_like_mut)
            {
                write_entry(table, entry);
            }
        }
        match self
            .entries
            .iter_mut()
            .find(|known| known.name == entry.name)
        {
            Some(known) => known.clone_from(entry),
            None => self.entries.push(entry.clone()),
        }
        if entry.is_default {
            self.set_default(Some(&entry.name));
        }
    }

    fn set_default(&mut self, name: Option<&str>) {
        for entry in &mut self.entries {
            entry.is_default = Some(entry.name.as_str()) == name;
        }
        match name {
            Some(name) => put(self.document.as_table_mut(), DEFAULT_KEY, name.into()),
            None => {
                self.document.remove(DEFAULT_KEY);
            }
        }
    }

    /// Forgets a server. The default, if it was this one, becomes the server that is left, if only
    /// one is.
    pub fn remove(&mut self, name: &str) {
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

    /// Whether nothing is left but what every new file begins with.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.entries.is_empty() && self.to_text().trim() == PREAMBLE.trim()
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.document.to_string()
    }
}

/// What is wrong with a text, and where. The library's own message quotes the line, in which a token may stand that
/// somebody has put into the wrong file.
fn syntax(error: &TomlError, text: &str) -> String {
    let message = safe_line(error.message(), 200);
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

/// What a key says, if it is of the kind that it has to be.
fn value_of<'a, T>(
    table: &'a dyn TableLike,
    key: &str,
    kind: &str,
    read: impl Fn(&'a Item) -> Option<T>,
) -> Result<Option<T>, String> {
    let read = |item| read(item).ok_or_else(|| format!("{key} must be {kind}"));
    table.get(key).map(read).transpose()
}

fn text_of<'a>(table: &'a dyn TableLike, key: &str) -> Result<Option<&'a str>, String> {
    value_of(table, key, "a string", Item::as_str)
}

fn texts_of(table: &dyn TableLike, key: &str) -> Result<Option<Vec<String>>, String> {
    value_of(table, key, "a list of strings", |item| {
        let texts = item.as_array()?.iter();
        texts.map(|text| Some(text.as_str()?.to_owned())).collect()
    })
}

fn absolute_of(table: &dyn TableLike, key: &str) -> Result<Option<PathBuf>, String> {
    match text_of(table, key)?.map(PathBuf::from) {
        Some(path) if path.is_relative() => Err(format!("{key} must be an absolute path")),
        path => Ok(path),
    }
}

fn word_of<T: FromStr>(table: &dyn TableLike, key: &str) -> Result<Option<T>, String>
where
    T::Err: std::fmt::Display,
{
    text_of(table, key)?
        .map(|word| {
            word.parse()
                .map_err(|error| format!("{key} is {word:?}: {error}"))
        })
        .transpose()
}

fn entry(name: &str, item: &Item) -> Result<ServerEntry, String> {
    if !is_file_name(name) {
        return Err(format!(
            "{name:?} is not a valid name of a server: use letters, digits, '.', '-' and '_', beginning with a \
             letter or a digit"
        ));
    }
    let missing = || format!("it has no {URL_KEY}");
    let table = item.as_table_like().ok_or_else(missing)?;
    let url = text_of(table, URL_KEY)?.ok_or_else(missing)?;
    let public_keys = texts_of(table, KEYS_KEY)?.unwrap_or_default();
    let substituters = texts_of(table, SUBSTITUTERS_KEY)?.unwrap_or_default();
    let reading = match texts_of(table, ORGANIZATIONS_KEY)? {
        Some(names) => Reading::Organizations(parsed(&names)?),
        None if table.get(ROOT_KEY).and_then(Item::as_bool) == Some(true) => Reading::Root,
        None => Reading::Usual,
    };
    Ok(ServerEntry {
        name: name.to_owned(),
        url: url.parse().map_err(|error| format!("{error}"))?,
        kind: word_of(table, KIND_KEY)?.unwrap_or_default(),
        store: word_of(table, STORE_KEY)?.unwrap_or_default(),
        substituter: text_of(table, SUBSTITUTER_KEY)?
            .map(|url| url.parse().map_err(|error| format!("{error}")))
            .transpose()?,
        substituters: parsed(&substituters)?,
        reading,
        public_keys,
        audience: text_of(table, AUDIENCE_KEY)?.map(str::to_owned),
        ca_file: absolute_of(table, CA_FILE_KEY)?,
        is_default: false,
    })
}

fn parsed<T: FromStr>(texts: &[impl AsRef<str>]) -> Result<Vec<T>, String>
where
    T::Err: std::fmt::Display,
{
    let values = texts.iter().map(|text| text.as_ref().parse::<T>());
    let values = values.map(|value| value.map_err(|error| error.to_string()));
    values.collect()
}

/// Writes what differs; what says the same in other words stays.
fn write_entry(table: &mut dyn TableLike, entry: &ServerEntry) {
    let is = |table: &dyn TableLike, key: &str, meant: &ServerUrl| {
        table
            .get(key)
            .and_then(Item::as_str)
            .is_some_and(|url| url.parse::<ServerUrl>().is_ok_and(|url| url == *meant))
    };
    if !is(table, URL_KEY, &entry.url) {
        put(table, URL_KEY, entry.url.as_str().into());
    }
    let kind = Some(entry.kind.as_str()).filter(|_| entry.kind != ServerKind::default());
    put_or_remove(table, KIND_KEY, kind);
    let store = Some(entry.store.as_str()).filter(|_| entry.store != TokenStore::default());
    put_or_remove(table, STORE_KEY, store);
    if let Some(substituter) = &entry.substituter
        && !is(table, SUBSTITUTER_KEY, substituter)
    {
        put(table, SUBSTITUTER_KEY, substituter.as_str().into());
    }
    if !entry.public_keys.is_empty() {
        put_list(table, KEYS_KEY, &entry.public_keys);
    }
    if entry.audience.is_some() {
        put_or_remove(table, AUDIENCE_KEY, entry.audience.as_deref());
    }
    let ca_file = entry.ca_file.as_deref().and_then(Path::to_str);
    put_or_remove(table, CA_FILE_KEY, ca_file);
    put_list(table, SUBSTITUTERS_KEY, &entry.substituters);
    match &entry.reading {
        Reading::Organizations(names) => put_list(table, ORGANIZATIONS_KEY, names),
        Reading::Usual | Reading::Root => {
            table.remove(ORGANIZATIONS_KEY);
        }
    }
    if entry.reading != Reading::Root {
        table.remove(ROOT_KEY);
    } else if table.get(ROOT_KEY).and_then(Item::as_bool) != Some(true) {
        put(table, ROOT_KEY, true.into());
    }
}

/// Writes a list that differs; an empty one is not written.
fn put_list<T: std::fmt::Display>(table: &mut dyn TableLike, key: &str, values: &[T]) {
    let values: Vec<String> = values.iter().map(T::to_string).collect();
    let present: Option<Vec<&str>> = table
        .get(key)
        .and_then(Item::as_array)
        .map(|present| present.iter().filter_map(Value::as_str).collect());
    if values.is_empty() {
        table.remove(key);
    } else if present.is_none_or(|present| present != values) {
        let array: Array = values.iter().map(String::as_str).collect();
        put(table, key, array.into());
    }
}

fn put_or_remove(table: &mut dyn TableLike, key: &str, word: Option<&str>) {
    if table.get(key).and_then(Item::as_str) == word {
        return;
    }
    match word {
        Some(word) => put(table, key, word.into()),
        None => {
            table.remove(key);
        }
    }
}

/// Assigns a value and keeps the comments around it.
fn put(table: &mut dyn TableLike, key: &str, new: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(current) => {
            let decor = current.decor().clone();
            *current = new;
            *current.decor_mut() = decor;
        }
        None => {
            table.insert(key, value(new));
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

/// A name made from an address: `fh.example.org`, `localhost-8484`, `example.org-fh`.
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
