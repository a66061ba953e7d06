//! What a site knows: its texts, indexed beforehand or when the function starts.
//!
//! A folder of texts that is not there is a mistake in the configuration, and ends the program. An index that is missing or
//! damaged does not: it may have been replaced while the program was away, and a site whose assistant knows less is better
//! than one without. The log says so as an error; [`check_knowledge`] is for those who want to know before they start.

use std::error::Error as _;
use std::path::Path;

use config::{Config, Site};
use knowledge::{Dictionary, Knowledge};

use crate::Error;
use crate::texts::{Jobs, Slot};

/// Has the texts prepared that `site`, called `key`, names.
///
/// # Errors
/// The folder of texts is not there. An index that cannot be used is an error of its job.
pub(crate) fn prepare(
    key: &str,
    site: &Site,
    dictionary: &Dictionary,
    jobs: &mut Jobs,
) -> Result<Option<Slot<Knowledge>>, Error> {
    let (key, dictionary) = (key.to_owned(), dictionary.clone());
    if let Some(folder) = site.knowledge_index.clone() {
        return Ok(Some(jobs.add(move || Ok(warmed(open(&key, &folder, &dictionary)?, &dictionary)))));
    }
    let Some(folder) = site.knowledge.clone() else { return Ok(None) };
    let failed = move |reason| Error::Knowledge { site: key.clone(), reason };
    check_readable(&folder).map_err(&failed)?;
    Ok(Some(jobs.add(move || {
        let knowledge = read(&folder, &dictionary).map_err(failed)?;
        Ok(warmed(knowledge, &dictionary))
    })))
}

/// Opens the index of each site that names one, for a program that starts the function and can tell whoever started it.
///
/// # Errors
/// [`Error::KnowledgeIndex`] for the first that cannot be used.
pub fn check_knowledge(config: &Config) -> Result<(), Error> {
    let dictionary = Dictionary::default();
    let indexes = config.sites.iter().filter_map(|(key, site)| Some((key, site.knowledge_index.as_ref()?)));
    indexes.into_iter().try_for_each(|(key, folder)| open(key, folder, &dictionary).map(drop))
}

fn open(key: &str, folder: &Path, dictionary: &Dictionary) -> Result<Knowledge, Error> {
    Knowledge::open_with(folder, dictionary).map_err(|error| {
        let reason = match error.source() {
            // Nothing is wrong with the index: there is none that can be read.
            Some(cause) => format!("{error}: {cause}; make it with `ai knowledge index`"),
            None => error.to_string(),
        };
        Error::KnowledgeIndex { site: key.to_owned(), reason }
    })
}

#[cfg(feature = "preparing")]
fn read(folder: &Path, dictionary: &Dictionary) -> Result<Knowledge, String> {
    let options = knowledge::Options { dictionary: dictionary.clone(), ..knowledge::Options::default() };
    let (knowledge, report) = Knowledge::read(folder, &options).map_err(|error| error.to_string())?;
    for skipped in &report.skipped {
        tracing::warn!(file = skipped.file, reason = skipped.reason, "a text is left out");
    }
    Ok(knowledge)
}

#[cfg(not(feature = "preparing"))]
fn read(folder: &Path, _: &Dictionary) -> Result<Knowledge, String> {
    let folder = folder.display();
    Err(format!(
        "{folder} would have to be indexed, which the program for Lambda cannot; name an index in knowledge_index, \
                 made with `ai knowledge index`"
    ))
}

/// The same, with the dictionary read if it is going to be needed.
fn warmed(knowledge: Knowledge, dictionary: &Dictionary) -> Knowledge {
    if knowledge.passages().contains_key("zh") {
        dictionary.warm();
    }
    knowledge
}

/// What can be seen at once: that there is a folder.
fn check_readable(folder: &Path) -> Result<(), String> {
    match std::fs::read_dir(folder) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{} cannot be read: {error}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(index: &Path) -> String {
        let toml =
            format!("[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\nknowledge_index = {:?}\n", index.display());
        check_knowledge(&Config::parse(&toml, []).unwrap()).map_err(|error| error.to_string()).unwrap_err()
    }

    #[test]
    fn an_index_that_cannot_be_used_is_named_with_its_site_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let missing = said(folder.path());
        std::fs::write(folder.path().join("knowledge.index"), "no index").unwrap();
        let foreign = said(folder.path());
        for (said, reason) in [(missing, "No such file or directory"), (foreign, "is no knowledge index")] {
            let path = folder.path().join("knowledge.index");
            for part in ["sites.shop.knowledge_index: ", &path.display().to_string(), reason, "`ai knowledge index`"] {
                assert!(said.contains(part), "{part:?} is not in {said}");
            }
        }
    }
}
