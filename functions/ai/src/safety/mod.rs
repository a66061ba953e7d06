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
#[derive(Debug)]
pub(crate) struct Guard {
    watch: Watch,
    markup: Markup,
    links: Links,
}

impl Guard {
    pub(crate) fn new(links: Links, secret: Arc<Secret>) -> Self {
        Self { watch: Watch::new(secret), markup: Markup::default(), links }
    }

    /// Takes what the model said; gives what can be shown.
    pub(crate) fn handle_text(&mut self, said: &str) -> String {
        let told = self.watch.handle_text(said);
        self.markup.handle_text(&told, &self.links)
    }

    /// The model has ended, or broke off: what was held back until now.
    pub(crate) fn finish(&mut self) -> String {
        let told = self.watch.finish();
        self.markup.handle_text(&told, &self.links) + &self.markup.finish(&self.links)
    }
}
