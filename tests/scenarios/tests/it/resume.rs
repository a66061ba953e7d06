//! Coming back: exactly the rest, or a reset, never wrong in silence.

use client::Profile;
use conversation::Body;
use protocol::v1::{self, event, server_frame};
use scenarios::{
    Setup, TOKEN_SECRET, Tab, TestNode, Wire, append, conversation_of, hello, now_seconds, small_talk, token,
};

/// A visitor of long ago.
const VISITOR: &str = "a_AAAAAAAAAAAAAAAAAAAAAA";

fn token_of(visitor: &str) -> String {
    token("shop", visitor, now_seconds(), now_seconds() + 3_600, TOKEN_SECRET)
}

/// A node, and so many questions with their answers in the first conversation of [`VISITOR`].
async fn node_with_history(setup: &Setup, questions: u32) -> TestNode {
    append(&*setup.store, &conversation_of(VISITOR, 1), small_talk(questions)).await;
    setup.start().await
}

/// What the node opens for this cursor, and the seqs that follow.
async fn resumed(node: &TestNode, conversation: u32, after: u32) -> (v1::Opened, Vec<u32>) {
    let hello = v1::Hello { token: token_of(VISITOR), conversation, after, ..hello() };
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello).await;
    let opened = welcome.opened.unwrap();
    // Everything that is to come is here before the answer to a Ping.
    wire.send(v1::Ping {}).await;
    let mut seqs = vec![];
    loop {
        match wire.frame().await {
            server_frame::Kind::Event(event) => seqs.push(event.seq),
            server_frame::Kind::Pong(_) => return (opened, seqs),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_cursor_gets_exactly_the_rest() {
    let node = node_with_history(&Setup::new(), 5).await;
    for after in 0..=10 {
        let (opened, seqs) = resumed(&node, 1, after).await;
        assert_eq!((opened.conversation, opened.head, opened.reset), (1, 10, false), "after {after}");
        assert_eq!(seqs, (after + 1..=10).collect::<Vec<_>>(), "after {after}");
    }
}

#[tokio::test]
async fn a_cursor_beyond_the_log_is_reset() {
    let node = node_with_history(&Setup::new(), 2).await;
    for after in [5, 1_000, u32::MAX] {
        let (opened, seqs) = resumed(&node, 1, after).await;
        assert_eq!((opened.head, opened.reset), (4, true), "after {after}");
        assert_eq!(seqs, [1, 2, 3, 4], "after {after}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_conversation_is_reset() {
    let node = node_with_history(&Setup::new(), 2).await;
    for (conversation, after) in [(2, 0), (2, 3), (7, 4), (0, 3)] {
        let (opened, seqs) = resumed(&node, conversation, after).await;
        assert_eq!((opened.conversation, opened.reset), (1, true), "{conversation} after {after}");
        assert_eq!(seqs, [1, 2, 3, 4], "{conversation} after {after}");
    }
}

#[tokio::test]
async fn a_client_that_holds_nothing_needs_no_reset() {
    let node = node_with_history(&Setup::new(), 1).await;
    let (opened, seqs) = resumed(&node, 0, 0).await;
    assert!(!opened.reset);
    assert_eq!(seqs, [1, 2]);
}

#[tokio::test]
async fn history_that_is_no_longer_in_memory_comes_from_the_store() {
    let setup = Setup::new()
        .with("limits.max_text_bytes", 1_000)
        .with("turn.recent_bytes", 1_024)
        .with("turn.max_answer_bytes", 1_024);
    let node = node_with_history(&setup, 1_000).await;
    let profile = Profile { site: "shop".to_owned(), token: token_of(VISITOR), ..Profile::default() };

    // From the first event, and live ones while and after history is read.
    let mut tab = Tab::of(&node, profile).await;
    let mut other = tab.another(&node).await;
    assert_eq!(other.say("one more").await, 2_001);
    tab.event(2_001).await;
    other.event(2_001).await;

    assert_eq!(tab.client().log(), other.client().log());
    for (held, wanted) in tab.client().log().iter().zip(small_talk(1_000)) {
        match (&held.body, &wanted) {
            (Some(event::Body::VisitorMessage(held)), Body::VisitorMessage { text, .. }) => {
                assert_eq!(held.text, **text);
            }
            (Some(event::Body::Answer(held)), Body::Answer { text, .. }) => assert_eq!(held.text, **text),
            other => panic!("{other:?}"),
        }
    }
    let (_, seqs) = resumed(&node, 1, 1_234).await;
    assert_eq!(seqs, (1_235..=2_001).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_visitor_who_closed_a_conversation_elsewhere_comes_back_to_the_next() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    let mut away = tab.another(&node).await;
    tab.say("hello").await;
    away.event(1).await;
    away.leave();
    tab.get(client::Command::Close).await;
    tab.begin().await;
    tab.say("again").await;

    away.reconnect(&node).await;

    assert_eq!((away.conversation(), away.dropped()), (2, 1));
    assert_eq!(away.event(1).await, tab.event(1).await);
}

#[tokio::test]
async fn notes_among_agents_are_hidden_and_count() {
    let setup = Setup::new();
    let id = conversation_of(VISITOR, 1);
    append(&*setup.store, &id, small_talk(1)).await;
    append(&*setup.store, &id, [Body::Note { agent: "mei".into(), text: "a difficult one".into() }]).await;
    let node = setup.start().await;
    let hello = v1::Hello { token: token_of(VISITOR), ..hello() };
    let (mut wire, _) = Wire::welcomed(node.address(), hello).await;

    let seqs: Vec<_> = [wire.event().await, wire.event().await].iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2]);
    let hidden = wire.event().await;
    assert_eq!(hidden.seq, 3);
    assert!(hidden.at_ms > 0, "a client names its newest event by its time when it comes back");
    assert!(matches!(hidden.body, Some(event::Body::Hidden(_))), "{hidden:?}");
}
