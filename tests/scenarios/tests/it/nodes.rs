//! Two nodes with one store and one bus.

use std::sync::Arc;

use client::Command;
use protocol::v1::{self, AnswerEnd, event};
use scenarios::{
    Fault, LossyBus, Operation, Setup, Shaky, Tab, TestNode, Wire, assert_whole, conversation_of, frames, hello, soon,
};
use store::embedded::{EmbeddedStore, Options};
use tokio::sync::Semaphore;

/// Two nodes.
struct Pair {
    store: Arc<Shaky>,
    bus: Arc<LossyBus>,
    setup: Setup,
    here: TestNode,
    there: TestNode,
}

async fn pair() -> Pair {
    let store = Shaky::new(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()));
    let bus = LossyBus::new();
    let setup = Setup::on(store.clone()).joined_by(bus.clone());
    let here = setup.clone().with("node.name", "here").start().await;
    // Its connections look every second whether the bus has lost something.
    let there = setup.clone().with("node.name", "there").with("limits.keepalive_ms", 1_000).start().await;
    Pair { store, bus, setup, here, there }
}

#[tokio::test]
async fn events_and_words_cross() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let mut there = here.another(&pair.there).await;

    here.say("hello").await;
    there.event(1).await;
    let answering = pair.setup.functions.ai().await.accept();
    answering.delta("Good ");
    there.reads("Good ").await;
    answering.delta("day");
    there.reads("Good day").await;
    answering.answer("Good day");

    assert_eq!(there.answer(2).await, "Good day");
    assert_eq!(here.answer(2).await, "Good day");
    assert_eq!(here.client().log(), there.client().log());
    assert!(pair.setup.functions.ai_is_quiet().await, "the turn runs once");
}

#[tokio::test]
async fn who_joins_on_the_other_node_gets_the_text_so_far() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    here.say("hello").await;
    let answering = pair.setup.functions.ai().await.accept();
    answering.delta("Good ");
    here.reads("Good ").await;

    let mut there = here.another(&pair.there).await;

    there.reads("Good ").await;
    answering.delta("day");
    there.reads("Good day").await;
    // And who moves there goes on where it was.
    here.reconnect(&pair.there).await;
    here.reads("Good day").await;
    answering.answer("Good day");
    assert_eq!(there.answer(2).await, "Good day");
    assert_eq!(here.answer(2).await, "Good day");
    assert!(pair.setup.functions.ai_is_quiet().await, "the turn runs once");
}

#[tokio::test]
async fn stop_on_the_other_node_ends_the_answer() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let mut there = here.another(&pair.there).await;
    here.say("hello").await;
    let answering = pair.setup.functions.ai().await.accept();
    answering.delta("Good d");
    there.reads("Good d").await;

    assert_eq!(there.get(Command::Stop(1)).await, 2);

    answering.given_up().await;
    match here.event(2).await.body {
        Some(event::Body::Answer(answer)) => {
            assert_eq!((answer.end(), answer.text.as_str()), (AnswerEnd::Stopped, "Good d"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_handover_on_the_other_node_silences_the_assistant() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let mut there = here.another(&pair.there).await;
    here.say("hello").await;
    let answering = pair.setup.functions.ai().await.accept();
    answering.delta("Good d");
    there.reads("Good d").await;

    there.get(Command::AskPerson).await;

    answering.given_up().await;
    pair.setup.functions.routing().await.assign(serde_json::json!("queue"));
    soon(
        "the assignment",
        there.until("an assignment", |client| {
            client.log().iter().any(|event| matches!(event.body, Some(event::Body::Assigned(_))))
        }),
    )
    .await;
    let log = assert_whole(&*pair.setup.store, &conversation_of(here.visitor(), 1)).await;
    here.event(log.len() as u32).await;
    assert_eq!(here.client().log(), there.client().log());
}

#[tokio::test]
async fn two_nodes_that_append_at_one_place_store_both() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let mut there = here.another(&pair.there).await;
    let gate = Arc::new(Semaphore::new(0));
    pair.store.set(Operation::Append, Fault::Waits(Arc::clone(&gate)));
    let (one, other) = (
        here.order(Command::Send("from here".to_owned())).await,
        there.order(Command::Send("from there".to_owned())).await,
    );
    // Both have decided to append at seq 1.
    pair.store.asked_for(Operation::Append).await;
    pair.store.asked_for(Operation::Append).await;
    pair.store.mend();
    gate.add_permits(2);

    let mut seqs = [here.ack_of(one).await, there.ack_of(other).await];
    seqs.sort_unstable();
    assert_eq!(seqs, [1, 2]);
    assert_eq!(here.event(2).await, there.event(2).await);
    assert_eq!(here.client().log(), there.client().log());
    assert_eq!(assert_whole(&*pair.setup.store, &conversation_of(here.visitor(), 1)).await.len(), 2);
}

#[tokio::test]
async fn a_message_on_the_other_node_restarts_the_turn() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let mut there = here.another(&pair.there).await;
    here.say("hello").await;
    let first = pair.setup.functions.ai().await;
    there.event(1).await;

    there.say("is anybody there?").await;

    first.given_up().await;
    let second = pair.setup.functions.ai().await;
    assert_eq!(second.messages(), ["visitor: hello", "visitor: is anybody there?"]);
    second.answer("Yes");
    assert_eq!(there.answer(3).await, "Yes");
    assert_eq!(here.answer(3).await, "Yes");
    assert_eq!(assert_whole(&*pair.setup.store, &conversation_of(here.visitor(), 1)).await.len(), 3);
}

#[tokio::test]
async fn a_node_that_dies_is_followed_by_the_one_that_heard_its_turn() {
    // Due 5 s after the message, and given up after 12.
    let setup = Setup::new().joined_by(LossyBus::new()).with_quick_turns().with("turn.deadline_ms", 3_000);
    let here = setup.clone().with("node.name", "here").start().await;
    let there = setup.clone().with("node.name", "there").start().await;
    let mut tab = Tab::open(&here).await;
    let mut other = tab.another(&there).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good d");
    other.reads("Good d").await;

    here.kill().await;

    setup.functions.ai().await.answer("Hello");
    assert_eq!(other.answer(2).await, "Hello");
    tab.reconnect(&there).await;
    assert_eq!(tab.answer(2).await, "Hello");
}

#[tokio::test]
async fn what_the_bus_loses_comes_with_what_follows() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let mut there = here.another(&pair.there).await;
    pair.bus.lose(true);
    here.say("unheard").await;
    pair.bus.lose(false);
    here.say("heard").await;
    assert_eq!(there.event(2).await.seq, 2);
    here.event(2).await;
    assert_eq!(here.client().log(), there.client().log());
}

#[tokio::test]
async fn what_the_bus_loses_last_comes_though_nothing_follows() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let mut there = here.another(&pair.there).await;
    pair.bus.lose(true);
    here.say("unheard").await;
    assert_eq!(there.event(1).await.seq, 1);
}

#[tokio::test]
async fn a_client_that_knows_more_than_the_bus_told_is_not_reset() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let _there = here.another(&pair.there).await;
    pair.bus.lose(true);
    here.say("unheard").await;
    here.event(1).await;

    let cursor = v1::Hello { token: here.client().token().to_owned(), conversation: 1, after: 1, ..hello() };
    let (_wire, welcome) = Wire::welcomed(pair.there.address(), cursor).await;

    let opened = welcome.opened.unwrap();
    assert_eq!((opened.head, opened.reset), (1, false));
}

#[tokio::test]
async fn two_tabs_on_two_nodes_begin_one_conversation() {
    let pair = pair().await;
    let mut here = Tab::open(&pair.here).await;
    let mut there = here.another(&pair.there).await;
    here.get(Command::Close).await;
    there.event(1).await;
    let (one, other) = tokio::join!(here.begin(), there.begin());
    assert_eq!((one, other), (2, 2));
    here.say("hello").await;
    there.event(1).await;
}

#[tokio::test]
async fn a_message_sent_to_two_nodes_is_stored_once() {
    let pair = pair().await;
    let (mut here, welcome) = Wire::welcomed(pair.here.address(), hello()).await;
    let back = v1::Hello { token: welcome.token, ..hello() };
    let (mut there, _) = Wire::welcomed(pair.there.address(), back).await;
    for id in 1..=20 {
        here.send(frames::send(id, "the same")).await;
        there.send(frames::send(id, "the same")).await;
    }
    for id in 1..=20 {
        let (one, other) = (here.ack().await, there.ack().await);
        assert_eq!((&one.id[..], one.seq), (&[id; 16][..], other.seq));
    }
    assert_eq!(assert_whole(&*pair.setup.store, &conversation_of(&welcome.visitor, 1)).await.len(), 20);
}
