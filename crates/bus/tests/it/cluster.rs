//! The bus on a Redis Cluster. A cluster takes seconds to start, so each test here does several things.

use std::sync::Arc;

use bus::conformance::Fixture;
use bus::redis::RedisBus;
use bus::{Bus, Received, Subscription};
use servers::{RedisCluster, RedisServer, missing};

use crate::remote::{message, publish, soon, topic, until_ready};

async fn connect(url: &str) -> Arc<dyn Bus> {
    let bus: Arc<dyn Bus> = Arc::new(RedisBus::connect(url).await.unwrap());
    until_ready(&bus).await;
    bus
}

fn channel(ordinal: u32) -> String {
    format!("fd:{{shop/visitor/{ordinal}}}:conversation")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_does_all_that_a_bus_must_do() {
    if missing("redis-server") {
        return;
    }
    let cluster = RedisCluster::start().unwrap();
    let url = cluster.url();
    let two = async || Fixture { here: connect(&url).await, there: connect(&url).await, server: None };
    bus::bus_conformance!(in turn: two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_follow_their_slots() {
    if missing("redis-server") {
        return;
    }
    let cluster = RedisCluster::start().unwrap();
    // One address is enough: it knows the others.
    let url = cluster.url();
    let (here, there) = (connect(url.split(',').next().unwrap()).await, connect(&url).await);
    let mut subscriptions = Vec::new();
    for ordinal in 1..=200 {
        subscriptions.push(there.subscribe(&topic(ordinal)).await.unwrap());
    }

    a_slot_moves(&cluster, &here, &there).await;
    let dead = a_primary_dies(&cluster, &here, &mut subscriptions).await;
    cluster.nodes()[dead].restart().unwrap();
    cluster.wait_until_ok().unwrap();
    a_primary_stands_still(&cluster, &here, &mut subscriptions).await;
}

/// An operator gives a slot to another primary. Nothing is disconnected, but Redis ends the subscriptions of the slot.
async fn a_slot_moves(cluster: &RedisCluster, here: &Arc<dyn Bus>, there: &Arc<dyn Bus>) {
    let mut moved = there.subscribe(&topic(1_000)).await.unwrap();
    let from = cluster.primary_of(&channel(1_000)).unwrap();
    let to = (from + 1) % 3;
    let slot = cluster.nodes()[from].command(&["CLUSTER", "KEYSLOT", &channel(1_000)]).unwrap().integer().to_string();
    let name = |node: &RedisServer| node.command(&["CLUSTER", "MYID"]).unwrap().text().to_owned();
    let (old, new) = (name(&cluster.nodes()[from]), name(&cluster.nodes()[to]));
    cluster.nodes()[to].command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &old]).unwrap();
    cluster.nodes()[from].command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &new]).unwrap();
    for node in [to, from] {
        cluster.nodes()[node].command(&["CLUSTER", "SETSLOT", &slot, "NODE", &new]).unwrap();
    }
    assert_eq!(soon(moved.recv()).await, Received::Lagged);
    // The publisher may learn of it only now.
    publish(here, 1_000, "after the move").unwrap();
    assert_eq!(soon(moved.recv()).await, message("after the move"));
    assert_eq!(
        cluster.nodes()[to].command(&["PUBSUB", "SHARDNUMSUB", &channel(1_000)]).unwrap().array()[1].integer(),
        1
    );
}

async fn a_primary_dies(cluster: &RedisCluster, here: &Arc<dyn Bus>, subscriptions: &mut [Subscription]) -> usize {
    let dead = cluster.primary_of(&channel(1)).unwrap();
    let (its, others) = split(cluster, subscriptions, dead);
    cluster.nodes()[dead].kill().unwrap();
    all_hear_again(here, its, true).await;
    cluster.wait_until_served().unwrap();
    all_hear_again(here, others, false).await;
    dead
}

/// The others take over, and when it runs on it is nobody.
async fn a_primary_stands_still(cluster: &RedisCluster, here: &Arc<dyn Bus>, subscriptions: &mut [Subscription]) {
    let frozen = cluster.primary_of(&channel(1)).unwrap();
    let (its, _) = split(cluster, subscriptions, frozen);
    cluster.nodes()[frozen].pause().unwrap();
    all_hear_again(here, its, true).await;
    cluster.nodes()[frozen].resume().unwrap();
    cluster.wait_until_ok().unwrap();
    until_ready(here).await;
}

/// Those that hear through this node, and the others.
fn split<'s>(
    cluster: &RedisCluster,
    subscriptions: &'s mut [Subscription],
    node: usize,
) -> (Vec<&'s mut Subscription>, Vec<&'s mut Subscription>) {
    let heard = cluster.nodes()[node].command(&["PUBSUB", "SHARDCHANNELS"]).unwrap();
    let heard: Vec<_> = heard.array().iter().map(|channel| channel.text().to_owned()).collect();
    let is_its = |subscription: &&mut Subscription| heard.contains(&channel(ordinal(subscription)));
    let (its, others): (Vec<_>, Vec<_>) = subscriptions.iter_mut().partition(is_its);
    assert!(its.len() > 10 && others.len() > 10, "{} and {}", its.len(), others.len());
    (its, others)
}

fn ordinal(subscription: &Subscription) -> u32 {
    let bus::Topic::Conversation(id) = subscription.topic() else { panic!("it is of no conversation") };
    id.ordinal()
}

/// Every one of them hears a message, and before it of the gap if there was one.
async fn all_hear_again(here: &Arc<dyn Bus>, subscriptions: Vec<&mut Subscription>, gap: bool) {
    for subscription in subscriptions {
        if gap {
            assert_eq!(soon(subscription.recv()).await, Received::Lagged);
        }
        // The publisher may not be there yet; then the message is kept, and it says so.
        let _ = publish(here, ordinal(subscription), "it goes on");
        while soon(subscription.recv()).await != message("it goes on") {}
    }
}
