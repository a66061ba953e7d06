//! Words and phrases that mean the same: what they are counted as, in texts and in questions alike.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::language::is_han;
use crate::stop_words::SAME;
use crate::words::{Run, runs, stem};

/// The file of a site's own groups, in its folder.
pub(crate) const FILE: &str = "synonyms.toml";

/// The most groups, and words in all: each is looked for in every text.
const MOST_GROUPS: usize = 1000;
const MOST_BYTES: usize = 256 * 1024;

/// A phrase, and what takes its place.
type Phrase<T> = (T, Vec<Run>);

/// Groups of phrases; those of each group count as its first.
#[derive(Debug, Clone)]
pub(crate) struct Synonyms {
    /// The site's own, as its file has them: they go into the index.
    groups: Vec<Vec<String>>,
    /// By the first word's stem: the stems of all words, and the runs that take their place. The longest is first.
    latin: HashMap<String, Vec<Phrase<Vec<String>>>>,
    /// By the first character: the phrase, and what takes its place. The longest is first.
    han: HashMap<char, Vec<Phrase<String>>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Vec<String>>,
}

impl Default for Synonyms {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Synonyms {
    /// Reads `groups = [["shipping", "delivery"], …]`.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        if source.len() > MOST_BYTES {
            return Err(format!("is longer than {MOST_BYTES} bytes"));
        }
        let file: File = toml::from_str(source).map_err(|error| error.to_string())?;
        if file.groups.len() > MOST_GROUPS {
            return Err(format!("has {} groups, and {MOST_GROUPS} are allowed", file.groups.len()));
        }
        if let Some(group) =
            file.groups.iter().find(|group| group.len() < 2 || group.iter().any(|word| runs(word).is_empty()))
        {
            return Err(format!("the group {group:?} must have two or more words or phrases, none of them empty"));
        }
        Ok(Self::new(file.groups))
    }

    pub(crate) fn new(groups: Vec<Vec<String>>) -> Self {
        let mut synonyms = Self { groups: Vec::new(), latin: HashMap::new(), han: HashMap::new() };
        for group in &groups {
            synonyms.insert(group);
        }
        for group in SAME {
            synonyms.insert(group);
        }
        synonyms
            .latin
            .values_mut()
            .for_each(|phrases| phrases.sort_by_key(|(stems, _)| std::cmp::Reverse(stems.len())));
        synonyms
            .han
            .values_mut()
            .for_each(|phrases| phrases.sort_by_key(|(phrase, _)| std::cmp::Reverse(phrase.len())));
        Self { groups, ..synonyms }
    }

    /// The site's own groups.
    pub(crate) fn groups(&self) -> &[Vec<String>] {
        &self.groups
    }

    fn insert(&mut self, group: &[impl AsRef<str>]) {
        let Some((first, others)) = group.split_first() else { return };
        let first = runs(first.as_ref());
        for other in others {
            let other = runs(other.as_ref());
            match other.as_slice() {
                [Run::Han(phrase)] => {
                    if let Some(letter) = phrase.chars().next() {
                        self.han.entry(letter).or_default().push((phrase.clone(), first.clone()));
                    }
                }
                words => {
                    let stems: Vec<_> = words.iter().map(|run| stem(run.text())).collect();
                    if let Some(start) = stems.first() {
                        self.latin.entry(start.clone()).or_default().push((stems, first.clone()));
                    }
                }
            }
        }
    }

    /// Puts the first of its group in the place of every phrase.
    pub(crate) fn replace(&self, runs: Vec<Run>) -> Vec<Run> {
        let mut replaced = Vec::with_capacity(runs.len());
        let mut rest = runs.as_slice();
        while let Some((run, after)) = rest.split_first() {
            match run {
                Run::Han(text) => {
                    self.replace_han(text, &mut replaced);
                    rest = after;
                }
                Run::Latin(_) => match self.phrase_at(rest) {
                    Some((length, first)) => {
                        replaced.extend_from_slice(first);
                        rest = &rest[length..];
                    }
                    None => {
                        replaced.push(run.clone());
                        rest = after;
                    }
                },
            }
        }
        replaced
    }

    /// The longest phrase that `runs` begin with.
    fn phrase_at(&self, runs: &[Run]) -> Option<(usize, &[Run])> {
        let phrases = self.latin.get(&stem(runs.first()?.text()))?;
        let is_here = |stems: &[String]| {
            stems.len() <= runs.len() && stems.iter().zip(runs).all(|(stem_of, run)| *stem_of == stem(run.text()))
        };
        phrases.iter().find(|(stems, _)| is_here(stems)).map(|(stems, first)| (stems.len(), first.as_slice()))
    }

    fn replace_han(&self, text: &str, replaced: &mut Vec<Run>) {
        let mut kept = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let phrases = self.han.get(&letter).map(Vec::as_slice).unwrap_or_default();
            let found = phrases.iter().find(|(phrase, _)| rest.starts_with(phrase.as_str()));
            match found {
                Some((phrase, first)) => {
                    match first.as_slice() {
                        // It stays in its sentence, so that the words around it are cut as they were.
                        [Run::Han(first)] => kept.push_str(first),
                        first => {
                            flush(&mut kept, replaced);
                            replaced.extend_from_slice(first);
                        }
                    }
                    rest = &rest[phrase.len()..];
                }
                None => {
                    kept.push(letter);
                    rest = &rest[letter.len_utf8()..];
                }
            }
        }
        flush(&mut kept, replaced);
    }
}

fn flush(kept: &mut String, replaced: &mut Vec<Run>) {
    debug_assert!(kept.chars().all(is_han));
    if !kept.is_empty() {
        replaced.push(Run::Han(std::mem::take(kept)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, replaced: &str) {
        let file =
            r#"groups = [["shipping", "delivery", "free post"], ["运费", "邮费"], ["标志", "logo"], ["tea", "茶叶"]]"#;
        let runs = Synonyms::parse(file).unwrap().replace(runs(text));
        assert_eq!(runs.iter().map(Run::text).collect::<Vec<_>>().join(" "), replaced);
    }

    #[test]
    fn phrases_count_as_the_first_of_their_group() {
        check("Delivery takes long", "shipping takes long");
        check("deliveries by free post", "shipping by shipping");
        check("How much is it?", "price is it");
        check("how many", "how many");
    }

    #[test]
    fn chinese_phrases_stay_in_their_sentence() {
        check("请问邮费多少钱", "请问运费价格");
        check("印logo吗", "印 标志 吗");
        check("买茶叶的", "买 tea 的");
    }

    #[test]
    fn a_file_with_a_wrong_key_or_a_lone_word_is_refused() {
        for (file, reason) in [
            ("group = []", "unknown field"),
            (r#"groups = [["tea"]]"#, "two or more"),
            (r#"groups = [["tea", "!"]]"#, "none of them empty"),
        ] {
            let error = Synonyms::parse(file).unwrap_err();
            assert!(error.contains(reason), "{file}: {error}");
        }
    }
}
