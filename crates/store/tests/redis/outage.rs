//! Servers that stop, freeze, forget their scripts, restart, are full, or are replicas.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use servers::{RedisOptions, RedisServer};
use store::{
    Appended, Claim, ClaimDue, Delete, Deleted, Fence, Index, Key, Lease, List, Listing, Put, PutOutcome, Reserve,
    SetDue, Store, StoreError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{FOREVER, append, connect, conversation, event, log, ready, reason, start};

/// Every operation at once, each on a store that cannot be reached; what each said.
async fn all_fail(store: &dyn Store) -> Vec<String> {
    let (conversation, event) = (conversation(1), event(1, "text"));
    let (key, index) = (Key::new("shop", "thing", &["a"]).unwrap(), Index::new("shop", "inbox").unwrap());
    let claim = ClaimDue { now: 1, until: 2, limit: 10, claim: Claim::MIN };
    let due = SetDue { conversation: &conversation, head: 1, due: None, fence: Fence::Open };
    let put = Put { key: &key, expected: None, value: Bytes::new(), expires_at: None, listing: None, now: 1 };
    let delete = Delete { key: &key, expected: None, now: 1 };
    let list = List { index: &index, from: 0, to: 1, after: None, limit: 1, now: 1 };
    let reserve = Reserve { key: &key, amount: 1, per_minute: NonZeroU64::MIN, burst: 1, remaining: None, now: 1 };
    let all = async {
        tokio::join!(
            async { reason(append(store, &conversation, &event).await) },
            async { reason(store.set_due(due).await) },
            async { reason(store.head(&conversation).await) },
            async { reason(store.read(&conversation, 0, 1).await) },
            async { reason(store.claim_due(claim).await) },
            async { reason(store.forget(&conversation, 1).await) },
            async { reason(store.get(&key, 1).await) },
            async { reason(store.put(put).await) },
            async { reason(store.delete(delete).await) },
            async { reason(store.list(list).await) },
            async { reason(store.reserve(reserve).await) },
            async { reason(store.ready().await) },
        )
    };
    let said = timeout(FOREVER, all).await.expect("no operation hangs");
    let (a, b, c, d, e, f, g, h, i, j, k, l) = said;
    vec![a, b, c, d, e, f, g, h, i, j, k, l]
}

#[tokio::test]
async fn while_a_server_is_gone_every_operation_fails_and_afterwards_all_is_well() {
    let Some(server) = start(RedisOptions { keeps_data: true, ..RedisOptions::default() }) else { return };
    server.kill().unwrap();
    let store = connect(&server.url()).await;
    for _ in 0..3 {
        for said in all_fail(&store).await {
            assert!(said.contains(&format!("127.0.0.1:{}", server.port())) && said.contains("refused"), "{said}");
        }
    }
    server.restart().unwrap();
    ready(&store).await;
    assert_eq!(append(&store, &conversation(1), &event(1, "text")).await, Ok(Appended::Stored));
    server.kill().unwrap();
    all_fail(&store).await;
    server.restart().unwrap();
    ready(&store).await;
    assert_eq!(log(&store, &conversation(1)).await, Ok(vec![event(1, "text")]), "it was in the append-only file");
    assert_eq!(append(&store, &conversation(1), &event(2, "text")).await, Ok(Appended::Stored));
}

#[tokio::test]
async fn while_a_server_is_frozen_every_operation_fails_and_afterwards_all_is_well() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    assert_eq!(append(&store, &conversation(2), &event(1, "before")).await, Ok(Appended::Stored));
    server.pause().unwrap();
    for _ in 0..2 {
        for said in all_fail(&store).await {
            assert!(said.contains("no answer"), "{said}");
        }
    }
    server.resume().unwrap();
    ready(&store).await;
    assert_eq!(log(&store, &conversation(2)).await, Ok(vec![event(1, "before")]));
}

#[tokio::test]
async fn a_connection_whose_other_end_is_gone_without_a_word_is_made_again() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (silence, silent) = watch::channel(false);
    let store = connect(&format!("redis://{}", listener.local_addr().unwrap())).await;
    tokio::spawn(forward(listener, server.port(), silent));
    assert_eq!(append(&store, &conversation(1), &event(1, "text")).await, Ok(Appended::Stored));
    silence.send(true).unwrap();
    assert!(reason(store.head(&conversation(1)).await).contains("no answer"));
    assert_eq!(store.head(&conversation(1)).await, Ok(1), "on another connection");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_rested_costs_no_error() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = connect(&format!("redis://{}", listener.local_addr().unwrap())).await;
    let head = tokio::spawn(async move { (store.head(&conversation(1)).await, store) });
    let (mut near, _) = listener.accept().await.unwrap();
    let mut far = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let store = tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => panic!("the store closed its connection"),
        done = head => {
            let (head, store) = done.unwrap();
            assert_eq!(head, Ok(0));
            store
        }
    };
    near.shutdown().await.unwrap();
    assert_eq!(near.read(&mut [0]).await.unwrap(), 0, "the store has noticed");
    let (_silence, silent) = watch::channel(false);
    tokio::spawn(forward(listener, server.port(), silent));
    assert_eq!(store.head(&conversation(1)).await, Ok(0));
}

/// Forwards connections. Those that were made before `silent` stay open and carry nothing any more afterwards.
async fn forward(listener: TcpListener, port: u16, silent: watch::Receiver<bool>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut silent = silent.clone();
        silent.mark_unchanged();
        tokio::spawn(async move {
            let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                _ = silent.changed() => std::future::pending().await,
            }
        });
    }
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_is_told_them_again() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    for seq in 1..=3 {
        server.command(&["SCRIPT", "FLUSH"]).unwrap();
        assert_eq!(append(&store, &conversation(1), &event(seq, "text")).await, Ok(Appended::Stored));
    }
}

#[tokio::test]
async fn a_server_without_memory_takes_no_writes_and_says_so() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    assert_eq!(append(&store, &conversation(1), &event(1, "text")).await, Ok(Appended::Stored));
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    for said in [reason(store.ready().await), reason(append(&store, &conversation(1), &event(2, "text")).await)] {
        assert!(said.contains("OOM") && said.contains("maxmemory"), "{said}");
    }
    assert_eq!(log(&store, &conversation(1)).await, Ok(vec![event(1, "text")]), "it can still be read");
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert_eq!(store.ready().await, Ok(()));
    assert_eq!(append(&store, &conversation(1), &event(2, "text")).await, Ok(Appended::Stored));
}

#[tokio::test]
async fn a_server_without_memory_can_be_emptied_by_forgetting() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    let (entry, index) = (Key::new("shop", "life", &["a"]).unwrap(), Index::new("shop", "life").unwrap());
    let listed_at = |expected, position, key| {
        let listing = Some(Listing { index: &index, position });
        Put { key, expected, value: Bytes::new(), expires_at: None, listing, now: 1 }
    };
    let PutOutcome::Stored(version) = store.put(listed_at(None, 1, &entry)).await.unwrap() else { panic!("it is new") };
    for seq in 1..=100 {
        let event = event(seq, &"x".repeat(1_000));
        assert_eq!(append(&store, &conversation(1), &event).await, Ok(Appended::Stored));
    }
    let used = || server.info("used_memory").unwrap().parse::<u64>().unwrap();
    let before = used();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let other = Key::new("shop", "life", &["b"]).unwrap();
    assert!(reason(store.put(listed_at(None, 1, &other)).await).contains("OOM"), "nothing new begins");
    let long = Put { value: Bytes::from(vec![b'x'; 1_000]), ..listed_at(Some(version), 1, &entry) };
    assert!(reason(store.put(long).await).contains("OOM"), "nothing grows");

    let lease = Key::new(Key::EVERYBODY, "lease", &["life"]).unwrap();
    let held = Lease::take(&store, &lease, "node-1", 1, 100).await.unwrap().expect("nobody has it");
    assert!(held.renew(&store, 2, 200).await.unwrap().is_some());
    let next = Key::new("shop", "visitor", &["a"]).unwrap();
    let leaving = Put { expires_at: Some(1_000), listing: None, ..listed_at(None, 0, &next) };
    assert!(matches!(store.put(leaving).await, Ok(PutOutcome::Stored(_))));
    assert!(matches!(store.put(listed_at(Some(version), 2, &entry)).await, Ok(PutOutcome::Stored(_))), "it is moved");
    assert_eq!(store.forget(&conversation(1), 1).await, Ok(()));
    let delete = Delete { key: &entry, expected: None, now: 1 };
    assert_eq!(store.delete(delete).await, Ok(Deleted::Removed));
    assert_eq!(log(&store, &conversation(1)).await, Ok(vec![]));
    // The log is freed by another thread.
    let freed = async {
        while used() + 50_000 > before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(FOREVER, freed).await.expect("the memory of what was forgotten is free");
}

#[tokio::test]
async fn a_replica_is_no_store() {
    let Some(primary) = start(RedisOptions::default()) else { return };
    let replica =
        RedisServer::start(RedisOptions { replica_of: Some(primary.port()), ..RedisOptions::default() }).unwrap();
    let store = connect(&replica.url()).await;
    for said in [reason(store.ready().await), reason(append(&store, &conversation(1), &event(1, "text")).await)] {
        assert!(said.contains("READONLY") && said.contains("primary"), "{said}");
    }
    replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    assert_eq!(store.ready().await, Ok(()), "it was promoted");
}

#[tokio::test]
async fn a_part_of_a_cluster_is_no_store_unless_the_url_says_cluster() {
    let Some(server) = start(RedisOptions {
        settings: vec![("cluster-enabled".to_owned(), "yes".to_owned())],
        ..RedisOptions::default()
    }) else {
        return;
    };
    assert!(reason(connect(&server.url()).await.ready().await).contains("CLUSTERDOWN"));
    let whole = server.url().replacen("redis://", "redis-cluster://", 1);
    assert!(reason(connect(&whole).await.ready().await).contains("no primary"), "it has no slots");
}

#[tokio::test]
async fn what_was_damaged_is_named_and_not_given_out() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    assert_eq!(append(&store, &conversation(1), &event(1, "text")).await, Ok(Appended::Stored));
    let keys = server.command(&["KEYS", "fd:*:log:*"]).unwrap();
    server.command(&["LSET", keys.array()[0].text(), "0", "damaged anyhow"]).unwrap();
    let answer = store.read(&conversation(1), 0, 10).await;
    assert!(matches!(&answer, Err(StoreError::Damaged { what, .. }) if what.contains("event 1")), "{answer:?}");
}

#[tokio::test]
async fn who_asks_while_others_connect_is_served_too() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    let first = conversation(1);
    let heads = futures_util::future::join_all((0..100).map(|_| store.head(&first)));
    assert_eq!(timeout(Duration::from_secs(30), heads).await.unwrap(), vec![Ok(0); 100]);
    assert!(server.info("connected_clients").unwrap().parse::<u32>().unwrap() <= 2, "they share one connection");
}
