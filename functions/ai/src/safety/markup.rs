//! The first half of the filter: links, pictures and HTML elements, taken apart as soon as their end has come.
//!
//! Nothing is held back but what has begun with `[`, `![` or `<` and may still become one of them, at most
//! [`MAX_BYTES`]. What is decided depends on the letters alone, never on where a piece of them ended.

use super::links::Links;
use super::plain::Plain;

/// The longest link, picture or element, in bytes. What is longer is text.
const MAX_BYTES: usize = 2_500;

/// How deep links stand in links. Deeper ones are text.
const MAX_DEPTH: usize = 4;

/// What stands at the beginning of the text that is held.
enum Found<'a> {
    /// So many bytes of text.
    Text(usize),
    /// A link or a picture of so many bytes.
    Link { bytes: usize, is_image: bool, label: &'a str, address: Option<&'a str> },
    /// An element of so many bytes, or an address in angle brackets.
    Element { bytes: usize, text: &'a str },
    /// It is not known before more letters come.
    Unknown,
}

/// Takes text apart and hands what is left to [`Plain`].
#[derive(Debug, Default)]
pub(crate) struct Markup {
    held: String,
    plain: Plain,
    depth: usize,
}

impl Markup {
    /// Takes the next text; gives what can go out.
    pub(crate) fn handle_text(&mut self, text: &str, links: &Links) -> String {
        self.held.push_str(text);
        self.advance(links, false);
        self.plain.take()
    }

    /// The end of the text: what is left of it.
    pub(crate) fn finish(&mut self, links: &Links) -> String {
        self.advance(links, true);
        self.plain.finish(links);
        self.plain.take()
    }

    fn advance(&mut self, links: &Links, is_end: bool) {
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_str();
        while !rest.is_empty() {
            let bytes = match find(rest, is_end) {
                Found::Text(bytes) => {
                    self.plain.handle_text(&rest[..bytes], links);
                    bytes
                }
                Found::Element { bytes, text } => {
                    self.plain.handle_text(text, links);
                    bytes
                }
                Found::Link { bytes, is_image, label, address } => {
                    self.handle_link(is_image, label, address, links);
                    bytes
                }
                Found::Unknown => break,
            };
            rest = &rest[bytes..];
        }
        self.held = rest.to_owned();
    }

    fn handle_link(&mut self, is_image: bool, label: &str, address: Option<&str>, links: &Links) {
        match (address, is_image) {
            (Some(address), true) if links.allow_image(address) => {
                self.plain.handle_link(&format!("![{}]({address})", self.label(label, links)), links);
            }
            (_, true) => {}
            (Some(address), false) if links.allow(address) => {
                self.plain.handle_link(&format!("[{}]({address})", self.label(label, links)), links);
            }
            (_, false) => {
                let text = self.inner(label, links);
                self.plain.handle_text(&text, links);
            }
        }
    }

    /// What a link reads, with nothing in it that could end it or be one itself.
    fn label(&self, label: &str, links: &Links) -> String {
        let text = self.inner(label, links);
        text.replace(['[', ']', '<', '>', '`', '\\', '\n'], " ")
    }

    fn inner(&self, label: &str, links: &Links) -> String {
        if self.depth >= MAX_DEPTH {
            return label.replace(['[', ']', '<', ':', '.'], " ");
        }
        let mut inner = Markup { depth: self.depth + 1, ..Markup::default() };
        inner.handle_text(label, links) + &inner.finish(links)
    }
}

fn find(text: &str, is_end: bool) -> Found<'_> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some('!'), Some('[')) => bracket(text, 1, is_end),
        (Some('['), _) => bracket(text, 0, is_end),
        (Some('<'), Some(next)) if next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?') => {
            element(text, is_end)
        }
        (Some('!' | '<'), None) if !is_end => Found::Unknown,
        (first, _) => {
            let first = first.map_or(0, char::len_utf8);
            Found::Text(text[first..].find(['[', '!', '<']).map_or(text.len(), |at| first + at))
        }
    }
}

/// What begins with `[`, after an `!` if `at` is 1.
fn bracket(text: &str, at: usize, is_end: bool) -> Found<'_> {
    let is_image = at == 1;
    let text_only = || Found::Text(at + 1);
    let unfinished = |reason| match reason {
        Missing::End => text_only(),
        Missing::Letters if is_end => text_only(),
        Missing::Letters => Found::Unknown,
    };
    let close = match closing(text, at, ('[', ']')) {
        Ok(close) => close,
        Err(missing) => return unfinished(missing),
    };
    let label = &text[at + 1..close];
    let after = close + 1;
    match text[after..].chars().next() {
        None if !is_end => Found::Unknown,
        Some('(') => match closing(text, after, ('(', ')')) {
            Ok(end) => Found::Link { bytes: end + 1, is_image, label, address: address(&text[after + 1..end]) },
            Err(missing) => unfinished(missing),
        },
        Some('[') if is_image => match closing(text, after, ('[', ']')) {
            Ok(end) => Found::Link { bytes: end + 1, is_image, label, address: None },
            Err(missing) => unfinished(missing),
        },
        _ if is_image => Found::Link { bytes: after, is_image, label, address: None },
        _ => text_only(),
    }
}

/// Why something has no end.
enum Missing {
    /// It has none.
    End,
    /// It may still come.
    Letters,
}

/// Where the bracket that stands at `at` is closed.
fn closing(text: &str, at: usize, (open, close): (char, char)) -> Result<usize, Missing> {
    let mut depth = 0_usize;
    let mut is_escaped = false;
    let mut line_feeds = 0;
    for (offset, letter) in text[at..].char_indices() {
        if at + offset > MAX_BYTES {
            return Err(Missing::End);
        }
        line_feeds = match letter {
            '\n' => line_feeds + 1,
            ' ' | '\t' | '\r' => line_feeds,
            _ => 0,
        };
        if line_feeds == 2 {
            return Err(Missing::End);
        }
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match letter {
            '\\' => is_escaped = true,
            _ if letter == open => depth += 1,
            _ if letter == close => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + offset);
                }
            }
            _ => {}
        }
    }
    Err(Missing::Letters)
}

/// The address in a link's parentheses, if there is nothing beside it but a title in quotation marks.
fn address(inside: &str) -> Option<&str> {
    let inside = inside.trim();
    let (address, title) = match inside.strip_prefix('<') {
        Some(angled) => angled.split_once('>')?,
        None => inside.split_once(char::is_whitespace).unwrap_or((inside, "")),
    };
    let title = title.trim();
    let is_title = title.is_empty() || title.len() > 1 && title.starts_with('"') && title.ends_with('"');
    is_title.then_some(address)
}

/// What begins with `<` and a letter, a slash or a mark.
fn element(text: &str, is_end: bool) -> Found<'_> {
    let inside = &text[1..];
    let scheme_or_name = inside.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    match scheme_or_name.map(|end| &inside[end..]) {
        None if !is_end && text.len() <= MAX_BYTES => return Found::Unknown,
        None => return Found::Text(1),
        Some(after) => {
            let can_follow = |letter: char| letter.is_whitespace() || "/>:@.+!?".contains(letter);
            if scheme_or_name != Some(0) && !after.starts_with(can_follow) {
                return Found::Text(1);
            }
        }
    }
    let end =
        text.char_indices().find(|(at, letter)| *letter == '>' || *at > MAX_BYTES || text[*at..].starts_with("\n\n"));
    match end {
        Some((at, '>')) => {
            let inside = &text[1..at];
            let is_address = !inside.contains(char::is_whitespace) && inside.contains([':', '@']);
            let is_break = ["br", "br/", "br /"].iter().any(|name| inside.eq_ignore_ascii_case(name));
            Found::Element {
                bytes: at + 1,
                text: if is_address {
                    inside
                } else if is_break {
                    " "
                } else {
                    ""
                },
            }
        }
        Some(_) => Found::Text(1),
        None if is_end => Found::Text(1),
        // "\n" at the end may be followed by another one.
        None => Found::Unknown,
    }
}
