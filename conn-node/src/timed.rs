//! A store that answers in time, or says that it did not.

use std::sync::Arc;
use std::time::Duration;

use conversation::{ConversationId, Event, Millis, Seq};
use store::{
    Answer, Append, Appended, ClaimDue, Delete, Deleted, Key, List, Listed, Put, PutOutcome, Record, Reserve, SetDue,
    Store, StoreError,
};

/// When to try again after no answer came, milliseconds.
const RETRY_AFTER_MS: u32 = 1_000;

/// A store around another one, whose operations end after a time. What became of a write is unknown then, as after every
/// error of a store.
pub(crate) struct TimedStore {
    store: Arc<dyn Store>,
    limit: Duration,
}

impl TimedStore {
    pub(crate) fn new(store: Arc<dyn Store>, limit: Duration) -> Self {
        Self { store, limit }
    }

    fn time<'a, T: Send + 'a>(&'a self, what: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            tokio::time::timeout(self.limit, answer).await.unwrap_or_else(|_| {
                let reason = format!("no answer came within {} ms (store.timeout_ms)", self.limit.as_millis());
                Err(StoreError::Unavailable { what: what.to_owned(), reason, retry_after_ms: RETRY_AFTER_MS })
            })
        })
    }
}

impl Store for TimedStore {
    fn append_at<'a>(&'a self, append: Append<'a>) -> Answer<'a, Appended> {
        self.time("append an event", self.store.append_at(append))
    }

    fn set_due<'a>(&'a self, due: SetDue<'a>) -> Answer<'a, Appended> {
        self.time("set a due time", self.store.set_due(due))
    }

    fn head<'a>(&'a self, conversation: &'a ConversationId) -> Answer<'a, Seq> {
        self.time("say how long a log is", self.store.head(conversation))
    }

    fn read<'a>(&'a self, conversation: &'a ConversationId, after: Seq, limit: usize) -> Answer<'a, Vec<Event>> {
        self.time("read a log", self.store.read(conversation, after, limit))
    }

    fn claim_due(&self, claim: ClaimDue) -> Answer<'_, Vec<ConversationId>> {
        self.time("claim what is due", self.store.claim_due(claim))
    }

    fn forget<'a>(&'a self, conversation: &'a ConversationId, now: Millis) -> Answer<'a, ()> {
        self.time("forget a conversation", self.store.forget(conversation, now))
    }

    fn get<'a>(&'a self, key: &'a Key, now: Millis) -> Answer<'a, Option<Record>> {
        self.time("get a record", self.store.get(key, now))
    }

    fn put<'a>(&'a self, put: Put<'a>) -> Answer<'a, PutOutcome> {
        self.time("put a record", self.store.put(put))
    }

    fn delete<'a>(&'a self, delete: Delete<'a>) -> Answer<'a, Deleted> {
        self.time("delete a record", self.store.delete(delete))
    }

    fn list<'a>(&'a self, list: List<'a>) -> Answer<'a, Vec<Listed>> {
        self.time("list records", self.store.list(list))
    }

    fn reserve<'a>(&'a self, reserve: Reserve<'a>) -> Answer<'a, u64> {
        self.time("reserve of a budget", self.store.reserve(reserve))
    }

    fn ready(&self) -> Answer<'_, ()> {
        self.time("say whether it is ready", self.store.ready())
    }
}
