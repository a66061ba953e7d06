//! What the function `ai` is asked, and what its outcome means for the conversation.

use std::sync::Arc;

use conversation::{AnswerEnd, Choices, HandoverReason, Invocation, Line, Outcome, Role, Source, Sources};
use protocol::function::{self, AiAnswer, AiHandover, AiRequest};

use crate::held::Held;

/// The turn, for the function, which may ask these models.
pub(super) fn request(held: &Held, invocation: &Invocation, models: Vec<String>) -> AiRequest {
    AiRequest {
        site: held.id().site().to_owned(),
        conversation: held.id().as_str().to_owned(),
        turn: invocation.turn,
        messages: invocation.lines.iter().map(message).collect(),
        language: held.language(),
        deadline_ms: i64::try_from(invocation.deadline).unwrap_or(i64::MAX),
        models,
        failures: invocation.failures,
    }
}

fn message(line: &Line) -> function::Message {
    let role = match line.role {
        Role::Visitor => function::Role::Visitor,
        Role::Assistant => function::Role::Assistant,
        Role::Agent => function::Role::Agent,
    };
    function::Message { role, text: line.text.to_string() }
}

/// The function's answer, within bounds.
pub(super) fn answer(answer: AiAnswer) -> Outcome {
    let end = match (answer.intent, answer.fallback, answer.interrupted) {
        (true, ..) => AnswerEnd::Intent,
        (false, true, _) => AnswerEnd::Fallback,
        (false, false, true) => AnswerEnd::Interrupted,
        (false, false, false) => AnswerEnd::Complete,
    };
    let (text, sources, choices) = (answer.text.into(), sources_of(answer.sources), choices_of(answer.choices));
    Outcome::Answer { text, end, offer_person: answer.offer_person, sources, choices }
}

/// The function gives the conversation away.
pub(super) fn handover(handover: &AiHandover) -> Outcome {
    let reason = match handover.reason {
        function::HandoverReason::VisitorAsked => HandoverReason::VisitorAsked,
        function::HandoverReason::Assistant => HandoverReason::Assistant,
        function::HandoverReason::Rule => HandoverReason::Rule,
        function::HandoverReason::Failures => HandoverReason::Failures,
    };
    let summary = head(&handover.summary, function::MAX_SUMMARY_BYTES).into();
    Outcome::Handover { reason, summary, text: handover.text.as_str().into() }
}

/// What the function says an answer rests on, within bounds. An address that no page may link to is left out.
fn sources_of(sources: Vec<function::Source>) -> Sources {
    let source = |source: function::Source| Source {
        title: head(&source.title, function::MAX_SOURCE_BYTES).into(),
        url: if function::is_source_address(&source.url) { source.url.into() } else { "".into() },
    };
    let titled = sources.into_iter().filter(|source| !source.title.trim().is_empty());
    let sources: Vec<_> = titled.take(function::MAX_SOURCES).map(source).collect();
    (!sources.is_empty()).then(|| sources.into())
}

/// What the visitor may say to an answer, within bounds. Half a choice would be another one, so one that is too long is left out,
/// as are those that would be an empty button, or the same twice.
pub(crate) fn choices_of(choices: Vec<String>) -> Choices {
    let is_choice = |choice: &String| {
        let can_be_read = choice.chars().any(char::is_alphanumeric) && !choice.chars().any(char::is_control);
        can_be_read && choice.len() <= function::MAX_CHOICE_BYTES
    };
    let mut kept: Vec<Arc<str>> = Vec::new();
    for choice in choices.into_iter().filter(is_choice) {
        if kept.len() < function::MAX_CHOICES && !kept.iter().any(|other| **other == *choice) {
            kept.push(choice.into());
        }
    }
    (!kept.is_empty()).then(|| kept.into())
}

/// The first `max_bytes` of `text` at most, ending between characters.
fn head(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(title: &str, url: &str) -> function::Source {
        function::Source { title: title.to_owned(), url: url.to_owned() }
    }

    #[test]
    fn only_addresses_that_a_page_may_link_to_are_kept() {
        let kept = sources_of(vec![
            source("Returns", "https://shop.example/returns"),
            source("Script", "javascript:alert(1)"),
            source(" ", "https://shop.example/"),
            source("Data", "data:text/html,hello"),
        ]);
        let more = sources_of(vec![
            source("Shipping", "/en/shipping.html#cost"),
            source("Elsewhere", "//elsewhere.example/"),
            source("Backwards", "/\\elsewhere.example/"),
        ]);
        let hidden = sources_of(vec![
            source("Tab", "/\t/elsewhere.example/"),
            source("Line", "/\n\\elsewhere.example/"),
            source("Both", "/\t\\elsewhere.example/"),
        ]);
        let urls: Vec<_> = kept.iter().flat_map(|all| all.iter()).map(|s| (&*s.title, &*s.url)).collect();
        assert_eq!(urls, [("Returns", "https://shop.example/returns"), ("Script", ""), ("Data", "")]);
        let urls: Vec<_> = more.iter().flat_map(|all| all.iter()).map(|s| &*s.url).collect();
        assert_eq!(urls, ["/en/shipping.html#cost", "", ""]);
        let urls: Vec<_> = hidden.iter().flat_map(|all| all.iter()).map(|s| &*s.url).collect();
        assert_eq!(urls, ["", "", ""], "browsers drop tabs and line breaks");
        let long = |bytes: usize| sources_of(vec![source("Long", &format!("/{}", "a".repeat(bytes - 1)))]);
        let lengths = [500, 501].map(|bytes| long(bytes).map(|all| all[0].url.len()));
        assert_eq!(lengths, [Some(500), Some(0)]);
        assert_eq!(sources_of(vec![]), None);
    }

    #[test]
    fn choices_are_few_and_short() {
        let of = |choices: &[&str]| choices_of(choices.iter().map(|choice| (*choice).to_owned()).collect());
        let kept = of(&["A", " ", "\u{200b}", "a\nb", "A", &"长".repeat(107), "B", "C", "D"]);
        assert_eq!(kept, Some(["A", "B", "C"].map(Into::into).into()));
        assert!(of(&[&"长".repeat(106)]).is_some());
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((head("绿茶", 4), head("tea", 9)), ("绿", "tea"));
        let long = AiHandover { summary: "长".repeat(2_000), ..AiHandover::default() };
        let Outcome::Handover { summary, .. } = handover(&long) else { panic!("no handover") };
        assert_eq!(summary.len(), 1_998);
    }
}
