//! The conversations that this node holds, by id.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conversation::{ConversationId, Millis};

use crate::held::Held;
use crate::node::Node;

/// Locks are short; this many keep two cores from waiting for each other.
const SHARDS: usize = 32;

/// After how long without a command a conversation in which nothing is under way rests, milliseconds. What it costs is one
/// read of the log with the next command; what it saves is the texts of everybody who is only connected.
const REST_MS: Millis = 1_000;

/// How long a conversation without connections is remembered, milliseconds.
const LINGER_MS: Millis = 30_000;

/// All conversations in memory.
#[derive(Debug)]
pub(crate) struct Conversations {
    shards: Vec<Mutex<HashMap<ConversationId, Arc<Held>>>>,
    hasher: RandomState,
}

impl Conversations {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// The conversation, and whether it was taken into memory only now: then its log has yet to be read.
    pub(crate) fn hold(&self, node: &Node, id: &ConversationId, now: Millis) -> (Arc<Held>, bool) {
        let mut shard = self.shard(id);
        if let Some(held) = shard.get(id) {
            held.touch(now);
            return (Arc::clone(held), false);
        }
        let held = Arc::new(Held::new(id.clone(), node.policy(id.site()), now));
        shard.insert(id.clone(), Arc::clone(&held));
        node.metrics.conversations.inc();
        (held, true)
    }

    /// The conversation, if it is in memory.
    pub(crate) fn held(&self, id: &ConversationId) -> Option<Arc<Held>> {
        self.shard(id).get(id).map(Arc::clone)
    }

    /// Everything in memory, for draining.
    pub(crate) fn all(&self) -> Vec<Arc<Held>> {
        self.shards.iter().flat_map(|shard| lock(shard).values().map(Arc::clone).collect::<Vec<_>>()).collect()
    }

    /// Forgets conversations that nobody holds, that have nothing under way and that were not needed for a while. The
    /// others rest, if nothing happens in them.
    pub(crate) fn forget_idle(&self, node: &Node, now: Millis) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.len();
            shard.retain(|_, held| !is_unneeded(held, now));
            node.metrics.conversations.sub(i64::try_from(before - shard.len()).unwrap_or(i64::MAX));
        }
    }

    fn shard(&self, id: &ConversationId) -> MutexGuard<'_, HashMap<ConversationId, Arc<Held>>> {
        let index = (self.hasher.hash_one(id) as usize) % SHARDS;
        lock(&self.shards[index])
    }
}

/// Whether it can be forgotten. One that cannot, or not yet, rests if nothing happens in it.
///
/// To be called under its shard's lock: then nobody can take another reference out of the map.
fn is_unneeded(held: &Arc<Held>, now: Millis) -> bool {
    let untouched = now.saturating_sub(held.touched());
    if untouched < REST_MS || !held.may_rest() {
        return false;
    }
    held.rest();
    (untouched >= LINGER_MS || held.is_forgotten()) && Arc::strong_count(held) == 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
