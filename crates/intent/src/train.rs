//! From examples to a model: cross-validation for the thresholds, then all examples for the weights.

mod hinge;
pub(crate) mod problem;
pub(crate) mod softmax;

use crate::calibration::{Calibration, Judged};
use crate::intents::Intents;
use crate::linear::Linear;
use crate::space::{Space, hashes};
use crate::text::Normal;

use problem::{Example, Matrix, Problem};

/// What the support vector machines' scores count beside those of the logistic regression. Both learn from the same
/// vectors and err differently; their sum is a linear model again, and better than each.
const HINGE_SHARE: f32 = 6.0;

/// Bytes of weights at most, so that a file stays below 10 MB.
pub(crate) const MOST_WEIGHT_BYTES: usize = 8_800_000;

/// Parts of cross-validation: more where examples are few.
const FEW_EXAMPLES: usize = 4_000;
const FOLDS_OF_FEW: usize = 5;
const FOLDS_OF_MANY: usize = 3;

/// One message to learn from.
#[derive(Debug)]
pub(crate) struct Lesson<'a> {
    pub text: &'a str,
    /// Where its intent is in [`Intents::intents`]; none: out of scope.
    pub intent: Option<usize>,
    /// A title or a piece of a reply: learned from, and never judged, because no visitor writes so.
    is_text: bool,
    hashes: Vec<u64>,
}

/// What cross-validation found.
#[derive(Debug)]
pub(crate) struct Calibrated {
    pub calibration: Calibration,
    /// How the examples were judged by models that had not learned from them, in the order of the lessons.
    pub judged: Vec<Judged>,
    pub folds: usize,
}

/// Pieces of replies that are shorter say nothing.
const LEAST_PIECE_BYTES: usize = 9;

/// All examples of `intents`, in order; after them, the site's own texts.
///
/// Titles and replies hold the words that an intent is about, more of them than ten examples do.
pub(crate) fn lessons(intents: &Intents) -> Vec<Lesson<'_>> {
    let examples = intents.intents.iter().enumerate().flat_map(|(index, intent)| {
        intent.examples.values().flatten().map(move |text| Lesson::new(text, Some(index), false))
    });
    let out_of_scope = intents.out_of_scope.iter().map(|text| Lesson::new(text, None, false));
    let texts = intents.intents.iter().enumerate().flat_map(|(index, intent)| {
        let pieces = intent.reply.values().flat_map(|reply| reply.split_inclusive(ENDS));
        let pieces = pieces.filter(|piece| piece.len() >= LEAST_PIECE_BYTES);
        let texts = intent.title.values().map(String::as_str).chain(pieces);
        // A text without a letter teaches nothing.
        texts.map(move |text| Lesson::new(text, Some(index), true)).filter(|lesson| !lesson.hashes.is_empty())
    });
    examples.chain(out_of_scope).chain(texts).collect()
}

/// Where a piece of a reply ends.
const ENDS: [char; 6] = ['.', '。', ';', '；', ':', '：'];

impl<'a> Lesson<'a> {
    fn new(text: &'a str, intent: Option<usize>, is_text: bool) -> Self {
        let mut hashes = hashes(&Normal::new(text));
        hashes.sort_unstable();
        Self { text, intent, is_text, hashes }
    }
}

/// Learns from `lessons`; weights take at most `most_bytes`.
pub(crate) fn learn(lessons: &[Lesson<'_>], intents: usize, most_bytes: usize) -> Linear {
    let all: Vec<&Lesson<'_>> = lessons.iter().collect();
    let (space, matrix) = fit(&all, intents, most_bytes);
    Linear::quantise(space, &matrix, intents)
}

/// Chooses the thresholds by cross-validation in `folds` parts; none: in as many as suits so many examples.
pub(crate) fn calibrate(lessons: &[Lesson<'_>], intents: usize, most_bytes: usize, folds: Option<usize>) -> Calibrated {
    let usual = if lessons.len() < FEW_EXAMPLES { FOLDS_OF_FEW } else { FOLDS_OF_MANY };
    let folds = folds.unwrap_or(usual);
    let examples: Vec<_> = lessons.iter().filter(|lesson| !lesson.is_text).collect();
    let scores = cross_validate(lessons, &examples, intents, most_bytes, folds);
    let truths: Vec<_> = examples.iter().map(|lesson| lesson.intent).collect();
    let calibration = Calibration::fit(&scores, &truths);
    let judged = scores.iter().map(|scores| calibration.judge(scores)).collect();
    Calibrated { calibration, judged, folds }
}

/// The scores of each example, by a model that learned from the other folds.
fn cross_validate(
    lessons: &[Lesson<'_>],
    examples: &[&Lesson<'_>],
    intents: usize,
    most_bytes: usize,
    folds: usize,
) -> Vec<Vec<f32>> {
    let fold_of = folds_of(examples, folds);
    let mut scores = vec![Vec::new(); examples.len()];
    for fold in 0..folds {
        let others = examples.iter().zip(&fold_of).filter(|(_, of)| **of != fold).map(|(lesson, _)| *lesson);
        let learned_from: Vec<_> = others.chain(lessons.iter().filter(|lesson| lesson.is_text)).collect();
        let (space, matrix) = fit(&learned_from, intents, most_bytes);
        for ((lesson, of), scores) in examples.iter().zip(&fold_of).zip(&mut scores) {
            if *of == fold {
                *scores = matrix.scores(&space.vector(&lesson.hashes), intents);
            }
        }
    }
    scores
}

/// Which fold each example is in. Every intent's examples are spread evenly, and those that begin alike are in one fold:
/// examples are often written as variations of each other, which visitors' messages are not.
fn folds_of(examples: &[&Lesson<'_>], folds: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_by_key(|index| examples.get(*index).map(|lesson| (lesson.intent, lesson.text)));
    let mut fold_of = vec![0; examples.len()];
    let intent_of = |index: &usize| examples.get(*index).and_then(|lesson| lesson.intent);
    for same in order.chunk_by(|one, other| intent_of(one) == intent_of(other)) {
        for (place, index) in same.iter().enumerate() {
            if let Some(fold) = fold_of.get_mut(*index) {
                *fold = place * folds / same.len();
            }
        }
    }
    fold_of
}

fn fit(lessons: &[&Lesson<'_>], intents: usize, most_bytes: usize) -> (Space, Matrix) {
    let messages: Vec<&[u64]> = lessons.iter().map(|lesson| lesson.hashes.as_slice()).collect();
    let space = Space::build(&messages, most_bytes / Linear::row_bytes(intents));
    let example = |lesson: &&Lesson<'_>| Example { vector: space.vector(&lesson.hashes), intent: lesson.intent };
    let problem = Problem { examples: lessons.iter().map(example).collect(), rows: space.rows(), intents };
    let matrix = softmax::learn(&problem).plus(&hinge::learn(&problem), HINGE_SHARE);
    (space, matrix)
}
