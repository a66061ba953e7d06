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
/// How many of them, from the first, are looked at for being misspelt: that takes longer than all the rest.
const MOST_CORRECTED: usize = 8;
/// From this length on a word may be misspelt in one letter, and in two; a longer one than the last is no word.
const ONE_WRONG: usize = 4;
const TWO_WRONG: usize = 8;
const LONGEST_WORD: usize = 24;
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
    for (place, word) in asked.iter().take(MOST_CONCEPTS).enumerate() {
        for concept in concepts_of(word, place < MOST_CORRECTED, fields, searcher)? {
            if !concepts.contains(&concept) {
                concepts.push(concept);
            }
        }
    }
    Ok(concepts)
}

/// A word's concept; that of each of its characters where it is Chinese and no text has it, nor two of them side by side.
fn concepts_of(
    word: &Run,
    may_be_misspelt: bool,
    fields: &Fields,
    searcher: &Searcher,
) -> Result<Vec<Concept>, TantivyError> {
    let mut whole = match word {
        Run::Latin(word) => latin(word, may_be_misspelt, fields, searcher)?,
        Run::Han(text) if text.chars().count() == 1 => character(text, fields, searcher)?,
        Run::Han(text) => han(text, fields, searcher)?,
    };
    if is_asking_word(word.text()) {
        whole.weight *= ASKING_WEIGHT;
    }
    match word {
        Run::Han(text) if is_unknown(&whole, fields, searcher)? => Ok(unknown(text, searcher)),
        _ => Ok(vec![whole]),
    }
}

/// Whether no text has a Chinese word, nor two of its characters side by side.
fn is_unknown(concept: &Concept, fields: &Fields, searcher: &Searcher) -> Result<bool, TantivyError> {
    for sought in concept.ways.iter().filter(|way| way.credit > IN_CHARACTERS).flat_map(|way| &way.terms) {
        if frequency(sought, fields, searcher)? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The characters of a Chinese word that no text has.
fn unknown(word: &str, searcher: &Searcher) -> Vec<Concept> {
    let characters: Vec<_> = characters(word).filter(|letter| !is_stop_word(letter)).collect();
    let weight = UNKNOWN * rarity(0, searcher) / characters.len().max(1) as f32;
    let way = |letter| Way { credit: IN_ONE_CHARACTER, terms: vec![Sought::Gram(letter)] };
    characters.into_iter().map(|letter| Concept { weight, ways: vec![way(letter)] }).collect()
}

fn latin(word: &str, may_be_misspelt: bool, fields: &Fields, searcher: &Searcher) -> Result<Concept, TantivyError> {
    let exact = Sought::Word(stem(word));
    let mut count = frequency(&exact, fields, searcher)?;
    let mut ways = vec![Way { credit: AS_ASKED, terms: vec![exact] }];
    if count == 0 && may_be_misspelt {
        for meant in meant(word, fields, searcher)? {
            let meant = Sought::Word(stem(&meant));
            count = count.max(frequency(&meant, fields, searcher)?);
            ways.push(Way { credit: MISSPELT, terms: vec![meant] });
        }
    }
    Ok(Concept { weight: rarity(count, searcher), ways })
}

/// A Chinese word of one character.
fn character(text: &str, fields: &Fields, searcher: &Searcher) -> Result<Concept, TantivyError> {
    let exact = Sought::Gram(text.to_owned());
    let weight = CHARACTER_WEIGHT * rarity(frequency(&exact, fields, searcher)?, searcher);
    Ok(Concept { weight, ways: vec![Way { credit: AS_ASKED, terms: vec![exact] }] })
}

/// A Chinese word of two characters or more.
fn han(text: &str, fields: &Fields, searcher: &Searcher) -> Result<Concept, TantivyError> {
    let exact = Sought::Word(text.to_owned());
    let pairs: Vec<_> = pairs(text).map(Sought::Gram).collect();
    let count = match (frequency(&exact, fields, searcher)?, pairs.as_slice()) {
        (0, [pair]) => frequency(pair, fields, searcher)?,
        (count, _) => count,
    };
    let characters = characters(text).map(Sought::Gram).collect();
    let ways = [(AS_ASKED, vec![exact]), (IN_PAIRS, pairs), (IN_CHARACTERS, characters)];
    let ways = ways.into_iter().map(|(credit, terms)| Way { credit, terms }).collect();
    Ok(Concept { weight: rarity(count, searcher), ways })
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
    if !(ONE_WRONG..=LONGEST_WORD).contains(&length) || word.bytes().any(|byte| byte.is_ascii_digit()) {
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
