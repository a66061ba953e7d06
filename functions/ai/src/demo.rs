//! The texts of the demo shop, in the program itself: the scripted model has something to say with nothing configured.

use include_dir::{Dir, include_dir};
use knowledge::{Dictionary, Knowledge, Options, Texts};

use crate::Error;

static TEXTS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../web/demo/knowledge");

/// The demo shop's texts, indexed.
///
/// # Errors
/// They cannot be indexed, which a test would have shown.
pub(crate) fn knowledge(dictionary: &Dictionary) -> Result<Knowledge, Error> {
    let failed = |reason: String| Error::Knowledge { site: "the demo shop".to_owned(), reason };
    let mut texts = Texts::default();
    for file in files(&TEXTS) {
        let name = file.path().to_string_lossy();
        texts.add(&name, file.contents()).map_err(|reason| failed(format!("{name} {reason}")))?;
    }
    let options = Options { dictionary: dictionary.clone(), ..Options::default() };
    let indexed = Knowledge::new(texts, &options);
    Ok(indexed.map_err(|error| failed(error.to_string()))?.0)
}

fn files(folder: &'static Dir<'static>) -> Vec<&'static include_dir::File<'static>> {
    folder.files().chain(folder.dirs().flat_map(files)).collect()
}

#[cfg(test)]
mod tests {
    use knowledge::{Found, Question};

    use super::*;

    fn found(questions: &[(&str, Option<&str>)]) -> Vec<Found> {
        let knowledge = knowledge(&Dictionary::default()).unwrap();
        let search = |(text, previous): &(&str, Option<&str>)| {
            knowledge.search(Question { text, previous: *previous, language: Some("en") }).unwrap()
        };
        questions.iter().map(search).collect()
    }

    #[test]
    fn every_question_that_the_demo_site_suggests_is_answered() {
        let config = config::Config::parse(include_str!("../../../local-dev/frontdesk.toml"), []).unwrap();
        let suggestions: Vec<(&str, Option<&str>)> = config
            .sites
            .values()
            .flat_map(|site| site.suggestions.iter())
            .flat_map(|(_, texts)| texts.iter().map(|text| (text.as_str(), None)))
            .collect();
        assert!(suggestions.len() >= 6);
        for (found, (question, _)) in found(&suggestions).iter().zip(&suggestions) {
            assert!(found.is_answerable, "{question}");
        }
    }

    #[test]
    fn what_tests_elsewhere_ask_is_found_in_both_languages_and_with_the_question_before() {
        let asked = [
            ("How much is shipping?", None, "€4.90"),
            ("运费是多少?", None, "12 元"),
            ("And to Switzerland?", Some("How much does shipping cost?"), "€9.50"),
            ("Can I return opened tea?", None, "refund"),
        ];
        let questions = asked.map(|(text, previous, _)| (text, previous));
        for (found, (question, _, part)) in found(&questions).iter().zip(asked) {
            let best = &found.passages[0].passage.text;
            assert!(found.is_answerable && best.contains(part), "{question}: {best}");
        }
        assert!(!found(&[("What is the capital of Mongolia?", None)])[0].is_answerable);
    }
}
