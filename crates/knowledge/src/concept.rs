//! What a question asks for: its words, each with the ways in which a passage can speak of it.

use std::collections::BTreeSet;

use tantivy::query::FuzzyTermQuery;
use tantivy::schema::Term;
use tantivy::{Searcher, TantivyError};

use crate::schema::Fields;
use crate::stop_words::{is_asking_word, is_stop_word};
use crate::words::{Run, Words, characters, pairs, stem};

/// What a word counts that is found as it is asked for; the other ways count less.
const AS_ASKED: f32 = 1.0;
/// A word that is written almost like it.
const MISSPELT: f32 = 0.85;
/// A Chinese word whose pairs of characters are there, if not as a word.
const IN_PAIRS: f32 = 0.8;
/// A Chinese word whose characters are there.
const IN_CHARACTERS: f32 = 0.35;
/// One of the characters of a word that no text has.
const IN_ONE_CHARACTER: f32 = 0.6;

/// What a single Chinese character weighs beside a word: many words share it.
const CHARACTER_WEIGHT: f32 = 0.7;

/// What a word weighs that asks for a kind of answer: how much, how long.
const ASKING_WEIGHT: f32 = 0.5;

/// What a Chinese word weighs that no text has, in all its characters: it may be cut wrongly, or said otherwise.
const UNKNOWN: f32 = 0.8;

/// The most words of a question that count: more are a story, of which the first and rarest say what it is about.
const MOST_CONCEPTS: usize = 24;
/// From this length on a word may be misspelt in one letter, and in two.
const ONE_WRONG: usize = 4;
const TWO_WRONG: usize = 8;
/// How many words may be meant by a misspelt one.
const MOST_MEANT: usize = 3;

/// A term of the index, in whatever place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Sought {
    Word(String),
    Gram(String),
}

/// One of the words of a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Concept {
    /// How much it says: the rarer in the texts, the more.
    pub(crate) weight: f32,
    pub(crate) ways: Vec<Way>,
}

/// A way to speak of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Way {
    /// What it counts, 0 to 1.
    pub(crate) credit: f32,
    /// The terms; a passage that has some of them gets its share.
    pub(crate) terms: Vec<Sought>,
}

/// The concepts of a question.
pub(crate) fn concepts(
    question: &str,
    words: &Words,
    fields: &Fields,
    searcher: &Searcher,
) -> Result<Vec<Concept>, TantivyError> {
    let asked = words.asked(question);
    let mut concepts: Vec<Concept> = Vec::new();
    for word in asked.iter().take(MOST_CONCEPTS) {
        for concept in concepts_of(word, fields, searcher)? {
            if !concepts.contains(&concept) {
                concepts.push(concept);
            }
        }
    }
    Ok(concepts)
}

/// A word's concept; that of each of its characters where no text has it.
fn concepts_of(word: &Run, fields: &Fields, searcher: &Searcher) -> Result<Vec<Concept>, TantivyError> {
    let mut whole = concept(word, fields, searcher)?;
    if is_asking_word(word.text()) {
        whole.weight *= ASKING_WEIGHT;
    }
    let is_unknown = match word {
        Run::Latin(_) => false,
        Run::Han(_) => whole
            .ways
            .iter()
            .take(2)
            .flat_map(|way| &way.terms)
            .map(|term| frequency(term, fields, searcher))
            .all(|count| matches!(count, Ok(0))),
    };
    if !is_unknown {
        return Ok(vec![whole]);
    }
    let characters: Vec<_> = characters(word.text()).filter(|letter| !is_stop_word(letter)).collect();
    let weight = UNKNOWN * rarity(0, searcher) / characters.len().max(1) as f32;
    let way = |letter| Way { credit: IN_ONE_CHARACTER, terms: vec![Sought::Gram(letter)] };
    Ok(characters.into_iter().map(|letter| Concept { weight, ways: vec![way(letter)] }).collect())
}

fn concept(word: &Run, fields: &Fields, searcher: &Searcher) -> Result<Concept, TantivyError> {
    let frequency = |sought: &Sought| frequency(sought, fields, searcher);
    let rarity = |count| rarity(count, searcher);
    match word {
        Run::Latin(word) => {
            let exact = Sought::Word(stem(word));
            let mut count = frequency(&exact)?;
            let mut ways = vec![Way { credit: AS_ASKED, terms: vec![exact] }];
            if count == 0 {
                for meant in meant(word, fields, searcher)? {
                    let meant = Sought::Word(stem(&meant));
                    count = count.max(frequency(&meant)?);
                    ways.push(Way { credit: MISSPELT, terms: vec![meant] });
                }
            }
            Ok(Concept { weight: rarity(count), ways })
        }
        Run::Han(text) if text.chars().count() == 1 => {
            let exact = Sought::Gram(text.clone());
            let weight = CHARACTER_WEIGHT * rarity(frequency(&exact)?);
            Ok(Concept { weight, ways: vec![Way { credit: AS_ASKED, terms: vec![exact] }] })
        }
        Run::Han(text) => {
            let exact = Sought::Word(text.clone());
            let pairs: Vec<_> = pairs(text).map(Sought::Gram).collect();
            let characters = characters(text).map(Sought::Gram).collect();
            let count = match (frequency(&exact)?, pairs.as_slice()) {
                (0, [pair]) => frequency(pair)?,
                (count, _) => count,
            };
            let ways = [(AS_ASKED, vec![exact]), (IN_PAIRS, pairs), (IN_CHARACTERS, characters)];
            let ways = ways.into_iter().map(|(credit, terms)| Way { credit, terms }).collect();
            Ok(Concept { weight: rarity(count), ways })
        }
    }
}

/// What a word says that is in `count` passages: its inverse document frequency.
fn rarity(count: u64, searcher: &Searcher) -> f32 {
    (1.0 + searcher.num_docs() as f32 / (count as f32 + 0.5)).ln()
}

/// In how many passages a term is, as far as one place tells.
fn frequency(sought: &Sought, fields: &Fields, searcher: &Searcher) -> Result<u64, TantivyError> {
    sought.in_places(fields).iter().try_fold(0, |most: u64, term| Ok(most.max(searcher.doc_freq(term)?)))
}

impl Sought {
    /// The term in each place.
    pub(crate) fn in_places(&self, fields: &Fields) -> [Term; crate::schema::PLACES] {
        let (fields, text) = match self {
            Self::Word(text) => (fields.words, text),
            Self::Gram(text) => (fields.grams, text),
        };
        fields.map(|field| Term::from_field_text(field, text))
    }
}

/// The words of the texts that may be meant by `word`, which is in none of them.
fn meant(word: &str, fields: &Fields, searcher: &Searcher) -> Result<Vec<String>, TantivyError> {
    let length = word.chars().count();
    if length < ONE_WRONG || word.bytes().any(|byte| byte.is_ascii_digit()) {
        return Ok(Vec::new());
    }
    let mut meant = near(word, 1, fields, searcher)?;
    if meant.is_empty() && length >= TWO_WRONG {
        meant = near(word, 2, fields, searcher)?;
    }
    // A misspelt word mostly begins as it should.
    let begins_so = |other: &String| other.chars().next() == word.chars().next();
    let mut meant: Vec<_> = meant.into_iter().collect();
    meant.sort_by_key(|other| !begins_so(other));
    meant.truncate(MOST_MEANT);
    Ok(meant)
}

fn near(word: &str, distance: u8, fields: &Fields, searcher: &Searcher) -> Result<BTreeSet<String>, TantivyError> {
    let automaton = FuzzyTermQuery::new(Term::from_field_text(fields.spelling, word), distance, true).automaton()?;
    let mut found = BTreeSet::new();
    for segment in searcher.segment_readers() {
        let index = segment.inverted_index(fields.spelling)?;
        let mut terms = index.terms().search(&automaton).into_stream()?;
        while terms.advance() {
            found.extend(std::str::from_utf8(terms.key()).map(str::to_owned));
        }
    }
    Ok(found)
}
