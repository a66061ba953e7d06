//! E-mail addresses and card numbers, masked before a text leaves for a model, and put back where the model names them.
//!
//! A masked thing has one name in all messages of a turn (`[email 1]`, `[card 1]`), so that the model can speak of it.
//! A card number is 13 to 19 digits, with single spaces or dashes between them or none, whose check digit is right (Luhn).

/// What was masked in one turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mask {
    emails: Vec<String>,
    cards: Vec<String>,
}

/// What can be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Email,
    Card,
}

impl Mask {
    /// `text` with names in place of personal data.
    pub(crate) fn mask(&mut self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((kind, from, to)) = first(rest) {
            masked.push_str(&rest[..from]);
            masked.push_str(&self.name(kind, &rest[from..to]));
            rest = &rest[to..];
        }
        masked.push_str(rest);
        masked
    }

    /// What stands behind each name.
    fn names(&self) -> Vec<(String, String)> {
        let named = |word: &str, texts: &[String]| -> Vec<_> {
            texts.iter().enumerate().map(|(at, text)| (format!("[{word} {}]", at + 1), text.clone())).collect()
        };
        [named("email", &self.emails), named("card", &self.cards)].concat()
    }

    fn name(&mut self, kind: Kind, text: &str) -> String {
        let (word, known) = match kind {
            Kind::Email => ("email", &mut self.emails),
            Kind::Card => ("card", &mut self.cards),
        };
        let at = known.iter().position(|known| known == text).unwrap_or_else(|| {
            known.push(text.to_owned());
            known.len() - 1
        });
        format!("[{word} {}]", at + 1)
    }
}

/// Puts back what was masked, in a text that comes in pieces.
#[derive(Debug)]
pub(crate) struct Unmask {
    names: Vec<(String, String)>,
    /// What may become a name.
    held: String,
}

impl Unmask {
    pub(crate) fn new(mask: &Mask) -> Self {
        Self { names: mask.names(), held: String::new() }
    }

    /// Takes the next text; gives what can go out.
    pub(crate) fn handle_text(&mut self, text: &str) -> String {
        if self.names.is_empty() {
            return text.to_owned();
        }
        let mut out = String::new();
        for letter in text.chars() {
            if letter == '[' {
                out.push_str(&std::mem::take(&mut self.held));
            }
            self.held.push(letter);
            if let Some((_, text)) = self.names.iter().find(|(name, _)| *name == self.held) {
                out.push_str(text);
                self.held.clear();
            } else if !self.names.iter().any(|(name, _)| name.starts_with(&self.held)) {
                out.push_str(&std::mem::take(&mut self.held));
            }
        }
        out
    }

    /// The end of the text: what is left of it.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// The first thing to mask: what it is, and where it begins and ends.
fn first(text: &str) -> Option<(Kind, usize, usize)> {
    let email =
        text.char_indices().filter(|(_, letter)| matches!(letter, '@' | '＠')).find_map(|(at, _)| email(text, at));
    let email = email.map(|(from, to)| (Kind::Email, from, to));
    let before = email.map_or(text.len(), |(_, from, _)| from);
    card(text).filter(|(from, _)| *from < before).map(|(from, to)| (Kind::Card, from, to)).or(email)
}

/// The address around the `@` at `at`.
fn email(text: &str, at: usize) -> Option<(usize, usize)> {
    let is_local = |letter: char| letter.is_ascii_alphanumeric() || "._%+-'".contains(letter);
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || ".-".contains(letter);
    let from =
        text[..at].char_indices().rev().take_while(|(_, letter)| is_local(*letter)).last().map(|(from, _)| from)?;
    let from = from + text[from..at].find(|letter: char| letter.is_ascii_alphanumeric())?;
    let host_from = at + text[at..].chars().next().map_or(1, char::len_utf8);
    let host = &text[host_from..];
    let host = &host[..host.find(|letter| !is_host(letter)).unwrap_or(host.len())];
    // "mei@example.com.4111": what stands behind the last name that can be one is no part of it.
    let mut host = host.trim_end_matches(['.', '-']);
    while !is_domain(host) {
        host = host.rsplit_once('.')?.0.trim_end_matches(['.', '-']);
    }
    Some((from, host_from + host.len()))
}

fn is_domain(host: &str) -> bool {
    host.rsplit_once('.').is_some_and(|(name, top)| {
        let is_top = top.len() >= 2 && top.chars().any(|letter| letter.is_ascii_alphabetic());
        is_top && !name.trim_matches(['.', '-']).is_empty()
    })
}

/// The first card number.
fn card(text: &str) -> Option<(usize, usize)> {
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let is_digit = |at: usize| letters.get(at).is_some_and(|(_, letter)| digit(*letter).is_some());
    let starts = (0..letters.len()).filter(|at| is_digit(*at) && (*at == 0 || !is_digit(*at - 1)));
    starts.into_iter().find_map(|start| {
        let end = card_at(&letters, start)?;
        let to = letters.get(end).map_or(text.len(), |(at, _)| *at);
        Some((letters[start].0, to))
    })
}

/// Where the card number that begins at `start` ends, in letters. The longest counts.
fn card_at(letters: &[(usize, char)], start: usize) -> Option<usize> {
    let mut digits = Vec::new();
    let mut end = None;
    let mut at = start;
    while let Some((_, letter)) = letters.get(at) {
        match digit(*letter) {
            Some(digit) => {
                digits.push(digit);
                let is_whole = letters.get(at + 1).is_none_or(|(_, next)| self::digit(*next).is_none());
                if is_whole && (13..=19).contains(&digits.len()) && is_luhn(&digits) {
                    end = Some(at + 1);
                }
            }
            None => {
                let is_between =
                    matches!(letter, ' ' | '-' | '\u{a0}' | '\u{2011}' | '\u{2013}' | '\u{3000}' | '\u{ff0d}');
                if !is_between || letters.get(at + 1).is_none_or(|(_, next)| digit(*next).is_none()) {
                    break;
                }
            }
        }
        if digits.len() > 19 {
            break;
        }
        at += 1;
    }
    end
}

fn digit(letter: char) -> Option<u32> {
    match letter {
        '0'..='9' => letter.to_digit(10),
        '\u{ff10}'..='\u{ff19}' => Some(u32::from(letter) - 0xff10),
        _ => None,
    }
}

/// Whether the last digit is the check digit of the others. (ISO/IEC 7812-1, annex B.)
fn is_luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum > 0 && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, masked: &str) {
        assert_eq!(Mask::default().mask(text), masked);
    }

    #[test]
    fn addresses_are_masked_each_under_one_name() {
        check("I am mei@example.com, not bo.li+tea@mail.example.co.uk.", "I am [email 1], not [email 2].");
        check("mei@example.com or mei@example.com?", "[email 1] or [email 1]?");
        check("我的邮箱是mei@example.com，谢谢", "我的邮箱是[email 1]，谢谢");
        check("mei＠example.com", "[email 1]");
        check("mei@example.com.4111 1111 1111 1111", "[email 1].[card 1]");
        for text in ["@mei", "mei@", "mei@home", "5@3.1", "a @ b.com", "@@", "x@.com"] {
            check(text, text);
        }
    }

    #[test]
    fn card_numbers_are_masked_however_they_are_written() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "3782 822463 10005",
            "４１１１　１１１１　１１１１　１１１１",
            "4222222222222",
        ] {
            check(&format!("My card is {card}."), "My card is [card 1].");
        }
        check("卡号4111111111111111，有效期 12/29", "卡号[card 1]，有效期 12/29");
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "4111111111111112",
            "HH-204518 and 1790000000000",
            "call +49 30 1234567 or +49 30 7654321",
            "0000 0000 0000 0000",
            "41111111111111111111111111111111",
            "4111  1111  1111  1111",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn what_the_model_names_is_put_back() {
        let mut mask = Mask::default();
        mask.mask("mei@example.com, 4111111111111111");
        let mut unmask = Unmask::new(&mask);
        let said = "I wrote to [email 1] about [card 1], not [email 2] or [card";
        let shown: String = said.chars().map(|letter| unmask.handle_text(&letter.to_string())).collect();
        let shown = shown + &unmask.finish();
        assert_eq!(shown, "I wrote to mei@example.com about 4111111111111111, not [email 2] or [card");
    }

    fn anything() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("mei@example.com".to_owned()),
            Just("4111 1111 1111 1111".to_owned()),
            Just("[email 1]".to_owned()),
            "[a-z0-9@. \\[\\]\u{ff10}-\u{ff19}你-]{0,12}",
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn nothing_to_mask_is_left_and_all_of_it_comes_back(text in anything(), size in 1_usize..6) {
            // A name that the visitor wrote is what it says.
            prop_assume!(!text.contains("[email") && !text.contains("[card"));
            let mut mask = Mask::default();
            let masked = mask.mask(&text);
            prop_assert_eq!(first(&masked), None, "{}", masked);
            let mut unmask = Unmask::new(&mask);
            let letters: Vec<char> = masked.chars().collect();
            let shown: String =
                letters.chunks(size).map(|chunk| unmask.handle_text(&chunk.iter().collect::<String>())).collect();
            prop_assert_eq!(shown + &unmask.finish(), text);
        }

        #[test]
        fn every_number_with_a_right_check_digit_is_found(digits in prop::collection::vec(0_u32..10, 12..18), dash in any::<bool>()) {
            prop_assume!(digits[0] > 0);
            let check = (0..10).find(|check| is_luhn(&[digits.as_slice(), &[*check]].concat())).unwrap();
            let digits: Vec<String> = digits.iter().chain([&check]).map(u32::to_string).collect();
            let number = if dash { digits.chunks(4).map(<[String]>::concat).collect::<Vec<_>>().join("-") } else { digits.concat() };
            prop_assert_eq!(Mask::default().mask(&format!("a {number} b")), "a [card 1] b");
        }
    }
}
