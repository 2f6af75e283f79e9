//! Where a request comes from: the client's address, also behind proxies that are trusted.
//!
//! A proxy says in `X-Forwarded-For` whom it speaks for; whoever is not a trusted proxy can write there
//! what they like, and is not believed. The list is read from its end: each address that is itself a
//! trusted proxy is passed over, and the first other one is the client. What connects to a Unix socket
//! is trusted: the socket's mode says who may.

use std::net::IpAddr;

use fh_api::Network;
use http::HeaderMap;
use http::header::HeaderName;

use crate::listen::Peer;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Source {
    /// The client's address; none where it is not known.
    pub(crate) address: Option<IpAddr>,
}

impl Source {
    /// The source of the request that is being handled.
    pub(crate) fn of(peer: Option<&Peer>, headers: &HeaderMap, proxies: &[Network]) -> Self {
        Self {
            address: peer.and_then(|peer| client(*peer, headers, proxies)),
        }
    }
}

fn client(peer: Peer, headers: &HeaderMap, proxies: &[Network]) -> Option<IpAddr> {
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
    let values = headers.get_all(FORWARDED_FOR);
    let values: Vec<&str> = values
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        // What cannot be read was not written by a proxy of ours: nobody is known behind it.
        let address: IpAddr = entry.trim().parse().ok()?;
        let address = address.to_canonical();
        known = Some(address);
        if !trusted(&address) {
            break;
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    fn found(peer: Peer, forwarded: &[&str]) -> Option<String> {
        let proxies: Vec<Network> = ["10.0.0.0/8", "::1"]
            .map(|text| text.parse().unwrap())
            .into();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        client(peer, &headers, &proxies).map(|address| address.to_string())
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
