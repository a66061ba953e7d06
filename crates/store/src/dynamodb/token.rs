//! Names of writes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Names that one client gives to its writes. Two clients begin at random places of 2^64, so they do not meet.
#[derive(Debug)]
pub(super) struct Tokens {
    first: u64,
    given: AtomicU64,
}

impl Tokens {
    pub(super) fn starting_at(first: u64) -> Self {
        Self { first, given: AtomicU64::new(0) }
    }

    /// A name for one write. A write that is tried again keeps its name.
    pub(super) fn next(&self) -> [u8; 8] {
        self.first.wrapping_add(self.given.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    }

    /// The client's own name: 16 characters.
    pub(super) fn writer(&self) -> String {
        format!("{:016x}", self.first)
    }
}
