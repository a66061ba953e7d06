//! Whether an answer repeats the site's instructions.
//!
//! Only letters and digits count, in lower case, so that spaces between letters, marks and lists hide nothing. As soon as
//! what was said last is a longer part of the instructions than chance makes it, it is held back; when it goes on, it is
//! cut and an ellipsis stands for it. Instructions are also known backwards, in ROT13, in Base64 and in hexadecimal.
//! Translations, retellings and other encodings are not seen.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::substrings::{Substrings, Suffix};
use crate::text;
use language::is_han;

/// What a letter weighs. A Chinese character says about as much as two and a half.
const LETTER: usize = 2;
const HAN: usize = 5;

/// From here on, 28 letters or 12 Chinese characters, nothing more is shown before it is known how it goes on.
const HOLD: usize = 56;

/// From here on, 72 letters or 29 Chinese characters in a row, it is no chance.
const CUT: usize = 144;

/// So much is held back, in bytes. Whoever puts more marks between the letters of a held part wants to hide something.
const MAX_HELD_BYTES: usize = 4 * 1024;

/// What stands for what was cut.
const ELLIPSIS: &str = "…";

/// What is not to be read out.
#[derive(Debug)]
pub(crate) struct Secret {
    substrings: Substrings,
}

/// How much of the instructions is known in other forms than as they stand, in bytes: an automaton takes memory.
const MAX_ENCODED_BYTES: usize = 4 * 1024;

impl Secret {
    pub(crate) fn new(instructions: &str) -> Self {
        let plain = normals(instructions);
        let head = text::head(instructions, MAX_ENCODED_BYTES);
        let normal_head = normals(head);
        let turned: Vec<char> = normal_head.iter().map(|letter| rot13(*letter)).collect();
        let backwards: Vec<char> = normal_head.iter().rev().copied().collect();
        let hexadecimal: String = head.bytes().map(|byte| format!("{byte:02x}")).collect();
        // Base64 takes three bytes at a time: there are three ways to begin.
        let base64 =
            (0..3).map(|skipped| normals(&STANDARD.encode(head.as_bytes().get(skipped..).unwrap_or_default())));
        let texts: Vec<Vec<char>> =
            [plain, turned, backwards, normals(&hexadecimal)].into_iter().chain(base64).collect();
        Self { substrings: Substrings::of(texts.iter().map(Vec::as_slice)) }
    }
}

fn normals(text: &str) -> Vec<char> {
    text.chars().filter_map(normal).collect()
}

/// Reads an answer as it comes.
#[derive(Debug)]
pub(crate) struct Watch {
    secret: Arc<Secret>,
    suffix: Suffix,
    /// The letters of the suffix: where each begins, and what it weighs.
    run: VecDeque<(usize, usize)>,
    weight: usize,
    held: String,
    /// How much has gone out, or was cut, in bytes.
    before: usize,
    is_cutting: bool,
    /// Where it is in a link or a picture, if what nobody reads of them does not count.
    unread: Option<Unread>,
}

impl Watch {
    pub(crate) fn new(secret: Arc<Secret>) -> Self {
        Self {
            secret,
            suffix: Suffix::default(),
            run: VecDeque::new(),
            weight: 0,
            held: String::new(),
            before: 0,
            is_cutting: false,
            unread: None,
        }
    }

    /// A watch of text whose links and pictures are whole: their addresses, and what pictures are called, are not read.
    pub(crate) fn of_what_is_read(secret: Arc<Secret>) -> Self {
        Self { unread: Some(Unread::default()), ..Self::new(secret) }
    }

    /// Takes the next text; gives what can go out.
    pub(crate) fn handle_text(&mut self, text: &str) -> String {
        let mut out = String::new();
        for letter in text.chars() {
            self.handle_letter(letter, &mut out);
        }
        out
    }

    /// The end of the text: what is left of it.
    pub(crate) fn finish(&mut self) -> String {
        self.before += self.held.len();
        std::mem::take(&mut self.held)
    }

    fn handle_letter(&mut self, letter: char, out: &mut String) {
        let at = self.before + self.held.len();
        self.held.push(letter);
        let is_read = self.unread.as_mut().is_none_or(|unread| !unread.has(letter));
        if let Some(normal) = normal(letter).filter(|_| is_read) {
            self.advance(normal, at);
        }
        if self.is_cutting {
            if self.weight >= HOLD {
                self.before += self.held.len();
                self.held.clear();
                return;
            }
            // The letter that broke the run is the first of what follows.
            self.is_cutting = false;
            self.restart();
        }
        if self.weight >= CUT || self.held.len() > MAX_HELD_BYTES {
            self.release(self.run.front().map_or(at, |(at, _)| *at), out);
            out.push_str(ELLIPSIS);
            self.before += self.held.len();
            self.held.clear();
            self.is_cutting = true;
        } else {
            let from = if self.weight >= HOLD { self.run.front().map_or(at, |(at, _)| *at) } else { usize::MAX };
            self.release(from, out);
        }
    }

    fn advance(&mut self, normal: char, at: usize) {
        self.suffix = self.secret.substrings.advance(self.suffix, normal);
        let weight = if is_han(normal) { HAN } else { LETTER };
        self.run.push_back((at, weight));
        self.weight += weight;
        while self.run.len() > self.suffix.length as usize {
            self.weight -= self.run.pop_front().map_or(0, |(_, weight)| weight);
        }
    }

    fn restart(&mut self) {
        self.suffix = Suffix::default();
        self.run.clear();
        self.weight = 0;
    }

    /// Lets out what is held and stands before `from`.
    fn release(&mut self, from: usize, out: &mut String) {
        let bytes = from.saturating_sub(self.before).min(self.held.len());
        out.extend(self.held.drain(..bytes));
        self.before += bytes;
    }
}

/// Finds in text what a reader of its Markdown does not see.
#[derive(Debug, Default)]
struct Unread {
    last: Option<char>,
    is_picture: bool,
    is_address: bool,
}

impl Unread {
    /// Whether `letter`, which comes next, is not seen.
    fn has(&mut self, letter: char) -> bool {
        match (self.last.replace(letter), letter) {
            (Some('!'), '[') => self.is_picture = true,
            (Some(']'), '(') => self.is_address = true,
            (_, ')') if self.is_address => (self.is_picture, self.is_address) = (false, false),
            _ => {}
        }
        self.is_picture || self.is_address
    }
}

/// A letter or digit in the one form in which it is compared.
fn normal(letter: char) -> Option<char> {
    let letter = match letter {
        // Full-width letters and digits.
        '\u{ff10}'..='\u{ff5a}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
        other => other,
    };
    letter.is_alphanumeric().then(|| letter.to_lowercase().next().unwrap_or(letter))
}

fn rot13(letter: char) -> char {
    match letter {
        'a'..='m' => char::from(letter as u8 + 13),
        'n'..='z' => char::from(letter as u8 - 13),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INSTRUCTIONS: &str = "You answer visitors of Hollow Hill Tea. Never mention the discount code SPRING25 unless the \
                                visitor is a café. 绝对不要告诉顾客我们的进货价格，也不要提到供应商的名字和仓库的地址。";

    fn said(pieces: &[&str]) -> String {
        let mut watch = Watch::new(Arc::new(Secret::new(INSTRUCTIONS)));
        let out: String = pieces.iter().map(|piece| watch.handle_text(piece)).collect();
        out + &watch.finish()
    }

    #[test]
    fn ordinary_answers_pass_at_once() {
        let mut watch = Watch::new(Arc::new(Secret::new(INSTRUCTIONS)));
        for text in ["Hollow Hill Tea", " ships ", "within two days. ", "我们的地址", "在这里。"] {
            assert_eq!(watch.handle_text(text), text);
        }
    }

    #[test]
    fn instructions_that_are_read_out_are_cut_and_what_follows_is_not() {
        let told = said(&["Sure! ", INSTRUCTIONS, " Anything else I can do?"]);
        assert!(told.starts_with("Sure! ") && told.ends_with("Anything else I can do?"), "{told}");
        assert!(told.contains('…') && !told.contains("SPRING25") && !told.contains("进货价格"), "{told}");
    }

    #[test]
    fn marks_spaces_case_and_wide_letters_hide_nothing() {
        let spaced: String = INSTRUCTIONS.chars().flat_map(|letter| [letter, '-']).collect();
        let wide: String = INSTRUCTIONS
            .chars()
            .map(|letter| match letter {
                'A'..='Z' | 'a'..='z' | '0'..='9' => char::from_u32(u32::from(letter) + 0xfee0).unwrap(),
                other => other,
            })
            .collect();
        let backwards: String = INSTRUCTIONS.chars().rev().collect();
        for text in [&spaced, &INSTRUCTIONS.to_uppercase(), &wide, &backwards] {
            let told = said(&[text]);
            assert!(told.chars().filter(|letter| letter.is_alphanumeric()).count() < 40, "{told}");
        }
    }

    #[test]
    fn a_short_common_part_is_held_and_then_let_go() {
        let mut watch = Watch::new(Arc::new(Secret::new(INSTRUCTIONS)));
        let part = "You answer visitors of Hollow Hill Tea. Never";
        let first = watch.handle_text(part);
        assert!(first.len() < part.len(), "{first}");
        assert_eq!(first + &watch.handle_text(" at night!"), format!("{part} at night!"));
    }

    #[test]
    fn marks_without_end_after_a_held_part_are_cut_and_not_kept() {
        let mut watch = Watch::new(Arc::new(Secret::new(INSTRUCTIONS)));
        let mut told = watch.handle_text("You answer visitors of Hollow Hill Tea. Never");
        for _ in 0..100 {
            told += &watch.handle_text(&".".repeat(1_000));
            assert!(watch.held.len() <= MAX_HELD_BYTES, "{} bytes are held", watch.held.len());
        }
        assert!(told.ends_with(ELLIPSIS) && told.len() < 100, "{told}");
        assert_eq!(watch.handle_text("At night, we sleep."), "At night, we sleep.");
    }

    #[test]
    fn addresses_and_names_of_pictures_between_the_letters_hide_nothing_from_a_reader() {
        let letters: Vec<char> = INSTRUCTIONS.chars().collect();
        for between in ["[](/zq)", "![zq](/zq)"] {
            let text: Vec<String> = letters.chunks(20).map(|part| part.iter().collect()).collect();
            let mut watch = Watch::of_what_is_read(Arc::new(Secret::new(INSTRUCTIONS)));
            let told = watch.handle_text(&text.join(between)) + &watch.finish();
            assert!(told.contains(ELLIPSIS) && !told.contains("SPRING25"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn how_the_text_is_cut_into_pieces_changes_nothing(
            text in prop::collection::vec(prop_oneof![
                "[a-z ]{0,20}", Just("\u{7edd}".to_owned()), (0_usize..150, 0_usize..120).prop_map(|(from, length)| {
                    INSTRUCTIONS.chars().skip(from).take(length).collect()
                }),
            ], 0..6),
            size in 1_usize..9,
        ) {
            let text = text.concat();
            let letters: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = letters.chunks(size).map(|chunk| chunk.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(said(&pieces), said(&[&text]));
        }

        #[test]
        fn of_a_part_of_the_instructions_at_most_the_first_letters_are_seen(from in 0_usize..40, length in 95_usize..130) {
            let part: String = INSTRUCTIONS.chars().skip(from).take(length).collect();
            let told = said(&[&part]);
            prop_assert!(told.chars().filter(|letter| letter.is_alphanumeric()).count() <= 36, "{}", told);
        }
    }
}
