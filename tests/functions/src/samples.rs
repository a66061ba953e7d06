//! Durations that were measured.

use std::fmt;
use std::time::Duration;

/// Durations, in no order.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The smallest sample that at least `percent` of all do not exceed (the nearest rank). Zero when there are none.
    fn percentile(&self, percent: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |percent| self.percentile(percent).as_secs_f64() * 1_000.0;
        let (p50, p99, largest) = (ms(50.0), ms(99.0), ms(100.0));
        write!(f, "n {}, p50 {p50:.2} ms, p99 {p99:.2} ms, largest {largest:.2} ms", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let samples = Samples((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(samples.to_string(), "n 200, p50 100.00 ms, p99 198.00 ms, largest 200.00 ms");
        assert_eq!(Samples::default().percentile(50.0), Duration::ZERO);
    }
}
