//! Turns: stopped, restarted, queued, handed over.

use client::Command;
use protocol::v1::{self, AnswerEnd, event};
use scenarios::{Setup, Tab, Wire, assert_whole, conversation_of, frames, hello};
use serde_json::json;

/// The end and the text of an answer.
fn answer(event: v1::Event) -> (AnswerEnd, String) {
    match event.body {
        Some(event::Body::Answer(answer)) => (answer.end(), answer.text),
        other => panic!("no answer: {other:?}"),
    }
}

#[tokio::test]
async fn stop_before_the_first_word_ends_the_turn_with_nothing() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let call = setup.functions.ai().await;

    assert_eq!(tab.get(Command::Stop(1)).await, 2);

    assert_eq!(answer(tab.event(2).await), (AnswerEnd::Stopped, String::new()));
    call.given_up().await;
}

#[tokio::test]
async fn stop_after_the_first_word_keeps_what_was_written() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good d");
    tab.reads("Good d").await;

    assert_eq!(tab.get(Command::Stop(1)).await, 2);

    assert_eq!(answer(tab.event(2).await), (AnswerEnd::Stopped, "Good d".to_owned()));
    answering.given_up().await;
    assert_eq!(tab.get(Command::Stop(1)).await, 0, "there is nothing left to stop");
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 2);
}

#[tokio::test]
async fn a_message_before_the_first_word_restarts_the_turn_with_both() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let first = setup.functions.ai().await;
    tab.say("is anybody there?").await;

    first.given_up().await;
    let second = setup.functions.ai().await;
    assert_eq!(second.messages(), ["visitor: hello", "visitor: is anybody there?"]);
    assert_eq!(second.request["turn"], 2);
    second.answer("Yes");

    assert_eq!(tab.answer(3).await, "Yes");
    assert!(setup.functions.ai_is_quiet().await, "one answer for both");
}

#[tokio::test]
async fn a_message_after_the_first_word_waits_for_the_answer() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good ");
    tab.reads("Good ").await;
    tab.say("and Sunday?").await;
    assert!(setup.functions.ai_is_quiet().await);
    answering.delta("day");
    answering.answer("Good day");

    let next = setup.functions.ai().await;
    assert_eq!(next.messages(), ["visitor: hello", "assistant: Good day", "visitor: and Sunday?"]);
    next.answer("Closed");

    assert_eq!(tab.answer(3).await, "Good day");
    assert_eq!(tab.answer(4).await, "Closed");
}

#[tokio::test]
async fn who_asks_for_a_person_is_handed_over_and_waits_in_the_queue() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let call = setup.functions.ai().await;

    assert_eq!(tab.get(Command::AskPerson).await, 2);

    call.given_up().await;
    let routing = setup.functions.routing().await;
    let id = conversation_of(tab.visitor(), 1);
    assert_eq!(routing.request["queue"][0]["conversation"], json!(id.as_str()));
    routing.assign(json!("queue"));
    match tab.event(3).await.body {
        Some(event::Body::Assigned(assigned)) => assert_eq!(assigned.agent, ""),
        other => panic!("{other:?}"),
    }
    assert_eq!(tab.get(Command::AskPerson).await, 2, "asked already");
    tab.say("I can wait").await;
    tab.get(Command::Close).await;
    assert!(setup.functions.ai_is_quiet().await, "the assistant is silent after a handover");
    assert!(setup.functions.routing_is_quiet().await);
}

#[tokio::test]
async fn no_word_of_the_assistant_comes_after_a_handover() {
    let setup = Setup::new();
    let node = setup.start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), hello()).await;
    wire.send(frames::send(1, "hello")).await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("I thi");
    assert_eq!(wire.delta().await.text, "I thi");

    wire.send(frames::ask_person(2)).await;
    answering.delta("nk that");
    setup.functions.routing().await.assign(json!({"agent": "mei"}));

    // What the visitor has read stays in the log; then people have it.
    let mut bodies = vec![];
    let mut over = false;
    while bodies.len() < 3 {
        match wire.frame().await {
            v1::server_frame::Kind::Event(event) => {
                over |= matches!(event.body, Some(event::Body::Handover(_)));
                bodies.push(event.body.unwrap());
            }
            v1::server_frame::Kind::Delta(delta) => assert!(!over, "after the handover: {delta:?}"),
            v1::server_frame::Kind::Ack(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let [event::Body::Answer(kept), event::Body::Handover(_), event::Body::Assigned(assigned)] = &bodies[..] else {
        panic!("{bodies:?}")
    };
    assert_eq!(kept.end(), AnswerEnd::Stopped);
    assert!(kept.text.starts_with("I thi"));
    assert_eq!(assigned.agent, "mei");
    answering.given_up().await;
}

#[tokio::test]
async fn the_assistant_may_hand_over_itself() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("I want my money back").await;
    setup.functions.ai().await.accept().hand_over();

    match tab.event(2).await.body {
        Some(event::Body::Handover(handover)) => assert_eq!(handover.reason(), v1::HandoverReason::Assistant),
        other => panic!("{other:?}"),
    }
    setup.functions.routing().await.assign(json!("queue"));
    tab.event(3).await;
}

#[tokio::test]
async fn close_ends_the_turn_at_once() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let call = setup.functions.ai().await;

    assert_eq!(tab.get(Command::Close).await, 2);

    call.given_up().await;
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 2);
}

#[tokio::test]
async fn stop_for_a_message_that_waits_stops_both() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good ");
    tab.reads("Good ").await;
    tab.say("and Sunday?").await;

    assert_eq!(tab.get(Command::Stop(2)).await, 3);

    match tab.event(3).await.body {
        Some(event::Body::Answer(answer)) => assert_eq!((answer.turn, answer.text.as_str()), (2, "Good ")),
        other => panic!("{other:?}"),
    }
    answering.given_up().await;
    assert!(setup.functions.ai_is_quiet().await);
}
