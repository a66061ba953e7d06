//! The fields of the index.

use tantivy::schema::{Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{TantivyDocument, TantivyError};

use crate::markdown;
use crate::passage::Passage;
use crate::words::{Terms, Words, letters};

/// Where in a passage a word stands: its index is that of its fields.
pub(crate) const PLACES: usize = 3;

/// What BM25 counts in the heading, the title and the text, words and grams.
pub(crate) const BOOSTS: [(f32, f32); PLACES] = [(2.0, 0.6), (1.0, 0.3), (1.0, 0.3)];

/// The fields, by place: heading, title, text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) words: [Field; PLACES],
    pub(crate) grams: [Field; PLACES],
    /// Words as they are written, of all places.
    pub(crate) spelling: Field,
    /// The letters of the heading, as one term.
    pub(crate) letters: Field,
    /// The passage itself, in JSON.
    pub(crate) passage: Field,
}

const WORDS: [&str; PLACES] = ["heading", "title", "text"];
const GRAMS: [&str; PLACES] = ["heading_grams", "title_grams", "text_grams"];

/// The schema of every index of this version.
pub(crate) fn schema() -> Schema {
    let indexed = |record| {
        TextOptions::default()
            .set_indexing_options(TextFieldIndexing::default().set_tokenizer("raw").set_index_option(record))
    };
    let mut schema = Schema::builder();
    for name in WORDS.iter().chain(&GRAMS) {
        schema.add_text_field(name, indexed(IndexRecordOption::WithFreqs));
    }
    schema.add_text_field("spelling", indexed(IndexRecordOption::Basic));
    schema.add_text_field("letters", STRING);
    schema.add_text_field("passage", STORED);
    schema.build()
}

impl Fields {
    /// The fields of `schema`.
    ///
    /// # Errors
    /// One is missing.
    pub(crate) fn of(schema: &Schema) -> Result<Self, TantivyError> {
        let all = |names: [&str; PLACES]| -> Result<[Field; PLACES], TantivyError> {
            Ok([schema.get_field(names[0])?, schema.get_field(names[1])?, schema.get_field(names[2])?])
        };
        Ok(Self {
            words: all(WORDS)?,
            grams: all(GRAMS)?,
            spelling: schema.get_field("spelling")?,
            letters: schema.get_field("letters")?,
            passage: schema.get_field("passage")?,
        })
    }

    /// A passage as the index takes it.
    pub(crate) fn document(&self, passage: &Passage, words: &Words) -> Result<TantivyDocument, serde_json::Error> {
        let mut document = TantivyDocument::default();
        let places = [passage.headings.join("\n"), passage.title.clone(), markdown::plain(&passage.text)];
        for (place, text) in places.iter().enumerate() {
            let Terms { words, grams, spelling } = words.terms(text);
            document.add_pre_tokenized_text(self.words[place], tokens(words));
            document.add_pre_tokenized_text(self.grams[place], tokens(grams));
            document.add_pre_tokenized_text(self.spelling, tokens(spelling));
        }
        document.add_text(self.letters, letters(passage.heading()));
        document.add_text(self.passage, serde_json::to_string(passage)?);
        Ok(document)
    }
}

fn tokens(terms: Vec<String>) -> PreTokenizedString {
    let token = |(position, text)| Token { position, text, ..Token::default() };
    PreTokenizedString { text: String::new(), tokens: terms.into_iter().enumerate().map(token).collect() }
}
