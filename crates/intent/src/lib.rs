//! The local intent model: what a visitor's message is about, in microseconds and without a language model.
//!
//! A site declares intents with examples and replies ([`Intents`]); [`Model::train`] learns a linear classifier over
//! hashed words and pieces of characters; [`Model::write`] and [`Model::read`] keep it in one file that holds the replies
//! as well. [`Model::decide`] says what to do with a message when no language model answers, and
//! [`Model::is_sure_enough_for_instant`] whether one needs to be asked at all; [`fallback()`] and [`instant`] put it into
//! words. [`SmallTalk`], [`PersonRequests`] and [`has_phrase`] know what no site has to give examples of.
//!
//! No I/O, no clock, no state: equal input gives equal output, bit by bit. `docs/intents.md` has the format of
//! `intents.toml`, how thresholds are chosen, and figures.

mod calibration;
mod evaluation;
mod examples;
mod fallback;
mod features;
mod file;
mod intents;
mod linear;
mod model;
mod person;
mod phrases;
mod small_talk;
mod space;
mod text;
mod train;
mod vocabulary;

pub use calibration::{
    ASK_BACK_BOTH, ASK_BACK_SECOND, FOR_PEOPLE, INSTANT_PRECISION, KEPT_IN_SCOPE, SURE_MARGIN, SURE_PRECISION,
};
pub use evaluation::{Confusion, Counted, IntentReport, MAX_FOLDS, Messages, Report};
pub use fallback::{Fallback, fallback, instant};
pub use file::{FileError, MAX_FILE_BYTES};
pub use intents::{
    Action, ByLanguage, Intent, Intents, IntentsError, MAX_EXAMPLE_CHARS, MAX_EXAMPLES, MAX_INTENTS, MAX_KEY_CHARS,
    MAX_REPLY_CHARS, MAX_TITLE_CHARS, MAX_URL_CHARS, MIN_INTENTS,
};
pub use model::{AskBack, Contribution, Decision, Explanation, Model, RANKED, Ranked, Ranking, Reply, Trained};
pub use person::PersonRequests;
pub use phrases::has_phrase;
pub use small_talk::SmallTalk;
pub use text::MAX_MESSAGE_CHARS;
