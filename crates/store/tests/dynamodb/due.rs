//! Due times of several clients, and the marks that find them.

use store::{Appended, Fence, SetDue, Store};

use super::proxy::Proxy;
use super::server::{Server, client};
use super::{T0, append, claim, claim_until, conversation, message, store_event};

const MINUTE: u64 = 60_000;

#[tokio::test]
async fn what_one_client_made_due_one_of_the_others_claims() {
    let server = Server::start().await;
    let (writer, one, other) = (server.client().await, server.client().await, server.client().await);
    for ordinal in 1..=20 {
        store_event(&writer, &conversation(ordinal), &message(1, "asks"), Some(T0)).await;
    }
    let (first, second) = tokio::join!(claim(&one, T0), claim(&other, T0));
    let mut claimed: Vec<u32> = first.iter().chain(&second).map(|conversation| conversation.ordinal()).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_mark_that_is_found_before_its_event_is_not_taken_for_done() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address).await;
    let (slow, quick) = (client(&proxy.url()).await, server.client().await);
    store_event(&slow, &conversation(1), &message(1, "text"), None).await;
    let (arrival, go) = proxy.hold("UpdateItem");
    let moving = tokio::spawn(async move {
        let due = SetDue { conversation: &conversation(1), head: 1, due: Some(T0), fence: Fence::Open };
        slow.set_due(due).await
    });
    arrival.await.unwrap();
    assert_eq!(claim(&quick, T0).await, [], "the mark is there, the due time is not");
    go.send(()).unwrap();
    assert_eq!(moving.await.unwrap(), Ok(Appended::Stored));
    assert_eq!(claim(&quick, T0 + 1_000).await, [conversation(1)]);
}

#[tokio::test]
async fn slots_leave_the_list_when_nothing_is_left_to_do() {
    let server = Server::start().await;
    let store = server.client().await;
    store_event(&store, &conversation(1), &message(1, "asks"), Some(T0)).await;
    store_event(&store, &conversation(1), &message(2, "is answered"), None).await;
    store_event(&store, &conversation(2), &message(1, "asks"), Some(T0)).await;
    assert_eq!(server.items("slots").len(), 1);
    let until = T0 + 60 * MINUTE;
    assert_eq!(claim_until(&store, T0 + 10 * MINUTE, until).await, Ok(vec![conversation(2)]));
    assert_eq!(server.items("slots").len(), 1, "the claim's own end is still to come");
    assert_eq!(claim_until(&store, until, until + MINUTE).await, Ok(vec![conversation(2)]));
    store_event(&store, &conversation(2), &message(2, "is answered"), None).await;
    assert_eq!(claim(&store, until + 10 * MINUTE).await, []);
    assert_eq!(server.items("slots").len(), 0);
    assert_eq!(server.items("m#").len(), 4, "marks stay until their time to live removes them");
}

#[tokio::test]
async fn a_due_time_in_a_slot_that_has_left_the_list_is_found() {
    let server = Server::start().await;
    let (writer, claimer) = (server.client().await, server.client().await);
    store_event(&writer, &conversation(1), &message(1, "asks"), Some(T0)).await;
    store_event(&writer, &conversation(1), &message(2, "is answered"), None).await;
    let later = T0 + 10 * MINUTE;
    assert_eq!(claim(&claimer, later).await, []);
    assert_eq!(server.items("slots").len(), 0);
    assert_eq!(claim(&writer, later - MINUTE).await, [], "this is how it knows the time");
    let due = SetDue { conversation: &conversation(1), head: 2, due: Some(T0), fence: Fence::Open };
    assert_eq!(writer.set_due(due).await, Ok(Appended::Stored));
    assert_eq!(claim(&claimer, later).await, [conversation(1)]);
}

#[tokio::test]
async fn a_client_looks_at_each_mark_once() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address).await;
    let (writer, claimer) = (server.client().await, client(&proxy.url()).await);
    for ordinal in 1..=10 {
        store_event(&writer, &conversation(ordinal), &message(1, "asks"), Some(T0)).await;
        store_event(&writer, &conversation(ordinal), &message(2, "is answered"), None).await;
    }
    assert_eq!(claim(&claimer, T0).await, []);
    let looks = proxy.take_seen().len();
    assert!((10 + 2..10 + 2 + 3).contains(&looks), "ten marks, the list, and the pages of marks: {looks}");
    assert_eq!(claim(&claimer, T0 + 1_000).await, []);
    assert_eq!(proxy.take_seen(), ["Query", "Query"], "the list, and whether there are more marks");
    assert_eq!(claim(&writer, T0).await, []);
}

#[tokio::test]
async fn of_two_hundred_due_at_once_a_claim_takes_its_limit_and_the_rest_follows() {
    let server = Server::start().await;
    let store = server.client().await;
    let appends = (1..=200).map(|ordinal| {
        let store = &store;
        async move { append(store, &conversation(ordinal), &message(1, "asks"), Some(T0 + u64::from(ordinal))).await }
    });
    futures_util::future::join_all(appends)
        .await
        .into_iter()
        .for_each(|answer| assert_eq!(answer, Ok(Appended::Stored)));
    let mut claimed = Vec::new();
    loop {
        let some = claim(&store, T0 + 1_000).await;
        if some.is_empty() {
            break;
        }
        claimed.extend(some.iter().map(|conversation| conversation.ordinal()));
    }
    assert_eq!(claimed, (1..=200).collect::<Vec<_>>(), "the most overdue first");
}
