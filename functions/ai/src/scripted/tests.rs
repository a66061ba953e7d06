use futures_util::StreamExt;

use super::*;

fn settings() -> ScriptedSettings {
    ScriptedSettings {
        first_token: Duration::from_millis(350),
        token: Duration::from_millis(25),
        test_directives: false,
        knowledge: BTreeMap::new(),
    }
}

fn prompt(messages: &[(Role, &str)], language: &str) -> Prompt {
    let messages = messages.iter().map(|(role, text)| Message { role: *role, text: (*text).into() }).collect();
    Prompt { site: "shop".into(), rules: String::new(), messages, language: language.into(), try_until: Instant::now() }
}

fn script(messages: &[(Role, &str)], language: &str) -> Script {
    ScriptedModel::new(&settings()).unwrap().script(&prompt(messages, language))
}

fn said(text: &str) -> Script {
    script(&[(Role::Visitor, text)], "en")
}

#[test]
fn it_answers_with_the_sites_own_text_in_the_visitors_language() {
    assert!(said("How much is shipping?").text.contains("**€4.90**"));
    assert!(said("运费是多少?").text.contains("**12 元**"));
}

#[test]
fn every_question_that_the_demo_site_suggests_is_answered() {
    let config = config::Config::parse(include_str!("../../../../local-dev/frontdesk.toml"), []).unwrap();
    let suggestions: Vec<&String> =
        config.sites.values().flat_map(|site| site.suggestions.iter()).flat_map(|(_, texts)| texts).collect();
    assert!(suggestions.len() >= 6);
    for question in suggestions {
        let script = said(question);
        assert!(!script.offer_person, "{question}");
    }
}

#[test]
fn where_the_texts_do_not_say_it_says_so_and_offers_a_person() {
    let english = said("What is the capital of Mongolia?");
    assert!(english.offer_person && english.text.contains("I don't know"), "{english:?}");
    let chinese = said("蒙古的首都是哪里?");
    assert!(chinese.offer_person && chinese.text.contains("没有找到"), "{chinese:?}");
}

#[test]
fn small_talk_is_answered_without_the_texts() {
    assert!(said("hi").text.starts_with("Hello!"));
    assert!(said("谢谢").text.starts_with("不客气"));
    assert!(!said("thanks!").offer_person);
}

#[test]
fn a_short_question_is_understood_with_the_one_before() {
    let alone = said("And to Switzerland?");
    let together = script(
        &[
            (Role::Visitor, "How much does shipping cost?"),
            (Role::Assistant, "…"),
            (Role::Visitor, "And to Switzerland?"),
        ],
        "en",
    );
    assert!(together.text.contains("€9.50"), "{together:?} / alone {alone:?}");
}

#[test]
fn directives_are_plain_text_unless_they_are_switched_on() {
    assert_eq!(said("/crash").finale, Finale::End);
    let model = ScriptedModel::new(&ScriptedSettings { test_directives: true, ..settings() }).unwrap();
    assert_eq!(model.script(&prompt(&[(Role::Visitor, "/crash 3")], "en")).finale, Finale::Crash);
}

#[tokio::test(start_paused = true)]
async fn tokens_come_at_the_pace_that_was_set() {
    let model = ScriptedModel::new(&settings()).unwrap();
    let started = Instant::now();
    let mut pieces = model.answer(prompt(&[(Role::Visitor, "hi")], "en"));
    let mut times = Vec::new();
    while let Some(Ok(Piece::Text(_))) = pieces.next().await {
        times.push(started.elapsed().as_millis());
    }
    assert_eq!(&times[..3], [350, 375, 400]);
}

#[tokio::test]
async fn an_answer_ends_with_its_cost_and_its_end() {
    let settings = ScriptedSettings { first_token: Duration::ZERO, token: Duration::ZERO, ..settings() };
    let model = ScriptedModel::new(&settings).unwrap();
    let pieces: Vec<_> = model.answer(prompt(&[(Role::Visitor, "thanks")], "en")).collect().await;
    let [.., Ok(Piece::Usage(usage)), Ok(Piece::End(End::Complete))] = &pieces[..] else { panic!("{pieces:?}") };
    assert_eq!(usage.completion_tokens as usize, pieces.len() - 2);
}
