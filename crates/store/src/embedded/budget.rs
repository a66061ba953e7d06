//! The model budget's buckets.

use std::collections::HashMap;

use conversation::Millis;

use crate::{Key, MAX_CLOCK_SKEW_MS, Reserve};

/// How many buckets are kept before those that are full again are forgotten.
const SWEEP_AT: usize = 1024;

const MINUTE_MS: i128 = 60_000;

/// All buckets that are not full. A bucket that is not here is full.
#[derive(Debug, Default)]
pub(super) struct Budget {
    buckets: HashMap<Key, Bucket>,
    sweep_at: usize,
}

/// A level that rises with time, in exact numbers: 60,000 units are one of what is reserved, so that each millisecond
/// brings exactly `per_minute` units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    units: i128,
    at: Millis,
    full_at: Millis,
}

impl Budget {
    /// See [`Store::reserve`](crate::Store::reserve).
    pub(super) fn reserve(&mut self, ask: &Reserve<'_>) -> u64 {
        self.sweep(ask.now);
        let (bucket, wait_ms) = Bucket::take(self.buckets.get(ask.key), ask);
        self.buckets.insert(ask.key.clone(), bucket);
        wait_ms
    }

    /// Forgets full buckets, rarely enough that a call costs O(1) on average.
    fn sweep(&mut self, now: Millis) {
        if self.buckets.len() >= self.sweep_at.max(SWEEP_AT) {
            self.buckets.retain(|_, bucket| bucket.full_at > now);
            self.sweep_at = self.buckets.len() * 2;
        }
    }
}

impl Bucket {
    fn take(before: Option<&Bucket>, ask: &Reserve<'_>) -> (Self, u64) {
        let rate = i128::from(ask.per_minute.get());
        let full = i128::from(ask.burst) * MINUTE_MS;
        // Without this a clock that was once wrong by an hour would stop the refill for an hour.
        let set_back = before.is_some_and(|bucket| bucket.at > ask.now.saturating_add(MAX_CLOCK_SKEW_MS));
        let at = before.map_or(ask.now, |bucket| if set_back { ask.now } else { bucket.at.max(ask.now) });
        let elapsed = before.map_or(0, |bucket| at.saturating_sub(bucket.at));
        let level = before.map_or(full, |bucket| bucket.units + i128::from(elapsed) * rate).min(full);
        let known = ask.remaining.map_or(level, |remaining| level.min(i128::from(remaining) * MINUTE_MS));
        let units = (known - i128::from(ask.amount) * MINUTE_MS).min(full);
        let full_at = at.saturating_add(ceiling_ms(full - units, rate));
        (Self { units, at, full_at }, ceiling_ms(-units, rate))
    }
}

/// How long `units` take to flow in, rounded up.
fn ceiling_ms(units: i128, rate: i128) -> u64 {
    u64::try_from((units.max(0) + rate - 1) / rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn ask(key: &Key, amount: i64, now: Millis) -> Reserve<'_> {
        Reserve { key, amount, per_minute: NonZeroU64::new(7).unwrap(), burst: 3, remaining: None, now }
    }

    #[test]
    fn a_bucket_that_was_forgotten_was_full() {
        let mut budget = Budget::default();
        let keys: Vec<Key> = (0..SWEEP_AT).map(|n| Key::new("*", "budget", &[&n.to_string()]).unwrap()).collect();
        for key in &keys {
            assert_eq!(budget.reserve(&ask(key, 3, 0)), 0);
        }
        let full_again = 60_000 * 3 / 7 + 1;
        assert_eq!(budget.reserve(&ask(&keys[0], 4, full_again)), 60_000 / 7 + 1, "three were there, one is awaited");
        assert_eq!(budget.buckets.len(), 1);
    }
}
