//! Counting what is open, by key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Taken<K> = Arc<Mutex<HashMap<K, usize>>>;

/// At most so many places for each key.
pub(super) struct Places<K> {
    taken: Taken<K>,
    most: usize,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Hash + Eq> {
    taken: Taken<K>,
    key: K,
}

impl<K: Hash + Eq + Copy> Places<K> {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// A place, if there is one left for this key.
    pub(super) fn take(&self, key: K) -> Option<Place<K>> {
        let mut taken = lock(&self.taken);
        let count = taken.entry(key).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { taken: Arc::clone(&self.taken), key })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.taken).len()
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
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
