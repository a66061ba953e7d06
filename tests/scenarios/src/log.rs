//! What the store holds in the end.

use std::collections::HashSet;

use conversation::{Body, ConversationId, Event, State};
use store::Store;

/// The conversation with this number of a visitor of `shop`.
pub fn conversation_of(visitor: &str, ordinal: u32) -> ConversationId {
    ConversationId::new("shop", visitor, ordinal).unwrap()
}

/// The whole log.
pub async fn events(store: &dyn Store, id: &ConversationId) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.seq);
        let page = store.read(id, after, 1_000).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// Reads a log and checks what must hold for every log: dense from 1, no message twice, no rule broken. Returns it.
///
/// # Panics
/// A rule is broken.
pub async fn assert_whole(store: &dyn Store, id: &ConversationId) -> Vec<Event> {
    let events = events(store, id).await;
    let (mut state, mut ids) = (State::default(), HashSet::new());
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!(event.seq, seq, "the log of {id} has a hole");
        state.apply(event).unwrap_or_else(|violation| panic!("{id}: {violation}"));
        if let Body::VisitorMessage { id: message, .. } = &event.body {
            assert!(ids.insert(*message), "a message stands twice in {id}");
        }
    }
    events
}
