//! Rates, for one thing and for many.

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::{DashMapStateStore, HashMapStateStore};
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

pub(super) mod quota {
    use std::num::NonZeroU32;

    use governor::Quota;

    /// The configuration refuses 0.
    pub(in crate::limits) fn count(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
    }

    pub(in crate::limits) fn per_second(rate: u32, burst: u32) -> Quota {
        Quota::per_second(count(rate)).allow_burst(count(burst))
    }

    pub(in crate::limits) fn per_minute(rate: u32, burst: u32) -> Quota {
        Quota::per_minute(count(rate)).allow_burst(count(burst))
    }
}

/// One rate.
pub(super) struct Rate<C: Clock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl<C: Clock> Rate<C> {
    pub(super) fn new(quota: Quota, clock: &C) -> Self
    where
        C: Clone,
    {
        Self { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock: clock.clone() }
    }

    /// Counts one. The error is how long to wait; nothing was counted then.
    pub(super) fn check(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// Keys that share a rate when there are too many to count each.
const GROUPS: u64 = 4_096;

/// The same rate for each of many keys, in bounded memory.
///
/// Up to `most` keys are counted one by one. Beyond it, keys share the rate in [`GROUPS`] groups until a sweep has made
/// room: a flood of new keys then slows strangers down, but grows nothing and shuts nobody out for good.
pub(super) struct KeyedRate<K: Hash + Eq + Clone, C: Clock> {
    each: RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<C::Instant>>,
    groups: RateLimiter<u64, HashMapStateStore<u64>, C, NoOpMiddleware<C::Instant>>,
    hasher: RandomState,
    most: usize,
    clock: C,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> KeyedRate<K, C> {
    pub(super) fn new(quota: Quota, most: usize, clock: &C) -> Self {
        Self {
            each: RateLimiter::new(quota, DashMapStateStore::default(), clock.clone()),
            groups: RateLimiter::new(quota, HashMapStateStore::default(), clock.clone()),
            hasher: RandomState::new(),
            most,
            clock: clock.clone(),
        }
    }

    /// Counts one for `key`. The error is how long to wait; nothing was counted then.
    pub(super) fn check(&self, key: &K) -> Result<(), Duration> {
        let checked = if self.each.len() < self.most {
            self.each.check_key(key)
        } else {
            self.groups.check_key(&(self.hasher.hash_one(key) % GROUPS))
        };
        checked.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets the keys that are back at rest: they count as new ones do.
    pub(super) fn sweep(&self) {
        self.each.retain_recent();
        self.each.shrink_to_fit();
        self.groups.retain_recent();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.each.len() + self.groups.len()
    }
}
