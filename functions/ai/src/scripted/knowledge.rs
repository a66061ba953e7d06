//! A site's own texts: Markdown files in one folder for each language, cut into sections at their headings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use include_dir::{Dir, include_dir};

use super::index::Index;

/// The texts of the demo site, in the program itself.
static DEMO: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../web/demo/knowledge");

/// The most that is read from one folder, in bytes: everything is kept in memory.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// One question and what the site says to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// The title of its file.
    pub(crate) title: String,
    /// Its heading.
    pub(crate) heading: String,
    /// Its text, in Markdown.
    pub(crate) text: String,
}

/// The sections of each language.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    languages: BTreeMap<String, Texts>,
}

/// The sections of one language, indexed when the first question comes: a function has to start quickly.
#[derive(Debug)]
struct Texts {
    sections: Vec<Section>,
    index: OnceLock<Index>,
}

impl Knowledge {
    /// The texts of the demo site.
    pub(crate) fn demo() -> Self {
        let folders = DEMO.dirs().map(|folder| {
            let files = folder.files().filter(|file| is_markdown(file.path()));
            let sections = files.filter_map(|file| file.contents_utf8()).flat_map(sections).collect();
            (name(folder.path()), sections)
        });
        Self::new(folders)
    }

    /// The texts in `folder`: `LANGUAGE/*.md`.
    ///
    /// # Errors
    /// What cannot be read, and why.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let failed = |path: &Path, error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        let mut languages: BTreeMap<String, Vec<Section>> = BTreeMap::new();
        let mut left = MAX_BYTES;
        for language in entries(folder).map_err(|error| failed(folder, error))?.iter().filter(|path| path.is_dir()) {
            let files = entries(language).map_err(|error| failed(language, error))?;
            for file in files.iter().filter(|path| is_markdown(path)) {
                let text = std::fs::read_to_string(file).map_err(|error| failed(file, error))?;
                left = left
                    .checked_sub(text.len() as u64)
                    .ok_or_else(|| format!("{} has more than {MAX_BYTES} bytes of texts", folder.display()))?;
                languages.entry(name(language)).or_default().extend(sections(&text));
            }
        }
        if languages.is_empty() {
            return Err(format!("{} has no texts; they are expected as LANGUAGE/*.md", folder.display()));
        }
        Ok(Self::new(languages))
    }

    fn new(languages: impl IntoIterator<Item = (String, Vec<Section>)>) -> Self {
        let texts = |sections| Texts { sections, index: OnceLock::new() };
        let languages = languages.into_iter().map(|(language, sections)| (language, texts(sections)));
        Self { languages: languages.collect() }
    }

    /// The languages there are texts in.
    pub(crate) fn languages(&self) -> impl Iterator<Item = &str> + Clone {
        self.languages.keys().map(String::as_str)
    }

    /// The texts in `language`.
    pub(crate) fn index(&self, language: &str) -> Option<&Index> {
        let texts = self.languages.get(language)?;
        Some(texts.index.get_or_init(|| Index::new(texts.sections.clone())))
    }
}

fn entries(folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut paths =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    // The order decides between equals, and must not differ from one machine to the next.
    paths.sort();
    Ok(paths)
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Cuts a file at its headings of the second level. What stands before the first belongs to the title.
fn sections(file: &str) -> Vec<Section> {
    let mut title = String::new();
    let mut sections: Vec<Section> = Vec::new();
    let mut is_code = false;
    for line in file.lines() {
        is_code ^= line.trim_start().starts_with("```");
        match (is_code, line.strip_prefix("## "), line.strip_prefix("# ")) {
            (false, Some(heading), _) => {
                sections.push(Section { title: title.clone(), heading: heading.trim().into(), text: String::new() });
            }
            (false, None, Some(heading)) => title = heading.trim().into(),
            _ => {
                if sections.is_empty() && !line.trim().is_empty() {
                    sections.push(Section { title: title.clone(), heading: title.clone(), text: String::new() });
                }
                if let Some(section) = sections.last_mut() {
                    section.text.push_str(line);
                    section.text.push('\n');
                }
            }
        }
    }
    for section in &mut sections {
        section.text = section.text.trim().to_owned();
    }
    sections.retain(|section| !section.text.is_empty());
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(title: &str, heading: &str, text: &str) -> Section {
        Section { title: title.into(), heading: heading.into(), text: text.into() }
    }

    #[test]
    fn a_file_is_cut_at_its_headings() {
        let file =
            "# Tea\n\nWe sell tea.\n\n## Which?\nGreen.\n\n```\n## no heading\n```\n## Empty\n\n## Why?\nTaste.\n";
        assert_eq!(
            sections(file),
            [
                section("Tea", "Tea", "We sell tea."),
                section("Tea", "Which?", "Green.\n\n```\n## no heading\n```"),
                section("Tea", "Why?", "Taste."),
            ]
        );
    }

    #[test]
    fn the_demo_site_has_texts_in_english_and_chinese() {
        let knowledge = Knowledge::demo();
        assert_eq!(knowledge.languages().collect::<Vec<_>>(), ["en", "zh"]);
    }

    #[test]
    fn a_folder_without_texts_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = Knowledge::read(folder.path()).unwrap_err();
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        assert!(Knowledge::read(&folder.path().join("nowhere")).is_err());
    }

    #[test]
    fn a_folder_is_read_by_language() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("fr")).unwrap();
        std::fs::write(folder.path().join("fr/a.md"), "# Prix\n## Combien?\nDix euros.\n").unwrap();
        std::fs::write(folder.path().join("fr/notes.txt"), "not read").unwrap();
        let knowledge = Knowledge::read(folder.path()).unwrap();
        assert_eq!(knowledge.languages().collect::<Vec<_>>(), ["fr"]);
    }
}
