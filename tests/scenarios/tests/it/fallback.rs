//! A function that says nothing, and models without budget: the node answers by the site's intents, and people get a summary.

use conn_node::invoke::InvokeError;
use conversation::Body;
use intent::{Intents, Model};
use protocol::v1::{self, AnswerEnd, HandoverReason, event};
use scenarios::{Setup, Tab, Wire, conversation_of, events, frames, hello};
use serde_json::json;
use tempfile::TempDir;

/// Two intents.
fn intents() -> Model {
    let of = |key: &str, words: [&str; 3]| {
        let example = |at: usize| format!("\"{} {} please {}\"", words[at % 2], words[2], at / 2);
        let examples = (0..15).map(example).collect::<Vec<_>>().join(", ");
        format!("[intents.{key}]\ntitle.en = \"{key}\"\nreply.en = \"About {key}.\"\nexamples.en = [{examples}]\n")
    };
    let toml = [of("returns", ["return", "refund", "money"]), of("opening", ["opening", "hours", "shop"])];
    Model::train(&Intents::parse(&toml.concat()).unwrap()).model
}

/// A site with trained intents, and the folder that holds them.
fn setup() -> (Setup, TempDir) {
    setup_with(&intents())
}

fn setup_with(intents: &Model) -> (Setup, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.intents");
    let mut file = Vec::new();
    intents.write(&mut file).unwrap();
    std::fs::write(&path, file).unwrap();
    (Setup::new().with_quick_turns().with("sites.shop.intents", path.display()), folder)
}

/// The answer at `seq`: how it ended, its text, and whether it offers a person.
async fn answer(tab: &mut Tab, seq: u32) -> (AnswerEnd, String, bool) {
    match tab.event(seq).await.body {
        Some(event::Body::Answer(answer)) => (answer.end(), answer.text.clone(), answer.offer_person),
        other => panic!("no answer: {other:?}"),
    }
}

fn reply() -> (AnswerEnd, String, bool) {
    (AnswerEnd::Intent, "About returns.".to_owned(), false)
}

#[tokio::test]
async fn a_function_that_hangs_is_answered_for_by_the_sites_intents() {
    let (setup, _folder) = setup();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("refund money please").await;
    let call = setup.functions.ai().await;

    assert_eq!(answer(&mut tab, 2).await, reply());

    call.given_up().await;
    assert_eq!(node.metric(&["frontdesk_fallbacks_total", "function_timeout"]).await, 1.0);
    assert_eq!(node.metric(&["ai_response_duration_count", "intent", "shop", "none"]).await, 1.0);
}

#[tokio::test]
async fn lines_that_are_no_words_do_not_stop_the_first_token_clock() {
    let (setup, _folder) = setup();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("refund money please").await;
    let answering = setup.functions.ai().await.accept();
    answering.line(&json!({"quota": {"model": "default"}}));

    assert_eq!(answer(&mut tab, 2).await, reply());
    answering.given_up().await;
}

#[tokio::test]
async fn a_function_that_cannot_be_reached_is_answered_for_at_once() {
    let (setup, _folder) = setup();
    let setup = setup.with("ai.total_ms", 500_000).with("turn.deadline_ms", 600_000).with("ai.first_token_ms", 500_000);
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("refund money please").await;
    let nobody = InvokeError::Unreachable { function: "ai".to_owned(), reason: "nobody listens".to_owned() };
    setup.functions.ai().await.refuse(nobody);

    assert_eq!(answer(&mut tab, 2).await, reply());
    assert_eq!(node.metric(&["frontdesk_fallbacks_total", "function_unreachable"]).await, 1.0);
}

#[tokio::test]
async fn after_the_first_word_no_intent_speaks() {
    let (setup, _folder) = setup();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("refund money please").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("You can");
    tab.reads("You can").await;
    drop(answering);

    assert_eq!(answer(&mut tab, 2).await, (AnswerEnd::Interrupted, "You can".to_owned(), true));
}

#[tokio::test]
async fn two_close_intents_are_asked_about_and_the_second_time_people_take_over() {
    let demo = Intents::parse(include_str!("../../../../web/demo/intents.toml")).unwrap();
    let (setup, _folder) = setup_with(&Model::train(&demo).model);
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("the parcel").await;
    drop(setup.functions.ai().await);
    let (end, text, offer) = answer(&mut tab, 2).await;
    assert_eq!((end, offer), (AnswerEnd::Fallback, true));
    assert!(text.starts_with("Do you mean"), "{text}");

    tab.say("the parcel").await;
    let call = setup.functions.ai().await;
    assert_eq!(call.request["failures"], 1);
    drop(call);

    match tab.event(4).await.body {
        Some(event::Body::Handover(handover)) => assert_eq!(handover.reason(), HandoverReason::Failures),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn agents_get_a_summary_of_every_handover_and_no_frame_shows_it_to_the_visitor() {
    let setup = Setup::new();
    let node = setup.start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    wire.send(frames::send(1, "My teapot broke")).await;
    let reply = json!({"outcome": {"handover": {"reason": "rule", "summary": "Angry about a teapot."}}});
    setup.functions.ai().await.answer_lines(&[reply]);
    let written_by_the_function = handover(&mut wire).await;

    let (mut other, other_welcome) = Wire::welcomed(node.address(), hello()).await;
    other.send(frames::send(1, "Where is my order?")).await;
    let call = setup.functions.ai().await;
    other.send(frames::ask_person(2)).await;
    let put_together_by_the_node = handover(&mut other).await;
    drop(call);

    assert_eq!(written_by_the_function, (HandoverReason::Rule, String::new()));
    assert_eq!(put_together_by_the_node, (HandoverReason::VisitorAsked, String::new()));
    let kept = [summary(&setup, &welcome.visitor).await, summary(&setup, &other_welcome.visitor).await];
    assert_eq!(kept, ["Angry about a teapot.", "Last question: Where is my order?"]);
}

/// The next handover on the wire.
async fn handover(wire: &mut Wire) -> (HandoverReason, String) {
    loop {
        if let v1::server_frame::Kind::Event(v1::Event { body: Some(event::Body::Handover(handover)), .. }) =
            wire.frame().await
        {
            return (handover.reason(), handover.summary);
        }
    }
}

/// The summary of the handover in a visitor's log.
async fn summary(setup: &Setup, visitor: &str) -> String {
    let log = events(&*setup.store, &conversation_of(visitor, 1)).await;
    let summary = log.iter().find_map(|event| match &event.body {
        Body::Handover { summary, .. } => Some(summary.to_string()),
        _ => None,
    });
    summary.unwrap()
}

#[tokio::test]
async fn what_the_site_says_before_people_take_over_reaches_the_visitor() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("my teapot came in pieces").await;
    let answering = setup.functions.ai().await.accept();
    answering.line(&json!({"outcome": {"handover": {"reason": "rule", "text": "We are sorry."}}}));
    drop(answering);
    let Some(event::Body::Handover(handover)) = tab.event(2).await.body else { panic!("no handover") };
    assert_eq!((handover.reason(), handover.text.as_str()), (HandoverReason::Rule, "We are sorry."));
}

#[tokio::test]
async fn small_talk_is_answered_as_such_by_a_node_alone() {
    let setup = Setup::new().with_quick_turns();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    for (turn, message, words) in [(1, "Hi!", "Hello!"), (3, "谢谢", "不客气！")] {
        tab.say(message).await;
        let _call = setup.functions.ai().await;
        let (end, text, offers_person) = answer(&mut tab, turn + 1).await;
        assert!(end == AnswerEnd::Intent && text.starts_with(words) && !offers_person, "{message}: {text}");
    }
}

#[tokio::test]
async fn a_question_back_has_choices_and_one_that_is_said_is_answered() {
    let demo = Intents::parse(include_str!("../../../../web/demo/intents.toml")).unwrap();
    let (setup, _folder) = setup_with(&Model::train(&demo).model);
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("the parcel").await;
    let _call = setup.functions.ai().await;
    let Some(event::Body::Answer(asked)) = tab.event(2).await.body else { panic!("no answer") };
    assert_eq!(asked.choices, ["A lost or damaged parcel", "Changing the delivery address"]);
    assert!(asked.text.starts_with("Do you mean") && asked.offer_person, "{asked:?}");

    tab.say(&asked.choices[0]).await;
    let _call = setup.functions.ai().await;
    let (end, text, _) = answer(&mut tab, 4).await;
    let reply = &demo.intents.iter().find(|intent| intent.key == "damaged_parcel").unwrap().reply["en"];
    assert!(end == AnswerEnd::Intent && text.starts_with(reply.as_str()), "{text}");
}

#[tokio::test]
async fn the_choices_of_a_function_reach_the_visitor_within_bounds() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("which one").await;
    let answering = setup.functions.ai().await.accept();
    let choices = ["Black", "Green", "", "White", "Yellow"];
    answering.line(&json!({"outcome": {"answer": {"text": "Which?", "fallback": true, "choices": choices}}}));
    drop(answering);
    let Some(event::Body::Answer(asked)) = tab.event(2).await.body else { panic!("no answer") };
    assert_eq!(asked.choices, ["Black", "Green", "White"]);
}

#[tokio::test]
async fn models_without_budget_are_not_asked_and_the_intents_answer() {
    let (setup, _folder) = setup();
    let setup = setup.with("ai.requests_per_minute", 1);
    let node = setup.start().await;
    let functions = setup.functions.clone();
    let model = tokio::spawn(async move {
        loop {
            functions.ai().await.answer("From the model.");
        }
    });
    let mut tab = Tab::open(&node).await;
    let mut heard = vec![];
    // How many a bucket holds at first is the budget's business, but a request a minute is not twenty at once.
    for turn in 0..20 {
        tab.say("refund money please").await;
        heard.push(answer(&mut tab, 2 * turn + 2).await);
    }
    model.abort();

    assert_eq!(heard.last(), Some(&reply()));
    let refused = heard.iter().filter(|heard| **heard == reply()).count() as f64;
    assert_eq!(node.metric(&["frontdesk_fallbacks_total", "\"budget\""]).await, refused);
    assert_eq!(node.metric(&["frontdesk_invocations_total", "no_budget"]).await, refused);
}

#[tokio::test]
async fn what_a_turn_took_is_counted_by_site_and_model() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Hi");
    let report =
        json!({"model": "default", "attempts": 1, "first_token_us": 10, "prompt_tokens": 30, "completion_tokens": 7});
    answering.line(&json!({"report": report}));
    answering.answer("Hi");
    tab.answer(2).await;

    for (words, value) in [
        (vec!["ai_response_duration_count", "shop", "default", "\"answer\""], 1.0),
        (vec!["frontdesk_first_token_ms_count", "default"], 1.0),
        (vec!["frontdesk_tokens_total", "input", "shop", "default"], 30.0),
        (vec!["frontdesk_tokens_total", "output", "shop", "default"], 7.0),
        (vec!["frontdesk_assistant_overhead_us_count"], 1.0),
        (vec!["frontdesk_fallbacks_total"], 0.0),
    ] {
        assert_eq!(node.metric(&words).await, value, "{words:?}");
    }
}

#[tokio::test]
async fn a_site_with_broken_intents_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("intents.toml");
    std::fs::write(&path, "[intents.returns]\n").unwrap();
    let setup = Setup::new().with("sites.shop.intents", path.display());

    let error = setup.bind().await.err().unwrap();

    assert_eq!(error.exit_code(), 64);
    assert!(error.to_string().contains("sites.shop.intents"), "{error}");
}
