//! The demo shop's questions: how many find their passage, and how many without an answer are refused.

mod asked;

use asked::{Asked, Half, demo, tally};

#[test]
fn a_question_for_black_tea_finds_the_black_teas() {
    let found = demo().unwrap().search("你们有什么红茶推荐？".into()).unwrap();
    assert!(found.is_answerable, "{found}");
    assert!(found.passages[0].passage.text.contains("红茶"), "{found}");
}

#[test]
fn the_questions_find_their_passages() {
    let (knowledge, all) = (demo().unwrap(), Asked::all().unwrap());
    for half in [Half::Tuning, Half::HeldOut] {
        for language in ["en", "zh"] {
            let tally = tally(&knowledge, &all, language, half).unwrap();
            assert!(tally.answerable >= 60 && tally.unanswerable >= 20, "{tally:?}");
        }
    }
}
