//! Whether a visitor asks for a person, in any wording, English or Chinese.
//!
//! Two judges: a rule that knows plain requests word by word, and a small model that learned from a few hundred messages
//! (`person/examples.txt`). Either alone must be surer than both together. A question about people ("can a person carry
//! this?") must reach the language model; the widget's button is there for everybody else.

mod concepts;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::intents::{Intent, Intents};
use crate::model::{Model, Trained};

/// Made from the examples by `cargo run --release -p intent --example person_requests`.
const TRAINED: &[u8] = include_bytes!("../person/requests.model");

/// The examples that it was made from: `+ message` asks for a person, `- message` does not.
const EXAMPLES: &str = include_str!("../person/examples.txt");

/// Bytes of the small model's weights at most.
const MOST_WEIGHT_BYTES: usize = 60_000;

/// How sure the model must be where the rule hears a plain request, and where it hears none.
const WITH_RULE: f32 = 0.3;
const WITHOUT_RULE: f32 = 0.8;

const PERSON: &str = "person";

/// Recognises requests for a person.
#[derive(Debug)]
pub struct PersonRequests {
    model: Option<Model>,
}

impl Default for PersonRequests {
    fn default() -> Self {
        Self::new()
    }
}

impl PersonRequests {
    /// Takes about a tenth of a millisecond.
    pub fn new() -> Self {
        // A test reads the built-in file; should it ever be unreadable, the rule goes on alone.
        Self { model: Model::read_with_any_texts(TRAINED).ok() }
    }

    /// Whether `text` asks for a person to take over.
    pub fn asks_for_person(&self, text: &str) -> bool {
        let is_plain = rule::is_plain_request(text);
        let Some(model) = &self.model else { return is_plain };
        let least = if is_plain { WITH_RULE } else { WITHOUT_RULE };
        likelihood(model, text) >= least && !concepts::is_refusal(text)
    }

    /// Learns the small model again from its examples. For the program that makes the built-in file.
    pub fn train() -> Trained {
        Model::train_within(&examples(), MOST_WEIGHT_BYTES)
    }
}

/// How likely `text` asks for a person, by the model alone.
fn likelihood(model: &Model, text: &str) -> f32 {
    let ranking = model.classify(&concepts::with_concepts(text));
    let person = ranking.intents.iter().find(|ranked| ranked.intent.key == PERSON);
    person.map_or(0.0, |ranked| ranked.confidence)
}

fn examples() -> Intents {
    let of =
        |sign: &str| EXAMPLES.lines().filter_map(|line| line.strip_prefix(sign)).map(concepts::with_concepts).collect();
    let intent = |key: &str, examples: Vec<String>| Intent {
        key: key.to_owned(),
        examples: BTreeMap::from([("en".to_owned(), examples)]),
        ..Intent::default()
    };
    Intents { intents: vec![intent("other", of("- ")), intent(PERSON, of("+ "))], out_of_scope: Vec::new() }
}
