//! The netrc and the substituter, as Nix sees them.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fh_client::ServerUrl;
use fh_conf::netrc::Netrc;
use fh_conf::nix_conf::VARIABLE;
use fh_conf::regular;
use secrecy::ExposeSecret as _;

use super::finding::{Check, Finding};
use super::meant::Meant;
use super::nix::Nix;
use super::origin::Place;
use crate::access::{Obstacle, quoted};
use crate::context::FoundToken;
use crate::setup::daemon::Daemon;
use crate::site::Site;

const NETRC: Check = Check("netrc");
const SUBSTITUTER: Check = Check("substituter");

/// Nix gives up long before.
pub(super) const NETRC_LIMIT: u64 = 8 * 1024 * 1024;

/// Whether the netrc that Nix reads has the token.
pub(super) fn netrc(meant: &Meant, nix: &Nix) -> Finding {
    let file = nix.settings.text("netrc-file").unwrap_or("/etc/nix/netrc");
    let path = Path::new(file);
    let Some(token) = &meant.token else {
        return NETRC.skipped("there is no token to compare it with");
    };
    let place = nix.place_of("netrc-file");
    if !path.is_absolute() {
        let corrected = place.map(|place| place.corrected("netrc-file"));
        let fix = corrected.unwrap_or_else(|| "correct `netrc-file` in nix.conf".to_owned());
        let about = format!("`netrc-file` is {file:?}, which is not an absolute path");
        return NETRC.failed(about, fix);
    }
    // Whoever set the variable may not think of it.
    let is_of_variable = place.is_some_and(|place| place.is_variable());
    let mut finding = netrc_file(path, &meant.site, token, nix, is_of_variable);
    if is_of_variable {
        finding.add(&format!("It is {VARIABLE} that names this file"));
    }
    finding
}

/// Whether this file, which Nix reads, has the token. `is_of_variable`: NIX_CONFIG names it.
fn netrc_file(
    file: &Path,
    site: &Site,
    token: &FoundToken,
    nix: &Nix,
    is_of_variable: bool,
) -> Finding {
    let (path, log_in) = (file.display(), nix.log_in(site));
    // Nix asks the substituter, whose host comes first.
    let Some(host) = site.hosts.first() else {
        return NETRC.skipped("the server reports no host");
    };
    let text = match regular::read(file, NETRC_LIMIT) {
        Ok(Some(text)) => text,
        Ok(None) => return NETRC.failed(format!("Nix reads {path}, which is not there"), log_in),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return unreadable(file, nix.daemon, is_of_variable);
        }
        Err(error) => {
            let fix = format!("move away what is there, and then: {log_in}");
            return NETRC.failed(format!("cannot read {path}: {error}"), fix);
        }
    };
    let netrc = match Netrc::parse(&text) {
        Ok(netrc) => netrc,
        Err(error) => {
            let fix = format!("correct {path} by hand, and then: {log_in}");
            return NETRC.failed(format!("{path}: {error}"), fix);
        }
    };
    if let Some(wrong) = wrong_entry(&netrc, host, token) {
        return NETRC.failed(format!("{path} {wrong}"), log_in);
    }
    match std::fs::metadata(file).map(|metadata| metadata.mode() & 0o777) {
        Ok(mode) if mode & 0o077 != 0 => NETRC
            .warning(format!(
                "{path} has your token, and others may read it (mode {mode:o})"
            ))
            .fix(format!("chmod 600 {}", quoted(file))),
        _ => NETRC.ok(format!("Nix reads {path}, which has your token")),
    }
}

/// A netrc that Nix reads and this user cannot.
fn unreadable(file: &Path, daemon: Daemon, is_of_variable: bool) -> Finding {
    let path = file.display();
    let found = Obstacle::on_the_way_to(file).filter(|found| found.is_mine);
    let fix = found.as_ref().and_then(Obstacle::command);
    if let (Some(found), Some(fix)) = (found, fix) {
        let finding = NETRC.failed(found.to_string(), fix);
        // A daemon is root's, who reads it all the same.
        return match daemon {
            Daemon::None | Daemon::Unknown => finding,
            _ => finding.into_warning(),
        };
    }
    if is_of_variable && daemon == Daemon::None {
        return NETRC.failed(
            format!("Nix is to read {path}, and may not"),
            format!("let `netrc-file` in {VARIABLE} name a file of yours, or unset {VARIABLE}"),
        );
    }
    let about = format!("Nix reads {path}, which only an administrator can read");
    NETRC.skipped(about).fix("sudo fh doctor")
}

/// What is wrong with the entry of a host, if anything.
pub(super) fn wrong_entry(netrc: &Netrc, host: &str, token: &FoundToken) -> Option<String> {
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
pub(super) fn substituters(site: &Site, nix: &Nix) -> Vec<Finding> {
    let Some(whole) = &site.substituter else {
        let about = "the server does not report the address of its cache";
        return vec![SUBSTITUTER.skipped(about)];
    };
    let found = nix.settings.list("substituters").into_iter();
    let found = found.map(|url| url.split('?').next().unwrap_or(url).trim_end_matches('/'));
    let found: Vec<&str> = found.filter(|url| is_part(url, whole.as_str())).collect();
    let wanted = site.substituters().into_iter();
    let wanted: Vec<&str> = wanted.map(ServerUrl::as_str).collect();
    if wanted.is_empty() {
        let about = "there is nothing yet that you may read, so Nix needs no substituter";
        return vec![SUBSTITUTER.skipped(about)];
    }
    // Where the variable replaces the list, no login changes what Nix asks. So it is also with a daemon that
    // does not trust the user: it heeds which of the machine's substituters the user leaves out.
    let replaced = nix.origins.replaced_by_variable("substituters");
    let mend = match &replaced {
        Some(place) => replaced_list("substituters", place),
        None => nix.log_in(site),
    };
    let judged = judged(&found, &wanted, whole.as_str()).into_iter();
    let findings = judged.map(|(url, judgement)| {
        let mut finding = match judgement {
            Judgement::Asked => return SUBSTITUTER.ok(format!("Nix asks {url}")),
            Judgement::Surplus => {
                let about = format!("Nix asks {url}, which a login would no longer set up for you");
                return SUBSTITUTER.warning(about).fix(&mend);
            }
            Judgement::Missing => SUBSTITUTER
                .warning(format!("Nix does not ask {url}"))
                .fix(&mend),
            Judgement::NoneAsked => SUBSTITUTER.failed(format!("Nix does not ask {url}"), &mend),
        };
        if let Some(place) = &replaced {
            finding.add(&format!(
                "`substituters` in {place} replaces those of nix.conf"
            ));
        }
        finding
    });
    findings.collect()
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Asked,
    /// Nix asks for others of the server, but not for this.
    Missing,
    /// Nix asks for nothing of the server.
    NoneAsked,
    /// Nix asks for it, and a login would not write it.
    Surplus,
}

/// Compares what Nix asks with what a login would write.
fn judged<'a>(found: &[&'a str], wanted: &[&'a str], whole: &str) -> Vec<(&'a str, Judgement)> {
    let whole = whole.trim_end_matches('/');
    // Whoever reads a part where they could read all has chosen that by hand.
    if wanted == [whole] && !found.is_empty() && !found.contains(&whole) {
        return found.iter().map(|&url| (url, Judgement::Asked)).collect();
    }
    let of_wanted = wanted.iter().map(|&url| match found {
        [] => (url, Judgement::NoneAsked),
        _ if found.contains(&url) => (url, Judgement::Asked),
        _ => (url, Judgement::Missing),
    });
    let surplus = found.iter().filter(|url| !wanted.contains(url));
    let surplus = surplus.map(|&url| (url, Judgement::Surplus));
    of_wanted.chain(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::Judgement::{Asked, Missing, NoneAsked, Surplus};
    use super::*;

    #[test]
    fn each_address_is_judged() {
        let (root, a, b) = ("https://h", "https://h/cache/a", "https://h/cache/b");
        assert_eq!(judged(&[root], &[root], root), [(root, Asked)]);
        assert_eq!(judged(&[], &[a, b], root), [(a, NoneAsked), (b, NoneAsked)]);
        assert_eq!(judged(&[a], &[a, b], root), [(a, Asked), (b, Missing)]);
        assert_eq!(
            judged(&[root, b], &[b], root),
            [(b, Asked), (root, Surplus)]
        );
        // By hand.
        assert_eq!(judged(&[a], &[root], root), [(a, Asked)]);
        assert!(is_part(root, "https://h/") && is_part(a, root));
        assert!(!is_part("https://h.evil", root) && !is_part("https://h/other", root));
    }
}
