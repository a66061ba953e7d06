//! Rates, for one thing and for many.

use std::hash::{BuildHasher, Hash, RandomState};

use conversation::Millis;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::{DashMapStateStore, HashMapStateStore};
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};

use crate::limits::ticks::Ticks;

type Instant = <Ticks as Clock>::Instant;
type Limiter<K, S> = RateLimiter<K, S, Ticks, NoOpMiddleware<Instant>>;

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
pub(super) struct Rate {
    limiter: Limiter<NotKeyed, InMemoryState>,
    ticks: Ticks,
}

impl Rate {
    pub(super) fn new(quota: Quota, ticks: &Ticks) -> Self {
        Self { limiter: RateLimiter::direct_with_clock(quota, ticks.clone()), ticks: ticks.clone() }
    }

    /// Counts one. The error is how long to wait, in milliseconds; nothing was counted then.
    pub(super) fn check(&self) -> Result<(), Millis> {
        self.limiter.check().map_err(|until| wait(&until, &self.ticks))
    }
}

/// Keys that share a rate when there are too many to count each.
const GROUPS: u64 = 4_096;

/// The same rate for each of many keys, in bounded memory.
///
/// Up to `most` keys are counted one by one. Beyond it, keys share the rate in [`GROUPS`] groups until there is room: a
/// flood of new keys then slows strangers down, but grows nothing and shuts nobody out for good.
pub(super) struct KeyedRate<K: Hash + Eq + Clone> {
    each: Limiter<K, DashMapStateStore<K>>,
    groups: Limiter<u64, HashMapStateStore<u64>>,
    hasher: RandomState,
    most: usize,
    ticks: Ticks,
}

impl<K: Hash + Eq + Clone> KeyedRate<K> {
    pub(super) fn new(quota: Quota, most: usize, ticks: &Ticks) -> Self {
        Self {
            each: RateLimiter::new(quota, DashMapStateStore::default(), ticks.clone()),
            groups: RateLimiter::new(quota, HashMapStateStore::default(), ticks.clone()),
            hasher: RandomState::new(),
            most,
            ticks: ticks.clone(),
        }
    }

    /// Counts one for `key`. The error is how long to wait, in milliseconds; nothing was counted then.
    pub(super) fn check(&self, key: &K) -> Result<(), Millis> {
        let checked = if self.each.len() < self.most {
            self.each.check_key(key)
        } else {
            self.groups.check_key(&(self.hasher.hash_one(key) % GROUPS))
        };
        checked.map_err(|until| wait(&until, &self.ticks))
    }

    /// Forgets the keys that are back at rest: they count as new ones do.
    pub(super) fn forget_idle(&self) {
        self.each.retain_recent();
        self.each.shrink_to_fit();
        self.groups.retain_recent();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.each.len() + self.groups.len()
    }
}

/// Rounded up: whoever waits so long is let in.
fn wait(until: &NotUntil<Instant>, ticks: &Ticks) -> Millis {
    let wait = until.wait_time_from(ticks.now());
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(Millis::MAX).max(1)
}
