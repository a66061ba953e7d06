//! A store that fails, hangs and loses answers on command.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use conversation::{ConversationId, Event, Millis, Seq};
use store::{
    Answer, Append, Appended, ClaimDue, Delete, Deleted, Key, List, Listed, Put, PutOutcome, Record, Reserve, SetDue,
    Store, StoreError,
};
use tokio::sync::{Semaphore, mpsc};

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `append_at`.
    Append,
    /// `read`.
    Read,
    /// `get`.
    Get,
    /// `put`.
    Put,
    /// `head`.
    Head,
    /// `set_due`.
    SetDue,
    /// `claim_due`.
    ClaimDue,
    /// `forget`.
    Forget,
    /// `delete`.
    Delete,
    /// `list`.
    List,
    /// `ready`.
    Ready,
}

impl Operation {
    /// All that can be made to fail: a store that cannot be reached.
    pub const ALL: [Self; 11] = [
        Self::Append,
        Self::Read,
        Self::Get,
        Self::Put,
        Self::Head,
        Self::SetDue,
        Self::ClaimDue,
        Self::Forget,
        Self::Delete,
        Self::List,
        Self::Ready,
    ];
}

/// How an operation fails.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing is done, and that is said.
    Fails,
    /// It is done, and nobody hears of it.
    LosesAnswer,
    /// It waits for a permit of the semaphore, then it is done.
    Waits(Arc<Semaphore>),
    /// It never answers.
    Hangs,
    /// It panics.
    Panics,
}

/// A store around another one.
pub struct Shaky {
    store: Arc<dyn Store>,
    faults: Mutex<HashMap<Operation, Fault>>,
    asked: mpsc::UnboundedSender<Operation>,
    heard: tokio::sync::Mutex<mpsc::UnboundedReceiver<Operation>>,
}

impl Shaky {
    /// A store that does as `store` does until it is told otherwise.
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        let (asked, heard) = mpsc::unbounded_channel();
        Arc::new(Self { store, faults: Mutex::default(), asked, heard: tokio::sync::Mutex::new(heard) })
    }

    /// From now on the operation fails in this way.
    pub fn set(&self, operation: Operation, fault: Fault) {
        self.faults.lock().unwrap().insert(operation, fault);
    }

    /// From now on every operation fails in this way.
    pub fn set_all(&self, fault: &Fault) {
        Operation::ALL.into_iter().for_each(|operation| self.set(operation, fault.clone()));
    }

    /// All works again.
    pub fn mend(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// Waits until an operation with a fault has been asked for.
    pub async fn asked_for(&self, operation: Operation) {
        let wanted = async {
            let mut heard = self.heard.lock().await;
            while heard.recv().await.unwrap() != operation {}
        };
        crate::soon("an operation of the store", wanted).await;
    }

    /// The next operation with a fault that is asked for.
    pub async fn next_asked_for(&self) -> Operation {
        crate::soon("an operation of the store", async { self.heard.lock().await.recv().await.unwrap() }).await
    }

    async fn run<T>(
        &self,
        operation: Operation,
        inner: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let fault = self.faults.lock().unwrap().get(&operation).cloned();
        if fault.is_some() {
            let _ = self.asked.send(operation);
        }
        match fault {
            None => inner.await,
            Some(Fault::Fails) => Err(broken(operation)),
            Some(Fault::LosesAnswer) => {
                let _ = inner.await;
                Err(broken(operation))
            }
            Some(Fault::Waits(gate)) => {
                gate.acquire().await.unwrap().forget();
                inner.await
            }
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Panics) => panic!("as the test says"),
        }
    }
}

fn broken(operation: Operation) -> StoreError {
    let what = format!("{operation:?}").to_lowercase();
    StoreError::Unavailable { what, reason: "the test says so".to_owned(), retry_after_ms: 1 }
}

impl Store for Shaky {
    fn append_at<'a>(&'a self, append: Append<'a>) -> Answer<'a, Appended> {
        Box::pin(self.run(Operation::Append, self.store.append_at(append)))
    }

    fn set_due<'a>(&'a self, due: SetDue<'a>) -> Answer<'a, Appended> {
        Box::pin(self.run(Operation::SetDue, self.store.set_due(due)))
    }

    fn head<'a>(&'a self, conversation: &'a ConversationId) -> Answer<'a, Seq> {
        Box::pin(self.run(Operation::Head, self.store.head(conversation)))
    }

    fn read<'a>(&'a self, conversation: &'a ConversationId, after: Seq, limit: usize) -> Answer<'a, Vec<Event>> {
        Box::pin(self.run(Operation::Read, self.store.read(conversation, after, limit)))
    }

    fn claim_due(&self, claim: ClaimDue) -> Answer<'_, Vec<ConversationId>> {
        Box::pin(self.run(Operation::ClaimDue, self.store.claim_due(claim)))
    }

    fn forget<'a>(&'a self, conversation: &'a ConversationId, now: Millis) -> Answer<'a, ()> {
        Box::pin(self.run(Operation::Forget, self.store.forget(conversation, now)))
    }

    fn get<'a>(&'a self, key: &'a Key, now: Millis) -> Answer<'a, Option<Record>> {
        Box::pin(self.run(Operation::Get, self.store.get(key, now)))
    }

    fn put<'a>(&'a self, put: Put<'a>) -> Answer<'a, PutOutcome> {
        Box::pin(self.run(Operation::Put, self.store.put(put)))
    }

    fn delete<'a>(&'a self, delete: Delete<'a>) -> Answer<'a, Deleted> {
        Box::pin(self.run(Operation::Delete, self.store.delete(delete)))
    }

    fn list<'a>(&'a self, list: List<'a>) -> Answer<'a, Vec<Listed>> {
        Box::pin(self.run(Operation::List, self.store.list(list)))
    }

    fn reserve<'a>(&'a self, reserve: Reserve<'a>) -> Answer<'a, u64> {
        self.store.reserve(reserve)
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(self.run(Operation::Ready, self.store.ready()))
    }
}
