//! What an agent reads first of a conversation that the assistant gives away.

use protocol::function::{MAX_SUMMARY_BYTES, Message, Role};

use crate::text;

/// The most of one message that is quoted, in bytes.
const MAX_QUOTE_BYTES: usize = 400;

/// What is known of a conversation at its handover.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handed<'a> {
    /// The recent messages, oldest first.
    pub(crate) messages: &'a [Message],
    /// What the newest message was recognised to ask.
    pub(crate) intent: Option<&'a str>,
    /// How many answers in a row the visitor did not get, this one included.
    pub(crate) failures: u32,
    /// What the model wrote for the agent.
    pub(crate) note: &'a str,
}

/// The first question and the newest, what was answered last, what it is about and what was tried: a line each, in Chinese
/// where the newest question is, at most [`MAX_SUMMARY_BYTES`].
pub(crate) fn summary(handed: Handed<'_>) -> String {
    let said =
        |role: Role| handed.messages.iter().filter(move |message| message.role == role).map(|message| &message.text);
    let newest = said(Role::Visitor).next_back();
    let first = said(Role::Visitor).next().filter(|first| Some(*first) != newest);
    let labels = if newest.is_some_and(|newest| language::is_chinese(newest)) { &CHINESE } else { &ENGLISH };
    let quoted = |text: Option<&String>| text.map(|text| quote(text, MAX_QUOTE_BYTES)).filter(|text| !text.is_empty());
    let note = quote(handed.note, MAX_QUOTE_BYTES);
    let lines = [
        quoted(first).map(|text| format!("{}{text}", labels.first)),
        quoted(newest).map(|text| format!("{}{text}", labels.newest)),
        quoted(said(Role::Assistant).next_back()).map(|text| format!("{}{text}", labels.answer)),
        handed.intent.map(|intent| format!("{}{}", labels.intent, quote(intent, MAX_QUOTE_BYTES))),
        (handed.failures > 0).then(|| format!("{}{}", labels.failures, handed.failures)),
        (!note.is_empty()).then(|| format!("{}{note}", labels.note)),
    ];
    let summary = lines.into_iter().flatten().collect::<Vec<_>>().join("\n");
    text::head(&summary, MAX_SUMMARY_BYTES).to_owned()
}

struct Labels {
    first: &'static str,
    newest: &'static str,
    answer: &'static str,
    intent: &'static str,
    failures: &'static str,
    note: &'static str,
}

const ENGLISH: Labels = Labels {
    first: "First question: ",
    newest: "Last question: ",
    answer: "Last answer: ",
    intent: "About: ",
    failures: "Questions without an answer: ",
    note: "The assistant notes: ",
};

const CHINESE: Labels = Labels {
    first: "最初的问题：",
    newest: "最近的问题：",
    answer: "最近的回答：",
    intent: "关于：",
    failures: "没有得到回答的问题：",
    note: "助手备注：",
};

/// The beginning of a text, on one line.
fn quote(text: &str, max_bytes: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let head = text::head(&line, max_bytes);
    if head.len() < line.len() { format!("{head}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(texts: &[(Role, &str)]) -> Vec<Message> {
        texts.iter().map(|(role, text)| Message { role: *role, text: (*text).into() }).collect()
    }

    #[test]
    fn it_says_what_was_asked_first_and_last_what_about_and_what_was_tried() {
        let messages = messages(&[
            (Role::Visitor, "Where is\nmy parcel?"),
            (Role::Assistant, "On its way."),
            (Role::Visitor, "Since when?"),
        ]);
        let handed = Handed { messages: &messages, intent: Some("order_status"), failures: 2, note: "Angry." };
        assert_eq!(
            summary(handed),
            "First question: Where is my parcel?\nLast question: Since when?\nLast answer: On its way.\nAbout: order_status\n\
             Questions without an answer: 2\nThe assistant notes: Angry."
        );
    }

    #[test]
    fn what_is_not_known_is_left_out_and_chinese_stays_chinese() {
        let messages = messages(&[(Role::Visitor, "我的包裹在哪里？")]);
        assert_eq!(summary(Handed { messages: &messages, ..Handed::default() }), "最近的问题：我的包裹在哪里？");
        assert_eq!(summary(Handed::default()), "");
    }

    #[test]
    fn it_is_bounded_whatever_was_said() {
        let long = "长".repeat(5_000);
        let messages =
            messages(&[(Role::Visitor, &long), (Role::Assistant, &long), (Role::Visitor, &format!("{long}!"))]);
        let summary = summary(Handed { messages: &messages, intent: Some(&long), failures: 9, note: &long });
        assert!((1_900..=MAX_SUMMARY_BYTES).contains(&summary.len()), "{}", summary.len());
    }
}
