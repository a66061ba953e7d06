//! Who is asked next, and when: logic without I/O.
//!
//! Each model has up to four attempts. Those with the fewest come first, in the site's order, so that every model is tried
//! before one is tried again. A model that failed for good in this turn (a wrong key, a used-up quota, a stall, rubbish) is
//! not asked again; one that may recover is, after a random wait that doubles, or when its server said.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::ModelError;

/// The most attempts of one model in one turn.
const MAX_ATTEMPTS: u32 = 4;

/// The wait before a model's second attempt, at most; it doubles with each further one.
const BASE: Duration = Duration::from_millis(200);

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask this model. `until`: then the next one's time begins; without it, it has all that is left.
    Ask { index: usize, until: Option<Instant> },
    /// Nobody is to be asked before this moment.
    Wait(Instant),
    /// Nobody is left, or nobody in time.
    GiveUp(ModelError),
}

/// One turn's way through its models.
#[derive(Debug)]
pub(super) struct Course {
    candidates: Vec<Candidate>,
    try_until: Instant,
    last_error: ModelError,
}

#[derive(Debug)]
struct Candidate {
    index: usize,
    attempts: u32,
    /// When it may be asked again. Nothing: not in this turn. A candidate that was never asked may be at once.
    due: Option<Due>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Now,
    At(Instant),
}

impl Course {
    /// Through the models at these places, in this order.
    pub(super) fn new(order: Vec<usize>, try_until: Instant) -> Self {
        let candidate = |index| Candidate { index, attempts: 0, due: Some(Due::Now) };
        let last_error = ModelError::Refused("none of the models that may be asked is configured".into());
        Self { candidates: order.into_iter().map(candidate).collect(), try_until, last_error }
    }

    pub(super) fn poll_step(&mut self, now: Instant) -> Step {
        let others = self.candidates.iter().filter(|candidate| candidate.due.is_some()).count().saturating_sub(1);
        let is_due = |candidate: &&mut Candidate| candidate.due.is_some_and(|due| due <= Due::At(now));
        // The first of those with the fewest attempts.
        if let Some(candidate) = self.candidates.iter_mut().filter(is_due).min_by_key(|candidate| candidate.attempts) {
            candidate.attempts += 1;
            let share = self.try_until.saturating_duration_since(now) / 2;
            return Step::Ask { index: candidate.index, until: (others > 0).then(|| now + share) };
        }
        match self.candidates.iter().filter_map(|candidate| candidate.due).min() {
            Some(Due::At(at)) => Step::Wait(at),
            _ => Step::GiveUp(self.last_error.clone()),
        }
    }

    /// The model at this place failed, before any content. `jitter` is in 0..1.
    pub(super) fn handle_error(&mut self, index: usize, error: ModelError, jitter: f64, now: Instant) {
        if let Some(candidate) = self.candidates.iter_mut().find(|candidate| candidate.index == index) {
            let wait = wait(&error, candidate.attempts, jitter);
            let at = wait.and_then(|wait| now.checked_add(wait)).filter(|at| *at < self.try_until);
            candidate.due = at.map(Due::At);
        }
        self.last_error = error;
    }

    /// Nobody will be asked any more.
    pub(super) fn is_over(&self) -> bool {
        self.candidates.iter().all(|candidate| candidate.due.is_none())
    }
}

/// How long to wait before attempt `attempts` + 1, or nothing if `error` is final.
///
/// A server that names a time gets it. Without one the wait is random below the limit, so that many functions do not come
/// back together.
fn wait(error: &ModelError, attempts: u32, jitter: f64) -> Option<Duration> {
    if !error.is_transient() || attempts >= MAX_ATTEMPTS {
        return None;
    }
    let limit = BASE * 2_u32.saturating_pow(attempts.saturating_sub(1)).min(16);
    Some(error.retry_after().unwrap_or_else(|| limit.mul_f64(jitter.clamp(0.0, 1.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn overloaded(retry_after: Option<Duration>) -> ModelError {
        ModelError::Unavailable { detail: "status 503".into(), retry_after }
    }

    fn refused() -> ModelError {
        ModelError::Refused("status 401".into())
    }

    fn ask(index: usize, until: Option<Instant>) -> Step {
        Step::Ask { index, until }
    }

    #[test]
    fn one_model_has_all_the_time_four_attempts_and_waits_that_grow() {
        let start = Instant::now();
        let mut course = Course::new(vec![0], start + 60 * SECOND);
        let mut now = start;
        for wait in [BASE, 2 * BASE, 4 * BASE] {
            assert_eq!(course.poll_step(now), ask(0, None));
            course.handle_error(0, overloaded(None), 1.0, now);
            assert_eq!(course.poll_step(now), Step::Wait(now + wait));
            now += wait;
        }
        assert_eq!(course.poll_step(now), ask(0, None));
        course.handle_error(0, overloaded(None), 1.0, now);
        assert!(course.is_over());
        assert_eq!(course.poll_step(now), Step::GiveUp(overloaded(None)));
    }

    #[test]
    fn while_another_model_is_left_one_gets_half_of_the_time_that_is_left() {
        let start = Instant::now();
        let mut course = Course::new(vec![2, 0, 1], start + 8 * SECOND);
        assert_eq!(course.poll_step(start), ask(2, Some(start + 4 * SECOND)));
        course.handle_error(2, ModelError::TimedOut("its share"), 0.5, start + 4 * SECOND);
        assert_eq!(course.poll_step(start + 4 * SECOND), ask(0, Some(start + 6 * SECOND)));
        course.handle_error(0, refused(), 0.5, start + 5 * SECOND);
        assert_eq!(course.poll_step(start + 5 * SECOND), ask(1, None));
    }

    #[test]
    fn every_model_is_tried_before_one_is_tried_again_and_only_those_that_may_recover() {
        let start = Instant::now();
        let mut course = Course::new(vec![0, 1, 2], start + 60 * SECOND);
        for (index, error) in [(0, overloaded(None)), (1, refused()), (2, overloaded(None))] {
            assert!(matches!(course.poll_step(start), Step::Ask { index: asked, .. } if asked == index));
            course.handle_error(index, error, 0.0, start);
        }
        assert!(matches!(course.poll_step(start), Step::Ask { index: 0, .. }));
        course.handle_error(0, refused(), 0.0, start);
        assert_eq!(course.poll_step(start), ask(2, None));
    }

    #[test]
    fn the_servers_own_time_is_kept_unless_it_is_too_late() {
        let now = Instant::now();
        for (retry_after, next) in [
            (3 * SECOND, Step::Wait(now + 3 * SECOND)),
            (4 * SECOND, Step::GiveUp(overloaded(Some(4 * SECOND)))),
            (Duration::MAX, Step::GiveUp(overloaded(Some(Duration::MAX)))),
        ] {
            let mut course = Course::new(vec![0], now + 4 * SECOND);
            course.poll_step(now);
            course.handle_error(0, overloaded(Some(retry_after)), 0.0, now);
            assert_eq!(course.poll_step(now), next);
        }
    }

    #[test]
    fn final_errors_end_the_course_at_once() {
        let now = Instant::now();
        for error in [
            refused(),
            ModelError::QuotaUsedUp("status 429".into()),
            ModelError::Invalid("no JSON".into()),
            ModelError::TimedOut("its share"),
        ] {
            let mut course = Course::new(vec![0], now + SECOND);
            course.poll_step(now);
            course.handle_error(0, error.clone(), 0.0, now);
            assert_eq!((course.is_over(), course.poll_step(now)), (true, Step::GiveUp(error)));
        }
    }

    #[test]
    fn without_a_model_there_is_an_error_that_says_so() {
        let now = Instant::now();
        assert!(matches!(Course::new(vec![], now).poll_step(now), Step::GiveUp(ModelError::Refused(_))));
    }
}
