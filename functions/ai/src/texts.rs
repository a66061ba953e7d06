//! What a site's assistant goes by, its indexed texts and its intents, prepared in the background: a function has to be ready
//! at once, and its first turn waits only as long as it must.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::Error;

/// Something that is there, or will be.
pub(crate) struct Slot<T> {
    value: watch::Receiver<Option<Arc<T>>>,
}

impl<T> Slot<T> {
    /// It is there.
    #[cfg(test)]
    pub(crate) fn ready(value: T) -> Self {
        Self { value: watch::channel(Some(Arc::new(value))).1 }
    }

    /// What is there by `until`, at once if it is there now.
    pub(crate) async fn by(&self, until: Instant) -> Option<Arc<T>> {
        let mut value = self.value.clone();
        let there = timeout_at(until, value.wait_for(Option::is_some)).await.ok()?.ok()?;
        there.clone()
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone() }
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.value.borrow().is_some() { "ready" } else { "not ready" })
    }
}

type Job = Box<dyn FnOnce() -> Result<(), Error> + Send>;

/// What is still to be prepared.
#[derive(Default)]
pub(crate) struct Jobs {
    jobs: Vec<Job>,
}

impl Jobs {
    /// Has `make` done in the background.
    pub(crate) fn add<T: Send + Sync + 'static>(
        &mut self,
        make: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Slot<T> {
        let (sender, value) = watch::channel(None);
        self.jobs.push(Box::new(move || {
            sender.send_replace(Some(Arc::new(make()?)));
            Ok(())
        }));
        Slot { value }
    }

    /// Begins, one after the other on a thread of their own. One that fails keeps no other from being done.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(self) -> Result<Preparing, Error> {
        let (failed, errors) = mpsc::channel(self.jobs.len().max(1));
        let work = move || {
            for error in self.jobs.into_iter().filter_map(|job| job().err()) {
                // Nobody hears it only where the program is ending.
                let _ = failed.try_send(error);
            }
        };
        let thread = std::thread::Builder::new().name("prepare".to_owned()).spawn(work);
        thread.map_err(|error| Error::Thread(error.to_string()))?;
        Ok(Preparing { errors })
    }
}

/// What is being prepared.
#[derive(Debug)]
pub(crate) struct Preparing {
    errors: mpsc::Receiver<Error>,
}

impl Preparing {
    /// Why something cannot be. Waits for ever if all can.
    pub(crate) async fn failed(&mut self) -> Error {
        match self.errors.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn what_is_prepared_is_waited_for() {
        let mut jobs = Jobs::default();
        let (one, two) = (jobs.add(|| Ok(1)), jobs.add(|| Ok("two")));
        let _preparing = jobs.start().unwrap();
        assert_eq!((two.by(soon()).await.as_deref(), one.by(soon()).await.as_deref()), (Some(&"two"), Some(&1)));
        assert_eq!(Slot::ready(3).by(Instant::now()).await.as_deref(), Some(&3));
    }

    #[tokio::test]
    async fn what_fails_is_told_and_nobody_waits_for_it_and_the_others_are_done() {
        let failing = |reason: &'static str| move || Err::<u8, _>(Error::Thread(reason.into()));
        let mut jobs = Jobs::default();
        let (one, two, three) = (jobs.add(failing("the first")), jobs.add(failing("the second")), jobs.add(|| Ok(3)));
        let mut preparing = jobs.start().unwrap();
        for reason in ["the first", "the second"] {
            assert!(preparing.failed().await.to_string().contains(reason));
        }
        assert_eq!((one.by(soon()).await, two.by(soon()).await), (None, None));
        assert_eq!(three.by(soon()).await.as_deref(), Some(&3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_not_waited_for() {
        let mut jobs = Jobs::default();
        let slot = jobs.add(|| Ok(1));
        assert_eq!(slot.by(soon()).await, None);
        drop(jobs);
    }
}
