//! What stays in the table: nothing that was forgotten, and what expired is not seen though it is there.

use bytes::Bytes;
use dynoxide::types::AttributeValue;
use store::{Appended, Delete, Deleted, Index, Key, List, Listing, Put, PutOutcome, Store};

use super::proxy::{Fate, Proxy};
use super::server::{Server, client};
use super::{T0, append, conversation, message, store_event};

fn key(name: &str) -> Key {
    Key::new("shop", "thing", &[name]).unwrap()
}

fn number(value: Option<&AttributeValue>) -> Option<u64> {
    let Some(AttributeValue::N(number)) = value else { return None };
    number.parse().ok()
}

async fn put(store: &dyn Store, name: &str, expires_at: Option<u64>, listing: Option<Listing<'_>>, now: u64) -> u64 {
    let put = Put { key: &key(name), expected: None, value: Bytes::from("text"), expires_at, listing, now };
    match store.put(put).await.unwrap() {
        PutOutcome::Stored(version) => version,
        PutOutcome::Conflict => panic!("{name} is there"),
    }
}

#[tokio::test]
async fn of_what_is_forgotten_only_empty_tombstones_with_an_end_are_left() {
    let server = Server::start().await;
    let store = server.client().await;
    for seq in 1..=60 {
        store_event(&store, &conversation(1), &message(seq, "a secret"), Some(T0)).await;
    }
    store.forget(&conversation(1), T0).await.unwrap();
    let left = server.items("c#");
    assert_eq!(left.len(), 61);
    for item in left {
        let mut names: Vec<&str> = item.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["g", "pk", "sk", "t"]);
        assert!(number(item.get("t")) >= Some(T0 / 1000 + 24 * 60 * 60), "for a day nobody may append");
    }
}

#[tokio::test]
async fn a_log_that_is_forgotten_in_part_is_gone_and_forgotten_to_the_end_later() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address).await;
    let store = client(&proxy.url()).await;
    for seq in 1..=60 {
        store_event(&store, &conversation(1), &message(seq, "a secret"), None).await;
    }
    let holding = |text: &str| server.items("c#").iter().filter(|item| item.contains_key(text)).count();
    proxy.plan("BatchWriteItem", (0..20).map(|_| Fate::Refuse("AccessDeniedException")));
    assert!(store.forget(&conversation(1), T0).await.is_err());
    assert!(holding("e") > 0);
    assert_eq!(store.head(&conversation(1)).await, Ok(0));
    for seq in [1, 60, 61, 62] {
        let late = append(&server.client().await, &conversation(1), &message(seq, "late"), None).await;
        assert_eq!(late, Ok(Appended::Conflict), "{seq}");
    }
    server.client().await.forget(&conversation(1), T0).await.unwrap();
    assert_eq!(holding("e"), 0);
}

#[tokio::test]
async fn who_knew_a_log_before_it_was_forgotten_meets_a_tombstone_and_no_hole() {
    let server = Server::start().await;
    let (stale, other) = (server.client().await, server.client().await);
    for seq in 1..=3 {
        store_event(&stale, &conversation(1), &message(seq, "text"), None).await;
    }
    other.forget(&conversation(1), T0).await.unwrap();
    assert_eq!(append(&stale, &conversation(1), &message(4, "late"), Some(T0)).await, Ok(Appended::Conflict));
    assert_eq!(other.head(&conversation(1)).await, Ok(0));
}

#[tokio::test]
async fn a_hole_is_a_conflict_whoever_asks() {
    let server = Server::start().await;
    let (writer, other) = (server.client().await, server.client().await);
    store_event(&writer, &conversation(1), &message(1, "text"), None).await;
    for seq in [0, 3, 4] {
        for store in [&writer, &other] {
            assert_eq!(append(store, &conversation(1), &message(seq, "ahead"), None).await, Ok(Appended::Conflict));
        }
    }
    assert_eq!(append(&other, &conversation(1), &message(2, "next"), None).await, Ok(Appended::Stored));
    assert_eq!(append(&writer, &conversation(1), &message(3, "next"), None).await, Ok(Appended::Stored), "2 is there");
}

#[tokio::test]
async fn what_expired_is_in_the_table_and_not_seen() {
    let server = Server::start().await;
    let store = server.client().await;
    let inbox = Index::new("shop", "inbox").unwrap();
    for position in 0..10 {
        let listing = Some(Listing { index: &inbox, position });
        put(&store, &position.to_string(), Some(T0 + 5 + position / 9), listing, T0).await;
    }
    assert_eq!(server.items("r#").len(), 10);
    assert_eq!(store.get(&key("0"), T0 + 5).await, Ok(None));
    let list = List { index: &inbox, from: 0, to: 99, after: None, limit: 2, now: T0 + 5 };
    let listed = store.list(list).await.unwrap();
    assert_eq!(listed.len(), 1, "pages that hold only what expired are not the end");
    assert_eq!(listed[0].key, key("9"));
}

#[tokio::test]
async fn versions_grow_across_the_time_to_live() {
    let server = Server::start().await;
    let store = server.client().await;
    let day = 24 * 60 * 60 * 1000;
    let first = put(&store, "a", Some(T0 + 5), None, T0).await;
    let delete = Delete { key: &key("a"), expected: None, now: T0 };
    assert_eq!(store.delete(delete).await, Ok(Deleted::Removed));
    let left = server.items("r#");
    assert!(!left[0].contains_key("b") && number(left[0].get("t")) >= Some((T0 + 7 * day) / 1000));
    server.remove(&left[0]);
    let second = put(&store, "a", None, None, T0 + 7 * day).await;
    assert!(second > first, "{first} {second}");
}
