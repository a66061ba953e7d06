//! What the store holds in the end.

use std::collections::HashSet;

use conversation::{AnswerEnd, Body, ConversationId, Event, MessageId, State};
use store::{Append, Appended, Fence, Store};

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

/// Appends to a log what belongs there, as a node of long ago did.
pub async fn append(store: &dyn Store, id: &ConversationId, bodies: impl IntoIterator<Item = Body>) {
    let mut seq = store.head(id).await.unwrap();
    for body in bodies {
        seq += 1;
        let event = Event { seq, at: 1_700_000_000_000, body };
        let appended = store
            .append_at(Append { conversation: id, event: &event, due: None, fence: Fence::Open, previous_at: 0 })
            .await
            .unwrap();
        assert_eq!(appended, Appended::Stored);
    }
}

/// So many questions, each with its answer.
pub fn small_talk(questions: u32) -> impl Iterator<Item = Body> {
    (0..questions).flat_map(|number| {
        let id = MessageId(u128::from(number).to_be_bytes());
        let text = format!("question {number}").into();
        let answer = format!("answer {number}").into();
        let turn = 2 * number + 1;
        let end = AnswerEnd::Complete;
        [Body::VisitorMessage { id, text }, Body::Answer { turn, text: answer, end, offer_person: false }]
    })
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
