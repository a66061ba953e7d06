//! Time for rates: only forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conversation::Millis;
use governor::clock::Clock;

/// Steps back up to this are threads that overtake each other; longer ones are a clock that was set back.
const JITTER: Millis = 1_000;

/// Time that passes as the moments passed in say, but never backwards. A clock that is set back stands still for nobody:
/// counting goes on from there. One that is set forward forgives everybody once.
#[derive(Debug, Clone, Default)]
pub(super) struct Ticks(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// The latest moment passed in; 0: none yet.
    last: AtomicU64,
    passed: AtomicU64,
}

impl Ticks {
    pub(super) fn advance(&self, now: Millis) {
        let State { last, passed } = &*self.0;
        let seen = last.load(Ordering::Relaxed);
        let is_news = now > seen || now + JITTER < seen;
        // Whoever loses has been overtaken by a moment that is as good.
        if is_news && last.compare_exchange(seen, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() && seen > 0 {
            passed.fetch_add(now.saturating_sub(seen), Ordering::Relaxed);
        }
    }
}

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.passed.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(moments: &[Millis]) -> u128 {
        let ticks = Ticks::default();
        moments.iter().for_each(|now| ticks.advance(*now));
        ticks.now().as_millis()
    }

    #[test]
    fn time_passes_from_the_first_moment_on() {
        assert_eq!(passed(&[1_790_000_000_000]), 0);
        assert_eq!(passed(&[1_790_000_000_000, 1_790_000_000_250, 1_790_000_001_000]), 1_000);
    }

    #[test]
    fn a_moment_that_was_overtaken_counts_nothing() {
        assert_eq!(passed(&[10_000, 10_010, 10_005, 10_010, 10_005, 10_020]), 20);
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_there() {
        assert_eq!(passed(&[9_000_000, 9_000_500, 10_000, 10_250]), 750);
    }
}
