//! What only this store does: it compares the event before, and it lets Redis forget.

use std::num::NonZeroU64;

use bytes::Bytes;
use servers::RedisOptions;
use store::{Append, Appended, Claim, ClaimDue, Fence, Index, Key, List, Listing, Put, PutOutcome, Reserve, Store};

use crate::{append, connect, conversation, event, start};

#[tokio::test]
async fn who_holds_another_event_before_than_the_log_does_is_a_conflict() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    let conversation = conversation(1);
    assert_eq!(append(&store, &conversation, &event(1, "asks")).await, Ok(Appended::Stored));
    let next = event(2, "asks again");
    let with =
        |previous_at| Append { conversation: &conversation, event: &next, due: None, fence: Fence::Open, previous_at };
    for other in [0, 2, u64::MAX] {
        assert_eq!(store.append_at(with(other)).await, Ok(Appended::Conflict));
    }
    assert_eq!(store.append_at(with(1)).await, Ok(Appended::Stored));
}

#[tokio::test]
async fn redis_forgets_what_has_expired_by_itself_and_what_lists_it_goes_with_the_next_put() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    let (key, inbox) = (Key::new("shop", "thing", &["a"]).unwrap(), Index::new("shop", "inbox").unwrap());
    let listing = Some(Listing { index: &inbox, position: 1 });
    let put = |key, now, expires_at, listing| {
        store.put(Put { key, expected: None, value: Bytes::from("value"), expires_at, listing, now })
    };
    assert!(matches!(put(&key, 1_000, Some(6_000), listing).await, Ok(PutOutcome::Stored(_))));
    let ttl_ms = server.command(&["PTTL", "fd:{o:shop}:record:shop/thing/a"]).unwrap().integer();
    assert!((60_001..=65_000).contains(&ttl_ms), "5 s, and a minute for clocks that differ: {ttl_ms}");
    // As if that time were over.
    server.command(&["DEL", "fd:{o:shop}:record:shop/thing/a"]).unwrap();
    let other = Key::new("shop", "thing", &["b"]).unwrap();
    assert!(matches!(put(&other, 66_000, None, listing).await, Ok(PutOutcome::Stored(_))));
    let entries = server.command(&["ZRANGE", "fd:{o:shop}:listings", "0", "-1"]).unwrap();
    assert_eq!(
        entries.array().iter().map(|entry| entry.text()).collect::<Vec<_>>(),
        ["inbox/0000000000000001/shop/thing/b"]
    );
    assert_eq!(server.command(&["ZCARD", "fd:{o:shop}:expiring"]).unwrap().integer(), 0);
    let all = List { index: &inbox, from: 0, to: u64::MAX, after: None, limit: 10, now: 66_000 };
    assert_eq!(store.list(all).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bucket_that_would_be_full_again_is_forgotten_by_redis() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    let key = Key::new("*", "budget", &["model"]).unwrap();
    let per_minute = NonZeroU64::new(60).unwrap();
    let reserve = Reserve { key: &key, amount: 10, per_minute, burst: 10, remaining: None, now: 1_000 };
    assert_eq!(store.reserve(reserve).await, Ok(0));
    let ttl_ms = server.command(&["PTTL", "fd:{o:*}:budget:*/budget/model"]).unwrap().integer();
    assert!((60_001..=70_000).contains(&ttl_ms), "10 s, and a minute for clocks that differ: {ttl_ms}");
}

#[tokio::test]
async fn a_forgotten_conversation_leaves_no_key() {
    let Some(server) = start(RedisOptions::default()) else { return };
    let store = connect(&server.url()).await;
    for seq in 1..=3 {
        assert_eq!(append(&store, &conversation(1), &event(seq, "text")).await, Ok(Appended::Stored));
    }
    let claim = ClaimDue { now: 1, until: 2, limit: 1, claim: Claim::MIN };
    assert_eq!(store.claim_due(claim).await, Ok(vec![conversation(1)]));
    assert_eq!(store.forget(&conversation(1), 0).await, Ok(()));
    assert_eq!(server.command(&["DBSIZE"]).unwrap().integer(), 0);
}
