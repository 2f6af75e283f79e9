//! `GET /log/<derivation>`: the build log of a derivation, as text.
//!
//! Nix asks for the base name of the derivation's path. 2.8 and 2.26 write it into the address as it is,
//! so that a `?` in it begins a query; 2.34 escapes a `+` and does the same with a `?`.

use axum::response::Response;
use fh_access::ApiError;
use fh_nix::StorePath;
use fh_persistence::database::logs::Log;
use http::{HeaderMap, HeaderValue, Method};

use super::compressed_text::{Answering, CompressedText, Content};

/// The derivation that an address names, below `/log/`.
pub(super) fn derivation(path: &str, query: Option<&str>) -> Option<StorePath> {
    let mut name = unescaped(path)?;
    if let Some(query) = query {
        name.push('?');
        name.push_str(&unescaped(query)?);
    }
    // What is parsed is a name: it holds no slash, and is nobody's path.
    let derivation: StorePath = name.parse().ok()?;
    derivation.is_derivation().then_some(derivation)
}

/// Answers with a log that the caller may read.
pub(super) async fn serve(
    log: Log,
    method: &Method,
    request: &HeaderMap,
    freshness: HeaderValue,
) -> Result<Response, ApiError> {
    let name = format!("{}.log", log.log_hash.to_base32());
    let media_type = "text/plain; charset=utf-8";
    let answering = Answering::new(method, request, &name, media_type, freshness)?;
    if answering.is_unchanged() {
        return Ok(answering.unchanged());
    }
    let text = CompressedText {
        compressed_size: log.content.len() as u64,
        content: Content::Memory(log.content.into()),
        size: log.log_size,
    };
    answering.with(text).await
}

/// A text without its `%` escapes. Names of store paths are ASCII.
pub(super) fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let digits = after.get(..2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        plain.push(char::from(byte));
        rest = &after[2..];
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00000000000000000000000000000000";

    #[test]
    fn names_as_the_versions_of_nix_write_them() {
        for (path, query, name) in [
            ("-x-1.0.drv", None, "-x-1.0.drv"),
            ("-a+b_c.drv", None, "-a+b_c.drv"),
            ("-a%2Bb_c.drv", None, "-a+b_c.drv"),
            ("-a%2bb_c.drv", None, "-a+b_c.drv"),
            ("-a+b_c.d", Some("e=f.drv"), "-a+b_c.d?e=f.drv"),
            ("-a%3Fb%3D.drv", None, "-a?b=.drv"),
        ] {
            let found = derivation(&format!("{HASH}{path}"), query).unwrap();
            assert_eq!(found.to_string(), format!("{HASH}{name}"));
        }
    }

    #[test]
    fn what_is_no_derivation_names_nothing() {
        for (path, query) in [
            ("-x", None),
            ("-x.drv/", None),
            ("-x.drv", Some("")),
            ("-x%2F..%2Fy.drv", None),
            ("-..%2f..%2fetc%2fpasswd.drv", None),
            ("-x%00.drv", None),
            ("-x%0a.drv", None),
            ("-x%.drv", None),
            ("-x%e4.drv", None),
            ("-x%+1.drv", None),
            ("-x%2", None),
            ("-x%\u{e4}.drv", None),
            (".drv", None),
            ("", None),
        ] {
            let path = format!("{HASH}{path}");
            assert_eq!(derivation(&path, query), None, "{path}");
        }
        assert_eq!(derivation("../../x.drv", None), None);
    }
}
