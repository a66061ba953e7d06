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

    fn advance(&mut self, links: &Links, end: Option<End>) {
        loop {
            if self.is_passing {
                let Some(at) = self.held.find(ends_address) else {
                    self.held.clear();
                    self.is_passing = end.is_none();
                    return;
                };
                self.held.drain(..at);
                self.is_passing = false;
            }
            let Some(begins) = self.beginning() else { break };
            self.push_held(begins);
            match (self.held.find(ends_address), end) {
                (Some(at), _) if at <= MAX_ADDRESS_BYTES => {
                    let next = self.held[at..].chars().next();
                    self.push_address(at, links, next.is_some_and(is_end_for_all));
                }
                (None, None) if self.held.len() <= MAX_ADDRESS_BYTES => return,
                (None, Some(end)) if self.held.len() <= MAX_ADDRESS_BYTES => {
                    self.push_address(self.held.len(), links, end == End::Text);
                }
                _ => self.is_passing = true,
            }
        }
        let keep = if end.is_some() { 0 } else { self.unfinished() };
        self.push_held(self.held.len() - keep);
    }

    /// Where the first address begins in what is held.
    fn beginning(&self) -> Option<usize> {
        let lower = self.held.to_ascii_lowercase();
        let begins = |beginning: &&str| {
            lower.match_indices(*beginning).map(|(at, _)| at).find(|at| {
                let before = self.held[..*at].chars().last().or(self.last);
                *beginning != "www." || !before.is_some_and(char::is_alphanumeric)
            })
        };
        BEGINNINGS.iter().filter_map(begins).min()
    }

    /// How many bytes at the end of what is held may be the first of an address.
    fn unfinished(&self) -> usize {
        let lower = self.held.to_ascii_lowercase();
        let longest = |beginning: &&str| {
            (1..beginning.len().min(lower.len() + 1)).rev().find(|length| lower.ends_with(&beginning[..*length]))
        };
        BEGINNINGS.iter().filter_map(longest).max().unwrap_or(0)
    }

    /// The first `bytes` of what is held are an address.
    fn push_address(&mut self, bytes: usize, links: &Links, is_end_for_all: bool) {
        let next_is_ascii = self.held[bytes..].chars().next().is_some_and(|next| next.is_ascii());
        let raw: String = self.held.drain(..bytes).collect();
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
        for letter in text.chars() {
            self.push(letter);
        }
        // Others may see the end of an address later than this filter does.
        if is_allowed && !is_end_for_all && (!next_is_ascii || !links.allow_longer(address)) {
            self.push(' ');
        }
        for letter in raw[address.len()..].chars() {
            self.push(letter);
        }
    }

    fn push_held(&mut self, bytes: usize) {
        let text: String = self.held.drain(..bytes).collect();
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
