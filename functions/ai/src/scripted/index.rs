//! Which section answers a question best: by the words it shares with it, and for Chinese, which has no spaces, by pairs
//! of characters. Rare words count more (inverse document frequency), words of a heading more than words of a text.

use std::collections::{HashMap, HashSet};

use super::knowledge::Section;
use crate::language::is_han;

/// How much of the question's weight the best section must share. Below it, the honest answer is that there is none.
const THRESHOLD: f64 = 0.34;

/// From this share on the section surely speaks of what was asked.
const SURE: f64 = 0.6;

/// What the other direction, how much of its heading is in the question, adds where two sections are alike.
const HEADING_SHARE: f64 = 0.15;

/// What a shared word counts, by where the section has it.
const IN_HEADING: f64 = 1.0;
const IN_TITLE: f64 = 0.8;
const IN_TEXT: f64 = 0.55;

/// English words that say nothing about a subject.
const STOPWORDS: &str = " a an and are as at be been but by can could did do does for from get had has have he her his how i \
    if in into is it its me my no not of on or our she should so some than that the their them then there these they this \
    to too us was we were what when where which who why will with would you your please tell about know need want like \
    just any much many long also let thing something anything hello hi hey there im ive id whats s t d m re ve ll take ";

/// English words that mean the same to a shop, and what they are counted as.
const SAME: [(&str, &[&str]); 4] = [
    ("cost", &["how much", "price", "prices", "expensive", "fee", "fees", "charge"]),
    ("duration", &["how long", "how fast", "how quickly"]),
    ("shipping", &["delivery", "deliver", "delivered", "postage", "ship"]),
    ("breakage", &["broke", "broken", "break", "smashed", "dropped"]),
];

/// Chinese characters that say nothing about a subject.
const CHINESE_STOPWORDS: &str = "的了吗呢吧啊是我你您们在有和就都而及与着或请问么怎什这那个能可以想要会给把被";

/// The sections of one language.
#[derive(Debug)]
pub(crate) struct Index {
    entries: Vec<Entry>,
    weights: HashMap<String, f64>,
    /// What a word weighs that no section has.
    unknown: f64,
}

#[derive(Debug)]
struct Entry {
    section: Section,
    /// The heading's letters alone: a question of the same letters is this one, also where no word of it says anything.
    letters: String,
    heading: HashSet<String>,
    title: HashSet<String>,
    text: HashSet<String>,
}

impl Index {
    pub(crate) fn new(sections: Vec<Section>) -> Self {
        let entries: Vec<Entry> = sections.into_iter().map(Entry::new).collect();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for entry in &entries {
            let words: HashSet<&String> = entry.heading.iter().chain(&entry.title).chain(&entry.text).collect();
            for word in words {
                *counts.entry(word.clone()).or_default() += 1;
            }
        }
        let all = entries.len() as f64;
        let weight = |count: usize| (1.0 + all / (count as f64 + 0.5)).ln();
        let weights = counts.into_iter().map(|(word, count)| (word, weight(count))).collect();
        Self { entries, weights, unknown: weight(1) }
    }

    /// The section that answers `question`, if any does well enough. `is_sure`: only one that surely does.
    pub(crate) fn best(&self, question: &str, is_sure: bool) -> Option<&Section> {
        let least = if is_sure { SURE } else { THRESHOLD };
        self.ranked(question).first().filter(|found| found.share >= least).map(|found| found.section)
    }

    /// All sections, best first.
    fn ranked(&self, question: &str) -> Vec<Ranked<'_>> {
        let (words, letters) = (words(question), letters(question));
        let total: f64 = words.iter().map(|word| self.weight(word)).sum();
        let mut ranked: Vec<_> = self.entries.iter().map(|entry| self.rank(entry, &words, &letters, total)).collect();
        ranked.sort_by(|one, other| other.rank.total_cmp(&one.rank));
        ranked
    }

    fn rank<'a>(&self, entry: &'a Entry, words: &HashSet<String>, letters: &str, total: f64) -> Ranked<'a> {
        if entry.letters == letters {
            return Ranked { share: 1.0, rank: f64::INFINITY, section: &entry.section };
        }
        let shared: f64 = words.iter().map(|word| self.weight(word) * entry.share(word)).sum();
        let share = if total > 0.0 { shared / total } else { 0.0 };
        let heading: f64 = entry.heading.iter().map(|word| self.weight(word)).sum();
        let asked: f64 = entry.heading.intersection(words).map(|word| self.weight(word)).sum();
        let heading_share = if heading > 0.0 { asked / heading } else { 0.0 };
        Ranked { share, rank: share + HEADING_SHARE * heading_share, section: &entry.section }
    }

    fn weight(&self, word: &str) -> f64 {
        self.weights.get(word).copied().unwrap_or(self.unknown)
    }
}

/// A section beside a question.
#[derive(Debug)]
struct Ranked<'a> {
    /// How much of the question's weight the section has, 0 to 1.
    share: f64,
    rank: f64,
    section: &'a Section,
}

/// How many words of `text` say something.
pub(crate) fn count(text: &str) -> usize {
    words(text).len()
}

impl Entry {
    fn new(section: Section) -> Self {
        let letters = letters(&section.heading);
        Self {
            letters,
            heading: words(&section.heading),
            title: words(&section.title),
            text: words(&section.text),
            section,
        }
    }

    fn share(&self, word: &str) -> f64 {
        if self.heading.contains(word) {
            IN_HEADING
        } else if self.title.contains(word) {
            IN_TITLE
        } else if self.text.contains(word) {
            IN_TEXT
        } else {
            0.0
        }
    }
}

/// The words of a text that say something: stems of English words, pairs of Chinese characters.
fn words(text: &str) -> HashSet<String> {
    let text = with_same_words(&text.to_lowercase().replace(['\'', '\u{2019}'], ""));
    let mut words = HashSet::new();
    for run in text.split(|letter: char| !letter.is_alphanumeric()) {
        let mut latin = String::new();
        let mut han = Vec::new();
        for letter in run.chars() {
            if is_han(letter) {
                insert_stem(&mut words, &mut latin);
                han.push(letter);
            } else {
                insert_pairs(&mut words, &mut han);
                latin.push(letter);
            }
        }
        insert_stem(&mut words, &mut latin);
        insert_pairs(&mut words, &mut han);
    }
    words
}

fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Lower-case text with [`SAME`] words replaced.
fn with_same_words(text: &str) -> String {
    let words: Vec<_> = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut text = format!(" {} ", words.join(" "));
    for (word, same) in SAME {
        for other in same {
            text = text.replace(&format!(" {other} "), &format!(" {word} "));
        }
    }
    text
}

fn insert_stem(words: &mut HashSet<String>, word: &mut String) {
    let word = std::mem::take(word);
    if !word.is_empty() && !STOPWORDS.contains(&format!(" {word} ")) {
        words.insert(stem(&word).to_owned());
    }
}

fn insert_pairs(words: &mut HashSet<String>, han: &mut Vec<char>) {
    let run = std::mem::take(han);
    for part in run.split(|letter| CHINESE_STOPWORDS.contains(*letter)) {
        match part {
            [] => {}
            [one] => {
                words.insert(one.to_string());
            }
            more => words.extend(more.windows(2).map(|pair| pair.iter().collect::<String>())),
        }
    }
}

/// A word without its commonest English endings: enough to match "teapots" with "teapot" and "shipping" with "ship".
fn stem(word: &str) -> &str {
    if !word.is_ascii() || word.len() < 4 {
        return word;
    }
    let word =
        word.strip_suffix("ies").or_else(|| word.strip_suffix('s').filter(|rest| !rest.ends_with('s'))).unwrap_or(word);
    let stem = ["ings", "ing", "ed", "ly"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending).filter(|rest| rest.len() >= 3))
        .unwrap_or(word);
    let bytes = stem.as_bytes();
    let stem = match bytes {
        // "shipp" from "shipping"
        [.., a, b] if a == b && stem.len() < word.len() => &stem[..stem.len() - 1],
        _ => stem,
    };
    stem.strip_suffix(['e', 'y']).filter(|rest| rest.len() >= 3).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::super::knowledge::Knowledge;
    use super::*;

    #[track_caller]
    fn check(language: &str, question: &str, heading: Option<&str>) {
        let knowledge = Knowledge::demo();
        let index = knowledge.index(language).unwrap();
        let best = index.best(question, false).map(|section| section.heading.as_str());
        let top: Vec<_> =
            index.ranked(question).iter().take(3).map(|found| (found.share, &found.section.heading)).collect();
        assert_eq!(best, heading, "{question}: {top:?}");
    }

    #[test]
    fn english_questions_find_their_section() {
        for (question, heading) in [
            ("How much is shipping?", "How much does shipping cost?"),
            ("what does shipping cost to germany", "How much does shipping cost?"),
            ("how long does delivery take?", "How long does shipping take?"),
            ("Can I return opened tea?", "Can I return opened tea?"),
            ("I want to return something", "How do I return something?"),
            ("how do I brew oolong", "How do I brew oolong or pu-erh in a small pot?"),
            ("Which tea has no caffeine?", "Which teas have no caffeine?"),
            ("where is my parcel? tracking", "How can I track my parcel?"),
            ("do you take paypal", "Which payment methods do you accept?"),
            ("when are you open on saturday?", "When are you open?"),
            ("cancel my subscription", "Can I pause or cancel the subscription?"),
            ("Do you wrap gifts?", "Do you wrap gifts?"),
            ("tell me about Cloud Mist", "What is Cloud Mist?"),
            ("my teapot broke", "Does the warranty cover breakage?"),
        ] {
            check("en", question, Some(heading));
        }
    }

    #[test]
    fn every_heading_finds_its_own_section() {
        let knowledge = Knowledge::demo();
        for index in knowledge.languages().map(|language| knowledge.index(language).unwrap()) {
            for entry in &index.entries {
                let heading = &entry.section.heading;
                assert_eq!(index.best(heading, true).map(|found| &found.heading), Some(heading));
            }
        }
    }

    #[test]
    fn questions_about_other_things_find_nothing() {
        for question in ["What is the capital of Mongolia?", "Write me a poem about dragons", "xyzzy", "1234", "???"] {
            check("en", question, None);
        }
        for question in ["蒙古的首都是哪里?", "今天股票行情怎么样", "给我写一首关于龙的诗"] {
            check("zh", question, None);
        }
    }

    #[test]
    fn words_are_stems_and_pairs_of_characters() {
        let sorted = |text| {
            let mut words: Vec<_> = words(text).into_iter().collect();
            words.sort();
            words
        };
        assert_eq!(sorted("Delivery of the TEAPOTS"), ["ship", "teapot"]);
        assert_eq!(sorted("Cloud Mist的运费是多少"), ["cloud", "mist", "多少", "运费"]);
    }
}
