//! What is known of a server before anybody logs in to it, from what it says or from a profile.
//!
//! Invariant: an address that the server names for a part of itself gets the token only where it
//! may travel: not unencrypted where the server itself is, and not to this machine from another's
//! word.

use fh_api::{Discovery, Name, Signing, Standing};
use fh_client::{
    AtticCache, Error as ClientError, FlakeHub, Reading, ServerEntry, ServerKind, ServerUrl,
};
use fh_conf::nix_conf::NixConf;
use fh_nix::PublicKey;
use time::{Duration, OffsetDateTime};

use crate::error::{CommandError, Status};

/// The store directory of every Nix that is not built otherwise.
const STORE_DIR: &str = "/nix/store";

/// Clocks that differ by more make tokens look expired or not yet valid.
const TOLERATED_SKEW: Duration = Duration::minutes(2);

/// Where a token of FlakeHub is made, below its web address.
const FLAKEHUB_TOKEN_PAGE: &str = "/user/settings?editview=tokens";

/// An address of a server that Nix reads from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) url: ServerUrl,
    /// The organisation that it is narrowed to.
    pub(crate) organization: Option<Name>,
    /// What that organisation is to the person.
    pub(crate) standing: Option<Standing>,
    /// The keys that sign what is served there.
    pub(crate) public_keys: Vec<String>,
}

/// A server that one can log in to.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) kind: ServerKind,
    /// The address by which it is known here.
    pub(crate) server: ServerUrl,
    /// Where Nix reads; unknown where nothing could be asked and nothing is remembered.
    pub(crate) substituter: Option<ServerUrl>,
    /// Hosts that a netrc needs an entry for.
    pub(crate) hosts: Vec<String>,
    /// What stands as login in the netrc, where it is not the user's name.
    pub(crate) login: Option<&'static str>,
    /// The addresses that Nix is to read from, in their order, where they are not the substituter alone.
    pub(crate) lines: Option<Vec<Line>>,
    /// Which addresses were chosen.
    pub(crate) reading: Reading,
    /// Whose keys sign the narinfos of this server.
    pub(crate) signing: Signing,
    /// The server's public keys, as `trusted-public-keys` takes them.
    pub(crate) public_keys: Vec<String>,
    /// Keys that the server has used and will not use again.
    pub(crate) retired_keys: Vec<String>,
    /// The store directory of what it serves, where it is not the usual one.
    pub(crate) other_store_dir: Option<String>,
    /// The page on which a person makes a token.
    pub(crate) token_page: Option<String>,
    /// The audience that its tokens name, where it has said so.
    pub(crate) audience: Option<String>,
    /// The server's clock, where it has said so.
    pub(crate) now: Option<OffsetDateTime>,
}

impl Line {
    /// Whose it is, in words.
    pub(crate) fn about(&self) -> String {
        let Some(organization) = &self.organization else {
            return "all that you may read there".to_owned();
        };
        match self.standing {
            Some(Standing::Own) => format!("your organisation {organization}"),
            Some(Standing::Accepted) => format!("{organization}, whose guest you are"),
            Some(Standing::Followed) => format!("{organization}, which you follow"),
            None => format!("{organization}, because it is named"),
        }
    }
}

impl Site {
    fn new(kind: ServerKind, server: ServerUrl) -> Self {
        Self {
            kind,
            server,
            substituter: None,
            hosts: Vec::new(),
            login: None,
            lines: None,
            reading: Reading::Usual,
            signing: Signing::Shared,
            public_keys: Vec::new(),
            retired_keys: Vec::new(),
            other_store_dir: None,
            token_page: None,
            audience: None,
            now: None,
        }
    }

    /// Our own server, as it says.
    pub(crate) fn fh(server: &ServerUrl, discovery: Discovery) -> Result<Self, CommandError> {
        let mut site = Self::new(ServerKind::Fh, server.clone());
        let cache = address(server, &discovery.cache_url, "cache")?;
        let api = address(server, &discovery.api_url, "API")?;
        site.hosts = hosts([&cache, &api]);
        site.substituter = Some(cache);
        for key in discovery.public_keys {
            if key.state == "retired" {
                site.retired_keys.push(key.public_key);
            } else {
                site.public_keys.push(public_key(server, &key.public_key)?);
            }
        }
        site.signing = discovery.signing;
        // Where each organisation has its own, they are told with its address.
        if site.public_keys.is_empty() && site.signing == Signing::Shared {
            return Err(no_key(server));
        }
        site.audience = Some(discovery.audience);
        site.now = Some(discovery.now);
        site.other_store_dir = Some(discovery.store_dir).filter(|directory| directory != STORE_DIR);
        Ok(site)
    }

    /// FlakeHub at these addresses.
    pub(crate) fn flakehub(addresses: FlakeHub) -> Self {
        let FlakeHub { api, cache, web } = addresses;
        Self {
            hosts: hosts([&web, &api, &cache]),
            login: Some("flakehub"),
            public_keys: FlakeHub::PUBLIC_KEYS.map(str::to_owned).to_vec(),
            token_page: Some(format!("{web}{FLAKEHUB_TOKEN_PAGE}")),
            substituter: Some(cache),
            ..Self::new(ServerKind::FlakeHub, api)
        }
    }

    /// An attic server, of which it is not known yet what it says of the cache: it may say that to
    /// nobody without a token.
    pub(crate) fn attic(server: &ServerUrl) -> Self {
        Self {
            hosts: hosts([server]),
            login: Some("attic"),
            substituter: Some(server.clone()),
            ..Self::new(ServerKind::Attic, server.clone())
        }
    }

    /// Adds what an attic server says of the cache.
    pub(crate) fn learn(&mut self, cache: AtticCache) -> Result<(), CommandError> {
        if let Some(substituter) = &cache.substituter_endpoint {
            let substituter = address(&self.server, substituter, "substituter")?;
            self.hosts = hosts([&substituter, &self.server]);
            self.substituter = Some(substituter);
        }
        let Some(key) = cache.public_key else {
            return Err(no_key(&self.server));
        };
        self.public_keys = vec![public_key(&self.server, &key)?];
        self.other_store_dir = cache.store_dir.filter(|directory| directory != STORE_DIR);
        Ok(())
    }

    /// What an earlier login has learnt.
    pub(crate) fn remembered(entry: &ServerEntry) -> Self {
        let mut site = match entry.kind {
            ServerKind::Attic => Self::attic(&entry.url),
            ServerKind::Fh | ServerKind::FlakeHub => Self {
                hosts: hosts([entry.substituter.as_ref().unwrap_or(&entry.url), &entry.url]),
                ..Self::new(entry.kind, entry.url.clone())
            },
        };
        site.substituter.clone_from(&entry.substituter);
        site.public_keys.clone_from(&entry.public_keys);
        site.reading.clone_from(&entry.reading);
        site.audience.clone_from(&entry.audience);
        if !entry.substituters.is_empty() {
            let lines = entry.substituters.iter();
            site.lines = Some(lines.cloned().map(Line::remembered).collect());
        }
        site
    }

    /// Sets the addresses that Nix is to read from, and so the keys that it has to trust.
    pub(crate) fn read_from(&mut self, lines: Vec<Line>) {
        let mut keys: Vec<String> = Vec::new();
        for key in lines.iter().flat_map(|line| &line.public_keys) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        self.public_keys = keys;
        self.lines = Some(lines);
    }

    /// Sets the addresses of these organisations, on a server that does not name any itself.
    pub(crate) fn read_parts(&mut self, organizations: &[Name]) -> Result<(), CommandError> {
        let Some(substituter) = &self.substituter else {
            return Ok(());
        };
        let mut lines = Vec::with_capacity(organizations.len());
        for organization in organizations {
            lines.push(Line {
                url: format!("{substituter}/cache/{organization}").parse()?,
                organization: Some(organization.clone()),
                standing: None,
                public_keys: self.public_keys.clone(),
            });
        }
        self.lines = Some(lines);
        Ok(())
    }

    /// The addresses that Nix is to read from, in their order.
    pub(crate) fn substituters(&self) -> Vec<&ServerUrl> {
        match &self.lines {
            Some(lines) => lines.iter().map(|line| &line.url).collect(),
            None => self.substituter.iter().collect(),
        }
    }

    /// Whether Nix reads from the server, from all of it or from a part.
    pub(crate) fn is_read_by(&self, conf: &NixConf) -> bool {
        let is_address = |value: &str, address: &ServerUrl| {
            let rest = value.strip_prefix(address.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        conf.effective_list("substituters").iter().any(|value| {
            let addresses = [Some(&self.server), self.substituter.as_ref()];
            let mut addresses = addresses.into_iter().flatten();
            addresses.any(|address| is_address(value, address))
        })
    }

    /// The lines that are narrowed to an organisation.
    pub(crate) fn organization_lines(&self) -> impl Iterator<Item = &Line> {
        let lines = self.lines.iter().flatten();
        lines.filter(|line| line.organization.is_some())
    }

    /// By how much this machine's clock is ahead of the server's, where that matters.
    pub(crate) fn clock_skew(&self) -> Option<Duration> {
        let skew = OffsetDateTime::now_utc() - self.now?;
        (skew.abs() > TOLERATED_SKEW).then_some(skew)
    }
}

impl Line {
    /// One of which only the address is known: the keys of all are remembered together.
    fn remembered(url: ServerUrl) -> Self {
        let part = url.as_str().rsplit_once("/cache/").map(|(_, part)| part);
        let name = part.and_then(|part| part.split('/').next()?.parse().ok());
        Self {
            url,
            organization: name,
            standing: None,
            public_keys: Vec::new(),
        }
    }
}

/// Where a clock is that differs by this much from another.
pub(crate) fn direction(skew: Duration) -> &'static str {
    if skew.is_positive() {
        "ahead of"
    } else {
        "behind"
    }
}

/// A key that a server says, if it is one.
pub(super) fn public_key(server: &ServerUrl, key: &str) -> Result<String, CommandError> {
    match key.parse::<PublicKey>() {
        Ok(parsed) => Ok(parsed.to_string()),
        Err(error) => Err(CommandError::new(Status::Failed, error)
            .context(format!("{server} has a public key that cannot be used"))),
    }
}

fn no_key(server: &ServerUrl) -> CommandError {
    CommandError::failed(format!(
        "{server} has no public key, so Nix could not trust what it serves"
    ))
}

/// An address that the server names for a part of itself, if the token may travel there.
fn address(server: &ServerUrl, named: &str, part: &str) -> Result<ServerUrl, CommandError> {
    let url: ServerUrl = named.parse().map_err(|error: ClientError| {
        CommandError::from(error).context(format!(
            "{server} reports an invalid address for its {part}"
        ))
    })?;
    let wrong = if url.is_loopback() && !server.is_loopback() {
        "which is this machine itself"
    } else if server.is_secure() && !url.is_secure() {
        "where the token would travel unencrypted"
    } else {
        return Ok(url);
    };
    Err(CommandError::failed(format!(
        "{server} reports that its {part} is at {url}, {wrong}"
    ))
    .hint(format!("On the server: `fh serve --public-url {server}`")))
}

/// Hosts as netrc has them, each once: without a port, and an IPv6 address without brackets.
fn hosts<'a>(urls: impl IntoIterator<Item = &'a ServerUrl>) -> Vec<String> {
    let mut hosts = Vec::new();
    for url in urls {
        let host = url.host().trim_matches(['[', ']']).to_owned();
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
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
        Site::fh(&given.parse().unwrap(), discovery(named))
            .unwrap_err()
            .sentence()
    }

    #[test]
    fn a_server_with_a_wrong_public_address_is_refused() {
        insta::assert_snapshot!(refusal("https://a.org", "http://a.org"), @"https://a.org reports that its cache is at http://a.org, where the token would travel unencrypted");
        insta::assert_snapshot!(refusal("http://a.org", "http://127.0.0.1:8484"), @"http://a.org reports that its cache is at http://127.0.0.1:8484, which is this machine itself");
        insta::assert_snapshot!(refusal("http://a.org", "ftp://a.org"), @r#"http://a.org reports an invalid address for its cache: "ftp://a.org" is not a valid server address: it must begin with https:// or http://"#);
    }

    #[test]
    fn retired_keys_are_told_apart_and_hosts_have_no_port() {
        let site = Site::fh(
            &"http://[::1]:8484".parse().unwrap(),
            discovery("http://[::1]:8484"),
        )
        .unwrap();
        assert_eq!(site.hosts, ["::1"]);
        assert_eq!(site.public_keys, [format!("a:{KEY}")]);
        assert_eq!(site.retired_keys, [format!("b:{KEY}")]);
        assert_eq!(site.other_store_dir, None);
        assert!(site.clock_skew().is_some());
    }

    #[test]
    fn an_attic_server_s_word_for_its_substituter_counts_if_the_token_may_go_there() {
        let mut site = Site::attic(&"https://attic.org/cache".parse().unwrap());
        assert_eq!(site.hosts, ["attic.org"]);
        let mut cache = AtticCache {
            public_key: Some(format!("cache:{KEY}")),
            substituter_endpoint: Some("http://attic.org/cache".to_owned()),
            ..AtticCache::default()
        };
        assert!(site.learn(cache.clone()).is_err());
        cache.substituter_endpoint = Some("https://cdn.attic.org/cache/".to_owned());
        site.learn(cache.clone()).unwrap();
        assert_eq!(site.hosts, ["cdn.attic.org", "attic.org"]);
        cache.public_key = None;
        assert!(site.learn(cache).is_err());
    }
}
