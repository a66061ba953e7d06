//! Waiting until a moment, exact to some tenths of a millisecond.
//!
//! The runtime's own timers know whole milliseconds and round up twice: they are 1 ms late on average and 2 ms at most. Where
//! somebody waits for what follows, that is too much. Here they wait until shortly before, and a thread that blocks for the
//! rest. Hardly anybody comes that far: turns are answered before.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// By how much the runtime's timers may be late, and some more.
const RUNTIME_MAY_BE_LATE: Duration = Duration::from_millis(3);

/// Waits until `moment`, no less.
pub(crate) async fn until(moment: Instant) {
    if let Some(before) = moment.checked_sub(RUNTIME_MAY_BE_LATE)
        && before > Instant::now()
    {
        sleep_until(before).await;
    }
    if moment > Instant::now() {
        // Those that waited for a thread have less to wait for, or nothing.
        let rest = tokio::task::spawn_blocking(move || {
            std::thread::sleep(moment.saturating_duration_since(Instant::now()));
        });
        if rest.await.is_err() {
            sleep_until(moment).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_early_and_a_moment_that_is_past_is_not_waited_for() {
        for wait in [0, 1, 900, 3_000, 7_500] {
            let moment = Instant::now() + Duration::from_micros(wait);
            until(moment).await;
            assert!(Instant::now() >= moment, "{wait} µs");
        }
        let long_ago = Instant::now();
        until(long_ago).await;
    }
}
