//! When to stop waiting for a model: the first token, the gap between tokens, the whole turn.
//!
//! Only content resets the gap. Keep-alive comments, empty deltas and role chunks never get here: elsewhere they once
//! stretched a watchdog of 5 minutes to 18.

use std::time::Duration;

use tokio::time::Instant;

/// The limits of one turn. The clock for connecting belongs to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the turn to the first content, all attempts together.
    pub first_token: Duration,
    /// From one piece of content to the next.
    pub gap: Duration,
    /// The whole turn.
    pub total: Duration,
}

/// The clocks of one turn.
#[derive(Debug)]
pub(crate) struct Clocks {
    first_by: Instant,
    gap: Duration,
    end_by: Instant,
    content_at: Option<Instant>,
}

impl Clocks {
    /// Starts them at `now`; the turn ends by `deadline` whatever `limits` allow.
    pub(crate) fn start(limits: Limits, now: Instant, deadline: Instant) -> Self {
        let end_by = deadline.min(now + limits.total);
        Self { first_by: end_by.min(now + limits.first_token), gap: limits.gap, end_by, content_at: None }
    }

    /// Content has come.
    pub(crate) fn handle_content(&mut self, now: Instant) {
        self.content_at = Some(now);
    }

    /// The moment at which to stop waiting, and the name of the clock that says so.
    pub(crate) fn due(&self) -> (Instant, &'static str) {
        let (at, name) = match self.content_at {
            None => (self.first_by, "no first token in time"),
            Some(content_at) => (content_at + self.gap, "too long a gap between tokens"),
        };
        if at < self.end_by { (at, name) } else { (self.end_by, "the turn's time is over") }
    }

    /// The name of the clock that ends the turn at `now`, whatever has come by then. The gap is no such clock: it counts
    /// how long a model was waited for, not how long its words took to send.
    pub(crate) fn over(&self, now: Instant) -> Option<&'static str> {
        match self.content_at {
            _ if now >= self.end_by => Some("the turn's time is over"),
            None if now >= self.first_by => Some("no first token in time"),
            _ => None,
        }
    }

    /// The last moment at which beginning another attempt makes sense.
    pub(crate) fn try_until(&self) -> Instant {
        self.first_by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { first_token: Duration::from_secs(10), gap: Duration::from_secs(5), total: Duration::from_secs(60) };

    fn after(seconds: u64, start: Instant) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn before_content_the_first_token_clock_counts_and_after_it_the_gap() {
        let now = Instant::now();
        let mut clocks = Clocks::start(LIMITS, now, after(99, now));
        assert_eq!(clocks.due(), (after(10, now), "no first token in time"));
        clocks.handle_content(after(9, now));
        assert_eq!(clocks.due(), (after(14, now), "too long a gap between tokens"));
    }

    #[test]
    fn the_total_ends_a_turn_that_never_pauses() {
        let now = Instant::now();
        let mut clocks = Clocks::start(LIMITS, now, after(99, now));
        clocks.handle_content(after(58, now));
        assert_eq!(clocks.due(), (after(60, now), "the turn's time is over"));
    }

    #[test]
    fn a_deadline_before_the_clocks_wins() {
        let now = Instant::now();
        let clocks = Clocks::start(LIMITS, now, after(3, now));
        assert_eq!(clocks.due(), (after(3, now), "the turn's time is over"));
        assert_eq!(clocks.try_until(), after(3, now));
    }
}
