//! What is told when the network or DynamoDB fails: the truth, or that it is unknown.

use std::num::NonZeroU64;

use bytes::Bytes;
use store::dynamodb::{DynamoStore, Options};
use store::{Appended, Delete, Deleted, Fence, Key, Put, PutOutcome, Reserve, SetDue, Store, StoreError};
use tokio::net::TcpListener;

use super::proxy::{Fate, Proxy};
use super::server::{Server, client, options, url};
use super::{T0, append, claim, conversation, message, store_event};

async fn behind_a_proxy() -> (Server, Proxy, DynamoStore) {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address).await;
    let store = client(&proxy.url()).await;
    (server, proxy, store)
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_stored_once_and_told_so() {
    let (server, proxy, store) = behind_a_proxy().await;
    proxy.plan("PutItem", [Fate::LoseAnswer]);
    let event = message(1, "text");
    assert_eq!(append(&store, &conversation(1), &event, None).await, Ok(Appended::Stored));
    assert!(proxy.all_met());
    assert_eq!(server.client().await.read(&conversation(1), 0, 10).await, Ok(vec![event]));
}

#[tokio::test]
async fn the_same_event_of_another_client_is_not_taken_for_a_retry() {
    let (server, proxy, store) = behind_a_proxy().await;
    let event = message(1, "text");
    assert_eq!(append(&server.client().await, &conversation(1), &event, None).await, Ok(Appended::Stored));
    proxy.plan("PutItem", [Fate::LoseAnswer, Fate::Cut]);
    assert_eq!(append(&store, &conversation(1), &event, None).await, Ok(Appended::Conflict));
    assert!(proxy.all_met());
}

#[tokio::test]
async fn a_due_time_and_a_claim_whose_answers_were_lost_stand() {
    let (server, proxy, store) = behind_a_proxy().await;
    store_event(&store, &conversation(1), &message(1, "text"), None).await;
    proxy.plan("UpdateItem", [Fate::LoseAnswer]);
    let due = SetDue { conversation: &conversation(1), head: 1, due: Some(T0), fence: Fence::Unclaimed };
    assert_eq!(store.set_due(due).await, Ok(Appended::Stored));
    proxy.plan("UpdateItem", [Fate::LoseAnswer]);
    assert_eq!(claim(&store, T0).await, [conversation(1)]);
    assert!(proxy.all_met());
    assert_eq!(claim(&server.client().await, T0 + 59_999).await, [], "it is claimed once");
}

#[tokio::test]
async fn a_record_whose_answers_were_lost_is_as_it_was_told() {
    let (server, proxy, store) = behind_a_proxy().await;
    let key = Key::new("shop", "thing", &["a"]).unwrap();
    let put =
        |expected| Put { key: &key, expected, value: Bytes::from("one"), expires_at: None, listing: None, now: T0 };
    proxy.plan("UpdateItem", [Fate::LoseAnswer]);
    let PutOutcome::Stored(version) = store.put(put(None)).await.unwrap() else { panic!("it is there once") };
    assert_eq!(server.client().await.get(&key, T0).await.unwrap().map(|record| record.version), Some(version));
    proxy.plan("UpdateItem", [Fate::LoseAnswer]);
    let delete = Delete { key: &key, expected: Some(version), now: T0 };
    assert_eq!(store.delete(delete).await, Ok(Deleted::Removed));
    assert!(proxy.all_met());
}

#[tokio::test]
async fn throttling_and_cut_connections_that_pass_are_not_seen() {
    let (_server, proxy, store) = behind_a_proxy().await;
    let throttled = || [Fate::Refuse("ProvisionedThroughputExceededException"), Fate::Refuse("ThrottlingException")];
    proxy.plan("PutItem", throttled());
    assert_eq!(append(&store, &conversation(1), &message(1, "text"), Some(T0)).await, Ok(Appended::Stored));
    proxy.plan("PutItem", [Fate::Cut, Fate::Cut]);
    assert_eq!(append(&store, &conversation(1), &message(2, "text"), Some(T0)).await, Ok(Appended::Stored));
    proxy.plan("Query", throttled().into_iter().chain([Fate::Cut]));
    assert_eq!(store.head(&conversation(1)).await, Ok(2));
    proxy.plan("UpdateItem", throttled());
    let key = Key::new("*", "budget", &["model"]).unwrap();
    let one = NonZeroU64::MIN;
    let reserve = Reserve { key: &key, amount: 1, per_minute: one, burst: 1, remaining: None, now: T0 };
    assert_eq!(store.reserve(reserve).await, Ok(0));
    assert!(proxy.all_met());
}

#[tokio::test]
async fn throttling_that_does_not_pass_is_told_with_what_helps() {
    let (_server, proxy, store) = behind_a_proxy().await;
    proxy.plan("PutItem", (0..5).map(|_| Fate::Refuse("ProvisionedThroughputExceededException")));
    let error = append(&store, &conversation(1), &message(1, "text"), None).await.unwrap_err();
    assert!(error.to_string().contains("throttles the table frontdesk"), "{error}");
    assert!(error.to_string().contains("append to shop/"), "{error}");
    assert!(error.retry_after_ms().is_some());
}

#[tokio::test]
async fn a_mark_that_cannot_be_written_stops_the_append() {
    let (server, proxy, store) = behind_a_proxy().await;
    proxy.plan("PutItem", (0..5).map(|_| Fate::Refuse("ThrottlingException")));
    let answer = append(&store, &conversation(1), &message(1, "text"), Some(T0)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    assert!(server.items("c#").is_empty(), "an event that nobody would find when it is due");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_until_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let store = DynamoStore::connect(&url(address), options()).await.unwrap();
    let error = store.ready().await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    let _server = Server::without_table(TcpListener::bind(address).await.unwrap());
    let error = store.ready().await.unwrap_err();
    assert!(error.to_string().contains("there is no table frontdesk"), "{error}");
    store::dynamodb::create_table(&url(address)).await.unwrap();
    assert_eq!(store.ready().await, Ok(()));
    assert_eq!(store::dynamodb::create_table(&url(address)).await, Ok(()), "one that is there stays");
}

#[tokio::test]
async fn refused_credentials_are_told_with_what_helps() {
    let (_server, proxy, store) = behind_a_proxy().await;
    for (refusal, help) in [
        ("AccessDeniedException", "the policy of docs/dynamodb.md"),
        ("UnrecognizedClientException", "renew them"),
        ("ExpiredTokenException", "renew them"),
    ] {
        proxy.plan("GetItem", [Fate::Refuse(refusal)]);
        let error = store.ready().await.unwrap_err();
        assert!(error.to_string().contains(help), "{error}");
    }
}

#[tokio::test]
async fn a_bad_url_is_an_error_at_once() {
    let error = DynamoStore::connect("dynamodb://id:s3cret@t", Options::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_reservation_whose_answer_was_lost_is_made_once() {
    let (_server, proxy, store) = behind_a_proxy().await;
    let key = Key::new("*", "budget", &["model"]).unwrap();
    let per_minute = NonZeroU64::new(60).unwrap();
    let reserve = |amount| Reserve { key: &key, amount, per_minute, burst: 10, remaining: None, now: T0 };
    assert_eq!(store.reserve(reserve(10)).await, Ok(0));
    proxy.plan("UpdateItem", [Fate::LoseAnswer]);
    assert_eq!(store.reserve(reserve(1)).await, Ok(1_000));
    assert!(proxy.all_met());
    assert_eq!(store.reserve(reserve(1)).await, Ok(2_000));
}
