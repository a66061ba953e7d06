//! The second half of the filter: text that is left between links. No sequence of letters that goes out of here begins a
//! link or a picture, in whatever way it came about.

use super::links::{Links, host_of};

/// Where an address begins that readers make a link of by themselves.
const BEGINNINGS: [&str; 3] = ["https://", "http://", "www."];

/// The longest address, in bytes. A longer one is foreign.
const MAX_ADDRESS_BYTES: usize = 2_000;

/// Text going out.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    /// What may become an address, or is one whose end has not come.
    held: String,
    /// An address that was too long is being passed over.
    is_passing: bool,
    last: Option<char>,
    out: String,
    /// In how many bytes the beginning of an address was looked for.
    #[cfg(test)]
    looked_at: usize,
}

impl Plain {
    /// Takes the next text.
    pub(crate) fn handle_text(&mut self, text: &str, links: &Links) {
        self.held.push_str(text);
        self.advance(links, None);
    }

    /// Takes a link or a picture that was allowed, as it is.
    pub(crate) fn handle_link(&mut self, link: &str, links: &Links) {
        self.advance(links, Some(End::Link));
        if self.last == Some('!') || self.last == Some(']') {
            self.push(' ');
        }
        self.out.push_str(link);
        self.last = link.chars().last().or(self.last);
    }

    /// No more text will come.
    pub(crate) fn finish(&mut self, links: &Links) {
        self.advance(links, Some(End::Text));
    }

    /// What can go out.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// Goes over what is held once, from its beginning to its end: an answer may be nothing but addresses.
    fn advance(&mut self, links: &Links, end: Option<End>) {
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_str();
        loop {
            if self.is_passing {
                let Some(at) = rest.find(ends_address) else {
                    self.is_passing = end.is_none();
                    return;
                };
                rest = &rest[at..];
                self.is_passing = false;
            }
            let Some(begins) = self.beginning(rest) else { break };
            self.push_all(&rest[..begins]);
            rest = &rest[begins..];
            let address = match (rest.find(ends_address), end) {
                (Some(at), _) if at <= MAX_ADDRESS_BYTES => at,
                (None, None) if rest.len() <= MAX_ADDRESS_BYTES => {
                    self.held = rest.to_owned();
                    return;
                }
                (None, Some(_)) if rest.len() <= MAX_ADDRESS_BYTES => rest.len(),
                _ => {
                    self.is_passing = true;
                    continue;
                }
            };
            let (address, after) = rest.split_at(address);
            self.push_address(address, after.chars().next(), end == Some(End::Text), links);
            rest = after;
        }
        let keep = if end.is_some() { 0 } else { unfinished(rest) };
        let (out, kept) = rest.split_at(rest.len() - keep);
        self.push_all(out);
        self.held = kept.to_owned();
    }

    /// Where the first address begins in `text`, which comes next. Looks no further than there.
    fn beginning(&mut self, text: &str) -> Option<usize> {
        let mut last = self.last;
        let begins = text.char_indices().find(|(at, letter)| {
            let before = last.replace(*letter);
            let is_after_a_letter = before.is_some_and(char::is_alphanumeric);
            BEGINNINGS
                .iter()
                .any(|beginning| starts_with(&text[*at..], beginning) && !(*beginning == "www." && is_after_a_letter))
        });
        let begins = begins.map(|(at, _)| at);
        #[cfg(test)]
        {
            self.looked_at += begins.unwrap_or(text.len());
        }
        begins
    }

    /// `raw` is an address; `next` comes after it, or the end of the text.
    fn push_address(&mut self, raw: &str, next: Option<char>, is_end_of_text: bool, links: &Links) {
        let is_end_for_all = next.map_or(is_end_of_text, is_end_for_all);
        let next_is_ascii = next.is_some_and(|next| next.is_ascii());
        let address = raw.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~']);
        let is_www = !address.contains("://");
        let is_allowed = if is_www { links.allow(&format!("http://{address}")) } else { links.allow(address) };
        let text = match is_allowed {
            true => address.to_owned(),
            false => host_of(address),
        };
        if self.last.is_some_and(char::is_alphanumeric) && !text.is_empty() {
            self.push(' ');
        }
        self.push_all(&text);
        // Others may see the end of an address later than this filter does.
        if is_allowed && !is_end_for_all && (!next_is_ascii || !links.allow_longer(address)) {
            self.push(' ');
        }
        self.push_all(&raw[address.len()..]);
    }

    fn push_all(&mut self, text: &str) {
        for letter in text.chars() {
            self.push(letter);
        }
    }

    /// Puts a space where two letters together would begin a picture, the address of a link, or an element.
    fn push(&mut self, letter: char) {
        let begins = match self.last {
            Some('!') => letter == '[',
            Some(']') => matches!(letter, '(' | ':'),
            Some('<') => letter.is_ascii_alphabetic() || matches!(letter, '/' | '!' | '?'),
            _ => false,
        };
        if begins {
            self.out.push(' ');
        }
        self.out.push(letter);
        self.last = Some(letter);
    }
}

fn starts_with(text: &str, beginning: &str) -> bool {
    text.as_bytes().get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning.as_bytes()))
}

/// How many bytes at the end of `text` may be the first of an address.
fn unfinished(text: &str) -> usize {
    let ends_with = |part: &str| {
        let from = text.len() - part.len();
        text.as_bytes()[from..].eq_ignore_ascii_case(part.as_bytes())
    };
    let longest = |beginning: &&str| {
        (1..beginning.len().min(text.len() + 1)).rev().find(|length| ends_with(&beginning[..*length]))
    };
    BEGINNINGS.iter().filter_map(longest).max().unwrap_or(0)
}

/// What comes after the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Link,
    Text,
}

/// Whether an address ends before `letter`.
fn ends_address(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || !letter.is_ascii() || "<>\"'`()[]{}|\\^".contains(letter)
}

/// Whether everybody else sees the end there too.
fn is_end_for_all(letter: char) -> bool {
    letter.is_ascii_whitespace() || matches!(letter, '<' | '>' | '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_nothing_but_addresses_is_gone_over_once() {
        let text = "www.a ".repeat(2_000);
        let mut plain = Plain::default();
        plain.handle_text(&text, &Links::default());
        plain.finish(&Links::default());
        assert_eq!(plain.take(), "a ".repeat(2_000));
        assert!(plain.looked_at <= text.len(), "{} bytes were looked at of {}", plain.looked_at, text.len());
    }
}
