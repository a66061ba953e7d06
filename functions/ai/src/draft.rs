//! The answer of a turn while it is being written.

use protocol::function::MAX_DELTA_BYTES;

use crate::text;

/// The text so far, and how much more may come.
#[derive(Debug)]
pub(crate) struct Draft {
    text: String,
    max_bytes: usize,
    is_full: bool,
}

impl Draft {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { text: String::new(), max_bytes, is_full: false }
    }

    /// Takes what the model said; gives the deltas to send for it. White space before the first word is no content:
    /// models like to begin with a line feed.
    pub(crate) fn handle_text(&mut self, said: &str) -> Vec<String> {
        let said = if self.text.is_empty() { said.trim_start() } else { said };
        let fitting = text::head(said, self.max_bytes - self.text.len());
        self.is_full |= fitting.len() < said.len();
        self.text.push_str(fitting);
        text::split(fitting, MAX_DELTA_BYTES).map(str::to_owned).collect()
    }

    /// Nothing that could be shown has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The answer reached its limit; something was left out.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_put_together_are_the_text() {
        let mut draft = Draft::new(100_000);
        let mut deltas = Vec::new();
        for said in ["\n ", "\nHello", " ", "\n", &"你".repeat(3000)] {
            deltas.extend(draft.handle_text(said));
        }
        assert!(deltas.iter().all(|delta| !delta.is_empty() && delta.len() <= MAX_DELTA_BYTES));
        assert!(deltas.concat().starts_with("Hello \n你"));
        assert_eq!(deltas.concat(), draft.into_text());
    }

    #[test]
    fn white_space_alone_is_no_content() {
        let mut draft = Draft::new(100);
        assert_eq!(draft.handle_text(" \n\t"), Vec::<String>::new());
        assert!(draft.is_empty());
    }

    #[test]
    fn an_answer_ends_at_its_limit_between_characters() {
        let mut draft = Draft::new(7);
        assert_eq!(draft.handle_text("你好"), ["你好"]);
        assert!(!draft.is_full());
        assert_eq!(draft.handle_text("吗"), Vec::<String>::new());
        assert!(draft.is_full());
        assert_eq!(draft.into_text(), "你好");
    }
}
