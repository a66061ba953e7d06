//! Whether a message says by itself what it asks, so that it may be answered without a model.

use language::is_han;
use protocol::function::{Message, Role};

/// The longest message that an instant answer is right for, in characters: a longer one asks more than one thing.
const MAX_INSTANT_CHARS: usize = 200;

/// Whether the newest message says by itself what it asks.
///
/// The first message of a conversation does. A later one does unless it begins like a continuation, points back, or has fewer
/// than three words (four Chinese characters). Two messages in a row, or a long one, ask more than one thing.
pub(crate) fn stands_alone(messages: &[Message]) -> bool {
    let unanswered = messages.iter().rev().take_while(|message| message.role == Role::Visitor).count();
    let Some(newest) = messages.last() else { return false };
    if unanswered != 1 || newest.text.chars().count() > MAX_INSTANT_CHARS {
        return false;
    }
    messages.len() == 1 || !goes_on(&newest.text.trim().to_lowercase())
}

/// How a message begins that goes on with what was said before.
const OPENINGS: [&str; 20] = [
    "and ",
    "or ",
    "but ",
    "so ",
    "then ",
    "also ",
    "what about",
    "how about",
    "what if",
    "why",
    "yes",
    "no ",
    "ok",
    "那",
    "还有",
    "如果",
    "要是",
    "但是",
    "所以",
    "为什么",
];

/// Words that stand for something that was said before.
const POINTERS: [&str; 12] =
    ["it", "its", "that", "this", "these", "those", "them", "they", "one", "there", "same", "instead"];
const CHINESE_POINTERS: [&str; 10] = ["它", "这个", "那个", "这种", "那种", "这些", "那些", "这样", "那样", "上面"];

fn goes_on(message: &str) -> bool {
    let words: Vec<&str> = message
        .split(|letter: char| !letter.is_alphanumeric() && letter != '\'')
        .filter(|word| !word.is_empty())
        .collect();
    let han = message.chars().filter(|letter| is_han(*letter)).count();
    let is_short = if han > 0 { han < 4 } else { words.len() < 3 };
    // "小的呢？": and the small ones?
    let asks_on = han > 0 && han < 8 && message.trim_end_matches(['?', '？', ' ', '。']).ends_with('呢');
    is_short
        || asks_on
        || OPENINGS.iter().any(|opening| message.starts_with(opening))
        || words.iter().any(|word| POINTERS.contains(word))
        || CHINESE_POINTERS.iter().any(|pointer| message.contains(pointer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(text: &str, before: bool) -> bool {
        let mut messages = vec![Message { role: Role::Visitor, text: text.into() }];
        if before {
            let earlier = [(Role::Visitor, "How much is shipping?"), (Role::Assistant, "€4.90")];
            messages.splice(..0, earlier.map(|(role, text)| Message { role, text: text.into() }));
        }
        stands_alone(&messages)
    }

    #[test]
    fn the_first_message_stands_alone_and_a_later_one_if_it_says_what_it_asks() {
        assert!(alone("Shipping?", false) && alone("它呢", false));
        for text in ["How do I return a teapot?", "Where is my order HH-204518", "我要退货怎么办", "怎么修改收货地址？"]
        {
            assert!(alone(text, true), "{text}");
        }
    }

    #[test]
    fn a_message_that_goes_on_does_not_stand_alone() {
        for text in [
            "And for two?",
            "what about returns to Germany",
            "Can I return it?",
            "Is that the same for teapots?",
            "how long",
            "那退货呢？",
            "茶壶可以退呢？",
            "这个可以退货吗",
            "退货",
            "ok, how do I do a return",
        ] {
            assert!(!alone(text, true), "{text}");
        }
    }

    #[test]
    fn two_messages_or_a_long_one_ask_more_than_one_thing() {
        let twice = ["How do I return a teapot?", "How do I pay?"]
            .map(|text| Message { role: Role::Visitor, text: text.into() });
        assert!(!stands_alone(&twice));
        assert!(!alone(&"How do I return a teapot? ".repeat(9), false));
        assert!(!stands_alone(&[]));
    }
}
