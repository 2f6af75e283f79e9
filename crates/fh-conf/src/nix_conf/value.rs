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

/// Whether two values of a list are the same: equal, or URLs that differ by slashes at the end of
/// the path.
pub(super) fn same_value(left: &str, right: &str) -> bool {
    left == right || url(left).is_some_and(|left| Some(left) == url(right))
}

/// Whether two values stand for the same cache: also with other options, `?priority=10`, which a
/// person may have added.
pub(super) fn same_substituter(left: &str, right: &str) -> bool {
    let cache = |value| url(value).map(|(scheme, address, _)| (scheme, address));
    left == right || cache(left).is_some_and(|left| Some(left) == cache(right))
}

/// Scheme, address without closing slashes, and options of a URL. Scheme and host have no case.
fn url(value: &str) -> Option<(String, String, Option<&str>)> {
    let (scheme, rest) = value.split_once("://")?;
    let (address, options) = match rest.split_once('?') {
        Some((address, options)) => (address, Some(options)),
        None => (rest, None),
    };
    let address = address.trim_end_matches('/');
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    Some((
        scheme.to_ascii_lowercase(),
        host.to_ascii_lowercase() + path,
        options,
    ))
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
    if value.is_empty() {
        return Err(refused(name, "it is empty"));
    }
    if value.chars().any(char::is_control) {
        return Err(refused(name, "it contains a control character"));
    }
    if value.contains('#') {
        return Err(refused(name, "it contains '#', which begins a comment"));
    }
    if value.starts_with(' ') || value.ends_with(' ') || value.contains("  ") {
        return Err(refused(name, "it contains spaces that Nix does not keep"));
    }
    Ok(())
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
