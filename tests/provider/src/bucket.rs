//! A token bucket in whole numbers: no rounding, however long it runs.

use std::time::Duration;

/// Microseconds of a minute: the bucket counts in this part of one token, so that a microsecond adds a whole number.
const MINUTE_US: i128 = 60_000_000;

/// Fills at so many per minute, and holds what comes in one window. Time is passed in, counted from any moment.
#[derive(Debug, Clone)]
pub struct Bucket {
    per_minute: i128,
    window_us: i128,
    /// In millionths of a sixtieth of a token. Below 0 after a charge for more than there was.
    level: i128,
    at: Duration,
}

impl Bucket {
    /// A full bucket. A quota of 60 per minute with a window of one second lets one through each second.
    pub fn new(per_minute: u64, window: Duration, now: Duration) -> Self {
        let mut bucket = Self { per_minute: per_minute.into(), window_us: micros(window), level: 0, at: now };
        bucket.level = bucket.capacity();
        bucket
    }

    /// The quota: so many per minute.
    pub fn per_minute(&self) -> u64 {
        self.per_minute.try_into().unwrap_or(u64::MAX)
    }

    /// Whole tokens that are there; 0 while it is in debt.
    pub fn remaining(&mut self, now: Duration) -> u64 {
        self.fill(now);
        (self.level / MINUTE_US).max(0).try_into().unwrap_or(u64::MAX)
    }

    /// How long until it is full.
    pub fn full_in(&mut self, now: Duration) -> Duration {
        self.fill(now);
        self.time_for(self.capacity() - self.level)
    }

    /// How long until `cost` would be let through. Something larger than the whole bucket waits until it is full.
    pub fn wait_for(&mut self, cost: u64, now: Duration) -> Duration {
        self.fill(now);
        let needed = (i128::from(cost) * MINUTE_US).min(self.capacity());
        self.time_for(needed - self.level)
    }

    /// Takes `cost`, also where that leaves a debt.
    pub fn charge(&mut self, cost: u64, now: Duration) {
        self.fill(now);
        self.level -= i128::from(cost) * MINUTE_US;
    }

    /// Takes `cost` as far as there is any.
    pub fn drain(&mut self, cost: u64, now: Duration) {
        self.fill(now);
        self.level = (self.level - i128::from(cost) * MINUTE_US).max(self.level.min(0));
    }

    /// Gives back what was taken.
    pub fn give_back(&mut self, cost: u64, now: Duration) {
        self.fill(now);
        self.level = (self.level + i128::from(cost) * MINUTE_US).min(self.capacity());
    }

    /// Another quota, or another window, from now on. What is there stays, as far as there is room for it.
    pub fn change(&mut self, per_minute: u64, window: Duration, now: Duration) {
        self.fill(now);
        (self.per_minute, self.window_us) = (per_minute.into(), micros(window));
        self.level = self.level.min(self.capacity());
    }

    fn capacity(&self) -> i128 {
        // Less than one token would let nothing through, ever.
        (self.per_minute * self.window_us).max(MINUTE_US)
    }

    fn fill(&mut self, now: Duration) {
        let passed = micros(now.saturating_sub(self.at));
        self.level = (self.level + passed * self.per_minute).min(self.capacity());
        self.at = self.at.max(now);
    }

    fn time_for(&self, missing: i128) -> Duration {
        if missing <= 0 {
            return Duration::ZERO;
        }
        if self.per_minute == 0 {
            return Duration::from_secs(3600);
        }
        let micros = (missing + self.per_minute - 1) / self.per_minute;
        Duration::from_micros(micros.try_into().unwrap_or(u64::MAX))
    }
}

fn micros(time: Duration) -> i128 {
    time.as_micros().try_into().unwrap_or(i128::MAX / MINUTE_US)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The same by another way: every millisecond is a step, and a level in floating point is filled step by step.
    struct Model {
        level: f64,
        per_ms: f64,
        capacity: f64,
    }

    #[test]
    fn it_does_what_a_plain_computation_step_by_step_does() {
        for (per_minute, window_s) in [(60, 1), (600, 1), (3000, 5), (90_000, 5), (90_000, 60)] {
            let window = Duration::from_secs(window_s);
            let capacity = (per_minute * window_s) as f64 / 60.0;
            let mut model = Model { level: capacity, per_ms: per_minute as f64 / 60_000.0, capacity };
            let mut bucket = Bucket::new(per_minute, window, Duration::ZERO);
            let mut random = StdRng::seed_from_u64(per_minute);
            for step in 1..=30_000 {
                model.level = (model.level + model.per_ms).min(model.capacity);
                let cost = random.random_range(1..=(per_minute / 60).max(1));
                if (bucket.level as f64 / MINUTE_US as f64 - model.level).abs() > model.per_ms + 1e-6 {
                    panic!("{} and {} at {step}", bucket.level as f64 / MINUTE_US as f64, model.level);
                }
                // Where the sum of 30,000 roundings decides, neither is wrong.
                let near = (model.level - cost as f64).abs() < 1e-6;
                let lets_through = bucket.wait_for(cost, ms(step)).is_zero();
                assert!(near || lets_through == (model.level >= cost as f64), "{per_minute} {window_s} {step}");
                if lets_through {
                    bucket.charge(cost, ms(step));
                    model.level -= cost as f64;
                }
            }
        }
    }

    #[test]
    fn sixty_per_minute_in_windows_of_a_second_is_one_a_second() {
        let mut bucket = Bucket::new(60, ms(1000), Duration::ZERO);
        assert_eq!(bucket.remaining(ms(0)), 1);
        bucket.charge(1, ms(0));
        assert_eq!((bucket.wait_for(1, ms(300)), bucket.wait_for(1, ms(1000))), (ms(700), ms(0)));
    }

    #[test]
    fn a_wait_is_exactly_as_long_as_it_says() {
        let mut bucket = Bucket::new(7, ms(60_000), Duration::ZERO);
        bucket.charge(7, ms(0));
        let wait = bucket.wait_for(3, ms(0));
        assert_eq!(wait, Duration::from_micros(25_714_286));
        assert_eq!(bucket.wait_for(3, wait - Duration::from_micros(1)), Duration::from_micros(1));
        assert_eq!(bucket.wait_for(3, wait), Duration::ZERO);
    }

    #[test]
    fn what_is_larger_than_the_bucket_waits_until_it_is_full_and_leaves_a_debt() {
        let mut bucket = Bucket::new(60, ms(5000), Duration::ZERO);
        assert_eq!(bucket.wait_for(20, ms(0)), ms(0));
        bucket.charge(20, ms(0));
        assert_eq!((bucket.remaining(ms(0)), bucket.wait_for(1, ms(0))), (0, ms(16_000)));
        assert_eq!(bucket.wait_for(20, ms(0)), ms(20_000));
    }

    #[test]
    fn a_halved_quota_keeps_what_has_room_and_a_doubled_one_fills_faster() {
        let mut bucket = Bucket::new(120, ms(60_000), Duration::ZERO);
        bucket.change(60, ms(60_000), ms(0));
        assert_eq!(bucket.remaining(ms(0)), 60);
        bucket.charge(60, ms(0));
        bucket.change(240, ms(60_000), ms(0));
        assert_eq!((bucket.remaining(ms(0)), bucket.remaining(ms(1000)), bucket.full_in(ms(1000))), (0, 4, ms(59_000)));
    }

    #[test]
    fn refused_requests_drain_it_and_never_into_debt() {
        let mut bucket = Bucket::new(60, ms(2000), Duration::ZERO);
        bucket.drain(5, ms(0));
        assert_eq!(bucket.wait_for(1, ms(0)), ms(1000));
        bucket.charge(3, ms(0));
        bucket.drain(1, ms(0));
        assert_eq!(bucket.wait_for(1, ms(0)), ms(4000), "a debt is not made smaller");
    }

    #[test]
    fn what_is_given_back_never_overflows() {
        let mut bucket = Bucket::new(60, ms(5000), Duration::ZERO);
        bucket.charge(2, ms(0));
        bucket.give_back(4, ms(0));
        assert_eq!(bucket.remaining(ms(0)), 5);
    }
}
