//! The words of a text, the same way for what is indexed and for what is asked.

use std::sync::Arc;

use frostem::{Algorithm, Stemmer};

use crate::chinese::Dictionary;
use crate::language::is_han;
use crate::stop_words::is_stop_word;
use crate::synonyms::Synonyms;

/// A word between blanks and signs, or a run of Chinese characters: in lower case, half width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Run {
    Latin(String),
    Han(String),
}

impl Run {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Latin(text) | Self::Han(text) => text,
        }
    }
}

/// What of a text is indexed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Stems, and Chinese words.
    pub(crate) words: Vec<String>,
    /// Chinese characters and pairs of them: they find what the dictionary cuts differently.
    pub(crate) grams: Vec<String>,
    /// Words as they are written, against misspelt ones.
    pub(crate) spelling: Vec<String>,
}

/// Knows a site's synonyms and jieba's dictionary. Clones share both.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    dictionary: Dictionary,
    synonyms: Arc<Synonyms>,
}

impl Words {
    pub(crate) fn new(synonyms: Synonyms, dictionary: Dictionary) -> Self {
        Self { dictionary, synonyms: Arc::new(synonyms) }
    }

    /// Reads the dictionary, if it has not been read yet.
    pub(crate) fn warm(&self) {
        self.dictionary.warm();
    }

    /// The terms under which `text` is found.
    pub(crate) fn terms(&self, text: &str) -> Terms {
        let mut terms = Terms::default();
        for run in self.synonyms.replace(runs(text)) {
            match run {
                Run::Latin(word) if is_stop_word(&word) => {}
                Run::Latin(word) => {
                    terms.words.push(stem(&word));
                    terms.spelling.push(word);
                }
                Run::Han(text) => {
                    let words = self.dictionary.words_for_search(&text).into_iter();
                    terms.words.extend(words.filter(|word| !is_stop_word(word)).map(str::to_owned));
                    terms.grams.extend(characters(&text));
                    terms.grams.extend(pairs(&text));
                }
            }
        }
        terms
    }

    /// The words of a question that say what it is about, each once, in their order.
    pub(crate) fn asked(&self, question: &str) -> Vec<Run> {
        let mut asked: Vec<Run> = Vec::new();
        for run in self.synonyms.replace(runs(question)) {
            let words = match &run {
                Run::Latin(word) => vec![Run::Latin(word.clone())],
                Run::Han(text) => {
                    self.dictionary.words(text).into_iter().map(|word| Run::Han(word.to_owned())).collect()
                }
            };
            for word in words {
                if !is_stop_word(word.text()) && !asked.contains(&word) {
                    asked.push(word);
                }
            }
        }
        asked
    }
}

/// The words and runs of Chinese characters in a text, without what is between them.
pub(crate) fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut run = String::new();
    let mut is_run_han = false;
    for letter in text.chars().flat_map(folded) {
        let is_letter = letter.is_alphanumeric() || is_mark(letter);
        if !run.is_empty() && (!is_letter || is_han(letter) != is_run_han) {
            push(&mut runs, &mut run, is_run_han);
        }
        if is_letter {
            is_run_han = is_han(letter);
            run.push(letter);
        }
    }
    push(&mut runs, &mut run, is_run_han);
    runs
}

fn push(runs: &mut Vec<Run>, run: &mut String, is_han: bool) {
    let text = std::mem::take(run);
    if !text.is_empty() {
        runs.push(if is_han { Run::Han(text) } else { Run::Latin(text) });
    }
}

/// A letter in lower case and half width, without the commonest accents; apostrophes are nothing: `don't` is `dont`.
fn folded(letter: char) -> impl Iterator<Item = char> {
    let letter = match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(letter as u32 - 0xfee0).unwrap_or(letter),
        '\u{3000}' => ' ',
        _ => letter,
    };
    let plain = match letter {
        'à'..='å' | 'À'..='Å' => Some('a'),
        'è'..='ë' | 'È'..='Ë' => Some('e'),
        'ì'..='ï' | 'Ì'..='Ï' => Some('i'),
        'ò'..='ö' | 'Ò'..='Ö' => Some('o'),
        'ù'..='ü' | 'Ù'..='Ü' => Some('u'),
        'ç' | 'Ç' => Some('c'),
        'ñ' | 'Ñ' => Some('n'),
        _ => None,
    };
    let is_apostrophe = matches!(letter, '\'' | '\u{2019}' | '\u{2018}');
    let lower = plain.is_none().then(|| letter.to_lowercase()).into_iter().flatten();
    plain.into_iter().chain(lower).filter(move |_| !is_apostrophe)
}

/// Marks that belong to the letter before them.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}')
}

/// A word without its English endings. Words of other languages lose the same, in texts and questions alike.
pub(crate) fn stem(word: &str) -> String {
    // The algorithm takes lower-case ASCII words; the rest is left as it is.
    if word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Stemmer::new(Algorithm::English).stem(word).into_owned();
    }
    word.to_owned()
}

/// Each character of a text for itself.
pub(crate) fn characters(text: &str) -> impl Iterator<Item = String> + '_ {
    text.chars().map(String::from)
}

/// Each two characters that stand beside each other.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = String> + '_ {
    text.chars().zip(text.chars().skip(1)).map(|(one, other)| String::from_iter([one, other]))
}

/// The letters of a text alone: two texts with the same are the same question.
pub(crate) fn letters(text: &str) -> String {
    runs(text).iter().map(Run::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(runs: &[Run]) -> Vec<&str> {
        runs.iter().map(Run::text).collect()
    }

    #[test]
    fn a_text_is_cut_into_words_and_runs_of_characters() {
        assert_eq!(
            texts(&runs("Don't  ＣＬＯＵＤ　Mist的运费：１２元,Café")),
            ["dont", "cloud", "mist", "的运费", "12", "元", "cafe"]
        );
    }

    #[test]
    fn words_lose_their_english_endings() {
        assert_eq!(stem("teapots"), stem("teapot"));
        assert_eq!(stem("shipping"), "ship");
        assert_eq!(stem("hh204518"), "hh204518");
    }

    #[test]
    fn terms_have_words_characters_and_pairs() {
        let terms = Words::new(Synonyms::default(), Dictionary::default()).terms("The teapots: 红茶吗");
        assert_eq!(terms.words, ["teapot", "红茶"]);
        assert_eq!(terms.grams, ["红", "茶", "吗", "红茶", "茶吗"]);
        assert_eq!(terms.spelling, ["teapots"]);
    }

    #[test]
    fn a_question_has_each_word_once_without_stop_words() {
        let words = Words::new(Synonyms::default(), Dictionary::default());
        assert_eq!(texts(&words.asked("What is tea, and is Tea good?")), ["tea"]);
        assert_eq!(texts(&words.asked("你们有什么红茶推荐？")), ["红茶", "推荐"]);
    }
}
