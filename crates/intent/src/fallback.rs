//! What to say to a visitor where no language model does. Node and function both ask here, so that it makes no difference
//! which of them is left to answer.

use crate::model::{Decision, Model, Reply};

/// What there is to say without a language model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// The site's own reply, Markdown: the message is answered.
    Reply(String),
    /// A question back, between two intents.
    AskBack(String),
    /// The site gives such messages to people.
    Handover,
    /// Nothing: the site's fallback text, or people where it came to that before.
    Nothing,
}

/// What to say to `message` where no language model does. `language` is what the visitor's client shows (BCP 47);
/// `failures` is how many answers right before were fallbacks, in a row.
pub fn fallback(model: Option<&Model>, message: &str, language: &str, failures: u32) -> Fallback {
    match model.map(|model| model.decide(message, language)) {
        Some(Decision::Sure(reply)) => said(reply),
        // Whoever is asked back twice in a row is better off with a person.
        Some(Decision::AskBack(ask_back)) if failures == 0 => Fallback::AskBack(ask_back.text),
        Some(Decision::AskBack(_) | Decision::Unsure) | None => Fallback::Nothing,
    }
}

/// What to say to `message` with no language model asked, where `model` is sure enough of it: a reply, people, or nothing.
pub fn instant(model: &Model, message: &str, language: &str) -> Fallback {
    model.is_sure_enough_for_instant(message, language).map_or(Fallback::Nothing, said)
}

fn said(reply: Reply<'_>) -> Fallback {
    if reply.handover { Fallback::Handover } else { Fallback::Reply(with_link(&reply)) }
}

/// The reply with its action's link below it.
fn with_link(reply: &Reply<'_>) -> String {
    match reply.action {
        Some((url, label)) => format!("{}\n\n[{label}]({url})", reply.text),
        None => reply.text.to_owned(),
    }
}
