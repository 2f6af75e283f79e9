//! Which hosts, logins and passwords a netrc file can carry so that every reader gets them back.

use std::net::Ipv6Addr;

use crate::{Error, Result};

/// Words that some reader takes for a keyword wherever they stand.
const KEYWORDS: [&str; 6] = [
    "machine", "default", "macdef", "login", "password", "account",
];

/// The longest line, in bytes without its line end, that every curl reads (its buffer of 4096 holds
/// LF and NUL too). A word can then not be longer than the 4095 bytes that curl from 8.11 on
/// allows.
pub(super) const LONGEST_LINE: usize = 4094;

/// The longest password that belongs into a netrc file: the longest line that every curl reads, without the host and
/// the login in it.
/// With a longer line, curl 7.88 (Debian 12) sends no credentials at all, and says nothing.
pub const LONGEST_PASSWORD: usize = 4000;

/// Checks that a netrc file can carry these values, so that they can be refused before anything is
/// written.
///
/// A host is a name or an IP address without port. Logins and passwords are printable ASCII without
/// space, `"` and `\`, do not begin with `#` and are not a keyword: unquoted, every version of
/// every reader reads that alike, which is not so for quoted words (curl up to 7.83 takes the
/// quotes for a part of the value).
///
/// # Errors
///
/// [`Error::NetrcValue`], which never holds the value.
pub fn check(host: &str, login: &str, password: &str) -> Result<()> {
    let refuse = |what| move |reason| Error::NetrcValue { what, reason };
    host_reason(host)
        .map_or(Ok(()), Err)
        .map_err(refuse("host"))?;
    for (what, value) in [("login", login), ("password", password)] {
        value_reason(value)
            .map_or(Ok(()), Err)
            .map_err(refuse(what))?;
    }
    Ok(())
}

/// Whether every reader takes a text for a login. The name of an account may be none, such as `machine`.
#[must_use]
pub fn is_login(text: &str) -> bool {
    value_reason(text).is_none()
}

fn host_reason(host: &str) -> Option<&'static str> {
    let word = value_reason(host);
    if word.is_some() {
        return word;
    }
    if host.contains(['/', '@', '[', ']', '?', '#', '%']) {
        return Some("it is not a bare host name");
    }
    if host.contains(':') && host.parse::<Ipv6Addr>().is_err() {
        return Some("a netrc file has hosts without a port");
    }
    None
}

fn value_reason(value: &str) -> Option<&'static str> {
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == b'\x0b';
    let reasons = [
        (value.is_empty(), "it is empty"),
        (value.bytes().any(is_space), "it contains white space"),
        (
            !value.bytes().all(|byte| byte.is_ascii_graphic()),
            "it contains a byte outside of printable ASCII",
        ),
        (
            value.contains(['"', '\\']),
            "it contains a quote or a backslash",
        ),
        (value.starts_with('#'), "it begins with '#'"),
        (is_keyword(value.as_bytes()), "it is a netrc keyword"),
        (value.len() > LONGEST_LINE, "it is longer than curl reads"),
    ];
    let found = reasons.into_iter().find(|(is_so, _)| *is_so);
    found.map(|(_, reason)| reason)
}

/// Whether some reader takes a word for a keyword wherever it stands.
pub(super) fn is_keyword(word: &[u8]) -> bool {
    KEYWORDS
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword.as_bytes()))
}
