//! Writes that count only when replicas have them.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use servers::{RedisOptions, RedisServer};
use store::redis::{Options, RedisStore};
use store::{Appended, Store};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{FOREVER, append, conversation, event, insist, log, reason, start};

async fn waiting(primary: &RedisServer, replicas: u32) -> RedisStore {
    RedisStore::connect(&primary.url(), Options { replicas, ..Options::default() }).await.unwrap()
}

/// Waits until the replicas get what is written. For up to a second after they came, Redis sends them nothing.
async fn warm(store: &RedisStore) {
    timeout(FOREVER, insist(store, &conversation(1_000), 1, &AtomicU32::new(0))).await.unwrap();
}

fn replica_of(primary: &RedisServer) -> RedisServer {
    RedisServer::start(RedisOptions { replica_of: Some(primary.port()), ..RedisOptions::default() }).unwrap()
}

#[tokio::test]
async fn without_enough_replicas_nothing_counts_as_stored() {
    let Some(primary) = start(RedisOptions::default()) else { return };
    let store = waiting(&primary, 2).await;
    let _one = replica_of(&primary);
    for said in [reason(store.ready().await), reason(append(&store, &conversation(1), &event(1, "text")).await)] {
        assert!(said.contains("only 1 of 2 replicas") && said.contains("store.replicas"), "{said}");
    }
    assert_eq!(store.head(&conversation(1)).await, Ok(1), "who asks finds out that the primary has it");
    let _two = replica_of(&primary);
    warm(&store).await;
    assert_eq!(store.ready().await, Ok(()));
}

#[tokio::test]
async fn a_write_waits_for_a_replica_and_reads_do_not() {
    let Some(primary) = start(RedisOptions::default()) else { return };
    let replica = replica_of(&primary);
    let store = waiting(&primary, 1).await;
    warm(&store).await;
    assert_eq!(append(&store, &conversation(1), &event(1, "text")).await, Ok(Appended::Stored));
    replica.pause().unwrap();
    let (first, second) = (conversation(1), event(2, "text"));
    let write = append(&store, &first, &second);
    let reads = async {
        for _ in 0..10 {
            assert!(store.head(&first).await.is_ok());
        }
        "read"
    };
    let first_done = tokio::select! {
        biased;
        said = async { reason(write.await); "written" } => said,
        said = reads => said,
    };
    assert_eq!(first_done, "read", "a write that waits holds up no read");
    assert!(reason(append(&store, &first, &event(3, "text")).await).contains("only 0 of 1 replicas"));
    replica.resume().unwrap();
    warm(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_64_writers_stored_is_on_the_replica_when_the_primary_dies() {
    let Some(primary) = start(RedisOptions::default()) else { return };
    let replica = replica_of(&primary);
    let store = Arc::new(waiting(&primary, 1).await);
    warm(&store).await;
    let mut writers = JoinSet::new();
    for ordinal in 1..=64 {
        let store = store.clone();
        writers.spawn(async move {
            for seq in 1.. {
                if append(&*store, &conversation(ordinal), &event(seq, "text")).await != Ok(Appended::Stored) {
                    return (ordinal, seq - 1);
                }
                if seq == 20 {
                    return (ordinal, seq);
                }
            }
            unreachable!()
        });
    }
    let mut stored = Vec::new();
    while let Some(done) = writers.join_next().await {
        if stored.is_empty() {
            primary.kill().unwrap();
        }
        stored.push(done.unwrap());
    }
    replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    assert!(stored.iter().map(|(_, seq)| seq).sum::<u32>() >= 20, "some were stored");
    let promoted = waiting(&replica, 0).await;
    for (ordinal, seq) in stored {
        let log = log(&promoted, &conversation(ordinal)).await.unwrap();
        assert!(log.len() >= seq as usize, "conversation {ordinal}: {seq} stored, {} left", log.len());
    }
}
