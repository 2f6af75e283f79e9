//! Who may do what (`token/src/lib.rs`, `token/src/util.rs`, `server/src/access/http.rs`): a JWT signed
//! with HS256 whose claim grants permissions on patterns of cache names. A token that is not good is
//! the same as none.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;

use super::error::AtticError;
use super::shared::Shared;

/// The claim that grants something.
pub(super) const CLAIM: &str = "https://jwt.attic.rs/v1";

/// What the verifier of atticd allows clocks to differ by.
const LEEWAY: u64 = 15 * 60;

#[derive(Debug, Deserialize)]
struct Claims {
    /// Without it a token cannot be read.
    #[serde(rename = "https://jwt.attic.rs/v1")]
    access: Access,
}

#[derive(Debug, Deserialize)]
struct Access {
    caches: BTreeMap<String, BTreeMap<String, u8>>,
}

/// What a caller may do with one cache.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Permission {
    pub(super) pull: bool,
    pub(super) push: bool,
    /// Any permission at all was granted explicitly.
    pub(super) discover: bool,
}

impl Permission {
    pub(super) fn require(self, granted: bool) -> Result<(), AtticError> {
        if granted {
            return Ok(());
        }
        Err(AtticError::Access.unless_discoverable(self.discover))
    }
}

/// The token in a header: `Bearer`, or the password of `Basic`; schemes in any case.
fn credential(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = data_encoding::BASE64.decode(rest.as_bytes()).ok()?;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}

/// Whether the caller has one of FlakeHub's tokens.
pub(super) fn is_flakehub(shared: &Shared, headers: &HeaderMap) -> bool {
    credential(headers).is_some_and(|token| shared.settings.flakehub_tokens.contains(&token))
}

/// What the caller may do with this cache.
pub(super) fn permission(
    shared: &Shared,
    headers: &HeaderMap,
    cache: &str,
    is_public: bool,
) -> Permission {
    let mut permission = granted(shared, headers, cache).unwrap_or_default();
    permission.pull |= is_public;
    // Public permissions count for discovery too.
    permission.discover |= is_public;
    permission
}

fn granted(shared: &Shared, headers: &HeaderMap, cache: &str) -> Option<Permission> {
    let token = credential(headers)?;
    if cache.contains(':') {
        let known = shared.settings.flakehub_tokens.contains(&token);
        return known.then_some(Permission {
            pull: true,
            push: true,
            discover: true,
        });
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = LEEWAY;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(&shared.secret);
    let claims = jsonwebtoken::decode::<Claims>(&token, &key, &validation).ok()?;
    let caches = claims.claims.access.caches;
    // The very name goes before patterns.
    let permissions = caches
        .get(cache)
        .or_else(|| {
            let matching = caches.iter().find(|(pattern, _)| matches(pattern, cache));
            matching.map(|(_, permissions)| permissions)
        })
        .cloned()
        .unwrap_or_default();
    let has = |letter: &str| permissions.get(letter) == Some(&1);
    Some(Permission {
        pull: has("r"),
        push: has("w"),
        discover: permissions.values().any(|granted| *granted == 1),
    })
}

/// A pattern in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|left| (0..=left.len()).any(|skipped| matches(rest, &left[skipped..]))),
    }
}

pub(super) fn sign(
    secret: &[u8],
    claims: &serde_json::Value,
) -> jsonwebtoken::errors::Result<String> {
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_wildcards() {
        for (pattern, name) in [("team-*", "team-a"), ("*", "x"), ("a*c", "abc"), ("a", "a")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("team-*", "a-team"), ("a*c", "abd"), ("a", "ab")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
