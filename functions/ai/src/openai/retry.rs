//! Whether to ask again, and when.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::ModelError;

/// The most attempts of one turn, the first included.
pub(crate) const MAX_ATTEMPTS: u32 = 4;

/// The wait before the second attempt, at most; it doubles with each further one.
const BASE: Duration = Duration::from_millis(200);

/// How long to wait before attempt `attempts` + 1, or nothing if `error` is final.
///
/// A server that names a time gets it. Without one the wait is random below the limit (`jitter` is in 0..1), so that many
/// functions do not come back together. An attempt that could only begin after `try_until` is not waited for.
pub(crate) fn wait(
    error: &ModelError,
    attempts: u32,
    jitter: f64,
    now: Instant,
    try_until: Instant,
) -> Option<Duration> {
    if !error.is_transient() || attempts >= MAX_ATTEMPTS {
        return None;
    }
    let limit = BASE * 2_u32.saturating_pow(attempts.saturating_sub(1)).min(16);
    let wait = error.retry_after().unwrap_or_else(|| limit.mul_f64(jitter.clamp(0.0, 1.0)));
    now.checked_add(wait).filter(|at| *at < try_until).map(|_| wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overloaded(retry_after: Option<Duration>) -> ModelError {
        ModelError::Unavailable { detail: "status 503".into(), retry_after }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_grow_and_attempts_end() {
        let now = Instant::now();
        let waits: Vec<_> =
            (1..=MAX_ATTEMPTS).map(|attempt| wait(&overloaded(None), attempt, 1.0, now, now + 60 * SECOND)).collect();
        assert_eq!(waits, [Some(BASE), Some(2 * BASE), Some(4 * BASE), None]);
    }

    #[test]
    fn the_servers_own_time_is_kept_unless_it_is_too_late() {
        let now = Instant::now();
        let error = overloaded(Some(3 * SECOND));
        assert_eq!(wait(&error, 1, 0.0, now, now + 4 * SECOND), Some(3 * SECOND));
        assert_eq!(wait(&error, 1, 0.0, now, now + 3 * SECOND), None);
        assert_eq!(wait(&overloaded(Some(Duration::MAX)), 1, 0.0, now, now + SECOND), None);
    }

    #[test]
    fn final_errors_are_not_tried_again() {
        let now = Instant::now();
        for error in [
            ModelError::Refused("status 401".into()),
            ModelError::QuotaUsedUp("status 429".into()),
            ModelError::Invalid("no JSON".into()),
        ] {
            assert_eq!(wait(&error, 1, 0.5, now, now + SECOND), None, "{error}");
        }
    }
}
