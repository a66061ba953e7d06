//! What it costs: request units, counted by the server.

use std::time::Duration;

use bytes::Bytes;
use conversation::{AnswerEnd, Body, Event};
use store::dynamodb::{Consumed, DynamoStore, Options};
use store::{Appended, Index, Key, Listing, Put, Store};

use super::server::{Server, options};
use super::{T0, append, claim, conversation, message};

/// What `work` consumed.
async fn units(store: &DynamoStore, work: impl Future) -> (f64, f64) {
    let before = store.consumed();
    work.await;
    let Consumed { write_units, read_units } = store.consumed();
    (write_units - before.write_units, read_units - before.read_units)
}

async fn say(store: &DynamoStore, seq: u32, text: &str, due: Option<u64>) {
    assert_eq!(append(store, &conversation(1), &message(seq, text), due).await, Ok(Appended::Stored));
}

async fn answer(store: &DynamoStore, ordinal: u32, seq: u32, text: &str) {
    let body = Body::Answer {
        turn: seq - 1,
        text: text.into(),
        end: AnswerEnd::Complete,
        offer_person: false,
        sources: None,
        choices: None,
    };
    let event = Event { seq, at: T0 + u64::from(seq), body };
    assert_eq!(append(store, &conversation(ordinal), &event, None).await, Ok(Appended::Stored));
}

#[tokio::test]
async fn a_message_of_up_to_800_bytes_is_one_write_unit_and_no_read() {
    let store = Server::start().await;
    let store = store.client().await;
    for (seq, bytes) in [(1, 1), (2, 700), (3, 800)] {
        assert_eq!(units(&store, say(&store, seq, &"x".repeat(bytes), None)).await, (1.0, 0.0), "{bytes} bytes");
    }
    assert_eq!(units(&store, say(&store, 4, &"x".repeat(1_024), None)).await, (2.0, 0.0), "the counting works");
}

#[tokio::test]
async fn a_turn_is_two_writes_and_its_mark() {
    let server = Server::start().await;
    let store = server.client().await;
    let turn = async |seq: u32| {
        say(&store, seq, &"x".repeat(700), Some(T0 + 1_000)).await;
        answer(&store, 1, seq + 1, &"x".repeat(700)).await;
    };
    assert_eq!(units(&store, turn(1)).await, (4.0, 0.0), "question, mark, the list of slots, answer");
    assert_eq!(units(&store, turn(3)).await, (3.0, 0.0), "question, mark, answer");
    assert_eq!(
        units(&store, claim(&store, T0 + 2_000)).await,
        (0.0, 2.0),
        "the list, the marks, and no look at the log"
    );
}

#[tokio::test]
async fn a_hundred_turns_at_once_share_their_marks() {
    let server = Server::start().await;
    let patient = Options { linger: Duration::from_millis(500), ..options() };
    let store = DynamoStore::connect(&server.url(), patient).await.unwrap();
    let questions = (1..=100).map(|ordinal| {
        let store = &store;
        async move {
            let asked = append(store, &conversation(ordinal), &message(1, &"x".repeat(700)), Some(T0 + 1_000)).await;
            assert_eq!(asked, Ok(Appended::Stored));
            answer(store, ordinal, 2, &"x".repeat(700)).await;
        }
    });
    let consumed = units(&store, futures_util::future::join_all(questions)).await;
    let marks = server.items("m#").len() as f64;
    assert_eq!(marks, 5.0, "twenty marks in one item");
    assert_eq!(consumed, (200.0 + marks + 1.0, 0.0), "and the list of slots");
}

#[tokio::test]
async fn a_log_that_is_not_known_costs_one_read_more() {
    let server = Server::start().await;
    say(&server.client().await, 1, "text", None).await;
    let store = server.client().await;
    assert_eq!(units(&store, say(&store, 2, "text", None)).await, (1.0, 1.0));
    assert_eq!(units(&store, say(&store, 3, "text", None)).await, (1.0, 0.0));
    let other = server.client().await;
    assert_eq!(units(&other, other.head(&conversation(1))).await, (0.0, 1.0));
    assert_eq!(units(&other, say(&other, 4, "text", None)).await, (1.0, 0.0), "what was read is known");
}

#[tokio::test]
async fn records_cost_what_the_docs_say() {
    let server = Server::start().await;
    let store = server.client().await;
    let (key, inbox) = (Key::new("shop", "lease", &["routing"]).unwrap(), Index::new("shop", "inbox").unwrap());
    let put = |expected, listing| {
        let put = Put { key: &key, expected, value: Bytes::from("value"), expires_at: None, listing, now: T0 };
        async { store.put(put).await.unwrap() }
    };
    assert_eq!(units(&store, put(None, None)).await, (1.0, 0.0));
    assert_eq!(units(&store, put(None, None)).await, (1.0, 0.0), "a conflict is paid too");
    let version = store.get(&key, T0).await.unwrap().unwrap().version;
    let at = |position| Some(Listing { index: &inbox, position });
    assert_eq!(units(&store, put(Some(version), at(1))).await, (2.0, 0.0));
    assert_eq!(units(&store, put(Some(version + 1), at(2))).await, (3.0, 0.0));
}

#[tokio::test]
async fn readiness_costs_one_read() {
    let server = Server::start().await;
    let store = server.client().await;
    assert_eq!(units(&store, store.ready()).await, (0.0, 1.0));
}
