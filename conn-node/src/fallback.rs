//! The node's own answer, where the function says nothing: by the same intents and the same rules as the function's.

use conversation::{AnswerEnd, HandoverReason, Line, Outcome, Role};
use intent::{Decision, Model, Reply};

/// What the visitor hears in the function's place: the reply of a sure intent, a question back where two are close, or
/// nothing of its own. Then the core has the site's own words, and people where it came to that before.
///
/// `language` is what the visitor's client shows; `failures` is how many answers right before were fallbacks.
pub(crate) fn answer(intents: Option<&Model>, lines: &[Line], language: &str, failures: u32) -> Outcome {
    let Some(intents) = intents else { return Outcome::Failure };
    match intents.decide(&question(lines), language) {
        Decision::Sure(reply) if reply.handover => {
            Outcome::Handover { reason: HandoverReason::Rule, summary: "".into() }
        }
        Decision::Sure(reply) => answered(text(&reply), AnswerEnd::Intent, false),
        // Whoever is asked back twice in a row is better off with a person.
        Decision::AskBack(ask_back) if failures == 0 => answered(ask_back.text, AnswerEnd::Fallback, true),
        Decision::AskBack(_) | Decision::Unsure => Outcome::Failure,
    }
}

fn answered(text: String, end: AnswerEnd, offer_person: bool) -> Outcome {
    Outcome::Answer { text: text.into(), end, offer_person, sources: None }
}

fn text(reply: &Reply<'_>) -> String {
    match reply.action {
        Some((url, label)) => format!("{}\n\n[{label}]({url})", reply.text),
        None => reply.text.to_owned(),
    }
}

/// What the visitor has said since the last answer.
fn question(lines: &[Line]) -> String {
    let answered = lines.iter().rposition(|line| line.role != Role::Visitor).map_or(0, |at| at + 1);
    lines[answered..].iter().map(|line| &*line.text).collect::<Vec<_>>().join("\n")
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
            of("complaint", "handover = true", ["terrible", "complaint", "manager"]),
        ];
        Model::train(&intent::Intents::parse(&toml.concat()).unwrap()).model
    }

    fn heard(question: &str, failures: u32) -> Outcome {
        answer(Some(&intents()), &said(&[(Role::Visitor, question)]), "en", failures)
    }

    #[test]
    fn a_sure_intent_gives_its_reply_with_its_link() {
        let Outcome::Answer { text, end, offer_person, .. } = heard("refund money please", 1) else { panic!() };
        assert_eq!((&*text, end, offer_person), ("About returns.\n\n[Returns](/returns)", AnswerEnd::Intent, false));
    }

    #[test]
    fn an_intent_that_belongs_to_people_hands_over() {
        let outcome = heard("terrible complaint manager", 0);
        assert!(matches!(outcome, Outcome::Handover { reason: HandoverReason::Rule, .. }), "{outcome:?}");
    }

    #[test]
    fn two_close_intents_are_asked_about_once() {
        let demo = intent::Intents::parse(include_str!("../../web/demo/intents.toml")).unwrap();
        let demo = Model::train(&demo).model;
        let heard = |failures| answer(Some(&demo), &said(&[(Role::Visitor, "the parcel")]), "en", failures);
        let Outcome::Answer { text, end, offer_person, .. } = heard(0) else { panic!("{:?}", heard(0)) };
        assert!(text.starts_with("Do you mean"), "{text}");
        assert_eq!((end, offer_person), (AnswerEnd::Fallback, true));
        assert_eq!(heard(1), Outcome::Failure);
    }

    #[test]
    fn what_no_intent_is_about_is_left_to_the_sites_own_words() {
        assert_eq!(heard("量子力学是什么", 0), Outcome::Failure);
        assert_eq!(answer(None, &said(&[(Role::Visitor, "refund money please")]), "en", 0), Outcome::Failure);
    }

    #[test]
    fn the_question_is_all_that_was_said_since_the_last_answer() {
        let lines =
            [(Role::Visitor, "hello"), (Role::Assistant, "Hi"), (Role::Visitor, "refund"), (Role::Visitor, "money")];
        assert_eq!(question(&said(&lines)), "refund\nmoney");
        assert_eq!(question(&said(&lines[..2])), "");
    }
}
