//! A message in the form that the model compares: NFKC (full-width letters become ordinary ones), lower case, no
//! punctuation but question marks and signs of currencies, one space between words.

use language::is_han;
use unicode_normalization::UnicodeNormalization;

/// How many characters of a message count. What a message is about stands at its beginning; this bounds the work.
pub const MAX_MESSAGE_CHARS: usize = 1_000;

/// Signs that say something: questions, money.
const SIGNS: [char; 6] = ['?', '$', '£', '€', '¥', '%'];

/// A normalised message.
#[derive(Debug, Default)]
pub(crate) struct Normal {
    /// A space, the words with one space between them, a space. Chinese characters stand side by side.
    pub letters: Vec<char>,
    /// Where each word is in `letters`: start and end. A Chinese character is a word of its own.
    pub words: Vec<(usize, usize)>,
}

impl Normal {
    pub(crate) fn new(text: &str) -> Self {
        let mut normal = Self::default();
        normal.letters.reserve(text.len().min(MAX_MESSAGE_CHARS) + 2);
        normal.letters.push(' ');
        let start = text.chars().take(MAX_MESSAGE_CHARS);
        if text.is_ascii() {
            start.for_each(|letter| normal.push(letter.to_ascii_lowercase()));
        } else {
            start.nfkc().flat_map(char::to_lowercase).take(MAX_MESSAGE_CHARS).for_each(|letter| normal.push(letter));
        }
        normal.separate();
        normal
    }

    /// Whether the message has no word at all.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The piece of the message in this range of `letters`.
    pub(crate) fn piece(&self, start: usize, end: usize) -> String {
        self.letters.get(start..end).unwrap_or_default().iter().collect()
    }

    /// The whole message.
    pub(crate) fn whole(&self) -> String {
        self.piece(0, self.letters.len()).trim().to_owned()
    }

    fn push(&mut self, letter: char) {
        if is_han(letter) || SIGNS.contains(&letter) {
            self.push_word_of_one(letter);
        } else if letter.is_alphanumeric() {
            self.push_letter(letter);
        } else if !matches!(letter, '\'' | '\u{2019}' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{fe0f}') {
            // "don't" and "dont" are one word; everything else that is no letter stands between words.
            self.separate();
        }
    }

    fn push_word_of_one(&mut self, letter: char) {
        let is_beside_han = is_han(letter) && self.letters.last().is_some_and(|last| is_han(*last));
        if !is_beside_han {
            self.separate();
        }
        self.words.push((self.letters.len(), self.letters.len() + 1));
        self.letters.push(letter);
    }

    fn push_letter(&mut self, letter: char) {
        let is_inside_a_word = self.letters.last().is_some_and(|last| last.is_alphanumeric() && !is_han(*last));
        if !is_inside_a_word {
            self.separate();
            self.words.push((self.letters.len(), self.letters.len()));
        }
        self.letters.push(letter);
        if let Some(word) = self.words.last_mut() {
            word.1 = self.letters.len();
        }
    }

    fn separate(&mut self) {
        if self.letters.last() != Some(&' ') {
            self.letters.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, letters: &str, words: &[&str]) {
        let normal = Normal::new(text);
        assert_eq!(normal.letters.iter().collect::<String>(), letters);
        let found: Vec<_> = normal.words.iter().map(|&(start, end)| normal.piece(start, end)).collect();
        assert_eq!(found, words);
    }

    #[test]
    fn words_are_lower_case_and_have_one_space_between_them() {
        check("  How LONG,  please?!", " how long please ? ", &["how", "long", "please", "?"]);
        check("I don\u{2019}t / don't", " i dont dont ", &["i", "dont", "dont"]);
        check("", " ", &[]);
        check("...", " ", &[]);
    }

    #[test]
    fn chinese_characters_stand_side_by_side_and_are_words() {
        check("运费多少？", " 运费多少 ? ", &["运", "费", "多", "少", "?"]);
        check("Cloud Mist多少钱", " cloud mist 多少钱 ", &["cloud", "mist", "多", "少", "钱"]);
        check("用PayPal付", " 用 paypal 付 ", &["用", "paypal", "付"]);
    }

    #[test]
    fn full_width_forms_become_ordinary_ones() {
        check("ＰａｙＰａｌ　１２？", " paypal 12 ? ", &["paypal", "12", "?"]);
        check("ﬁne CAFÉ", " fine café ", &["fine", "café"]);
    }

    #[test]
    fn only_the_beginning_of_an_endless_message_counts() {
        assert!(Normal::new(&"字".repeat(50_000)).letters.len() <= MAX_MESSAGE_CHARS + 2);
        // One character that NFKC makes eighteen of.
        assert!(Normal::new(&"\u{fdfa}".repeat(50_000)).letters.len() <= 2 * MAX_MESSAGE_CHARS + 2);
        assert!(Normal::new("!").is_empty());
    }
}
