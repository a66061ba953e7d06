//! Which section answers a question best: by the words it shares with it, and for Chinese, which has no spaces, by pairs
//! of characters. Rare words count more (inverse document frequency), words of a heading more than words of a text.

use std::collections::{HashMap, HashSet};

use super::knowledge::Section;
use super::words::{is_pair, is_single, words};

/// How much of the question's weight the best section must share. Below it, the honest answer is that there is none.
const THRESHOLD: f64 = 0.34;

/// From this share on the section surely speaks of what was asked.
const SURE: f64 = 0.6;

/// What the other direction, how much of its heading is in the question, adds where two sections are alike.
const HEADING_SHARE: f64 = 0.15;

/// What a single Chinese character weighs, beside a pair: many words share it.
const SINGLE: f64 = 0.4;

/// What a pair that no section has weighs: as often as not it is the end of one word and the beginning of the next.
const UNKNOWN_PAIR: f64 = 0.5;

/// What a shared word counts, by where the section has it.
const IN_HEADING: f64 = 1.0;
const IN_TITLE: f64 = 0.7;
const IN_TITLE_AND_TEXT: f64 = 0.9;
const IN_TEXT: f64 = 0.55;

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
        match self.weights.get(word) {
            Some(weight) if is_single(word) => SINGLE * weight,
            Some(weight) => *weight,
            None if is_single(word) => SINGLE * self.unknown,
            None if is_pair(word) => UNKNOWN_PAIR * self.unknown,
            None => self.unknown,
        }
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
        match (self.heading.contains(word), self.title.contains(word), self.text.contains(word)) {
            (true, _, _) => IN_HEADING,
            (false, true, true) => IN_TITLE_AND_TEXT,
            (false, true, false) => IN_TITLE,
            (false, false, true) => IN_TEXT,
            (false, false, false) => 0.0,
        }
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::super::knowledge::Knowledge;

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
            ("recommend a tea", "Which tea is best for a beginner?"),
            ("wholesale", "Do you sell to cafés and shops?"),
            ("phone number", "How can I contact you?"),
            ("Where are you located?", "Where is your shop?"),
            ("my parcel is lost", "What if my parcel is lost or damaged?"),
            ("refund", "How long does a refund take?"),
        ] {
            check("en", question, Some(heading));
        }
    }

    #[test]
    fn chinese_questions_find_their_section() {
        for (question, heading) in [
            ("请问运费多少钱", "运费是多少？"),
            ("怎么退货呢", "怎么退货？"),
            ("你们几点开门", "你们几点开门？"),
            ("配送需要多长时间？", "多久能收到货？"),
            ("什么时候发货", "多久能收到货？"),
            ("拆封的茶叶可以退吗", "开封的茶叶可以退吗？"),
            ("包裹丢了", "包裹丢了或者摔坏了怎么办？"),
            ("支持支付宝吗", "支持哪些支付方式？"),
            ("茶壶摔碎了", "摔坏了保修吗？"),
            ("有没有礼盒", "可以包装成礼物吗？"),
            ("新手喝什么茶", "初学者喝什么茶好？"),
            ("紫砂壶怎么洗", "紫砂壶怎么清洗？"),
            ("地址写错了", "可以修改收货地址吗？"),
            ("我要取消订单", "可以取消订单吗？"),
        ] {
            check("zh", question, Some(heading));
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
}
