//! Permits for what may be there at once only so many times: turns, connections, and bytes of payloads.

use std::sync::Arc;

use tokio::sync::watch;

/// So many permits, each of which is taken or free. Cheap to clone; clones share the permits.
#[derive(Debug, Clone)]
pub(super) struct Permits {
    taken: Arc<watch::Sender<usize>>,
    all: usize,
}

/// Permits that are taken, until this is dropped: one, or as many as were asked for.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Permits,
    count: usize,
}

impl Permits {
    pub(super) fn new(all: usize) -> Self {
        Self { taken: Arc::new(watch::Sender::new(0)), all }
    }

    /// Takes one, if one is free.
    pub(super) fn take(&self) -> Option<Permit> {
        let mut permit = self.none();
        permit.take(1).then_some(permit)
    }

    /// None yet, for who does not know how many it will be.
    pub(super) fn none(&self) -> Permit {
        Permit { permits: self.clone(), count: 0 }
    }

    /// Takes one as soon as one is free.
    pub(super) async fn wait(&self) -> Permit {
        loop {
            if let Some(permit) = self.take() {
                return permit;
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

impl Permit {
    /// Takes so many more, if they are free.
    pub(super) fn take(&mut self, more: usize) -> bool {
        let Permits { taken, all } = &self.permits;
        let is_taken = taken.send_if_modified(|taken| {
            let is_free = all.saturating_sub(*taken) >= more;
            *taken += if is_free { more } else { 0 };
            is_free
        });
        self.count += if is_taken { more } else { 0 };
        is_taken
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.taken.send_modify(|taken| *taken -= self.count);
    }
}
