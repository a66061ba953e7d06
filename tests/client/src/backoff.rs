//! How long to wait before the next connection.

use conversation::Millis;

/// Exponential backoff with full jitter: a wait between nothing and a bound that doubles with each failure, so that
/// clients that lost a node together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    base_ms: Millis,
    cap_ms: Millis,
    failures: u32,
}

impl Default for Backoff {
    /// The widget's: half a second first, half a minute at most.
    fn default() -> Self {
        Self::new(500, 30_000)
    }
}

impl Backoff {
    /// The bound starts at `base_ms` and grows up to `cap_ms`.
    pub fn new(base_ms: Millis, cap_ms: Millis) -> Self {
        Self { base_ms, cap_ms, failures: 0 }
    }

    /// The next wait, for chance from 0 to 1.
    pub fn next_wait(&mut self, chance: f64) -> Millis {
        let bound = self.base_ms.saturating_mul(1 << self.failures.min(20)).min(self.cap_ms);
        self.failures += 1;
        (bound as f64 * chance) as Millis
    }

    /// A connection was welcomed: the next failure is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_cap_and_starts_again_after_a_welcome() {
        let mut backoff = Backoff::new(100, 500);
        let almost_one = 1.0 - f64::EPSILON;
        let waits: Vec<_> = (0..5).map(|_| backoff.next_wait(almost_one)).collect();
        assert_eq!(waits, [99, 199, 399, 499, 499]);
        backoff.reset();
        assert_eq!(backoff.next_wait(0.5), 50);
        assert_eq!(backoff.next_wait(0.0), 0);
    }
}
