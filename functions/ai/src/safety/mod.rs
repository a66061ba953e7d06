//! What of a model's answer reaches the visitor: no pictures, no foreign links, and nothing of the site's instructions.
//!
//! A picture in an answer is loaded by the visitor's browser from whoever chose its address, with whatever stands in it; a
//! link does the same one click later. Both may have been put into the model's mouth by a visitor, or by a text it read.
//! `docs/safety.md` says what the filter finds, what it does not, and how it does against a collection of attempts.

mod leak;
mod links;
mod markup;
mod plain;
mod substrings;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use self::leak::Secret;
use self::leak::Watch;
pub(crate) use self::links::Links;
use self::markup::Markup;

/// The filter of one answer. What comes out does not depend on how the text was cut into pieces.
///
/// Instructions are looked for twice: in what the model said, addresses and elements included, and in what is left to be
/// read of it, because an element between two letters hides nothing from an eye. What the second look cuts may leave half
/// an address behind, so links are looked at once more, last.
#[derive(Debug)]
pub(crate) struct Guard {
    said: Watch,
    markup: Markup,
    read: Watch,
    markup_left: Markup,
    links: Links,
}

impl Guard {
    pub(crate) fn new(links: Links, secret: Arc<Secret>) -> Self {
        let (markup, markup_left) = (Markup::default(), Markup::default());
        Self { said: Watch::new(Arc::clone(&secret)), markup, read: Watch::of_what_is_read(secret), markup_left, links }
    }

    /// Takes what the model said; gives what can be shown.
    pub(crate) fn handle_text(&mut self, said: &str) -> String {
        let told = self.said.handle_text(said);
        let left = self.markup.handle_text(&told, &self.links);
        let read = self.read.handle_text(&left);
        self.markup_left.handle_text(&read, &self.links)
    }

    /// The model has ended, or broke off: what was held back until now.
    pub(crate) fn finish(&mut self) -> String {
        let told = self.said.finish();
        let left = self.markup.handle_text(&told, &self.links) + &self.markup.finish(&self.links);
        let read = self.read.handle_text(&left) + &self.read.finish();
        self.markup_left.handle_text(&read, &self.links) + &self.markup_left.finish(&self.links)
    }
}
