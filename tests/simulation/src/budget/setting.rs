//! What is varied.

use conversation::Millis;

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
    /// Tokens a minute before it is halved.
    pub tokens_per_minute: u64,
    /// What a turn takes, more or less, tokens.
    pub turn_tokens: u64,
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
    /// Whether refused requests take from the server's bucket of requests.
    pub count_failed: bool,
    /// How long each third of the run takes, seconds: the quota is halved after the first and doubled after the second.
    pub third_s: u64,
    /// What comes before is not counted, seconds: nobody knows anything yet.
    pub warm_s: u64,
    /// How far callers' clocks differ at most, milliseconds.
    pub skew_ms: u64,
    /// How much later than it should each thing happens at most, milliseconds: a machine with too few processors.
    pub lag_ms: u64,
    /// How many things in a thousand are as late as that; the others are a millisecond late at most.
    pub late_per_mille: u32,
    /// Whether a refusal says to the millisecond when to come back, and not in whole seconds.
    pub exact_retry: bool,
    /// Until when the last caller has begun, milliseconds: processes start one after the other.
    pub starting_ms: Millis,
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
            turn_tokens: 1_000,
            requests_per_minute: 6_000,
            demand_percent: 150,
            demand: Demand::Everywhere,
            outage: None,
            changes: true,
            count_failed: false,
            third_s: 60,
            warm_s: 20,
            skew_ms: 0,
            lag_ms: 0,
            late_per_mille: 10,
            exact_retry: false,
            starting_ms: 0,
            seed: 1,
        }
    }
}

impl Setting {
    /// As `load budget` has it in real time by default: 30 turns a second, a minute in all, tokens counted as they are sent, exact
    /// pauses, callers that start one after the other, and a machine that is late with every tenth thing.
    pub fn real() -> Self {
        Self {
            window_s: 1,
            counting: Counting::Actual,
            tokens_per_minute: 900_000,
            turn_tokens: 500,
            requests_per_minute: 3_600,
            count_failed: true,
            third_s: 18,
            warm_s: 4,
            skew_ms: 2,
            lag_ms: 15,
            late_per_mille: 100,
            exact_retry: true,
            starting_ms: 500,
            ..Self::default()
        }
    }

    /// When the quota is halved.
    pub(super) fn halved(&self) -> Millis {
        self.third_s * 1_000
    }

    /// When it is doubled again.
    pub(super) fn doubled(&self) -> Millis {
        2 * self.halved()
    }

    /// When the run ends.
    pub(super) fn end(&self) -> Millis {
        3 * self.halved()
    }

    /// Between which changes of the quota it is.
    pub(super) fn third(&self, now: Millis) -> usize {
        usize::from(now >= self.halved()) + usize::from(now >= self.doubled())
    }

    /// The longest answer, tokens.
    pub(super) fn longest(&self) -> u64 {
        self.turn_tokens * 3 / 5
    }

    /// The quota at `now`, in percent of the first.
    pub(super) fn quota_percent(&self, now: Millis) -> u64 {
        if self.changes && self.third(now) == 1 { 50 } else { 100 }
    }
}
