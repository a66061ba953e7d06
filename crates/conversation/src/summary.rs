//! What an agent reads first of a conversation that was handed over, where nobody wrote a better summary.

use std::sync::Arc;

use crate::policy::is_mostly_han;
use crate::window::{Line, Role};

/// The longest summary of a handover, in UTF-8 bytes.
pub const MAX_SUMMARY_BYTES: usize = 2_000;

/// The most of one line that is quoted, in UTF-8 bytes. Three of them and their labels fit into a summary.
const MAX_QUOTE_BYTES: usize = 600;

/// The first question and the newest, and what the assistant said last, each cut to its beginning; empty where the visitor
/// has said nothing. In Chinese where the newest question is.
pub(crate) fn summary(lines: &[Line]) -> Arc<str> {
    let said = |role: Role| lines.iter().filter(move |line| line.role == role).map(|line| &*line.text);
    let (Some(first), Some(newest)) = (said(Role::Visitor).next(), said(Role::Visitor).next_back()) else {
        return "".into();
    };
    let labels = if is_mostly_han(newest) { CHINESE } else { ENGLISH };
    let first = (first != newest).then_some(first);
    let quoted = [first, Some(newest), said(Role::Assistant).next_back()];
    let quotes = labels.into_iter().zip(quoted).filter_map(|(label, text)| Some(format!("{label}{}", quote(text?))));
    quotes.collect::<Vec<_>>().join("\n").into()
}

/// For what was asked first, what was asked last, and what was answered last.
type Labels = [&'static str; 3];

const ENGLISH: Labels = ["First question: ", "Last question: ", "Last answer: "];
const CHINESE: Labels = ["最初的问题：", "最近的问题：", "最近的回答："];

/// The beginning of a text, on one line.
fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for word in text.split_whitespace() {
        let space = if quoted.is_empty() { "" } else { " " };
        for part in [space, word] {
            let room = MAX_QUOTE_BYTES - quoted.len();
            if part.len() > room {
                let whole = part.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
                quoted.push_str(&part[..whole.unwrap_or(0)]);
                quoted.push('…');
                return quoted;
            }
            quoted.push_str(part);
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(role: Role, text: &str) -> Line {
        Line { role, text: text.into() }
    }

    #[test]
    fn it_says_what_was_asked_first_and_last_and_what_was_answered() {
        let lines = [
            line(Role::Visitor, "Where is\nmy parcel?"),
            line(Role::Assistant, "On its way."),
            line(Role::Visitor, "Since when?"),
        ];
        let told = "First question: Where is my parcel?\nLast question: Since when?\nLast answer: On its way.";
        assert_eq!(&*summary(&lines), told);
        assert_eq!(&*summary(&lines[..1]), "Last question: Where is my parcel?");
        assert_eq!(&*summary(&lines[1..2]), "", "nothing was asked");
    }

    #[test]
    fn it_is_in_the_language_of_the_newest_question() {
        let lines = [line(Role::Visitor, "hello"), line(Role::Visitor, "我的包裹在哪里")];
        assert_eq!(&*summary(&lines), "最初的问题：hello\n最近的问题：我的包裹在哪里");
    }

    #[test]
    fn it_is_bounded_whatever_was_said() {
        for text in ["x".repeat(5_000), "长".repeat(5_000), "a b ".repeat(5_000)] {
            let lines =
                [line(Role::Visitor, &text), line(Role::Assistant, &text), line(Role::Visitor, &format!("{text}!"))];
            let summary = summary(&lines);
            assert!(summary.len() <= MAX_SUMMARY_BYTES, "{} bytes", summary.len());
            assert!(summary.len() > 1_700 && summary.ends_with('…'), "{} bytes", summary.len());
        }
    }
}
