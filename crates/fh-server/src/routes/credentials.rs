//! The token in a request's `Authorization` header.
//!
//! `Bearer TOKEN`, or `Basic` with the token as the password and any login (the only scheme that
//! Nix sends, from a netrc). Schemes are compared without regard to case (RFC 9110, section 11.1).

use data_encoding::BASE64;
use fh_access::Shown;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

/// The longest header value that is looked at, in bytes: the longest identity and a long login, in base64.
const MAX_HEADER: usize = 24 << 10;

/// The token of a request, if it carries one.
///
/// # Errors
/// A sentence for a person, which repeats nothing of the header.
pub(crate) fn token(headers: &HeaderMap) -> Shown {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err("the request carries more than one Authorization header");
    }
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= MAX_HEADER)
        .ok_or("the Authorization header is not readable text, or too long")?;
    let (scheme, credentials) = text
        .trim()
        .split_once(' ')
        .ok_or("the Authorization header has no credentials")?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(Zeroizing::new(credentials.trim().to_owned())));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return basic_password(credentials.trim()).map(Some);
    }
    Err("the Authorization header is neither Bearer nor Basic")
}

/// The password of `base64(login:password)` (RFC 7617).
fn basic_password(credentials: &str) -> Result<Zeroizing<String>, &'static str> {
    const UNREADABLE: &str = "the Basic credentials are not the base64 of login:password";
    let decoded = Zeroizing::new(
        BASE64
            .decode(credentials.as_bytes())
            .map_err(|_| UNREADABLE)?,
    );
    let text = std::str::from_utf8(&decoded).map_err(|_| UNREADABLE)?;
    let (_login, password) = text.split_once(':').ok_or(UNREADABLE)?;
    if password.is_empty() {
        return Err("the password is empty: it must be a token, whatever the login");
    }
    Ok(Zeroizing::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        token(&headers).map(|token| token.map(|token| token.to_string()))
    }

    #[test]
    fn the_token_is_found_in_both_schemes_and_any_case() {
        assert_eq!(read(&[]), Ok(None));
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let header = format!("{scheme}  fh1_a.b.c ");
            assert_eq!(read(&[&header]), Ok(Some("fh1_a.b.c".to_owned())));
        }
        for login in ["", "fh", "someone@example.org"] {
            let credentials = BASE64.encode(format!("{login}:a:b").as_bytes());
            for scheme in ["Basic", "bAsIc"] {
                let header = format!("{scheme} {credentials}");
                assert_eq!(read(&[&header]), Ok(Some("a:b".to_owned())));
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_not_taken_for_anonymous() {
        let long = format!("Bearer {}", "a".repeat(MAX_HEADER));
        for values in [
            &["Bearer"][..],
            &["Digest abc"],
            &["Basic"],
            &["Basic !!"],
            &["Basic YQ=="],
            &["Basic YTo="],
            &["Bearer a", "Bearer b"],
            &[long.as_str()],
        ] {
            assert!(read(values).is_err(), "{values:?}");
        }
    }
}
