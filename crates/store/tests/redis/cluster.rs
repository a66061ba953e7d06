//! A cluster whose primaries die, freeze, and hand their slots on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use conversation::{ConversationId, Event, Seq};
use servers::{RedisCluster, RedisServer};
use store::redis::{Options, RedisStore};
use store::{Appended, Claim, ClaimDue, Store};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{FOREVER, append, connect, conversation, event, insist, log, ready, start_cluster};

const CONVERSATIONS: u32 = 24;

/// One writer for each of many conversations, who insists, as a node does: after an error it reads to find out.
struct Writers {
    store: Arc<RedisStore>,
    failed: Arc<AtomicU32>,
}

impl Writers {
    fn new(store: RedisStore) -> Self {
        Self { store: Arc::new(store), failed: Arc::default() }
    }

    /// Each appends `count` events more. Returns what each was told is stored.
    async fn write(&self, count: Seq) -> Vec<(ConversationId, Vec<Event>)> {
        let mut writers = JoinSet::new();
        for ordinal in 1..=CONVERSATIONS {
            let (store, failed) = (self.store.clone(), self.failed.clone());
            writers.spawn(async move {
                let stored = insist(&*store, &conversation(ordinal), count, &failed).await;
                (conversation(ordinal), stored)
            });
        }
        timeout(FOREVER, writers.join_all()).await.expect("the cluster serves again some time")
    }

    /// What was acknowledged is in the logs, and the logs have no holes.
    async fn check(&self, acknowledged: &[(ConversationId, Vec<Event>)]) {
        ready(&*self.store).await;
        for (conversation, events) in acknowledged {
            let log = log(&*self.store, conversation).await.unwrap();
            assert!(log.iter().map(|event| event.seq).eq(1..=log.len() as Seq), "{conversation}");
            for event in events {
                assert_eq!(log.get(event.seq as usize - 1), Some(event), "{conversation}");
            }
        }
    }

    fn failed(&self) -> u32 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// The key of a conversation's log.
fn log_key(cluster: &RedisCluster, conversation: &ConversationId) -> String {
    let pattern = format!("fd:*:log:{conversation}");
    let keys = cluster.nodes().iter().filter_map(|node| node.command(&["KEYS", &pattern]).ok());
    keys.flat_map(|keys| keys.array().first().map(|key| key.text().to_owned())).next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_primary_was_killed_the_store_goes_on_by_itself() {
    let Some(cluster) = start_cluster() else { return };
    let writers = Writers::new(connect(&cluster.url()).await);
    writers.write(10).await;
    cluster.kill_primary_of(&log_key(&cluster, &conversation(1))).unwrap();
    for _ in 0..5 {
        assert!(writers.store.ready().await.is_err(), "a part of the conversations cannot be written");
    }
    let claim = ClaimDue { now: 1, until: 2, limit: CONVERSATIONS as usize, claim: Claim::MIN };
    let claimed = writers.store.claim_due(claim).await.unwrap();
    assert!(!claimed.is_empty() && !claimed.contains(&conversation(1)), "what is elsewhere goes on: {claimed:?}");
    // What was acknowledged before may be lost here: nobody waited for replicas.
    let after = writers.write(10).await;
    assert!(writers.failed() > 0, "somebody noticed");
    writers.check(&after).await;
    assert_eq!(writers.store.ready().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_had_survives_the_death_of_its_primary() {
    let Some(cluster) = start_cluster() else { return };
    let options = Options { replicas: 1, ..Options::default() };
    let writers = Writers::new(RedisStore::connect(&cluster.url(), options).await.unwrap());
    let before = writers.write(10).await;
    let killed = cluster.kill_primary_of(&log_key(&cluster, &conversation(1))).unwrap();
    let during = tokio::spawn({
        let writers = Writers { store: writers.store.clone(), failed: writers.failed.clone() };
        async move { writers.write(10).await }
    });
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.wait_until_served().unwrap();
        // The new primary has no replica, and so takes no writes, until the old one is back as its replica.
        cluster.nodes()[killed].restart().unwrap();
        cluster
    });
    let cluster = cluster.await.unwrap();
    let during = during.await.unwrap();
    assert!(writers.failed() > 0, "somebody noticed");
    writers.check(&before).await;
    writers.check(&during).await;
    ready(&*writers.store).await;
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_frozen_and_wakes_up_is_no_primary_any_more() {
    let Some(cluster) = start_cluster() else { return };
    let writers = Writers::new(connect(&cluster.url()).await);
    writers.write(10).await;
    let frozen = cluster.primary_of(&log_key(&cluster, &conversation(1))).unwrap();
    cluster.nodes()[frozen].pause().unwrap();
    let during = writers.write(10).await;
    assert!(writers.failed() > 0, "somebody noticed");
    cluster.nodes()[frozen].resume().unwrap();
    let after = writers.write(10).await;
    writers.check(&during).await;
    writers.check(&after).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_slots_move_from_one_server_to_another_nothing_is_lost() {
    let Some(cluster) = start_cluster() else { return };
    let writers = Writers::new(connect(&cluster.url()).await);
    let before = writers.write(10).await;
    let keys: Vec<String> = (1..=CONVERSATIONS).map(|ordinal| log_key(&cluster, &conversation(ordinal))).collect();
    let during = tokio::spawn({
        let writers = Writers { store: writers.store.clone(), failed: writers.failed.clone() };
        async move { writers.write(100).await }
    });
    let moving = tokio::task::spawn_blocking(move || {
        let moved = keys.iter().filter(|key| move_slot_to_the_first(&cluster, key)).count();
        (cluster, moved)
    });
    let (cluster, moved) = moving.await.unwrap();
    let during = during.await.unwrap();
    writers.check(&before).await;
    writers.check(&during).await;
    assert!(moved >= 8, "{moved} slots moved");
    let seen = log(&connect(&cluster.url()).await, &conversation(1)).await.unwrap().len();
    assert_eq!(seen, 110, "a store that begins with the new map finds all of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_in_a_slot_that_is_moving_is_found_where_it_is() {
    let Some(cluster) = start_cluster() else { return };
    let store = Arc::new(connect(&cluster.url()).await);
    let conversations = (1..=CONVERSATIONS).map(conversation);
    for conversation in conversations.clone() {
        assert_eq!(append(&*store, &conversation, &event(1, "text")).await, Ok(Appended::Stored));
    }
    let keys = conversations.map(|conversation| (log_key(&cluster, &conversation), conversation));
    let (key, conversation) = keys.into_iter().find(|(key, _)| cluster.primary_of(key).unwrap() != 0).unwrap();
    let moving = Move::begin(&cluster, &key);
    moving.hand_over(&cluster, &key);
    assert_eq!(store.head(&conversation).await, Ok(1), "its log has moved");
    let waiting = tokio::spawn({
        let (store, conversation) = (store.clone(), conversation.clone());
        async move { append(&*store, &conversation, &event(2, "text")).await }
    });
    let refused = async {
        while moving.source.info("errorstat_TRYAGAIN").unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(FOREVER, refused).await.expect("its due index has not moved, so the append has to wait");
    moving.end(&cluster);
    assert_eq!(waiting.await.unwrap(), Ok(Appended::Stored));
    assert_eq!(log(&*store, &conversation).await, Ok(vec![event(1, "text"), event(2, "text")]));
}

/// Moves the slot of `key` to the first primary, unless it is there. Always to the same one: primaries that take slots from
/// each other faster than they gossip may disagree for ever.
fn move_slot_to_the_first(cluster: &RedisCluster, key: &str) -> bool {
    if cluster.primary_of(key).unwrap() == 0 {
        return false;
    }
    Move::begin(cluster, key).end(cluster);
    true
}

/// A slot that moves to the first primary, step by step as `redis-cli --cluster reshard` does it.
struct Move<'a> {
    source: &'a RedisServer,
    slot: String,
    target_id: String,
}

impl<'a> Move<'a> {
    fn begin(cluster: &'a RedisCluster, key: &str) -> Self {
        let (source, target) = (&cluster.nodes()[cluster.primary_of(key).unwrap()], &cluster.nodes()[0]);
        let slot = source.command(&["CLUSTER", "KEYSLOT", key]).unwrap().integer().to_string();
        let id = |node: &RedisServer| node.command(&["CLUSTER", "MYID"]).unwrap().text().to_owned();
        let (source_id, target_id) = (id(source), id(target));
        target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).unwrap();
        source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).unwrap();
        Self { source, slot, target_id }
    }

    fn hand_over(&self, cluster: &RedisCluster, key: &str) {
        let port = cluster.nodes()[0].port().to_string();
        self.source.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "1000"]).unwrap();
    }

    fn end(self, cluster: &RedisCluster) {
        loop {
            let keys = self.source.command(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "1"]).unwrap();
            let Some(key) = keys.array().first() else { break };
            self.hand_over(cluster, key.text());
        }
        let (Self { source, slot, target_id }, target) = (self, &cluster.nodes()[0]);
        for node in [target, source].into_iter().chain(&cluster.nodes()[1..3]) {
            node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).unwrap();
        }
    }
}
