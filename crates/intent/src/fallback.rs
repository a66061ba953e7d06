//! What to say to a visitor where no language model does. Node and function both ask here, so that it makes no difference
//! which of them is left to answer.

use crate::model::{Decision, Model, Reply};
use crate::small_talk::{SmallTalk, without_greeting};

/// What there is to say without a language model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// The site's own reply to an intent, or one to small talk, Markdown: the message is answered.
    Reply(String),
    /// A question back, between two intents.
    AskBack {
        /// The question, which names both.
        text: String,
        /// What the visitor may say to it: the titles of both. Each is answered by its intent.
        choices: Vec<String>,
    },
    /// The site gives such messages to people.
    Handover {
        /// What the visitor reads before, Markdown.
        text: String,
    },
    /// Nothing: the site's fallback text, or people where it came to that before.
    Nothing,
}

/// What to say to `message` where no language model does. `language` is what the visitor's client shows (BCP 47);
/// `failures` is how many answers right before were fallbacks, in a row.
///
/// A site that has its own reply to a greeting is heard first.
pub fn fallback(model: Option<&Model>, message: &str, language: &str, failures: u32) -> Fallback {
    if let Some(about) = SmallTalk::of(message) {
        let own = model.and_then(|model| model.is_sure_enough_for_instant(message, language));
        return own.map(said).or_else(|| small_talk(about, message, language, failures)).unwrap_or(Fallback::Nothing);
    }
    if let Some(reply) = model.and_then(|model| model.reply_to_title(message, language)) {
        return said(reply);
    }
    match model.map(|model| model.decide(without_greeting(message), language)) {
        Some(Decision::Sure(reply)) => said(reply),
        // Whoever is asked back twice in a row is better off with a person.
        Some(Decision::AskBack(ask_back)) if failures == 0 => {
            let choices = ask_back.titles.into_iter().map(capitalised).collect();
            Fallback::AskBack { text: ask_back.text, choices }
        }
        Some(Decision::AskBack(_) | Decision::Unsure) | None => Fallback::Nothing,
    }
}

/// What to say to `message` with no language model asked, where `model` is sure enough of it: a reply, people, or nothing.
pub fn instant(model: &Model, message: &str, language: &str) -> Fallback {
    model.is_sure_enough_for_instant(without_greeting(message), language).map_or(Fallback::Nothing, said)
}

/// The reply to small talk that needs to know nothing of what was said before, in the visitor's language if there are words
/// for it.
fn small_talk(about: SmallTalk, message: &str, language: &str, failures: u32) -> Option<Fallback> {
    let is_fitting = match about {
        // What "yes" agrees to, only a language model may know; and what it can do, it cannot do now.
        SmallTalk::Agreement | SmallTalk::Abilities => false,
        // After a fallback both answer its offer of a person: "no" ends it, and who says "OK, thanks" gets one.
        SmallTalk::Refusal => failures > 0,
        _ => failures == 0 || !SmallTalk::agrees(message),
    };
    let spoken = language::choose(["en", "zh", language].into_iter(), message, language).map(language::primary)?;
    let language =
        SPOKEN.into_iter().find(|known| spoken.eq_ignore_ascii_case(known) || (spoken.is_empty() && *known == "en"))?;
    is_fitting.then(|| Fallback::Reply(about.reply(language).to_owned()))
}

/// The languages in which there is small talk.
const SPOKEN: [&str; 2] = ["en", "zh"];

fn said(reply: Reply<'_>) -> Fallback {
    let text = with_link(&reply);
    if reply.handover { Fallback::Handover { text } } else { Fallback::Reply(text) }
}

/// The reply with its action's link below it.
fn with_link(reply: &Reply<'_>) -> String {
    match reply.action {
        Some((url, label)) => format!("{}\n\n[{label}]({url})", reply.text),
        None => reply.text.to_owned(),
    }
}

/// Titles are written to stand in a sentence; a choice stands alone.
fn capitalised(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, language: &str, failures: u32, expected: Option<SmallTalk>) {
        let spoken = if language::is_chinese(message) { "zh" } else { "en" };
        let expected = expected.map_or(Fallback::Nothing, |about| Fallback::Reply(about.reply(spoken).to_owned()));
        assert_eq!(fallback(None, message, language, failures), expected, "{message}");
    }

    #[test]
    fn a_greeting_or_thanks_gets_a_fitting_reply_in_the_language_of_its_letters() {
        for (message, about) in [
            ("hi", SmallTalk::Greeting),
            ("你好", SmallTalk::Greeting),
            ("thanks!", SmallTalk::Thanks),
            ("谢谢", SmallTalk::Thanks),
            ("bye", SmallTalk::Goodbye),
            ("Are you a robot?", SmallTalk::WhoAreYou),
            ("你是机器人吗", SmallTalk::WhoAreYou),
        ] {
            for client in ["en-GB", "zh-CN", "ja", ""] {
                check(message, client, 0, Some(about));
                check(message, client, 1, Some(about));
            }
        }
    }

    #[test]
    fn small_talk_that_goes_back_to_what_was_said_is_not_guessed_at() {
        for message in ["ok", "yes", "好的", "no", "不用了", "can you help me"] {
            check(message, "en", 0, None);
        }
        for (message, about) in [
            ("no thanks", Some(SmallTalk::Thanks)),
            ("no", Some(SmallTalk::Refusal)),
            ("不用了", Some(SmallTalk::Refusal)),
        ] {
            check(message, "en", 1, about);
        }
        for message in ["yes", "ok thanks", "好的，谢谢", "Yes, please!"] {
            check(message, "en", 1, None);
        }
    }

    #[test]
    fn who_speaks_another_language_is_left_to_the_sites_own_words() {
        for language in ["fr", "de-AT", "ar"] {
            check("super", language, 0, None);
            check("Hello", language, 0, None);
        }
    }

    #[test]
    fn a_question_behind_a_greeting_counts() {
        for message in ["Hi, where is my parcel?", "你好，我的包裹在哪里？"] {
            check(message, "en", 0, None);
        }
    }
}
