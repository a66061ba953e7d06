//! A site's intents as its `intents.toml` declares them; `docs/intents.md` describes the format.

mod check;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One value for each language (BCP 47, such as `en` or `zh`).
pub type ByLanguage<T> = BTreeMap<String, T>;

/// Fewest and most intents of a site.
pub const MIN_INTENTS: usize = 2;
/// See [`MIN_INTENTS`].
pub const MAX_INTENTS: usize = 1_000;
/// Most examples in one file, those out of scope included.
pub const MAX_EXAMPLES: usize = 100_000;
/// Longest key of an intent, in characters.
pub const MAX_KEY_CHARS: usize = 64;
/// Longest title, and longest label of an action, in characters.
pub const MAX_TITLE_CHARS: usize = 80;
/// Longest example, in characters.
pub const MAX_EXAMPLE_CHARS: usize = 500;
/// Longest reply, in characters.
pub const MAX_REPLY_CHARS: usize = 4_000;
/// Longest URL of an action, in characters.
pub const MAX_URL_CHARS: usize = 2_000;

/// A site's intents, and messages that belong to none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intents {
    /// In the order of their keys.
    pub intents: Vec<Intent>,
    /// Examples of what the site's visitors ask that no intent is about.
    pub out_of_scope: Vec<String>,
}

/// One thing that visitors want, and what the site replies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its name in files and metrics: `a-z`, `0-9`, `_` and `-`.
    pub key: String,
    /// What the visitor wants, short enough for "Do you mean … or …?".
    pub title: ByLanguage<String>,
    /// How visitors say it. A trained model does not hold them.
    #[serde(skip)]
    pub examples: ByLanguage<Vec<String>>,
    /// What the visitor reads, Markdown.
    pub reply: ByLanguage<String>,
    /// After the reply, people take over.
    #[serde(default)]
    pub handover: bool,
    /// A link below the reply.
    #[serde(default)]
    pub action: Option<Action>,
}

/// A link below a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// `https://…`, `http://…`, or a path of the site that begins with `/`.
    pub url: ByLanguage<String>,
    /// What the link says.
    pub label: ByLanguage<String>,
}

/// Why intents cannot be used: where, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntentsError {
    /// The text is not TOML; a key that is there twice is such a case.
    #[error("not readable as TOML: {0}")]
    Syntax(String),
    /// One entry cannot be used.
    #[error("{place}: {problem}")]
    Entry {
        /// The entry's full key, such as `intents.returns.reply.zh`.
        place: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}

impl Intents {
    /// Reads the text of an `intents.toml`.
    ///
    /// # Errors
    /// The first entry that cannot be used: see `docs/intents.md` for what each must be.
    pub fn parse(text: &str) -> Result<Self, IntentsError> {
        parse::parse(text)
    }

    /// Checks intents from a trained model's file as [`Self::parse`] does those of a site. They have no examples.
    ///
    /// # Errors
    /// The first entry that cannot be used.
    pub(crate) fn check_trained(intents: &[Intent]) -> Result<(), IntentsError> {
        check::trained(intents)
    }

    /// The languages of the replies, sorted.
    pub fn languages(&self) -> Vec<&str> {
        let mut languages: Vec<_> =
            self.intents.iter().flat_map(|intent| intent.reply.keys()).map(String::as_str).collect();
        languages.sort_unstable();
        languages.dedup();
        languages
    }

    /// Where the intent with this key is in `intents`.
    pub fn position(&self, key: &str) -> Option<usize> {
        self.intents.iter().position(|intent| intent.key == key)
    }

    /// How many examples there are, those out of scope included.
    pub fn examples(&self) -> usize {
        let of_intents = self.intents.iter().flat_map(|intent| intent.examples.values()).map(Vec::len).sum::<usize>();
        of_intents + self.out_of_scope.len()
    }
}
