//! Stores and buses that cannot be reached: the node says so, keeps its visitors, and loses nothing.

use std::sync::Arc;

use protocol::v1::ErrorCode;
use scenarios::{
    Fault, LossyBus, Operation, Setup, Shaky, Tab, TestNode, Wire, assert_whole, conversation_of, frames, hello,
};
use store::embedded::{EmbeddedStore, Options};

const AWAY: &str = "the store does not answer";
const BUS_AWAY: &str = "the bus does not answer";

fn shaky() -> (Arc<Shaky>, Setup) {
    let store = Shaky::new(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()));
    let setup = Setup::on(store.clone());
    (store, setup.with("store.timeout_ms", 300))
}

#[tokio::test]
async fn while_the_store_is_away_nobody_is_sent_here_and_nobody_is_sent_away() {
    for fault in [Fault::Fails, Fault::Hangs] {
        let (store, setup) = shaky();
        let node = setup.start().await;
        node.until_readiness(200, "ready").await;
        let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;

        store.set_all(&fault);

        node.until_readiness(503, AWAY).await;
        wire.send(frames::send(1, "hello")).await;
        let error = wire.refused(ErrorCode::Unavailable).await;
        assert!(error.retry_after_ms > 0, "{fault:?}");
        assert!(wire.is_alive().await, "{fault:?}");
        node.until_metric(&["frontdesk_store_reachable"], 0.0).await;
        let (error, closed) = Wire::turned_away(node.address(), hello(), ErrorCode::Unavailable).await;
        assert!(error.retry_after_ms > 0 && closed == Some(4005), "{fault:?}");

        store.mend();
        node.until_readiness(200, "ready").await;
        assert_eq!(wire.send_until_acked(frames::send(1, "hello")).await, 1, "{fault:?}");
        setup.functions.ai().await.answer("Good day");
        while wire.event().await.seq < 2 {}
        let id = conversation_of(&welcome.visitor, 1);
        assert_eq!(assert_whole(&*setup.store, &id).await.len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_node_whose_store_was_away_when_it_started_becomes_ready() {
    let (store, setup) = shaky();
    store.set_all(&Fault::Fails);
    let node = setup.start().await;
    node.until_readiness(503, AWAY).await;

    store.mend();

    node.until_readiness(200, "ready").await;
    Wire::welcomed_at_last(node.address(), hello()).await;
}

#[tokio::test]
async fn an_answer_that_ends_while_the_store_is_away_is_stored_when_it_is_back() {
    let (store, setup) = shaky();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good day");
    tab.reads("Good day").await;
    store.set_all(&Fault::Fails);
    answering.answer("Good day");
    store.asked_for(Operation::Append).await;
    node.until_readiness(503, AWAY).await;

    store.mend();

    assert_eq!(tab.answer(2).await, "Good day");
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 2);
}

/// Two nodes.
async fn pair() -> (Arc<LossyBus>, Setup, TestNode, TestNode) {
    let bus = LossyBus::new();
    let setup = Setup::new().joined_by(bus.clone());
    let here = setup.clone().with("node.name", "here").start().await;
    let there = setup.clone().with("node.name", "there").start().await;
    (bus, setup, here, there)
}

#[tokio::test]
async fn while_the_bus_is_away_events_come_from_the_log_and_words_come_again_after_it() {
    let (bus, setup, here, there) = pair().await;
    let mut tab = Tab::open(&here).await;
    let mut other = tab.another(&there).await;
    tab.say("hello").await;
    other.event(1).await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good ");
    other.reads("Good ").await;

    bus.set_away(true);
    for node in [&here, &there] {
        node.until_readiness(503, BUS_AWAY).await;
        node.until_metric(&["frontdesk_bus_reachable"], 0.0).await;
    }
    answering.delta("day");
    tab.reads("Good day").await;
    answering.answer("Good day");

    // Nobody told the other node.
    assert_eq!(other.answer(2).await, "Good day");
    assert_eq!(other.say("and good night").await, 3);
    let answering = setup.functions.ai().await.accept();
    tab.event(3).await;

    bus.set_away(false);
    for node in [&here, &there] {
        node.until_readiness(200, "ready").await;
    }
    answering.delta("Sleep ");
    tab.reads("Sleep ").await;
    answering.answer("Sleep well");
    assert_eq!(tab.answer(4).await, "Sleep well");
    assert_eq!(other.answer(4).await, "Sleep well");
    assert!(setup.functions.ai_is_quiet().await, "no turn ran twice");
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 4);
}

#[tokio::test]
async fn what_could_not_be_subscribed_to_is_subscribed_to_later() {
    let (bus, setup, here, there) = pair().await;
    bus.set_away(true);
    // Both conversations are taken into memory without a subscription.
    let mut tab = Tab::open(&here).await;
    let mut other = tab.another(&there).await;
    bus.set_away(false);

    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good day");

    other.reads("Good day").await;
    answering.answer("Good day");
    assert_eq!(other.answer(2).await, "Good day");
}

#[tokio::test]
async fn a_node_that_is_alone_has_no_bus_to_miss() {
    let node = Setup::new().start().await;
    node.until_readiness(200, "ready").await;
    assert_eq!(node.metric(&["frontdesk_bus_reachable"]).await, 1.0);
}
