//! A model's server: two token buckets, and headers as OpenAI sends them.

use conversation::Millis;
use conversation::budget::{Limit, Quota};

use super::setting::{Counting, Knowledge, Setting};

/// Fills steadily; holds what comes in one window. In parts of 60,000, so that a millisecond adds a whole number.
#[derive(Debug)]
struct Bucket {
    per_minute: i128,
    window_ms: i128,
    level: i128,
    at: Millis,
}

impl Bucket {
    fn new(per_minute: u64, window_s: u64) -> Self {
        let (per_minute, window_ms) = (i128::from(per_minute), i128::from(window_s) * 1_000);
        Self { per_minute, window_ms, level: per_minute * window_ms, at: 0 }
    }

    fn fill(&mut self, now: Millis) {
        self.level += i128::from(now - self.at) * self.per_minute;
        self.level = self.level.min(self.per_minute * self.window_ms);
        self.at = now;
    }

    fn change(&mut self, per_minute: u64, now: Millis) {
        self.fill(now);
        self.per_minute = i128::from(per_minute);
        self.fill(now);
    }

    fn wait(&self, cost: u64) -> Millis {
        let missing = (i128::from(cost) * 60_000 - self.level).max(0);
        u64::try_from((missing + self.per_minute - 1) / self.per_minute).unwrap_or(0)
    }

    fn limit(&self) -> Limit {
        let full = self.per_minute * self.window_ms;
        let number = |number: i128| u64::try_from(number.max(0)).unwrap_or(0);
        Limit {
            limit: Some(number(self.per_minute)),
            remaining: Some(number(self.level / 60_000)),
            reset_ms: Some(number((full - self.level) / self.per_minute)),
        }
    }
}

/// The server.
#[derive(Debug)]
pub(super) struct Provider {
    setting: Setting,
    requests: Bucket,
    tokens: Bucket,
}

/// What the server makes of one request.
pub(super) struct Answer {
    pub(super) quota: Quota,
    /// Tokens counted at once.
    pub(super) counted: u64,
}

impl Provider {
    pub(super) fn new(setting: &Setting) -> Self {
        Self {
            requests: Bucket::new(setting.requests_per_minute, setting.window_s),
            tokens: Bucket::new(setting.tokens_per_minute, setting.window_s),
            setting: setting.clone(),
        }
    }

    /// The quota is as the setting says from now on.
    pub(super) fn change(&mut self, now: Millis) {
        let percent = self.setting.quota_percent(now);
        self.requests.change(self.setting.requests_per_minute * percent / 100, now);
        self.tokens.change(self.setting.tokens_per_minute * percent / 100, now);
    }

    /// A request with so many tokens of question and answer, of at most `longest`.
    pub(super) fn handle_request(&mut self, prompt: u64, completion: u64, longest: u64, now: Millis) -> Answer {
        self.requests.fill(now);
        self.tokens.fill(now);
        let cost = match self.setting.counting {
            Counting::Exact => prompt + completion,
            Counting::Actual => prompt,
            Counting::Reserved => prompt.max(longest),
        };
        let wait = self.requests.wait(1).max(self.tokens.wait(cost));
        let refused = wait > 0;
        if !refused {
            self.requests.level -= 60_000;
            self.tokens.level -= i128::from(cost) * 60_000;
        } else if self.setting.count_failed {
            self.requests.level = (self.requests.level - 60_000).max(self.requests.level.min(0));
        }
        let has_headers = self.setting.knowledge == Knowledge::Headers;
        let quota = Quota {
            requests: has_headers.then(|| self.requests.limit()),
            tokens: has_headers.then(|| self.tokens.limit()),
            refused,
            // Whole seconds, as in HTTP, or what some say besides.
            retry_after_ms: (refused && self.setting.retry_after)
                .then(|| if self.setting.exact_retry { wait } else { wait.div_ceil(1_000) * 1_000 }),
        };
        Answer { quota, counted: if refused { 0 } else { cost } }
    }

    /// The answer was sent; what of it is counted only now.
    pub(super) fn handle_sent(&mut self, completion: u64, now: Millis) -> u64 {
        if self.setting.counting != Counting::Actual {
            return 0;
        }
        self.tokens.fill(now);
        self.tokens.level -= i128::from(completion) * 60_000;
        completion
    }
}
