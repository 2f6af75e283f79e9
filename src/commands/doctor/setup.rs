//! The netrc and the substituter, as Nix sees them.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fh_conf::netrc::Netrc;
use fh_conf::nix_conf::VARIABLE;
use fh_conf::regular;
use secrecy::ExposeSecret as _;

use super::finding::Finding;
use super::nix::Settings;
use super::origin::{Origins, Place};
use crate::access::{Obstacle, quoted};
use crate::context::FoundToken;
use crate::setup::daemon::Daemon;
use crate::site::Site;

const NETRC: &str = "netrc";

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
    origins: &Origins,
) -> Finding {
    let file = settings.text("netrc-file").unwrap_or("/etc/nix/netrc");
    let path = Path::new(file);
    let Some(token) = token else {
        return Finding::skipped(NETRC, "there is no token to compare it with");
    };
    let place = origins.of("netrc-file", daemon);
    if !path.is_absolute() {
        let fix = match place.map(|place| place.edited("netrc-file")) {
            None => "correct `netrc-file` in nix.conf".to_owned(),
            Some(edited) => edited.corrected(),
        };
        let about = format!("`netrc-file` is {file:?}, which is not an absolute path");
        return Finding::failed(NETRC, about, fix);
    }
    // Whoever set the variable may not think of it.
    let of_variable = place.filter(Place::is_variable);
    let mut finding = netrc_file(path, site, token, daemon, of_variable.as_ref());
    if of_variable.is_some() {
        finding.add(&format!("It is {VARIABLE} that names this file"));
    }
    finding
}

/// Whether this file, which Nix reads, has the token. `of_variable` is set where NIX_CONFIG names it.
fn netrc_file(
    file: &Path,
    site: &Site,
    token: &FoundToken,
    daemon: Daemon,
    of_variable: Option<&Place>,
) -> Finding {
    let path = file.display();
    // Nix asks the substituter, whose host comes first.
    let Some(host) = site.hosts.first() else {
        return Finding::skipped(NETRC, "the server reports no host");
    };
    let text = match regular::read(file, NETRC_LIMIT) {
        Ok(Some(text)) => text,
        Ok(None) => {
            return Finding::failed(
                NETRC,
                format!("Nix reads {path}, which is not there"),
                log_in(site, daemon),
            );
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return unreadable(file, daemon, of_variable);
        }
        Err(error) => {
            return Finding::failed(
                NETRC,
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
                NETRC,
                format!("{path}: {error}"),
                format!("correct {path} by hand, and then: {}", log_in(site, daemon)),
            );
        }
    };
    if let Some(wrong) = wrong_entry(&netrc, host, token) {
        return Finding::failed(NETRC, format!("{path} {wrong}"), log_in(site, daemon));
    }
    match std::fs::metadata(file).map(|metadata| metadata.mode() & 0o777) {
        Ok(mode) if mode & 0o077 != 0 => Finding::warning(
            NETRC,
            format!("{path} has your token, and others may read it (mode {mode:o})"),
        )
        .fix(format!("chmod 600 {}", quoted(file))),
        _ => Finding::ok(NETRC, format!("Nix reads {path}, which has your token")),
    }
}

/// A netrc that Nix reads and this user cannot.
fn unreadable(file: &Path, daemon: Daemon, of_variable: Option<&Place>) -> Finding {
    let path = file.display();
    let found = Obstacle::on_the_way_to(file).filter(Obstacle::is_mine);
    let fix = found.as_ref().and_then(Obstacle::command);
    if let (Some(found), Some(fix)) = (found, fix) {
        // A daemon is root's, who reads it all the same.
        return match daemon {
            Daemon::None | Daemon::Unknown => Finding::failed(NETRC, found.to_string(), fix),
            _ => Finding::warning(NETRC, found.to_string()).fix(fix),
        };
    }
    if of_variable.is_some() && daemon == Daemon::None {
        return Finding::failed(
            NETRC,
            format!("Nix is to read {path}, and may not"),
            format!("let `netrc-file` in {VARIABLE} name a file of yours, or unset {VARIABLE}"),
        );
    }
    let about = format!("Nix reads {path}, which only an administrator can read");
    Finding::skipped(NETRC, about).fix("sudo fh doctor")
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
pub(super) fn substituters(
    settings: &Settings,
    site: &Site,
    daemon: Daemon,
    origins: &Origins,
) -> Vec<Finding> {
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
    // Where the variable replaces the list, no login changes what Nix asks. So it is also with a daemon that
    // does not trust the user: it heeds which of the machine's substituters the user leaves out.
    let replaced = origins.replaced_by_variable("substituters");
    let mend = match &replaced {
        Some(place) => replaced_list("substituters", place),
        None => log_in(site, daemon),
    };
    judged(&found, &wanted, whole.as_str())
        .into_iter()
        .map(|judgement| {
            let is_missing = matches!(judgement, Judgement::Missing(_) | Judgement::NoneAsked(_));
            let mut finding = judgement.finding(NAME, &mend);
            if let Some(place) = replaced.as_ref().filter(|_| is_missing) {
                finding.add(&format!(
                    "`substituters` in {place} replaces those of nix.conf"
                ));
            }
            finding
        })
        .collect()
}

/// What puts a list right that NIX_CONFIG replaces.
pub(super) fn replaced_list(name: &str, place: &Place) -> String {
    format!("write `extra-{name}` in place of `{name}` in {place}, or unset {VARIABLE}")
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
