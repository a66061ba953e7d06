//! Durations that were measured.

use std::time::Duration;

/// Durations, in no order.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(crate) fn extend(&mut self, other: Samples) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that at least `percent` of all do not exceed (the nearest rank). Zero when there are none.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Count, median, p99 and largest, as cells of a table.
    pub(crate) fn cells(&self) -> [String; 4] {
        let largest = self.percentile(100.0);
        [self.len().to_string(), show(self.percentile(50.0)), show(self.percentile(99.0)), show(largest)]
    }
}

/// A duration with three digits that mean something.
pub(crate) fn show(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        ..1_000.0 => format!("{micros:.0} µs"),
        ..10_000.0 => format!("{:.2} ms", micros / 1e3),
        ..100_000.0 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.0} ms", micros / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let samples = Samples((1..=200).rev().map(Duration::from_millis).collect());
        let ms = |percent| samples.percentile(percent).as_millis();
        assert_eq!((ms(50.0), ms(99.0), ms(100.0), ms(0.0)), (100, 198, 200, 1));
        assert_eq!(Samples::default().percentile(50.0), Duration::ZERO);
    }

    #[test]
    fn durations_are_shown_in_a_unit_that_fits() {
        let shown = [83, 1_234, 12_345, 123_456].map(|micros| show(Duration::from_micros(micros)));
        assert_eq!(shown, ["83 µs", "1.23 ms", "12.3 ms", "123 ms"]);
    }
}
