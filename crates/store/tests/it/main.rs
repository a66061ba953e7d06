//! The embedded store: the promises of the port, and what happens when the disk or the file is bad.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;
mod disk;
mod failures;
mod files;

use conversation::{Body, ConversationId, Event, MessageId, Seq};
use store::{Append, Appended, Fence, Store, StoreError};

fn conversation(ordinal: u32) -> ConversationId {
    ConversationId::new("shop", "visitor", ordinal).unwrap()
}

fn event(seq: Seq, text: &str) -> Event {
    Event { seq, at: 0, body: Body::VisitorMessage { id: MessageId([0; 16]), text: text.into() } }
}

/// Appends one event that is due at its seq.
async fn append(store: &dyn Store, conversation: &ConversationId, event: &Event) -> Result<Appended, StoreError> {
    store
        .append_at(Append { conversation, event, due: Some(event.seq.into()), fence: Fence::Open, previous_at: 0 })
        .await
}

async fn log(store: &dyn Store, conversation: &ConversationId) -> Vec<Event> {
    let mut log = Vec::new();
    loop {
        let after = log.last().map_or(0, |event: &Event| event.seq);
        let page = store.read(conversation, after, 100).await.unwrap();
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

/// Numbers that look random and are the same for the same seed: splitmix64, by Sebastiano Vigna.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
