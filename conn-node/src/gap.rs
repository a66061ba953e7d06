//! How long a response that has begun may pause.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that fires so much later than it was to belongs to a process that stood still.
const STOOD_STILL: Duration = Duration::from_millis(500);

/// The clock between two pieces of a response. Hearing something costs a look at the time; the timer is set again only when
/// it fires.
#[derive(Debug)]
pub(crate) struct Gap {
    longest: Duration,
    over_at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Gap {
    /// A response of which something has been heard at `now`, and which may be silent for `longest`.
    pub(crate) fn new(longest: Duration, now: Instant) -> Self {
        let over_at = now + longest;
        Self { longest, over_at, timer: Box::pin(sleep_until(over_at)) }
    }

    /// Something has come.
    pub(crate) fn handle_heard(&mut self, now: Instant) {
        self.over_at = now + self.longest;
    }

    /// Waits until nothing has come for too long. If it was this process that stood still, what came meanwhile may not have
    /// been read yet: then it waits for as long again.
    pub(crate) async fn over(&mut self) {
        loop {
            let fires_at = self.timer.deadline();
            self.timer.as_mut().await;
            let now = Instant::now();
            if now.saturating_duration_since(fires_at) >= STOOD_STILL {
                self.over_at = now + self.longest;
            }
            if self.over_at <= now {
                return;
            }
            self.timer.as_mut().reset(self.over_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(9);

    /// How long `gap` waits, from now on.
    async fn waits(gap: &mut Gap) -> Duration {
        let began = Instant::now();
        gap.over().await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_nothing_has_come_for_so_long_and_not_before() {
        let mut gap = Gap::new(LONGEST, Instant::now());
        assert_eq!(waits(&mut gap).await, LONGEST);

        let mut gap = Gap::new(LONGEST, Instant::now());
        for _ in 0..5 {
            advance(LONGEST - Duration::from_secs(1)).await;
            gap.handle_heard(Instant::now());
        }
        assert_eq!(waits(&mut gap).await, LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stood_still_reads_first_what_came_meanwhile() {
        let mut gap = Gap::new(LONGEST, Instant::now());
        advance(LONGEST * 3).await;
        assert_eq!(waits(&mut gap).await, LONGEST);
    }
}
