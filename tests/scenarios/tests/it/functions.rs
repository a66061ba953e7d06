//! Functions that fail: every turn ends, and the visitor is told something.

use client::Command;
use conn_node::invoke::InvokeError;
use protocol::v1::{AnswerEnd, event};
use scenarios::{Setup, Tab, TestNode, assert_whole, conversation_of};
use serde_json::json;

/// A node, and a visitor who has asked `question`.
async fn asked(setup: &Setup, question: &str) -> (TestNode, Tab) {
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say(question).await;
    (node, tab)
}

/// The answer at seq 2: how it ended, its text, and whether it offers a person.
async fn outcome(tab: &mut Tab) -> (AnswerEnd, String, bool) {
    match tab.event(2).await.body {
        Some(event::Body::Answer(answer)) => (answer.end(), answer.text.clone(), answer.offer_person),
        other => panic!("no answer: {other:?}"),
    }
}

fn fallback() -> (AnswerEnd, String, bool) {
    (AnswerEnd::Fallback, "Sorry, not now.".to_owned(), true)
}

fn interrupted(text: &str) -> (AnswerEnd, String, bool) {
    (AnswerEnd::Interrupted, text.to_owned(), true)
}

#[tokio::test]
async fn a_throttled_function_is_invoked_again() {
    let setup = Setup::new();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    for _ in 0..3 {
        setup.functions.ai().await.throttle();
    }
    setup.functions.ai().await.answer("Good day");
    assert_eq!(tab.answer(2).await, "Good day");
}

#[tokio::test]
async fn a_function_that_stays_throttled_ends_in_the_fallback() {
    let setup = Setup::new().with_quick_turns();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    let functions = setup.functions.clone();
    let throttling = tokio::spawn(async move {
        loop {
            functions.ai().await.throttle();
        }
    });
    assert_eq!(outcome(&mut tab).await, fallback());
    throttling.abort();
}

#[tokio::test]
async fn an_error_before_the_first_word_gives_the_fallback_in_the_visitors_language() {
    for (question, words) in [("where is my parcel", "Sorry, not now."), ("我的订单在哪里？", "抱歉，现在不行。")]
    {
        for error in [
            InvokeError::Failed("ai".to_owned()),
            InvokeError::Unreachable { function: "ai".to_owned(), reason: "nobody listens".to_owned() },
        ] {
            let setup = Setup::new();
            let (_node, mut tab) = asked(&setup, question).await;
            setup.functions.ai().await.refuse(error);
            assert_eq!(outcome(&mut tab).await, (AnswerEnd::Fallback, words.to_owned(), true));
        }
    }
}

#[tokio::test]
async fn a_failure_that_the_function_names_gives_the_fallback() {
    let setup = Setup::new();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    setup.functions.ai().await.answer_lines(&[json!({"outcome": {"failure": {"reason": "model_unreachable"}}})]);
    assert_eq!(outcome(&mut tab).await, fallback());
}

#[tokio::test]
async fn the_functions_own_fallback_is_the_answer() {
    let setup = Setup::new();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    let answer = json!({"text": "The model sleeps.", "fallback": true, "offer_person": true});
    setup.functions.ai().await.answer_lines(&[json!({"outcome": {"answer": answer}})]);
    assert_eq!(outcome(&mut tab).await, (AnswerEnd::Fallback, "The model sleeps.".to_owned(), true));
}

#[tokio::test]
async fn a_stream_cut_off_keeps_the_part_and_says_so() {
    // With an error, and with a body that ends without an outcome, also in the middle of a line.
    for cut in ["error", "end", "middle"] {
        let setup = Setup::new();
        let (_node, mut tab) = asked(&setup, "where is my parcel").await;
        let answering = setup.functions.ai().await.accept();
        answering.delta("Good d");
        tab.reads("Good d").await;
        match cut {
            "error" => answering.fail(),
            "end" => drop(answering),
            _ => {
                answering.bytes("{\"delta\":\"a");
                drop(answering);
            }
        }
        assert_eq!(outcome(&mut tab).await, interrupted("Good d"), "{cut}");
    }
}

#[tokio::test]
async fn a_function_that_hangs_is_given_up_at_the_deadline() {
    let setup = Setup::new().with_quick_turns();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    let call = setup.functions.ai().await;
    assert_eq!(outcome(&mut tab).await, fallback());
    call.given_up().await;
}

#[tokio::test]
async fn a_function_that_hangs_in_its_answer_is_given_up_at_the_deadline() {
    let setup = Setup::new().with_quick_turns();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good d");
    assert_eq!(outcome(&mut tab).await, interrupted("Good d"));
    answering.given_up().await;
}

#[tokio::test]
async fn a_function_that_stands_still_in_its_answer_is_given_up_long_before_the_deadline() {
    // The deadline comes later than the patience of any test.
    let clocks = [("turn.deadline_ms", 600_000), ("ai.total_ms", 500_000), ("ai.gap_ms", 10)];
    let setup = clocks.into_iter().fold(Setup::new(), |setup, (key, value)| setup.with(key, value));
    let (node, mut tab) = asked(&setup, "hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good d");
    tab.reads("Good d").await;

    assert_eq!(outcome(&mut tab).await, interrupted("Good d"));

    answering.given_up().await;
    assert_eq!(node.metric(&["frontdesk_invocations_total", "stalled"]).await, 1.0);
}

#[tokio::test]
async fn a_fault_of_the_nodes_own_ends_a_turn_as_a_dead_function_does() {
    // Nobody waits so long for a clock.
    let clocks = [("turn.deadline_ms", 600_000), ("ai.total_ms", 500_000), ("ai.first_token_ms", 400_000)];
    let setup = clocks.into_iter().fold(Setup::new(), |setup, (key, value)| setup.with(key, value));
    let (node, mut tab) = asked(&setup, "where is my parcel").await;
    setup.functions.ai().await.make_panic();
    assert_eq!(outcome(&mut tab).await, fallback());
    assert_eq!(node.metric(&["frontdesk_invocations_total", "panicked"]).await, 1.0);
    assert_eq!(node.metric(&["frontdesk_fallbacks_total", "node_failed"]).await, 1.0);
    node.until_metric(&["frontdesk_turns_running"], 0.0).await;

    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good d");
    tab.reads("Good d").await;
    answering.make_panic();
    assert_eq!(outcome(&mut tab).await, interrupted("Good d"));
}

#[tokio::test]
async fn lines_that_are_none_end_the_turn() {
    for garbage in ["garbage\n", "{\"delta\":7}\n", "{}\n", "\u{0}\u{0}\n{\"outcome\":{\"poem\":{}}}\n", "[]\n"] {
        let setup = Setup::new();
        let (_node, mut tab) = asked(&setup, "where is my parcel").await;
        let answering = setup.functions.ai().await.accept();
        answering.bytes(garbage);
        assert_eq!(outcome(&mut tab).await, fallback(), "{garbage:?}");
        answering.given_up().await;
    }
}

#[tokio::test]
async fn a_line_without_end_is_not_waited_for() {
    let setup = Setup::new();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good d");
    tab.reads("Good d").await;
    answering.bytes("{\"delta\":\"");
    for _ in 0..64 {
        answering.bytes(vec![b'x'; 64 << 10]);
    }
    assert_eq!(outcome(&mut tab).await, interrupted("Good d"));
    answering.given_up().await;
}

#[tokio::test]
async fn an_answer_over_its_bound_is_cut_there() {
    let setup = Setup::new().with("turn.max_answer_bytes", 1_024);
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    let answering = setup.functions.ai().await.accept();
    for _ in 0..20 {
        answering.delta(&"茶".repeat(30));
    }
    assert_eq!(outcome(&mut tab).await, interrupted(&"茶".repeat(341)));
    answering.given_up().await;
}

#[tokio::test]
async fn what_comes_after_the_outcome_is_nothing() {
    let setup = Setup::new();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    setup.functions.ai().await.answer_lines(&[
        json!({"delta": "Good day"}),
        json!({"outcome": {"answer": {"text": "Good day"}}}),
        json!({"delta": " and more"}),
        json!({"outcome": {"answer": {"text": "another"}}}),
        json!({"outcome": {"handover": {}}}),
    ]);
    assert_eq!(outcome(&mut tab).await, (AnswerEnd::Complete, "Good day".to_owned(), false));
    assert_eq!(tab.say("thank you").await, 3);
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 3);
}

#[tokio::test]
async fn an_empty_answer_is_never_silence() {
    let setup = Setup::new();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    setup.functions.ai().await.answer_lines(&[json!({"outcome": {"answer": {"text": ""}}})]);
    assert_eq!(outcome(&mut tab).await, fallback());
}

#[tokio::test]
async fn chunks_that_end_anywhere_are_put_together() {
    let setup = Setup::new();
    let (_node, mut tab) = asked(&setup, "where is my parcel").await;
    let answering = setup.functions.ai().await.accept();
    let body = "{\"delta\":\"茶 is \"}\n\n{\"delta\":\"tea\"}\r\n{\"outcome\":{\"answer\":{\"text\":\"茶 is tea\"}}}\n";
    for byte in body.as_bytes() {
        answering.bytes(vec![*byte]);
    }
    assert_eq!(outcome(&mut tab).await, (AnswerEnd::Complete, "茶 is tea".to_owned(), false));
}

#[tokio::test]
async fn a_conversation_stays_in_the_queue_when_routing_fails() {
    for failure in ["error", "garbage", "failure", "nobody", "hangs", "panics"] {
        let setup = Setup::new();
        let node = setup.start().await;
        let mut tab = Tab::open(&node).await;
        assert_eq!(tab.get(Command::AskPerson).await, 1);
        let call = setup.functions.routing().await;
        let mut kept = None;
        match failure {
            "error" => call.refuse(InvokeError::Failed("routing".to_owned())),
            "garbage" => call.accept().bytes("garbage\n"),
            "failure" => call.answer_lines(&[json!({"outcome": {"failure": {"reason": "internal"}}})]),
            "panics" => call.make_panic(),
            "nobody" => call.answer_lines(&[json!({"outcome": {"assignments": []}})]),
            _ => kept = Some(call.accept()),
        }
        match tab.event(2).await.body {
            Some(event::Body::Assigned(assigned)) => assert_eq!(assigned.agent, "", "{failure}"),
            other => panic!("{failure}: {other:?}"),
        }
        drop(kept);
    }
}
