//! Stores that lose what they acknowledged: clients are told, and then hold exactly what there is.

use std::sync::Arc;

use client::Profile;
use conversation::ConversationId;
use protocol::v1::{self, event};
use scenarios::{
    Bent, LONG_AGO, LossyBus, Setup, TOKEN_SECRET, Tab, TestNode, Wire, append, append_at, assert_whole,
    conversation_of, hello, now_seconds, small_talk, token,
};
use store::embedded::{EmbeddedStore, Options};

const VISITOR: &str = "a_AAAAAAAAAAAAAAAAAAAAAA";

/// A store that can lose events, with so many questions and answers in the first conversation of [`VISITOR`].
async fn history(questions: u32) -> (Arc<Bent>, ConversationId, Setup) {
    let store = Arc::new(Bent::on(Arc::new(EmbeddedStore::memory(Options::default()).unwrap())));
    let id = conversation_of(VISITOR, 1);
    append(&*store, &id, small_talk(questions)).await;
    (Arc::clone(&store), id, Setup::on(store))
}

fn token_of_visitor() -> String {
    token("shop", VISITOR, now_seconds(), now_seconds() + 3_600, TOKEN_SECRET)
}

/// A tab of [`VISITOR`] that has got so many events.
async fn tab(node: &TestNode, events: u32) -> Tab {
    let profile = Profile { site: "shop".to_owned(), token: token_of_visitor(), ..Profile::default() };
    let mut tab = Tab::of(node, profile).await;
    tab.event(events).await;
    tab
}

/// Whether the node tells a client to drop what it holds that holds `after` events, the newest decided at `after_at_ms`.
async fn is_reset(node: &TestNode, after: u32, after_at_ms: u64) -> bool {
    let after_at_ms = after_at_ms.try_into().unwrap();
    let hello = v1::Hello { token: token_of_visitor(), conversation: 1, after, after_at_ms, ..hello() };
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello).await;
    let opened = welcome.opened.unwrap();
    if opened.reset {
        assert_eq!(wire.event().await.seq, 1);
        return true;
    }
    // It may be told a moment later: the log had to be read for it.
    wire.send(v1::Ping {}).await;
    loop {
        match wire.frame().await {
            v1::server_frame::Kind::Opened(opened) => {
                assert!(opened.reset, "{opened:?}");
                assert_eq!(wire.event().await.seq, 1);
                return true;
            }
            v1::server_frame::Kind::Pong(_) => return false,
            v1::server_frame::Kind::Event(event) => assert!(event.seq > after, "{event:?}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until the newest event is this answer: one at its place may be of the log that is lost.
async fn ends_with(tab: &mut Tab, answer: &str) {
    let is_it = |event: &v1::Event| matches!(&event.body, Some(event::Body::Answer(it)) if it.text == answer);
    tab.until(answer, |client| client.log().last().is_some_and(is_it)).await;
}

#[tokio::test]
async fn whoever_is_connected_is_reset_and_gets_what_there_is() {
    let (store, id, setup) = history(3).await;
    let node = setup.start().await;
    let (mut tab, mut other) = (tab(&node, 6).await, tab(&node, 6).await);
    store.lose(&id, 4).await;

    // What the visitor says now follows what is left.
    assert_eq!(tab.say("are you still there?").await, 5);
    setup.functions.ai().await.answer("Yes");

    ends_with(&mut tab, "Yes").await;
    other.until("the same log", |client| client.log() == tab.client().log()).await;
    assert_eq!((tab.dropped(), other.dropped()), (1, 1));
    assert_eq!(node.metric(&["frontdesk_logs_lost_total"]).await, 1.0);
    assert_eq!(assert_whole(&*store, &id).await.len(), 6);
}

#[tokio::test]
async fn those_on_other_nodes_are_reset_too() {
    let (store, id, setup) = history(3).await;
    let bus = LossyBus::new();
    let here = setup.clone().joined_by(bus.clone()).with("node.name", "here").start().await;
    let there = setup.clone().joined_by(bus).with("node.name", "there").start().await;
    let (mut tab, mut other) = (tab(&here, 6).await, tab(&there, 6).await);
    store.lose(&id, 4).await;

    assert_eq!(tab.say("are you still there?").await, 5);
    setup.functions.ai().await.answer("Yes");

    ends_with(&mut tab, "Yes").await;
    other.until("the same log", |client| client.log() == tab.client().log()).await;
    assert_eq!((tab.dropped(), other.dropped()), (1, 1));
}

#[tokio::test]
async fn nothing_that_was_lost_stays_when_all_was_lost() {
    let (store, id, setup) = history(1).await;
    let node = setup.start().await;
    let mut tab = tab(&node, 2).await;
    store.lose(&id, 0).await;

    let id_of_message = tab.order(client::Command::Send("are you still there?".to_owned())).await;
    assert_eq!(tab.closed().await, Some(4005));
    tab.reconnect(&node).await;

    assert_eq!(tab.ack_of(id_of_message).await, 1);
    assert_eq!((tab.dropped(), tab.event(1).await.seq), (1, 1));
    assert_eq!(assert_whole(&*store, &id).await.len(), 1);
}

#[tokio::test]
async fn a_client_that_comes_back_ahead_of_the_log_is_reset() {
    let (store, id, setup) = history(3).await;
    let node = setup.start().await;
    let mut tab = tab(&node, 6).await;
    tab.leave();
    node.kill().await;
    store.lose(&id, 4).await;
    let node = setup.start().await;

    tab.reconnect(&node).await;

    tab.until("a log of four events", |client| client.log().len() == 4).await;
    assert_eq!(tab.dropped(), 1);
}

#[tokio::test]
async fn a_client_that_holds_another_event_is_reset_and_one_that_holds_the_right_one_is_not() {
    let (store, id, setup) = history(3).await;
    store.lose(&id, 4).await;
    append_at(&*store, &id, LONG_AGO + 1, small_talk(3).skip(4)).await;
    let node = setup.start().await;

    assert!(is_reset(&node, 6, LONG_AGO).await, "the lost event");
    assert!(!is_reset(&node, 6, LONG_AGO + 1).await, "the one that took its place");
    assert!(!is_reset(&node, 4, LONG_AGO).await, "one that was not lost");
    assert!(is_reset(&node, 7, LONG_AGO + 1).await, "one that the log has not got");
    assert!(!is_reset(&node, 6, 0).await, "a client that does not know is believed");
}

#[tokio::test]
async fn the_event_that_a_client_holds_is_compared_also_when_it_is_no_longer_in_memory() {
    let (store, id, setup) = history(100).await;
    let setup = setup.with("limits.max_text_bytes", 1_000).with("turn.recent_bytes", 1_024);
    let setup = setup.with("turn.max_answer_bytes", 1_024);
    store.lose(&id, 10).await;
    append_at(&*store, &id, LONG_AGO + 1, small_talk(100).skip(10)).await;
    let node = setup.start().await;

    assert!(is_reset(&node, 12, LONG_AGO).await, "the lost event");
    assert!(!is_reset(&node, 12, LONG_AGO + 1).await, "the one that took its place");
    assert!(!is_reset(&node, 10, LONG_AGO).await, "one that was not lost");
}

#[tokio::test]
async fn a_tab_that_comes_back_names_its_newest_event() {
    let (store, id, setup) = history(3).await;
    let node = setup.start().await;
    let (mut changed, mut same) = (tab(&node, 6).await, tab(&node, 6).await);
    changed.leave();
    same.leave();
    node.kill().await;
    let node = setup.start().await;
    same.reconnect(&node).await;
    assert_eq!(same.dropped(), 0);
    drop(node);

    store.lose(&id, 4).await;
    append_at(&*store, &id, LONG_AGO + 1, small_talk(3).skip(4)).await;
    let node = setup.start().await;
    changed.reconnect(&node).await;

    let is_another = |event: &v1::Event| event.at_ms as u64 == LONG_AGO + 1;
    changed.until("another log", |client| client.log().len() == 6 && client.log().last().is_some_and(is_another)).await;
    assert_eq!(changed.dropped(), 1);
}
