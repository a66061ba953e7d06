//! What was consumed: the units that DynamoDB bills.

use std::sync::atomic::{AtomicU64, Ordering};

/// Units so far, in tenths, the smallest part of one that DynamoDB tells.
#[derive(Debug, Default)]
pub(super) struct Meter {
    written: AtomicU64,
    read: AtomicU64,
}

/// Request units that a [`DynamoStore`](super::DynamoStore) has consumed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Consumed {
    /// Write request units (WRU): one for each started KB of each item written. $0.625 a million in us-east-1.
    pub write_units: f64,
    /// Read request units (RRU): one for each started 4 KB of a consistent read, half of that for others. $0.125 a million.
    pub read_units: f64,
}

impl Meter {
    pub(super) fn wrote(&self, units: f64) {
        self.written.fetch_add(tenths(units), Ordering::Relaxed);
    }

    pub(super) fn read(&self, units: f64) {
        self.read.fetch_add(tenths(units), Ordering::Relaxed);
    }

    pub(super) fn total(&self) -> Consumed {
        let units = |tenths: &AtomicU64| tenths.load(Ordering::Relaxed) as f64 / 10.0;
        Consumed { write_units: units(&self.written), read_units: units(&self.read) }
    }
}

fn tenths(units: f64) -> u64 {
    // Units are not negative, and a request has far fewer than fit.
    (units * 10.0).round() as u64
}
