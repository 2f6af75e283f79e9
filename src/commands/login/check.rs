//! Before anything is written: is this a server that can be trusted with the token, and is the
//! token good there? Each answer that is not yes is a sentence of its own.

use fh_api::{Discovery, Whoami};
use fh_client::{Error as ClientError, ServerUrl};
use fh_nix::PublicKey;
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::{CommandError, Status};
use crate::output::human;

/// The store directory of every Nix that is not built otherwise.
const STORE_DIR: &str = "/nix/store";

/// Clocks that differ by more make tokens look expired or not yet valid.
const TOLERATED_SKEW: Duration = Duration::minutes(2);

/// What the server says of itself, checked.
#[derive(Debug)]
pub(super) struct Facts {
    /// The address that was given.
    pub(super) server: ServerUrl,
    /// The substituter.
    pub(super) cache: ServerUrl,
    /// Hosts that a netrc needs an entry for.
    pub(super) hosts: Vec<String>,
    /// For `trusted-public-keys`.
    pub(super) public_keys: Vec<String>,
    /// `urn:fh:…`, which its tokens name.
    audience: String,
    /// The server's clock.
    now: OffsetDateTime,
    /// The store directory of what it serves, where it is not the usual one.
    pub(super) other_store_dir: Option<String>,
}

impl Facts {
    /// By how much this machine's clock is ahead, where that matters.
    pub(super) fn clock_skew(&self) -> Option<Duration> {
        let skew = OffsetDateTime::now_utc() - self.now;
        (skew.abs() > TOLERATED_SKEW).then_some(skew)
    }
}

/// Checks what a server says of itself.
pub(super) fn server(server: &ServerUrl, discovery: Discovery) -> Result<Facts, CommandError> {
    let cache = address(server, &discovery.cache_url, "cache")?;
    let api = address(server, &discovery.api_url, "API")?;
    let mut hosts = Vec::new();
    for host in [&cache, &api].map(netrc_host) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let public_keys = discovery
        .public_keys
        .into_iter()
        .filter(|key| key.state != "retired")
        .map(|key| match key.public_key.parse::<PublicKey>() {
            Ok(parsed) => Ok(parsed.to_string()),
            Err(error) => Err(CommandError::new(Status::Failed, error)
                .context(format!("{server} has a public key that cannot be used"))),
        })
        .collect::<Result<Vec<String>, CommandError>>()?;
    if public_keys.is_empty() {
        return Err(CommandError::failed(format!(
            "{server} has no public key: Nix could trust nothing that it serves"
        )));
    }
    Ok(Facts {
        server: server.clone(),
        cache,
        hosts,
        public_keys,
        audience: discovery.audience,
        now: discovery.now,
        other_store_dir: Some(discovery.store_dir).filter(|directory| directory != STORE_DIR),
    })
}

/// An address that the server names for a part of itself, if the token may travel there.
fn address(server: &ServerUrl, named: &str, part: &str) -> Result<ServerUrl, CommandError> {
    let url: ServerUrl = named.parse().map_err(|error: ClientError| {
        CommandError::from(error).context(format!(
            "{server} names an address for its {part} that is none"
        ))
    })?;
    if url.is_loopback() && !server.is_loopback() {
        return Err(CommandError::failed(format!(
            "{server} says that its {part} is at {url}, which from here is this machine itself"
        ))
        .hint(format!("On the server: `fh serve --public-url {server}`")));
    }
    if server.is_secure() && !url.is_secure() {
        return Err(CommandError::failed(format!(
            "{server} says that its {part} is at {url}, where the token would travel unencrypted"
        ))
        .hint(format!("On the server: `fh serve --public-url {server}`")));
    }
    Ok(url)
}

/// A host as netrc has it: without a port, and an IPv6 address without brackets.
fn netrc_host(url: &ServerUrl) -> String {
    url.host().trim_matches(['[', ']']).to_owned()
}

/// Checks a token with the server.
pub(super) async fn token(
    facts: &Facts,
    token: &SecretString,
    context: &Context,
) -> Result<Whoami, CommandError> {
    let server = &facts.server;
    let another = "Get another one: `fh token create`, or from an administrator of the server.";
    // What a token says of itself is not verified; it only serves to find better words, and to
    // keep a token of another server from being sent to this one.
    let claims = fh_auth::read_unverified(token.expose_secret()).ok();
    if let Some(claims) = &claims {
        if claims.aud != facts.audience {
            return Err(CommandError::failed(format!(
                "this token is for another server, {}",
                claims.iss
            ))
            .hint(format!(
                "Log in there, or get a token of {server}. If the server was set up anew, its \
                 earlier tokens are void."
            )));
        }
        if claims.exp <= facts.now.unix_timestamp()
            && let Ok(end) = OffsetDateTime::from_unix_timestamp(claims.exp)
        {
            return Err(CommandError::failed(format!(
                "this token expired at {} ({})",
                human::timestamp(end),
                human::relative(end, facts.now)
            ))
            .hint(another));
        }
    }
    let client = context
        .client_builder(server.clone())?
        .token(token.clone())
        .build()?;
    client.whoami().await.map_err(|error| match error {
        ClientError::Unauthorized { .. } if claims.is_none() => CommandError::from(error)
            .context(format!("what was given is no token of {server}"))
            .replace_hints("A token begins with fh1_ and is one long word: give it whole."),
        ClientError::Unauthorized { .. } => CommandError::from(error)
            .context(format!("{server} does not accept this token"))
            .replace_hints(another),
        error => CommandError::from(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

    fn discovery(cache_url: &str) -> Discovery {
        serde_json::from_value(serde_json::json!({
            "name": "fh", "version": "1", "audience": "urn:fh:x", "api_url": cache_url,
            "web_url": cache_url, "cache_url": cache_url, "store_dir": "/nix/store",
            "public_keys": [
                { "public_key": format!("a:{KEY}"), "state": "active" },
                { "public_key": format!("b:{KEY}"), "state": "retired" },
            ],
            "login": ["token"], "now": "2026-11-22T12:00:00Z",
        }))
        .unwrap()
    }

    fn refusal(given: &str, named: &str) -> String {
        server(&given.parse().unwrap(), discovery(named))
            .unwrap_err()
            .sentence()
    }

    #[test]
    fn a_server_with_a_wrong_public_address_is_refused() {
        insta::assert_snapshot!(refusal("https://a.org", "http://a.org"), @"https://a.org says that its cache is at http://a.org, where the token would travel unencrypted");
        insta::assert_snapshot!(refusal("http://a.org", "http://127.0.0.1:8484"), @"http://a.org says that its cache is at http://127.0.0.1:8484, which from here is this machine itself");
        insta::assert_snapshot!(refusal("http://a.org", "ftp://a.org"), @r#"http://a.org names an address for its cache that is none: "ftp://a.org" is no address of a server: it must begin with https:// or http://"#);
    }

    #[test]
    fn retired_keys_are_left_out_and_hosts_have_no_port() {
        let facts = server(
            &"http://[::1]:8484".parse().unwrap(),
            discovery("http://[::1]:8484"),
        )
        .unwrap();
        assert_eq!(facts.hosts, ["::1"]);
        assert_eq!(facts.public_keys.len(), 1);
        assert_eq!(facts.other_store_dir, None);
        assert!(facts.clock_skew().is_some());
    }
}
