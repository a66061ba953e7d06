//! A rate that is found out by trying: up a little at a time, down at once (additive increase, multiplicative decrease).

use crate::Millis;

/// How often the rate may rise.
const STEP_MS: Millis = 1_000;

/// After a cut the rate rests: answers to what was asked before it are still on their way.
const REST_MS: Millis = 2_000;

/// After so long every node has heard of a cut; what was sent before says nothing new.
const HEARD_MS: Millis = 300;

/// Refusals so soon after a cut say that the cut was not enough.
const AGAIN_MS: Millis = 4_000;

/// How far a cut goes below the rate that the model was found to take.
const BELOW: f64 = 0.93;

/// How far it goes where that rate is not known.
const BLIND: f64 = 0.7;

/// How far a refusal brings the rate down where headers tell the limit.
const DIP: f64 = 0.9;

/// By how much more the rate grows in each step beyond the rate that was once refused. Gentle at first, since most often
/// nothing has changed; doubled within ten seconds, if something has.
const BOLDER: f64 = 0.015;

/// By how much it grows in a step until the second cut: until then nothing is measured.
const FIRST: f64 = 1.15;

/// Where the truth is thought to be between the mean since the last refusal (0) and the rate that was refused (1).
const TRUST_NEWEST: f64 = 0.33;

const LOWEST: f64 = 0.001;
const HIGHEST: f64 = 10_000.0;

/// What the known or guessed limits are multiplied by. All nodes share one, by compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The multiplier now.
    pub value: f64,
    /// What the model takes, as far as refusals told. `None`: nothing was refused yet.
    pub ceiling: Option<f64>,
    /// When it was cut last.
    pub cut_at: Millis,
    /// When it was changed last.
    pub changed_at: Millis,
    /// The sum over time of what was asked for since the last cut: multiplier × milliseconds.
    pub asked: f64,
    /// Steps beyond the ceiling since the last cut.
    pub beyond: u32,
}

impl Scale {
    /// Nothing is known yet.
    pub fn new(now: Millis) -> Self {
        Self { value: 1.0, ceiling: None, cut_at: 0, changed_at: now, asked: 0.0, beyond: 0 }
    }

    /// After a request that was sent at `sent_at` was refused. `None`: an answer to what was asked before the last cut.
    pub(crate) fn cut(&self, sent_at: Millis, now: Millis) -> Option<Self> {
        if sent_at < self.cut_at.saturating_add(HEARD_MS) || now < self.changed_at {
            return None;
        }
        let since = now.saturating_sub(self.cut_at);
        let ceiling = if since < AGAIN_MS || self.cut_at == 0 {
            self.value * BLIND / BELOW
        } else {
            // From one refusal to the next, the model's bucket went from empty to empty: what it gave is what flowed in, or
            // less, if it was full in between. So the truth is not below the mean, nor above what was refused.
            let mean = (self.asked + self.value * now.saturating_sub(self.changed_at) as f64) / since as f64;
            mean.min(self.value) * (1.0 - TRUST_NEWEST) + self.value * TRUST_NEWEST
        };
        let value = (ceiling * BELOW).clamp(LOWEST, HIGHEST);
        Some(Self { value, ceiling: Some(ceiling), cut_at: now, changed_at: now, asked: 0.0, beyond: 0 })
    }

    /// The same, where the limits that it multiplies were guessed just now: they may be far too low, so it rises fast.
    pub(crate) fn cut_guess(&self, sent_at: Millis, now: Millis) -> Option<Self> {
        self.cut(sent_at, now).map(|cut| Self { ceiling: None, ..cut })
    }

    /// After a refusal by a model whose headers tell its limit: a little less for a few seconds.
    pub(crate) fn dip(&self, sent_at: Millis, now: Millis) -> Option<Self> {
        if sent_at < self.cut_at.saturating_add(HEARD_MS) || now < self.changed_at {
            return None;
        }
        let value = (self.value * DIP).max(LOWEST);
        Some(Self { value, ceiling: Some(1.0), cut_at: now, changed_at: now, asked: 0.0, beyond: 0 })
    }

    /// One step up, if it is time; `highest`: where limits are configured or told, there is no sense in going beyond.
    pub(crate) fn raise(&self, highest: Option<f64>, now: Millis) -> Option<Self> {
        let highest = highest.unwrap_or(HIGHEST);
        let elapsed = now.saturating_sub(self.changed_at);
        if elapsed < STEP_MS || now < self.cut_at.saturating_add(REST_MS) || self.value >= highest {
            return None;
        }
        let (value, beyond) = match self.ceiling {
            None => (self.value * FIRST, 0),
            Some(ceiling) if self.value < ceiling * 0.99 => {
                ((self.value + ((ceiling - self.value) * 0.3).max(ceiling * 0.01)).min(ceiling), 0)
            }
            Some(_) => (self.value * (1.0 + BOLDER * f64::from(self.beyond + 1)), self.beyond + 1),
        };
        // A pause in which nobody waited is no time in which so much was asked for.
        let asked = self.asked + self.value * elapsed.min(2 * STEP_MS) as f64;
        Some(Self { value: value.min(highest), beyond, changed_at: now, asked, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_what_was_sent_before_the_cut_cut_nothing() {
        let cut = Scale::new(0).cut(10_000, 10_100).unwrap();
        assert_eq!(cut.cut(10_290, 10_500), None);
        assert!(cut.cut(11_000, 11_100).is_some_and(|again| again.value < cut.value));
    }

    #[test]
    fn the_first_cut_is_blind_and_a_later_one_goes_to_what_was_taken() {
        let first = Scale::new(0).cut(10_000, 10_000).unwrap();
        assert!((first.value - BLIND).abs() < 1e-9);
        let asked = Scale { value: 1.4, asked: 0.9 * 20_000.0, changed_at: 30_000, ..first };
        let second = asked.cut(30_000, 30_000).unwrap();
        let ceiling = second.ceiling.unwrap();
        assert!(ceiling > 0.9 && ceiling < 1.15 && (second.value - ceiling * BELOW).abs() < 1e-9, "{ceiling}");
    }

    #[test]
    fn a_rate_that_is_never_refused_doubles_within_twenty_seconds_of_the_cut() {
        let mut scale = Scale { ceiling: Some(1.0), value: BELOW, cut_at: 0, changed_at: 0, asked: 0.0, beyond: 0 };
        for now in (0..=20_000).step_by(250) {
            scale = scale.raise(None, now).unwrap_or(scale);
        }
        assert!(scale.value >= 1.9, "{}", scale.value);
    }

    #[test]
    fn what_is_configured_is_not_gone_beyond() {
        let mut scale = Scale::new(0);
        for now in (0..60_000).step_by(1_000) {
            scale = scale.raise(Some(1.0), now).unwrap_or(scale);
        }
        assert_eq!(scale.value, 1.0);
    }
}
