//! What a model allows: configured, or said by its headers.

use crate::Millis;

/// A model that says nothing about how it spreads a minute is thought to look at each second.
const SHORTEST_WINDOW_MS: f64 = 1_000.0;
const MINUTE_MS: f64 = 60_000.0;

/// What is left between the rate asked for and the limit.
const MARGIN: f64 = 0.99;

/// How full the model's own bucket is held. Between empty and full nothing is wasted and nothing refused, so the rate goes
/// down as the bucket gets emptier than this, and up as it gets fuller.
const AIM: f64 = 0.45;

/// A bucket that holds far more than that is only held as full as needed against what is under way.
const AIM_MS: f64 = 3_000.0;

/// How far below the limit an empty bucket brings the rate, and how far above it a full one.
const SLOWEST: f64 = 0.5;
const FASTEST: f64 = 1.3;

/// A limit that is less than what is known divided by this is not believed at once.
const IMPLAUSIBLE: f64 = 4.0;

/// So many headers in a row that say so are taken for a mistake.
const DOUBTED: u32 = 2;

/// For how long a bucket's level, once told, says something.
const LEVEL_HOLDS_MS: Millis = 5_000;

/// What the headers of one response say of one quota. Zero limits and absent values mean nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limit {
    /// How much a minute allows.
    pub limit: Option<u64>,
    /// How much is left now.
    pub remaining: Option<u64>,
    /// When all of it is there again, milliseconds.
    pub reset_ms: Option<u64>,
}

/// What is known of one quota, as nodes tell each other.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Allowance {
    /// A minute's worth, as the headers said. 0: they did not.
    pub per_minute: f64,
    /// How much the model's own bucket holds when full. 0: not known.
    pub capacity: f64,
}

/// The two quotas of a model, as one node knows them.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub(crate) requests: Known,
    pub(crate) tokens: Known,
}

impl Limits {
    /// From the configuration; 0: not known. `requests_per_minute`, `tokens_per_minute`.
    pub fn configured(requests: u64, tokens: u64) -> Self {
        Self { requests: Known::new((requests * super::REQUEST) as f64), tokens: Known::new(tokens as f64) }
    }
}

/// What a node knows of one quota.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    configured: f64,
    pub(crate) told: Allowance,
    /// How full the model's bucket was, 0 to 1, and when.
    fill: Option<(f64, Millis)>,
    /// What one turn takes of it, on average.
    typical: f64,
    /// How many headers in a row said far less than is known.
    doubted: u32,
    /// Turns that went without a place in the line since a header last told of this quota.
    tried: u32,
}

impl Known {
    fn new(configured: f64) -> Self {
        Self { configured, told: Allowance::default(), fill: None, typical: 0.0, doubted: 0, tried: 0 }
    }

    /// A minute's worth. `None`: nobody said.
    pub(crate) fn per_minute(&self) -> Option<f64> {
        match (self.configured > 0.0, self.told.per_minute > 0.0) {
            // An operator who says less than the model leaves the rest to somebody else.
            (true, true) => Some(self.configured.min(self.told.per_minute)),
            (true, false) => Some(self.configured),
            (false, true) => Some(self.told.per_minute),
            (false, false) => None,
        }
    }

    /// How much may be asked for at once: half of what the model's bucket holds, and always one turn.
    pub(crate) fn burst(&self, per_minute: f64) -> f64 {
        let shortest = per_minute * SHORTEST_WINDOW_MS / MINUTE_MS;
        let capacity = if self.told.capacity > 0.0 { self.told.capacity.min(per_minute) } else { shortest };
        (capacity * 0.5).max(self.typical)
    }

    /// The rate at `scale`, a minute, given how full the model's bucket is.
    pub(crate) fn rate(&self, per_minute: f64, now: Millis) -> f64 {
        per_minute * MARGIN * self.gain(now)
    }

    fn gain(&self, now: Millis) -> f64 {
        let Some((fill, at)) = self.fill else { return 1.0 };
        if now.saturating_sub(at) > LEVEL_HOLDS_MS || self.is_less_configured() {
            return 1.0;
        }
        // Where a bucket holds but a few turns, each of them makes it look empty or full.
        let turns = self.told.capacity / self.typical.max(1.0);
        let strength = ((turns - 2.0) / 10.0).clamp(0.0, 1.0);
        let aim = AIM.min(AIM_MS * self.told.per_minute / MINUTE_MS / self.told.capacity.max(1.0));
        let wish = if fill < aim {
            SLOWEST + (1.0 - SLOWEST) * fill / aim
        } else {
            1.0 + (FASTEST - 1.0) * (fill - aim) / (1.0 - aim)
        };
        1.0 + (wish - 1.0) * strength
    }

    fn is_less_configured(&self) -> bool {
        self.configured > 0.0 && self.configured < self.told.per_minute
    }

    /// A turn is about to take so much.
    pub(crate) fn handle_taken(&mut self, amount: f64) {
        self.typical = if self.typical > 0.0 { self.typical + 0.05 * (amount - self.typical) } else { amount };
    }

    /// The headers of a response, in the unit of `unit` of this quota each.
    pub(crate) fn handle_header(&mut self, header: Limit, unit: f64, now: Millis) {
        let Some(limit) = header.limit.filter(|limit| *limit > 0).map(|limit| limit as f64 * unit) else { return };
        self.tried = 0;
        if self.per_minute().is_some_and(|known| limit < known / IMPLAUSIBLE) && self.doubted < DOUBTED {
            self.doubted += 1;
            return;
        }
        self.doubted = 0;
        let changed = (limit - self.told.per_minute).abs() > 0.01 * limit;
        if changed {
            // What the bucket held under another limit says nothing about this one.
            self.told = Allowance { per_minute: limit, capacity: 0.0 };
            self.fill = None;
        }
        let Some(remaining) = header.remaining.map(|remaining| remaining as f64 * unit) else { return };
        let least = limit * SHORTEST_WINDOW_MS / MINUTE_MS;
        let seen = header.reset_ms.map_or(remaining, |reset| remaining + limit * reset as f64 / MINUTE_MS);
        let capacity = seen.clamp(least, limit);
        self.told.capacity = match header.reset_ms {
            // Headers are rounded to seconds by some: the mean of many is near.
            Some(_) if self.told.capacity > 0.0 => self.told.capacity + 0.2 * (capacity - self.told.capacity),
            Some(_) => capacity,
            None => self.told.capacity.max(capacity),
        };
        self.fill = Some(((remaining / self.told.capacity).clamp(0.0, 1.0), now));
    }

    /// Nobody says any more what the headers said.
    pub(crate) fn forget_told(&mut self) {
        (self.told, self.fill, self.doubted, self.tried) = (Allowance::default(), None, 0, 0);
    }

    /// A turn goes to hear what headers say today.
    pub(crate) fn handle_tried(&mut self) {
        self.tried += u32::from(self.is_told());
    }

    /// Turns that went so since a header last told of this quota, if any ever did.
    pub(crate) fn tried(&self) -> u32 {
        if self.is_told() { self.tried } else { 0 }
    }

    /// Whether headers said something.
    pub(crate) fn is_told(&self) -> bool {
        self.told.per_minute > 0.0
    }

    /// Another node's headers, newer than ours.
    pub(crate) fn handle_told(&mut self, told: Allowance) {
        if (told.per_minute - self.told.per_minute).abs() > 0.01 * told.per_minute {
            self.fill = None;
            self.told = told;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(limit: u64, remaining: u64, reset_ms: Option<u64>) -> Limit {
        Limit { limit: Some(limit), remaining: Some(remaining), reset_ms }
    }

    #[test]
    fn a_bucket_of_one_second_is_learnt_from_when_it_is_full_again() {
        let mut known = Known::new(0.0);
        known.handle_header(header(6_000, 40, Some(600)), 1.0, 0);
        assert_eq!(known.told, Allowance { per_minute: 6_000.0, capacity: 100.0 });
        assert_eq!(known.burst(6_000.0), 50.0);
    }

    #[test]
    fn without_a_word_about_it_a_minute_is_thought_to_be_cut_in_seconds() {
        let known = Known::new(6_000.0);
        assert_eq!((known.per_minute(), known.burst(6_000.0)), (Some(6_000.0), 50.0));
    }

    #[test]
    fn headers_that_make_no_sense_mean_nothing() {
        let mut known = Known::new(600.0);
        for bad in [header(0, 5, None), Limit { limit: None, remaining: Some(0), reset_ms: Some(0) }] {
            known.handle_header(bad, 1.0, 0);
        }
        assert_eq!(known, Known::new(600.0));
    }

    #[test]
    fn a_limit_far_below_what_is_known_must_be_said_three_times() {
        let mut known = Known::new(0.0);
        known.handle_header(header(6_000, 50, None), 1.0, 0);
        for (lies, limit) in [(1, 6_000.0), (2, 6_000.0), (3, 1.0)] {
            let mut known = known.clone();
            (0..lies).for_each(|at| known.handle_header(header(1, 0, Some(60_000)), 1.0, at));
            assert_eq!(known.per_minute(), Some(limit), "{lies}");
        }
        for at in 0..10 {
            known.handle_header(header(1, 0, None), 1.0, at);
            known.handle_header(header(6_000, 50, None), 1.0, at);
        }
        assert_eq!(known.per_minute(), Some(6_000.0), "not in a row");
    }

    #[test]
    fn whatever_a_header_says_the_rate_stays_within_bounds_of_its_limit() {
        for (remaining, reset) in [(0, None), (0, Some(u64::MAX)), (u64::MAX, Some(0)), (u64::MAX, Some(u64::MAX))] {
            let mut known = Known::new(0.0);
            known.handle_taken(1.0);
            known.handle_header(header(6_000, remaining, reset), 1.0, 0);
            let (rate, burst) = (known.rate(6_000.0, 0), known.burst(6_000.0));
            assert!((2_900.0..8_000.0).contains(&rate) && (50.0..=3_000.0).contains(&burst), "{rate} {burst}");
        }
    }

    #[test]
    fn the_rate_falls_as_the_models_bucket_empties_and_rises_as_it_fills() {
        let rate = |remaining| {
            let mut known = Known::new(0.0);
            known.handle_taken(1.0);
            known.handle_header(header(6_000, remaining, Some((100 - remaining) * 10)), 1.0, 0);
            known.rate(6_000.0, 1)
        };
        let [empty, aim, full] = [0, 45, 100].map(rate);
        assert!(empty < 3_100.0 && (5_930.0..5_950.0).contains(&aim) && full > 6_600.0, "{empty} {aim} {full}");
    }

    #[test]
    fn the_lower_of_what_is_configured_and_what_is_told_holds() {
        let mut known = Known::new(300.0);
        known.handle_header(header(500, 500, None), 1.0, 0);
        assert_eq!(known.per_minute(), Some(300.0));
        assert!((known.rate(300.0, 0) - 297.0).abs() < 1e-9, "a full bucket is no reason to go beyond one's own limit");
        known.handle_header(header(200, 100, None), 1.0, 0);
        assert_eq!(known.per_minute(), Some(200.0));
    }
}
