//! What was used of the quota, second by second.

use std::time::Duration;

use serde::Serialize;

/// How many seconds are kept; what comes later is counted in the last one.
const MAX_SECONDS: usize = 7200;

/// One second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Second {
    /// Requests that were let through.
    pub requests: u64,
    /// Requests that were refused with 429 by the quota.
    pub refused: u64,
    /// Tokens that were counted.
    pub tokens: u64,
    /// Requests that the quota let flow in; 0 without a limit.
    pub quota_requests: f64,
    /// Tokens that the quota let flow in; 0 without a limit.
    pub quota_tokens: f64,
}

/// The seconds since the start, or since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    since: Duration,
    until: Duration,
    seconds: Vec<Second>,
}

/// What the quota lets flow in, per minute.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
}

impl Usage {
    pub(crate) fn new(now: Duration) -> Self {
        Self { since: now, until: now, seconds: Vec::new() }
    }

    /// Time has passed with these rates. Called before anything else is counted, and before the rates change.
    pub(crate) fn handle_time(&mut self, now: Duration, rates: Rates) {
        while self.until < now {
            let second_ends = self.since + Duration::from_secs((self.until - self.since).as_secs() + 1);
            let until = second_ends.min(now);
            let minutes = (until - self.until).as_secs_f64() / 60.0;
            let second = self.second_at(self.until);
            second.quota_requests += rates.requests as f64 * minutes;
            second.quota_tokens += rates.tokens as f64 * minutes;
            self.until = until;
        }
    }

    pub(crate) fn handle_admitted(&mut self, now: Duration) {
        self.second_at(now).requests += 1;
    }

    pub(crate) fn handle_refused(&mut self, now: Duration) {
        self.second_at(now).refused += 1;
    }

    pub(crate) fn handle_tokens(&mut self, tokens: u64, now: Duration) {
        self.second_at(now).tokens += tokens;
    }

    pub(crate) fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// All seconds together.
    pub(crate) fn total(&self) -> Second {
        self.seconds.iter().fold(Second::default(), |sum, second| sum.plus(second))
    }

    /// The most requests and tokens in any window of so many whole seconds.
    pub(crate) fn most_in(&self, seconds: usize) -> (u64, u64) {
        let sums = self.seconds.windows(seconds.clamp(1, self.seconds.len().max(1))).map(|window| {
            window.iter().fold((0, 0), |(requests, tokens), one| (requests + one.requests, tokens + one.tokens))
        });
        sums.fold((0, 0), |most, sum| (most.0.max(sum.0), most.1.max(sum.1)))
    }

    fn second_at(&mut self, at: Duration) -> &mut Second {
        let index = usize::try_from(at.saturating_sub(self.since).as_secs()).unwrap_or(usize::MAX).min(MAX_SECONDS - 1);
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }
}

impl Second {
    fn plus(self, other: &Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            refused: self.refused + other.refused,
            tokens: self.tokens + other.tokens,
            quota_requests: self.quota_requests + other.quota_requests,
            quota_tokens: self.quota_tokens + other.quota_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_quota_flows_in_as_long_as_it_holds() {
        let mut usage = Usage::new(MS(500));
        usage.handle_time(MS(2000), Rates { requests: 60, tokens: 6000 });
        usage.handle_time(MS(2500), Rates { requests: 120, tokens: 6000 });
        let seconds: Vec<_> = usage.seconds().iter().map(|second| second.quota_requests).collect();
        assert_eq!(seconds, [1.0, 0.5 + 1.0]);
        assert!((usage.total().quota_tokens - 200.0).abs() < 1e-9);
    }

    #[test]
    fn the_fullest_window_is_found() {
        let mut usage = Usage::new(Duration::ZERO);
        for (second, count) in [(0, 3), (1, 1), (5, 2), (6, 4)] {
            (0..count).for_each(|_| usage.handle_admitted(MS(second * 1000)));
        }
        assert_eq!((usage.most_in(1).0, usage.most_in(2).0, usage.most_in(60).0), (4, 6, 10));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let mut usage = Usage::new(Duration::ZERO);
        usage.handle_admitted(Duration::from_secs(1 << 40));
        assert_eq!(usage.seconds().len(), MAX_SECONDS);
    }
}
