//! The texts of the demo shop, in the program itself: the scripted model has something to say with nothing configured.

use knowledge::{Dictionary, Knowledge};

use crate::Error;

/// Made by `ai knowledge index web/demo/knowledge --out web/demo`: indexing anew would cost each process of the function what
/// a hundred turns do.
static INDEX: &[u8] = include_bytes!("../../../web/demo/knowledge.index");

/// The demo shop's texts, indexed.
///
/// # Errors
/// The index cannot be read, which a test would have shown.
pub(crate) fn knowledge(dictionary: &Dictionary) -> Result<Knowledge, Error> {
    let failed = |reason: String| Error::Knowledge { site: "the demo shop".to_owned(), reason };
    Knowledge::open_bytes(INDEX, dictionary).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use knowledge::{Found, Options, Question};

    use super::*;

    fn found(questions: &[(&str, Option<&str>)]) -> Vec<Found> {
        let knowledge = knowledge(&Dictionary::default()).unwrap();
        let search = |(text, previous): &(&str, Option<&str>)| {
            knowledge.search(Question { text, previous: *previous, language: Some("en") }).unwrap()
        };
        questions.iter().map(search).collect()
    }

    #[test]
    fn the_index_is_that_of_the_texts() {
        let texts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/demo/knowledge");
        let (anew, _) = Knowledge::read(&texts, &Options::default()).unwrap();
        let question = "How long does shipping to Norway take?";
        let search = |knowledge: &Knowledge| knowledge.search(Question::from(question)).unwrap().to_string();
        let kept = knowledge(&Dictionary::default()).unwrap();
        assert_eq!(
            kept.passages(),
            anew.passages(),
            "make it anew: ai knowledge index web/demo/knowledge --out web/demo"
        );
        assert_eq!(search(&kept), search(&anew));
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
