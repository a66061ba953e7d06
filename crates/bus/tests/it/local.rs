//! The bus inside the process.

use std::sync::Arc;

use bus::conformance::Fixture;
use bus::{Bus, LocalBus, Options, Received, Topic};
use bytes::Bytes;
use conversation::ConversationId;

mod conformance {
    use super::*;

    async fn two_clones() -> Fixture {
        let bus = LocalBus::default();
        Fixture { here: Arc::new(bus.clone()), there: Arc::new(bus), server: None }
    }

    bus::bus_conformance!(two_clones);
}

fn topic(ordinal: u32) -> Topic {
    Topic::Conversation(ConversationId::new("shop", "visitor", ordinal).unwrap())
}

#[tokio::test]
async fn all_inboxes_together_are_bounded_and_free_what_is_read_or_left() {
    let bus = LocalBus::new(Options { inbox_bytes: 1_000_000, all_bytes: 10_000 });
    let mut first = bus.subscribe(&topic(1)).await.unwrap();
    let mut second = bus.subscribe(&topic(2)).await.unwrap();
    for _ in 0..4 {
        let full = Bytes::from(vec![0; 6_000]);
        bus.publish(&topic(1), full.clone()).unwrap();
        bus.publish(&topic(2), full.clone()).unwrap();
        assert_eq!(first.try_recv(), Some(Received::Message(full.clone())));
        assert_eq!(second.try_recv(), Some(Received::Lagged), "the first had taken the room");
        assert_eq!(second.try_recv(), None);
        bus.publish(&topic(1), full).unwrap();
        drop(first);
        first = bus.subscribe(&topic(1)).await.unwrap();
    }
}

/// 18,000 idle visitors must not cost more than their connections do.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_subscription_takes_at_most_300_bytes() {
    const COUNT: u32 = 200_000;
    let topics: Vec<Topic> = (1..=COUNT).map(topic).collect();
    let bus = LocalBus::default();
    let mut subscriptions = Vec::with_capacity(COUNT as usize);
    let before = resident_bytes();
    for topic in &topics {
        subscriptions.push(bus.subscribe(topic).await.unwrap());
    }
    let each = (resident_bytes() - before) / u64::from(COUNT);
    assert!(each <= 300, "{each} bytes");
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
