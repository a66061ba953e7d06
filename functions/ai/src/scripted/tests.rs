use futures_util::StreamExt;
use knowledge::Passage;
use protocol::function::{Message, Role};

use super::*;

fn settings() -> ScriptedSettings {
    ScriptedSettings {
        first_token: Duration::from_millis(350),
        token: Duration::from_millis(25),
        test_directives: false,
    }
}

fn passage(text: &str) -> Passage {
    Passage {
        file: "a.md".into(),
        title: "Shipping".into(),
        headings: vec![],
        url: None,
        language: "en".into(),
        text: text.into(),
    }
}

fn prompt(question: &str, passages: &[&str]) -> Prompt {
    Prompt {
        site: "shop".into(),
        rules: String::new(),
        messages: vec![Message { role: Role::Visitor, text: question.into() }],
        language: "en".into(),
        models: vec![],
        may_hand_over: true,
        passages: Some(passages.iter().map(|text| passage(text)).collect()),
        try_until: Instant::now(),
    }
}

fn said(question: &str, passages: &[&str]) -> Script {
    ScriptedModel::new("default", &settings()).script(&prompt(question, passages))
}

#[test]
fn it_answers_with_the_best_passage() {
    let script = said("How much is shipping?", &["**€4.90**", "Two days"]);
    assert_eq!((script.text.as_str(), script.offer_person), ("**€4.90**", false));
}

#[test]
fn without_a_passage_it_says_that_it_does_not_know_and_offers_a_person() {
    let english = said("What is the capital of Mongolia?", &[]);
    assert!(english.offer_person && english.text.contains("I don't know"), "{english:?}");
    let chinese = said("蒙古的首都是哪里?", &[]);
    assert!(chinese.offer_person && chinese.text.contains("没有找到"), "{chinese:?}");
}

#[test]
fn small_talk_is_answered_without_the_texts() {
    assert!(said("hi", &[]).text.starts_with("Hello!"));
    assert!(said("谢谢", &["运费"]).text.starts_with("不客气"));
    assert!(!said("thanks!", &[]).offer_person);
}

#[test]
fn directives_are_plain_text_unless_they_are_switched_on() {
    assert_eq!(said("/crash", &[]).finale, Finale::End);
    let model = ScriptedModel::new("default", &ScriptedSettings { test_directives: true, ..settings() });
    assert_eq!(model.script(&prompt("/crash 3", &[])).finale, Finale::Crash);
}

#[tokio::test(start_paused = true)]
async fn tokens_come_at_the_pace_that_was_set() {
    let model = ScriptedModel::new("default", &settings());
    let started = Instant::now();
    let mut pieces = model.answer(prompt("hi", &[]));
    let mut times = Vec::new();
    while let Some(Ok(Piece::Text(_))) = pieces.next().await {
        times.push(started.elapsed().as_millis());
    }
    assert_eq!(&times[..3], [350, 375, 400]);
}

#[tokio::test]
async fn an_answer_ends_with_its_cost_and_its_end() {
    let settings = ScriptedSettings { first_token: Duration::ZERO, token: Duration::ZERO, ..settings() };
    let model = ScriptedModel::new("default", &settings);
    let pieces: Vec<_> = model.answer(prompt("thanks", &[])).collect().await;
    let [.., Ok(Piece::Usage(usage)), Ok(Piece::End(End::Complete))] = &pieces[..] else { panic!("{pieces:?}") };
    assert_eq!(usage.completion_tokens as usize, pieces.len() - 2);
}
