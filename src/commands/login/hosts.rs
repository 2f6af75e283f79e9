//! Which hosts the token is written into the netrc for.
//!
//! A server names the addresses of its parts itself, and whoever answers in its place may name any: the
//! netrc would then give the token, and the place of an entry, to a host of their choice. So a host that the
//! person has neither named nor agreed to before is asked for, by its name; where nobody can be asked it is
//! refused, unless it was allowed beforehand.

use std::net::IpAddr;

use fh_client::{ServerKind, ServerUrl};

use super::arguments::LoginArguments;
use crate::context::{Context, Selected};
use crate::error::CommandError;
use crate::site::Site;
use crate::terminal;

/// The hosts of the netrc that the server has named and that are not its own. FlakeHub's are known.
fn foreign_hosts(site: &Site) -> Vec<&str> {
    if site.kind == ServerKind::FlakeHub {
        return Vec::new();
    }
    let own = bare(site.server.host());
    let is_own = |host: &str| host == own || (is_loopback(host) && is_loopback(own));
    let hosts = site.hosts.iter().map(String::as_str);
    hosts.filter(|host| !is_own(host)).collect()
}

/// Those of them that are neither allowed nor known from an earlier login.
fn unknown_hosts<'a>(
    site: &'a Site,
    allowed: &[String],
    before: Option<&ServerUrl>,
) -> Vec<&'a str> {
    let is_allowed = |host: &str| {
        let mut allowed = allowed.iter();
        allowed.any(|allowed| bare(allowed).eq_ignore_ascii_case(host))
    };
    let was_there = |host: &str| before.is_some_and(|before| bare(before.host()) == host);
    let mut hosts = foreign_hosts(site);
    hosts.retain(|host| !is_allowed(host) && !was_there(host));
    hosts
}

/// Sees to it that the person knows for which hosts the token is written down.
///
/// # Errors
/// Where they do not agree, or cannot be asked.
pub(super) async fn agree(
    arguments: &LoginArguments,
    site: &Site,
    selected: &Selected,
    context: &Context,
) -> Result<(), CommandError> {
    if arguments.no_netrc {
        return Ok(());
    }
    let before = match selected {
        Selected::Known(entry) => entry.substituter.as_ref(),
        Selected::New(_) | Selected::FlakeHub(_) => None,
    };
    let unknown = unknown_hosts(site, &arguments.allow_cache_host, before);
    if unknown.is_empty() {
        return Ok(());
    }
    let (server, hosts) = (&site.server, unknown.join(" and "));
    let sentence = format!("{server} reports that it is also at {hosts}");
    if arguments.dry_run {
        context.output.warning(&format!(
            "{sentence}, and a login would write your token into the netrc for that"
        ));
        return Ok(());
    }
    if arguments.may_ask(context) {
        context.output.warning(&format!(
            "{sentence}. Nix would send your token there, from a new entry in the netrc."
        ));
        let question = format!("Write the token into the netrc for {hosts}?");
        if terminal::confirm(&question, false).await? {
            return Ok(());
        }
        return Err(CommandError::failed("not confirmed").hint("Nothing was changed."));
    }
    let options: Vec<String> = unknown
        .iter()
        .map(|host| format!("--allow-cache-host {host}"))
        .collect();
    Err(CommandError::failed(format!(
        "{sentence}, which would get your token, and there is no terminal to ask on"
    ))
    .hint(format!(
        "To allow this: `{}`. With `--no-netrc` the token is written for no host.",
        options.join(" ")
    ))
    .hint("Nothing was changed."))
}

/// An IPv6 address without brackets, as the netrc has it.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site of our own kind at this address, with entries for these hosts.
    fn site(server: &str, hosts: &[&str]) -> Site {
        let url: ServerUrl = server.parse().unwrap();
        let entry = fh_client::ServerEntry::new(String::new(), url, ServerKind::Fh);
        let mut site = Site::remembered(&entry);
        site.hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        site
    }

    #[test]
    fn a_host_that_nobody_named_is_foreign() {
        for (server, host, foreign) in [
            ("https://a.org", "a.org", false),
            ("https://A.org:8443/x", "a.org", false),
            ("https://a.org", "cdn.a.org", true),
            ("https://cdn.a.org", "a.org", true),
            ("https://a.org", "github.com", true),
            ("http://[::1]:8484", "::1", false),
            ("http://localhost:8484", "127.0.0.1", false),
            ("http://127.0.0.1:8484", "::1", false),
            ("https://10.0.0.1", "10.0.0.2", true),
        ] {
            let site = site(server, &[host]);
            let found = foreign_hosts(&site);
            assert_eq!(!found.is_empty(), foreign, "{server} {host}");
        }
        assert!(
            foreign_hosts(&Site::flakehub(fh_client::FlakeHub {
                api: "https://api.flakehub.com".parse().unwrap(),
                cache: "https://cache.flakehub.com".parse().unwrap(),
                web: "https://flakehub.com".parse().unwrap(),
            }))
            .is_empty()
        );
    }

    #[test]
    fn what_was_allowed_or_agreed_to_before_is_not_asked_again() {
        let site = site("https://a.org", &["cdn.b.org", "a.org", "fd00::1"]);
        assert_eq!(unknown_hosts(&site, &[], None), ["cdn.b.org", "fd00::1"]);
        let allowed = ["CDN.b.org".to_owned(), "[fd00::1]".to_owned()];
        assert!(unknown_hosts(&site, &allowed, None).is_empty());
        let before: ServerUrl = "https://cdn.b.org/x".parse().unwrap();
        assert_eq!(unknown_hosts(&site, &[], Some(&before)), ["fd00::1"]);
    }
}
