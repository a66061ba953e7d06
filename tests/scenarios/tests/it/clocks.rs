//! Nodes whose clocks differ.

use std::time::Duration;

use bus::{Bus, Received, Topic};
use protocol::bus::{ClockNotice, HeardClock};
use scenarios::{LossyBus, Setup, soon};

#[tokio::test]
async fn a_node_finds_out_that_another_ones_clock_is_a_minute_ahead() {
    let bus = LossyBus::new();
    let mut heard = bus.subscribe(&Topic::Nodes).await.unwrap();
    let node = Setup::new().joined_by(bus.clone()).start().await;
    // Another node, as the first one knows it.
    let other = tokio::spawn(async move {
        loop {
            let Received::Message(bytes) = heard.recv().await else { continue };
            let notice = ClockNotice::decode(&bytes).unwrap();
            if notice.node != "there/1" {
                let known = HeardClock { node: notice.node, at: notice.at, held: 0 };
                let told = ClockNotice { node: "there/1".to_owned(), at: notice.at + 60_000, heard: vec![known] };
                bus.publish(&Topic::Nodes, told.encode().into()).unwrap();
            }
        }
    });
    let found = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        // Its answer is under way for two seconds at most, and one half of that is not known.
        while node.metric(&["frontdesk_clock_difference_ms"]).await < 58_000.0 {
            looks.tick().await;
        }
    };
    soon("the difference of a minute", found).await;
    other.abort();
}
