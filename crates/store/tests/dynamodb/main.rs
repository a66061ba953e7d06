//! The store on DynamoDB, against dynoxide in this process: the promises of the port, what they cost, and bad networks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod budget;
mod chance;
mod conformance;
mod cost;
mod due;
mod network;
mod policy;
mod proxy;
mod random;
mod server;
mod traces;

use conversation::{Body, Claim, ConversationId, Event, MessageId, Millis, Seq};
use store::{Append, Appended, ClaimDue, Fence, Store, StoreError};

/// A moment from which tests count: the begin of a slot.
const T0: Millis = 1_790_000_010_000;

/// A conversation whose id is as long as real ones.
fn conversation(ordinal: u32) -> ConversationId {
    ConversationId::new("shop", "v0198c0de7f3a4b5c8d9e0f1a2b3c4d5e", ordinal).unwrap()
}

fn message(seq: Seq, text: &str) -> Event {
    Event { seq, at: T0 + Millis::from(seq), body: Body::VisitorMessage { id: MessageId([7; 16]), text: text.into() } }
}

async fn append(
    store: &dyn Store,
    conversation: &ConversationId,
    event: &Event,
    due: Option<Millis>,
) -> Result<Appended, StoreError> {
    store.append_at(Append { conversation, event, due, fence: Fence::Open, previous_at: event.at - 1 }).await
}

async fn store_event(store: &dyn Store, conversation: &ConversationId, event: &Event, due: Option<Millis>) {
    assert_eq!(append(store, conversation, event, due).await, Ok(Appended::Stored));
}

async fn claim_until(store: &dyn Store, now: Millis, until: Millis) -> Result<Vec<ConversationId>, StoreError> {
    store.claim_due(ClaimDue { now, until, limit: 100, claim: Claim::new(7).unwrap() }).await
}

/// Everything due at `now`, claimed for a minute.
async fn claim(store: &dyn Store, now: Millis) -> Vec<ConversationId> {
    claim_until(store, now, now + 60_000).await.unwrap()
}
