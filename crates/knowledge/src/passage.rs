//! A piece of a site's texts that can be an answer's source.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A piece of one text, small enough to be put before a model with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The file it is from, relative to the folder, with `/` between the parts.
    pub file: String,
    /// The title of its text.
    pub title: String,
    /// The headings above it, outermost first, without the title; empty for what stands before the first heading.
    pub headings: Vec<String>,
    /// Where a visitor can read it: an address, or a path on the site.
    pub url: Option<String>,
    /// Its language, such as `en` or `zh`.
    pub language: String,
    /// The text, in Markdown, at most [`Options::passage_bytes`](crate::Options) long.
    pub text: String,
}

impl Passage {
    /// The innermost heading, or the title where there is none.
    pub fn heading(&self) -> &str {
        self.headings.last().unwrap_or(&self.title)
    }
}

/// Title and headings: `Shipping › How much does shipping cost?`
impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        self.headings.iter().try_for_each(|heading| write!(f, " › {heading}"))
    }
}
