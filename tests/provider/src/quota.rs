//! How much is let through: requests and tokens per minute, counted as providers count them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;

/// What the provider allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaOptions {
    /// Requests per minute; nothing: without end, and no headers about it.
    pub requests_per_minute: Option<u64>,
    /// Tokens per minute; nothing: without end, and no headers about it.
    pub tokens_per_minute: Option<u64>,
    /// How much may come at once: what flows in during this time. 1,000, 5,000 and 60,000 are known from providers.
    pub window_ms: u64,
    /// What a request costs in tokens.
    pub counting: Counting,
    /// Requests that fail count too: refused ones take from the requests, those that end in an error are not given back.
    pub count_failed: bool,
}

/// What a request costs in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// The larger of `max_tokens` and an estimate by the length of the messages, when it comes. As OpenAI does.
    Reserved,
    /// The tokens of the prompt when it comes, those of the answer as they are sent.
    Actual,
}

impl Default for QuotaOptions {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            tokens_per_minute: None,
            window_ms: 60_000,
            counting: Counting::Reserved,
            count_failed: true,
        }
    }
}

impl QuotaOptions {
    fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }
}

/// Which of the two limits refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Requests,
    Tokens,
}

/// A request that is not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) limit: Limit,
    /// When the same request would be let through.
    pub(crate) wait: Duration,
}

/// One limit, as headers tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) per_minute: u64,
    pub(crate) remaining: u64,
    /// Until it is full again.
    pub(crate) reset: Duration,
}

/// Both limits, as headers tell them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) requests: Option<Level>,
    pub(crate) tokens: Option<Level>,
}

/// The two buckets.
#[derive(Debug)]
pub(crate) struct Quota {
    options: QuotaOptions,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Quota {
    pub(crate) fn new(options: QuotaOptions, now: Duration) -> Self {
        let mut quota = Self { options: options.clone(), requests: None, tokens: None };
        quota.change(options, now);
        quota
    }

    pub(crate) fn options(&self) -> &QuotaOptions {
        &self.options
    }

    /// Other limits from now on. A limit that there was not before begins with a full bucket.
    pub(crate) fn change(&mut self, options: QuotaOptions, now: Duration) {
        let window = options.window();
        let changed = |bucket: Option<Bucket>, per_minute: Option<u64>| match (bucket, per_minute) {
            (_, None) => None,
            (None, Some(per_minute)) => Some(Bucket::new(per_minute, window, now)),
            (Some(mut bucket), Some(per_minute)) => {
                bucket.change(per_minute, window, now);
                Some(bucket)
            }
        };
        self.requests = changed(self.requests.take(), options.requests_per_minute);
        self.tokens = changed(self.tokens.take(), options.tokens_per_minute);
        self.options = options;
    }

    /// What a request costs when it comes: `prompt` tokens as they are, an estimate of all, and the limit it asked for.
    pub(crate) fn cost(&self, prompt: u64, max_tokens: u64) -> u64 {
        match self.options.counting {
            Counting::Reserved => prompt.max(max_tokens),
            Counting::Actual => prompt,
        }
    }

    /// Lets a request of `cost` tokens through, or not.
    pub(crate) fn admit(&mut self, cost: u64, now: Duration) -> Result<(), Refused> {
        let wait = |bucket: &mut Option<Bucket>, cost| {
            bucket.as_mut().map_or(Duration::ZERO, |bucket| bucket.wait_for(cost, now))
        };
        let (requests, tokens) = (wait(&mut self.requests, 1), wait(&mut self.tokens, cost));
        if requests.is_zero() && tokens.is_zero() {
            charge(&mut self.requests, 1, now);
            charge(&mut self.tokens, cost, now);
            return Ok(());
        }
        if self.options.count_failed
            && let Some(bucket) = &mut self.requests
        {
            bucket.drain(1, now);
        }
        let limit = if requests.is_zero() { Limit::Tokens } else { Limit::Requests };
        Err(Refused { limit, wait: wait(&mut self.requests, 1).max(wait(&mut self.tokens, cost)) })
    }

    /// The provider itself failed a request that it had let through at `cost`.
    pub(crate) fn handle_failed(&mut self, cost: u64, now: Duration) {
        if self.options.count_failed {
            return;
        }
        give_back(&mut self.requests, 1, now);
        give_back(&mut self.tokens, cost, now);
    }

    /// So many tokens of an answer were sent. Returns how many of them count.
    pub(crate) fn handle_answer(&mut self, tokens: u64, now: Duration) -> u64 {
        match self.options.counting {
            Counting::Reserved => 0,
            Counting::Actual => {
                charge(&mut self.tokens, tokens, now);
                tokens
            }
        }
    }

    pub(crate) fn levels(&mut self, now: Duration) -> Levels {
        let level = |bucket: &mut Bucket| Level {
            per_minute: bucket.per_minute(),
            remaining: bucket.remaining(now),
            reset: bucket.full_in(now),
        };
        Levels { requests: self.requests.as_mut().map(level), tokens: self.tokens.as_mut().map(level) }
    }
}

fn charge(bucket: &mut Option<Bucket>, cost: u64, now: Duration) {
    if let Some(bucket) = bucket {
        bucket.charge(cost, now);
    }
}

fn give_back(bucket: &mut Option<Bucket>, cost: u64, now: Duration) {
    if let Some(bucket) = bucket {
        bucket.give_back(cost, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(count_failed: bool, counting: Counting) -> Quota {
        let options = QuotaOptions {
            requests_per_minute: Some(60),
            tokens_per_minute: Some(6000),
            window_ms: 1000,
            counting,
            count_failed,
        };
        Quota::new(options, Duration::ZERO)
    }

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn both_limits_must_have_room_and_the_one_without_is_named() {
        let mut by_tokens = quota(false, Counting::Reserved);
        by_tokens.handle_answer(0, NOW);
        charge(&mut by_tokens.tokens, 100, NOW);
        let refused = by_tokens.admit(10, NOW).unwrap_err();
        assert_eq!(refused, Refused { limit: Limit::Tokens, wait: Duration::from_millis(100) });
        let mut by_requests = quota(false, Counting::Reserved);
        assert_eq!(by_requests.admit(10, NOW), Ok(()));
        let refused = by_requests.admit(10, NOW).unwrap_err();
        assert_eq!(refused, Refused { limit: Limit::Requests, wait: Duration::from_secs(1) });
    }

    #[test]
    fn a_refused_request_takes_from_the_requests_only_where_failed_ones_count() {
        for (count_failed, after) in [(false, 500), (true, 1000)] {
            let mut quota = quota(count_failed, Counting::Reserved);
            quota.admit(1, NOW).unwrap();
            let half = Duration::from_millis(500);
            assert_eq!(quota.admit(1, half).unwrap_err().wait, Duration::from_millis(after), "{count_failed}");
        }
    }

    #[test]
    fn an_error_of_the_provider_is_given_back_unless_failed_requests_count() {
        for (count_failed, remaining) in [(false, 100), (true, 60)] {
            let mut quota = quota(count_failed, Counting::Reserved);
            quota.admit(40, NOW).unwrap();
            quota.handle_failed(40, NOW);
            assert_eq!(quota.levels(NOW).tokens.unwrap().remaining, remaining);
        }
    }

    #[test]
    fn tokens_are_counted_in_advance_or_as_they_are_sent() {
        let mut reserved = quota(true, Counting::Reserved);
        assert_eq!((reserved.cost(10, 30), reserved.cost(40, 30), reserved.handle_answer(5, NOW)), (30, 40, 0));
        let mut actual = quota(true, Counting::Actual);
        assert_eq!((actual.cost(10, 30), actual.handle_answer(5, NOW)), (10, 5));
        assert_eq!(actual.levels(NOW).tokens.unwrap().remaining, 95);
    }

    #[test]
    fn a_limit_may_come_and_go() {
        let mut quota = Quota::new(QuotaOptions::default(), NOW);
        assert_eq!(quota.levels(NOW), Levels::default());
        quota.change(QuotaOptions { requests_per_minute: Some(2), ..QuotaOptions::default() }, NOW);
        quota.admit(1, NOW).unwrap();
        assert_eq!(quota.levels(NOW).requests.unwrap().remaining, 1);
        quota.change(QuotaOptions::default(), NOW);
        assert!((0..9).all(|_| quota.admit(1, NOW).is_ok()));
    }
}
