//! A rate that is found out by trying: up a little at a time, down at once (additive increase, multiplicative decrease).

use crate::Millis;

/// How often the rate may rise.
const STEP_MS: Millis = 1_000;

/// After so long every node has heard of a cut; what was sent before says nothing new.
const HEARD_MS: Millis = 300;

/// How far a cut goes where it is not known what the model takes.
const BLIND: f64 = 0.7;

/// How far one cut goes at most: between two refusals that follow each other at once, chance decides.
const DEEPEST: f64 = 0.5;

/// Where the rate starts after a cut, as a part of what the model was found to take. What has flowed in during the pause after
/// the refusal is used up when the rate rises beyond it.
const START: f64 = 1.0;

/// How far a refusal brings the rate down where headers tell the limit.
const DIP: f64 = 0.9;

/// By how much more the rate grows in each step beyond what the model was found to take. Gentle at first, since most often
/// nothing has changed; doubled within ten seconds, if something has.
const BOLDER: f64 = 0.03;

/// For so many steps after a cut it does not grow.
const STEADY: u32 = 3;

/// By how much it grows in a step until the second cut: until then nothing is measured, and a guess may be far too low.
const FIRST: f64 = 1.4;

/// Where the truth is thought to be between the mean since the last refusal (0) and the rate that was refused (1).
const TRUST_NEWEST: f64 = 0.15;

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
    /// Steps at or beyond the ceiling since the last cut.
    pub beyond: u32,
}

impl Scale {
    /// Nothing is known yet.
    pub fn new(now: Millis) -> Self {
        Self { value: 1.0, ceiling: None, cut_at: 0, changed_at: now, asked: 0.0, beyond: 0 }
    }

    /// After a request that was sent at `sent_at` was refused. `None`: an answer to what was asked before the last cut, or by
    /// somebody who had not heard of it: nobody who had asked before `blocked_until`.
    pub(crate) fn cut(&self, sent_at: Millis, blocked_until: Millis, now: Millis) -> Option<Self> {
        let is_known = sent_at < self.cut_at.saturating_add(HEARD_MS).max(blocked_until);
        if is_known || now < self.changed_at {
            return None;
        }
        let ceiling = if self.cut_at == 0 {
            self.value * BLIND
        } else {
            // From one refusal to the next, the model's bucket went from empty to empty: what it gave is what flowed in, or
            // less, if it was full in between. So the truth is not below the mean, nor above what was refused.
            let asking = now.saturating_sub(self.changed_at.max(blocked_until));
            let mean = (self.asked + self.value * asking as f64) / now.saturating_sub(self.cut_at) as f64;
            let likely = mean.min(self.value) * (1.0 - TRUST_NEWEST) + self.value * TRUST_NEWEST;
            likely.max(self.value * DEEPEST)
        };
        let value = (ceiling * START).clamp(LOWEST, HIGHEST);
        Some(Self { value, ceiling: Some(ceiling), cut_at: now, changed_at: now, asked: 0.0, beyond: 0 })
    }

    /// The same, where the limits that it multiplies were guessed just now: they may be far too low, so it rises fast.
    pub(crate) fn cut_guess(&self, sent_at: Millis, blocked_until: Millis, now: Millis) -> Option<Self> {
        self.cut(sent_at, blocked_until, now).map(|cut| Self { ceiling: None, ..cut })
    }

    /// After a refusal by a model whose headers tell its limit: a little less for a few seconds.
    pub(crate) fn dip(&self, sent_at: Millis, now: Millis) -> Option<Self> {
        if sent_at < self.cut_at.saturating_add(HEARD_MS) || now < self.changed_at {
            return None;
        }
        let value = (self.value * DIP).max(LOWEST);
        Some(Self { value, ceiling: Some(1.0), cut_at: now, changed_at: now, asked: 0.0, beyond: 0 })
    }

    /// One step up, if it is time; `highest`: where limits are configured or told, there is no sense in going beyond. Nobody
    /// asked before `blocked_until`.
    pub(crate) fn raise(&self, highest: Option<f64>, blocked_until: Millis, now: Millis) -> Option<Self> {
        let highest = highest.unwrap_or(HIGHEST);
        let elapsed = now.saturating_sub(self.changed_at.max(blocked_until));
        if elapsed < STEP_MS || self.value >= highest {
            return None;
        }
        let (value, beyond) = match self.ceiling {
            None => (self.value * FIRST, 0),
            Some(ceiling) if self.value < ceiling * 0.99 => {
                ((self.value + ((ceiling - self.value) * 0.3).max(ceiling * 0.01)).min(ceiling), 0)
            }
            Some(_) => {
                let bolder = BOLDER * f64::from((self.beyond + 1).saturating_sub(STEADY));
                (self.value * (1.0 + bolder), self.beyond.saturating_add(1))
            }
        };
        // A pause in which nobody waited is no time in which so much was asked for.
        let asked = self.asked + self.value * elapsed.min(2 * STEP_MS) as f64;
        Some(Self { value: value.min(highest), beyond, changed_at: now, asked, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Raised as often as it may be, from `from` until `until`.
    fn raised(mut scale: Scale, highest: Option<f64>, blocked_until: Millis, until: Millis) -> Scale {
        for now in (scale.changed_at..=until).step_by(100) {
            scale = scale.raise(highest, blocked_until, now).unwrap_or(scale);
        }
        scale
    }

    #[test]
    fn refusals_of_what_was_sent_before_the_cut_cut_nothing() {
        let cut = Scale::new(0).cut(10_000, 0, 10_100).unwrap();
        assert_eq!(cut.cut(10_290, 0, 10_500), None);
        assert_eq!(cut.cut(11_090, 11_100, 11_200), None, "sent by one that had not heard of the pause");
        assert!(cut.cut(12_000, 11_100, 12_100).is_some_and(|again| again.ceiling < cut.ceiling));
    }

    #[test]
    fn the_first_cut_is_blind_and_a_later_one_goes_to_what_was_taken() {
        let first = Scale::new(0).cut(10_000, 0, 10_000).unwrap();
        assert!((first.ceiling.unwrap() - BLIND).abs() < 1e-9);
        let asked = Scale { value: 1.4, asked: 0.9 * 20_000.0, changed_at: 30_000, ..first };
        let second = asked.cut(30_000, 0, 30_000).unwrap();
        let ceiling = second.ceiling.unwrap();
        assert!(ceiling > 0.9 && ceiling < 1.0 && (second.value - ceiling * START).abs() < 1e-9, "{ceiling}");
    }

    #[test]
    fn a_pause_is_no_time_in_which_anything_was_asked_for() {
        let first = Scale::new(0).cut(10_000, 0, 10_000).unwrap();
        let busy = raised(Scale { value: 1.0, ..first }, None, 15_000, 16_500);
        let second = busy.cut(16_500, 15_000, 16_600).unwrap();
        // A rate of about 1 for 1.6 s of the 6.6 s.
        assert_eq!(second.ceiling, Some(busy.value * DEEPEST));
    }

    #[test]
    fn two_refusals_that_follow_each_other_do_not_bring_the_rate_to_nothing() {
        let first = Scale { value: 1.0, cut_at: 10_000, changed_at: 10_000, ..Scale::new(0) };
        let second = first.cut(11_001, 11_000, 11_002).unwrap();
        assert!(second.value >= 0.5, "{}", second.value);
    }

    #[test]
    fn a_rate_that_is_never_refused_doubles_within_twenty_seconds_of_the_cut() {
        let scale = Scale { ceiling: Some(1.0), value: START, cut_at: 0, changed_at: 0, asked: 0.0, beyond: 0 };
        let scale = raised(scale, None, 1_000, 16_000);
        assert!(scale.value >= 2.0, "{}", scale.value);
    }

    #[test]
    fn what_is_configured_is_not_gone_beyond() {
        assert_eq!(raised(Scale::new(0), Some(1.0), 0, 60_000).value, 1.0);
    }
}
