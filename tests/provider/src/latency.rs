//! How long things take: a number, or chance with a shape.

use std::time::Duration;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// The point of the standard normal distribution below which 99 % lie.
const Z_99: f64 = 2.326_347_874_040_841;

/// The longest time that is ever drawn, milliseconds.
const LONGEST_MS: f64 = 600_000.0;

/// A distribution of times, milliseconds. In JSON: `{"fixed": 100}`, `{"uniform": [50, 150]}`,
/// `{"log_normal": {"median": 300, "p99": 1500}}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// Always the same.
    Fixed(f64),
    /// Anything between two.
    Uniform(f64, f64),
    /// A long tail, as servers have it.
    LogNormal {
        /// Half are shorter.
        median: f64,
        /// One in a hundred is longer.
        p99: f64,
    },
}

impl Latency {
    /// No time at all.
    pub const NONE: Self = Self::Fixed(0.0);

    /// Whether it takes no time, so that not even a timer is needed.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// One time.
    pub fn draw(self, random: &mut impl Rng) -> Duration {
        let milliseconds = match self {
            Self::Fixed(time) => time,
            Self::Uniform(from, to) => from + (to - from) * random.random::<f64>(),
            Self::LogNormal { median, p99 } => {
                let sigma = (p99 / median).ln() / Z_99;
                median * (sigma * normal(random)).exp()
            }
        };
        // NaN, from a median of 0, is no time either.
        let milliseconds = if milliseconds > 0.0 { milliseconds.min(LONGEST_MS) } else { 0.0 };
        Duration::from_secs_f64(milliseconds / 1000.0)
    }
}

/// One number of the standard normal distribution (Box and Muller 1958).
fn normal(random: &mut impl Rng) -> f64 {
    let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn quantiles(latency: Latency) -> [f64; 3] {
        let mut random = StdRng::seed_from_u64(1);
        let mut drawn: Vec<_> = (0..100_000).map(|_| latency.draw(&mut random).as_secs_f64() * 1000.0).collect();
        drawn.sort_by(f64::total_cmp);
        [drawn[0], drawn[50_000], drawn[99_000]]
    }

    #[track_caller]
    fn check(latency: Latency, expected: [f64; 3]) {
        let drawn = quantiles(latency);
        assert!(drawn.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 0.03 * b), "{drawn:?}");
    }

    #[test]
    fn the_shapes_are_right() {
        check(Latency::Fixed(20.0), [20.0, 20.0, 20.0]);
        check(Latency::Uniform(50.0, 150.0), [50.0, 100.0, 149.0]);
        let [_, median, p99] = quantiles(Latency::LogNormal { median: 300.0, p99: 1500.0 });
        assert!((median / 300.0 - 1.0).abs() < 0.02 && (p99 / 1500.0 - 1.0).abs() < 0.03, "{median} {p99}");
    }

    #[test]
    fn nothing_makes_it_wait_for_good() {
        let mut random = StdRng::seed_from_u64(1);
        for latency in [Latency::Fixed(f64::NAN), Latency::Fixed(-5.0), Latency::LogNormal { median: 0.0, p99: 0.0 }] {
            assert_eq!(latency.draw(&mut random), Duration::ZERO, "{latency:?}");
        }
        assert_eq!(Latency::Fixed(f64::MAX).draw(&mut random), Duration::from_secs(600));
    }

    #[test]
    fn they_are_read_from_json() {
        let read = |json| serde_json::from_str::<Latency>(json).unwrap();
        assert_eq!(read(r#"{"fixed":100}"#), Latency::Fixed(100.0));
        assert_eq!(read(r#"{"uniform":[50,150]}"#), Latency::Uniform(50.0, 150.0));
        let log_normal = Latency::LogNormal { median: 300.0, p99: 1500.0 };
        assert_eq!(read(r#"{"log_normal":{"median":300,"p99":1500}}"#), log_normal);
    }
}
