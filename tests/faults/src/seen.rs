//! What a visitor saw, in words.

use protocol::v1::{Answer, AnswerEnd, Event, HandoverReason, event};

/// The whole answer of the provider.
pub(crate) const ANSWER: &str = "It left us on Monday morning and should be with you today, says the carrier.";

/// The longest text that is shown as it is, in characters.
const SHOWN: usize = 90;

/// One turn, as the visitor saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What, in words.
    pub what: String,
    /// When the first word was there, milliseconds after the message was sent. Nothing: none ever.
    pub first_ms: Option<u128>,
    /// When it was over, milliseconds.
    pub over_ms: u128,
    /// How many requests the model's server saw.
    pub requests: u64,
}

/// What an event that ends a turn says; nothing for others.
pub(crate) fn words(event: &Event) -> Option<String> {
    match event.body.as_ref()? {
        event::Body::Answer(answer) => Some(answer_words(answer)),
        event::Body::Handover(handover) => Some(match handover.reason() {
            HandoverReason::Failures => "a person takes over, after two failures".to_owned(),
            HandoverReason::Assistant => "a person takes over, as the model asked".to_owned(),
            other => format!("a person takes over ({})", other.as_str_name()),
        }),
        _ => None,
    }
}

fn answer_words(answer: &Answer) -> String {
    let text = answer.text.as_str();
    let what = match answer.end() {
        AnswerEnd::Complete if text == ANSWER => "the whole answer".to_owned(),
        AnswerEnd::Complete => format!("the answer {}", shown(text)),
        AnswerEnd::Interrupted if ANSWER.starts_with(text.trim_end()) => {
            format!("the {} words that came, marked as interrupted", text.split_whitespace().count())
        }
        AnswerEnd::Interrupted => format!("{}, marked as interrupted", shown(text)),
        AnswerEnd::Fallback => "the site's fallback text".to_owned(),
        AnswerEnd::Intent => "the site's own reply to what it recognised".to_owned(),
        other => format!("{}: {}", other.as_str_name(), shown(text)),
    };
    if answer.offer_person { what + ", and the offer of a person" } else { what }
}

fn shown(text: &str) -> String {
    match text.chars().count() {
        count if count > SHOWN => format!("{} KiB of the answer", text.len().div_ceil(1024)),
        _ => format!("“{}”", text.replace('|', "\\|").replace('\n', " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, end: AnswerEnd, offer_person: bool) -> String {
        answer_words(&Answer { text: text.to_owned(), end: end.into(), offer_person, ..Answer::default() })
    }

    #[test]
    fn every_end_has_its_words() {
        assert_eq!(answer(ANSWER, AnswerEnd::Complete, false), "the whole answer");
        assert_eq!(
            answer("It left us ", AnswerEnd::Interrupted, false),
            "the 3 words that came, marked as interrupted"
        );
        assert_eq!(answer("Sorry.", AnswerEnd::Fallback, true), "the site's fallback text, and the offer of a person");
        assert_eq!(answer("Three days.", AnswerEnd::Intent, false), "the site's own reply to what it recognised");
        assert_eq!(
            answer(&"x".repeat(5000), AnswerEnd::Interrupted, false),
            "5 KiB of the answer, marked as interrupted"
        );
    }
}
