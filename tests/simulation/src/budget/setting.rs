//! What is varied.

use conversation::Millis;

/// The whole run.
pub(super) const END: Millis = 180_000;

/// The quota is halved, and doubled again.
pub(super) const HALVED: Millis = 60_000;
pub(super) const DOUBLED: Millis = 120_000;

/// What callers know of the quota from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// The server's headers.
    Headers,
    /// The configuration, which is right until the quota is halved.
    Configured,
    /// Nothing.
    Nothing,
}

/// How the server counts tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Question and answer, as they are, when the request comes.
    Exact,
    /// The question when it comes, the answer as it is sent.
    Actual,
    /// The larger of the question and the longest answer, when it comes.
    Reserved,
}

/// Who asks for how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Four sites, two of which ask three times as much as the others; all on all callers.
    Everywhere,
    /// The same, but those that ask for more are on all callers, the others on one each.
    Uneven,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// How many callers.
    pub callers: usize,
    /// What the server's bucket holds: so many seconds' worth of the quota.
    pub window_s: u64,
    /// What callers know.
    pub knowledge: Knowledge,
    /// Whether a refusal says when to come back.
    pub retry_after: bool,
    /// How tokens are counted.
    pub counting: Counting,
    /// Tokens a minute before it is halved. A turn takes about a thousand.
    pub tokens_per_minute: u64,
    /// Requests a minute.
    pub requests_per_minute: u64,
    /// Demand as a multiple of the quota before it is halved, in percent.
    pub demand_percent: u64,
    /// Who asks.
    pub demand: Demand,
    /// When the store does not answer.
    pub outage: Option<(Millis, Millis)>,
    /// Whether the quota is halved and doubled on the way.
    pub changes: bool,
    /// Where all chance comes from.
    pub seed: u64,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            callers: 4,
            window_s: 5,
            knowledge: Knowledge::Headers,
            retry_after: true,
            counting: Counting::Exact,
            tokens_per_minute: 3_000_000,
            requests_per_minute: 6_000,
            demand_percent: 150,
            demand: Demand::Everywhere,
            outage: None,
            changes: true,
            seed: 1,
        }
    }
}

impl Setting {
    /// The quota at `now`, in percent of the first.
    pub(super) fn quota_percent(&self, now: Millis) -> u64 {
        if self.changes && (HALVED..DOUBLED).contains(&now) { 50 } else { 100 }
    }
}
