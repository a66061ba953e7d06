//! The questions for the demo shop's texts, and what a search makes of them. Shared by the tests and `examples/measure.rs`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use knowledge::{Found, Knowledge, Options, Question, Texts};

/// Which questions the search was tuned with, and which it was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Tuning,
    HeldOut,
}

/// A question, and the headings of the passages that answer it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) language: String,
    pub(crate) half: Half,
    pub(crate) headings: Vec<String>,
    pub(crate) previous: Option<String>,
    pub(crate) text: String,
}

impl Asked {
    /// All questions, as `questions.tsv` has them.
    pub(crate) fn all() -> anyhow::Result<Vec<Self>> {
        let lines = include_str!("../data/questions.tsv").lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| Self::parse(line).with_context(|| line.to_owned())).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split('\t');
        let half = if columns.next()? == "t" { Half::Tuning } else { Half::HeldOut };
        let (language, headings, previous, text) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
        let named = |text: &str| (text != "-").then(|| text.to_owned());
        Some(Self {
            language: language.to_owned(),
            half,
            headings: named(headings).iter().flat_map(|all| all.split(" | ")).map(str::to_owned).collect(),
            previous: named(previous),
            text: text.to_owned(),
        })
    }

    pub(crate) fn is_answerable(&self) -> bool {
        !self.headings.is_empty()
    }

    pub(crate) fn ask(&self, knowledge: &Knowledge) -> Result<Found, knowledge::Error> {
        let language = Some(self.language.as_str());
        knowledge.search(Question { text: &self.text, previous: self.previous.as_deref(), language })
    }

    /// At which place the right passage was found, counted from 1.
    pub(crate) fn rank(&self, found: &Found) -> Option<usize> {
        let is_right = |heading: &str| self.headings.iter().any(|right| right == heading);
        Some(1 + found.passages.iter().position(|scored| is_right(scored.passage.heading()))?)
    }
}

/// The demo shop's texts.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/demo/knowledge")
}

/// The demo shop's texts, indexed.
pub(crate) fn demo() -> anyhow::Result<Knowledge> {
    Ok(Knowledge::read(&folder(), &Options::default())?.0)
}

/// The same as a site has it that does not write down its synonyms.
pub(crate) fn demo_without_synonyms() -> anyhow::Result<Knowledge> {
    let mut texts = Texts::default();
    for language in ["en", "zh"] {
        for entry in std::fs::read_dir(folder().join(language))? {
            let path = entry?.path();
            let name = path.strip_prefix(folder())?.to_string_lossy().into_owned();
            texts.add(&name, &std::fs::read(&path)?).map_err(anyhow::Error::msg)?;
        }
    }
    Ok(Knowledge::new(texts, &Options::default())?.0)
}

/// What came of the questions of one language and half.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tally {
    /// Questions that have an answer.
    pub(crate) answerable: usize,
    /// The right passage was the first of those found.
    pub(crate) first: usize,
    /// It was among the five found.
    pub(crate) among_five: usize,
    /// The sum of one over its place.
    pub(crate) reciprocal: f64,
    /// The question was taken for answerable.
    pub(crate) kept: usize,
    /// Questions that have no answer.
    pub(crate) unanswerable: usize,
    /// They were refused.
    pub(crate) refused: usize,
}

/// Asks the questions of one language and half.
pub(crate) fn tally(knowledge: &Knowledge, all: &[Asked], language: &str, half: Half) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    for asked in all.iter().filter(|asked| asked.language == language && asked.half == half) {
        let found = asked.ask(knowledge)?;
        if asked.is_answerable() {
            let rank = asked.rank(&found);
            tally.answerable += 1;
            tally.first += usize::from(rank == Some(1));
            tally.among_five += usize::from(rank.is_some());
            tally.reciprocal += rank.map_or(0.0, |rank| 1.0 / rank as f64);
            tally.kept += usize::from(found.is_answerable);
        } else {
            tally.unanswerable += 1;
            tally.refused += usize::from(!found.is_answerable);
        }
    }
    Ok(tally)
}
