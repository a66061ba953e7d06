//! One suite for every implementation of [`Bus`]: what the port promises, tried out.
//!
//! `bus::bus_conformance!(connect_two)` makes one test of each case. `connect_two` is an async function without arguments
//! that returns a [`Fixture`]; or an `Option` of one, where none means that the bus cannot be tried here.
//! `bus::bus_conformance!(in turn: connect_two)` runs all cases one after the other, where a server is costly to start.

// This is test code that several crates' tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use conversation::ConversationId;
use tokio::task::JoinSet;

use crate::{Bus, BusError, MAX_PAYLOAD_BYTES, Received, Subscription, Topic};

/// The bus as two nodes have it. Both are ready.
pub struct Fixture {
    /// On one node.
    pub here: Arc<dyn Bus>,
    /// On another.
    pub there: Arc<dyn Bus>,
    /// What must live as long as the two: a server.
    pub server: Option<Box<dyn Any + Send>>,
}

/// Makes a test of every case, each with a fixture of its own; or runs every case.
#[macro_export]
macro_rules! bus_conformance {
    (in turn: $make:expr) => { $crate::bus_conformance! { @list turns ($make) } };
    ($make:path) => { $crate::bus_conformance! { @list tests ($make) } };
    (@list $then:ident $make:tt) => {
        $crate::bus_conformance! { @$then $make
            a_message_reaches_every_subscription_of_its_topic
            a_message_reaches_no_other_topic
            what_nodes_say_of_themselves_reaches_all_who_hear_it
            nothing_is_heard_from_before_the_subscription
            who_left_hears_nothing_and_the_others_still_do
            a_reader_that_waits_is_woken
            giving_up_a_wait_loses_no_message
            giving_up_a_subscription_before_it_stands_leaves_the_topic_usable
            a_reader_that_stopped_is_told_that_it_lagged
            a_payload_that_is_too_large_is_refused
            of_64_publishers_no_message_is_heard_twice
            who_comes_and_goes_1000_times_hears_at_last
            of_10000_topics_each_hears_its_own
            every_letter_of_an_id_goes_through
            a_bus_that_works_is_ready
        }
    };
    (@tests ($make:path) $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture: Option<$crate::conformance::Fixture> = $make().await.into();
                if let Some(fixture) = fixture {
                    $crate::conformance::$case(fixture).await;
                }
            }
        )*
    };
    (@turns ($make:expr) $($case:ident)*) => {
        $( $crate::conformance::$case($make().await).await; )*
    };
}

fn topic(ordinal: u32) -> Topic {
    Topic::Conversation(ConversationId::new("shop", "visitor", ordinal).unwrap())
}

async fn subscribe(bus: &Arc<dyn Bus>, ordinal: u32) -> Subscription {
    bus.subscribe(&topic(ordinal)).await.unwrap()
}

fn publish(bus: &Arc<dyn Bus>, ordinal: u32, text: &str) {
    bus.publish(&topic(ordinal), Bytes::copy_from_slice(text.as_bytes())).unwrap();
}

fn message(text: &str) -> Received {
    Received::Message(Bytes::copy_from_slice(text.as_bytes()))
}

pub async fn a_message_reaches_every_subscription_of_its_topic(nodes: Fixture) {
    let mut subscriptions = vec![
        subscribe(&nodes.here, 1).await,
        subscribe(&nodes.here, 1).await,
        subscribe(&nodes.there, 1).await,
        subscribe(&nodes.here, 1).await,
    ];
    publish(&nodes.here, 1, "one");
    for subscription in &mut subscriptions {
        assert_eq!(subscription.recv().await, message("one"));
    }
    publish(&nodes.there, 1, "");
    for subscription in &mut subscriptions {
        assert_eq!(subscription.recv().await, message(""));
        assert_eq!(subscription.try_recv(), None);
    }
}

pub async fn a_message_reaches_no_other_topic(nodes: Fixture) {
    let mut first = subscribe(&nodes.here, 1).await;
    let mut eleventh = subscribe(&nodes.here, 11).await;
    publish(&nodes.there, 11, "for the eleventh");
    assert_eq!(eleventh.recv().await, message("for the eleventh"));
    publish(&nodes.there, 1, "for the first");
    assert_eq!(first.recv().await, message("for the first"));
    assert_eq!(first.topic(), &topic(1));
}

pub async fn what_nodes_say_of_themselves_reaches_all_who_hear_it(nodes: Fixture) {
    let mut here = nodes.here.subscribe(&Topic::Nodes).await.unwrap();
    let mut there = nodes.there.subscribe(&Topic::Nodes).await.unwrap();
    let mut conversation = subscribe(&nodes.here, 1).await;
    nodes.there.publish(&Topic::Nodes, Bytes::from_static(b"it is noon")).unwrap();
    for heard in [&mut here, &mut there] {
        assert_eq!(heard.recv().await, message("it is noon"));
        assert_eq!(heard.topic(), &Topic::Nodes);
    }
    publish(&nodes.there, 1, "hello");
    assert_eq!(conversation.recv().await, message("hello"));
}

pub async fn nothing_is_heard_from_before_the_subscription(nodes: Fixture) {
    let mut witness = subscribe(&nodes.there, 1).await;
    publish(&nodes.here, 1, "early");
    assert_eq!(witness.recv().await, message("early"));
    let mut late = subscribe(&nodes.there, 1).await;
    publish(&nodes.here, 1, "late");
    assert_eq!(late.recv().await, message("late"));
}

pub async fn who_left_hears_nothing_and_the_others_still_do(nodes: Fixture) {
    let mut stays = subscribe(&nodes.there, 1).await;
    drop(subscribe(&nodes.there, 1).await);
    publish(&nodes.here, 1, "one");
    assert_eq!(stays.recv().await, message("one"));
    drop(stays);
    let mut witness = subscribe(&nodes.here, 1).await;
    publish(&nodes.here, 1, "to nobody there");
    assert_eq!(witness.recv().await, message("to nobody there"));
    let mut back = subscribe(&nodes.there, 1).await;
    publish(&nodes.here, 1, "two");
    let mut heard = back.recv().await;
    if heard == message("to nobody there") {
        // It was under way to this node when the subscription was made, and the server did not know yet that the one before
        // had ended.
        heard = back.recv().await;
    }
    assert_eq!(heard, message("two"));
}

pub async fn a_reader_that_waits_is_woken(nodes: Fixture) {
    let mut subscription = subscribe(&nodes.there, 1).await;
    let reader = tokio::spawn(async move {
        let first = subscription.recv().await;
        (first, subscription.recv().await)
    });
    publish(&nodes.here, 1, "one");
    tokio::task::yield_now().await;
    publish(&nodes.here, 1, "two");
    assert_eq!(reader.await.unwrap(), (message("one"), message("two")));
}

pub async fn giving_up_a_wait_loses_no_message(nodes: Fixture) {
    let mut subscription = subscribe(&nodes.there, 1).await;
    for n in 0..100 {
        let text = n.to_string();
        tokio::select! {
            biased;
            received = subscription.recv() => panic!("{received:?} was never sent"),
            () = std::future::ready(()) => {}
        }
        publish(&nodes.here, 1, &text);
        assert_eq!(subscription.recv().await, message(&text));
    }
}

pub async fn giving_up_a_subscription_before_it_stands_leaves_the_topic_usable(nodes: Fixture) {
    let wanted = topic(1);
    for _ in 0..20 {
        tokio::select! {
            biased;
            _ = nodes.there.subscribe(&wanted) => {}
            () = std::future::ready(()) => {}
        }
        let mut subscription = subscribe(&nodes.there, 1).await;
        publish(&nodes.here, 1, "one");
        assert_eq!(subscription.recv().await, message("one"));
    }
}

pub async fn a_reader_that_stopped_is_told_that_it_lagged(nodes: Fixture) {
    let mut stopped = subscribe(&nodes.there, 1).await;
    let mut reads = subscribe(&nodes.there, 1).await;
    let payload = "x".repeat(10_000);
    for _ in 0..2_000 {
        publish(&nodes.here, 1, &payload);
        assert_eq!(reads.recv().await, message(&payload), "one that reads is not held up by one that does not");
    }
    publish(&nodes.here, 1, "the newest");
    let mut waiting = 0;
    let mut lagged = 0;
    loop {
        match stopped.recv().await {
            Received::Lagged => lagged += 1,
            Received::Message(payload) if payload == "the newest" => break,
            Received::Message(payload) => waiting += payload.len(),
        }
    }
    assert!(lagged > 0);
    assert!(waiting < 2_000_000, "{waiting} of 20,000,000 bytes were kept");
}

pub async fn a_payload_that_is_too_large_is_refused(nodes: Fixture) {
    let mut subscription = subscribe(&nodes.there, 1).await;
    let answer = nodes.here.publish(&topic(1), Bytes::from(vec![0; MAX_PAYLOAD_BYTES + 1]));
    assert_eq!(answer, Err(BusError::TooLarge { topic: topic(1), bytes: MAX_PAYLOAD_BYTES + 1 }));
    let largest = Bytes::from(vec![0; MAX_PAYLOAD_BYTES]);
    nodes.here.publish(&topic(1), largest.clone()).unwrap();
    assert_eq!(subscription.recv().await, Received::Message(largest));
}

pub async fn of_64_publishers_no_message_is_heard_twice(nodes: Fixture) {
    let mut subscription = subscribe(&nodes.there, 1).await;
    let mut publishers = JoinSet::new();
    for publisher in 0..64 {
        let bus = if publisher % 2 == 0 { nodes.here.clone() } else { nodes.there.clone() };
        publishers.spawn(async move {
            for n in 0..20 {
                publish(&bus, 1, &format!("{publisher}/{n}"));
            }
        });
    }
    let mut heard = HashSet::new();
    // None may be lost either while a reader keeps up: 64 × 20 short messages fit into any inbox.
    while heard.len() < 64 * 20 {
        match subscription.recv().await {
            Received::Message(payload) => assert!(heard.insert(payload)),
            Received::Lagged => panic!("nothing was too much"),
        }
    }
    publishers.join_all().await;
    assert_eq!(subscription.try_recv(), None);
}

pub async fn who_comes_and_goes_1000_times_hears_at_last(nodes: Fixture) {
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let bus = nodes.there.clone();
        readers.spawn(async move {
            for _ in 0..250 {
                drop(subscribe(&bus, 1).await);
            }
            subscribe(&bus, 1).await
        });
    }
    let mut subscriptions = readers.join_all().await;
    publish(&nodes.here, 1, "at last");
    for subscription in &mut subscriptions {
        assert_eq!(subscription.recv().await, message("at last"));
    }
}

pub async fn of_10000_topics_each_hears_its_own(nodes: Fixture) {
    const TOPICS: u32 = 10_000;
    let mut asked = JoinSet::new();
    for readers in 0..100 {
        let bus = nodes.there.clone();
        asked.spawn(async move {
            let mut subscriptions = Vec::new();
            for ordinal in (1..=TOPICS).filter(|ordinal| ordinal % 100 == readers) {
                subscriptions.push(subscribe(&bus, ordinal).await);
            }
            subscriptions
        });
    }
    let subscriptions = asked.join_all().await;
    for ordinal in 1..=TOPICS {
        publish(&nodes.here, ordinal, &topic(ordinal).to_string());
    }
    for mut subscription in subscriptions.into_iter().flatten() {
        let own = subscription.topic().to_string();
        assert_eq!(subscription.recv().await, message(&own));
        assert_eq!(subscription.try_recv(), None);
    }
}

pub async fn every_letter_of_an_id_goes_through(nodes: Fixture) {
    let letters: String = (0..=127_u8).map(char::from).filter(|c| conversation::is_part(&c.to_string())).collect();
    let (site, visitor) = letters.split_at(letters.len() / 2);
    let id = ConversationId::new(site, visitor, u32::MAX).unwrap();
    let longest = ConversationId::new(&"s".repeat(64), &"-".repeat(64), 1).unwrap();
    for topic in [id, longest].map(Topic::Conversation) {
        let mut subscription = nodes.there.subscribe(&topic).await.unwrap();
        let payload = Bytes::from((0..=255).collect::<Vec<u8>>());
        nodes.here.publish(&topic, payload.clone()).unwrap();
        assert_eq!(subscription.recv().await, Received::Message(payload));
    }
}

pub async fn a_bus_that_works_is_ready(nodes: Fixture) {
    nodes.here.ready().await.unwrap();
    nodes.there.ready().await.unwrap();
}
