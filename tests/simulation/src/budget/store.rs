//! The store's buckets, with the arithmetic of `Store::reserve`.

use conversation::Millis;
use conversation::budget::Take;

/// A bucket: level in parts of 60,000.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    level: Option<i128>,
    at: Millis,
}

impl Bucket {
    pub(super) fn reserve(&mut self, take: Take, now: Millis) -> u64 {
        let (rate, full) = (i128::from(take.per_minute.max(1)), i128::from(take.burst) * 60_000);
        let at = self.at.max(now);
        let level = self.level.map_or(full, |level| level + i128::from(at - self.at) * rate).min(full);
        let known = take.remaining.map_or(level, |remaining| level.min(i128::from(remaining) * 60_000));
        let level = (known - i128::from(take.amount) * 60_000).min(full);
        (self.level, self.at) = (Some(level), at);
        u64::try_from(((-level).max(0) + rate - 1) / rate).unwrap_or(u64::MAX)
    }
}
