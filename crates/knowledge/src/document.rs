//! A text with its title, address, language and sections, whatever format it was written in.

use std::path::Path;

use crate::language;
use crate::{html, markdown};

/// One text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) url: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) sections: Vec<Section>,
}

/// What stands under one heading, up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The headings above it, outermost first, without the title.
    pub(crate) headings: Vec<String>,
    /// Markdown, without blank lines around it; never empty.
    pub(crate) text: String,
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Html,
    Plain,
}

impl Format {
    /// The format of a file, by the ending of its name.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" => Some(Self::Html),
            "txt" => Some(Self::Plain),
            _ => None,
        }
    }
}

impl Document {
    /// Reads `source`. What it does not say itself is taken from `path`: the title from the file's name, and the language
    /// from a folder that has a language's name, or from the script that the text is written in.
    pub(crate) fn read(path: &Path, format: Format, source: &str) -> Self {
        let source = source.trim_start_matches('\u{feff}');
        let mut document = match format {
            Format::Markdown => markdown::read(source),
            Format::Html => html::read(source),
            Format::Plain => plain(source),
        };
        if document.title.is_empty() {
            document.title = title_of(path);
        }
        if document.language.is_none() {
            document.language = language::of_path(path);
        }
        document
    }

    /// Adds a section, unless it has no text.
    pub(crate) fn push(&mut self, headings: &[String], text: &str) {
        let text = text.trim_matches('\n').trim_end();
        if !text.trim().is_empty() {
            self.sections.push(Section { headings: headings.to_vec(), text: text.to_owned() });
        }
    }
}

fn plain(source: &str) -> Document {
    let mut document = Document::default();
    document.push(&[], &source.replace("\r\n", "\n"));
    document
}

/// `opening-hours.md` becomes `opening hours`.
fn title_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().replace(['-', '_'], " ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_does_not_say_is_taken_from_its_path() {
        let document =
            Document::read(Path::new("zh/opening-hours.txt"), Format::Plain, "\u{feff}\n  indented\r\nend\n\n");
        assert_eq!((document.title.as_str(), document.language.as_deref()), ("opening hours", Some("zh")));
        assert_eq!(document.sections, [Section { headings: vec![], text: "  indented\nend".into() }]);
    }

    #[test]
    fn formats_are_known_by_the_ending() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("a.md"), Some(Format::Markdown));
        assert_eq!(of("a.HTM"), Some(Format::Html));
        assert_eq!(of("a.txt"), Some(Format::Plain));
        assert_eq!((of("a.pdf"), of("README")), (None, None));
    }

    #[test]
    fn a_text_without_words_has_no_section() {
        assert_eq!(plain(" \n\t\n").sections, []);
    }
}
