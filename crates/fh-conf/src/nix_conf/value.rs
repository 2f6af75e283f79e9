//! Names and values: aliases, what is the same, and what the file can carry.

use crate::{Error, Result};

/// Older names of settings, from Nix's `src/libstore/globals.hh`.
const ALIASES: [(&str, &str); 3] = [
    ("binary-caches", "substituters"),
    ("trusted-binary-caches", "trusted-substituters"),
    ("binary-cache-public-keys", "trusted-public-keys"),
];

/// Settings whose own name begins with `extra-`.
const PLAIN_EXTRA: [&str; 1] = ["extra-platforms"];

/// The setting that a name stands for, and whether it adds to it.
pub(super) fn split_name(name: &str) -> (&str, bool) {
    let (name, extra) = match name.strip_prefix("extra-") {
        Some(rest) if !PLAIN_EXTRA.contains(&name) => (rest, true),
        _ => (name, false),
    };
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    (alias.map_or(name, |(_, current)| current), extra)
}

/// The setting that a name, an alias or `extra-NAME` is about.
pub(super) fn base_name(name: &str) -> &str {
    split_name(name).0
}

/// Whether two names do the same to the same setting.
pub(super) fn same_name(left: &str, right: &str) -> bool {
    split_name(left) == split_name(right)
}

/// Lists whose values are the addresses of caches.
const ADDRESS_LISTS: [&str; 2] = ["substituters", "trusted-substituters"];

/// Whether two values of the list `name` are the same: equal, or addresses that [`Address`] finds
/// equal, with the same options.
pub(super) fn same_value(name: &str, left: &str, right: &str) -> bool {
    left == right || same_addresses(name, left, right, |left, right| left == right)
}

/// Whether two values of the list `name` stand for the same cache: also with other options,
/// `?priority=10`, which a person may have added.
pub(super) fn same_cache(name: &str, left: &str, right: &str) -> bool {
    let without_options = |left: &Address<'_>, right: &Address<'_>| left.cache == right.cache;
    left == right || same_addresses(name, left, right, without_options)
}

fn same_addresses(
    name: &str,
    left: &str,
    right: &str,
    same: impl Fn(&Address<'_>, &Address<'_>) -> bool,
) -> bool {
    // A public key has no address in it, though its base64 may look like one.
    ADDRESS_LISTS.contains(&base_name(name))
        && Address::parse(left)
            .is_some_and(|left| Address::parse(right).is_some_and(|right| same(&left, &right)))
}

/// The address of a cache, in the one form that all ways of writing it share: scheme and host have
/// no case, the scheme's own port need not be named, and Nix itself takes a slash off the end.
#[derive(PartialEq, Eq)]
struct Address<'a> {
    /// Scheme, host and path.
    cache: (String, String),
    /// What stands behind `?`.
    options: Option<&'a str>,
}

impl<'a> Address<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let (scheme, rest) = value.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let (address, options) = match rest.split_once('?') {
            Some((address, options)) => (address, Some(options)),
            None => (rest, None),
        };
        let address = address.trim_end_matches('/');
        let (authority, path) = address.split_at(address.find('/').unwrap_or(address.len()));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let host = host.to_ascii_lowercase();
        let own_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let host = host.strip_suffix(own_port).unwrap_or(&host);
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        Some(Self {
            cache: (scheme, format!("{user}{host}{path}")),
            options,
        })
    }
}

/// A list is added to by `extra-NAME` only: `NAME` would drop Nix's defaults.
pub(super) fn check_list_name(name: &str) -> Result<()> {
    check_name(name)?;
    if split_name(name).1 {
        Ok(())
    } else {
        Err(refused(name, "only extra-… settings are added to"))
    }
}

pub(super) fn check_list_value(name: &str, value: &str) -> Result<()> {
    check_value(name, value)?;
    if value.contains(' ') {
        Err(refused(name, "it contains white space"))
    } else {
        Ok(())
    }
}

/// Accepts what Nix reads back as it is.
pub(super) fn check_value(name: &str, value: &str) -> Result<()> {
    check_name(name)?;
    let reason = if value.is_empty() {
        "it is empty"
    } else if value.chars().any(char::is_control) {
        "it contains a control character"
    } else if value.contains('#') {
        "it contains '#', which begins a comment"
    } else if value.starts_with(' ') || value.ends_with(' ') || value.contains("  ") {
        "it contains spaces that Nix does not keep"
    } else {
        return Ok(());
    };
    Err(refused(name, reason))
}

fn check_name(name: &str) -> Result<()> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain && !name.is_empty() && name != "include" {
        return Ok(());
    }
    Err(refused(name, "the name is not one of a setting"))
}

fn refused(name: &str, reason: &'static str) -> Error {
    Error::NixConfValue {
        name: name.to_owned(),
        reason,
    }
}
