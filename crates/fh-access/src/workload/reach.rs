//! From where keys may be fetched. Administrators of organisations choose issuers, and the server must
//! not become their way into its network.

use url::Url;

/// Issuers of providers that everybody knows: exact, or below a path.
const KNOWN_HOSTS: [&str; 5] = [
    "token.actions.githubusercontent.com",
    "gitlab.com",
    "agent.buildkite.com",
    "oidc.circleci.com",
    "accounts.google.com",
];

/// Semaphore has a host for each organisation.
const SEMAPHORE: &str = ".semaphoreci.com";

/// Where Google publishes its keys, which is not where its issuer is.
const GOOGLE_KEYS: &str = "www.googleapis.com";

/// What the operator says for every issuer that is reached by TLS.
const ANY: &str = "https://*";

/// From where keys may be fetched.
#[derive(Debug, Clone)]
pub struct Reach {
    allowed: Vec<String>,
}

impl Reach {
    /// What the operator allows beyond the known providers.
    pub fn new(allowed: &[String]) -> Self {
        Self {
            allowed: allowed.to_vec(),
        }
    }

    /// Whether the keys of an issuer may be fetched.
    pub fn allows(&self, issuer: &str) -> bool {
        let Ok(url) = Url::parse(issuer) else {
            return false;
        };
        self.is_named(issuer)
            || is_plain_https(&url)
                && (self.allowed.iter().any(|allowed| allowed == ANY) || is_known(&url))
    }

    /// Whether an issuer is one of the known providers, which have many customers.
    pub fn is_shared(issuer: &str) -> bool {
        Url::parse(issuer).is_ok_and(|url| is_known(&url))
    }

    /// Whether an issuer's document may send the server to this address for the keys: the issuer's own
    /// host, and where the operator has named the issuer, any other by TLS.
    pub fn allows_keys(&self, issuer: &str, keys: &Url) -> bool {
        let Ok(url) = Url::parse(issuer) else {
            return false;
        };
        let same = url.origin() == keys.origin();
        let of_google =
            url.host_str() == Some("accounts.google.com") && keys.host_str() == Some(GOOGLE_KEYS);
        let by_tls = is_plain_https(keys) || keys.scheme() == "https" && same;
        same && self.is_named(issuer) || by_tls && (same || of_google || self.is_named(issuer))
    }

    fn is_named(&self, issuer: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == issuer)
    }
}

fn is_plain_https(url: &Url) -> bool {
    url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.host_str().is_some()
}

fn is_known(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let tenant = host.strip_suffix(SEMAPHORE);
        KNOWN_HOSTS.contains(&host)
            || tenant.is_some_and(|name| !name.is_empty() && !name.contains('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_providers_and_what_the_operator_names_are_reached() {
        let usual = Reach::new(&[]);
        for issuer in [
            "https://token.actions.githubusercontent.com",
            "https://token.actions.githubusercontent.com/acme",
            "https://gitlab.com",
            "https://oidc.circleci.com/org/1",
            "https://acme.semaphoreci.com",
            "https://accounts.google.com",
        ] {
            assert!(usual.allows(issuer), "{issuer}");
        }
        for issuer in [
            "http://gitlab.com",
            "https://gitlab.com:8443",
            "https://gitlab.com.evil.example",
            "https://evil.example/gitlab.com",
            "https://gitlab.com@evil.example",
            "https://a.b.semaphoreci.com",
            "https://semaphoreci.com",
            "https://127.0.0.1",
            "https://169.254.169.254/latest",
            "https://localhost",
            "file:///etc/passwd",
            "aws",
        ] {
            assert!(!usual.allows(issuer), "{issuer}");
        }
        let named = Reach::new(&["http://127.0.0.1:99".to_owned()]);
        assert!(named.allows("http://127.0.0.1:99"));
        assert!(!named.allows("http://127.0.0.1:99/x"));
        assert!(!named.allows("http://127.0.0.1"));
        let any = Reach::new(&[ANY.to_owned()]);
        assert!(any.allows("https://id.example/realm"));
        assert!(!any.allows("http://id.example"));
    }

    #[test]
    fn a_document_does_not_send_the_server_elsewhere() {
        let url = |text: &str| Url::parse(text).unwrap();
        let usual = Reach::new(&[]);
        let gitlab = "https://gitlab.com";
        assert!(usual.allows_keys(gitlab, &url("https://gitlab.com/oauth/discovery/keys")));
        assert!(!usual.allows_keys(gitlab, &url("https://evil.example/keys")));
        assert!(!usual.allows_keys(gitlab, &url("http://gitlab.com/keys")));
        let google = "https://accounts.google.com";
        assert!(usual.allows_keys(google, &url("https://www.googleapis.com/oauth2/v3/certs")));
        let local = "http://127.0.0.1:99";
        let named = Reach::new(&[local.to_owned(), "https://id.example".to_owned()]);
        assert!(named.allows_keys(local, &url("http://127.0.0.1:99/jwks")));
        assert!(!named.allows_keys(local, &url("http://127.0.0.1:98/jwks")));
        assert!(named.allows_keys("https://id.example", &url("https://keys.example/jwks")));
        assert!(!named.allows_keys("https://id.example", &url("http://keys.example/jwks")));
    }
}
