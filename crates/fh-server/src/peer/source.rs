//! Where a request comes from: the client's address, also behind proxies that are trusted.
//!
//! A proxy says in `X-Forwarded-For`, or in `Forwarded`, whom it speaks for; whoever is not a trusted proxy can
//! write there what they like, and is not believed. Which of the two is read is a setting: of a proxy that knows
//! the one, the other comes from the client. The list is read from its end: each address that is itself a
//! trusted proxy is passed over, and the first other one is the client. What connects to a Unix socket
//! is trusted: the socket's mode says who may.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use fh_access::Source;
use fh_api::Network;
use fh_settings::{ProxyHeader, Settings};
use http::HeaderMap;
use http::header::HeaderName;

use super::Peer;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// Which proxies are believed, and in which header they name the client.
#[derive(Debug, Clone)]
pub(crate) struct Proxies {
    pub(crate) trusted: Arc<[Network]>,
    pub(crate) header: ProxyHeader,
}

impl Proxies {
    /// Those that the settings name.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            trusted: settings.trusted_proxies.as_slice().into(),
            header: settings.proxy_header,
        }
    }

    /// As [`source`], where only the proxies are at hand.
    pub(crate) fn source(&self, peer: Option<&Peer>, headers: &HeaderMap) -> Source {
        let client = |peer: &Peer| client(*peer, headers, self.header, &self.trusted);
        Source {
            address: peer.and_then(client),
        }
    }
}

/// The source of the request that is being handled.
pub(crate) fn source(peer: Option<&Peer>, headers: &HeaderMap, settings: &Settings) -> Source {
    let (proxies, header) = (&settings.trusted_proxies, settings.proxy_header);
    Source {
        address: peer.and_then(|peer| client(*peer, headers, header, proxies)),
    }
}

fn client(
    peer: Peer,
    headers: &HeaderMap,
    header: ProxyHeader,
    proxies: &[Network],
) -> Option<IpAddr> {
    let trusted = |address: &IpAddr| proxies.iter().any(|network| network.contains(*address));
    let mut known = match peer {
        Peer::Unix => None,
        Peer::Tcp(address) => {
            let address = address.ip().to_canonical();
            if !trusted(&address) {
                return Some(address);
            }
            Some(address)
        }
    };
    let values = headers.get_all(match header {
        ProxyHeader::XForwardedFor => FORWARDED_FOR,
        ProxyHeader::Forwarded => FORWARDED,
    });
    let values: Vec<&str> = values
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        // What cannot be read was not written by a proxy of ours: nobody is known behind it.
        let address = match header {
            ProxyHeader::XForwardedFor => entry.trim().parse::<IpAddr>().ok()?,
            ProxyHeader::Forwarded => forwarded_for(entry)?,
        };
        let address = address.to_canonical();
        known = Some(address);
        if !trusted(&address) {
            break;
        }
    }
    known
}

/// The address in one element of `Forwarded` (RFC 7239, section 4): `for=192.0.2.1;proto=https`, also quoted, with
/// a port, and with brackets around one of IPv6.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut named = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| value.trim())
    });
    // Two of them say nothing.
    let (Some(value), None) = (named.next(), named.next()) else {
        return None;
    };
    let value = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    if let Ok(address) = value.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let bare = value
        .strip_prefix('[')
        .and_then(|value| value.strip_suffix(']'));
    match bare {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => value.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    fn found(peer: Peer, forwarded: &[&str]) -> Option<String> {
        found_in(ProxyHeader::XForwardedFor, &FORWARDED_FOR, peer, forwarded)
    }

    fn found_in(
        read: ProxyHeader,
        sent: &HeaderName,
        peer: Peer,
        forwarded: &[&str],
    ) -> Option<String> {
        let proxies: Vec<Network> = ["10.0.0.0/8", "::1"]
            .map(|text| text.parse().unwrap())
            .into();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(sent, HeaderValue::from_str(value).unwrap());
        }
        client(peer, &headers, read, &proxies).map(|address| address.to_string())
    }

    #[test]
    fn nobody_but_a_trusted_proxy_can_name_the_client() {
        let client = Some("192.0.2.1".to_owned());
        let stranger = tcp("192.0.2.1:99");
        assert_eq!(found(stranger, &["203.0.113.5"]), client);
        assert_eq!(found(stranger, &["10.0.0.1"]), client);
        let proxy = tcp("10.0.0.1:99");
        assert_eq!(found(proxy, &["192.0.2.1"]), client);
        // Whoever sends the header themselves stands to the left of what the proxy adds.
        assert_eq!(found(proxy, &["203.0.113.5, 192.0.2.1"]), client);
        assert_eq!(
            found(proxy, &["203.0.113.5", "192.0.2.1, 10.3.3.3"]),
            client
        );
        assert_eq!(found(proxy, &[]), Some("10.0.0.1".to_owned()));
        assert_eq!(found(tcp("[::1]:99"), &["192.0.2.1"]), client);
        assert_eq!(found(tcp("[::ffff:192.0.2.1]:99"), &[]), client);
    }

    #[test]
    fn the_other_header_is_read_where_the_settings_say_so_and_then_alone() {
        let proxy = tcp("10.0.0.1:99");
        let found = |values: &[&str]| found_in(ProxyHeader::Forwarded, &FORWARDED, proxy, values);
        for (values, client) in [
            (&["for=192.0.2.1"][..], Some("192.0.2.1")),
            (&["proto=https; For=\"192.0.2.1:80\""], Some("192.0.2.1")),
            (&["for=\"[2001:db8::1]:80\";by=x"], Some("2001:db8::1")),
            (&["for=\"[2001:db8::1]\""], Some("2001:db8::1")),
            (
                &["for=203.0.113.5, for=192.0.2.1, for=10.0.0.7"],
                Some("192.0.2.1"),
            ),
            (&["for=203.0.113.5", "for=192.0.2.1"], Some("192.0.2.1")),
            (&["for=unknown"], None),
            (&["for=_hidden"], None),
            (&["for=2001:db8::1"], None),
            (&["for=192.0.2.1;for=203.0.113.5"], None),
            (&["by=192.0.2.1"], None),
            (&["for=\"192.0.2.1"], None),
        ] {
            assert_eq!(found(values).as_deref(), client, "{values:?}");
        }
        let itself = Some("10.0.0.1".to_owned());
        let sent = &["for=192.0.2.1"];
        assert_eq!(
            found_in(ProxyHeader::XForwardedFor, &FORWARDED, proxy, sent),
            itself
        );
        assert_eq!(
            found_in(
                ProxyHeader::Forwarded,
                &FORWARDED_FOR,
                proxy,
                &["192.0.2.1"]
            ),
            itself
        );
    }

    #[test]
    fn what_cannot_be_read_is_nobody() {
        for odd in [
            "unknown",
            "192.0.2.1:80",
            "",
            "192.0.2.1,",
            "203.0.113.5, _x",
        ] {
            assert_eq!(found(tcp("10.0.0.1:99"), &[odd]), None, "{odd}");
        }
        assert_eq!(found(Peer::Unix, &[]), None);
        assert_eq!(
            found(Peer::Unix, &["192.0.2.1"]).as_deref(),
            Some("192.0.2.1")
        );
    }
}
