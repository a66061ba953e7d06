//! Where a client connects from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use config::IpNet;

/// What limits hold for: one IPv4 address, or one IPv6 /64, which is what one customer of a provider has at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(IpAddr);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => write!(f, "{v4}"),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

/// The client's address, when `peer` connected and sent these `X-Forwarded-For` headers, in their order.
///
/// Each proxy appends the address that it was called from. So the list is read from its end, and only as long as
/// whoever appended the entry is one of `trusted`; what stands before may be the client's invention. An entry that is no
/// address ends the search too.
#[must_use]
pub fn client_address<'h>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'h str>,
    trusted: &[IpNet],
) -> Address {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer.to_canonical();
    for entry in forwarded.rev().flat_map(|header| header.rsplit(',')) {
        if !is_trusted(&client) {
            break;
        }
        match read_entry(entry.trim()) {
            Some(address) => client = address,
            None => break,
        }
    }
    Address::from(client)
}

/// Some proxies add a port.
fn read_entry(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client's address behind proxies in 10.0.0.0/8 and fd00::/8.
    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_address(peer.parse().unwrap(), forwarded.iter().copied(), &trusted).to_string()
    }

    #[test]
    fn a_direct_client_cannot_name_another_address() {
        assert_eq!(client("203.0.113.7", &["198.51.100.1"]), "203.0.113.7");
    }

    #[test]
    fn a_trusted_proxy_says_who_called_it() {
        assert_eq!(client("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("fd00::1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("::ffff:10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn what_stands_before_the_first_stranger_is_not_believed() {
        assert_eq!(client("10.0.0.1", &["192.0.2.1, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("10.0.0.1", &["192.0.2.1, 203.0.113.7, 10.0.0.2"]), "203.0.113.7");
        assert_eq!(client("10.0.0.1", &["192.0.2.1", "203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn what_is_no_address_leaves_the_proxy_that_sent_it() {
        assert_eq!(client("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.7, "]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.7, x, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_understood() {
        assert_eq!(client("10.0.0.1", &["203.0.113.7:51000"]), "203.0.113.7");
        assert_eq!(client("10.0.0.1", &["[2001:db8:1:2:3::4]:443"]), "2001:db8:1:2::/64");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::/64");
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        assert_eq!(client("2001:db8:1:2:3:4:5:6", &[]), client("2001:db8:1:2:ffff::1", &[]));
        assert_ne!(client("2001:db8:1:2::1", &[]), client("2001:db8:1:3::1", &[]));
    }
}
