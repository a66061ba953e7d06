//! Finds the passages that answer a question, and says whether any does.

use std::fmt;

use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, Term, Value};
use tantivy::{DocAddress, Searcher, TantivyDocument, TantivyError};

use crate::concept::{Concept, Sought, concepts};
use crate::coverage::Places;
use crate::error::Error;
use crate::index::Knowledge;
use crate::language;
use crate::panics::without_panic;
use crate::passage::Passage;
use crate::schema::BOOSTS;
use crate::words::{letters, runs};

/// The most passages that are found.
const MOST_FOUND: usize = 5;
/// How many candidates BM25 gives.
const CANDIDATES: usize = 40;

/// What a heading that is mostly asked for adds where two passages are alike.
const HEADING: f32 = 0.15;
/// The same for BM25, which also counts how often and in how short a text.
const BM25: f32 = 0.1;
/// What is left of a passage's rank that is in another language than the question.
const OTHER_LANGUAGE: f32 = 0.7;
/// What the words of the previous question weigh beside those of the one that follows it up.
const PREVIOUS: f32 = 0.5;

/// A visitor's question. Its text is only ever taken as words: no sign in it means anything to the search.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// What the visitor wrote since the last answer.
    pub text: &'a str,
    /// What the visitor wrote before that, for questions such as "and to Germany?".
    pub previous: Option<&'a str>,
    /// The language that is preferred, such as the one of the visitor's page; a question in Chinese is always Chinese.
    pub language: Option<&'a str>,
}

impl<'a> From<&'a str> for Question<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, ..Self::default() }
    }
}

/// What was found. Its text form is what `ai knowledge search` prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// At most 5 passages, best first.
    pub passages: Vec<Scored>,
    /// Whether the best speaks of enough of the question to answer it. If not, the honest answer is not to know.
    pub is_answerable: bool,
}

/// A passage and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The passage.
    pub passage: Passage,
    /// How much of the question it speaks of, rare words counting more: 0 to 1. It can be compared between questions.
    pub score: f32,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_answerable { "answerable" } else { "not answerable" })?;
        for (index, Scored { passage, score }) in self.passages.iter().enumerate() {
            write!(f, "\n{}. {score:.2} {passage} [{}]", index + 1, passage.url.as_deref().unwrap_or(&passage.file))?;
        }
        Ok(())
    }
}

impl Knowledge {
    /// Finds what answers `question`.
    ///
    /// # Errors
    /// The index cannot be read, though it was opened: it is damaged.
    pub fn search(&self, question: Question<'_>) -> Result<Found, Error> {
        without_panic(&self.path, || self.find(question).map_err(Error::index("searched")))
    }

    fn find(&self, question: Question<'_>) -> Result<Found, TantivyError> {
        let searcher = self.reader.searcher();
        let concepts_of = |text: &str| concepts(bounded(text), &self.words, &self.fields, &searcher);
        let language = self.language(&question);
        let asked = concepts_of(question.text)?;
        let alone = self.ranked(&searcher, &asked, question.text, language)?;
        let Some(previous) = question.previous else { return self.found(&searcher, alone) };
        if alone.first().is_some_and(|best| best.coverage >= self.threshold) && !is_follow_up(question.text, &asked) {
            return self.found(&searcher, alone);
        }
        let mut both = asked;
        for mut concept in concepts_of(previous)? {
            if !both.iter().any(|other| other.ways == concept.ways) {
                concept.weight *= PREVIOUS;
                both.push(concept);
            }
        }
        let together = self.ranked(&searcher, &both, question.text, language)?;
        self.found(&searcher, together)
    }

    /// The language of the passages that are preferred, if there are any in it.
    fn language<'a>(&self, question: &Question<'a>) -> Option<&'a str> {
        let is_chinese = question.text.chars().any(language::is_han);
        let wished = question.language.map(|tag| tag.split(['-', '_']).next().unwrap_or(tag));
        let language = match (is_chinese, wished) {
            (true, Some("zh" | "ja")) => wished?,
            (true, _) => "zh",
            (false, Some("zh") | None) => "en",
            (false, Some(other)) => other,
        };
        self.passages().contains_key(language).then_some(language)
    }

    /// The candidates, best first.
    fn ranked(
        &self,
        searcher: &Searcher,
        concepts: &[Concept],
        text: &str,
        language: Option<&str>,
    ) -> Result<Vec<Ranked>, TantivyError> {
        let candidates = self.candidates(searcher, concepts, text)?;
        let best = candidates.first().map_or(1.0, |(score, _)| score.max(f32::MIN_POSITIVE));
        let addresses: Vec<_> = candidates.iter().map(|(_, address)| *address).collect();
        let places = Places::look_up(concepts, &addresses, &self.fields, searcher)?;
        let same_letters = self.same_letters(searcher, text)?;
        let mut ranked = Vec::with_capacity(candidates.len());
        for (score, address) in candidates {
            let passage = self.passage(searcher, address)?;
            let is_asked_for = same_letters.contains(&address);
            let coverage = if is_asked_for { 1.0 } else { places.coverage(concepts, address) };
            let heading_words = self.heading_words(searcher, address)?.max(1) as f32;
            let heading = (places.in_heading(concepts, address) as f32 / heading_words).min(1.0);
            let mut rank = coverage + HEADING * heading + BM25 * score / best + f32::from(u8::from(is_asked_for));
            if language.is_some_and(|language| passage.language != language) {
                rank *= OTHER_LANGUAGE;
            }
            ranked.push(Ranked { rank, coverage, address });
        }
        ranked.sort_by(|one, other| other.rank.total_cmp(&one.rank).then(one.address.cmp(&other.address)));
        Ok(ranked)
    }

    /// The passages that have any of the words, by BM25.
    fn candidates(
        &self,
        searcher: &Searcher,
        concepts: &[Concept],
        text: &str,
    ) -> Result<Vec<(f32, DocAddress)>, TantivyError> {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for concept in concepts {
            for way in &concept.ways {
                for sought in &way.terms {
                    for (place, term) in sought.in_places(&self.fields).into_iter().enumerate() {
                        let (word, gram) = BOOSTS[place];
                        let boost = if matches!(sought, Sought::Word(_)) { word } else { gram };
                        clauses.push(clause(term, IndexRecordOption::WithFreqs, boost * way.credit * concept.weight));
                    }
                }
            }
        }
        clauses.push(clause(
            Term::from_field_text(self.fields.letters, &letters(bounded(text))),
            IndexRecordOption::Basic,
            1.0,
        ));
        searcher.search(&BooleanQuery::new(clauses), &TopDocs::with_limit(CANDIDATES).order_by_score())
    }

    /// The passages whose heading is the question, letter for letter.
    fn same_letters(&self, searcher: &Searcher, text: &str) -> Result<Vec<DocAddress>, TantivyError> {
        let letters = letters(bounded(text));
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        let query = TermQuery::new(Term::from_field_text(self.fields.letters, &letters), IndexRecordOption::Basic);
        let found = searcher.search(&query, &TopDocs::with_limit(CANDIDATES).order_by_score())?;
        Ok(found.into_iter().map(|(_, address)| address).collect())
    }

    /// How many words a passage's headings have.
    fn heading_words(&self, searcher: &Searcher, address: DocAddress) -> Result<u32, TantivyError> {
        let segment = searcher.segment_reader(address.segment_ord);
        Ok(segment.get_fieldnorms_reader(self.fields.words[0])?.fieldnorm(address.doc_id))
    }

    fn found(&self, searcher: &Searcher, ranked: Vec<Ranked>) -> Result<Found, TantivyError> {
        let is_answerable = ranked.first().is_some_and(|best| best.coverage >= self.threshold);
        let scored = |one: &Ranked| Ok(Scored { passage: self.passage(searcher, one.address)?, score: one.coverage });
        let passages = ranked.iter().take(MOST_FOUND).map(scored).collect::<Result<_, TantivyError>>()?;
        Ok(Found { passages, is_answerable })
    }

    fn passage(&self, searcher: &Searcher, address: DocAddress) -> Result<Passage, TantivyError> {
        let document: TantivyDocument = searcher.doc(address)?;
        let json = document.get_first(self.fields.passage).and_then(|value| value.as_str()).unwrap_or_default();
        serde_json::from_str(json).map_err(|error| TantivyError::from(std::io::Error::from(error)))
    }
}

/// A candidate with its rank.
#[derive(Debug)]
struct Ranked {
    rank: f32,
    coverage: f32,
    address: DocAddress,
}

fn clause(term: Term, record: IndexRecordOption, boost: f32) -> (Occur, Box<dyn Query>) {
    (Occur::Should, Box::new(BoostQuery::new(Box::new(TermQuery::new(term, record)), boost)))
}

/// The most of a question that is read, in characters.
const MOST_CHARACTERS: usize = 2000;

fn bounded(text: &str) -> &str {
    text.char_indices().nth(MOST_CHARACTERS).map_or(text, |(end, _)| &text[..end])
}

/// Whether a question makes sense only with the one before it: it begins so, or says next to nothing.
fn is_follow_up(text: &str, concepts: &[Concept]) -> bool {
    const WORDS: [&str; 6] = ["and", "then", "also", "or", "but", "ok"];
    const PHRASES: [&str; 5] = ["what about", "how about", "what if", "does it", "is it"];
    const CHINESE: [&str; 6] = ["那", "还有", "如果", "另外", "它", "这个"];
    let runs = runs(text);
    let begins = |phrase: &str| {
        phrase.split(' ').zip(&runs).all(|(word, run)| run.text() == word) && runs.len() > phrase.split(' ').count()
    };
    let is_chinese = runs.first().is_some_and(|run| CHINESE.iter().any(|opening| run.text().starts_with(opening)));
    WORDS.iter().chain(&PHRASES).any(|phrase| begins(phrase)) || is_chinese || concepts.len() <= 1
}
