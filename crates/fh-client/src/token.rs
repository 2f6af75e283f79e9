//! What a text has to be to be sent as a token.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Result};

/// The longest token in bytes: the longest identity that a server looks at.
const LONGEST_TOKEN: usize = fh_auth::identity::MAX_IDENTITY;

/// Checks that a text can be a token at all: one word that can stand in a header.
///
/// # Errors
///
/// [`Error::InvalidToken`].
pub fn check_token(token: &SecretString) -> Result<()> {
    checked_token(token).map(drop)
}

/// A token's text without what editors and shells leave around it: blanks, a byte order mark, a pair of quotes.
#[must_use]
pub fn bare_token(text: &str) -> &str {
    let text = text.trim().trim_start_matches('\u{feff}').trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    unquoted.unwrap_or(text).trim()
}

/// What stands before a token, where somebody has taken too much along.
fn prefix_of(token: &str) -> Option<&'static str> {
    let first = token.split_ascii_whitespace().next().unwrap_or_default();
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    if ["bearer", "basic", "token"].contains(&first.trim_end_matches(':').to_lowercase().as_str()) {
        return Some("it begins with the name of a scheme, such as `Bearer`: give only the token");
    }
    if first.to_lowercase().starts_with("authorization") {
        return Some("it is a whole Authorization header: give only the token");
    }
    if first == "machine" {
        return Some("it is a line of a netrc file: give only the token");
    }
    if first == "export" || first.split_once('=').is_some_and(|(name, _)| is_name(name)) {
        return Some("it begins with the name of a variable: give only the token");
    }
    None
}

/// The token without what is around it, if it can be one at all.
pub(crate) fn checked_token(token: &SecretString) -> Result<&str> {
    let token = bare_token(token.expose_secret());
    let reason: Cow<'static, str> = if let Some(reason) = prefix_of(token) {
        reason.into()
    } else if token.is_empty() {
        "it is empty".into()
    } else if token.len() > LONGEST_TOKEN {
        let length = token.len();
        format!("it has {length} bytes, and at most {LONGEST_TOKEN} are accepted").into()
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        "it must be one word of printable ASCII characters".into()
    } else {
        return Ok(token);
    };
    Err(Error::InvalidToken { reason })
}
