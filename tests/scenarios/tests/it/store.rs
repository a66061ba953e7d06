//! Stores that fail, hang and lose answers: nothing is acknowledged that is not stored, and nothing is stored twice.

use std::sync::Arc;

use conversation::{Body, MessageId};
use protocol::v1::{self, ErrorCode, server_frame};
use scenarios::{
    Disk, Fault, Operation, Setup, Shaky, TOKEN_SECRET, Tab, Wire, append, append_due, assert_whole, conversation_of,
    frames, hello, now_seconds, small_talk, token,
};
use store::Store;
use store::embedded::{EmbeddedStore, Options};
use tokio::sync::Semaphore;

const VISITOR: &str = "a_AAAAAAAAAAAAAAAAAAAAAA";

fn known() -> v1::Hello {
    let token = token("shop", VISITOR, now_seconds(), now_seconds() + 3_600, TOKEN_SECRET);
    v1::Hello { token, ..hello() }
}

fn shaky() -> (Arc<Shaky>, Setup) {
    let store = Shaky::new(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()));
    let setup = Setup::on(store.clone());
    (store, setup.with("store.timeout_ms", 300))
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_acknowledged_and_is_stored_once_later() {
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Hangs, Fault::Panics] {
        let (store, setup) = shaky();
        let node = setup.start().await;
        let (mut wire, _) = Wire::welcomed(node.address(), known()).await;
        store.set(Operation::Append, fault.clone());

        wire.send(frames::send(1, "hello")).await;
        let error = wire.refused(ErrorCode::Unavailable).await;
        assert_eq!(error.id, [1; 16], "{fault:?}");
        assert!(error.retry_after_ms > 0, "{fault:?}");
        assert!(wire.is_alive().await);

        store.mend();
        assert_eq!(wire.send_until_acked(frames::send(1, "hello")).await, 1, "{fault:?}");
        assert_eq!(assert_whole(&*setup.store, &conversation_of(VISITOR, 1)).await.len(), 1, "{fault:?}");
        setup.functions.ai().await;
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_stored() {
    let (store, setup) = shaky();
    let gate = Arc::new(Semaphore::new(0));
    let setup = setup.with("store.timeout_ms", 60_000);
    let node = setup.start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), known()).await;
    store.set(Operation::Append, Fault::Waits(Arc::clone(&gate)));

    wire.send(frames::send(1, "hello")).await;
    store.asked_for(Operation::Append).await;
    wire.send(v1::Ping {}).await;
    assert_eq!(wire.frame().await, server_frame::Kind::Pong(v1::Pong {}), "an ack or an event came too early");
    assert!(setup.functions.ai_is_quiet().await);

    gate.add_permits(1);
    assert_eq!(wire.ack().await.seq, 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_is_stored_later() {
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Hangs, Fault::Panics] {
        let (store, setup) = shaky();
        let node = setup.start().await;
        let mut tab = Tab::open(&node).await;
        tab.say("hello").await;
        let answering = setup.functions.ai().await.accept();
        answering.delta("Good day");
        tab.reads("Good day").await;
        store.set(Operation::Append, fault);
        answering.answer("Good day");
        store.asked_for(Operation::Append).await;
        store.mend();

        assert_eq!(tab.answer(2).await, "Good day");
        assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 2);
        assert!(setup.functions.ai_is_quiet().await, "the model is not asked again");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_read_at_hello_is_said_and_read_later() {
    for operation in [Operation::Read, Operation::Get] {
        for fault in [Fault::Fails, Fault::Hangs, Fault::Panics] {
            if matches!((operation, &fault), (Operation::Get, Fault::Panics)) {
                continue; // Then the connection is gone, which its client notices.
            }
            let (store, setup) = shaky();
            append(&*setup.store, &conversation_of(VISITOR, 1), small_talk(2)).await;
            let node = setup.start().await;
            store.set(operation, fault.clone());

            let (error, closed) = Wire::turned_away(node.address(), known(), ErrorCode::Unavailable).await;
            assert!(error.retry_after_ms > 0, "{operation:?} {fault:?}");
            assert_eq!(closed, Some(4005), "{operation:?} {fault:?}");

            store.mend();
            let (mut wire, welcome) = Wire::welcomed_at_last(node.address(), known()).await;
            assert_eq!(welcome.opened.unwrap().head, 4);
            assert_eq!(wire.event().await.seq, 1);
        }
    }
}

#[tokio::test]
async fn who_looks_for_what_is_due_goes_on_after_a_fault_of_the_nodes_own() {
    let (store, setup) = shaky();
    store.set(Operation::ClaimDue, Fault::Panics);
    let _node = setup.start().await;
    store.asked_for(Operation::ClaimDue).await;
    let (now, id) = (now_seconds() * 1_000, conversation_of(VISITOR, 1));
    let body = Body::VisitorMessage { id: MessageId([1; 16]), text: "hello".into() };
    append_due(&*setup.store, &id, now, body, Some(now)).await;
    store.mend();

    setup.functions.ai().await.answer("Good day");
}

#[tokio::test]
async fn history_that_cannot_be_read_ends_the_connection_and_comes_later() {
    let (store, setup) = shaky();
    let setup = setup.with("limits.max_text_bytes", 1_000).with("turn.recent_bytes", 1_024);
    append(&*setup.store, &conversation_of(VISITOR, 1), small_talk(100)).await;
    let node = setup.start().await;
    // The conversation is in memory, its history is not.
    let (_wire, _) = Wire::welcomed(node.address(), v1::Hello { conversation: 1, after: 200, ..known() }).await;
    store.set(Operation::Read, Fault::Fails);

    let (mut late, _) = Wire::welcomed(node.address(), known()).await;
    assert_eq!(late.closed().await, Some(4005));

    store.mend();
    let (mut late, _) = Wire::welcomed(node.address(), known()).await;
    for seq in 1..=200 {
        assert_eq!(late.event().await.seq, seq);
    }
}

#[tokio::test]
async fn the_next_conversation_is_begun_when_the_store_works_again() {
    let (store, setup) = shaky();
    let node = setup.start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), known()).await;
    wire.send(frames::close(1)).await;
    wire.ack().await;
    for fault in [Fault::Fails, Fault::Hangs, Fault::LosesAnswer] {
        store.set(Operation::Put, fault);
        wire.send(v1::Begin { after_conversation: 1 }).await;
        let error = wire.refused(ErrorCode::Unavailable).await;
        assert!(error.id.is_empty() && error.retry_after_ms > 0, "{error:?}");
        store.mend();
    }
    wire.send(v1::Begin { after_conversation: 1 }).await;
    loop {
        match wire.frame().await {
            server_frame::Kind::Opened(opened) => break assert_eq!(opened.conversation, 2),
            server_frame::Kind::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_does_not_acknowledge() {
    let disk = Disk::default();
    let options = Options { retry_pause: std::time::Duration::from_millis(50), ..Options::default() };
    let setup = Setup::on(Arc::new(EmbeddedStore::with_medium(Box::new(disk.clone()), options).unwrap()));
    let node = setup.start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    wire.send(frames::send(1, "there is room")).await;
    assert_eq!(wire.ack().await.seq, 1);

    disk.set_full(true);
    wire.send(frames::send(2, "there is none")).await;
    let error = wire.refused(ErrorCode::Unavailable).await;
    assert_eq!(error.id, [2; 16]);
    // What is stored can still be read.
    let back = v1::Hello { token: welcome.token.clone(), ..hello() };
    let (mut reader, _) = Wire::welcomed_at_last(node.address(), back).await;
    assert_eq!(reader.event().await.seq, 1);

    disk.set_full(false);
    assert_eq!(wire.send_until_acked(frames::send(2, "there is none")).await, 2);
    assert_eq!(assert_whole(&*setup.store, &conversation_of(&welcome.visitor, 1)).await.len(), 2);
}

#[tokio::test]
async fn a_store_that_fails_for_long_does_not_fill_the_node() {
    let (store, setup) = shaky();
    let node = setup.start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), known()).await;
    store.set(Operation::Append, Fault::Hangs);
    // Many more than a connection and a conversation may have waiting.
    for id in 1..=200 {
        wire.send(frames::send(id, "hello")).await;
    }
    for id in 1..=200 {
        let error = wire.refused(ErrorCode::Unavailable).await;
        assert_eq!(error.id, [id; 16]);
    }
    store.mend();
    assert_eq!(wire.send_until_acked(frames::send(1, "hello")).await, 1);
}

#[tokio::test]
async fn two_nodes_never_store_two_events_at_one_place() {
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::memory(Options::default()).unwrap());
    // Without a bus neither hears of the other: every append of the second is a conflict first.
    let (one, other) = (Setup::on(Arc::clone(&store)), Setup::on(Arc::clone(&store)));
    let (first, second) = (one.start().await, other.start().await);
    let (mut here, _) = Wire::welcomed(first.address(), known()).await;
    let (mut there, _) = Wire::welcomed(second.address(), known()).await;
    for round in 0..10 {
        here.send(frames::send(2 * round + 1, "here")).await;
        there.send(frames::send(2 * round + 2, "there")).await;
        let (a, b) = (here.ack().await.seq, there.ack().await.seq);
        assert_ne!(a, b);
    }
    assert_eq!(assert_whole(&*store, &conversation_of(VISITOR, 1)).await.len(), 20);
}
