//! Addresses to connect from: a pair of addresses has only so many ports.

use std::net::{Ipv4Addr, SocketAddr};

/// Connections from one source address at most. The kernel finds a free port of a pair quickly up to about 9,000; here
/// ports are given out in order and nothing is searched, and limits by address stay far away.
const PORTS: u32 = 4_000;

/// The first port given out: below those that kernels give out by themselves.
const FIRST_PORT: u16 = 20_000;

/// Source addresses and ports on loopback (127.0.0.0/8), each given out once.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Two runs after each other differ, so that ports of the first that the kernel still holds do not matter.
    second_octet: u8,
    next: u32,
}

impl Sources {
    /// `run` tells runs apart, such as the process id.
    pub(crate) fn new(run: u32) -> Self {
        Self { second_octet: 16 + (run % 200) as u8, next: 0 }
    }

    /// The next one; after a million or so, the first again.
    pub(crate) fn next(&mut self) -> SocketAddr {
        let (address, port) = (self.next / PORTS, self.next % PORTS);
        self.next += 1;
        let octet = |number: u32| (number % 250) as u8 + 1;
        SocketAddr::from((Ipv4Addr::new(127, self.second_octet, octet(address), 1), FIRST_PORT + port as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_given_out_once() {
        let mut sources = Sources::new(12_345);
        let all: std::collections::BTreeSet<_> = (0..20_000).map(|_| sources.next()).collect();
        assert_eq!(all.len(), 20_000);
        assert!(all.iter().all(|source| source.ip().is_loopback() && source.port() < 32_768));
    }
}
