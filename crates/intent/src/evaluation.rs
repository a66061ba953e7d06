//! How well a model does, on examples by cross-validation or on messages that were held out.

mod display;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::calibration::{Calibration, Judged, Verdict};
use crate::intents::{Intent, Intents, IntentsError};
use crate::model::Model;
use crate::train::{self, Calibrated, Lesson};

/// The most parts of a cross-validation.
pub const MAX_FOLDS: usize = 20;

/// How many messages a confusion shows.
const SHOWN: usize = 3;

/// How well a model does. All shares are of 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Parts of the cross-validation; none: the messages were held out.
    pub folds: Option<usize>,
    /// Messages that belong to an intent.
    pub in_scope: Counted,
    /// Of those in scope, how many are not refused as out of scope.
    pub kept: usize,
    /// Messages that belong to none.
    pub out_of_scope: usize,
    /// Of those out of scope, how many are refused.
    pub refused: usize,
    /// Messages that would be replied to when no language model answers.
    pub sure: Counted,
    /// Messages that would be asked back; right: one of the two is the right one.
    pub asked_back: Counted,
    /// Messages that would be answered at once by their confidence.
    pub instant: Counted,
    /// The least confidence of an instant answer; none: examples alone are answered at once.
    pub instant_confidence: Option<f32>,
    /// The least confidence of a sure decision.
    pub sure_confidence: f32,
    /// The mean distance between confidence and the share that is right (expected calibration error, ten bins), of the
    /// messages in scope.
    pub calibration_error: f64,
    /// Each intent, in the order of keys.
    pub intents: Vec<IntentReport>,
    /// Which intents are taken for others, the most frequent first.
    pub confusions: Vec<Confusion>,
}

/// How many messages, and how many of them rightly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// All.
    pub messages: usize,
    /// Those that are right.
    pub right: usize,
}

/// How well one intent is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IntentReport {
    /// The intent's key.
    pub key: String,
    /// Its own messages; right: recognised as it.
    pub own: Counted,
    /// Messages recognised as it, wrongly those of other intents included.
    pub recognised: usize,
}

/// One intent taken for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The key of the right intent; none: out of scope, and yet kept.
    pub right: Option<String>,
    /// The key of the intent that was found.
    pub found: String,
    /// How often.
    pub count: usize,
    /// Some of the messages.
    pub examples: Vec<String>,
}

/// Messages to test a model with, each with the intent that is right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    /// The message, and the key of its intent; none: out of scope.
    pub messages: Vec<(String, Option<String>)>,
}

impl Messages {
    /// Reads a test file: `KEY = ["message", …]` for each intent, and `out_of_scope = […]`.
    ///
    /// # Errors
    /// What is no list of texts.
    pub fn parse(text: &str) -> Result<Self, IntentsError> {
        let table: BTreeMap<String, Vec<String>> =
            toml::from_str(text).map_err(|error| IntentsError::Syntax(error.to_string()))?;
        let one = |(key, texts): (String, Vec<String>)| {
            let key = (key != "out_of_scope").then_some(key);
            texts.into_iter().map(move |text| (text, key.clone()))
        };
        Ok(Self { messages: table.into_iter().flat_map(one).collect() })
    }
}

impl From<&Intents> for Messages {
    fn from(intents: &Intents) -> Self {
        let of_intents = intents
            .intents
            .iter()
            .flat_map(|intent| intent.examples.values().flatten().map(|text| (text.clone(), Some(intent.key.clone()))));
        let out_of_scope = intents.out_of_scope.iter().map(|text| (text.clone(), None));
        Self { messages: of_intents.chain(out_of_scope).collect() }
    }
}

impl Model {
    /// How well the model does on messages that it has not learned from.
    ///
    /// # Errors
    /// A key that the model does not know.
    pub fn evaluate(&self, messages: &Messages) -> Result<Report, IntentsError> {
        let truth = |(text, key): &(String, Option<String>)| {
            let Some(key) = key else { return Ok((text.clone(), None)) };
            let known = self.intents.iter().position(|intent| intent.key == *key);
            known.map(|index| (text.clone(), Some(index))).ok_or_else(|| IntentsError::Entry {
                place: key.clone(),
                problem: "the model has no such intent; correct the key, or train the model with it".to_owned(),
            })
        };
        let truths = messages.messages.iter().map(truth).collect::<Result<Vec<_>, _>>()?;
        let judged = truths.iter().map(|(text, truth)| ((text.as_str(), *truth), self.judge(text)));
        Ok(Report::new(&self.intents, &self.calibration, judged))
    }
}

impl Report {
    /// Of the messages in scope, the share whose intent is found.
    pub fn accuracy(&self) -> f64 {
        self.in_scope.share()
    }

    /// How well a model of `intents` does: each example is judged by one that learned from the other parts of `folds`, at
    /// least 2 and at most [`MAX_FOLDS`]; none: as [`Model::train`] does. Takes as long as training so many models.
    pub fn cross_validated(intents: &Intents, folds: Option<usize>) -> Self {
        let folds = folds.map(|folds| folds.clamp(2, MAX_FOLDS));
        let lessons = train::lessons(intents);
        let calibrated = train::calibrate(&lessons, intents.intents.len(), train::MOST_WEIGHT_BYTES, folds);
        Self::of(&intents.intents, &lessons, &calibrated)
    }

    pub(crate) fn of(intents: &[Intent], lessons: &[Lesson<'_>], calibrated: &Calibrated) -> Self {
        let truths = lessons.iter().map(|lesson| (lesson.text, lesson.intent));
        let judged = truths.zip(calibrated.judged.iter().copied());
        Self { folds: Some(calibrated.folds), ..Self::new(intents, &calibrated.calibration, judged) }
    }

    fn new<'a>(
        intents: &[Intent],
        calibration: &Calibration,
        judged: impl Iterator<Item = ((&'a str, Option<usize>), Judged)>,
    ) -> Self {
        let intent = |key: &String| IntentReport { key: key.clone(), own: Counted::default(), recognised: 0 };
        let mut report = Self {
            folds: None,
            in_scope: Counted::default(),
            kept: 0,
            out_of_scope: 0,
            refused: 0,
            sure: Counted::default(),
            asked_back: Counted::default(),
            instant: Counted::default(),
            instant_confidence: calibration.instant,
            sure_confidence: calibration.sure,
            calibration_error: 0.0,
            intents: intents.iter().map(|one| intent(&one.key)).collect(),
            confusions: Vec::new(),
        };
        let mut confusions = BTreeMap::new();
        let mut bins = [(0_usize, 0_usize, 0.0_f64); 10];
        for ((text, truth), judged) in judged {
            report.count(calibration, truth, &judged);
            let is_right = truth == Some(judged.best);
            if truth.is_some() {
                let bin = ((judged.confidence * 10.0) as usize).min(9);
                bins[bin].0 += 1;
                bins[bin].1 += usize::from(is_right);
                bins[bin].2 += f64::from(judged.confidence);
            }
            if !is_right && (truth.is_some() || judged.in_scope) {
                confusions.entry((truth, judged.best)).or_insert_with(Vec::new).push(text);
            }
        }
        report.calibration_error = calibration_error(&bins);
        report.confusions =
            confusions.into_iter().map(|((right, found), texts)| confusion(intents, right, found, &texts)).collect();
        report.confusions.sort_by_key(|one| std::cmp::Reverse(one.count));
        report
    }

    fn count(&mut self, calibration: &Calibration, truth: Option<usize>, judged: &Judged) {
        let is_right = truth == Some(judged.best);
        match truth {
            Some(truth) => {
                self.in_scope.add(is_right);
                self.kept += usize::from(judged.in_scope);
                if let Some(intent) = self.intents.get_mut(truth) {
                    intent.own.add(is_right);
                }
            }
            None => {
                self.out_of_scope += 1;
                self.refused += usize::from(!judged.in_scope);
            }
        }
        if let Some(found) = self.intents.get_mut(judged.best).filter(|_| truth.is_some() || judged.in_scope) {
            found.recognised += 1;
        }
        match calibration.verdict(judged) {
            Verdict::Sure => self.sure.add(is_right),
            Verdict::AskBack => self.asked_back.add(is_right || truth == Some(judged.second)),
            Verdict::Unsure => {}
        }
        if calibration.is_instant(judged) {
            self.instant.add(is_right);
        }
    }
}

impl Counted {
    /// The share that is right; 1 where there is nothing.
    pub fn share(&self) -> f64 {
        if self.messages == 0 { 1.0 } else { self.right as f64 / self.messages as f64 }
    }

    fn add(&mut self, is_right: bool) {
        self.messages += 1;
        self.right += usize::from(is_right);
    }
}

fn calibration_error(bins: &[(usize, usize, f64)]) -> f64 {
    let all: usize = bins.iter().map(|bin| bin.0).sum();
    let distance: f64 = bins.iter().map(|(_, right, confidence)| (*right as f64 - confidence).abs()).sum();
    if all == 0 { 0.0 } else { distance / all as f64 }
}

fn confusion(intents: &[Intent], right: Option<usize>, found: usize, texts: &[&str]) -> Confusion {
    let key = |index: usize| intents.get(index).map(|intent| intent.key.clone());
    Confusion {
        right: right.and_then(key),
        found: key(found).unwrap_or_default(),
        count: texts.len(),
        examples: texts.iter().take(SHOWN).map(|text| (*text).to_owned()).collect(),
    }
}
