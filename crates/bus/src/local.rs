//! A bus inside the process.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;

use crate::inbox::{Inbox, Limits, Load};
use crate::{BoxFuture, Bus, BusError, MAX_PAYLOAD_BYTES, Subscription, Topic};

/// How much may wait in a [`LocalBus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// For one subscription, in bytes. Default: 512 KiB, two payloads of the largest size.
    pub inbox_bytes: usize,
    /// For all subscriptions together, in bytes; what several have waiting counts several times. Default: 64 MiB.
    pub all_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { inbox_bytes: 512 << 10, all_bytes: 64 << 20 }
    }
}

/// A bus inside the process. Clones share everything.
#[derive(Debug, Clone)]
pub struct LocalBus {
    hub: Arc<Hub>,
}

impl LocalBus {
    /// A bus without subscriptions.
    pub fn new(options: Options) -> Self {
        let limits = Limits { inbox: options.inbox_bytes, all: options.all_bytes };
        let hub = Hub { limits, load: Load::default(), hasher: RandomState::new(), shards: Default::default() };
        Self { hub: Arc::new(hub) }
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Bus for LocalBus {
    fn publish(&self, topic: &Topic, payload: Bytes) -> Result<(), BusError> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(BusError::TooLarge { topic: topic.clone(), bytes: payload.len() });
        }
        self.hub.publish(topic, &payload);
        Ok(())
    }

    fn subscribe<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<Subscription, BusError>> {
        Box::pin(async { Ok(Hub::subscribe(&self.hub, topic)) })
    }
}

/// Enough that nodes with many connections seldom wait for each other's publishing.
const SHARDS: usize = 16;

/// Who hears what.
#[derive(Debug)]
pub(crate) struct Hub {
    limits: Limits,
    load: Load,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<Topic, Inboxes>;

/// The subscriptions of one topic. Most have one: a visitor with one tab.
#[derive(Debug)]
enum Inboxes {
    One(Arc<Inbox>),
    Many(Vec<Arc<Inbox>>),
}

impl Hub {
    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    fn shard(&self, topic: &Topic) -> MutexGuard<'_, Shard> {
        let number = self.hasher.hash_one(topic) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, topic: &Topic, payload: &Bytes) {
        let mut readers: Vec<Waker> = Vec::new();
        if let Some(inboxes) = self.shard(topic).get(topic) {
            readers.extend(inboxes.as_slice().iter().filter_map(|inbox| inbox.push(payload, self.limits, &self.load)));
        }
        // Not under the lock: a waker is foreign code and may come back to this hub.
        readers.into_iter().for_each(Waker::wake);
    }

    fn subscribe(hub: &Arc<Hub>, topic: &Topic) -> Subscription {
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
        if shard.get_mut(topic).is_some_and(|inboxes| inboxes.remove(inbox)) {
            shard.remove(topic);
            if shard.len() < shard.capacity() / 4 {
                shard.shrink_to_fit();
            }
        }
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
