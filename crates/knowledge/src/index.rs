//! Builds an index, in memory or in a file, and opens one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tantivy::directory::{Directory, RamDirectory};
use tantivy::store::Compressor;
use tantivy::{Index, IndexReader, IndexSettings, ReloadPolicy, TantivyError};

use crate::chinese::Dictionary;
use crate::cut::cut;
use crate::error::Error;
use crate::folder::{Limits, Texts};
use crate::language;
use crate::packed::{self, Entry};
use crate::panics::without_panic;
use crate::passage::Passage;
use crate::report::Report;
use crate::schema::{Fields, schema};
use crate::synonyms::Synonyms;
use crate::words::Words;

/// How texts are indexed.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is read at most.
    pub limits: Limits,
    /// The longest passage, in bytes: 200 to 4,000.
    pub passage_bytes: usize,
    /// What is put before the path of a text that does not name its own address, such as `https://shop.example/help/`. A path's
    /// `.md` or `.txt` is left out.
    pub base_url: Option<String>,
    /// How much of a question the best passage must speak of for there to be an answer: 0 to 1. See `docs/knowledge.md`.
    pub threshold: f32,
    /// With what Chinese text is cut into words. A program with several sites gives all of them clones of one.
    pub dictionary: Dictionary,
}

impl Options {
    /// The threshold that the measured questions were tuned to.
    pub const THRESHOLD: f32 = 0.35;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            passage_bytes: 1000,
            base_url: None,
            threshold: Self::THRESHOLD,
            dictionary: Dictionary::default(),
        }
    }
}

/// What an index says about itself.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    /// The passages of each language.
    passages: BTreeMap<String, usize>,
    threshold: f32,
    synonyms: Vec<Vec<String>>,
}

/// The file of [`About`] among those of tantivy.
const ABOUT: &str = "frontdesk.json";

/// The most of a title or a heading that is kept, in characters.
const MOST_HEADING_CHARACTERS: usize = 200;

/// What tantivy may use while it indexes, in bytes: the least it takes.
const INDEXING_BYTES: usize = 15_000_000;

/// A site's texts, indexed. It is read-only, and can be shared by threads.
pub struct Knowledge {
    pub(crate) reader: IndexReader,
    pub(crate) fields: Fields,
    pub(crate) words: Words,
    pub(crate) threshold: f32,
    passages: BTreeMap<String, usize>,
    /// Where it is from, for errors.
    pub(crate) path: PathBuf,
}

/// Indexes the texts in `folder` and writes the index into the folder `out`, over the one that is there.
///
/// # Errors
/// The folder or an option is wrong, or the index cannot be written. The old index is then as it was.
pub fn build(folder: &Path, out: &Path, options: &Options) -> Result<Report, Error> {
    let start = Instant::now();
    let texts = Texts::read(folder, &options.limits)?;
    let (entries, mut report) = indexed(texts, options)?;
    report.index_bytes = packed::write(out, &entries)?;
    report.took = start.elapsed();
    Ok(report)
}

impl Knowledge {
    /// Indexes the texts in `folder`, in memory.
    ///
    /// # Errors
    /// As [`Texts::read`], or an option is wrong.
    pub fn read(folder: &Path, options: &Options) -> Result<(Self, Report), Error> {
        let start = Instant::now();
        let (knowledge, report) = Self::new(Texts::read(folder, &options.limits)?, options)?;
        Ok((knowledge, Report { took: start.elapsed(), ..report }))
    }

    /// Indexes `texts`, in memory.
    ///
    /// # Errors
    /// An option is wrong.
    pub fn new(texts: Texts, options: &Options) -> Result<(Self, Report), Error> {
        let start = Instant::now();
        let (entries, report) = indexed(texts, options)?;
        let knowledge = Self::from_entries(entries, Path::new("memory"), &options.dictionary)?;
        Ok((knowledge, Report { took: start.elapsed(), ..report }))
    }

    /// Opens the index in `folder`. Nothing is written, and the dictionary for Chinese is not read yet.
    ///
    /// # Errors
    /// There is none, or it is foreign, of another version, or damaged. Damage that leaves the check sum right may show only
    /// in [`Self::search`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::open_with(folder, &Dictionary::default())
    }

    /// The same, with a dictionary that others share.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(folder: &Path, dictionary: &Dictionary) -> Result<Self, Error> {
        let path = folder.join(packed::FILE);
        let entries = packed::read(folder)?;
        without_panic(&path, || Self::from_entries(entries, &path, dictionary))
    }

    /// Opens an index whose `bytes` are in the program itself.
    ///
    /// # Errors
    /// As [`Knowledge::open`]; errors call it by the file's name.
    pub fn open_bytes(bytes: &[u8], dictionary: &Dictionary) -> Result<Self, Error> {
        let path = Path::new(packed::FILE);
        let entries = packed::entries(path, bytes)?;
        without_panic(path, || Self::from_entries(entries, path, dictionary))
    }

    /// Reads the dictionary for Chinese, which the first Chinese question would do: to be called on a thread that nobody waits
    /// for. An index without Chinese passages needs none unless it is asked in Chinese.
    pub fn warm(&self) {
        self.words.warm();
    }

    /// The number of passages of each language.
    pub fn passages(&self) -> &BTreeMap<String, usize> {
        &self.passages
    }

    fn from_entries(entries: Vec<Entry>, path: &Path, dictionary: &Dictionary) -> Result<Self, Error> {
        let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
        let directory = RamDirectory::create();
        let mut about: Option<About> = None;
        for (name, contents) in entries {
            if name == ABOUT {
                about = Some(serde_json::from_slice(&contents).map_err(|error| damaged(error.to_string()))?);
            } else {
                directory.atomic_write(&PathBuf::from(name), &contents).map_err(|error| damaged(error.to_string()))?;
            }
        }
        let about = about.ok_or_else(|| damaged(format!("{ABOUT} is missing in it")))?;
        let failed = |error: TantivyError| damaged(error.to_string());
        let index = Index::open(directory).map_err(failed)?;
        Ok(Self {
            fields: Fields::of(&index.schema()).map_err(failed)?,
            reader: index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?,
            words: Words::new(Synonyms::new(about.synonyms), dictionary.clone()),
            threshold: about.threshold,
            passages: about.passages,
            path: path.to_owned(),
        })
    }
}

impl std::fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passages, threshold, words, .. } = self;
        f.debug_struct("Knowledge")
            .field("passages", passages)
            .field("threshold", threshold)
            .field("words", words)
            .finish()
    }
}

/// The files of an index of `texts`.
fn indexed(texts: Texts, options: &Options) -> Result<(Vec<Entry>, Report), Error> {
    check(options)?;
    let Texts { documents, synonyms, skipped, .. } = texts;
    let mut report = Report { files: documents.len(), skipped, ..Report::default() };
    let groups = synonyms.groups().to_vec();
    let words = Words::new(synonyms, options.dictionary.clone());
    let schema = schema();
    let failed = Error::index("built");
    let fields = Fields::of(&schema).map_err(&failed)?;
    let directory = RamDirectory::create();
    let settings = IndexSettings { docstore_compression: Compressor::None, ..IndexSettings::default() };
    let builder = Index::builder().schema(schema).settings(settings);
    let mut writer = builder.single_segment_index_writer(directory.clone(), INDEXING_BYTES).map_err(&failed)?;
    for (file, document) in documents {
        for passage in passages(file, document, options) {
            *report.passages.entry(passage.language.clone()).or_default() += 1;
            let document = fields
                .document(&passage, &words)
                .map_err(|error| failed(TantivyError::from(std::io::Error::from(error))))?;
            writer.add_document(document).map_err(&failed)?;
        }
    }
    let index = writer.finalize().map_err(&failed)?;
    let mut entries = files_of(&index, &directory)?;
    let about = About { passages: report.passages.clone(), threshold: options.threshold, synonyms: groups };
    let about = serde_json::to_vec(&about).map_err(|error| failed(TantivyError::from(std::io::Error::from(error))))?;
    entries.push((ABOUT.to_owned(), about));
    report.index_bytes = entries.iter().map(|(_, contents)| contents.len()).sum();
    Ok((entries, report))
}

fn check(options: &Options) -> Result<(), Error> {
    let wrong = |option, value: String, expected| Err(Error::Option { option, value, expected });
    if !(200..=4000).contains(&options.passage_bytes) {
        return wrong("passage_bytes", options.passage_bytes.to_string(), "from 200 to 4000");
    }
    if !(0.0..=1.0).contains(&options.threshold) {
        return wrong("threshold", options.threshold.to_string(), "from 0 to 1");
    }
    Ok(())
}

/// The passages of one text.
fn passages(file: String, document: crate::document::Document, options: &Options) -> impl Iterator<Item = Passage> {
    let url = document.url.or_else(|| options.base_url.as_deref().map(|base| address(base, &file)));
    let language = document.language;
    let title = bounded(&document.title).to_owned();
    let most = options.passage_bytes;
    document.sections.into_iter().flat_map(move |section| {
        let passage = |piece: crate::cut::Piece| Passage {
            file: file.clone(),
            title: title.clone(),
            headings: section.headings.iter().map(|heading| bounded(heading).to_owned()).collect(),
            url: url.clone(),
            language: language.clone().unwrap_or_else(|| language::of_text(&piece.text).to_owned()),
            text: piece.text,
        };
        cut(&section.text, most).into_iter().map(passage).collect::<Vec<_>>()
    })
}

/// A title or heading is shown, and goes into every passage under it.
fn bounded(heading: &str) -> &str {
    heading.char_indices().nth(MOST_HEADING_CHARACTERS).map_or(heading, |(end, _)| &heading[..end])
}

fn address(base: &str, file: &str) -> String {
    let path = file.strip_suffix(".md").or_else(|| file.strip_suffix(".txt")).unwrap_or(file);
    format!("{}/{path}", base.trim_end_matches('/'))
}

fn files_of(index: &Index, directory: &RamDirectory) -> Result<Vec<Entry>, Error> {
    let mut names: Vec<PathBuf> = index.directory().list_managed_files().into_iter().collect();
    names.push(PathBuf::from("meta.json"));
    // In one order, so that the same texts make the same file as far as tantivy's names allow.
    names.sort();
    names.dedup();
    let read = |name: PathBuf| {
        let contents =
            directory.atomic_read(&name).map_err(|error| Error::index("built")(TantivyError::from(error)))?;
        Ok((name.to_string_lossy().into_owned(), contents))
    };
    names.into_iter().filter(|name| directory.exists(name).unwrap_or(false)).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_their_bounds_are_refused() {
        for (options, said) in [
            (
                Options { passage_bytes: 100, ..Options::default() },
                "passage_bytes is 100, and must be from 200 to 4000",
            ),
            (Options { threshold: 1.5, ..Options::default() }, "threshold is 1.5, and must be from 0 to 1"),
            (Options { threshold: f32::NAN, ..Options::default() }, "threshold is NaN, and must be from 0 to 1"),
        ] {
            assert_eq!(Knowledge::new(Texts::default(), &options).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn an_address_is_the_base_and_the_path() {
        assert_eq!(address("https://shop.example/help/", "en/shipping.md"), "https://shop.example/help/en/shipping");
        assert_eq!(address("/help", "a.html"), "/help/a.html");
    }
}
