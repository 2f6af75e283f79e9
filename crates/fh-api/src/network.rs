//! Networks, as tokens name them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network in CIDR notation, such as `10.0.0.0/8` or `2001:db8::/32`; an address alone is the network
/// of that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Text that is no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidNetwork {
    given: String,
}

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a valid network: write it as 10.0.0.0/8 or 2001:db8::/32, with no bits set after the \
             prefix",
            self.given
        )
    }
}

impl std::error::Error for InvalidNetwork {}

/// IPv4 addresses that came in IPv6 clothes (`::ffff:10.0.0.1`) are IPv4 addresses.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The address as bits from the left, and how many of them count.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

fn mask(prefix: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(prefix))
        .unwrap_or_default()
}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = plain(address);
        address.is_ipv4() == self.address.is_ipv4()
            && (bits(address).0 ^ bits(self.address).0) & mask(self.prefix) == 0
    }

    /// Whether all of another network is in it.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork {
            given: text.chars().take(60).collect(),
        };
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let (value, length) = bits(address);
        let prefix = match prefix {
            None => length,
            // No sign and no leading zeros: one way to write a network.
            Some(prefix) => prefix
                .parse::<u8>()
                .ok()
                .filter(|number| *number <= length && number.to_string() == prefix)
                .ok_or_else(invalid)?,
        };
        // `::ffff:0:0/96` and narrower would be networks of IPv4 in disguise, which match nothing.
        if value & !mask(prefix) != 0 || plain(address) != address {
            return Err(invalid());
        }
        Ok(Self { address, prefix })
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.address, self.prefix))
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
