//! The trained model: what a message is about, and what to do.

use crate::calibration::{Calibration, Judged, Verdict};
use crate::evaluation::Report;
use crate::examples::Examples;
use crate::features::{self, Kind};
use crate::intents::{Action, Intent, Intents, MAX_TITLE_CHARS};
use crate::linear::Linear;
use crate::space::hashes;
use crate::text::Normal;
use crate::train;

/// How many intents a [`Ranking`] holds at most.
pub const RANKED: usize = 5;

/// A site's trained intents, with their titles and replies: all that answering needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub(crate) intents: Vec<Intent>,
    pub(crate) linear: Linear,
    pub(crate) calibration: Calibration,
    pub(crate) examples: Examples,
}

/// A model, and how well it does.
#[derive(Debug)]
pub struct Trained {
    /// Learned from all examples.
    pub model: Model,
    /// By cross-validation: each example was judged by a model that had not learned from it.
    pub report: Report,
}

/// The intents of a message, the likeliest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking<'m> {
    /// At least one, at most [`RANKED`].
    pub intents: Vec<Ranked<'m>>,
    /// The first one's confidence minus the second one's.
    pub margin: f32,
    /// Whether the message is about any of the site's intents at all.
    pub in_scope: bool,
    judged: Judged,
}

/// One intent of a ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked<'m> {
    /// The intent.
    pub intent: &'m Intent,
    /// How likely it is right, 0 to 1.
    pub confidence: f32,
}

/// What to do with a message when no language model answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision<'m> {
    /// Reply at once.
    Sure(Reply<'m>),
    /// One of two: ask which.
    AskBack(AskBack<'m>),
    /// Offer a person.
    Unsure,
}

/// The site's own reply to an intent, in one language.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reply<'m> {
    /// What was recognised.
    pub intent: &'m Intent,
    /// What the visitor reads, Markdown, without the action.
    pub text: &'m str,
    /// The link below it: address and label.
    pub action: Option<(&'m str, &'m str)>,
    /// People take over after it.
    pub handover: bool,
    /// How likely it is right, 0 to 1.
    pub confidence: f32,
}

/// A question back to the visitor.
#[derive(Debug, Clone, PartialEq)]
pub struct AskBack<'m> {
    /// The two intents, the likelier first.
    pub intents: [&'m Intent; 2],
    /// Their titles, in the language of `text`.
    pub titles: [&'m str; 2],
    /// "Do you mean … or …?" in the visitor's language.
    pub text: String,
}

/// Why a message is given its first intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation<'m> {
    /// What was found.
    pub ranking: Ranking<'m>,
    /// The features that the model knows, those that speak most for the first intent first.
    pub features: Vec<Contribution>,
}

/// One feature of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The word, the pair of words or the piece of characters (with its spaces).
    pub text: String,
    /// Made of whole words.
    pub is_word: bool,
    /// What it adds to the first intent's score.
    pub to_first: f32,
    /// What it adds to the second intent's score.
    pub to_second: f32,
}

impl Model {
    /// Learns from the examples, the titles and the replies of `intents`. Takes seconds for ten thousand examples; the same
    /// intents give the same model.
    pub fn train(intents: &Intents) -> Trained {
        let mut trained = Self::train_within(intents, train::MOST_WEIGHT_BYTES);
        trained.model.examples = Examples::of(intents);
        trained
    }

    /// As [`Model::train`], with weights of at most `most_bytes`, and without knowing its examples again.
    pub(crate) fn train_within(intents: &Intents, most_bytes: usize) -> Trained {
        let lessons = train::lessons(intents);
        let calibrated = train::calibrate(&lessons, intents.intents.len(), most_bytes, None);
        let without_examples = |intent: &Intent| Intent { examples: Default::default(), ..intent.clone() };
        let model = Self {
            intents: intents.intents.iter().map(without_examples).collect(),
            linear: train::learn(&lessons, intents.intents.len(), most_bytes),
            calibration: calibrated.calibration,
            examples: Examples::default(),
        };
        Trained { model, report: Report::of(&intents.intents, &lessons, &calibrated) }
    }

    /// The site's intents, without their examples.
    pub fn intents(&self) -> &[Intent] {
        &self.intents
    }

    /// The least confidence of an instant answer; none: cross-validation never found one that is precise enough, and examples
    /// alone are answered at once.
    pub fn instant_confidence(&self) -> Option<f32> {
        self.calibration.instant
    }

    /// The least confidence of a sure decision.
    pub fn sure_confidence(&self) -> f32 {
        self.calibration.sure
    }

    /// What `text` is about. Only its first [`crate::MAX_MESSAGE_CHARS`] characters count.
    pub fn classify(&self, text: &str) -> Ranking<'_> {
        let scores = self.scores(&Normal::new(text));
        let judged = self.calibration.judge(&scores);
        let mut ranked: Vec<_> = self.intents.iter().zip(self.calibration.confidences(&scores)).collect();
        ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
        ranked.truncate(RANKED);
        let intents = ranked.into_iter().map(|(intent, confidence)| Ranked { intent, confidence }).collect();
        let margin = judged.confidence - judged.second_confidence;
        Ranking { intents, margin, in_scope: judged.in_scope, judged }
    }

    /// Why `text` is given its first intent.
    pub fn explain(&self, text: &str) -> Explanation<'_> {
        let message = Normal::new(text);
        let ranking = self.classify(text);
        let judged = ranking.judged;
        let space = &self.linear.space;
        let values = space.vector(&hashes(&message));
        let mut found: Vec<(u32, Contribution)> = Vec::new();
        features::visit(&message, |feature| {
            let Some(row) = space.vocabulary.row(feature.hash) else { return };
            let Some(value) = values.iter().find(|value| value.row == row) else { return };
            if found.iter().all(|(known, _)| *known != row) {
                found.push((
                    row,
                    Contribution {
                        text: message.piece(feature.start, feature.end),
                        is_word: features::kind(feature.hash) != Kind::Piece,
                        to_first: self.linear.share(*value, judged.best),
                        to_second: self.linear.share(*value, judged.second),
                    },
                ));
            }
        });
        let mut features: Vec<_> = found.into_iter().map(|(_, contribution)| contribution).collect();
        features.sort_by(|one, other| other.to_first.total_cmp(&one.to_first));
        Explanation { ranking, features }
    }

    /// What to do with `text` when no language model answers. `language` is what the client shows (BCP 47).
    pub fn decide(&self, text: &str, language: &str) -> Decision<'_> {
        let judged = self.judge(text);
        match self.calibration.verdict(&judged) {
            Verdict::Sure => self.reply(&judged, text, language).map_or(Decision::Unsure, Decision::Sure),
            Verdict::AskBack => self.ask_back(&judged, text, language).map_or(Decision::Unsure, Decision::AskBack),
            Verdict::Unsure => Decision::Unsure,
        }
    }

    /// The reply to `text`, if it is so sure that no language model needs to be asked: the message is one of the intent's own
    /// examples, or from this confidence on at least 98 % will be right ([`INSTANT_PRECISION`](crate::INSTANT_PRECISION)), or
    /// the intent is one for people and the confidence at least [`FOR_PEOPLE`](crate::FOR_PEOPLE).
    pub fn is_sure_enough_for_instant(&self, text: &str, language: &str) -> Option<Reply<'_>> {
        let message = Normal::new(text);
        let judged = self.calibration.judge(&self.scores(&message));
        let intent = self.intents.get(judged.best)?;
        let is_sure = self.calibration.is_instant(&judged)
            || (intent.handover && self.calibration.is_for_people(&judged))
            || (judged.in_scope && self.examples.contain(&intent.key, &message));
        if is_sure { self.reply(&judged, text, language) } else { None }
    }

    pub(crate) fn judge(&self, text: &str) -> Judged {
        self.calibration.judge(&self.scores(&Normal::new(text)))
    }

    fn scores(&self, message: &Normal) -> Vec<f32> {
        self.linear.scores(&hashes(message))
    }

    /// The reply of the intent whose title `text` is: what a visitor says who was asked which of two is meant.
    pub(crate) fn reply_to_title(&self, text: &str, language: &str) -> Option<Reply<'_>> {
        if text.chars().nth(MAX_TITLE_CHARS).is_some() {
            return None;
        }
        let text_of = |text: &str| Normal::new(text).whole();
        // Signs alone are no title: another title may be of signs alone as well.
        let said = Some(text_of(text)).filter(|said| said.chars().any(char::is_alphanumeric))?;
        let is_said = |intent: &&Intent| intent.title.values().any(|title| text_of(title) == said);
        reply_of(self.intents.iter().find(is_said)?, 1.0, text, language)
    }

    fn reply(&self, judged: &Judged, text: &str, language: &str) -> Option<Reply<'_>> {
        reply_of(self.intents.get(judged.best)?, judged.confidence, text, language)
    }

    fn ask_back(&self, judged: &Judged, text: &str, language: &str) -> Option<AskBack<'_>> {
        let intents = [self.intents.get(judged.best)?, self.intents.get(judged.second)?];
        let languages = intents[0].title.keys().map(String::as_str);
        let language = language::choose(languages, text, language)?;
        let [one, other] = [intents[0].title.get(language)?, intents[1].title.get(language)?];
        Some(AskBack { intents, titles: [one, other], text: question(language, one, other) })
    }
}

fn reply_of<'a>(intent: &'a Intent, confidence: f32, text: &str, language: &str) -> Option<Reply<'a>> {
    let language = language::choose(intent.reply.keys().map(String::as_str), text, language)?;
    Some(Reply {
        intent,
        text: intent.reply.get(language)?,
        action: intent.action.as_ref().and_then(|action| action.link(language)),
        handover: intent.handover,
        confidence,
    })
}

impl Ranking<'_> {
    /// How much the message is like the first intent's examples. By this number, of no unit, scope is judged.
    pub fn score(&self) -> f32 {
        self.judged.score
    }

    /// How confident the model is of the first intent, 0 to 1.
    pub fn confidence(&self) -> f32 {
        self.judged.confidence
    }
}

impl Action {
    /// Address and label in this language.
    pub fn link(&self, language: &str) -> Option<(&str, &str)> {
        Some((self.url.get(language)?, self.label.get(language)?))
    }
}

/// "Do you mean … or …?", in the languages there are words for; else the two titles as questions.
fn question(language: &str, one: &str, other: &str) -> String {
    match language.split('-').next() {
        Some("en") => format!("Do you mean “{one}” or “{other}”?"),
        Some("zh") => format!("您是想问“{one}”还是“{other}”？"),
        _ => format!("“{one}”? “{other}”?"),
    }
}
