//! What waits for one subscription.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::Received;

/// What a waiting message costs beside its payload, in bytes: its place in the queue and its share of an allocation.
const MESSAGE_BYTES: usize = 64;

/// The bytes that wait in all inboxes of one hub.
#[derive(Debug, Default)]
pub(crate) struct Load(AtomicUsize);

/// Holds nothing on the heap while it is empty: a node has one per connection, and nearly all are.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Bytes>,
    bytes: usize,
    lagged: bool,
    reader: Option<Waker>,
}

/// How much may wait, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) inbox: usize,
    pub(crate) all: usize,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message; returns who is to be woken once no lock is held.
    ///
    /// A message that does not fit drives out all that wait: the reader must go to the log anyway, which has them.
    #[must_use]
    pub(crate) fn push(&self, payload: &Bytes, limits: Limits, load: &Load) -> Option<Waker> {
        let bytes = payload.len() + MESSAGE_BYTES;
        let mut state = self.state();
        let has_room =
            |state: &State| state.bytes + bytes <= limits.inbox && load.0.load(Ordering::Relaxed) + bytes <= limits.all;
        if !has_room(&state) {
            state.lose(load);
        }
        if has_room(&state) {
            load.0.fetch_add(bytes, Ordering::Relaxed);
            state.bytes += bytes;
            state.messages.push_back(payload.clone());
        }
        state.reader.take()
    }

    pub(crate) fn poll(&self, cx: &Context<'_>, load: &Load) -> Poll<Received> {
        let mut state = self.state();
        if let Some(received) = state.take(load) {
            return Poll::Ready(received);
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    pub(crate) fn take(&self, load: &Load) -> Option<Received> {
        self.state().take(load)
    }

    /// Drops what waits and says so; returns who is to be woken once no lock is held.
    #[must_use]
    pub(crate) fn lag(&self, load: &Load) -> Option<Waker> {
        let mut state = self.state();
        state.lose(load);
        state.reader.take()
    }

    pub(crate) fn clear(&self, load: &Load) {
        self.state().lose(load);
    }
}

impl State {
    fn take(&mut self, load: &Load) -> Option<Received> {
        if std::mem::take(&mut self.lagged) {
            return Some(Received::Lagged);
        }
        let payload = self.messages.pop_front()?;
        let bytes = payload.len() + MESSAGE_BYTES;
        self.bytes -= bytes;
        load.0.fetch_sub(bytes, Ordering::Relaxed);
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
        Some(Received::Message(payload))
    }

    fn lose(&mut self, load: &Load) {
        load.0.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
        self.messages = VecDeque::new();
        self.lagged = true;
    }
}
