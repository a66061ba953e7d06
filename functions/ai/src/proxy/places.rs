//! Places for what may be there at once only so many times: turns, connections, and bytes of payloads.

use std::sync::Arc;

use tokio::sync::watch;

/// So many places, each of which is taken or free. Cheap to clone; clones share the places.
#[derive(Debug, Clone)]
pub(super) struct Places {
    taken: Arc<watch::Sender<usize>>,
    all: usize,
}

/// Places that are taken, until this is dropped: one, or as many as were asked for.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    count: usize,
}

impl Places {
    pub(super) fn new(all: usize) -> Self {
        Self { taken: Arc::new(watch::Sender::new(0)), all }
    }

    /// Takes one, if one is free.
    pub(super) fn take(&self) -> Option<Place> {
        let mut place = self.none();
        place.take(1).then_some(place)
    }

    /// None yet, for who does not know how many it will be.
    pub(super) fn none(&self) -> Place {
        Place { places: self.clone(), count: 0 }
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

impl Place {
    /// Takes so many more, if they are free.
    pub(super) fn take(&mut self, more: usize) -> bool {
        let Places { taken, all } = &self.places;
        let is_taken = taken.send_if_modified(|taken| {
            let is_free = all.saturating_sub(*taken) >= more;
            *taken += if is_free { more } else { 0 };
            is_free
        });
        self.count += if is_taken { more } else { 0 };
        is_taken
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.send_modify(|taken| *taken -= self.count);
    }
}
