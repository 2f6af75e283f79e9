//! A lossless editor for netrc files.
//!
//! The format is what the readers accept, and for Nix the only reader is libcurl (`lib/netrc.c`;
//! Nix passes `netrc-file` to it): words separated by white space, `machine NAME` or `default`
//! opens an entry, `login`, `password` and `account` take a value, `macdef` a body up to the next
//! empty line, `"…"` quotes a word (with backslash escapes), and the first entry that fits is used.
//! Its versions differ, so this module writes only what all of them read alike:
//!
//! | curl | differs in |
//! |---|---|
//! | up to 7.83 | no quotes, no `macdef`; only a line that begins with `#` is a comment |
//! | 7.84 to 8.10 (Nix 2.8 of Debian 12: 7.88.1) | `#` before a word makes the rest of the line a comment; longer lines than 4095 bytes are skipped; where a value stands on a later line than its keyword, a CR, blank or empty line between them is taken for an empty value |
//! | from 8.11 (Nix 2.26 of Debian 13: 8.14.1) | only whole lines are comments again; a larger file than 128 KiB, a longer word than 4095 bytes or, in some versions, a byte outside of ASCII is a syntax error that loses every entry; so is, for what stands behind it, a CR that does not directly follow a word: on an empty line, or behind a space |
//! | the latest (Nix 2.34 of Debian sid: 8.23.0) | of repeated values the last counts, elsewhere the first that make a pair |
//! | all but the latest | in the entries of *other* hosts, values are taken for keywords: a login named `default` opens a default entry |
//!
//! What Nix itself makes of `netrc-file` is the same in all versions. The tests ask curl and the three
//! versions of Nix, by their own downloads, and hold models of the readers to them.
//!
//! # Invariants
//!
//! - [`Netrc::set`] changes the values of the one entry, or adds one line; no other byte.
//! - A new entry goes to the end, or before the first thing behind which a reader might not find
//!   it: `default`, a macro that runs to the end of the file, a value or remark that some curl
//!   takes for one of these, a CR at which some curl gives up. So does the entry of a host that has
//!   one already, if some reader would not find that or take it otherwise
//!   ([`Netrc::is_in_reach`]).
//! - An entry that [`Netrc::set`] has added, or that netrc-rs could read before, netrc-rs reads as we do.
//! - [`Netrc::put_back`] after a [`Netrc::set`] gives back the bytes from before.
//! - A password is never part of `Debug` output or of an error.

mod edit;
mod scan;
mod second_reader;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::ops::Range;

pub use edit::Change;
pub use value::{LONGEST_PASSWORD, check, is_login};

use crate::{Error, Result};
use scan::{Item, Kind, Scanned};

/// The largest file, in bytes, that every curl reads whole (its dynamic buffer of 128 KiB counts a
/// closing NUL).
const LARGEST_FILE: usize = 128 * 1024 - 1;

/// The text of a netrc file.
#[derive(Clone, PartialEq, Eq)]
pub struct Netrc {
    text: Vec<u8>,
    scanned: Scanned,
}

/// The login and password of an entry, with quotes and escapes undone.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    login: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
}

impl Netrc {
    /// Reads the text of a netrc file; an absent file is the empty text.
    ///
    /// # Errors
    ///
    /// [`Error::Syntax`] with line and column for what no reader, or not every reader,
    /// understands.
    pub fn parse(text: &[u8]) -> Result<Self> {
        Ok(Self {
            text: text.to_vec(),
            scanned: scan::scan(text)?,
        })
    }

    /// The entry of a host that readers use: the first one, unless a `default` stands before it.
    /// Host names are compared without regard to case, as curl does; there are no ports in a netrc
    /// file.
    #[must_use]
    pub fn get(&self, host: &str) -> Option<Entry> {
        let (login, password) = self.item(host)?.credentials();
        Some(Entry {
            login: login.map(<[u8]>::to_vec),
            password: password.map(<[u8]>::to_vec),
        })
    }

    /// The entry of [`Netrc::get`] as it stands in the file, from `machine` to its last word: what
    /// [`Netrc::put_back`] puts back.
    #[must_use]
    pub fn entry_text(&self, host: &str) -> Option<&[u8]> {
        Some(&self.text[self.item(host)?.range.clone()])
    }

    /// Whether every reader finds the entry of [`Netrc::get`]. If not, [`Netrc::set`] adds another
    /// one above what hides it.
    #[must_use]
    pub fn is_in_reach(&self, host: &str) -> bool {
        edit::place_in_reach(&self.scanned, host).is_some()
    }

    /// Whether the entry of [`Netrc::get`] is the same to the second reader.
    fn is_plain(&self, host: &str) -> bool {
        self.item(host).is_some_and(|item| {
            let entry = &self.text[item.range.clone()];
            second_reader::agrees(entry, host, item.credentials())
        })
    }

    fn items(&self) -> &[Item] {
        &self.scanned.items
    }

    fn item(&self, host: &str) -> Option<&Item> {
        let mut reachable = self
            .items()
            .iter()
            .take_while(|item| item.kind != Kind::Default);
        reachable.find(|item| item.is_machine(host))
    }

    /// The names of all machines, in the file's order, repeated if they are in the file.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let machines = self.items().iter().filter_map(|item| match &item.kind {
            Kind::Machine(name) => Some(String::from_utf8_lossy(name).into_owned()),
            Kind::Default | Kind::Macro => None,
        });
        machines.collect()
    }

    /// Gives a host's entry this login and password, or adds an entry.
    ///
    /// # Errors
    ///
    /// [`Error::NetrcValue`] as from [`check`], or where the line would be too long for curl;
    /// [`Error::NetrcTooLarge`]; [`Error::NetrcAmbiguous`] for an entry that cannot be edited so
    /// that readers agree. Nothing is changed then.
    pub fn set(&mut self, host: &str, login: &str, password: &str) -> Result<Change> {
        check(host, login, password)?;
        let ambiguous = || ambiguous(host);
        let (text, change) = edit::set(&self.text, &self.scanned, host, login, password);
        if change == Change::Unchanged {
            return Ok(change);
        }
        if text.len() > LARGEST_FILE && text.len() > self.text.len() {
            return Err(Error::NetrcTooLarge {
                size: text.len(),
                limit: LARGEST_FILE,
            });
        }
        let edited = Self::parse(&text).map_err(|_| ambiguous())?;
        let found = edited
            .get(host)
            .is_some_and(|entry| entry.is(login, password));
        if !found || !edited.is_in_reach(host) {
            return Err(ambiguous());
        }
        // What we have added, and what it could read before.
        let is_plain = change == Change::Added || self.is_plain(host);
        if is_plain && !edited.is_plain(host) {
            return Err(ambiguous());
        }
        edit::check_line_lengths(&edited.text, edited.items(), host)?;
        *self = edited;
        Ok(change)
    }

    /// Undoes [`Netrc::set`]: the entry of [`Netrc::get`] becomes what it was before, given as
    /// [`Netrc::entry_text`] gave it, or goes away if there was none; a macro behind it stays. Byte for byte, if nobody has
    /// changed the entry since; what was changed around its login and password stays, where both
    /// stood in it before. Other entries of the host stay too. Whether there was an entry.
    ///
    /// # Errors
    ///
    /// [`Error::NetrcAmbiguous`] if the rest could not be read any more, or if what is given is not
    /// the text of one entry of this host; nothing is changed then.
    pub fn put_back(&mut self, host: &str, before: Option<&[u8]>) -> Result<bool> {
        let ambiguous = || ambiguous(host);
        let Some(item) = self.item(host) else {
            return Ok(false);
        };
        let text = match before {
            None => edit::remove(&self.text, item),
            Some(before) => {
                let earlier = scan::scan(before).map_err(|_| ambiguous())?;
                let [earlier] = earlier.items.as_slice() else {
                    return Err(ambiguous());
                };
                if !earlier.is_machine(host) || earlier.range != (0..before.len()) {
                    return Err(ambiguous());
                }
                edit::put_back(&self.text, item, before, earlier)
            }
        };
        *self = Self::parse(&text).map_err(|_| ambiguous())?;
        Ok(true)
    }

    /// The text with all edits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// A copy of the text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.text.clone()
    }
}

fn ambiguous(host: &str) -> Error {
    Error::NetrcAmbiguous {
        host: host.to_owned(),
    }
}

/// The words of a netrc that are no secret: keywords, hosts, logins and the names of macros, as
/// places in the text. `None` for a text that is not understood.
pub(crate) fn public_words(text: &[u8]) -> Option<Vec<Range<usize>>> {
    let scanned = scan::scan(text).ok()?;
    let mut words: Vec<_> = scanned
        .items
        .into_iter()
        .flat_map(|item| item.public)
        .collect();
    words.sort_by_key(|word| word.start);
    Some(words)
}

impl fmt::Debug for Netrc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Netrc")
            .field("hosts", &self.hosts())
            .finish_non_exhaustive()
    }
}

impl Entry {
    /// The login, if the entry has one.
    #[must_use]
    pub fn login(&self) -> Option<&[u8]> {
        self.login.as_deref()
    }

    /// The password, if the entry has one. A secret: not to be shown.
    #[must_use]
    pub fn password(&self) -> Option<&[u8]> {
        self.password.as_deref()
    }

    /// Whether the entry has exactly this login and password.
    #[must_use]
    pub fn is(&self, login: &str, password: &str) -> bool {
        self.login() == Some(login.as_bytes()) && self.password() == Some(password.as_bytes())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = self.login.as_deref().map(String::from_utf8_lossy);
        let password = self.password.as_ref().map(|_| "[redacted]");
        formatter
            .debug_struct("Entry")
            .field("login", &login)
            .field("password", &password)
            .finish()
    }
}
