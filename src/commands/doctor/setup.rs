//! The netrc, the substituter and the keys, as Nix sees them.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fh_conf::netrc::Netrc;
use fh_conf::regular;
use secrecy::ExposeSecret as _;

use super::finding::Finding;
use super::nix::Settings;
use crate::commands::login::Site;
use crate::context::FoundToken;
use crate::setup::daemon::Daemon;

/// Nix gives up long before.
pub(super) const NETRC_LIMIT: u64 = 8 * 1024 * 1024;

/// The command that sets up what counts for this user.
pub(super) fn log_in(site: &Site, daemon: Daemon) -> String {
    match daemon {
        Daemon::Distrusting => format!("sudo fh login --server {} --scope system", site.server),
        _ => format!("fh login --server {}", site.server),
    }
}

/// Whether the netrc that Nix reads has the token.
pub(super) fn netrc(
    settings: &Settings,
    site: &Site,
    token: Option<&FoundToken>,
    daemon: Daemon,
) -> Finding {
    const NAME: &str = "netrc";
    let path = settings.text("netrc-file").unwrap_or("/etc/nix/netrc");
    let Some(token) = token else {
        return Finding::skipped(NAME, "there is no token to put into it");
    };
    // Nix asks the substituter, whose host comes first.
    let Some(host) = site.hosts.first() else {
        return Finding::skipped(NAME, "the server reports no host");
    };
    let text = match regular::read(Path::new(path), NETRC_LIMIT) {
        Ok(Some(text)) => text,
        Ok(None) => {
            return Finding::failed(
                NAME,
                format!("Nix reads {path}, which is not there"),
                log_in(site, daemon),
            );
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Finding::skipped(
                NAME,
                format!("Nix reads {path}, which only an administrator can read"),
            )
            .fix("sudo fh doctor");
        }
        Err(error) => {
            return Finding::failed(
                NAME,
                format!("cannot read {path}: {error}"),
                format!(
                    "move away what is there, and then: {}",
                    log_in(site, daemon)
                ),
            );
        }
    };
    let netrc = match Netrc::parse(&text) {
        Ok(netrc) => netrc,
        Err(error) => {
            return Finding::failed(
                NAME,
                format!("{path}: {error}"),
                format!("correct {path} by hand, and then: {}", log_in(site, daemon)),
            );
        }
    };
    if let Some(wrong) = wrong_entry(&netrc, host, token) {
        return Finding::failed(NAME, format!("{path} {wrong}"), log_in(site, daemon));
    }
    match std::fs::metadata(Path::new(path)).map(|metadata| metadata.mode() & 0o777) {
        Ok(mode) if mode & 0o077 != 0 => Finding::warning(
            NAME,
            format!("{path} has your token, and others may read it (mode {mode:o})"),
        )
        .fix(format!("chmod 600 {path}")),
        _ => Finding::ok(NAME, format!("Nix reads {path}, which has your token")),
    }
}

/// What is wrong with the entry of a host, if anything.
fn wrong_entry(netrc: &Netrc, host: &str, token: &FoundToken) -> Option<String> {
    let Some(entry) = netrc.get(host) else {
        return Some(format!("has no entry for {host}"));
    };
    if !netrc.is_in_reach(host) {
        return Some(format!(
            "has its entry for {host} after `default`, where it is never reached"
        ));
    }
    if entry.password() != Some(token.token.expose_secret().as_bytes()) {
        return Some(format!(
            "has another token for {host} than the one from {}",
            token.origin
        ));
    }
    None
}

/// Whether Nix asks this server, or a part of it: one finding for each address that a login would write, and
/// for each that is there and would not be.
pub(super) fn substituters(settings: &Settings, site: &Site, daemon: Daemon) -> Vec<Finding> {
    const NAME: &str = "substituter";
    let Some(whole) = &site.substituter else {
        return vec![Finding::skipped(
            NAME,
            "the server does not report the address of its cache",
        )];
    };
    let found: Vec<&str> = settings
        .list("substituters")
        .into_iter()
        .map(|url| url.split('?').next().unwrap_or(url).trim_end_matches('/'))
        .filter(|url| is_part(url, whole.as_str()))
        .collect();
    let wanted: Vec<&str> = site
        .substituters()
        .into_iter()
        .map(fh_client::ServerUrl::as_str)
        .collect();
    if wanted.is_empty() {
        return vec![Finding::skipped(
            NAME,
            "there is nothing yet that you may read, so Nix needs no substituter",
        )];
    }
    judged(&found, &wanted, whole.as_str())
        .into_iter()
        .map(|judgement| judgement.finding(NAME, &log_in(site, daemon)))
        .collect()
}

fn is_part(url: &str, whole: &str) -> bool {
    let rest = url.strip_prefix(whole.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("/cache/"))
}

/// What is to be said of one address.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Asked(String),
    /// Nix asks for others of the server, but not for this.
    Missing(String),
    /// Nix asks for nothing of the server.
    NoneAsked(String),
    /// Nix asks for it, and a login would not write it.
    Surplus(String),
}

impl Judgement {
    fn finding(self, name: &'static str, log_in: &str) -> Finding {
        match self {
            Self::Asked(url) => Finding::ok(name, format!("Nix asks {url}")),
            Self::Missing(url) => {
                Finding::warning(name, format!("Nix does not ask {url}")).fix(log_in)
            }
            Self::NoneAsked(url) => {
                Finding::failed(name, format!("Nix does not ask {url}"), log_in)
            }
            Self::Surplus(url) => Finding::warning(
                name,
                format!("Nix asks {url}, which a login would no longer set up for you"),
            )
            .fix(log_in),
        }
    }
}

/// Compares what Nix asks with what a login would write.
fn judged(found: &[&str], wanted: &[&str], whole: &str) -> Vec<Judgement> {
    let whole = whole.trim_end_matches('/');
    if found.is_empty() {
        let none = wanted
            .iter()
            .map(|url| Judgement::NoneAsked((*url).to_owned()));
        return none.collect();
    }
    // Whoever reads a part where they could read all has chosen that by hand.
    if wanted == [whole] && !found.contains(&whole) {
        let parts = found.iter().map(|url| Judgement::Asked((*url).to_owned()));
        return parts.collect();
    }
    let wanted_ones = wanted.iter().map(|url| {
        if found.contains(url) {
            Judgement::Asked((*url).to_owned())
        } else {
            Judgement::Missing((*url).to_owned())
        }
    });
    let surplus = found
        .iter()
        .filter(|url| !wanted.contains(url))
        .map(|url| Judgement::Surplus((*url).to_owned()));
    wanted_ones.chain(surplus).collect()
}

/// Whether Nix trusts what the server signs, today and after the next rotation of its keys.
pub(super) fn keys(settings: &Settings, site: &Site, daemon: Daemon) -> Finding {
    const NAME: &str = "keys";
    let trusted = settings.list("trusted-public-keys");
    let log_in = log_in(site, daemon);
    let name = |key: &str| key.split(':').next().unwrap_or(key).to_owned();
    let missing: Vec<String> = site
        .public_keys
        .iter()
        .filter(|key| !trusted.contains(&key.as_str()))
        .map(|key| name(key))
        .collect();
    if !missing.is_empty() {
        return Finding::failed(
            NAME,
            format!(
                "Nix does not trust the server's key {}",
                missing.join(" and ")
            ),
            log_in,
        );
    }
    let retired = site
        .retired_keys
        .iter()
        .find(|key| trusted.contains(&key.as_str()));
    if let Some(key) = retired {
        return Finding::warning(
            NAME,
            format!("Nix trusts {}, which the server has retired", name(key)),
        )
        .fix(log_in);
    }
    let names: Vec<String> = site.public_keys.iter().map(|key| name(key)).collect();
    if names.is_empty() {
        let unknown = "the server names no key, so it is not known what Nix has to trust";
        return Finding::warning(NAME, unknown).fix(log_in);
    }
    Finding::ok(NAME, format!("Nix trusts {}", names.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::Judgement::{Asked, Missing, NoneAsked, Surplus};
    use super::*;

    #[test]
    fn each_address_is_judged() {
        let (root, a, b) = ("https://h", "https://h/cache/a", "https://h/cache/b");
        let is = |url: &str| url.to_owned();
        assert_eq!(judged(&[root], &[root], root), [Asked(is(root))]);
        assert_eq!(
            judged(&[], &[a, b], root),
            [NoneAsked(is(a)), NoneAsked(is(b))]
        );
        assert_eq!(judged(&[a], &[a, b], root), [Asked(is(a)), Missing(is(b))]);
        assert_eq!(
            judged(&[root, b], &[b], root),
            [Asked(is(b)), Surplus(is(root))]
        );
        // By hand.
        assert_eq!(judged(&[a], &[root], root), [Asked(is(a))]);
        assert!(is_part(root, "https://h/") && is_part(a, root));
        assert!(!is_part("https://h.evil", root) && !is_part("https://h/other", root));
    }
}
