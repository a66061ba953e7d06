use bytes::Bytes;
use conversation::Millis;
use tokio::task::JoinSet;

use super::{Fixture, T0, key, put, stored};
use crate::{
    Delete, Deleted, Index, Key, List, Listed, Listing, MAX_VALUE_BYTES, Put, PutOutcome, Record, Store, StoreError,
};

async fn get(store: &dyn Store, key: &Key, now: Millis) -> Option<Record> {
    store.get(key, now).await.unwrap()
}

fn index(name: &str) -> Index {
    Index::new("shop", name).unwrap()
}

/// Puts a new record `name` that is listed in `index` at `position`.
async fn put_listed(store: &dyn Store, name: &str, index: &Index, position: u64) {
    let key = key(name);
    let listing = Some(Listing { index, position });
    stored(store, Put { listing, ..put(&key, None, name) }).await;
}

fn all(index: &Index) -> List<'_> {
    List { index, from: 0, to: u64::MAX, after: None, limit: 1_000, now: T0 }
}

/// The last parts of the keys in a listing.
async fn names(store: &dyn Store, list: List<'_>) -> Vec<String> {
    let listed = store.list(list).await.unwrap();
    listed.iter().map(|entry| entry.key.as_str().rsplit('/').next().unwrap().to_owned()).collect()
}

pub async fn a_record_is_what_was_put_last(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("a"));
    assert_eq!(get(&*store, &key, T0).await, None);
    let first = stored(&*store, put(&key, None, "one")).await;
    assert_eq!(get(&*store, &key, T0).await, Some(Record { value: Bytes::from("one"), version: first }));
    let second = stored(&*store, put(&key, Some(first), "")).await;
    assert_eq!(get(&*store, &key, T0).await, Some(Record { value: Bytes::new(), version: second }));
    assert_eq!(get(&*store, &super::key("b"), T0).await, None);
}

pub async fn a_record_is_made_once(fixture: &mut impl Fixture) {
    let mut makers = JoinSet::new();
    for maker in 0..64 {
        let store = fixture.store();
        makers.spawn(async move {
            let text = maker.to_string();
            (store.put(put(&key("a"), None, &text)).await.unwrap(), text)
        });
    }
    let outcomes = makers.join_all().await;
    let winners: Vec<_> = outcomes.iter().filter(|(outcome, _)| *outcome != PutOutcome::Conflict).collect();
    assert_eq!(winners.len(), 1);
    let record = get(&*fixture.store(), &key("a"), T0).await.unwrap();
    assert_eq!((PutOutcome::Stored(record.version), record.value), (winners[0].0, Bytes::from(winners[0].1.clone())));
}

pub async fn a_stale_version_is_a_conflict(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("a"));
    assert_eq!(store.put(put(&key, Some(1), "none is there")).await, Ok(PutOutcome::Conflict));
    let first = stored(&*store, put(&key, None, "one")).await;
    let second = stored(&*store, put(&key, Some(first), "two")).await;
    for expected in [None, Some(first), Some(second + 1)] {
        assert_eq!(store.put(put(&key, expected, "late")).await, Ok(PutOutcome::Conflict));
    }
    assert_eq!(get(&*store, &key, T0).await, Some(Record { value: Bytes::from("two"), version: second }));
}

pub async fn of_64_counters_none_loses_a_step(fixture: &mut impl Fixture) {
    stored(&*fixture.store(), put(&key("a"), None, "0")).await;
    let mut counters = JoinSet::new();
    for _ in 0..64 {
        let store = fixture.store();
        counters.spawn(async move {
            let key = key("a");
            loop {
                let record = get(&*store, &key, T0).await.unwrap();
                let count: u32 = std::str::from_utf8(&record.value).unwrap().parse().unwrap();
                let next = (count + 1).to_string();
                if store.put(put(&key, Some(record.version), &next)).await.unwrap() != PutOutcome::Conflict {
                    return;
                }
            }
        });
    }
    counters.join_all().await;
    assert_eq!(get(&*fixture.store(), &key("a"), T0).await.unwrap().value, Bytes::from("64"));
}

pub async fn versions_only_grow(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("a"));
    let first = stored(&*store, put(&key, None, "made")).await;
    let second = stored(&*store, put(&key, Some(first), "changed")).await;
    let delete = Delete { key: &key, expected: None, now: T0 };
    assert_eq!(store.delete(delete).await, Ok(Deleted::Removed));
    let third = stored(&*store, Put { expires_at: Some(T0 + 5), ..put(&key, None, "made again") }).await;
    let fourth = stored(&*store, Put { now: T0 + 5, ..put(&key, None, "made after it expired") }).await;
    assert!(first < second && second < third && third < fourth, "{first} {second} {third} {fourth}");
}

pub async fn a_record_expires_at_its_time(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("a"));
    let first = stored(&*store, Put { expires_at: Some(T0 + 5), ..put(&key, None, "one") }).await;
    assert!(get(&*store, &key, T0 + 4).await.is_some());
    assert_eq!(get(&*store, &key, T0 + 5).await, None);
    let late = Put { now: T0 + 5, ..put(&key, Some(first), "late") };
    assert_eq!(store.put(late).await, Ok(PutOutcome::Conflict));
    let late = Delete { key: &key, expected: Some(first), now: T0 + 5 };
    assert_eq!(store.delete(late).await, Ok(Deleted::Conflict));
    let early = Put { now: T0 + 4, ..put(&key, None, "early") };
    assert_eq!(store.put(early).await, Ok(PutOutcome::Conflict));
    let renewed = Put { now: T0 + 4, expires_at: Some(T0 + 50), ..put(&key, Some(first), "renewed") };
    stored(&*store, renewed).await;
    assert!(get(&*store, &key, T0 + 49).await.is_some());
    stored(&*store, Put { now: T0 + 50, ..put(&key, None, "for ever") }).await;
    assert!(get(&*store, &key, Millis::MAX / 2).await.is_some());
}

pub async fn a_deleted_record_is_gone(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("a"));
    let version = stored(&*store, put(&key, None, "one")).await;
    let delete = |expected| store.delete(Delete { key: &key, expected, now: T0 });
    assert_eq!(delete(Some(version + 1)).await, Ok(Deleted::Conflict));
    assert!(get(&*store, &key, T0).await.is_some());
    assert_eq!(delete(Some(version)).await, Ok(Deleted::Removed));
    assert_eq!(get(&*store, &key, T0).await, None);
    assert_eq!(delete(Some(version)).await, Ok(Deleted::Conflict));
    assert_eq!(delete(None).await, Ok(Deleted::Removed));
}

pub async fn an_index_is_listed_in_order(fixture: &mut impl Fixture) {
    let (store, inbox) = (fixture.store(), index("inbox"));
    for (name, position) in [("e", u64::MAX), ("c", 256), ("b", 9), ("d", 1 << 40), ("b2", 9), ("a", 0)] {
        put_listed(&*store, name, &inbox, position).await;
    }
    assert_eq!(names(&*store, all(&inbox)).await, ["a", "b", "b2", "c", "d", "e"]);
    assert_eq!(names(&*store, List { from: 9, to: 256, ..all(&inbox) }).await, ["b", "b2", "c"]);
    assert_eq!(names(&*store, List { from: 10, to: 255, ..all(&inbox) }).await, [""; 0]);
    assert_eq!(names(&*store, List { from: 10, to: 9, ..all(&inbox) }).await, [""; 0]);
    let listed = store.list(List { from: 256, to: 256, ..all(&inbox) }).await.unwrap();
    let record = get(&*store, &key("c"), T0).await.unwrap();
    assert_eq!(listed, [Listed { key: key("c"), position: 256, record }]);
}

pub async fn an_index_is_listed_in_pages(fixture: &mut impl Fixture) {
    let (store, inbox) = (fixture.store(), index("inbox"));
    for n in 0..20 {
        put_listed(&*store, &format!("{n:02}"), &inbox, n / 7).await;
    }
    let mut seen = Vec::new();
    let mut last: Option<Listed> = None;
    loop {
        let after = last.as_ref().map(|entry| (entry.position, &entry.key));
        let page = store.list(List { after, limit: 3, ..all(&inbox) }).await.unwrap();
        assert!(page.len() <= 3);
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        seen.extend(page.into_iter().map(|entry| entry.record.value));
    }
    assert_eq!(seen, (0..20).map(|n| Bytes::from(format!("{n:02}"))).collect::<Vec<_>>());
}

pub async fn an_index_follows_its_records(fixture: &mut impl Fixture) {
    let (store, inbox, key) = (fixture.store(), index("inbox"), key("a"));
    let at = |position| Some(Listing { index: &inbox, position });
    let first = stored(&*store, Put { listing: at(1), ..put(&key, None, "a") }).await;
    let conflict = Put { listing: at(3), ..put(&key, None, "a") };
    assert_eq!(store.put(conflict).await, Ok(PutOutcome::Conflict));
    assert_eq!(names(&*store, List { from: 2, ..all(&inbox) }).await, [""; 0]);
    let second = stored(&*store, Put { listing: at(2), ..put(&key, Some(first), "a") }).await;
    let listed = store.list(all(&inbox)).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.position).collect::<Vec<_>>(), [2], "once, at its new place");
    let third = stored(&*store, put(&key, Some(second), "listed nowhere")).await;
    assert_eq!(names(&*store, all(&inbox)).await, [""; 0]);
    let expiring = Put { listing: at(1), expires_at: Some(T0 + 5), ..put(&key, Some(third), "a") };
    stored(&*store, expiring).await;
    assert_eq!(names(&*store, List { now: T0 + 4, ..all(&inbox) }).await, ["a"]);
    assert_eq!(names(&*store, List { now: T0 + 5, ..all(&inbox) }).await, [""; 0]);
    assert_eq!(store.delete(Delete { key: &key, expected: None, now: T0 }).await, Ok(Deleted::Removed));
    assert_eq!(names(&*store, all(&inbox)).await, [""; 0]);
}

pub async fn indexes_do_not_mix(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let theirs = Index::new("shop2", "inbox").unwrap();
    let key = Key::new("shop2", "thing", &["theirs"]).unwrap();
    stored(&*store, Put { listing: Some(Listing { index: &theirs, position: 1 }), ..put(&key, None, "") }).await;
    for name in ["inbox", "inbox2", "in"] {
        put_listed(&*store, name, &index(name), 1).await;
    }
    assert_eq!(names(&*store, all(&index("inbox"))).await, ["inbox"]);
    assert_eq!(names(&*store, all(&index("in"))).await, ["in"]);
    assert_eq!(names(&*store, all(&theirs)).await, ["theirs"]);
    assert_eq!(names(&*store, all(&index("inb"))).await, [""; 0]);
}

pub async fn an_index_of_another_owner_is_refused(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("a"));
    let theirs = Index::new("shop2", "inbox").unwrap();
    let listing = Some(Listing { index: &theirs, position: 1 });
    let answer = store.put(Put { listing, ..put(&key, None, "") }).await;
    assert!(matches!(answer, Err(StoreError::Invalid { .. })), "{answer:?}");
    assert_eq!(get(&*store, &key, T0).await, None);
}

pub async fn a_value_that_is_too_large_is_refused(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("a"));
    let longest = "x".repeat(MAX_VALUE_BYTES);
    let answer = store.put(put(&key, None, &format!("{longest}x"))).await;
    assert!(matches!(answer, Err(StoreError::TooLarge { limit: MAX_VALUE_BYTES, .. })), "{answer:?}");
    stored(&*store, put(&key, None, &longest)).await;
    assert_eq!(get(&*store, &key, T0).await.unwrap().value.len(), MAX_VALUE_BYTES);
}

pub async fn records_survive_reopening(fixture: &mut impl Fixture) {
    let (key, inbox) = (key("a"), index("inbox"));
    let listing = Some(Listing { index: &inbox, position: 7 });
    let version = stored(&*fixture.store(), Put { listing, expires_at: Some(T0 + 5), ..put(&key, None, "kept") }).await;
    if fixture.reopen().await {
        let store = fixture.store();
        let record = Record { value: Bytes::from("kept"), version };
        assert_eq!(store.list(all(&inbox)).await, Ok(vec![Listed { key: key.clone(), position: 7, record }]));
        assert_eq!(get(&*store, &key, T0 + 5).await, None);
        let next = stored(&*store, Put { now: T0 + 5, ..put(&key, None, "new") }).await;
        assert!(next > version);
    }
}
