//! The address of a server in one normal form, so that two spellings of it are one server.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::error::{Error, Result};
use crate::text::safe_line;

/// The base address of a server: `https://fh.example.org`, with a port or a path where needed.
///
/// Normalised: lower-case host, no default port, no final slash. Never holds credentials, a query
/// or a fragment. Where no scheme is given, it is `https`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUrl {
    text: String,
    secure: bool,
    host: String,
    port: Option<u16>,
}

impl ServerUrl {
    /// Parses an address that is spoken to over TLS where it has no scheme, also one of this machine.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidServerUrl`].
    pub fn over_tls(given: &str) -> Result<Self> {
        if given.contains("://") || given.trim().is_empty() {
            return given.parse();
        }
        format!("https://{}", given.trim()).parse()
    }

    /// The address without a final slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host name or IP address; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where it is not the scheme's own.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether scheme, host and port are the same, whatever the path.
    #[must_use]
    pub fn is_same_origin(&self, other: &Self) -> bool {
        (self.secure, &self.host, self.port) == (other.secure, &other.host, other.port)
    }

    /// Whether the host is this machine, which no proxy can reach for us.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for ServerUrl {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::InvalidServerUrl {
            // What stands before an @ may be a password.
            given: safe_line(given.rsplit('@').next().unwrap_or_default(), 120),
            reason: reason.to_owned(),
        };
        let given_trimmed = given.trim();
        if given_trimmed.is_empty() {
            return Err(refuse("it is empty"));
        }
        let with_scheme = if given_trimmed.contains("://") {
            given_trimmed.to_owned()
        } else {
            format!("https://{given_trimmed}")
        };
        let url = Url::parse(&with_scheme).map_err(|error| refuse(in_words(error)))?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(refuse("it must begin with https:// or http://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse(
                "credentials do not belong in it; give the token by itself",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must not have a query or a fragment"));
        }
        let Some(host) = url.host_str() else {
            return Err(refuse("it has no host"));
        };
        // Addresses stand in commands that are proposed to people, also those that a server has chosen.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%/:,+=@[]".contains(&byte);
        if !url.as_str().bytes().all(is_plain) {
            return Err(refuse(
                "it may only have letters, digits and the characters - . _ ~ % / : , + = @",
            ));
        }
        let address = Self {
            secure,
            host: host.to_owned(),
            port: url.port(),
            text: url.as_str().trim_end_matches('/').to_owned(),
        };
        // On the way to this machine itself nobody listens, and hardly anybody has a certificate for it.
        if !given_trimmed.contains("://") && address.is_loopback() {
            return format!("http://{given_trimmed}").parse();
        }
        Ok(address)
    }
}

/// Why a text is not an address.
fn in_words(error: url::ParseError) -> &'static str {
    use url::ParseError;
    match error {
        ParseError::EmptyHost => "it has no host",
        ParseError::InvalidPort => "its port is not a number up to 65535",
        ParseError::InvalidIpv4Address | ParseError::InvalidIpv6Address => {
            "its IP address is not valid"
        }
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => {
            "its host has characters that no host name can have"
        }
        _ => "write it like https://fh.example.org",
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        text.parse::<ServerUrl>().unwrap().to_string()
    }

    #[test]
    fn spellings_of_one_address_become_one() {
        for text in [
            "https://FH.example.org",
            "https://fh.example.org/",
            "https://fh.example.org:443",
            "fh.example.org",
            " https://fh.example.org// ",
        ] {
            assert_eq!(normal(text), "https://fh.example.org", "{text:?}");
        }
        assert_eq!(normal("http://localhost:8484/"), "http://localhost:8484");
        // Without a scheme, this machine is asked in the clear, and nobody else.
        assert_eq!(normal("localhost:8484"), "http://localhost:8484");
        assert_eq!(normal("127.0.0.1:8484/fh"), "http://127.0.0.1:8484/fh");
        assert_eq!(normal("[::1]:443"), "http://[::1]:443");
        assert_eq!(normal("https://localhost"), "https://localhost");
        assert_eq!(normal("10.0.0.1:8484"), "https://10.0.0.1:8484");
        assert_eq!(normal("https://x.org/fh/"), "https://x.org/fh");
    }

    #[test]
    fn over_tls_only_a_scheme_makes_it_plain() {
        for (text, expected) in [
            ("localhost:8484", "https://localhost:8484"),
            (" 127.0.0.1 ", "https://127.0.0.1"),
            ("[::1]:443/fh/", "https://[::1]/fh"),
            ("a.localhost", "https://a.localhost"),
            ("fh.example.org", "https://fh.example.org"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(ServerUrl::over_tls(text).unwrap().as_str(), expected);
        }
        for text in ["", " ", "localhost:x", "a b"] {
            assert!(ServerUrl::over_tls(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn why_it_is_no_address_is_said_in_words() {
        for (text, reason) in [
            ("https://x y", "no host name can have"),
            ("https://:80", "no host"),
            ("https://x.org:99999", "up to 65535"),
            ("https://1.2.3.256", "IP address"),
            ("https://[::g]", "IP address"),
        ] {
            let error = text.parse::<ServerUrl>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_showing_a_password() {
        for text in [
            "",
            "ftp://x.org",
            "https://",
            "https://x.org?a=b",
            "https://x.org#a",
            "file:///etc/passwd",
            "https://x y",
        ] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text:?}");
        }
        let error = "https://me:hunter2@x.org"
            .parse::<ServerUrl>()
            .unwrap_err()
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_a_shell_would_not_take_as_one_word_is_in_no_address() {
        for text in [
            "https://x.org/a;id",
            "https://x.org/$(id)",
            "https://x.org/a&b",
            "https://x.org/it's",
            "https://x.org/a|b",
            "https://x.org/a*b!",
            "https://x.org;id",
            "https://$(id).org",
        ] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text}");
            let over_tls = text.trim_start_matches("https://");
            assert!(ServerUrl::over_tls(over_tls).is_err(), "{text}");
        }
        for (text, expected) in [
            ("https://x.org/~ann/a%20b", "https://x.org/~ann/a%20b"),
            ("https://x.org/a b/`id`", "https://x.org/a%20b/%60id%60"),
            ("https://x.org/v1,2+3=@:", "https://x.org/v1,2+3=@:"),
            (
                "https://bücher.example/ä",
                "https://xn--bcher-kva.example/%C3%A4",
            ),
            ("http://[fe80::1]:8484/fh", "http://[fe80::1]:8484/fh"),
        ] {
            assert_eq!(normal(text), expected);
        }
    }

    #[test]
    fn loopback_is_known() {
        for text in [
            "http://localhost:1",
            "http://127.0.0.1",
            "http://[::1]:8484",
            "http://a.localhost",
        ] {
            assert!(text.parse::<ServerUrl>().unwrap().is_loopback(), "{text}");
        }
        assert!(
            !"https://localhost.example.org"
                .parse::<ServerUrl>()
                .unwrap()
                .is_loopback()
        );
    }
}
