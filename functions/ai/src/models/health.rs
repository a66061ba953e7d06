//! Whether a model has just failed, so that others are tried before it. Only a hint, and only of this process.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::ModelError;

/// Failures in a row after which a model is put behind the others.
const FAILURES: u32 = 3;

/// For how long.
const BEHIND: Duration = Duration::from_secs(5);

/// The longest time that a server's own word on when to come back is heeded.
const LONGEST: Duration = Duration::from_secs(30);

/// One model's recent failures.
#[derive(Debug, Default)]
pub(super) struct Health {
    in_a_row: u32,
    behind_until: Option<Instant>,
}

impl Health {
    /// The model has begun to answer.
    pub(super) fn handle_answer(&mut self) {
        *self = Self::default();
    }

    /// The model has failed before any content.
    pub(super) fn handle_error(&mut self, error: &ModelError, now: Instant) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        // An account with nothing left has nothing left for the next turn either.
        let is_plain = matches!(error, ModelError::QuotaUsedUp(_));
        let wait = match error.retry_after() {
            Some(wait) => Some(wait.min(LONGEST)),
            None => (is_plain || self.in_a_row >= FAILURES).then_some(BEHIND),
        };
        self.behind_until = self.behind_until.max(wait.map(|wait| now + wait));
    }

    /// Whether others should be tried before it.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        self.behind_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn broken() -> ModelError {
        ModelError::Unreachable("it broke".into())
    }

    #[test]
    fn a_model_is_put_behind_after_three_failures_in_a_row_and_for_a_while() {
        let (now, mut health) = (Instant::now(), Health::default());
        for _ in 0..2 {
            health.handle_error(&broken(), now);
        }
        assert!(!health.is_behind(now));
        health.handle_error(&broken(), now);
        assert!(health.is_behind(now + 4 * SECOND) && !health.is_behind(now + 5 * SECOND));
    }

    #[test]
    fn an_answer_forgives_all_failures() {
        let (now, mut health) = (Instant::now(), Health::default());
        for _ in 0..3 {
            health.handle_error(&broken(), now);
        }
        health.handle_answer();
        assert!(!health.is_behind(now));
        health.handle_error(&broken(), now);
        assert!(!health.is_behind(now));
    }

    #[test]
    fn a_servers_own_time_is_heeded_within_bounds_and_a_used_up_quota_at_once() {
        let now = Instant::now();
        let behind = |error: ModelError, after: Duration| {
            let mut health = Health::default();
            health.handle_error(&error, now);
            health.is_behind(now + after)
        };
        let limited = |wait| ModelError::RateLimited { detail: "status 429".into(), retry_after: Some(wait) };
        assert!(behind(limited(2 * SECOND), SECOND) && !behind(limited(2 * SECOND), 2 * SECOND));
        assert!(!behind(limited(3600 * SECOND), 30 * SECOND));
        assert!(behind(ModelError::QuotaUsedUp("status 429".into()), SECOND));
        assert!(!behind(ModelError::Refused("status 400".into()), SECOND), "it may be about one message");
    }
}
