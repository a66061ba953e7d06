//! What the store holds in the end.

use std::collections::HashSet;

use conversation::{AnswerEnd, Body, ConversationId, Event, MessageId, Millis, State};
use store::{Append, Appended, Fence, Index, Key, List, Listing, Put, PutOutcome, Store};

/// When the logs of long ago were written, Unix milliseconds.
pub const LONG_AGO: Millis = 1_700_000_000_000;

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
    append_at(store, id, LONG_AGO, bodies).await;
}

/// As [`append`], at a time of the test's choosing.
pub async fn append_at(store: &dyn Store, id: &ConversationId, at: Millis, bodies: impl IntoIterator<Item = Body>) {
    for body in bodies {
        append_due(store, id, at, body, None).await;
    }
}

/// Appends one event that asks for something at the time `due`.
pub async fn append_due(store: &dyn Store, id: &ConversationId, at: Millis, body: Body, due: Option<Millis>) {
    let newest = events(store, id).await.pop();
    let (seq, previous_at) = newest.map_or((1, 0), |newest| (newest.seq + 1, newest.at));
    let event = Event { seq, at, body };
    let append = Append { conversation: id, event: &event, due, fence: Fence::Open, previous_at };
    assert_eq!(store.append_at(append).await.unwrap(), Appended::Stored);
}

/// Lists a conversation of a site's, as its node did when its log began: somebody has to look at it at `at`.
pub async fn enlist(store: &dyn Store, id: &ConversationId, at: Millis) {
    let (key, index) = (life_key(id), Index::new(id.site(), "life").unwrap());
    let listing = Some(Listing { index: &index, position: at });
    let put = Put { key: &key, expected: None, value: "".into(), expires_at: None, listing, now: at };
    assert!(matches!(store.put(put).await.unwrap(), PutOutcome::Stored(_)));
}

/// When somebody has to look at a conversation next; `None`: it is not listed.
pub async fn listed_at(store: &dyn Store, id: &ConversationId) -> Option<Millis> {
    let (key, index) = (life_key(id), Index::new(id.site(), "life").unwrap());
    let list = List { index: &index, from: 0, to: u64::MAX, after: None, limit: 1_000, now: LONG_AGO };
    let listed = store.list(list).await.unwrap();
    listed.into_iter().find(|listed| listed.key == key).map(|listed| listed.position)
}

fn life_key(id: &ConversationId) -> Key {
    Key::new(id.site(), "life", &[id.visitor(), &id.ordinal().to_string()]).unwrap()
}

/// So many questions, each with its answer.
pub fn small_talk(questions: u32) -> impl Iterator<Item = Body> {
    (0..questions).flat_map(|number| {
        let id = MessageId(u128::from(number).to_be_bytes());
        let text = format!("question {number}").into();
        let answer = format!("answer {number}").into();
        let turn = 2 * number + 1;
        let end = AnswerEnd::Complete;
        [
            Body::VisitorMessage { id, text },
            Body::Answer { turn, text: answer, end, offer_person: false, sources: None, choices: None },
        ]
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
