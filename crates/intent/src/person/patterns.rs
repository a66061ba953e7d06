//! Patterns of messages: `{can|could} I talk to {a person|somebody}` stands for four.

/// All messages that `pattern` stands for: one for each choice in its braces, which do not stand in each other.
pub(super) fn messages(pattern: &str) -> Vec<String> {
    let choice = pattern.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (choices, after))) = choice else { return vec![tidy(pattern)] };
    choices.split('|').flat_map(|choice| messages(&format!("{before}{choice}{after}"))).collect()
}

/// One space between words: a choice may be empty.
fn tidy(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_one_message_for_each_choice() {
        assert_eq!(messages("{can|may} I {talk|speak}"), ["can I talk", "can I speak", "may I talk", "may I speak"]);
        assert_eq!(messages("{|please} help {|me}"), ["help", "help me", "please help", "please help me"]);
        assert_eq!(messages("an {open brace"), ["an {open brace"]);
        assert_eq!(messages("plain"), ["plain"]);
    }
}
