//! From scores to confidence, and the thresholds: all chosen on messages that the judging model had not learned from.

mod bound;
mod fit;

use serde::{Deserialize, Serialize};

use crate::train::softmax::softmax;

/// Of the messages in scope, the share that the threshold for "out of scope" must keep.
pub const KEPT_IN_SCOPE: f64 = 0.95;

/// How precise instant answers must be: of those that would be given, the share that is right, by a lower bound for messages
/// that nobody has seen yet.
pub const INSTANT_PRECISION: f64 = 0.98;

/// An intent for people needs only this confidence to go to them at once: a person puts right what a text would not.
pub const FOR_PEOPLE: f32 = 0.9;

/// How precise a sure decision must be, when no model answers.
pub const SURE_PRECISION: f64 = 0.9;

/// A sure decision is also at least this confident, however precise the model is.
const LEAST_SURE: f32 = 0.5;

/// A confidence that is never reached: where there is no precise threshold.
const MOST_SURE: f32 = 0.9;

/// A sure decision's distance to the second intent.
pub const SURE_MARGIN: f32 = 0.2;

/// Asking back: what both intents together must reach, and the second one alone.
pub const ASK_BACK_BOTH: f32 = 0.4;
/// See [`ASK_BACK_BOTH`].
pub const ASK_BACK_SECOND: f32 = 0.1;

/// How scores become confidence, and the thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    /// What scores are multiplied by before they become likelihoods (one over the temperature).
    pub sharpness: f32,
    /// How likely a message is in scope, by its highest score: a logistic curve's slope and middle. Slope 0: not known.
    pub scope_slope: f32,
    pub scope_middle: f32,
    /// The highest score below which a message is out of scope.
    pub least_score: f32,
    /// The least confidence of a sure decision.
    pub sure: f32,
    /// The least confidence of an instant answer; none: never precise enough.
    pub instant: Option<f32>,
}

/// What a model thinks of one message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judged {
    pub best: usize,
    pub second: usize,
    /// How likely `best` is right, 0 to 1.
    pub confidence: f32,
    /// The same of `second`.
    pub second_confidence: f32,
    pub in_scope: bool,
    /// The highest score, by which `in_scope` is judged.
    pub score: f32,
}

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Sure,
    AskBack,
    Unsure,
}

impl Calibration {
    /// Chooses everything by `scores` of messages and the intents they really have (none: out of scope).
    pub(crate) fn fit(scores: &[Vec<f32>], truths: &[Option<usize>]) -> Self {
        fit::fit(scores, truths)
    }

    /// The best two, of one score for each intent.
    pub(crate) fn judge(&self, scores: &[f32]) -> Judged {
        let confidences = self.confidences(scores);
        let (best, confidence) = highest(&confidences, None);
        let (second, second_confidence) = highest(&confidences, Some(best));
        let score = scores.get(best).copied().unwrap_or(f32::MIN);
        Judged { best, second, confidence, second_confidence, in_scope: score >= self.least_score, score }
    }

    /// How likely each intent is right: likely among the intents, times likely in scope.
    pub(crate) fn confidences(&self, scores: &[f32]) -> Vec<f32> {
        let highest = scores.iter().copied().fold(f32::MIN, f32::max);
        let in_scope = self.in_scope(highest);
        let mut confidences = scores.to_vec();
        softmax(&mut confidences, self.sharpness);
        confidences.iter_mut().for_each(|confidence| *confidence *= in_scope);
        confidences
    }

    fn in_scope(&self, score: f32) -> f32 {
        if self.scope_slope == 0.0 {
            return 1.0;
        }
        1.0 / (1.0 + libm::expf(-self.scope_slope * (score - self.scope_middle)))
    }

    pub(crate) fn verdict(&self, judged: &Judged) -> Verdict {
        let margin = judged.confidence - judged.second_confidence;
        if !judged.in_scope {
            Verdict::Unsure
        } else if judged.confidence >= self.sure && margin >= SURE_MARGIN {
            Verdict::Sure
        } else if judged.second_confidence >= ASK_BACK_SECOND
            && judged.confidence + judged.second_confidence >= ASK_BACK_BOTH
        {
            Verdict::AskBack
        } else {
            Verdict::Unsure
        }
    }

    /// Whether an answer may be given at once, with no model called.
    pub(crate) fn is_instant(&self, judged: &Judged) -> bool {
        judged.in_scope && self.instant.is_some_and(|least| judged.confidence >= least)
    }

    /// Whether people may take over at once, where the intent is one of theirs.
    pub(crate) fn is_for_people(&self, judged: &Judged) -> bool {
        judged.in_scope && judged.confidence >= FOR_PEOPLE
    }

    /// Whether all numbers are such that a judgement makes sense.
    pub(crate) fn is_sound(&self) -> bool {
        let numbers = [self.sharpness, self.scope_slope, self.scope_middle, self.least_score, self.sure];
        numbers.iter().chain(&self.instant).all(|number| number.is_finite()) && self.sharpness > 0.0
    }
}

fn highest(confidences: &[f32], without: Option<usize>) -> (usize, f32) {
    let others = confidences.iter().copied().enumerate().filter(|(index, _)| Some(*index) != without);
    // The first of equals, so that the order never depends on chance.
    others.fold((0, f32::MIN), |best, one| if one.1 > best.1 { one } else { best })
}
