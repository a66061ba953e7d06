//! Whether a visitor asks for a person, in any wording, English or Chinese.
//!
//! Two judges: a rule that knows plain requests word by word, and a small model that learned from messages and patterns of
//! messages (`person/examples.txt`). Where the rule hears a plain request, the model need not be sure; without it, it must
//! be. A question about people ("can a person carry this?") must reach the language model; the widget's button is there for
//! everybody else.

mod concepts;
mod patterns;
mod rule;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use concepts::Concepts;

use crate::intents::{Intent, Intents};
use crate::model::{Model, Trained};

/// Made from the examples by `cargo run --release -p intent --example person_requests`.
const TRAINED: &[u8] = include_bytes!("../person/requests.model");

/// The patterns of messages that it was made from: `+ pattern` asks for a person, `- pattern` does not.
const EXAMPLES: &str = include_str!("../person/examples.txt");

/// Bytes of the small model's weights at most.
const MOST_WEIGHT_BYTES: usize = 250_000;

/// How sure the model must be where the rule hears a plain request, and where it hears none.
const WITH_RULE: f32 = 0.3;
const WITHOUT_RULE: f32 = 0.6;

/// Sentences that are judged by themselves, at the beginning and at the end: it bounds what a long message costs.
const MOST_SENTENCES: usize = 20;

const PERSON: &str = "person";

/// Recognises requests for a person.
#[derive(Debug)]
pub struct PersonRequests {
    model: Option<Model>,
    concepts: Concepts,
}

impl Default for PersonRequests {
    fn default() -> Self {
        Self::new()
    }
}

impl PersonRequests {
    /// Reads half a megabyte, which takes a quarter of a millisecond: hold what it returns.
    pub fn new() -> Self {
        // A test reads the built-in file; should it ever be unreadable, the rule goes on alone.
        Self { model: Model::read_with_any_texts(TRAINED).ok(), concepts: Concepts::new() }
    }

    /// Whether `text` asks for a person to take over: as a whole, or by a sentence of it that is a plain request.
    ///
    /// A long story before or after it would else outweigh the request in it.
    pub fn asks_for_person(&self, text: &str) -> bool {
        self.asks(text) || sentences(text).any(|sentence| rule::is_plain_request(sentence) && self.asks(sentence))
    }

    fn asks(&self, text: &str) -> bool {
        let is_plain = rule::is_plain_request(text);
        let Some(model) = &self.model else { return is_plain };
        let least = if is_plain { WITH_RULE } else { WITHOUT_RULE };
        self.likelihood(model, text) >= least && !self.concepts.is_refusal(text)
    }

    /// Learns the small model again from its examples. For the program that makes the built-in file.
    pub fn train() -> Trained {
        Model::train_within(&examples(), MOST_WEIGHT_BYTES)
    }

    /// How likely `text` asks for a person, by the model alone.
    fn likelihood(&self, model: &Model, text: &str) -> f32 {
        let ranking = model.classify(&self.concepts.with_concepts(text));
        let person = ranking.intents.iter().find(|ranked| ranked.intent.key == PERSON);
        person.map_or(0.0, |ranked| ranked.confidence)
    }
}

/// The first and the last sentences of `text`.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let ends = ['.', '!', '?', '。', '！', '？', '；', '\n'];
    let all = move || text.split_inclusive(ends).map(str::trim).filter(|sentence| !sentence.is_empty());
    let count = all().count();
    let is_looked_at = move |at: usize| at < MOST_SENTENCES || at + MOST_SENTENCES >= count;
    all().enumerate().filter(move |(at, _)| is_looked_at(*at)).map(|(_, sentence)| sentence)
}

/// The messages that the small model learns from, with their concepts.
fn examples() -> Intents {
    let concepts = Concepts::new();
    let of = |sign: &str| {
        let patterns = EXAMPLES.lines().filter_map(|line| line.strip_prefix(sign));
        patterns.flat_map(patterns::messages).map(|message| concepts.with_concepts(&message)).collect()
    };
    let intent = |key: &str, examples: Vec<String>| Intent {
        key: key.to_owned(),
        examples: BTreeMap::from([("en".to_owned(), examples)]),
        ..Intent::default()
    };
    Intents { intents: vec![intent("other", of("- ")), intent(PERSON, of("+ "))], out_of_scope: Vec::new() }
}
