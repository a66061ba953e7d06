//! Free ports.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use rand::RngExt;

/// Below the range from which the system gives ports to outgoing connections: between a server's death and its restart
/// none of them takes its port.
const FROM: u16 = 10_000;
const TO: u16 = 32_000;

/// A port that nobody listens on right now. Another process may be faster, so the caller must try again if it was.
pub(crate) fn free() -> Result<u16> {
    let mut random = rand::rng();
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..1_000).map(|_| random.random_range(FROM..TO)).find(is_free).context("none of 1,000 ports is free")
}
