//! Which of the passages an answer rests on: those whose number it names (`[1]`), which nobody is to read, else those whose
//! words it uses.

use std::collections::HashSet;

use knowledge::Passage;
use protocol::function::{MAX_SOURCE_BYTES, MAX_SOURCES, Source, is_source_address};

use crate::text;
use language::is_han;

/// The longest mark, in bytes: `【1, 2, 3】` is one of 11.
const MAX_MARK_BYTES: usize = 24;

/// How much of an answer's words a passage must have that is not named: a quarter.
const SHARE: f64 = 0.25;

/// The fewest words of an answer that say anything about where they are from.
const MIN_WORDS: usize = 3;

/// Takes the marks out of an answer that comes in pieces, and keeps what they name.
#[derive(Debug)]
pub(crate) struct Marks {
    /// How many passages there are.
    passages: usize,
    named: Vec<usize>,
    /// Spaces, and what may become a mark behind them.
    held: String,
}

impl Marks {
    pub(crate) fn new(passages: usize) -> Self {
        Self { passages, named: Vec::new(), held: String::new() }
    }

    /// Takes the next text; gives what can go out.
    pub(crate) fn handle_text(&mut self, text: &str) -> String {
        if self.passages == 0 {
            return text.to_owned();
        }
        let mut out = String::new();
        for letter in text.chars() {
            self.handle_letter(letter, &mut out);
        }
        out
    }

    /// The end of the text: what is left of it.
    pub(crate) fn finish(&mut self) -> String {
        let mut held = std::mem::take(&mut self.held);
        if self.whole_mark(&held).map(|numbers| self.named.extend(numbers)).is_some() {
            held.clear();
        }
        held
    }

    /// The passages that were named, numbered from 0, in that order.
    pub(crate) fn named(&self) -> &[usize] {
        &self.named
    }

    fn handle_letter(&mut self, letter: char, out: &mut String) {
        if let Some(numbers) = self.whole_mark(&self.held) {
            // `[1](…)` is a link that reads "1".
            if letter == '(' {
                out.push_str(&self.held);
            } else {
                self.named.extend(numbers);
            }
            self.held.clear();
        }
        let is_open = self.held.contains(['[', '【']);
        let goes_on = match letter {
            ' ' => true,
            '[' | '【' => !is_open,
            '0'..='9' | ',' | '、' | ']' | '】' | '^' => is_open,
            _ => false,
        };
        if !goes_on || self.held.len() > MAX_MARK_BYTES {
            out.push_str(&std::mem::take(&mut self.held));
            if !matches!(letter, '[' | '【' | ' ') {
                out.push(letter);
                return;
            }
        }
        self.held.push(letter);
    }

    /// The passages that `held` names, if it is a mark and nothing more.
    fn whole_mark(&self, held: &str) -> Option<Vec<usize>> {
        let inside = held.trim_start().strip_prefix(['[', '【'])?.strip_suffix([']', '】'])?;
        let number = |number: &str| {
            let number: usize = number.trim().trim_start_matches('^').parse().ok()?;
            (1..=self.passages).contains(&number).then(|| number - 1)
        };
        inside.split([',', '、']).map(number).collect()
    }
}

/// The sources of an answer that named some passages, or none.
pub(crate) fn sources(answer: &str, named: &[usize], passages: &[Passage]) -> Vec<Source> {
    let used = || (0..passages.len()).filter(|at| is_used(answer, &passages[*at].text)).collect();
    let resting: Vec<usize> = if named.is_empty() { used() } else { named.to_vec() };
    let mut sources: Vec<Source> = Vec::new();
    for passage in resting.into_iter().filter_map(|at| passages.get(at)) {
        let source = source(passage);
        if !sources.contains(&source) && sources.len() < MAX_SOURCES && !source.title.is_empty() {
            sources.push(source);
        }
    }
    sources
}

fn source(passage: &Passage) -> Source {
    let url = passage.url.clone().filter(|url| is_source_address(url)).unwrap_or_default();
    Source { title: text::head(passage.heading(), MAX_SOURCE_BYTES).to_owned(), url }
}

fn is_used(answer: &str, passage: &str) -> bool {
    let (said, known) = (words(answer), words(passage));
    let shared = said.intersection(&known).count();
    shared >= MIN_WORDS && shared as f64 >= SHARE * said.len() as f64
}

/// Words that say something: those of four letters and more, numbers, and pairs of Chinese characters.
fn words(text: &str) -> HashSet<String> {
    let text = text.to_lowercase();
    let mut words = HashSet::new();
    for run in text.split(|letter: char| !letter.is_alphanumeric()) {
        let letters: Vec<char> = run.chars().collect();
        if letters.iter().any(|letter| is_han(*letter)) {
            words.extend(letters.windows(2).map(|pair| pair.iter().collect::<String>()));
        } else if letters.len() >= 4 || letters.first().is_some_and(char::is_ascii_digit) {
            words.insert(run.to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(said: &[&str]) -> (String, Vec<usize>) {
        let mut marks = Marks::new(3);
        let shown: String = said.iter().map(|said| marks.handle_text(said)).collect();
        let shown = shown + &marks.finish();
        (shown, marks.named().to_vec())
    }

    #[track_caller]
    fn check(said: &str, text: &str, named: &[usize]) {
        assert_eq!(shown(&[said]), (text.to_owned(), named.to_vec()));
    }

    #[test]
    fn marks_are_taken_out_and_kept() {
        check("It costs €4.90 [1].", "It costs €4.90.", &[0]);
        check("Two days [2, 3]. Free[1]", "Two days. Free", &[1, 2, 0]);
        check("运费 12 元【2】。", "运费 12 元。", &[1]);
        check("[^1] Yes", " Yes", &[0]);
    }

    #[test]
    fn what_is_no_mark_stays() {
        for said in ["[9]", "[x] done [1](https://shop.example)", "a [1", "[ ]  b", "[1.5] [0] []", "[email 1] [1 2]"] {
            check(said, said, &[]);
        }
    }

    fn passage(heading: &str, url: Option<&str>, text: &str) -> Passage {
        Passage {
            file: "a.md".into(),
            title: "Shipping".into(),
            headings: vec![heading.into()],
            url: url.map(str::to_owned),
            language: "en".into(),
            text: text.into(),
        }
    }

    #[test]
    fn sources_are_what_is_named_else_what_is_used() {
        let passages = [
            passage("Cost", Some("https://shop.example/shipping"), "Shipping inside the European Union costs €4.90."),
            passage("Time", Some("/en/time.html"), "We pack every order within one working day."),
            passage("Cost", Some("https://shop.example/shipping"), "The rest of the world pays €16."),
            passage("Script", Some("javascript:alert(1)"), ""),
        ];
        let titles = |answer: &str, named: &[usize]| -> Vec<String> {
            sources(answer, named, &passages)
                .into_iter()
                .map(|source| format!("{} {}", source.title, source.url))
                .collect()
        };
        assert_eq!(titles("Yes.", &[1, 0, 2]), ["Time /en/time.html", "Cost https://shop.example/shipping"]);
        assert_eq!(titles("Yes.", &[3]), ["Script "]);
        assert_eq!(titles("It costs €4.90 inside the European Union.", &[]), ["Cost https://shop.example/shipping"]);
        assert!(titles("I am sorry, I do not know that.", &[]).is_empty());
        assert!(titles("You are welcome!", &[]).is_empty());
    }

    proptest! {
        #[test]
        fn how_the_text_is_cut_into_pieces_changes_nothing(said in "[\\[\\]【】123, a(^]{0,24}", size in 1_usize..5) {
            let letters: Vec<char> = said.chars().collect();
            let pieces: Vec<String> = letters.chunks(size).map(|chunk| chunk.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(shown(&pieces), shown(&[&said]));
        }
    }
}
