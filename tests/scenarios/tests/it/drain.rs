//! Nodes that stop, die and come back.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::Subprotocol;
use protocol::v1::{self, AnswerEnd, ErrorCode, event, server_frame};
use scenarios::{
    Fault, Handshake, Incoming, Operation, RawSocket, Setup, Shaky, Tab, TestNode, Wire, assert_whole, conversation_of,
    frames, hello, soon,
};
use store::embedded::{EmbeddedStore, Options};

/// Reads to the end of a connection that is sent away. Returns what came before, and when to come back.
async fn sent_away(wire: &mut Wire) -> (Vec<server_frame::Kind>, u32) {
    let mut before = vec![];
    loop {
        match wire.frame().await {
            server_frame::Kind::GoAway(go_away) => {
                assert_eq!(wire.next().await, Incoming::Closed(Some(4000)));
                return (before, go_away.retry_after_ms);
            }
            other => before.push(other),
        }
    }
}

async fn until_draining(node: &TestNode) -> (u16, u64) {
    let refused = async {
        loop {
            if let Err(response) = Wire::shake_hands(node.address(), &Handshake::of(Subprotocol::Proto)).await {
                let wait = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                break (response.status().as_u16(), wait);
            }
        }
    };
    soon("a draining node", refused).await
}

#[tokio::test]
async fn idle_connections_are_sent_away_with_jitter() {
    let mut node = Setup::new().start().await;
    let mut wires = vec![];
    for _ in 0..20 {
        wires.push(Wire::welcomed(node.address(), hello()).await.0);
    }

    node.drain();

    let mut waits = HashSet::new();
    for wire in &mut wires {
        let (before, wait) = sent_away(wire).await;
        assert_eq!(before, []);
        assert!(wait > 0);
        waits.insert(wait);
    }
    assert!(waits.len() > 5, "all come back at once: {waits:?}");
    node.stopped().await;
}

#[tokio::test]
async fn a_drain_ends_though_clients_say_nothing_and_read_nothing() {
    let node = Setup::new().with("node.drain_seconds", 1).start().await;
    let mut silent = RawSocket::open(node.address()).await;
    let mut deaf = RawSocket::open(node.address()).await;
    deaf.send(hello()).await;
    assert!(matches!(deaf.next().await, Some(server_frame::Kind::Welcome(_))));

    node.stopped().await;

    assert_eq!(silent.close_code().await, Some(4000));
    assert!(matches!(deaf.next().await, Some(server_frame::Kind::GoAway(_))));
    assert_eq!(deaf.close_code().await, Some(4000));
}

#[tokio::test]
async fn nobody_waits_for_one_who_never_said_hello() {
    // Longer than a test waits.
    let node = Setup::new().with("node.drain_seconds", 90).with("limits.hello_timeout_ms", 60_000).start().await;
    let mut silent = RawSocket::open(node.address()).await;

    node.stopped().await;

    assert_eq!(silent.close_code().await, Some(4000));
}

#[tokio::test]
async fn a_drain_ends_though_the_store_hangs() {
    let store = Shaky::new(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()));
    // Each operation may take longer than a test waits.
    let setup = Setup::on(store.clone()).with("store.timeout_ms", 60_000).with("node.drain_seconds", 1);
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    let (mut waits, _) = Wire::welcomed(node.address(), hello()).await;
    store.set_all(&Fault::Hangs);
    waits.send(frames::send(1, "hello")).await;
    store.asked_for(Operation::Put).await;

    node.stopped().await;

    assert_eq!((tab.closed().await, waits.closed().await), (Some(4000), Some(4000)));
    answering.given_up().await;
    // Its own due time stands: another node finds it then.
    store.mend();
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 1);
}

#[tokio::test]
async fn a_running_turn_finishes_before_its_connection_is_sent_away() {
    let setup = Setup::new();
    let mut node = setup.start().await;
    let (mut idle, _) = Wire::welcomed(node.address(), hello()).await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    wire.send(frames::send(1, "hello")).await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good ");
    wire.delta().await;

    node.drain();
    sent_away(&mut idle).await;

    // No new connections, no new commands.
    let (status, retry_after) = until_draining(&node).await;
    assert_eq!(status, 503);
    assert!(retry_after > 0);
    wire.send(frames::send(2, "too late")).await;
    let error = wire.refused(ErrorCode::Draining).await;
    assert_eq!(error.id, [2; 16]);
    assert!(error.retry_after_ms > 0);

    answering.delta("day");
    answering.answer("Good day");
    let (before, _) = sent_away(&mut wire).await;
    let answer = before.iter().find_map(|frame| match frame {
        server_frame::Kind::Event(event) => event.body.clone(),
        _ => None,
    });
    assert!(matches!(answer, Some(event::Body::Answer(answer)) if answer.text == "Good day"), "{before:?}");
    node.stopped().await;
    assert_eq!(assert_whole(&*setup.store, &conversation_of(&welcome.visitor, 1)).await.len(), 2);
}

#[tokio::test]
async fn a_turn_that_outlives_the_drain_is_finished_by_another_node() {
    let setup = Setup::new().with("node.drain_seconds", 1);
    let node = setup.start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    wire.send(frames::send(1, "hello")).await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good ");
    wire.delta().await;
    let stopping = tokio::spawn(node.stopped());
    sent_away(&mut wire).await;
    soon("the end of a drain", stopping).await.unwrap();
    answering.given_up().await;

    // With deadlines of 30 s: the turn is due because the first node said so, and nobody is connected.
    let next = setup.start().await;
    setup.functions.ai().await.answer("Good day to you");

    let back = v1::Hello { token: welcome.token, conversation: 1, after: 1, ..hello() };
    let (mut wire, _) = Wire::welcomed(next.address(), back).await;
    match wire.event().await.body {
        Some(event::Body::Answer(answer)) => assert_eq!(answer.text, "Good day to you"),
        other => panic!("{other:?}"),
    }
    assert_eq!(assert_whole(&*setup.store, &conversation_of(&welcome.visitor, 1)).await.len(), 2);
}

#[tokio::test]
async fn a_node_that_died_in_mid_answer_is_followed_by_one_that_answers() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Setup::on(Arc::new(EmbeddedStore::open(folder.path(), Options::default()).unwrap()));
    let setup = open();
    let functions = setup.functions.clone();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = functions.ai().await.accept();
    answering.delta("Good d");
    tab.reads("Good d").await;
    node.kill().await;
    drop(setup);
    answering.given_up().await;

    let setup = open();
    let node = setup.start().await;
    // Whoever comes back need not wait until the turn is due.
    tab.reconnect(&node).await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Hel");
    tab.reads("Hel").await;
    answering.answer("Hello");

    assert_eq!(tab.answer(2).await, "Hello");
    assert_eq!(tab.dropped(), 0, "the log it holds is good");
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 2);
}

#[tokio::test]
async fn a_turn_whose_node_died_is_answered_though_nobody_comes_back() {
    // Due 5 s after the message, and given up after 12.
    let setup = Setup::new().with_quick_turns().with("turn.deadline_ms", 3_000);
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    node.kill().await;
    answering.given_up().await;
    let visitor = tab.visitor().to_owned();
    drop(tab);

    let node = setup.start().await;
    let call = soon("a due turn", setup.functions.ai()).await;
    assert_eq!(call.messages(), ["visitor: hello"]);
    call.answer("Good day");

    node.until_metric(&["frontdesk_turns_total", "complete"], 1.0).await;
    assert_eq!(assert_whole(&*setup.store, &conversation_of(&visitor, 1)).await.len(), 2);
}

#[tokio::test]
async fn a_handover_whose_node_died_is_assigned_though_nobody_comes_back() {
    let setup = Setup::new();
    let node = setup.start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    wire.send(frames::ask_person(1)).await;
    let call = setup.functions.routing().await;
    node.kill().await;
    drop(call);

    let node = setup.start().await;
    setup.functions.routing().await.assign(serde_json::json!("queue"));
    let back = v1::Hello { token: welcome.token, ..hello() };
    let (mut wire, _) = Wire::welcomed(node.address(), back).await;
    assert_eq!((wire.event().await.seq, wire.event().await.seq), (1, 2));
}

#[tokio::test]
async fn what_was_asked_long_ago_gets_the_fallback_and_not_the_model() {
    let setup = Setup::new().with_quick_turns();
    let id = conversation_of("a_AAAAAAAAAAAAAAAAAAAAAA", 1);
    scenarios::append(&*setup.store, &id, scenarios::small_talk(1).take(1)).await;
    let now = scenarios::now_seconds();
    let token = scenarios::token("shop", id.visitor(), now, now + 3_600, scenarios::TOKEN_SECRET);
    let node = setup.start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), v1::Hello { token, ..hello() }).await;
    assert_eq!(wire.event().await.seq, 1);
    match wire.event().await.body {
        Some(event::Body::Answer(answer)) => assert_eq!(answer.end(), AnswerEnd::Fallback),
        other => panic!("{other:?}"),
    }
    assert!(setup.functions.ai_is_quiet().await);
}

#[tokio::test]
async fn a_message_survives_the_node_that_acknowledged_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Setup::on(Arc::new(EmbeddedStore::open(folder.path(), Options::default()).unwrap()));
    let mut setup = open();
    let mut node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    for round in 1..=5 {
        assert_eq!(tab.say("remember this").await, round);
        node.kill().await;
        drop(setup);
        setup = open();
        node = setup.start().await;
        tab.reconnect(&node).await;
    }
    let log = assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await;
    assert_eq!(log.len(), 5);
    tab.event(5).await;
    assert_eq!(tab.dropped(), 0);
}
