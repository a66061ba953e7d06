//! Counting what is open, by key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// At most so many seats for each key.
pub(super) struct Seats<K> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    most: usize,
}

/// One seat, until it is dropped.
#[derive(Debug)]
pub struct Seat<K: Hash + Eq> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl<K: Hash + Eq + Clone> Seats<K> {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// A seat, if there is one left for this key.
    pub(super) fn take(&self, key: K) -> Option<Seat<K>> {
        let mut taken = lock(&self.taken);
        let count = taken.entry(key.clone()).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Seat { taken: Arc::clone(&self.taken), key })
    }
}

impl<K: Hash + Eq> Seats<K> {
    pub(super) fn taken(&self, key: &K) -> usize {
        lock(&self.taken).get(key).copied().unwrap_or(0)
    }
}

impl<K: Hash + Eq> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// The counts are whole at every moment, also when somebody panicked who held them.
fn lock<K>(taken: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
