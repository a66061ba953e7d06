//! The subscriptions of this process.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use bytes::Bytes;

use crate::inbox::{Inbox, Limits, Load};
use crate::{Options, Subscription, Topic};

/// Enough that nodes with many connections seldom wait for each other's publishing.
const SHARDS: usize = 16;

/// Who hears what.
pub(crate) struct Hub {
    limits: Limits,
    load: Load,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    remote: Option<Weak<dyn Remote>>,
}

/// Where the messages come from, if not from this process.
pub(crate) trait Remote: Send + Sync {
    /// A topic's last subscription is gone. By now it may have one again.
    fn handle_left(&self, topic: &Topic);
}

type Shard = HashMap<Topic, Inboxes>;

/// The subscriptions of one topic. Most have one: a visitor with one tab.
#[derive(Debug)]
enum Inboxes {
    One(Arc<Inbox>),
    Many(Vec<Arc<Inbox>>),
}

impl Hub {
    pub(crate) fn new(options: Options, remote: Option<Weak<dyn Remote>>) -> Self {
        let limits = Limits { inbox: options.inbox_bytes, all: options.all_bytes };
        Self { limits, load: Load::default(), hasher: RandomState::new(), shards: Default::default(), remote }
    }

    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    fn shard(&self, topic: &Topic) -> MutexGuard<'_, Shard> {
        let number = self.hasher.hash_one(topic) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish(&self, topic: &Topic, payload: &Bytes) {
        self.for_each(topic, |inbox| inbox.push(payload, self.limits, &self.load));
    }

    /// Tells every subscription of `topic` that messages may have been lost.
    pub(crate) fn lag(&self, topic: &Topic) {
        self.for_each(topic, |inbox| inbox.lag(&self.load));
    }

    fn for_each(&self, topic: &Topic, put: impl Fn(&Inbox) -> Option<Waker>) {
        let mut readers: Vec<Waker> = Vec::new();
        if let Some(inboxes) = self.shard(topic).get(topic) {
            readers.extend(inboxes.as_slice().iter().filter_map(|inbox| put(inbox)));
        }
        // Not under the lock: a waker is foreign code and may come back to this hub.
        readers.into_iter().for_each(Waker::wake);
    }

    /// Whether anybody here listens.
    pub(crate) fn listens(&self, topic: &Topic) -> bool {
        self.shard(topic).contains_key(topic)
    }

    pub(crate) fn subscribe(hub: &Arc<Hub>, topic: &Topic) -> Subscription {
        let inbox = Arc::new(Inbox::default());
        let mut shard = hub.shard(topic);
        match shard.get_mut(topic) {
            Some(inboxes) => inboxes.add(inbox.clone()),
            None => {
                shard.insert(topic.clone(), Inboxes::One(inbox.clone()));
            }
        }
        drop(shard);
        Subscription::new(topic.clone(), inbox, hub.clone())
    }

    pub(crate) fn unsubscribe(&self, topic: &Topic, inbox: &Arc<Inbox>) {
        let mut shard = self.shard(topic);
        if !shard.get_mut(topic).is_some_and(|inboxes| inboxes.remove(inbox)) {
            return;
        }
        shard.remove(topic);
        if shard.len() < shard.capacity() / 4 {
            shard.shrink_to_fit();
        }
        drop(shard);
        if let Some(remote) = self.remote.as_ref().and_then(Weak::upgrade) {
            remote.handle_left(topic);
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("limits", &self.limits).field("load", &self.load).finish_non_exhaustive()
    }
}

impl Inboxes {
    fn as_slice(&self) -> &[Arc<Inbox>] {
        match self {
            Self::One(inbox) => std::slice::from_ref(inbox),
            Self::Many(inboxes) => inboxes,
        }
    }

    fn add(&mut self, inbox: Arc<Inbox>) {
        match self {
            Self::One(first) => *self = Self::Many(vec![first.clone(), inbox]),
            Self::Many(inboxes) => inboxes.push(inbox),
        }
    }

    /// Returns whether none is left.
    fn remove(&mut self, inbox: &Arc<Inbox>) -> bool {
        match self {
            Self::One(only) => Arc::ptr_eq(only, inbox),
            Self::Many(inboxes) => {
                inboxes.retain(|other| !Arc::ptr_eq(other, inbox));
                inboxes.is_empty()
            }
        }
    }
}
