//! Networks, as tokens name them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A network in CIDR notation, such as `10.0.0.0/8` or `2001:db8::/32`; an address alone is the network
/// of that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

/// Text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a valid network: write it as 10.0.0.0/8 or 2001:db8::/32, with no bits set after the \
     prefix"
)]
pub struct InvalidNetwork {
    given: String,
}

impl Network {
    /// Whether an address is in it. An IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`) is an IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether all of another network is in it.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    fn parse(text: &str) -> Option<Self> {
        // `IpNet` would also read `010.0.0.0`, which others take for 8.0.0.0, and `/08`: one way to write a network.
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let address: IpAddr = address.parse().ok()?;
        let network = match prefix {
            None => IpNet::from(address),
            Some(prefix) => {
                let number: u8 = prefix.parse().ok()?;
                (number.to_string() == prefix).then_some(())?;
                IpNet::new(address, number).ok()?
            }
        };
        // `::ffff:0:0/96` and narrower would be networks of IPv4 in disguise, which match nothing.
        let is_whole = network.trunc() == network && address.to_canonical() == address;
        is_whole.then_some(Self(network))
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        Self::parse(text).ok_or_else(|| InvalidNetwork {
            given: text.chars().take(60).collect(),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "::1", "10.0.0.1"),
            ("198.51.100.128/25", "198.51.100.255", "198.51.100.127"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{text}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{text}");
        }
        assert!(network("10.0.0.0/8").contains("::ffff:10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn a_network_includes_narrower_ones() {
        assert!(network("10.0.0.0/8").includes(&network("10.1.0.0/16")));
        assert!(network("10.0.0.0/8").includes(&network("10.0.0.0/8")));
        assert!(!network("10.1.0.0/16").includes(&network("10.0.0.0/8")));
        assert!(!network("0.0.0.0/0").includes(&network("::/0")));
    }

    #[test]
    fn networks_are_written_in_one_way() {
        assert_eq!(network("192.0.2.7").to_string(), "192.0.2.7/32");
        assert_eq!(network("2001:DB8::/32").to_string(), "2001:db8::/32");
        for bad in [
            "",
            "10",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "010.0.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::1/64",
            "::/129",
            "::ffff:10.0.0.0/104",
            "host/8",
            "10.0.0.0/8/8",
            " 10.0.0.0/8",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?}");
        }
    }
}
