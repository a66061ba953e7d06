//! A store that breaks its promises on command: claims that are over early, no fences, acknowledged events that are lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use conversation::{ConversationId, Event, Fence, Millis, Seq};
use store::{
    Answer, Append, Appended, ClaimDue, Delete, Deleted, Key, List, Listed, Put, PutOutcome, Record, Reserve, SetDue,
    Store,
};

/// A store around another one.
pub struct Bent {
    store: Arc<dyn Store>,
    ahead_ms: Millis,
    knows_fences: bool,
    /// Where the log is that took the place of a lost one.
    moved: Mutex<HashMap<ConversationId, ConversationId>>,
}

impl Bent {
    /// A store that does as `store` does.
    pub fn on(store: Arc<dyn Store>) -> Self {
        Self { store, ahead_ms: 0, knows_fences: true, moved: Mutex::default() }
    }

    /// Claims as if so much time had passed: those of others are over while they still work.
    #[must_use]
    pub fn ahead(self, ahead_ms: Millis) -> Self {
        Self { ahead_ms, ..self }
    }

    /// Keeps nobody out.
    #[must_use]
    pub fn without_fences(self) -> Self {
        Self { knows_fences: false, ..self }
    }

    /// Loses the newest events of a log, all but the first `kept`, as a Redis does whose replica takes over before it got them.
    pub async fn lose(&self, id: &ConversationId, kept: Seq) {
        let events = self.store.read(&self.place_of(id), 0, kept as usize).await.unwrap();
        assert_eq!(events.len(), kept as usize, "there is nothing to lose");
        let ordinal = self.place_of(id).ordinal() + 1_000;
        let place = ConversationId::new(id.site(), id.visitor(), ordinal).unwrap();
        for event in &events {
            let append = Append { conversation: &place, event, due: None, fence: Fence::Open, previous_at: 0 };
            assert_eq!(self.store.append_at(append).await.unwrap(), Appended::Stored);
        }
        self.moved.lock().unwrap().insert(id.clone(), place);
    }

    fn place_of(&self, id: &ConversationId) -> ConversationId {
        self.moved.lock().unwrap().get(id).unwrap_or(id).clone()
    }

    fn name_of(&self, place: ConversationId) -> ConversationId {
        let moved = self.moved.lock().unwrap();
        let name = moved.iter().find(|(_, moved)| **moved == place).map(|(name, _)| name.clone());
        name.unwrap_or(place)
    }

    /// Whether the event before is the one that the writer knows, as a store asks that can lose events.
    async fn follows(&self, place: &ConversationId, append: &Append<'_>) -> bool {
        if append.event.seq < 2 {
            return true;
        }
        let before = self.store.read(place, append.event.seq - 2, 1).await.unwrap();
        before.first().is_some_and(|event| event.at == append.previous_at)
    }
}

impl Store for Bent {
    fn append_at<'a>(&'a self, append: Append<'a>) -> Answer<'a, Appended> {
        Box::pin(async move {
            let place = self.place_of(append.conversation);
            if !self.follows(&place, &append).await {
                return Ok(Appended::Conflict);
            }
            let fence = if self.knows_fences { append.fence } else { Fence::Open };
            self.store.append_at(Append { conversation: &place, fence, ..append }).await
        })
    }

    fn set_due<'a>(&'a self, due: SetDue<'a>) -> Answer<'a, Appended> {
        Box::pin(async move {
            let place = self.place_of(due.conversation);
            self.store.set_due(SetDue { conversation: &place, ..due }).await
        })
    }

    fn head<'a>(&'a self, conversation: &'a ConversationId) -> Answer<'a, Seq> {
        Box::pin(async move { self.store.head(&self.place_of(conversation)).await })
    }

    fn read<'a>(&'a self, conversation: &'a ConversationId, after: Seq, limit: usize) -> Answer<'a, Vec<Event>> {
        Box::pin(async move { self.store.read(&self.place_of(conversation), after, limit).await })
    }

    fn claim_due(&self, claim: ClaimDue) -> Answer<'_, Vec<ConversationId>> {
        let (now, until) = (claim.now + self.ahead_ms, claim.until + self.ahead_ms);
        Box::pin(async move {
            let claimed = self.store.claim_due(ClaimDue { now, until, ..claim }).await?;
            Ok(claimed.into_iter().map(|place| self.name_of(place)).collect())
        })
    }

    fn forget<'a>(&'a self, conversation: &'a ConversationId, now: Millis) -> Answer<'a, ()> {
        Box::pin(async move { self.store.forget(&self.place_of(conversation), now).await })
    }

    fn get<'a>(&'a self, key: &'a Key, now: Millis) -> Answer<'a, Option<Record>> {
        self.store.get(key, now)
    }

    fn put<'a>(&'a self, put: Put<'a>) -> Answer<'a, PutOutcome> {
        self.store.put(put)
    }

    fn delete<'a>(&'a self, delete: Delete<'a>) -> Answer<'a, Deleted> {
        self.store.delete(delete)
    }

    fn list<'a>(&'a self, list: List<'a>) -> Answer<'a, Vec<Listed>> {
        self.store.list(list)
    }

    fn reserve<'a>(&'a self, reserve: Reserve<'a>) -> Answer<'a, u64> {
        self.store.reserve(reserve)
    }

    fn ready(&self) -> Answer<'_, ()> {
        self.store.ready()
    }
}
