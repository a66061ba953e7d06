//! The store on real Redis servers: the promises of the port, and what happens when servers and connections fail.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod cluster;
mod conformance;
mod layout;
mod outage;
mod replicas;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use conversation::{Body, ConversationId, Event, MessageId, Millis, Seq};
use servers::{RedisCluster, RedisOptions, RedisServer};
use store::redis::{Options, RedisStore};
use store::{Append, Appended, Fence, Store, StoreError};

/// Longer than anything here takes unless it hangs.
const FOREVER: Duration = Duration::from_secs(60);

/// A server of one's own. `None`: Redis is not installed.
fn start(options: RedisOptions) -> Option<RedisServer> {
    (!servers::missing("redis-server")).then(|| RedisServer::start(options).unwrap())
}

/// A cluster of one's own: three primaries, three replicas. `None`: Redis is not installed.
fn start_cluster() -> Option<RedisCluster> {
    (!servers::missing("redis-server")).then(|| RedisCluster::start().unwrap())
}

async fn connect(url: &str) -> RedisStore {
    RedisStore::connect(url, Options::default()).await.unwrap()
}

fn conversation(ordinal: u32) -> ConversationId {
    ConversationId::new("shop", "visitor", ordinal).unwrap()
}

/// Event `seq` of a log whose events are a millisecond apart.
fn event(seq: Seq, text: &str) -> Event {
    Event { seq, at: seq.into(), body: Body::VisitorMessage { id: MessageId([0; 16]), text: text.into() } }
}

/// Appends an event made by [`event`], due at once, to a log of such events.
async fn append(store: &dyn Store, conversation: &ConversationId, event: &Event) -> Result<Appended, StoreError> {
    let previous_at = Millis::from(event.seq) - 1;
    store.append_at(Append { conversation, event, due: Some(0), fence: Fence::Open, previous_at }).await
}

async fn log(store: &dyn Store, conversation: &ConversationId) -> Result<Vec<Event>, StoreError> {
    let mut log = Vec::new();
    loop {
        let after = log.last().map_or(0, |event: &Event| event.seq);
        let page = store.read(conversation, after, 100).await?;
        if page.is_empty() {
            return Ok(log);
        }
        log.extend(page);
    }
}

/// Waits until the store is ready, for ever if it never is.
async fn ready(store: &dyn Store) {
    let poll = async {
        while store.ready().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(FOREVER, poll).await.expect("the store is ready some time");
}

/// Appends `count` events as the only writer of a log, as a node does: after an error it reads to find out. Returns what was
/// acknowledged; counts the errors.
async fn insist(store: &dyn Store, conversation: &ConversationId, count: Seq, failed: &AtomicU32) -> Vec<Event> {
    let mut stored = Vec::new();
    while stored.len() < count as usize {
        let Ok(head) = store.head(conversation).await else {
            failed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let event = event(head + 1, &format!("{conversation} {head}"));
        match append(store, conversation, &event).await {
            Ok(Appended::Stored) => stored.push(event),
            Ok(other) => panic!("{conversation} has one writer, and yet {other:?}"),
            Err(_) => {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    stored
}

/// Why an operation failed; it must be one that may be tried again.
fn reason<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(error @ StoreError::Unavailable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}
