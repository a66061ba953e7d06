//! Places for what may be there at once only so many times: turns, and connections.

use std::sync::Arc;

use tokio::sync::watch;

/// So many places, each of which is taken or free. Cheap to clone; clones share the places.
#[derive(Debug, Clone)]
pub(super) struct Places {
    taken: Arc<watch::Sender<usize>>,
    all: usize,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<watch::Sender<usize>>);

impl Places {
    pub(super) fn new(all: usize) -> Self {
        Self { taken: Arc::new(watch::Sender::new(0)), all }
    }

    /// Takes one, if one is free.
    pub(super) fn take(&self) -> Option<Place> {
        let is_taken = self.taken.send_if_modified(|taken| {
            let is_free = *taken < self.all;
            *taken += usize::from(is_free);
            is_free
        });
        is_taken.then(|| Place(Arc::clone(&self.taken)))
    }

    /// Takes one as soon as one is free.
    pub(super) async fn wait(&self) -> Place {
        loop {
            if let Some(place) = self.take() {
                return place;
            }
            self.until(|taken| taken < self.all).await;
        }
    }

    /// Waits until all are free.
    pub(super) async fn all_free(&self) {
        self.until(|taken| taken == 0).await;
    }

    pub(super) fn taken(&self) -> usize {
        *self.taken.borrow()
    }

    pub(super) fn all(&self) -> usize {
        self.all
    }

    async fn until(&self, is_so: impl Fn(usize) -> bool) {
        // The sender lives as long as this does, so that there is no error.
        let _ = self.taken.subscribe().wait_for(|taken| is_so(*taken)).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.send_modify(|taken| *taken -= 1);
    }
}
