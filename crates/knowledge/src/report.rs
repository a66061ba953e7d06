//! What indexing a folder came to, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What was indexed and what was left out. Its text form is what `ai knowledge index` prints.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The files that were indexed.
    pub files: usize,
    /// The passages of each language.
    pub passages: BTreeMap<String, usize>,
    /// The index's size in bytes.
    pub index_bytes: usize,
    /// How long reading and indexing took.
    pub took: Duration,
    /// The files that were left out, and why.
    pub skipped: Vec<Skipped>,
}

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path in the folder, with `/` between the parts.
    pub file: String,
    /// Why, as the rest of a sentence that begins with the file.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file, self.reason)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.passages.values().sum();
        let languages: Vec<_> = self.passages.iter().map(|(language, count)| format!("{language} {count}")).collect();
        let bytes = self.index_bytes as f64 / 1024.0;
        let took_ms = self.took.as_secs_f64() * 1000.0;
        let languages = if languages.is_empty() { String::new() } else { format!(" ({})", languages.join(", ")) };
        write!(f, "{} files, {all} passages{languages}, index {bytes:.0} KiB, {took_ms:.0} ms", self.files)?;
        self.skipped.iter().try_for_each(|skipped| write!(f, "\nleft out: {skipped}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_was_left_out() {
        let report = Report {
            files: 2,
            passages: BTreeMap::from([("en".into(), 3), ("zh".into(), 4)]),
            index_bytes: 2048,
            took: Duration::from_millis(12),
            skipped: vec![Skipped { file: "a.pdf".into(), reason: "has no text".into() }],
        };
        let text = "2 files, 7 passages (en 3, zh 4), index 2 KiB, 12 ms\nleft out: a.pdf has no text";
        assert_eq!(report.to_string(), text);
    }
}
