//! The node's own answer, where the function says nothing: by the same intents and the same rules as the function's.

use std::sync::Arc;

use conversation::{AnswerEnd, HandoverReason, Invocation, Line, Outcome, Role};
use intent::{Fallback, Model, PersonRequests};

use crate::turn::choices_of;

/// What the visitor hears in the function's place: people where they are asked for, a reply to small talk or that of a sure
/// intent, a question back where two are close, else that of the site's `texts`, each with its language, that suits the visitor.
/// People, where it came to that before.
///
/// `language` is what the visitor's client shows.
pub(crate) fn answer(
    intents: Option<&Model>,
    people: People<'_>,
    texts: &[(Arc<str>, Arc<str>)],
    invocation: &Invocation,
    language: &str,
) -> Outcome {
    if let Some(reason) = people.are_asked_for(&invocation.lines) {
        return handover(reason, String::new());
    }
    let question = question(&invocation.lines);
    match intent::fallback(intents, &question, language, invocation.failures) {
        Fallback::Reply(text) => answered(text.into(), AnswerEnd::Intent, vec![]),
        Fallback::AskBack { text, choices } => answered(text.into(), AnswerEnd::Fallback, choices),
        Fallback::Handover { text } => handover(HandoverReason::Rule, text),
        Fallback::Nothing if invocation.failures > 0 => Outcome::Failure,
        Fallback::Nothing => {
            let texts = texts.iter().map(|(language, text)| (&**language, &**text));
            let text = language::choose_text(texts, &question, language);
            text.map_or(Outcome::Failure, |text| answered(text.into(), AnswerEnd::Fallback, vec![]))
        }
    }
}

/// By what a node knows that people should take over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct People<'a> {
    /// What asks for a person on any site.
    pub(crate) requests: &'a PersonRequests,
    /// The site's phrases.
    pub(crate) words: &'a [String],
}

impl People<'_> {
    /// Why people should take over at once.
    fn are_asked_for(self, lines: &[Line]) -> Option<HandoverReason> {
        let said = || unanswered(lines).iter().map(|line| &*line.text);
        if said().any(|text| self.requests.asks_for_person(text)) {
            return Some(HandoverReason::VisitorAsked);
        }
        said().any(|text| intent::has_phrase(text, self.words)).then_some(HandoverReason::Rule)
    }
}

fn handover(reason: HandoverReason, text: String) -> Outcome {
    Outcome::Handover { reason, summary: "".into(), text: text.into() }
}

/// A person is offered where the text does not answer.
fn answered(text: Arc<str>, end: AnswerEnd, choices: Vec<String>) -> Outcome {
    let choices = choices_of(choices);
    Outcome::Answer { text, end, offer_person: end == AnswerEnd::Fallback, sources: None, choices }
}

fn question(lines: &[Line]) -> String {
    unanswered(lines).iter().map(|line| &*line.text).collect::<Vec<_>>().join("\n")
}

/// What the visitor has said since the last answer.
fn unanswered(lines: &[Line]) -> &[Line] {
    let answered = lines.iter().rposition(|line| line.role != Role::Visitor).map_or(0, |at| at + 1);
    &lines[answered..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[(Role, &str)]) -> Vec<Line> {
        lines.iter().map(|(role, text)| Line { role: *role, text: (*text).into() }).collect()
    }

    /// Two intents, and one that belongs to people.
    fn intents() -> Model {
        let of = |key: &str, more: &str, words: [&str; 3]| {
            let example = |at: usize| format!("\"{} {} please {}\"", words[at % 2], words[2], at / 2);
            let examples = (0..15).map(example).collect::<Vec<_>>().join(", ");
            format!(
                "[intents.{key}]\ntitle.en = \"{key}\"\nreply.en = \"About {key}.\"\nexamples.en = [{examples}]\n{more}\n"
            )
        };
        let toml = [
            of("returns", "action = { url = \"/returns\", label.en = \"Returns\" }", ["return", "refund", "money"]),
            of("opening", "", ["opening", "hours", "shop"]),
            of("complaint", "handover = true", ["terrible", "complaint", "awful"]),
        ];
        Model::train(&intent::Intents::parse(&toml.concat()).unwrap()).model
    }

    fn heard_by(intents: Option<&Model>, question: &str, failures: u32) -> Outcome {
        let lines = said(&[(Role::Visitor, question)]);
        let invocation = Invocation { turn: 1, run: 1, lines, deadline: 0, failures };
        let texts = [("en", "Sorry."), ("zh", "抱歉。")].map(|(language, text)| (language.into(), text.into()));
        let people = People { requests: &PersonRequests::new(), words: &["lawyer".to_owned()] };
        answer(intents, people, &texts, &invocation, "en")
    }

    fn heard(question: &str, failures: u32) -> Outcome {
        heard_by(Some(&intents()), question, failures)
    }

    #[test]
    fn a_sure_intent_gives_its_reply_with_its_link() {
        let Outcome::Answer { text, end, offer_person, .. } = heard("refund money please", 1) else { panic!() };
        assert_eq!((&*text, end, offer_person), ("About returns.\n\n[Returns](/returns)", AnswerEnd::Intent, false));
    }

    #[test]
    fn an_intent_that_belongs_to_people_hands_over() {
        let outcome = heard("terrible complaint awful", 0);
        let Outcome::Handover { reason: HandoverReason::Rule, text, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(&**text, "About complaint.");
    }

    #[test]
    fn who_asks_for_a_person_or_says_a_word_of_the_sites_is_handed_over() {
        let reason = |question| match heard(question, 0) {
            Outcome::Handover { reason, .. } => Some(reason),
            _ => None,
        };
        assert_eq!(reason("I want to talk to a human"), Some(HandoverReason::VisitorAsked));
        assert_eq!(reason("转人工"), Some(HandoverReason::VisitorAsked));
        assert_eq!(reason("My lawyer will write to you."), Some(HandoverReason::Rule));
        assert_eq!(reason("refund money please"), None);
    }

    #[test]
    fn a_request_for_people_is_heard_although_more_was_said_after_it() {
        let reason = |lines: &[(Role, &str)]| {
            let people = People { requests: &PersonRequests::new(), words: &["lawyer".to_owned()] };
            people.are_asked_for(&said(lines))
        };
        use Role::{Assistant, Visitor};
        assert_eq!(reason(&[(Visitor, "转人工"), (Visitor, "在吗")]), Some(HandoverReason::VisitorAsked));
        assert_eq!(reason(&[(Visitor, "My lawyer will write."), (Visitor, "answer me")]), Some(HandoverReason::Rule));
        assert_eq!(reason(&[(Visitor, "转人工"), (Assistant, "One moment."), (Visitor, "thanks")]), None);
    }

    #[test]
    fn two_close_intents_are_asked_about_once() {
        let demo = intent::Intents::parse(include_str!("../../web/demo/intents.toml")).unwrap();
        let demo = Model::train(&demo).model;
        let heard = |failures| heard_by(Some(&demo), "the parcel", failures);
        let Outcome::Answer { text, end, offer_person, choices, .. } = heard(0) else { panic!("{:?}", heard(0)) };
        assert!(text.starts_with("Do you mean"), "{text}");
        assert_eq!((end, offer_person), (AnswerEnd::Fallback, true));
        let choices: Vec<_> = choices.iter().flat_map(|choices| choices.iter()).map(|choice| &**choice).collect();
        assert_eq!(choices, ["A lost or damaged parcel", "Changing the delivery address"]);
        assert_eq!(heard(1), Outcome::Failure);
    }

    #[test]
    fn to_what_no_intent_is_about_the_site_has_its_own_words_and_then_people() {
        for (question, words) in [("量子力学是什么", "抱歉。"), ("xyzzy plugh", "Sorry.")] {
            let apology = answered(words.into(), AnswerEnd::Fallback, vec![]);
            assert_eq!(heard(question, 0), apology);
            assert_eq!(heard_by(None, question, 0), apology);
            assert_eq!(heard(question, 1), Outcome::Failure, "the core hands over");
        }
    }

    #[test]
    fn the_question_is_all_that_was_said_since_the_last_answer() {
        let lines =
            [(Role::Visitor, "hello"), (Role::Assistant, "Hi"), (Role::Visitor, "refund"), (Role::Visitor, "money")];
        assert_eq!(question(&said(&lines)), "refund\nmoney");
        assert_eq!(question(&said(&lines[..2])), "");
    }
}
