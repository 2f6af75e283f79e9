//! The netrc, the substituter and the keys, as Nix sees them.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fh_conf::netrc::Netrc;
use secrecy::ExposeSecret as _;

use super::finding::Finding;
use super::nix::Settings;
use crate::commands::login::Site;
use crate::context::FoundToken;
use crate::setup::daemon::Daemon;

/// The command that sets up what counts for this user.
fn log_in(site: &Site, daemon: Daemon) -> String {
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
        return Finding::skipped(NAME, "there is no token that it could hold");
    };
    // Nix asks the substituter, whose host comes first.
    let Some(host) = site.hosts.first() else {
        return Finding::skipped(NAME, "the server names no host");
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Finding::failed(NAME, format!("Nix reads {path}, which is not there"))
                .fix(log_in(site, daemon));
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Finding::skipped(
                NAME,
                format!("Nix reads {path}, which only an administrator can look at"),
            )
            .fix("sudo fh doctor");
        }
        Err(error) => return Finding::failed(NAME, format!("cannot read {path}: {error}")),
    };
    let netrc = match Netrc::parse(&text) {
        Ok(netrc) => netrc,
        Err(error) => return Finding::failed(NAME, format!("{path}: {error}")),
    };
    if let Some(wrong) = wrong_entry(&netrc, host, token) {
        return Finding::failed(NAME, format!("{path} {wrong}")).fix(log_in(site, daemon));
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

/// Whether Nix asks this server, or a part of it.
pub(super) fn substituter(settings: &Settings, site: &Site, daemon: Daemon) -> Finding {
    const NAME: &str = "substituter";
    let Some(wanted) = &site.substituter else {
        return Finding::skipped(NAME, "the server does not say where it serves");
    };
    let wanted = wanted.as_str().trim_end_matches('/');
    let part = format!("{wanted}/cache/");
    let found = settings
        .list("substituters")
        .into_iter()
        .map(|url| url.split('?').next().unwrap_or(url).trim_end_matches('/'))
        .find(|url| *url == wanted || url.starts_with(&part));
    match found {
        Some(url) => Finding::ok(NAME, format!("Nix asks {url}")),
        None => {
            Finding::failed(NAME, format!("Nix does not ask {wanted}")).fix(log_in(site, daemon))
        }
    }
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
        )
        .fix(log_in);
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
    Finding::ok(NAME, format!("Nix trusts {}", names.join(" and ")))
}
