//! The demo shop's questions: how many find their passage, and how many without an answer are refused.

#![allow(clippy::unwrap_used)]

mod asked;

use asked::{Asked, Half, demo, demo_without_synonyms, tally};
use knowledge::{Knowledge, Question};

/// At least so many of each, of those there are.
struct Least {
    first: usize,
    among_five: usize,
    kept: usize,
    refused: usize,
}

#[track_caller]
fn check(knowledge: &Knowledge, language: &str, half: Half, least: Least) {
    let tally = tally(knowledge, &Asked::all().unwrap(), language, half).unwrap();
    let is_met = tally.first >= least.first
        && tally.among_five >= least.among_five
        && tally.kept >= least.kept
        && tally.refused >= least.refused;
    assert!(is_met, "{language} {half:?}: {tally:?}");
}

#[test]
fn there_are_enough_questions() {
    let all = Asked::all().unwrap();
    let count = |language: &str, is_answerable: bool| {
        all.iter().filter(|asked| asked.language == language && asked.is_answerable() == is_answerable).count()
    };
    assert_eq!([count("en", true), count("zh", true)], [130, 128]);
    assert_eq!([count("en", false), count("zh", false)], [72, 72]);
}

#[test]
fn every_right_passage_is_in_the_texts() {
    let knowledge = demo().unwrap();
    for asked in Asked::all().unwrap() {
        for heading in &asked.headings {
            let found = knowledge.search(heading.as_str().into()).unwrap();
            assert_eq!(found.passages[0].passage.heading(), heading);
            assert!(found.is_answerable && found.passages[0].score == 1.0, "{heading}");
        }
    }
}

#[test]
fn questions_that_the_search_was_tuned_with_find_their_passage() {
    let knowledge = demo().unwrap();
    check(&knowledge, "en", Half::Tuning, Least { first: 57, among_five: 65, kept: 63, refused: 44 });
    check(&knowledge, "zh", Half::Tuning, Least { first: 55, among_five: 64, kept: 60, refused: 41 });
}

#[test]
fn questions_that_were_held_out_find_their_passage() {
    let knowledge = demo().unwrap();
    check(&knowledge, "en", Half::HeldOut, Least { first: 47, among_five: 61, kept: 53, refused: 19 });
    check(&knowledge, "zh", Half::HeldOut, Least { first: 47, among_five: 59, kept: 55, refused: 20 });
}

#[test]
fn synonyms_help() {
    let (with, without) = (demo().unwrap(), demo_without_synonyms().unwrap());
    for language in ["en", "zh"] {
        let count = |knowledge| tally(knowledge, &Asked::all().unwrap(), language, Half::HeldOut).unwrap();
        let (with, without) = (count(&with), count(&without));
        assert!(with.kept > without.kept && with.first > without.first, "{with:?} {without:?}");
    }
}

#[test]
fn a_question_for_black_tea_finds_the_black_teas() {
    let found = demo().unwrap().search("你们有什么红茶推荐？".into()).unwrap();
    assert!(found.is_answerable, "{found}");
    assert_eq!(found.passages[0].passage.heading(), "初学者喝什么茶好？");
    assert!(found.passages.iter().any(|scored| scored.passage.heading() == "你们卖哪些茶？"), "{found}");
    assert!(found.passages[0].passage.text.contains("红灯笼"), "{found}");
}

#[test]
fn a_question_that_follows_up_is_understood_with_the_one_before() {
    let knowledge = demo().unwrap();
    let best = |text, previous| {
        let found = knowledge.search(Question { text, previous, language: None }).unwrap();
        found.passages.first().map(|best| best.passage.heading().to_owned())
    };
    assert_eq!(
        best("what about oolong?", Some("How do I brew green tea?")).unwrap(),
        "How do I brew oolong or pu-erh in a small pot?"
    );
    assert_eq!(best("那运费呢？", Some("多久能收到货？")).unwrap(), "运费是多少？");
    // One that says enough by itself is not changed by what was asked before.
    assert_eq!(best("Do you wrap gifts?", Some("How do I brew green tea?")).unwrap(), "Do you wrap gifts?");
}
